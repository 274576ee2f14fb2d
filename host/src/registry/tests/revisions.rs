//! What changes a revision and what does not.

use super::*;
use std::os::unix::fs::symlink;

const FILES: &[(&str, &str)] = &[
    ("a.js", "export default () => 1"),
    ("b/index.js", ""),
    ("b/part.js", "1"),
    ("a.yaml", ""),
    ("_shared/x.js", "1"),
    ("lib/y.js", "1"),
    ("package.json", "{}"),
];

fn revisions(project: &Project) -> (Arc<str>, Arc<str>) {
    let registry = project.scan();
    let revision = |name: &str| registry.get(name).unwrap().revision.clone();
    (revision("a"), revision("b"))
}

/// Which of `a` and `b` change when one file is written.
fn changes(name: &str, text: &str) -> (bool, bool) {
    let project = Project::new(FILES);
    let before = revisions(&project);
    project.write(name, text);
    let after = revisions(&project);
    (before.0 != after.0, before.1 != after.1)
}

#[test]
fn own_code_and_manifest_change_one_function() {
    assert_eq!(changes("a.js", "export default () => 2"), (true, false));
    assert_eq!(changes("a.yaml", "timeout: 5s"), (true, false));
    assert_eq!(changes("b/part.js", "2"), (false, true));
    assert_eq!(changes("b/new.txt", ""), (false, true));
    assert_eq!(changes("b/sub/deep.js", ""), (false, true));
    assert_eq!(changes("b/requirements.txt", ""), (false, true));
}

#[test]
fn shared_code_and_dependencies_change_all() {
    for name in ["_shared/x.js", "_shared/new.js", "_new.py", "lib/y.js", "package.json", "go.sum"]
    {
        assert_eq!(changes(name, "new"), (true, true), "{name}");
    }
}

#[test]
fn what_tools_leave_behind_changes_nothing() {
    let names = [
        "node_modules/m/index.js",
        "b/node_modules/m/index.js",
        "_shared/__pycache__/x.pyc",
        "b/__pycache__/x.pyc",
        "b/x.pyc",
        ".git/HEAD",
        "b/.DS_Store",
        "c.js",
        "notes.md",
    ];
    for name in names {
        assert_eq!(changes(name, "new"), (false, false), "{name}");
    }
}

#[test]
fn only_content_counts() {
    let (one, two) = (Project::new(FILES), Project::new(FILES));
    assert_eq!(revisions(&one), revisions(&two));
    let file = fs::File::options().append(true).open(one.path("a.js")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(revisions(&one), revisions(&two));
    let (a, b) = revisions(&one);
    assert!(a != b && a.len() == 32 && a.chars().all(|c| c.is_ascii_hexdigit()));
}

#[test]
fn the_environment_counts() {
    let bare = revisions(&Project::new(FILES));
    let set = |value: &str| revisions(&Project::new(FILES).variable("ALYX_FUNCTIONS_ENV_K", value));
    assert_ne!(bare, set("1"));
    assert_ne!(set("1"), set("2"));
    assert_eq!(set("1"), set("1"));
    // A variable in a manifest counts by its value.
    let with = |value: &str| {
        let project = Project::new(FILES).variable("V", value);
        project.write("a.yaml", "env: {K: \"${V}\"}");
        revisions(&project)
    };
    assert!(with("1").0 != with("2").0 && with("1").1 == with("2").1);
}

#[test]
fn moving_bytes_between_files_is_a_change() {
    let project = Project::new(&[("b/index.js", "ab"), ("b/part.js", "c"), ("a.js", "")]);
    let before = revisions(&project);
    project.write("b/index.js", "a");
    project.write("b/part.js", "bc");
    assert_ne!(before.1, revisions(&project).1);
}

#[test]
fn links_in_a_circle_and_links_out_come_to_an_end() {
    let project = Project::new(FILES);
    symlink("..", project.path("b/up")).unwrap();
    symlink(".", project.path("_shared/self")).unwrap();
    let before = revisions(&project);
    fs::write(project.folder.path().join("secret"), "1").unwrap();
    symlink("../../secret", project.path("b/out")).unwrap();
    assert_eq!(before, revisions(&project));
}

#[test]
fn of_a_huge_file_the_beginning_and_the_size_count() {
    let project = Project::new(FILES);
    let file = fs::File::create(project.path("b/model.bin")).unwrap();
    file.set_len(64 << 30).unwrap();
    let before = revisions(&project);
    file.set_len(65 << 30).unwrap();
    assert_ne!(before.1, revisions(&project).1);
}
