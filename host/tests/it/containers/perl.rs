//! S2, S3: a runtime by others, given by its image: the Perl of `runtimes/perl/` works like the three.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::until_running;
use crate::harness::engine::{Engine, name_of};
use crate::harness::{Host, PATIENCE, eventually, new_id};

const HELLO: &str = "sub handler ($ctx) {
    my $name = $ctx->input->{name} // 'World';
    print \"printed for $name\\n\";
    $ctx->log->info('Greeting generated', {name => $name});
    return {message => \"Hello, $name!\", home => $ENV{HOME}};
}
";
const WRONGS: &str = "sub handler ($ctx) {
    my $do = $ctx->input->{do};
    die Alyx::Error->new(NOT_HERE => 'elsewhere') if $do eq 'die';
    kill KILL => $$ if $do eq 'crash';
    if ($do eq 'allocate') { my @all; push @all, 'x' x 1_000_000 for 1 .. 1000 }
    if ($do eq 'write') { return open(my $file, '>', '/opt/alyx/new') ? 'written' : \"$!\" }
    return $ctx->db->notes->create({text => 'kept'})->{text} if $do eq 'keep';
    $ctx->sleep(30) if $do eq 'sleep';
}
";

/// The image made of `runtimes/perl/Dockerfile`, until it is dropped.
struct Image<'a>(&'a Engine, String);

impl<'a> Image<'a> {
    fn build(engine: &'a Engine) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let archive = folder.path().join("context.tar");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(&archive).arg("-C").arg(sources);
        let made = tar.args(["runtimes/entry.sh", "runtimes/perl"]).status();
        assert!(made.expect("tar starts").success());
        let image = format!("localhost/alyx-it/perl-{}:1", new_id());
        let base = "%7B%22BASE%22%3A%22localhost%2Falyx-base%2Fperl%22%7D";
        let path = format!("build?dockerfile=runtimes/perl/Dockerfile&t={image}&buildargs={base}");
        let said = engine.send(&path, &archive);
        let there = engine.ask("GET", &format!("images/{image}/json"));
        assert_eq!(there["Config"]["Labels"]["dev.alyx.protocol"], "1", "{}: {said}", engine.name);
        Image(engine, image)
    }

    async fn host(&self) -> Host {
        let perl = json!({"image": self.1, "extensions": [".pl"]});
        let pool = json!({"min_warm": 1, "max_instances": 3, "memory_limit": "64mb"});
        let functions = json!({"runtimes": {"perl": perl}, "pool": pool});
        let project = self.0.project().config(json!({"functions": functions}));
        let notes = json!({"notes": {"fields": {"text": {"type": "string"}}}});
        let project = project.config(json!({"collections": notes}));
        let project = project.file("functions/hello.pl", HELLO);
        let project = project.file("functions/wrongs.pl", WRONGS);
        project.file("functions/wrongs.yaml", "timeout: 20s\n").serve().await
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        self.0.text("DELETE", &format!("images/{}?force=true", self.1));
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s2_a_runtime_given_by_its_image_serves_calls_logs_and_pools() {
    for engine in Engine::all() {
        let image = Image::build(&engine);
        let mut host = image.host().await;
        host.ready().await;
        let blank = until_running(&engine, &host, 1).await.remove(0);
        assert!(name_of(&blank).starts_with("alyx-perl-pool-1"), "{blank:#}");
        assert_eq!(blank["Image"], json!(image.1));
        let id = new_id();
        let call = host.post("hello").header("X-Request-Id", &id).json(&json!({"name": "Zoë"}));
        assert_eq!(call.send().await.value(), json!({"message": "Hello, Zoë!", "home": "/tmp"}));
        let line = host.log.wait_for("its log", |l| l.says(&id, "Greeting generated")).await;
        assert_eq!(line.fields(), json!({"name": "Zoë"}));
        check_engines_log(&engine, &host, &blank).await;
        engine.order(&blank, "kill");
        eventually("another one", PATIENCE, async || {
            let now = engine.running(&host);
            (!now.is_empty() && now.iter().all(|c| c["Id"] != blank["Id"])).then_some(())
        })
        .await;
        host.call("hello", json!({})).await.value();
        host.stop().await;
        assert_eq!(engine.containers(&host), Vec::<Value>::new(), "{}", engine.name);
    }
}

/// People see what functions print and log there; the host has each line once.
async fn check_engines_log(engine: &Engine, host: &Host, container: &Value) {
    let id = container["Id"].as_str().expect("an id");
    let path = format!("containers/{id}/logs?stdout=true&stderr=true");
    let wanted = ["INFO printed for Zoë", r#"INFO Greeting generated {"name":"Zoë"}"#];
    eventually("both lines in the engine's log", PATIENCE, async || {
        let text = engine.text("GET", &path);
        wanted.iter().all(|line| text.contains(line)).then_some(())
    })
    .await;
    host.call("hello", json!({"name": "later"})).await.value();
    host.log.wait_for("the later line", |line| line.message() == "printed for later").await;
    for message in ["printed for Zoë", "Greeting generated"] {
        let all = host.log.all(|line| {
            line.0.to_string().contains(message) && !line.0.to_string().contains("later")
        });
        assert_eq!(all.len(), 1, "{}: {all:#?}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s2_what_goes_wrong_in_a_runtime_given_by_its_image_is_told_as_elsewhere() {
    for engine in Engine::all() {
        let image = Image::build(&engine);
        let host = image.host().await;
        let ask = async |what: &str| host.call("wrongs", json!({"do": what})).await;
        assert_eq!(ask("die").await.json()["error"]["code"], "NOT_HERE", "{}", engine.name);
        assert_eq!(ask("keep").await.value(), "kept", "{}", engine.name);
        assert_eq!(ask("write").await.value(), "Read-only file system", "{}", engine.name);
        ask("crash").await.error(502, "WORKER_CRASHED");
        ask("allocate").await.error(502, "OUT_OF_MEMORY");
        host.call("hello", json!({})).await.value();
    }
}
