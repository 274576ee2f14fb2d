//! The shape of the sources, held by a test: who may use whom, how long a file may be, and what
//! no file may be called.
//!
//! Reads the sources as text; knows nothing of what they do.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const LONGEST: usize = 400;
/// Names that say nothing about what a file is for.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "types", "manager"];
/// Folders whose sources are ours.
const OURS: [&str; 8] =
    ["protocol", "host", "conformance", "shims", "functions", "scripts", "bench", ".ci"];
/// Folders that tools fill.
const NOT_OURS: [&str; 7] =
    ["target", "node_modules", "corpus", "artifacts", "__pycache__", ".venv", "snapshots"];
const SOURCES: [&str; 9] = ["rs", "js", "mjs", "cjs", "ts", "py", "go", "sh", "lua"];

/// The order in `lib.rs` is the law, so that the list can be read from top to bottom.
#[test]
fn modules_use_only_what_stands_below_them() {
    let level = Level::read(&src().join("lib.rs"), "crate");
    let upward = level.uses.iter().filter(|u| level.place(&u.used) < level.place(&u.by));
    let complaints: Vec<_> = upward
        .map(|u| format!("{}: '{}' stands below '{}' and may not use it", u.line, u.by, u.used))
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// The modules inside a module may stand in any order, but not use each other in a circle.
#[test]
fn modules_inside_a_module_have_no_cycles() {
    let mut complaints = Vec::new();
    for level in Level::read(&src().join("lib.rs"), "crate").below() {
        let circle = level.circle();
        complaints.extend(
            circle.iter().map(|u| format!("{}: '{}' uses '{}' in a circle", u.line, u.by, u.used)),
        );
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn files_are_short_and_named_after_what_they_do() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let files: Vec<_> = OURS.iter().flat_map(|folder| sources(&root.join(folder))).collect();
    assert!(
        files.len() > 100,
        "only {} source files found: are the folders still right?",
        files.len()
    );
    let mut complaints = Vec::new();
    for file in files {
        let shown = file.strip_prefix(&root).unwrap().display().to_string();
        let lines = read(&file).lines().count();
        if lines > LONGEST {
            complaints.push(format!(
                "{shown}: {lines} lines, at most {LONGEST}; split it by what its parts do"
            ));
        }
        let stem = file.file_stem().unwrap().to_string_lossy();
        if EMPTY_NAMES.contains(&stem.as_ref()) {
            complaints
                .push(format!("{shown}: '{stem}' says nothing; name the file after what it does"));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// The rules on samples: a check that finds nothing would pass above as well.
#[test]
fn uses_are_found_in_code_and_nowhere_else() {
    let found = |line| uses_in(line, "crate");
    assert_eq!(found("use crate::http::App;"), ["http"]);
    assert_eq!(found("    let x = crate::invoker::run(crate::pool::MAX);"), ["invoker", "pool"]);
    assert_eq!(found("use crate::{pool::{State, Key}, http};"), ["pool", "http"]);
    assert_eq!(found("//! See [`crate::http`]."), [""; 0]);
    assert_eq!(found("use other_crate::http::App;"), [""; 0]);
    assert_eq!(
        declared("pub mod http;\npub(crate) mod pool;\n#[cfg(test)]\nmod tests;\n"),
        ["http", "pool"]
    );
}

#[test]
fn a_circle_is_found_and_a_chain_is_not() {
    let level = |pairs: &[(&str, &str)]| Level {
        modules: ["a", "b", "c"].map(str::to_owned).to_vec(),
        uses: pairs
            .iter()
            .map(|(by, used)| Use { by: (*by).into(), used: (*used).into(), line: String::new() })
            .collect(),
        ..Level::default()
    };
    assert!(level(&[("a", "b"), ("b", "c"), ("a", "c")]).circle().is_empty());
    assert_eq!(level(&[("a", "b"), ("b", "c"), ("c", "b")]).circle().len(), 2);
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Modules that stand in one list, and which of them use which.
#[derive(Default)]
struct Level {
    folder: PathBuf,
    path: String,
    modules: Vec<String>,
    uses: Vec<Use>,
}

struct Use {
    by: String,
    used: String,
    /// File, line and text, for people.
    line: String,
}

impl Level {
    /// The modules that `list` (a `lib.rs` or `mod.rs`) names; `path` is theirs in the code.
    fn read(list: &Path, path: &str) -> Level {
        let folder = list.parent().expect("a file stands in a folder").to_owned();
        let modules = declared(&read(list));
        let mut level = Level { folder, path: path.to_owned(), modules, uses: Vec::new() };
        for by in &level.modules {
            for file in files_of(&level.folder, by) {
                for (number, text) in read(&file).lines().enumerate() {
                    let line = format!("{}:{}: {}", file.display(), number + 1, text.trim());
                    let siblings = uses_in(text, path)
                        .into_iter()
                        .filter(|used| used != by && level.modules.contains(used));
                    level.uses.extend(siblings.map(|used| Use {
                        by: by.clone(),
                        used,
                        line: line.clone(),
                    }));
                }
            }
        }
        level
    }

    /// The levels inside this one's modules, and inside those.
    fn below(&self) -> Vec<Level> {
        let lists =
            self.modules.iter().map(|module| (module, self.folder.join(module).join("mod.rs")));
        let inner = lists.filter(|(_, list)| list.is_file());
        let levels =
            inner.map(|(module, list)| Level::read(&list, &format!("{}::{module}", self.path)));
        levels
            .flat_map(|level| {
                let deeper = level.below();
                std::iter::once(level).chain(deeper)
            })
            .collect()
    }

    fn place(&self, module: &str) -> Option<usize> {
        self.modules.iter().position(|m| m == module)
    }

    /// What is left when uses that lead nowhere, or that nothing leads to, are taken away.
    fn circle(&self) -> Vec<&Use> {
        let mut left: Vec<_> = self.uses.iter().collect();
        loop {
            let before = left.len();
            let by: Vec<_> = left.iter().map(|u| u.by.clone()).collect();
            let used: Vec<_> = left.iter().map(|u| u.used.clone()).collect();
            left.retain(|u| by.contains(&u.used) && used.contains(&u.by));
            if left.len() == before {
                return left;
            }
        }
    }
}

/// The modules that a file declares, in order, without its tests.
fn declared(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| {
        let line =
            ["pub(crate) ", "pub "].iter().find_map(|p| line.strip_prefix(p)).unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    names.filter(|name| *name != "tests").map(str::to_owned).collect()
}

/// The names that follow `path` in a line of code.
fn uses_in(line: &str, path: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let prefix = format!("{path}::");
    let starts = code.match_indices(&prefix).filter(|(at, _)| {
        !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
    });
    starts.flat_map(|(at, _)| first_names(&code[at + prefix.len()..])).collect()
}

/// `a::b` gives a; `{a::b, c}` gives a and c.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut depth = 0;
    let parts = group.split(|c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    parts.map(name).collect()
}

/// `folder/module.rs`, and all that is in `folder/module/`.
fn files_of(folder: &Path, module: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        Some(folder.join(format!("{module}.rs"))).filter(|f| f.is_file()).into_iter().collect();
    files.extend(sources(&folder.join(module)));
    assert!(!files.is_empty(), "module '{module}' has no file in {}", folder.display());
    files
}

/// All source files below `folder`, in order. A file without an extension counts as a script.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ours = paths.into_iter().filter(|path| !NOT_OURS.contains(&name(path).as_str()));
    ours.filter(|path| !name(path).starts_with('.'))
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| match path.extension() {
            Some(extension) => SOURCES.iter().any(|known| extension == *known),
            None => fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"#!")),
        })
        .collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()))
}
