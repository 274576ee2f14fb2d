//! Writes an archive of a few small files, in memory: the part of tar (POSIX "ustar") that image
//! builders read.
//!
//! Knows paths and bytes. Times and owners are none, so the same files make the same archive.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use bytes::Bytes;

const BLOCK: usize = 512;
/// The name field of a header; longer paths do not occur.
const LONGEST_PATH: usize = 100;

/// A file to be put in.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) path: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) is_program: bool,
}

/// All files and the folders they are in.
pub(crate) fn archive<'a>(members: impl Iterator<Item = Member<'a>>) -> io::Result<Bytes> {
    let mut out = Vec::new();
    let mut folders = BTreeSet::new();
    for member in members {
        let above: Vec<_> = Path::new(member.path).ancestors().skip(1).collect();
        for folder in above.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
            let name = format!("{}/", folder.display());
            if folders.insert(name.clone()) {
                out.extend(header(&name, 0, 0o755, b'5')?);
            }
        }
        let mode = if member.is_program { 0o755 } else { 0o644 };
        out.extend(header(member.path, member.bytes.len(), mode, b'0')?);
        out.extend(member.bytes);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks are the end.
    out.resize(out.len() + 2 * BLOCK, 0);
    Ok(out.into())
}

fn header(path: &str, size: usize, mode: u32, kind: u8) -> io::Result<[u8; BLOCK]> {
    if path.len() > LONGEST_PATH {
        let message = format!("path '{path}' is longer than {LONGEST_PATH} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes());
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{size:011o}").as_bytes());
    put(136, b"00000000000");
    // The sum counts its own field as spaces.
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn two_files() -> Bytes {
        let long = "x".repeat(BLOCK + 1);
        let member = |path, bytes, is_program| Member { path, bytes, is_program };
        let members =
            [member("a/b/run.sh", b"#!/bin/sh\n", true), member("a/c", long.as_bytes(), false)];
        archive(members.into_iter()).unwrap()
    }

    #[test]
    fn tar_itself_reads_it() {
        let mut tar = Command::new("tar");
        tar.args(["--list", "--verbose", "--numeric-owner"]);
        let mut tar = tar.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        tar.stdin.take().unwrap().write_all(&two_files()).unwrap();
        let output = tar.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Vec<_>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        let shown: Vec<_> = lines.iter().map(|l| (l[0], l[1], l[2], l[5])).collect();
        assert_eq!(
            shown,
            [
                ("drwxr-xr-x", "0/0", "0", "a/"),
                ("drwxr-xr-x", "0/0", "0", "a/b/"),
                ("-rwxr-xr-x", "0/0", "10", "a/b/run.sh"),
                ("-rw-r--r--", "0/0", "513", "a/c"),
            ]
        );
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused() {
        let path = "p".repeat(LONGEST_PATH + 1);
        let member = Member { path: &path, bytes: b"", is_program: false };
        assert!(archive([member].into_iter()).unwrap_err().to_string().contains(&path));
    }
}
