//! What the images are made of: Dockerfiles and shims, embedded in this program.
//!
//! Paths are those of the repository, so that the same Dockerfiles build there by hand. Knows
//! nothing of engines.

use std::borrow::Cow;

use bytes::Bytes;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::images::{Target, tar};
use crate::runtime::shims;

#[derive(RustEmbed)]
#[folder = "../runtimes"]
#[include = "*Dockerfile"]
#[include = "*.sh"]
struct Recipes;

/// What all images start with.
const ENTRY: &str = "runtimes/entry.sh";
/// Letters of a digest that tell one version from another.
const SHOWN: usize = 12;

/// One file, by its path in the repository.
struct File {
    path: String,
    bytes: Cow<'static, [u8]>,
}

impl Target {
    /// The path of its Dockerfile.
    #[must_use]
    pub fn dockerfile(self) -> String {
        match self {
            Target::GoBuild => "runtimes/go/build.Dockerfile".into(),
            other => format!("runtimes/{other}/Dockerfile"),
        }
    }

    /// The base image that its Dockerfile names.
    #[must_use]
    pub fn base(self) -> String {
        let path = self.dockerfile();
        let file = self.files().into_iter().find(|file| file.path == path);
        let text = file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned());
        let mut lines = text.iter().flat_map(|text| text.lines());
        lines.find_map(|line| line.strip_prefix("ARG BASE=")).unwrap_or_default().to_owned()
    }

    /// A name for what this program makes the image from; another version has another.
    #[must_use]
    pub fn digest(self) -> String {
        let mut hash = Sha256::new();
        for file in self.files() {
            hash.update(file.path.as_bytes());
            hash.update([0]);
            hash.update((file.bytes.len() as u64).to_le_bytes());
            hash.update(&file.bytes);
        }
        hex::encode(hash.finalize())[..SHOWN].to_owned()
    }

    /// All that a builder needs, as one archive.
    ///
    /// # Errors
    /// [`std::io::Error`] for a file that does not fit an archive.
    pub(crate) fn archive(self) -> std::io::Result<Bytes> {
        let files = self.files();
        let members = files.iter().map(|file| tar::Member {
            path: &file.path,
            bytes: &file.bytes,
            is_program: file.path.contains("/bin/") || file.path.ends_with(".sh"),
        });
        tar::archive(members)
    }

    fn files(self) -> Vec<File> {
        let dockerfile = self.dockerfile();
        let recipes = Recipes::iter().filter_map(|name| {
            let path = format!("runtimes/{name}");
            let wanted = path == dockerfile || path == ENTRY;
            let bytes = if wanted { Recipes::get(&name)?.data } else { return None };
            Some(File { path, bytes })
        });
        let shim = (self != Target::Go).then(|| shims::files(self.runtime()));
        let shim = shim.into_iter().flatten();
        let shim = shim.map(|(name, bytes)| File { path: format!("shims/{name}"), bytes });
        let mut files: Vec<_> = recipes.chain(shim).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_dockerfile_copies_is_there() {
        for target in Target::ALL {
            let files = target.files();
            let text = files.iter().find(|file| file.path == target.dockerfile()).unwrap();
            let text = String::from_utf8(text.bytes.to_vec()).unwrap();
            let copies: Vec<_> =
                text.lines().filter_map(|line| line.strip_prefix("COPY ")).collect();
            assert!(!copies.is_empty(), "{target}");
            for copy in copies {
                let source = copy.split(' ').next().unwrap();
                assert!(
                    files.iter().any(|file| file.path.starts_with(source)),
                    "{target}: {source}"
                );
            }
        }
    }

    #[test]
    fn dockerfiles_build_with_any_builder_and_run_as_nobody() {
        for target in Target::ALL {
            let files = target.files();
            let text = files.iter().find(|file| file.path == target.dockerfile()).unwrap();
            let text = String::from_utf8(text.bytes.to_vec()).unwrap();
            assert!(text.contains("\nUSER 65532:65532\nWORKDIR /tmp\nENTRYPOINT ["), "{target}");
            assert!(text.contains(&format!("dev.alyx.runtime=\"{target}\"")), "{target}");
            for word in ["RUN ", "ADD ", "--chmod", "# syntax"] {
                assert!(!text.contains(word), "{target}: {word}");
            }
            // Podman asks nobody what a short name may stand for.
            assert!(target.base().starts_with("docker.io/library/"), "{}", target.base());
        }
    }

    #[test]
    fn digests_tell_targets_apart_and_stay() {
        let digests = Target::ALL.map(Target::digest);
        let mut different = digests.to_vec();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), Target::ALL.len(), "{digests:?}");
        assert_eq!(Target::Node.digest(), digests[0]);
    }
}
