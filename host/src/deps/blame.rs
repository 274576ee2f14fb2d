//! Finds in a package manager's output which package is at fault, and the line that says why.
//!
//! Words of tools change; where none of them is known, the last line of an error has to do.

use std::sync::LazyLock;

use regex::Regex;

use crate::registry::imports::Language;

/// Why a set could not be installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// Its name, with or without a version, where the tool tells.
    pub package: Option<String>,
    /// One line.
    pub why: String,
    /// The end of what the tool printed.
    pub output: Vec<String>,
}

impl Fault {
    pub(crate) fn new(why: impl ToString) -> Fault {
        Fault { why: why.to_string(), ..Fault::default() }
    }

    /// With files called as the user knows them.
    pub(crate) fn renamed(mut self, from: &str, to: &str) -> Fault {
        for line in self.output.iter_mut().chain([&mut self.why]) {
            *line = line.replace(from, to);
        }
        self
    }
}

/// Lines of output that go with a fault.
const KEPT_LINES: usize = 40;

/// Patterns whose first group is the package; the earlier ones say more.
type Patterns = LazyLock<Vec<Regex>>;

fn all(patterns: &[&str]) -> Vec<Regex> {
    patterns.iter().map(|one| Regex::new(one).expect("constants that the tests use")).collect()
}

static NPM: Patterns = LazyLock::new(|| {
    all(&[
        r"No matching version found for (\S+?)\.?$",
        r"'([^'\s]+)' (?:is not in this registry|could not be found)",
        r"The requested resource '([^'\s]+)'",
        r"(?:Missing|Invalid): (\S+) from lock file",
        r"Invalid: lock file's (\S+) does not satisfy",
        r"Unsupported platform for ([^\s:]+)",
        r"(?:EINTEGRITY|integrity checksum failed).*?/([@\w.-]+(?:/[\w.-]+)?)/-/",
        r"Could not resolve dependency:.*?from (\S+)",
        r"(?:peer|dev|optional)? ?(\S+@\S+) from the root project",
        r"path \S*/node_modules/((?:@[^/\s]+/)?[^/\s]+)$",
        r"404 Not Found - GET \S+/([^/\s]+?)(?: - .*)?$",
        r"request to \S+/([^/\s]+) failed",
    ])
});

static PIP: Patterns = LazyLock::new(|| {
    all(&[
        r"No matching distribution found for ([^\s(]+)",
        r"satisfies the requirement ([^\s(]+)",
        r"Failed building (?:wheel|editable) for (\S+)",
        r"Failed to build (\S+)$",
        r"Could not build wheels for ([^\s,]+)",
        r"Failed to build installable wheels for some pyproject\.toml based projects \((\S+?)[,)]",
        r"Cannot install (\S+)",
        r"Invalid requirement: '([^']+)'",
        r"Package '([^']+)' requires a different Python",
        r"Collecting (\S+)(?: \(from|$)",
    ])
});

static GO: Patterns = LazyLock::new(|| {
    all(&[
        r"go\.mod:\d+: require ([^\s:]+): ",
        r"^go: ([^\s:]+@[^\s:]+): ",
        r"verifying ([^\s:]+@[^\s:]+): ",
    ])
});

/// Lines that begin so say why; the others are told on the way.
fn is_error(language: Language, line: &str) -> bool {
    match language {
        Language::Node => line.starts_with("npm error") || line.starts_with("npm ERR!"),
        Language::Python => line.trim_start().to_ascii_lowercase().starts_with("error"),
        Language::Go => {
            let says = line.starts_with("go: ") && !line.starts_with("go: downloading");
            says || line.contains("go.mod:")
        }
    }
}

/// What a failed run of the language's tool printed, in short.
#[must_use]
pub fn blame(language: Language, mut output: Vec<String>) -> Fault {
    // npm explains all that it can do when it is told something wrong.
    if let Some(usage) = output.iter().position(|line| line == "npm error Usage:") {
        output.truncate(usage);
    }
    let patterns = match language {
        Language::Node => &NPM,
        Language::Python => &PIP,
        Language::Go => &GO,
    };
    let errors: Vec<&str> =
        output.iter().map(String::as_str).filter(|line| is_error(language, line)).collect();
    let lines =
        if errors.is_empty() { output.iter().map(String::as_str).collect() } else { errors };
    let find = |lines: &[&str]| {
        patterns.iter().find_map(|pattern| {
            lines.iter().find_map(|line| {
                let package = pattern.captures(line)?.get(1)?;
                Some((package.as_str().to_owned(), (*line).to_owned()))
            })
        })
    };
    let every: Vec<&str> = output.iter().map(String::as_str).collect();
    let (package, why) = match find(&lines) {
        Some((package, line)) => (Some(package), line),
        None => {
            let last = lines.iter().rfind(|line| !is_noise(line)).copied().unwrap_or_default();
            (find(&every).map(|(package, _)| package), last.to_owned())
        }
    };
    let why = explained(language, &output).unwrap_or(why);
    let why = if why.is_empty() { "it printed nothing".to_owned() } else { cleaned(&why) };
    output.drain(..output.len().saturating_sub(KEPT_LINES));
    Fault { package, why, output }
}

/// pip: the last of its tries to reach the index, and what came of it.
static NO_ANSWER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"after connection broken by '(.*)': /").expect("a constant that the tests use")
});
static OBJECT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"<[^>]*>[:,]? ?").expect("a constant that the tests use"));

/// What a tool says in other words than its user needs.
fn explained(language: Language, output: &[String]) -> Option<String> {
    match language {
        // It says that there is no such package, when it could not ask.
        Language::Python => {
            let nothing = output.iter().any(|line| line.contains("No matching distribution"));
            let broken = output.iter().rev().find_map(|line| NO_ANSWER.captures(line));
            let broken = broken.filter(|_| nothing)?;
            Some(format!("the index gives no answer: {}", OBJECT.replace_all(&broken[1], "")))
        }
        Language::Node => {
            let line = output.iter().find(|line| line.ends_with(" from lock file"))?;
            let advice = "run 'npm install --package-lock-only' beside it";
            Some(format!("the lock does not fit ({}); {advice}", cleaned(line)))
        }
        Language::Go => None,
    }
}

/// npm ends with where its own log is, pip with its upgrades.
fn is_noise(line: &str) -> bool {
    line.contains("A complete log of this run") || line.contains("[notice]")
}

fn cleaned(line: &str) -> String {
    let line = line.trim();
    let prefixes = ["npm error ", "npm ERR! ", "ERROR: ", "error: ", "go: "];
    let line = prefixes.iter().find_map(|prefix| line.strip_prefix(prefix)).unwrap_or(line);
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(language: Language, output: &str, package: Option<&str>, why: &str) {
        let fault = blame(language, output.lines().map(str::to_owned).collect());
        assert_eq!((fault.package.as_deref(), fault.why.as_str()), (package, why), "{output}");
    }

    #[test]
    fn npm_names_the_package() {
        let missing = "npm error code E404\nnpm error 404 Not Found - GET https://r.example/nosuch - Not found\nnpm error 404\nnpm error 404  The requested resource 'nosuch@^1.0.0' could not be found or you do not have permission to access it.\nnpm error A complete log of this run can be found in: /x";
        let why = "404  The requested resource 'nosuch@^1.0.0' could not be found or you do not have permission to access it.";
        check(Language::Node, missing, Some("nosuch@^1.0.0"), why);
        let version = "npm error code ETARGET\nnpm error notarget No matching version found for nanoid@99.0.0.";
        let why = "notarget No matching version found for nanoid@99.0.0.";
        check(Language::Node, version, Some("nanoid@99.0.0"), why);
        let script = "npm error code 1\nnpm error path /p/.alyx/deps/node/1.partial/node_modules/@a/broken\nnpm error command failed\nnpm error command sh -c exit 1";
        let why = "path /p/.alyx/deps/node/1.partial/node_modules/@a/broken";
        check(Language::Node, script, Some("@a/broken"), why);
        let stale = "npm error code EUSAGE\nnpm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.\nnpm error Missing: left-pad@1.3.0 from lock file\nnpm error Usage:\nnpm error npm ci";
        let why = "the lock does not fit (Missing: left-pad@1.3.0 from lock file); run 'npm install --package-lock-only' beside it";
        check(Language::Node, stale, Some("left-pad@1.3.0"), why);
    }

    #[test]
    fn pip_names_the_package() {
        let missing = "ERROR: Could not find a version that satisfies the requirement nosuch (from versions: none)\nERROR: No matching distribution found for nosuch";
        check(
            Language::Python,
            missing,
            Some("nosuch"),
            "No matching distribution found for nosuch",
        );
        let silent = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<pip.Connection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/six/\nERROR: No matching distribution found for six";
        let why = "the index gives no answer: NewConnectionError('Failed to establish a new connection: [Errno 111] Connection refused')";
        check(Language::Python, silent, Some("six"), why);
        let build = "Collecting broken==1\n  error: subprocess-exited-with-error\n  note: noise\nERROR: Failed building wheel for broken\nERROR: Could not build wheels for broken, which is required";
        check(Language::Python, build, Some("broken"), "Failed building wheel for broken");
        let early = "Processing ./broken\n  error: subprocess-exited-with-error\nCollecting odd (from -r requirements.txt (line 1))";
        check(Language::Python, early, Some("odd"), "subprocess-exited-with-error");
    }

    #[test]
    fn go_names_the_module() {
        let missing = "go: example.com/nosuch@v1.6.0: reading https://p.example/x.mod: 403 Forbidden\n\tserver response: gone";
        let why = "example.com/nosuch@v1.6.0: reading https://p.example/x.mod: 403 Forbidden";
        check(Language::Go, missing, Some("example.com/nosuch@v1.6.0"), why);
        let wrong = "go: errors parsing ../x/go.mod:\n/x/go.mod:5: require a.example/b: version \"v2.0.0\" invalid";
        let why = "/x/go.mod:5: require a.example/b: version \"v2.0.0\" invalid";
        check(Language::Go, wrong, Some("a.example/b"), why);
        let wrong =
            "go: errors parsing ../x/go.mod:\n/x/go.mod:5: usage: require module/path v1.2.3";
        check(Language::Go, wrong, None, "/x/go.mod:5: usage: require module/path v1.2.3");
    }

    #[test]
    fn unknown_words_give_the_last_line() {
        check(Language::Go, "something\nelse", None, "else");
        check(Language::Python, "", None, "it printed nothing");
    }
}
