//! Values that are fine alone and impossible together.
//!
//! Knows nothing of YAML: it looks at settings and names the keys to change.

use crate::config::collection::impossible;
use crate::config::model::{CorsConfig, FunctionsConfig, RuntimeConfig, Settings};
use crate::config::suggest::closest;
use std::collections::HashMap;

/// Paths that the host serves itself.
const TAKEN_PATHS: [&str; 3] = ["/api", "/health", "/metrics"];
/// What the host ships; others must say what to start.
pub const BUILT_IN: [&str; 3] = ["node", "python", "go"];

/// One contradiction. `keys` in the order in which a user would look: the first one that
/// somebody set gets the blame.
#[derive(Debug)]
pub struct Contradiction {
    pub keys: Vec<String>,
    pub complaint: String,
}

pub fn contradictions(settings: &Settings) -> Vec<Contradiction> {
    let mut found = Vec::new();
    let pool = &settings.functions.pool;
    if pool.min_warm > pool.max_instances {
        found.push(between(
            ("functions.pool.min_warm", pool.min_warm.to_string()),
            ("functions.pool.max_instances", pool.max_instances.to_string()),
        ));
    }
    let jwt = &settings.auth.jwt;
    if jwt.access_ttl > jwt.refresh_ttl {
        found.push(between(
            ("auth.jwt.access_ttl", format!("{:?}", jwt.access_ttl)),
            ("auth.jwt.refresh_ttl", format!("{:?}", jwt.refresh_ttl)),
        ));
    }
    if settings.database.path == settings.history.path {
        let complaint = "is the file of database.path too; give each its own".to_owned();
        found.push(Contradiction { keys: keys(&["history.path", "database.path"]), complaint });
    }
    cors(&settings.server.cors, &mut found);
    admin(&settings.admin.path, &mut found);
    runtimes(&settings.functions, &mut found);
    for (key, complaint) in impossible::complaints(&settings.collections) {
        found.push(Contradiction { keys: vec![key], complaint });
    }
    found
}

/// The smaller of two keys holds the larger value.
fn between(low: (&str, String), high: (&str, String)) -> Contradiction {
    let complaint = format!("is {}, more than {} ({}); lower it", low.1, high.0, high.1);
    Contradiction { keys: keys(&[low.0, high.0]), complaint }
}

fn cors(cors: &CorsConfig, found: &mut Vec<Contradiction>) {
    let any = cors.allowed_origins.iter().any(|origin| origin == "*");
    if any && cors.allow_credentials {
        let complaint = "is true, which browsers refuse with the origin '*'; \
                         list the origins in server.cors.allowed_origins";
        found.push(Contradiction {
            keys: keys(&["server.cors.allow_credentials"]),
            complaint: complaint.to_owned(),
        });
    }
    for (position, origin) in cors.allowed_origins.iter().enumerate() {
        let host = origin.split_once("://").map(|(_, host)| host);
        if origin != "*" && !host.is_some_and(|host| !host.is_empty() && !host.contains('/')) {
            let complaint =
                format!("is '{origin}'; expected '*' or an origin such as 'https://example.com'");
            let own = format!("server.cors.allowed_origins[{position}]");
            found.push(Contradiction {
                keys: vec![own, "server.cors.allowed_origins".to_owned()],
                complaint,
            });
        }
    }
}

fn admin(path: &str, found: &mut Vec<Contradiction>) {
    let below = |taken: &str| path == taken || path.starts_with(&format!("{taken}/"));
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
    let complaint = if let Some(taken) = TAKEN_PATHS.into_iter().find(|taken| below(taken)) {
        format!("is '{path}', but '{taken}' is served already; choose another such as '/_admin'")
    } else if !path.starts_with('/') || path.ends_with('/') || !path.chars().all(plain) {
        format!("is '{path}'; expected a path such as '/_admin', without a slash at its end")
    } else {
        return;
    };
    found.push(Contradiction { keys: keys(&["admin.path"]), complaint });
}

fn runtimes(functions: &FunctionsConfig, found: &mut Vec<Contradiction>) {
    let mut owners: HashMap<&str, &str> = HashMap::new();
    for (name, runtime) in &functions.runtimes {
        let path = format!("functions.runtimes.{name}");
        let mut complain = |key: &str, complaint: String| {
            let own = format!("{path}{key}");
            found.push(Contradiction { keys: vec![own, path.clone()], complaint });
        };
        if let Some(complaint) = incomplete(name, runtime) {
            complain("", complaint);
            continue;
        }
        for extension in &runtime.extensions {
            if !is_extension(extension) {
                let rule =
                    "expected a dot and letters, such as '.rb'; manifests keep .yaml and .yml";
                complain(".extensions", format!("has '{extension}'; {rule}"));
            } else if let Some(owner) = owners.insert(extension, name) {
                complain(
                    ".extensions",
                    format!("has '{extension}', which '{owner}' has too; remove one"),
                );
            }
        }
    }
}

/// A third-party runtime must say what to start and which files are its own.
fn incomplete(name: &str, runtime: &RuntimeConfig) -> Option<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
        return Some(
            "is no name for a runtime; use lower-case letters, digits, '-' and '_'".into(),
        );
    }
    if runtime.command.as_ref().is_some_and(|words| words.first().is_none_or(String::is_empty)) {
        return Some("has an empty command; name the program that starts a worker".to_owned());
    }
    let startable = runtime.image.is_some() || runtime.command.is_some();
    if startable && (!runtime.extensions.is_empty() || !runtime.enabled) {
        return None;
    }
    let missing = if startable { "extensions, such as ['.rb']" } else { "an image or a command" };
    let hint = match closest(name, BUILT_IN) {
        Some(meant) if meant != name => format!("; did you mean '{meant}'?"),
        _ => String::new(),
    };
    Some(format!("needs {missing}{hint}"))
}

fn is_extension(extension: &str) -> bool {
    let letters = extension.strip_prefix('.').unwrap_or_default();
    !letters.is_empty()
        && letters.chars().all(|c| c.is_ascii_alphanumeric())
        && !matches!(extension, ".yaml" | ".yml")
}

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}
