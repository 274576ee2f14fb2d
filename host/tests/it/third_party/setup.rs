//! How a runtime by others is configured, found and told of.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{HELLO, hello, project, runtime, shim};
use crate::harness::Project;
use crate::harness::log::Line;
use crate::harness::project::Ran;

/// A project with this under `functions.runtimes.perl`, and hello.pl.
fn configured(perl: Value) -> Project {
    Project::new().config(runtime(perl)).file("functions/hello.pl", HELLO)
}

/// The shim as a part of the project.
fn with_own_shim(project: Project, folder: &str) -> Project {
    let shim = shim();
    let source = Path::new(&shim).parent().expect("a file is in a folder");
    let target = project.path(folder);
    fs::create_dir_all(target.parent().expect("below the project")).expect("can make folders");
    let copied = Command::new("cp").arg("-r").args([source, &target]).status();
    assert!(copied.expect("cp starts").success());
    project
}

#[tokio::test]
async fn s2_files_of_the_command_count_from_the_configuration() {
    let perl = json!({"command": ["perl", "perl/alyx-shim.pl"], "extensions": [".pl"]});
    let host = with_own_shim(configured(perl), "perl").serve().await;
    assert_eq!(host.call("hello", json!({})).await.value()["message"], "Hello, World!");
}

#[tokio::test]
async fn s2_a_program_may_be_a_script_with_its_libraries_beside_it() {
    let start = "#!/bin/sh\nexec /usr/bin/env perl \"${0%/bin/start}/lib/perl/alyx-shim.pl\"\n";
    let perl = json!({"command": ["./bin/start"], "extensions": [".pl"]});
    let project = with_own_shim(configured(perl), "lib/perl").file("bin/start", start);
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(project.path("bin/start"), executable).expect("our own file");
    let host = project.serve().await;
    assert_eq!(host.call("hello", json!({})).await.value()["message"], "Hello, World!");
}

#[tokio::test]
async fn h8_a_missing_program_is_named_and_leaves_the_others_alone() {
    let perl = json!({"command": ["no-such-perl", shim()], "extensions": [".pl"]});
    let host = configured(perl)
        .file("functions/fine.py", "def handler(ctx):\n    return 1\n")
        .serve()
        .await;
    let message = host.call("hello", json!({})).await.error_message(503, "RUNTIME_UNAVAILABLE");
    assert!(message.contains("no-such-perl"), "{message}");
    assert!(message.contains("functions.runtimes.perl.command"), "{message}");
    assert_eq!(host.call("fine", json!({})).await.value(), 1);
    let at_start =
        |line: &Line| line.message().contains("no-such-perl") && line.request_id().is_empty();
    assert_eq!(host.log.all(at_start).len(), 1, "{:#?}", host.log.lines());
}

#[tokio::test]
async fn h8_a_shim_that_does_not_start_is_answered_with_what_it_said() {
    let project = configured(json!({"command": ["perl", "broken.pl"], "extensions": [".pl"]}));
    let project = project.file("broken.pl", "die 'the shim has no engine';\n");
    let limits = json!({"functions": {"pool": {"queue_timeout": "5s"}}});
    let host = project.config(limits).serve().await;
    let answer = host.call("hello", json!({})).await;
    assert!((500..=503).contains(&answer.status), "{answer:?}");
    host.log.wait_for("its last words", |line| line.0.to_string().contains("no engine")).await;
}

#[tokio::test]
async fn h8_switched_off_it_is_told() {
    let perl = json!({"command": ["perl", shim()], "extensions": [".pl"], "enabled": false});
    let host = configured(perl).serve().await;
    host.call("hello", json!({})).await.error(503, "RUNTIME_DISABLED");
    assert!(host.workers().is_empty(), "{:?}", host.workers());
}

#[tokio::test]
async fn c1_list_shows_it_and_where_it_does_not_load() {
    let broken = "sub handler ($ctx) {\n    return 1 +;\n}\n";
    let project = project()
        .file("functions/hello.pl", HELLO)
        .file("functions/broken.pl", broken)
        .file("functions/empty.pl", "1;\n")
        .file("functions/lacks.pl", "use No::Such::Module;\nsub handler { }\n");
    let ran = project.run(&["list", "--json"]).await;
    let rows = ran.json();
    let row = |name: &str| {
        let mut all = rows.as_array().expect("a list of rows").iter();
        let found = all.find(|row| row["name"] == name);
        found.unwrap_or_else(|| panic!("no '{name}' in {rows:#}")).clone()
    };
    assert_eq!((&row("hello")["status"], &row("hello")["runtime"]), (&json!("ok"), &json!("perl")));
    for (name, words) in
        [("broken", "broken.pl:2"), ("empty", "no sub 'handler'"), ("lacks", "lacks.pl:1")]
    {
        let row = row(name);
        assert_eq!(row["status"], "load error", "{row}");
        assert!(row.to_string().contains(words), "{row}");
    }
}

#[tokio::test]
async fn c1_doctor_examines_it() {
    let project = project().file("functions/hello.pl", HELLO);
    let ran = project.run(&["doctor", "--json"]).await;
    let findings = ran.json();
    let mut all = findings.as_array().expect("a list of findings").iter();
    let perl = all.find(|f| f["what"] == "runtime perl").expect("a configured runtime");
    assert_eq!(perl["state"], "good", "{perl}");
    assert!(perl["detail"].as_str().is_some_and(|d| d.ends_with("/perl")), "{perl}");
    let ran = configured(json!({"command": ["perl", "/nowhere/shim.pl"], "extensions": [".pl"]}));
    let ran = ran.run(&["doctor"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("'/nowhere/shim.pl' does not exist"), "{ran:?}");
}

#[tokio::test]
async fn s2_mistakes_are_told_with_file_line_and_key() {
    let cases = [
        ("command: [perl]", "functions.runtimes.perl needs extensions"),
        ("extensions: [.pl]", "functions.runtimes.perl needs an image or a command"),
        ("command: perl\n      extensions: [.pl]", "functions.runtimes.perl.command"),
        ("command: []\n      extensions: [.pl]", "functions.runtimes.perl has an empty command"),
        ("command: [perl]\n      extensions: [.js]", "has '.js', which 'node' has too"),
        ("command: [perl]\n      extensions: [pl]", "has 'pl'; expected a dot and letters"),
        ("comand: [perl]\n      extensions: [.pl]", "did you mean 'command'"),
    ];
    for (perl, expected) in cases {
        let project = Project::new();
        let yaml = format!("functions:\n  runtimes:\n    perl:\n      {perl}\n");
        project.write("alyx.yaml", &yaml);
        let ran = Ran::of(project.bare_command(&["serve"])).await;
        assert_eq!(ran.code, Some(2), "{perl}: {ran:?}");
        assert!(ran.stderr.contains(expected), "{perl}: {ran:?}");
        let place = ran.stderr.lines().any(|line| {
            let number = line.split("alyx.yaml:").nth(1).and_then(|rest| rest.split(':').next());
            number.is_some_and(|number| matches!(number, "3" | "4" | "5"))
        });
        assert!(place, "{perl}: {ran:?}");
    }
}

#[tokio::test]
async fn s1_its_workers_are_confined_like_the_others() {
    let text = "sub handler ($ctx) {
    my $read = open(my $file, '<', $ctx->input->{path}) ? 'read' : \"$!\";
    return {read => $read, write => open(my $out, '>', \"$ctx->{invocation}{function}{inc}[0]/x\") ? 'written' : \"$!\"};
}
";
    let host = project().file("functions/looks.pl", text).file("secret.txt", "s").serve().await;
    let path = host.project.path("secret.txt").display().to_string();
    let seen = host.call("looks", json!({ "path": path })).await.value();
    assert_ne!(seen["read"], "read", "{seen}");
    assert_ne!(seen["write"], "written", "{seen}");
    let own = hello(project()).await;
    assert_eq!(own.call("hello", json!({})).await.value()["message"], "Hello, World!");
}
