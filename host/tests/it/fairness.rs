//! Many callers and few workers: everybody gets a turn, and who cannot be served hears so at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::client::Answer;
use crate::harness::{PATIENCE, Project, RUNTIMES, eventually, in_every_runtime};

#[tokio::test]
async fn fairness_a_cold_function_is_served_beside_a_hot_one() {
    in_every_runtime(async |runtime| {
        let cold = runtime.function("cold");
        let pool = json!({"max_instances": 2, "concurrency": 2, "queue_timeout": "55s"});
        let config = json!({"functions": {"pool": pool, "timeout": "60s"}});
        let host = Project::new()
            .with(runtime, "probe")
            .file(&runtime.file(&cold), &runtime.fixture("probe"))
            .config(config)
            .serve()
            .await;
        host.value(runtime, json!({})).await;
        // They take 7.5 s, twice that with one worker.
        let hot =
            (0..300).map(|_| host.probe(runtime, json!({"do": "echo", "value": 1, "ms": 100})));
        let hot = async {
            let answers = join_all(hot).await;
            if let Some(wrong) = answers.iter().find(|answer| answer.status != 200) {
                panic!("{runtime}: {} after {:?}", wrong.text(), wrong.took);
            }
            answers.iter().map(|answer| answer.took).max().expect("there are some")
        };
        let cold = async {
            let label = format!("runtime=\"{runtime}\"");
            eventually("they wait", PATIENCE, async || {
                (host.metric("alyx_queue_depth", &[&label]).await > 100.0).then_some(())
            })
            .await;
            // To be loaded, and in the middle of them.
            let mut longest = Duration::ZERO;
            for _ in 0..3 {
                let answer = host.call(&cold, json!({"do": "echo", "value": 2})).await;
                answer.value();
                longest = longest.max(answer.took);
            }
            longest
        };
        let (longest, waited) = tokio::join!(hot, cold);
        assert!(longest > Duration::from_secs(5), "{runtime}: there was no queue: {longest:?}");
        assert!(waited < longest / 2, "{runtime}: {waited:?} of {longest:?}");
    })
    .await;
}

/// Calls at a steady rate, answered or not.
async fn at_a_rate(
    host: &crate::harness::Host,
    function: &str,
    every: Duration,
    count: u32,
) -> Vec<Answer> {
    let began = tokio::time::Instant::now();
    let calls = (0..count).map(|n| async move {
        tokio::time::sleep_until(began + n * every).await;
        host.call(function, json!({"do": "echo", "value": 1, "ms": 50})).await
    });
    join_all(calls).await
}

#[tokio::test]
async fn fairness_overload_is_refused_at_once_and_the_workers_stay_busy() {
    in_every_runtime(async |runtime| {
        // 40 calls a second at most; 80 come.
        let pool = json!({"max_instances": 1, "concurrency": 2, "queue_timeout": "1s"});
        let config = json!({"functions": {"pool": pool}});
        let host = Project::new().with(runtime, "probe").config(config).serve().await;
        let function = runtime.probe();
        // On a busy machine the first calls may not wait for as long as a load takes.
        eventually("it serves", PATIENCE, async || {
            (host.call(&function, json!({})).await.status == 200).then_some(())
        })
        .await;
        let began = Instant::now();
        let answers = at_a_rate(&host, &function, Duration::from_micros(12_500), 640).await;
        let took = began.elapsed();
        let (good, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == 200);
        // However long a call takes on this machine: there were two at a time.
        let busy: f64 = good.iter().map(|answer| answer.phase("run")).sum();
        let share = busy / (2e3 * took.as_secs_f64());
        assert!(share > 0.75, "{runtime}: the worker was busy for {share:.2} of {took:?}");
        assert!(refused.len() > 100, "{runtime}: {} refused", refused.len());
        for answer in &refused {
            answer.error(503, "POOL_EXHAUSTED");
            assert!(answer.header("retry-after").is_some(), "{runtime}");
        }
        let at_once = refused.iter().filter(|answer| answer.phase("queue") < 300.0).count();
        let at_once = at_once as f64 / refused.len() as f64;
        assert!(at_once > 0.8, "{runtime}: {:.0} % were refused at once", at_once * 100.0);
    })
    .await;
}

#[tokio::test]
async fn fairness_a_client_that_reads_slowly_holds_up_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let pool = json!({"max_instances": 1, "concurrency": 1});
    let host = Project::with_probes().config(json!({"functions": {"pool": pool}})).serve().await;
    for runtime in RUNTIMES {
        let body =
            json!({"do": "repeat", "text": "0123456789abcdef", "times": 262_144}).to_string();
        let mut slow = tokio::net::TcpStream::connect(host.address).await.expect("it serves");
        let head = format!(
            "POST /api/functions/{} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
            runtime.probe(),
            body.len()
        );
        slow.write_all(head.as_bytes()).await.expect("it reads");
        let mut first = [0; 12];
        slow.read_exact(&mut first).await.expect("the answer begins");
        // 4 MiB are on their way; nobody reads on, and the only worker is free all the same.
        let asked = Instant::now();
        host.value(runtime, json!({"do": "echo", "value": 1})).await;
        assert!(asked.elapsed() < Duration::from_secs(5), "{runtime}: {:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn fairness_a_client_that_sends_slowly_holds_no_worker() {
    use tokio::io::AsyncWriteExt;
    let pool = json!({"max_instances": 1, "concurrency": 1});
    let host = Project::with_probes().config(json!({"functions": {"pool": pool}})).serve().await;
    for runtime in RUNTIMES {
        let mut slow = tokio::net::TcpStream::connect(host.address).await.expect("it serves");
        let head = format!(
            "POST /api/functions/{} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{",
            runtime.probe()
        );
        slow.write_all(head.as_bytes()).await.expect("it reads");
        host.value(runtime, json!({"do": "echo", "value": 1})).await;
    }
}
