//! What a source file imports from its own project, as it is written there.
//!
//! Reads text, not syntax: what looks like an import of a local file counts, also in a comment.
//! One too many costs a reload; one that is missed would leave old code in service. Where the text
//! cannot tell (`import(name)`), the file is "open": it may import anything.

use regex::Regex;
use std::path::Path;
use std::sync::LazyLock;

/// A language whose imports are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Node,
    Python,
    Go,
}

impl Language {
    pub fn of_runtime(runtime: &str) -> Option<Language> {
        match runtime {
            "node" => Some(Language::Node),
            "python" => Some(Language::Python),
            "go" => Some(Language::Go),
            _ => None,
        }
    }

    pub fn of_file(path: &Path) -> Option<Language> {
        match path.extension()?.to_str()? {
            "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "jsx" | "tsx" => Some(Language::Node),
            "py" => Some(Language::Python),
            "go" => Some(Language::Go),
            _ => None,
        }
    }
}

/// The imports of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imports {
    /// `./part.js`; `_shared.part` or `..part`; `functions/_shared/part`.
    pub local: Vec<String>,
    /// It may import what its text does not name.
    pub open: bool,
}

impl Imports {
    pub fn of(language: Language, text: &str) -> Imports {
        let mut imports = match language {
            Language::Node => node(text),
            Language::Python => python(text),
            Language::Go => go(text),
        };
        imports.local.sort_unstable();
        imports.local.dedup();
        imports
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant that the tests of this file use")
}

/// Any text in quotes that begins like a local path: imports, `require`, `new URL(…)`, workers.
static NODE_PATH: LazyLock<Regex> = LazyLock::new(|| regex(r#"["'`](\.\.?/[^"'`\n]*)["'`]"#));
static NODE_FOLDER: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"\b(?:from|import|require)\s*\(?\s*["'](\.\.?)["']"#));
/// A name made while it runs, or one that package.json gives a meaning (`#lib`).
static NODE_OPEN: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"\b(?:import|require)\s*\(\s*(?:[^\s"'`)]|`[^`]*\$\{)|\b(?:from|import|require)\s*\(?\s*["']#"#,
    )
});

fn node(text: &str) -> Imports {
    let paths = NODE_PATH.captures_iter(text).chain(NODE_FOLDER.captures_iter(text));
    let local = paths.map(|found| found[1].to_owned()).filter(|path| !path.contains("${"));
    Imports { local: local.collect(), open: NODE_OPEN.is_match(text) }
}

static PYTHON_IMPORT: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?m)(?:^|[;:])[ \t]*import[ \t]+([\w.]+(?:[ \t]+as[ \t]+\w+)?(?:[ \t]*,[ \t]*[\w.]+(?:[ \t]+as[ \t]+\w+)?)*)",
    )
});
static PYTHON_FROM: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?m)(?:^|[;:])[ \t]*from[ \t]*([.\w \t]+?)[ \t]*\bimport\b[ \t]*(\([^)]*\)|[^\n;]*)")
});
static PYTHON_OPEN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(?:importlib|__import__|runpy|pkgutil|sys\.path)\b"));
static PYTHON_COMMENT: LazyLock<Regex> = LazyLock::new(|| regex(r"#[^\n]*"));

fn python(text: &str) -> Imports {
    let text = text.replace("\r\n", "\n").replace("\\\n", " ");
    let text = PYTHON_COMMENT.replace_all(&text, "");
    let mut local = Vec::new();
    for found in PYTHON_IMPORT.captures_iter(&text) {
        local.extend(names(&found[1]));
    }
    for found in PYTHON_FROM.captures_iter(&text) {
        let module: String = found[1].split_whitespace().collect();
        let imported = names(found[2].trim_matches(['(', ')']));
        // What is imported may be a module itself.
        let dot = if module.ends_with('.') { "" } else { "." };
        local.extend(imported.map(|name| format!("{module}{dot}{name}")));
        local.push(module);
    }
    Imports { local, open: PYTHON_OPEN.is_match(&text) }
}

/// `a as b, c` → a, c.
fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',').filter_map(|name| name.split_whitespace().next()).map(str::to_owned)
}

static GO_IMPORT: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"\bimport\s*(?:\(([^)]*)\)|[\w.]*\s*(["`][^"`\n]*["`]))"#));
static GO_PATH: LazyLock<Regex> = LazyLock::new(|| regex(r#"["`]([^"`\n]+)["`]"#));

fn go(text: &str) -> Imports {
    let lists = GO_IMPORT.captures_iter(text).filter_map(|found| found.get(1).or(found.get(2)));
    let paths = lists.flat_map(|list| GO_PATH.captures_iter(list.as_str()));
    Imports { local: paths.map(|found| found[1].to_owned()).collect(), open: false }
}

#[cfg(test)]
mod tests {
    use super::{Imports, Language};

    fn local(language: Language, text: &str) -> Vec<String> {
        let imports = Imports::of(language, text);
        assert!(!imports.open, "{text}");
        imports.local
    }

    fn open(language: Language, text: &str) -> bool {
        Imports::of(language, text).open
    }

    #[test]
    fn every_form_of_node_is_seen() {
        let table = [
            ("import a from './a.js';", "./a.js"),
            ("import * as a from \"../_shared/a.js\"", "../_shared/a.js"),
            ("import {\n  a,\n  b,\n} from './a.js'", "./a.js"),
            ("import './a.js'", "./a.js"),
            ("export { a } from './a.js'", "./a.js"),
            ("const a = await import('./a.js')", "./a.js"),
            ("const a = require(`./a.js`)", "./a.js"),
            ("import a from './a.json' with { type: 'json' }", "./a.json"),
            ("readFileSync(new URL('./a.txt', import.meta.url))", "./a.txt"),
            ("import a = require('./a.cjs')", "./a.cjs"),
            ("import a from '..'", ".."),
            ("require('.')", "."),
        ];
        for (text, expected) in table {
            assert_eq!(local(Language::Node, text), [expected], "{text}");
        }
        let none = ["import fs from 'node:fs'", "x.split('.')", "import a from 'package/sub'"];
        for text in none {
            assert_eq!(local(Language::Node, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn names_that_are_made_while_it_runs_leave_a_file_open() {
        for text in ["import(name)", "require( path.join(a, b))", "import(`./${name}.js`)"] {
            assert!(open(Language::Node, text), "{text}");
        }
        assert!(open(Language::Node, "import a from '#lib/a.js'"));
        assert!(!open(Language::Node, "const require = createRequire(import.meta.url)"));
        for text in ["importlib.import_module(name)", "__import__(n)", "sys.path.append('x')"] {
            assert!(open(Language::Python, text), "{text}");
        }
    }

    #[test]
    fn every_form_of_python_is_seen() {
        let table: [(&str, &[&str]); 9] = [
            ("import a", &["a"]),
            ("import a.b as c, d", &["a.b", "d"]),
            ("from a import b", &["a", "a.b"]),
            ("from . import b", &[".", ".b"]),
            (
                "from ..a.b import (\n    c,  # (why)\n    d as e,\n)",
                &["..a.b", "..a.b.c", "..a.b.d"],
            ),
            ("    from .a import *", &[".a", ".a.*"]),
            ("if x: import a; import b", &["a", "b"]),
            ("from a \\\n    import b", &["a", "a.b"]),
            ("x = 1\r\nimport a\r\n", &["a"]),
        ];
        for (text, expected) in table {
            assert_eq!(local(Language::Python, text), expected, "{text}");
        }
        assert_eq!(local(Language::Python, "# nothing to import here\nimportant = 1"), [""; 0]);
    }

    #[test]
    fn every_form_of_go_is_seen() {
        let table: [(&str, &[&str]); 4] = [
            ("import \"fmt\"", &["fmt"]),
            ("import x \"functions/_shared/x\"", &["functions/_shared/x"]),
            ("import . `a/b`", &["a/b"]),
            (
                "import (\n\t\"fmt\"\n\n\t_ \"embed\"\n\tx \"a/b\" // why\n)",
                &["a/b", "embed", "fmt"],
            ),
        ];
        for (text, expected) in table {
            assert_eq!(local(Language::Go, text), expected, "{text}");
        }
    }
}
