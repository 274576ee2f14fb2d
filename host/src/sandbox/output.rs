//! What comes out of a sandbox's stdout and stderr, as bounded lines.
//!
//! Always reads on, whatever the bytes are: a long line is cut, binary is made printable, and a
//! full queue drops lines and counts them. Knows nothing of who wants the lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

/// Longest line that is passed on; the rest of it is thrown away.
const LINE: usize = 16 * 1024;

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub stream: Stream,
    pub text: String,
}

/// What runtimes print when they end for want of memory: how such a line begins, and what is in
/// the rest of it. Go has a dozen of them, one for each place where its runtime needs memory, and
/// one place where it uses what it was refused: there it ends by a fault of its own.
const MEMORY_WORDS: [(&str, &str); 5] = [
    ("fatal error: ", "out of memory"),
    ("fatal error: ", "cannot allocate memory"),
    ("FATAL ERROR: ", "out of memory"),
    ("# Fatal", "out of memory"),
    ("runtime.(*spanQueue)", ".tryDrain("),
];

/// Reads `input` to its end and sends each line; notes one that says that memory ran out.
pub(crate) async fn lines(
    stream: Stream,
    mut input: impl AsyncRead + Unpin,
    to: mpsc::Sender<Line>,
    out_of_memory: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; LINE];
    let mut line = Vec::new();
    let mut cut = 0usize;
    while let Ok(n @ 1..) = input.read(&mut buffer).await {
        for part in buffer[..n].split_inclusive(|byte| *byte == b'\n') {
            let ended = part.ends_with(b"\n");
            let text = if ended { &part[..part.len() - 1] } else { part };
            let room = LINE - line.len();
            line.extend_from_slice(&text[..text.len().min(room)]);
            cut += text.len().saturating_sub(room);
            if ended {
                if tells_of_memory(&line) {
                    out_of_memory.store(true, Ordering::Relaxed);
                }
                pass_on(stream, &mut line, &mut cut, &to).await;
            }
        }
    }
    if !line.is_empty() {
        pass_on(stream, &mut line, &mut cut, &to).await;
    }
}

fn tells_of_memory(line: &[u8]) -> bool {
    MEMORY_WORDS.iter().any(|(begin, words)| {
        let rest = line.strip_prefix(begin.as_bytes()).unwrap_or_default();
        rest.windows(words.len()).any(|part| part == words.as_bytes())
    })
}

async fn pass_on(stream: Stream, line: &mut Vec<u8>, cut: &mut usize, to: &mpsc::Sender<Line>) {
    let mut text = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
    if *cut > 0 {
        text.push_str(&format!(" …[cut, {cut} bytes]"));
    }
    line.clear();
    *cut = 0;
    let _nobody_listens = to.send(Line { stream, text }).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn collect(bytes: &[u8]) -> Vec<String> {
        let (sender, mut receiver) = mpsc::channel(1024);
        lines(Stream::Stdout, bytes, sender, Arc::default()).await;
        let mut all = Vec::new();
        while let Ok(line) = receiver.try_recv() {
            all.push(line.text);
        }
        all
    }

    #[tokio::test]
    async fn lines_are_split_and_a_last_partial_line_counts() {
        assert_eq!(collect(b"a\r\n\nb").await, ["a", "", "b"]);
    }

    #[tokio::test]
    async fn a_long_line_is_cut_and_says_so() {
        let mut long = vec![b'x'; LINE + 10];
        long.extend_from_slice(b"\nnext\n");
        let all = collect(&long).await;
        assert!(all[0].ends_with("x …[cut, 10 bytes]"));
        assert_eq!(all[1], "next");
    }

    #[test]
    fn the_words_of_runtimes_that_have_no_memory_left_are_known() {
        for line in [
            "fatal error: runtime: out of memory",
            "fatal error: out of memory",
            "fatal error: runtime: cannot allocate memory",
            "fatal error: pageAlloc: out of memory",
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
            "FATAL ERROR: Committing semi space failed. Allocation failed - JavaScript heap out of memory",
            "# Fatal process out of memory: Zone",
            "runtime.(*spanQueue).tryDrain(0x15f700000400?, 0x436d25?, 0x5845a8?)",
        ] {
            assert!(tells_of_memory(line.as_bytes()), "{line}");
        }
        for line in ["fatal error: all goroutines are asleep", "we are out of memory", ""] {
            assert!(!tells_of_memory(line.as_bytes()), "{line}");
        }
    }

    #[tokio::test]
    async fn binary_is_made_printable() {
        assert_eq!(collect(b"\xff\xfe\n").await, ["\u{fffd}\u{fffd}"]);
    }
}
