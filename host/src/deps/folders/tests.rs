use super::*;
use crate::deps::list::Source;

fn list(language: Language, project: &Path) -> List {
    let root = project.join("functions");
    fs::create_dir_all(&root).unwrap();
    let root = root.canonicalize().unwrap();
    let (folder, label) = (root.clone(), "functions/list".to_owned());
    List {
        language,
        root,
        folder,
        label,
        source: Source::Requirements { local: Vec::new() },
        digest: [0; 32],
    }
}

/// Installs a set that holds one file.
fn install(folders: &Folders, language: Language, key: char, text: &str) -> PathBuf {
    let key: String = std::iter::repeat_n(key, KEY).collect();
    let inner = if language == Language::Node { "node_modules" } else { "site-packages" };
    let partial = folders.begin(language, &key).unwrap();
    fs::create_dir(partial.join(inner)).unwrap();
    fs::write(partial.join(inner).join("part"), text).unwrap();
    folders.finish(language, &key, &partial).unwrap()
}

#[test]
fn a_set_appears_whole_read_only_and_is_pointed_to_by_a_relative_link() {
    let project = tempfile::tempdir().unwrap();
    let folders = Folders::of(project.path());
    for language in [Language::Node, Language::Python] {
        let _lock = folders.try_lock(language).unwrap().unwrap();
        let list = list(language, project.path());
        assert_eq!(folders.pointed(&list), Pointed::Nothing);
        let (one, two) =
            (install(&folders, language, '1', "1"), install(&folders, language, '2', "2"));
        for set in [&one, &two] {
            folders.point(&list, set).unwrap();
            assert_eq!(folders.pointed(&list), Pointed::Set(set.canonicalize().unwrap()));
            let link = fs::read_link(folders.pointer(&list)).unwrap();
            assert!(link.is_relative(), "{}", link.display());
        }
        let inner = fs::read_dir(&two).unwrap().next().unwrap().unwrap().path();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&inner.join("part"))), (0o555, 0o444));
        assert!(
            folders.has(language, &"2".repeat(KEY)) && !folders.has(language, &"3".repeat(KEY))
        );
    }
    assert_eq!(fs::read(project.path().join("functions/node_modules/part")).unwrap(), b"2");
}

#[test]
fn what_the_user_has_put_there_is_foreign() {
    let project = tempfile::tempdir().unwrap();
    let (folders, list) = (Folders::of(project.path()), list(Language::Node, project.path()));
    let packages = list.folder.join("node_modules");
    fs::create_dir(&packages).unwrap();
    assert_eq!(folders.pointed(&list), Pointed::Foreign);
    fs::remove_dir(&packages).unwrap();
    symlink("../elsewhere", &packages).unwrap();
    assert_eq!(folders.pointed(&list), Pointed::Foreign);
}

#[test]
fn what_a_killed_install_has_left_is_swept() {
    let project = tempfile::tempdir().unwrap();
    let folders = Folders::of(project.path());
    let _lock = folders.try_lock(Language::Python).unwrap().unwrap();
    let partial = folders.begin(Language::Python, "1").unwrap();
    fs::create_dir(partial.join("sealed")).unwrap();
    fs::write(partial.join("sealed/part"), "half").unwrap();
    seal(&partial.join("sealed")).unwrap();
    let again = folders.begin(Language::Python, "2").unwrap();
    assert!(!partial.exists() && again.is_dir());
}

#[test]
fn one_installs_at_a_time() {
    let project = tempfile::tempdir().unwrap();
    let folders = Folders::of(project.path());
    let lock = folders.try_lock(Language::Node).unwrap();
    assert!(lock.is_some() && folders.try_lock(Language::Node).unwrap().is_none());
    assert!(folders.try_lock(Language::Go).unwrap().is_some());
    drop(lock);
    assert!(folders.try_lock(Language::Node).unwrap().is_some());
}

#[test]
fn sets_out_of_use_for_long_are_removed_but_for_the_newest() {
    let project = tempfile::tempdir().unwrap();
    let (folders, list) = (Folders::of(project.path()), list(Language::Python, project.path()));
    let _lock = folders.try_lock(Language::Python).unwrap().unwrap();
    let sets: Vec<_> = ['1', '2', '3', '4', '5', '6', '7']
        .into_iter()
        .map(|key| install(&folders, Language::Python, key, "part"))
        .collect();
    // The oldest is in use by a link, the next by the caller.
    folders.point(&list, &sets[0]).unwrap();
    for (days, set) in [40, 39, 38, 37, 2, 2, 1].into_iter().zip(&sets) {
        let then = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        File::open(set).unwrap().set_modified(then).unwrap();
    }
    folders.prune(Language::Python, &sets[1..2]);
    let left: Vec<_> = sets.iter().map(|set| set.exists()).collect();
    assert_eq!(left, [true, true, false, false, true, true, true]);
}

#[test]
fn a_path_leads_from_one_folder_to_another() {
    let way = |from, to| between(Path::new(from), Path::new(to));
    assert_eq!(way("/p/functions", "/p/.alyx/deps/x"), Path::new("../.alyx/deps/x"));
    assert_eq!(way("/p", "/p/.alyx/deps/x"), Path::new(".alyx/deps/x"));
    assert_eq!(way("/a/b", "/c"), Path::new("../../c"));
}
