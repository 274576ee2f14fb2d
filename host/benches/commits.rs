//! Documents created per second by 64 writers, with one commit for all that wait and with a
//! commit for each: `cargo bench --bench commits`. Prints one line of JSON.

use std::time::{Duration, Instant};

use alyx::config::Config;
use alyx::db::Store;
use alyx::db::request::{Request, Scope};
use serde_json::{Map, json};

const WRITERS: usize = 64;
const LENGTH: Duration = Duration::from_secs(3);
const POSTS: &str = "
collections:
  posts:
    fields: {title: {type: string}, published: {type: bool}, views: {type: int}}
";

#[tokio::main]
async fn main() {
    let together = per_second(256).await;
    let alone = per_second(1).await;
    #[expect(clippy::print_stdout, reason = "the figures are what it is for")]
    {
        println!("{}", json!({"together": together, "alone": alone}));
    }
}

/// With up to `most` writes in a commit.
async fn per_second(most: usize) -> u64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("alyx.yaml"), POSTS).expect("the folder is writable");
    let config = Config::load(None, folder.path(), []).expect("the configuration is right");
    let store = Store::open_with(&config.database, &config.collections, most);
    let store = store.expect("the file can be made");
    let end = Instant::now() + LENGTH;
    let writers = (0..WRITERS).map(|_| tokio::spawn(write_until(store.clone(), end)));
    let mut written = 0;
    for writer in writers.collect::<Vec<_>>() {
        written += writer.await.expect("no writer panics");
    }
    store.close().await;
    written / LENGTH.as_secs()
}

async fn write_until(store: Store, end: Instant) -> u64 {
    let mut written = 0;
    while Instant::now() < end {
        let members =
            [("title", json!("a title")), ("published", json!(true)), ("views", json!(7))];
        let data: Map<_, _> = members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let request = Request::Create { collection: "posts".into(), data };
        let deadline = Instant::now() + Duration::from_secs(30);
        let scope = Scope { deadline, invocation: "bench".into(), call: 1 };
        store.call(request, scope).await.expect("the write is sound");
        written += 1;
    }
    written
}
