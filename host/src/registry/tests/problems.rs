//! The exact words for what disables one function, and that it disables no other.

use super::*;
use std::os::unix::fs::symlink;

fn check(files: &[(&str, &str)], name: &str, expected: &str) {
    let project = Project::new(files);
    project.write("fine.js", "");
    assert_eq!(project.problem(name), expected);
    let registry = project.scan();
    assert!(registry.get("fine").unwrap().problem.is_none());
    assert_eq!(registry.len(), 2, "{:?}", listed(&registry));
}

#[test]
fn two_sources_are_both_named() {
    check(
        &[("x.js", ""), ("x.py", "")],
        "x",
        "two sources for the function 'x': 'functions/x.js' and 'functions/x.py'; rename or remove one, or name a runtime in x.yaml",
    );
    check(
        &[("x.js", ""), ("x/index.ts", ""), ("x.yaml", "runtime: node")],
        "x",
        "two sources for the function 'x': 'functions/x/index.ts' and 'functions/x.js'; rename or remove one",
    );
    check(
        &[("x/main.py", ""), ("x/index.py", "")],
        "x",
        "two sources for the function 'x': 'functions/x/index.py' and 'functions/x/main.py'; rename or remove one",
    );
    check(
        &[("a.js", ""), ("a.yaml", "name: b"), ("b.js", "")],
        "b",
        "two sources for the function 'b': 'functions/a.js' and 'functions/b.js'; rename or remove one",
    );
}

#[test]
fn two_manifests_are_both_named() {
    let words = |second| {
        format!(
            "two manifests for one function: 'functions/x.yaml' and 'functions/{second}'; remove one"
        )
    };
    check(&[("x.js", ""), ("x.yaml", ""), ("x.yml", "")], "x", &words("x.yml"));
    let files = [("x/index.js", ""), ("x.yaml", ""), ("x/manifest.yaml", "")];
    let words = "two manifests for one function: 'functions/x/manifest.yaml' and 'functions/x.yaml'; remove one";
    check(&files, "x", words);
}

#[test]
fn a_manifest_is_refused_with_file_line_and_key() {
    let cases = [
        ("timeot: 5s", "1: timeot is not a known key; did you mean 'timeout'?"),
        (
            "\ntimeout: soon",
            "2: timeout is the text 'soon'; expected a duration from 1ms to 1d, such as 500ms, 30s or 5m",
        ),
        (
            "memory: 1mb",
            "1: memory is the text '1mb'; expected a size from 16mb to 1tb, such as 64kb or 256mb",
        ),
        (
            "concurrency: 0",
            "1: concurrency is the number 0; expected a whole number from 1 to 1024",
        ),
        (
            "isolation: strickt",
            "1: isolation is the text 'strickt'; expected one of shared, strict; did you mean 'strict'?",
        ),
        (
            "name: a/b",
            "1: name is 'a/b'; expected a letter, then letters, digits, '-' or '_', 128 at most",
        ),
        (
            "runtime: pyhton",
            "1: runtime is 'pyhton'; expected one of go, node, python; did you mean 'python'?",
        ),
        (
            "runtime: go",
            "1: runtime is 'go', but 'functions/x.js' is node code; correct it or leave it away",
        ),
        (
            "description: ${NOPE}",
            "1: description uses ${NOPE}, which is not set; set it or write ${NOPE:-default}",
        ),
        (
            "env: {A: [1]}\ncpu: 0",
            "1: env.A is a list; expected a text\nfunctions/x.yaml:2: cpu is the number 0; expected a number from 0.01 to 1024",
        ),
        ("- a", "1: the document is a list; expected a map"),
    ];
    for (text, expected) in cases {
        check(&[("x.js", ""), ("x.yaml", text)], "x", &format!("functions/x.yaml:{expected}"));
    }
}

#[test]
fn a_name_that_no_url_can_hold_comes_with_a_better_one() {
    let words = |file: &str, better: &str| {
        format!(
            "'functions/{file}' gives no name that a URL can hold; rename it to a letter, then letters, digits, '-' or '_', 128 at most{better}"
        )
    };
    for (file, stem, better) in [
        ("my func.js", "my func", ", such as 'my_func'"),
        ("a.test.js", "a.test", ", such as 'a_test'"),
        ("1st.py", "1st", ", such as 'st'"),
        ("über.py", "über", ", such as 'ber'"),
        ("日本.js", "日本", ""),
    ] {
        check(&[(file, "")], stem, &words(file, better));
    }
    // A manifest may name what the file system cannot.
    let project = Project::new(&[("my func.js", ""), ("my func.yaml", "name: my-func")]);
    assert_eq!(project.scan().get("my-func").unwrap().problem, None);
}

#[test]
fn links_within_the_folder_work_and_others_are_refused() {
    let project = Project::new(&[("real/index.js", ""), ("_src/code.py", "")]);
    let outside = project.folder.path().join("outside.js");
    fs::write(&outside, "").unwrap();
    fs::create_dir(project.folder.path().join("out")).unwrap();
    fs::write(project.folder.path().join("out/index.js"), "").unwrap();
    symlink("_src/code.py", project.path("inside.py")).unwrap();
    symlink("real", project.path("alias")).unwrap();
    symlink(&outside, project.path("leak.js")).unwrap();
    symlink("../out", project.path("leakdir")).unwrap();
    symlink("gone.js", project.path("dangling.js")).unwrap();
    let registry = project.scan();
    let problem = |name: &str| registry.get(name).unwrap().problem.clone().map(|p| p.to_string());
    assert_eq!((problem("inside"), problem("alias"), problem("real")), (None, None, None));
    let leaves = "is a symbolic link that leaves the functions folder; copy the file instead";
    assert_eq!(problem("leak"), Some(format!("'functions/leak.js' {leaves}")));
    assert_eq!(problem("leakdir"), Some(format!("'functions/leakdir/index.js' {leaves}")));
    let nowhere =
        "'functions/dangling.js' is a symbolic link that points nowhere; mend or remove it";
    assert_eq!(problem("dangling").as_deref(), Some(nowhere));
}

#[test]
fn a_pipe_is_no_function_and_blocks_nothing() {
    let project = Project::new(&[("ok.js", ""), ("ok.yaml", "")]);
    let made = std::process::Command::new("mkfifo")
        .args([project.path("pipe.js"), project.path("_pipe.js")])
        .status();
    assert!(made.unwrap().success());
    assert_eq!(listed(&project.scan()), ["ok node"]);
}

#[test]
fn every_key_of_a_manifest_is_a_value_of_the_model() {
    let values = ["x", "node", "1s", "16mb", "0.5", "1", "strict", "{A: b}", "text"];
    for (key, value) in manifest::KEYS.iter().zip(values) {
        let manifest = format!("{}: {value}", key.path);
        let project = Project::new(&[("x.js", ""), ("x.yaml", &manifest)]);
        assert_eq!(project.scan().get("x").unwrap().problem, None, "{manifest}");
    }
    assert_eq!(values.len(), manifest::KEYS.len());
}
