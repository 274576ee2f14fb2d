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
fn shared_data_and_lists_of_packages_change_all_who_could_use_them() {
    for name in ["_shared/x.json", "_shared/new.txt", "_new.bin", "lib/y.html", "package.json"] {
        assert_eq!(changes(name, "new"), (true, true), "{name}");
    }
    assert_eq!(changes("node_modules/.package-lock.json", "new"), (true, true));
    for name in ["go.sum", "requirements.txt"] {
        assert_eq!(changes(name, "new"), (false, false), "{name}");
    }
}

#[test]
fn shared_code_changes_who_imports_it() {
    for name in ["_shared/x.js", "_shared/new.js", "_new.py", "lib/y.js"] {
        assert_eq!(changes(name, "new"), (false, false), "{name}");
    }
    // a → _shared/x → lib/y; b makes up a name while it runs.
    let project = Project::new(FILES);
    project.write("a.js", "import { x } from './_shared/x.js'");
    project.write("_shared/x.js", "export { y as x } from '../lib/y'");
    let mut before = revisions(&project);
    let mut changes = |name: &str, text: &str| {
        project.write(name, text);
        let after = revisions(&project);
        let changed = (before.0 != after.0, before.1 != after.1);
        before = after;
        changed
    };
    assert_eq!(changes("lib/y.js", "new"), (true, false));
    assert_eq!(changes("_shared/other.js", "new"), (false, false));
    assert_eq!(changes("b/index.js", "import(name)"), (false, true));
    assert_eq!(changes("_shared/other.js", "newer"), (false, true));
    assert_eq!(changes("_shared/other.py", "new"), (false, false));
    assert_eq!(changes("b/index.js", "import '../a.js'"), (false, true));
    assert_eq!(changes("lib/y.js", "newer"), (true, true));
}

#[test]
fn a_missing_import_counts_once_it_is_there() {
    for (name, text, part) in [
        ("a.js", "import './_shared/late.js'", "_shared/late.js"),
        ("c.py", "from _shared import late", "_shared/late.py"),
        ("d.go", "import \"functions/_late\"", "_late/late.go"),
    ] {
        let project = Project::new(&[(name, text), ("b.js", "")]);
        let before = project.scan();
        project.write(part, "");
        let after = project.scan();
        let changed =
            |name: &str| before.get(name).unwrap().revision != after.get(name).unwrap().revision;
        assert!(changed(&name[..1]) && !changed("b"), "{name}");
    }
}

#[test]
fn an_import_through_a_link_counts_by_where_the_code_is() {
    let project = Project::new(&[("lib/real.js", "import './part.js'"), ("b.js", "")]);
    symlink("lib/real.js", project.path("a.js")).unwrap();
    let before = revisions(&project);
    project.write("lib/part.js", "");
    let after = revisions(&project);
    assert!(before.0 != after.0 && before.1 == after.1);
    // In Go all files of the real folder are one program.
    let project = Project::new(&[("lib/real.go", ""), ("b.js", "")]);
    symlink("lib/real.go", project.path("a.go")).unwrap();
    let before = revisions(&project);
    project.write("lib/part.go", "");
    let after = revisions(&project);
    assert!(before.0 != after.0 && before.1 == after.1);
}

#[test]
fn code_of_a_language_that_nobody_knows_counts_for_all_of_it() {
    let yaml = "functions: {runtimes: {ruby: {command: [ruby], extensions: [.rb]}}}";
    let project = Project::new(&[("a.rb", ""), ("b.js", ""), ("_shared/x.js", "")]);
    fs::write(project.folder.path().join("alyx.yaml"), yaml).unwrap();
    let before = revisions(&project);
    project.write("_shared/x.js", "new");
    let after = revisions(&project);
    assert!(before.0 != after.0 && before.1 == after.1);
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
        "_shared/.x.js.swp",
        "_shared/x.js~",
        "_shared/#x.js#",
        "_shared/4913",
        "_x.json~",
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
