//! The shims, embedded in the binary and unpacked where workers can read them.
//!
//! The folder is named by a hash of all files, so that hosts of different versions share a cache
//! without harm. Knows nothing of how a shim is started.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

#[derive(RustEmbed)]
#[folder = "../shims"]
#[include = "node/package.json"]
#[include = "node/bin/*"]
#[include = "node/src/*"]
#[include = "python/bin/*"]
#[include = "python/src/*.py"]
#[include = "go/go.mod"]
#[include = "go/cmd/*"]
#[include = "go/internal/*"]
#[include = "go/pkg/*"]
#[exclude = "*_test.go"]
#[exclude = "*/testdata/*"]
#[exclude = "*/__pycache__/*"]
struct Shims;

/// Writes the shims below `cache` unless they are there; returns their folder.
///
/// # Errors
/// When the cache cannot be written.
pub fn unpack(cache: &Path) -> io::Result<PathBuf> {
    let folder = cache.join(format!("shims-{}", &digest()[..16]));
    if folder.is_dir() {
        return Ok(folder);
    }
    let fresh = cache.join(format!("shims-new-{}", std::process::id()));
    for name in Shims::iter() {
        let Some(file) = Shims::get(&name) else { continue };
        let path = fresh.join(name.as_ref());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, &file.data)?;
    }
    match std::fs::rename(&fresh, &folder) {
        // Another host was faster; its files are the same.
        Err(_) if folder.is_dir() => std::fs::remove_dir_all(&fresh)?,
        renamed => renamed?,
    }
    Ok(folder)
}

/// The files of one shim, by their paths below the folder of all shims.
pub fn files(shim: &str) -> impl Iterator<Item = (String, Cow<'static, [u8]>)> {
    let folder = format!("{shim}/");
    let names = Shims::iter().filter(move |name| name.starts_with(&folder));
    names.filter_map(|name| Some((name.to_string(), Shims::get(&name)?.data)))
}

fn digest() -> String {
    let mut names: Vec<_> = Shims::iter().collect();
    names.sort();
    let mut hash = Sha256::new();
    for name in names {
        if let Some(file) = Shims::get(&name) {
            hash.update(name.as_bytes());
            hash.update([0]);
            hash.update(file.metadata.sha256_hash());
        }
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_three_shims_are_unpacked_without_their_tests() {
        let cache = tempfile::tempdir().unwrap();
        let folder = super::unpack(cache.path()).unwrap();
        for file in ["node/bin/alyx-shim-node.js", "python/bin/alyx-shim-python", "go/go.mod"] {
            assert!(folder.join(file).is_file(), "{file} is missing");
        }
        assert!(!folder.join("node/test").exists() && !folder.join("python/tests").exists());
        assert_eq!(super::unpack(cache.path()).unwrap(), folder);
    }
}
