use std::fs;

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read(language: Language, folder: &tempfile::TempDir) -> Option<List> {
    let root = folder.path().canonicalize().unwrap();
    List::read(language, &root, &root)
}

/// The digest after each change of one file.
fn digests(language: Language, files: &[(&str, &str)], changes: &[(&str, &str)]) -> Vec<[u8; 32]> {
    let folder = folder(files);
    let mut all = vec![read(language, &folder).unwrap().digest];
    for (path, text) in changes {
        fs::write(folder.path().join(path), text).unwrap();
        all.push(read(language, &folder).unwrap().digest);
    }
    all
}

#[test]
fn lists_without_packages_are_none() {
    for (language, file, text) in [
        (Language::Node, "package.json", r#"{"type": "module"}"#),
        (Language::Node, "package.json", r#"{"dependencies": {}, "devDependencies": {"a": "1"}}"#),
        (Language::Python, "requirements.txt", "# nothing yet\n\n--index-url https://x.example\n"),
        (
            Language::Python,
            "pyproject.toml",
            "[project]\nname = 'a'\n[tool.ruff]\nline-length = 9\n",
        ),
        (Language::Go, "go.mod", "module functions\n\ngo 1.22\n"),
        (Language::Go, "go.mod", "module a\nrequire github.com/watzon/alyx v0.9.0\n"),
        (Language::Go, "go.mod", "module a\nrequire (\n\tgithub.com/watzon/alyx v0.9.0\n)\n"),
    ] {
        assert_eq!(read(language, &folder(&[(file, text)])), None, "{text}");
    }
}

#[test]
fn a_list_is_named_by_its_folder() {
    let folder = folder(&[("thumb/requirements.txt", "Pillow==11.3.0\n")]);
    let root = folder.path().canonicalize().unwrap();
    let list = List::read(Language::Python, &root, &root.join("thumb")).unwrap();
    let top = root.file_name().unwrap().to_str().unwrap();
    assert_eq!(list.label, format!("{top}/thumb/requirements.txt"));
    assert_eq!(
        (list.scope().as_str(), list.source),
        ("thumb", Source::Requirements { local: Vec::new() })
    );
}

#[test]
fn only_what_npm_installs_by_counts() {
    let before = r#"{"version": "1.0.0", "dependencies": {"nanoid": "^5.0.0"}}"#;
    let version = r#"{"version": "2.0.0", "dependencies": {"nanoid": "^5.0.0"}}"#;
    let newer = r#"{"version": "2.0.0", "dependencies": {"nanoid": "^5.1.0"}}"#;
    let changes = [
        ("package.json", version),
        ("package.json", newer),
        ("package-lock.json", "{}"),
        (".npmrc", "registry=https://npm.example"),
    ];
    let all = digests(Language::Node, &[("package.json", before)], &changes);
    assert_eq!(all[0], all[1]);
    assert!(all[1..].windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
}

#[test]
fn local_packages_count_with_their_content_and_stay_inside() {
    let package = r#"{"dependencies": {"part": "file:vendor/part.tgz"}}"#;
    let files = [("package.json", package), ("vendor/part.tgz", "one")];
    let all = digests(Language::Node, &files, &[("vendor/part.tgz", "two")]);
    assert_ne!(all[0], all[1]);
    let outside = folder(&[("package.json", r#"{"dependencies": {"part": "file:../.."}}"#)]);
    let Some(List { source: Source::Broken(why), .. }) = read(Language::Node, &outside) else {
        panic!("taken");
    };
    assert!(why.starts_with("'part' is 'file:../..', which is outside"), "{why}");
}

#[test]
fn included_requirements_count() {
    let files = [
        ("requirements.txt", "-r base.txt  # shared\n--constraint=limits.txt\n"),
        ("base.txt", "six\n"),
        ("limits.txt", "six<2\n"),
    ];
    let changes = [("limits.txt", "six<3\n"), ("base.txt", "six>1\n")];
    let all = digests(Language::Python, &files, &changes);
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
}

#[test]
fn what_cannot_be_read_is_broken_and_says_why() {
    for (language, file, text, wanted) in [
        (Language::Node, "package.json", "{\"dependencies\":", "EOF while parsing"),
        (
            Language::Node,
            "package.json",
            r#"{"workspaces": ["a"], "dependencies": {"a": "1"}}"#,
            "'workspaces' cannot be installed",
        ),
        (
            Language::Python,
            "requirements.txt",
            "-r gone.txt\n",
            "includes 'gone.txt', which is not",
        ),
        (Language::Python, "requirements.txt", "-r requirements.txt\n", "more than 8 deep"),
        (Language::Python, "requirements.txt", "six\n-e ./part\n", "write './part'"),
        (Language::Python, "pyproject.toml", "[project\n", ""),
    ] {
        let Some(List { source: Source::Broken(why), .. }) =
            read(language, &folder(&[(file, text)]))
        else {
            panic!("'{text}' was taken");
        };
        assert!(why.contains(wanted), "{why}");
    }
}

#[test]
fn requirements_come_before_the_project() {
    let project = ("pyproject.toml", "[project]\nname = 'a'\ndependencies = ['six>1', 'idna']\n");
    let list = read(Language::Python, &folder(&[project])).unwrap();
    assert_eq!(list.source, Source::Project(vec!["six>1".into(), "idna".into()]));
    let list = read(Language::Python, &folder(&[project, ("requirements.txt", "six\n")])).unwrap();
    assert!(matches!(list.source, Source::Requirements { .. }));
}

#[test]
fn modules_and_local_replacements_of_go_count() {
    let text = "module a\n\ngo 1.22\n\nrequire (\n\tgithub.com/watzon/alyx v0.9.0\n\texample.com/dep v1.2.3 // indirect\n)\n\nreplace example.com/dep => ./_dep\n";
    let files = [("go.mod", text), ("_dep/go.mod", "module example.com/dep\n")];
    let changes = [("_dep/go.mod", "module example.com/dep\n\ngo 1.22\n"), ("go.sum", "x")];
    let all = digests(Language::Go, &files, &changes);
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
}
