//! A runtime by others: the command that starts its shim, as it is found on this machine.
//!
//! Knows neither the language nor what the shim is; asks nothing of it but the protocol.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::runtime::{Source, Unavailable, probe};

/// A command that can be run from any folder, and what it reads.
pub(super) struct Found {
    pub(super) command: Vec<OsString>,
    pub(super) readable: Vec<PathBuf>,
}

/// Looks for the program and the files that `words` name.
pub(super) fn find(words: &[String], source: &Source<'_>) -> Result<Found, Unavailable> {
    let unavailable = |word: &Path, why: &str| {
        let name = source.name;
        Unavailable(format!(
            "'{}' {why}; it stands in functions.runtimes.{name}.command",
            word.display()
        ))
    };
    let Some((program, arguments)) = words.split_first() else {
        return Err(unavailable(Path::new(""), "is no program"));
    };
    let program = beside_config(program, source.folder);
    let found = probe::on_path(source.path, &program.to_string_lossy())
        .ok_or_else(|| unavailable(&program, "is not on PATH or cannot be run"))?;
    let arguments: Vec<_> =
        arguments.iter().map(|word| beside_config(word, source.folder)).collect();
    let named: Vec<_> = arguments.iter().filter(|path| path.is_absolute()).collect();
    if let Some(missing) = named.iter().find(|path| !path.exists()) {
        return Err(unavailable(missing, "does not exist"));
    }
    let folders =
        named.iter().filter_map(|p| if p.is_dir() { Some(p.as_path()) } else { p.parent() });
    let readable = folders.map(Path::to_owned).chain(reads(&found)).collect();
    let command = [found].into_iter().chain(arguments).map(PathBuf::into_os_string).collect();
    Ok(Found { command, readable })
}

/// Workers start in another folder, so a word that names a file counts from that of alyx.yaml. Only
/// a word that looks like one: a folder called `worker` must not change the argument `worker`.
fn beside_config(word: &str, folder: &Path) -> PathBuf {
    let path = Path::new(word);
    let looks_like_a_file = word.contains('/') || path.extension().is_some();
    let beside = folder.join(path);
    if looks_like_a_file && beside.exists() { beside } else { path.to_owned() }
}

/// The program, and its libraries where it is installed in a folder of its own: `bin` beside `lib`.
fn reads(program: &Path) -> Vec<PathBuf> {
    let real = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let bin = real.parent().filter(|folder| folder.ends_with("bin"));
    let prefix = bin.and_then(Path::parent);
    let libraries = prefix.into_iter().flat_map(|prefix| ["lib", "lib64"].map(|l| prefix.join(l)));
    libraries.filter(|folder| folder.is_dir()).chain([program.to_owned(), real.clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(folder: &Path, words: &[&str]) -> Result<Found, Unavailable> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let source = Source {
            image: None,
            builder: None,
            name: "perl",
            command: Some(&words),
            folder,
            path: &["/bin".into()],
            shims: folder,
            cache: folder,
            toolchain_env: &[],
        };
        find(&words, &source)
    }

    #[test]
    fn files_count_from_the_folder_of_the_configuration_and_other_words_stay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["worker", "opt.d"] {
            std::fs::create_dir(folder.path().join(name)).expect("a fresh folder");
        }
        std::fs::write(folder.path().join("opt.d/shim.pl"), "").expect("a fresh folder");
        let found =
            find_in(folder.path(), &["sh", "-I", "opt.d", "opt.d/shim.pl", "worker", "x.y"])
                .expect("all of it is there");
        let inner = |name: &str| folder.path().join(name).into_os_string();
        let expected = [
            "/bin/sh".into(),
            "-I".into(),
            inner("opt.d"),
            inner("opt.d/shim.pl"),
            "worker".into(),
            "x.y".into(),
        ];
        assert_eq!(found.command, expected);
        assert!(found.readable.contains(&folder.path().join("opt.d")), "{:?}", found.readable);
        assert!(!found.readable.contains(&folder.path().to_owned()), "{:?}", found.readable);
    }

    #[test]
    fn what_is_not_there_is_named_with_its_key() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let why = |words: &[&str]| find_in(folder.path(), words).err().map(|why| why.0);
        assert_eq!(
            why(&["no-such-perl"]).as_deref(),
            Some(
                "'no-such-perl' is not on PATH or cannot be run; it stands in functions.runtimes.perl.command"
            )
        );
        assert_eq!(
            why(&["sh", "/nowhere/shim.pl"]).as_deref(),
            Some("'/nowhere/shim.pl' does not exist; it stands in functions.runtimes.perl.command")
        );
    }
}
