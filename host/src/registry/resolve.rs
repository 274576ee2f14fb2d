//! From what a file imports to the files that are meant, as far as they are there.
//!
//! Where a language would take the first of several places, all that exist are named: one file too
//! many is harmless. Knows nothing of what files hold.

use crate::registry::imports::Language;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What Node tries, or a person may have left away.
const NODE_EXTENSIONS: [&str; 9] =
    [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".json", ".jsx", ".tsx"];
/// The module of a functions folder that has no go.mod.
const GO_ROOT_MODULE: &str = "functions";
/// A larger go.mod is none.
const MAX_GO_MOD: u64 = 1 << 20;

/// Where the imports of one function's files are looked for.
#[derive(Debug)]
pub struct Places {
    language: Language,
    /// Python: what absolute imports start from.
    search: Vec<PathBuf>,
    /// Go: import paths and the folders that they stand for.
    modules: Vec<(String, PathBuf)>,
}

impl Places {
    /// `folder` is where the function's entry lies.
    pub fn new(language: Language, root: &Path, folder: &Path) -> Places {
        let mut search = vec![folder.to_owned()];
        let mut modules = Vec::new();
        match language {
            Language::Node => {}
            Language::Python => search.extend((folder != root).then(|| root.to_owned())),
            Language::Go => {
                modules = go_modules(root, true);
                if folder != root {
                    modules.extend(go_modules(folder, false));
                }
            }
        }
        Places { language, search, modules }
    }

    /// The files that make one program with `entry`: Go takes the folder where a link leads.
    pub fn beside(&self, root: &Path, entry: &Path) -> Vec<PathBuf> {
        let real = fs::canonicalize(entry).unwrap_or_default();
        match real.parent() {
            Some(folder) if self.language == Language::Go && folder != root => go_files(folder),
            _ => Vec::new(),
        }
    }

    /// The files that `import`, written in `file`, may mean.
    pub fn of(&self, file: &Path, import: &str) -> Vec<PathBuf> {
        let Some(folder) = file.parent() else { return Vec::new() };
        match self.language {
            Language::Node => node(folder, import),
            Language::Python => self.python(folder, import),
            Language::Go => self.go(import),
        }
    }

    fn python(&self, folder: &Path, import: &str) -> Vec<PathBuf> {
        let name = import.trim_start_matches('.');
        let bases = match import.len() - name.len() {
            0 => self.search.clone(),
            dots => folder.ancestors().nth(dots - 1).map(Path::to_owned).into_iter().collect(),
        };
        let mut found = Vec::new();
        for mut place in bases {
            found.push(place.join("__init__.py"));
            for part in name.split('.').filter(|part| !part.is_empty()) {
                found.push(place.join(format!("{part}.py")));
                place.push(part);
                found.push(place.join("__init__.py"));
            }
        }
        found.retain(|path| path.is_file());
        found
    }

    fn go(&self, import: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for (module, folder) in &self.modules {
            let Some(rest) = import.strip_prefix(module.as_str()) else { continue };
            if rest.is_empty() || rest.starts_with('/') {
                found.extend(go_files(&folder.join(rest.trim_start_matches('/'))));
            }
        }
        found
    }
}

fn go_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = files_in(folder, &[".go"]);
    found.retain(|path| !path.to_string_lossy().ends_with("_test.go"));
    found
}

fn node(folder: &Path, import: &str) -> Vec<PathBuf> {
    let path = import.split(['?', '#']).next().unwrap_or_default();
    let base = normal(&folder.join(path));
    if base.is_file() {
        return vec![base];
    }
    if base.is_dir() {
        return files_in(&base, &NODE_EXTENSIONS);
    }
    let text = base.to_string_lossy();
    let stem = text.rsplit_once('.').map_or(&*text, |(stem, _)| stem);
    let tries = NODE_EXTENSIONS.iter().flat_map(|extension| {
        // `./part.js` may be written for `part.ts`.
        [format!("{text}{extension}"), format!("{stem}{extension}")]
    });
    tries.map(PathBuf::from).filter(|path| path.is_file()).collect()
}

fn files_in(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.take(MAX_ENTRIES).flatten().map(|entry| entry.path());
    let fits = |path: &PathBuf| {
        let name = path.to_string_lossy();
        extensions.iter().any(|extension| name.ends_with(extension)) && path.is_file()
    };
    paths.filter(fits).collect()
}

/// Most files of one package that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// `a/./b/../c` → `a/c`, without a look at the disk.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// The module in `folder` and those that its go.mod replaces by local folders.
fn go_modules(folder: &Path, is_root: bool) -> Vec<(String, PathBuf)> {
    let file = folder.join("go.mod");
    let small = fs::metadata(&file).is_ok_and(|metadata| metadata.len() <= MAX_GO_MOD);
    let text = if small { fs::read_to_string(file).unwrap_or_default() } else { String::new() };
    let mut modules = Vec::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix("module ") {
            modules.push((name.trim().trim_matches('"').to_owned(), folder.to_owned()));
        } else if let Some((from, to)) = line.split_once("=>") {
            let from = from.trim().trim_start_matches("replace ").split_whitespace().next();
            let to = to.trim().trim_matches('"');
            if let (Some(from), true) = (from, to.starts_with('.')) {
                modules.push((from.to_owned(), normal(&folder.join(to))));
            }
        }
    }
    if modules.is_empty() && is_root {
        modules.push((GO_ROOT_MODULE.to_owned(), folder.to_owned()));
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes empty files, or those with the text given, and says what `import` in `file` means.
    fn check(language: Language, files: &[(&str, &str)], file: &str, import: &str, means: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (name, text) in files {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), text).unwrap();
        }
        let entry = root.join(file);
        let places = Places::new(language, root, entry.parent().unwrap());
        let mut found = places.of(&entry, import);
        found.sort();
        let found: Vec<_> = found.iter().map(|path| path.strip_prefix(root).unwrap()).collect();
        assert_eq!(found, means.iter().map(Path::new).collect::<Vec<_>>(), "{import} in {file}");
    }

    #[test]
    fn node_files_with_and_without_extension() {
        let files = &[("_shared/a.ts", ""), ("_shared/b/index.js", ""), ("x/index.js", "")];
        let node = |import, means: &[&str]| {
            check(Language::Node, files, "x/index.js", import, means);
        };
        node("../_shared/a.ts?v=1", &["_shared/a.ts"]);
        node("../_shared/./b/../a", &["_shared/a.ts"]);
        node("../_shared/a.js", &["_shared/a.ts"]);
        node("../_shared/b", &["_shared/b/index.js"]);
        node("..", &[]);
        node("./gone.js", &[]);
    }

    #[test]
    fn python_modules_packages_and_relative_ones() {
        let files = &[
            ("_shared/part.py", ""),
            ("_shared/deep/__init__.py", ""),
            ("_shared/deep/more.py", ""),
            ("x/main.py", ""),
            ("x/part.py", ""),
            ("x/_shared.py", ""),
        ];
        let python = |file, import, means: &[&str]| {
            check(Language::Python, files, file, import, means);
        };
        python("hello.py", "_shared.part", &["_shared/part.py"]);
        let deep = ["_shared/deep/__init__.py", "_shared/deep/more.py"];
        python("hello.py", "_shared.deep.more", &deep);
        python("x/main.py", "part", &["x/part.py"]);
        python("x/main.py", "_shared.part", &["_shared/part.py", "x/_shared.py"]);
        python("x/main.py", ".part", &["x/part.py"]);
        python("_shared/deep/more.py", "..part", &["_shared/part.py"]);
        python("_shared/deep/more.py", ".", &["_shared/deep/__init__.py"]);
        python("hello.py", "json", &[]);
    }

    #[test]
    fn go_packages_of_the_folder_and_of_modules() {
        let bare = &[("_shared/x/x.go", ""), ("_shared/x/x_test.go", "")];
        let import = "functions/_shared/x";
        check(Language::Go, bare, "hello.go", import, &["_shared/x/x.go"]);
        check(Language::Go, bare, "hello.go", "functionsother/x", &[]);
        let modules = &[
            ("go.mod", "module example.com/mine // ours\nreplace example.com/dep v1 => ./_dep\n"),
            ("_dep/dep.go", ""),
            ("_shared/x/x.go", ""),
            ("own/go.mod", "module example.com/own\n\nreplace (\n\texample.com/b => ../_b\n)\n"),
            ("own/inner/inner.go", ""),
            ("_b/b.go", ""),
        ];
        let go = |file, import, means: &[&str]| check(Language::Go, modules, file, import, means);
        go("hello.go", "example.com/mine/_shared/x", &["_shared/x/x.go"]);
        go("hello.go", "example.com/dep", &["_dep/dep.go"]);
        go("own/main.go", "example.com/own/inner", &["own/inner/inner.go"]);
        go("own/main.go", "example.com/mine/_shared/x", &["_shared/x/x.go"]);
        go("own/main.go", "example.com/b", &["_b/b.go"]);
        go("hello.go", "example.com/own/inner", &[]);
    }
}
