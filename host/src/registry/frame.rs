//! The lines of source around a place, with a mark under the column.
//!
//! Knows nothing of what is wrong there. Reads only below the functions folder.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Nobody writes longer files by hand.
const MAX_BYTES: u64 = 2 << 20;
/// Lines above the place and below it.
const AROUND: usize = 1;
/// Of a longer line only the part around the column is shown.
const WIDTH: usize = 120;

/// The frame of `file`, a path from the canonical `root` on; lines and columns count from 1.
pub fn of_file(root: &Path, file: &str, line: u64, column: Option<u64>) -> Option<String> {
    let path = fs::canonicalize(root.join(file)).ok()?;
    let readable = path.starts_with(root)
        && fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= MAX_BYTES);
    let text = readable.then(|| fs::read(&path).ok())??;
    of_text(&String::from_utf8_lossy(&text), line, column)
}

/// None when there is no such line.
pub fn of_text(text: &str, line: u64, column: Option<u64>) -> Option<String> {
    let line = usize::try_from(line).ok().filter(|line| *line > 0)?;
    let lines: Vec<&str> = text.lines().collect();
    lines.get(line - 1)?;
    let column = column.and_then(|column| usize::try_from(column).ok()).unwrap_or(0);
    // A place behind the end of a line is its end.
    let column = column.min(lines[line - 1].chars().count() + 1);
    let skipped = column.saturating_sub(WIDTH * 2 / 3);
    let (first, last) = (line.saturating_sub(AROUND).max(1), (line + AROUND).min(lines.len()));
    let width = last.to_string().len();
    let mut frame = String::new();
    for number in first..=last {
        let shown: String = lines[number - 1].chars().skip(skipped).take(WIDTH).collect();
        let mark = if number == line { '>' } else { ' ' };
        let written = writeln!(frame, "{mark} {number:>width$} | {shown}");
        debug_assert!(written.is_ok(), "a string takes all text");
        if number == line && column > 0 {
            // Tabs stay tabs, so that the mark stands under its column.
            let before = shown.chars().take(column - 1 - skipped);
            let space: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
            frame.push_str(&format!("  {:>width$} | {space}^\n", ""));
        }
    }
    frame.truncate(frame.trim_end().len());
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "one\n\ttwo(;\nthree\nfour\n";

    #[test]
    fn three_lines_and_a_mark() {
        let expected = "  1 | one\n> 2 | \ttwo(;\n    | \t    ^\n  3 | three";
        assert_eq!(of_text(TEXT, 2, Some(6)).as_deref(), Some(expected));
        assert_eq!(of_text(TEXT, 4, None).as_deref(), Some("  3 | three\n> 4 | four"));
        let end = "> 1 | one\n    |    ^\n  2 | \ttwo(;";
        assert_eq!(of_text(TEXT, 1, Some(99)).as_deref(), Some(end));
        assert_eq!(of_text(TEXT, 5, Some(1)), None);
        assert_eq!(of_text(TEXT, 0, None), None);
        assert_eq!(of_text("", 1, Some(1)), None);
    }

    #[test]
    fn numbers_are_aligned_and_long_lines_cut() {
        let long = "x".repeat(1000) + "!" + &"y".repeat(1000);
        let text = format!("{}{long}\n\n", "\n".repeat(8));
        let frame = of_text(&text, 9, Some(1001)).unwrap();
        let lines: Vec<&str> = frame.lines().collect();
        assert!(lines[0] == "   8 | " && lines.iter().all(|line| line.len() < 140), "{frame}");
        let place = |line: &str, what| line.find(what).unwrap();
        assert_eq!(place(lines[1], '!'), place(lines[2], '^'), "{frame}");
    }

    #[test]
    fn only_files_of_the_folder_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir(root.join("in")).unwrap();
        fs::write(root.join("in/a.js"), "inside").unwrap();
        fs::write(root.join("secret"), "outside").unwrap();
        assert!(of_file(&root.join("in"), "a.js", 1, None).unwrap().contains("inside"));
        assert_eq!(of_file(&root.join("in"), "../secret", 1, None), None);
    }
}
