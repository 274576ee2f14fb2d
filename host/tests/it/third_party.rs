//! A runtime that Alyx does not bring: Perl, by the example shim in `runtimes/perl/`.
//!
//! What a function can do is the same as in the other runtimes; how a runtime is configured is in
//! `third_party/setup.rs`.

mod setup;

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Host, PATIENCE, Project, eventually, new_id};

/// The shim for authors to copy.
pub(crate) fn shim() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtimes/perl/alyx-shim.pl");
    let path = folder.canonicalize().expect("the example is part of the project");
    path.display().to_string()
}

/// `functions.runtimes.perl`, in processes: a command is the host's own program. One from an image is
/// in `containers/`.
pub(crate) fn runtime(perl: Value) -> Value {
    json!({"functions": {"backend": "process", "runtimes": {"perl": perl}}})
}

/// A project with Perl and no function yet.
pub(crate) fn project() -> Project {
    let perl = json!({"command": ["perl", shim()], "extensions": [".pl"]});
    Project::new().config(runtime(perl))
}

const HELLO: &str = "sub handler ($ctx) {
    my $name = $ctx->input->{name} // 'World';
    $ctx->log->info('Greeting generated', {name => $name});
    return {message => \"Hello, $name!\"};
}
";

async fn hello(project: Project) -> Host {
    project.file("functions/hello.pl", HELLO).serve().await
}

#[tokio::test]
async fn s2_a_function_of_another_language_is_called_like_any_other() {
    let host = hello(project()).await;
    let id = new_id();
    let answer = host.post("hello").header("X-Request-Id", &id).json(&json!({"name": "Zoë"}));
    assert_eq!(answer.send().await.value(), json!({"message": "Hello, Zoë!"}));
    let line = host.log.wait_for("its log", |l| l.says(&id, "Greeting generated")).await;
    assert_eq!(line.fields(), json!({"name": "Zoë"}));
    let listed = host.get("/api/functions").await.value().to_string();
    assert!(listed.contains("perl") && !listed.contains(".pl"), "{listed}");
    let started = host.metric("alyx_worker_starts_total", &["runtime=\"perl\""]).await;
    assert!(started >= 1.0, "{started}");
}

#[tokio::test]
async fn s2_context_environment_and_request_are_the_same() {
    let text = "sub handler ($ctx) {
    my $request = $ctx->request;
    return [$request->{method}, $request->{headers}{'x-team'}, $request->{query}, $ctx->env->{KEY},
        $ENV{KEY}, $ENV{ALYX_TOKEN}, $ctx->auth, $ctx->function->{name}, $ctx->deadline > time];
}
";
    let config = json!({"functions": {"env": {"KEY": "k1"}}});
    let host = project().config(config).file("functions/who.pl", text).serve().await;
    let call = host.request("POST", "/api/functions/who?page=2&tag=a&tag=b");
    let answer = call.header("X-Team", "blue").send().await.value();
    let query = json!({"page": "2", "tag": ["a", "b"]});
    assert_eq!(answer, json!(["POST", "blue", query, "k1", null, null, null, "who", true]));
}

#[tokio::test]
async fn s2_what_it_throws_has_code_status_and_fields() {
    let text = "sub handler ($ctx) {
    my $how = $ctx->input->{how};
    die Alyx::Error->new(VALIDATION_ERROR => 'Email is required', field => 'email') if $how eq 'coded';
    die {code => 'QUOTA_SPENT', message => 'tomorrow', status => 429} if $how eq 'hash';
    die \"it broke\";
}
";
    let host = project().file("functions/throws.pl", text).serve().await;
    let coded = host.call("throws", json!({"how": "coded"})).await.error(400, "VALIDATION_ERROR");
    assert_eq!(
        (&coded["message"], &coded["field"]),
        (&json!("Email is required"), &json!("email"))
    );
    host.call("throws", json!({"how": "hash"})).await.error(429, "QUOTA_SPENT");
    let plain = host.call("throws", json!({"how": "plain"})).await;
    assert_eq!(plain.error_message(500, "FUNCTION_ERROR"), "it broke");
}

#[tokio::test]
async fn s2_its_schema_is_held_by_the_host() {
    let text =
        "our $schema = {input => {title => {type => 'string', required => true, maxLength => 5}}};
sub handler ($ctx) { return $ctx->input }
";
    let host = project().file("functions/checked.pl", text).serve().await;
    assert_eq!(host.call("checked", json!({"title": "short"})).await.value()["title"], "short");
    let refused = host.call("checked", json!({"title": "too long"})).await;
    assert_eq!(refused.error(400, "VALIDATION_ERROR")["field"], "title");
    host.call("checked", json!({})).await.error(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn s2_its_database_is_the_database() {
    let text = "sub handler ($ctx) {
    my $posts = $ctx->db->posts;
    my $post = $posts->create({title => $ctx->input->{title}, slug => 'hello'});
    $posts->update($post->{id}, {title => 'Zoë'});
    my $page = $posts->list(filter => {title => {'$like' => 'Zo%'}}, sort => '-title');
    my $rows = $ctx->db->query('SELECT title FROM posts WHERE id = ?', $post->{id});
    return [$page->{total}, $posts->get($post->{id})->{title}, $rows, $posts->get('nobody')];
}
";
    let posts = json!({"fields": {
        "title": {"type": "string"}, "slug": {"type": "string", "unique": true}
    }});
    let config = json!({"collections": {"posts": posts}});
    let host = project().config(config).file("functions/posts.pl", text).serve().await;
    let first = host.call("posts", json!({"title": "Hello"})).await.value();
    assert_eq!(first, json!([1, "Zoë", [{"title": "Zoë"}], null]));
    let second = host.call("posts", json!({"title": "Hello"})).await;
    assert_eq!(second.error(409, "UNIQUE_VIOLATION")["field"], "slug");
}

#[tokio::test]
async fn s2_what_it_prints_belongs_to_its_call() {
    let text = "sub handler ($ctx) { say 'said'; print STDERR 'complained'; warn \"warned\\n\"; return }\n";
    let host = project().file("functions/prints.pl", text).serve().await;
    let id = new_id();
    host.post("prints").header("X-Request-Id", &id).send().await.value();
    host.log.wait_for("the last line", |line| line.says(&id, "complainedwarned")).await;
    let lines: Vec<_> = host
        .log
        .of_call(&id)
        .iter()
        .map(|l| (l.message().to_owned(), l.level().to_owned()))
        .collect();
    let expected = [("said", "INFO"), ("complainedwarned", "WARN")];
    assert_eq!(lines, expected.map(|(message, level)| (message.to_owned(), level.to_owned())));
}

const LONG: &str = "my $calls = 0;
sub handler ($ctx) {
    $calls++;
    my $how = $ctx->input->{how} // '';
    sleep 60 if $how eq 'sleep';
    if ($how eq 'spin') { 1 while 1 }
    kill SEGV => $$ if $how eq 'crash';
    exit 7 if $how eq 'exit';
    $ctx->sleep(0.05) if $how eq 'wait';
    return $calls;
}
";

#[tokio::test]
async fn s2_over_its_time_it_is_answered_and_a_handler_that_waits_keeps_its_worker() {
    let limits = json!({"functions": {"pool": {"max_instances": 1}}});
    let project = project().config(limits).file("functions/long.pl", LONG);
    let host = project.file("functions/long.yaml", "timeout: 1s\n").serve().await;
    assert_eq!(host.call("long", json!({})).await.value(), 1);
    let late = host.call("long", json!({"how": "sleep"})).await;
    late.error(504, "FUNCTION_TIMEOUT");
    assert!(late.took < Duration::from_secs(3), "{:?}", late.took);
    assert_eq!(host.call("long", json!({})).await.value(), 3, "the same worker");
    host.call("long", json!({"how": "spin"})).await.error(504, "FUNCTION_TIMEOUT");
    let value = || async {
        let answer = host.call("long", json!({})).await;
        (answer.status == 200).then(|| answer.value())
    };
    assert_eq!(eventually("a new worker", PATIENCE, value).await, 1);
}

#[tokio::test]
async fn s2_a_crash_is_told_and_the_next_call_is_served() {
    let host = project().file("functions/long.pl", LONG).serve().await;
    let crash = host.call("long", json!({"how": "crash"})).await;
    let message = crash.error_message(502, "WORKER_CRASHED");
    assert!(message.contains("SIGSEGV") || message.contains("11"), "{message}");
    let exit = host.call("long", json!({"how": "exit"})).await;
    let message = exit.error_message(502, "WORKER_CRASHED");
    assert!(message.contains('7'), "{message}");
    assert_eq!(host.call("long", json!({})).await.value(), 1);
}

#[tokio::test]
async fn s2_one_call_at_a_time_in_a_worker_and_many_in_the_pool() {
    let limits = json!({"functions": {"pool": {"max_instances": 2}}});
    let host = project().config(limits).file("functions/long.pl", LONG).serve().await;
    let answers = join_all((0..12).map(|_| host.call("long", json!({"how": "wait"})))).await;
    let counts: Vec<_> = answers.into_iter().map(|answer| answer.value()).collect();
    assert_eq!(counts.len(), 12, "none was refused");
    assert!(host.workers().len() <= 2, "{:?}", host.workers());
}

#[tokio::test]
async fn s2_saved_code_is_served_with_what_it_imports() {
    let text = "use _shared::Words;\n\nsub handler ($ctx) { return _shared::Words::greeting() }\n";
    let words = |word: &str| {
        format!("package _shared::Words;\nuse v5.36;\nsub greeting {{ return '{word}' }}\n1;\n")
    };
    let project = project().file("functions/greet.pl", text);
    let host = project.file("functions/_shared/Words.pm", &words("one")).dev().await;
    assert_eq!(host.call("greet", json!({})).await.value(), "one");
    host.project.write("functions/_shared/Words.pm", &words("two"));
    let is = |word: &'static str| {
        let host = &host;
        move || async move { (host.call("greet", json!({})).await.value() == word).then_some(()) }
    };
    eventually("the new module", PATIENCE, is("two")).await;
    host.project.write("functions/greet.pl", "sub handler ($ctx) { return 'three' }\n");
    eventually("the new function", PATIENCE, is("three")).await;
}
