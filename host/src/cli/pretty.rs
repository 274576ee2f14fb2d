//! Log lines for the person who writes the functions: `[INFO] Function 'hello' reloaded`.
//!
//! What a function logs carries its name; source code and stacks stand below their line as they
//! are. Knows the names of fields, nothing of who writes them.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Of what stands below its line, the first that is there is enough.
const BLOCKS: [&str; 4] = ["frame", "stack", "detail", "stderr"];
const INDENT: &str = "    ";

/// Formats one event after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pretty;

impl<S, N> FormatEvent<S, N> for Pretty
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        let paint = Paint { on: writer.has_ansi_escapes() };
        let is_functions = event.metadata().target() == "function";
        line.write(&mut writer, paint, *event.metadata().level(), is_functions)
    }
}

/// The parts of an event.
#[derive(Debug, Default)]
struct Line {
    message: String,
    function: String,
    place: String,
    fields: Vec<(&'static str, String)>,
    blocks: [String; BLOCKS.len()],
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }
}

impl Line {
    fn put(&mut self, name: &'static str, value: String) {
        if value.is_empty() {
            return;
        }
        if let Some(block) = BLOCKS.iter().position(|block| *block == name) {
            self.blocks[block] = value;
            return;
        }
        match name {
            "message" => self.message = value,
            "function" => self.function = value,
            "place" => self.place = value,
            // For machines, and for the other format.
            "request_id" | "worker" | "kind" => {}
            _ => self.fields.push((name, value)),
        }
    }

    fn write(
        &self,
        out: &mut impl Write,
        paint: Paint,
        level: Level,
        is_functions: bool,
    ) -> fmt::Result {
        write!(out, "{} ", paint.level(level))?;
        if !self.function.is_empty() {
            let name = printable(&self.function);
            let name = if is_functions { name + ":" } else { format!("'{name}':") };
            write!(out, "{} ", paint.bold(&name))?;
        }
        let mut lines = self.message.lines();
        out.write_str(&printable(lines.next().unwrap_or_default()))?;
        if !self.place.is_empty() {
            write!(out, " ({})", printable(&self.place))?;
        }
        for (name, value) in &self.fields {
            // What a function gives beside its message is JSON already.
            let shown = match *name {
                "fields" => printable(value),
                _ => format!("{name}={}", printable(value)),
            };
            write!(out, " {}", paint.dim(&shown))?;
        }
        out.write_char('\n')?;
        let block = self.blocks.iter().find(|block| !block.is_empty());
        for line in lines.chain(block.into_iter().flat_map(|block| block.lines())) {
            writeln!(out, "{INDENT}{}", printable(line))?;
        }
        Ok(())
    }
}

/// Nothing that a function logs may steer the terminal.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push(c),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

#[derive(Debug, Clone, Copy)]
struct Paint {
    on: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn level(self, level: Level) -> String {
        let code = match level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            _ => "34",
        };
        self.with(code, &format!("[{level}]"))
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.with("2", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(
        fields: &[(&'static str, &str)],
        level: Level,
        is_functions: bool,
        on: bool,
    ) -> String {
        let mut line = Line::default();
        fields.iter().for_each(|(name, value)| line.put(name, (*value).to_owned()));
        let mut text = String::new();
        line.write(&mut text, Paint { on }, level, is_functions).unwrap();
        text
    }

    #[test]
    fn a_line_is_its_level_and_its_message() {
        let line = [("message", "Function 'hello' reloaded")];
        assert_eq!(shown(&line, Level::INFO, false, false), "[INFO] Function 'hello' reloaded\n");
        let painted = shown(&line, Level::INFO, false, true);
        assert_eq!(painted, "\u{1b}[32m[INFO]\u{1b}[0m Function 'hello' reloaded\n");
    }

    #[test]
    fn a_functions_line_has_its_name_and_fields() {
        let line = [
            ("message", "saved"),
            ("function", "hello"),
            ("request_id", "id"),
            ("source", "stdout"),
            ("fields", "{\"n\":1}"),
        ];
        let expected = "[WARN] hello: saved source=stdout {\"n\":1}\n";
        assert_eq!(shown(&line, Level::WARN, true, false), expected);
    }

    #[test]
    fn source_code_stands_below_and_replaces_the_stack() {
        let line = [
            ("message", "function does not load: SyntaxError"),
            ("function", "hello"),
            ("place", "hello.js:1:2"),
            ("kind", "syntax"),
            ("detail", "at …"),
            ("frame", "> 1 | (;\n    |  ^"),
        ];
        let expected = "[ERROR] 'hello': function does not load: SyntaxError (hello.js:1:2)\n    > 1 | (;\n        |  ^\n";
        assert_eq!(shown(&line, Level::ERROR, false, false), expected);
    }

    #[test]
    fn nothing_steers_the_terminal_and_later_lines_are_indented() {
        let line = [("message", "a\u{1b}[2J\nb\rc"), ("function", "f")];
        assert_eq!(shown(&line, Level::INFO, true, false), "[INFO] f: a\\u{1b}[2J\n    b\\rc\n");
    }
}
