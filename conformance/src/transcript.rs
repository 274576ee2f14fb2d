//! What went over the wire in one case, for the reader of a failure.
//!
//! Keeps the shape of each frame, cut to a line; knows nothing of what a frame means.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Frames kept for each case.
const KEPT: usize = 20;
/// Characters kept of each frame.
const WIDTH: usize = 400;

/// The last frames of a case, both ways.
#[derive(Debug)]
pub struct Transcript {
    started: Instant,
    lines: VecDeque<Line>,
    left_out: usize,
}

#[derive(Debug)]
struct Line {
    at: Duration,
    arrow: &'static str,
    text: String,
}

impl Default for Transcript {
    fn default() -> Self {
        Transcript { started: Instant::now(), lines: VecDeque::new(), left_out: 0 }
    }
}

impl Transcript {
    pub fn sent(&mut self, text: &str) {
        self.push("host>", text);
    }

    pub fn received(&mut self, text: &str) {
        self.push("shim>", text);
    }

    /// Something that is no frame: a close, a fault, a step.
    pub fn note(&mut self, text: &str) {
        self.push("  --", text);
    }

    fn push(&mut self, arrow: &'static str, text: &str) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
            self.left_out += 1;
        }
        let line = Line { at: self.started.elapsed(), arrow, text: cut(text, WIDTH) };
        self.lines.push_back(line);
    }

    /// The frames as lines of text.
    #[must_use]
    pub fn render(&self) -> Vec<String> {
        let mut lines = Vec::with_capacity(self.lines.len() + 1);
        if self.left_out > 0 {
            lines.push(format!("({} earlier frames)", self.left_out));
        }
        for Line { at, arrow, text } in &self.lines {
            lines.push(format!("{:>6} ms {arrow} {text}", at.as_millis()));
        }
        lines
    }
}

/// At most `width` characters of `text`, on one line, with the length when it was cut.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    let mut short = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == width {
            let _ = write!(short, " …[{} bytes]", text.len());
            break;
        }
        match c {
            '\n' => short.push('⏎'),
            c if c.is_control() => short.push('·'),
            c => short.push(c),
        }
    }
    short
}
