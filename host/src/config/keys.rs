//! Every key of alyx.yaml: its kind, its default and one line of meaning.
//!
//! The single source of known keys, environment names, defaults and docs/configuration.md.
//! Knows nothing of how a file is read; `*` stands for a name that the user chooses.

use crate::config::schema::{Key, Kind};

/// What fits into one frame of the protocol with room for the call around it.
const LARGEST_BODY: u64 = 15 << 20;
const SECOND: u64 = 1_000;
const DAY: u64 = 86_400 * SECOND;
const MB: u64 = 1 << 20;

const POSITIVE_TIME: Kind = Kind::Duration { min: 1, max: 3650 * DAY };
const CALL_TIME: Kind = Kind::Duration { min: 1, max: DAY };
const LENGTH: Kind = Kind::Count { min: 0, max: 1 << 32 };

const fn key(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    Key { path, kind, default: Some(default), meaning }
}

const fn required(path: &'static str, kind: Kind, meaning: &'static str) -> Key {
    Key { path, kind, default: None, meaning }
}

/// Defaults are YAML, as a user would write them; `null` as default means that null is allowed.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("server.host", Kind::Text, "127.0.0.1", "address to listen on"),
    key("server.port", Kind::Count { min: 0, max: 65_535 }, "8090", "port to listen on; 0 takes any free one"),
    key("server.max_body_size", Kind::Size { min: 1, max: LARGEST_BODY }, "6mb", "largest request body"),
    key("server.cors.allowed_origins", Kind::TextList, "[\"*\"]", "origins that browsers may call from"),
    key("server.cors.allow_credentials", Kind::Switch, "false", "whether browsers may send cookies and credentials"),
    key("server.cors.max_age", Kind::Duration { min: 0, max: DAY }, "12h", "how long a browser may keep a preflight answer"),

    key("database.path", Kind::Path, "alyx.db", "the database file"),
    key("database.synchronous", Kind::Choice(&["full", "normal"]), "full", "full survives a power cut, normal is faster"),

    key("auth.jwt.secret", Kind::Secret, "${ALYX_JWT_SECRET:-}", "HS256 secret of at least 32 bytes"),
    key("auth.jwt.issuer", Kind::Text, "alyx", "issuer written into and asked of tokens"),
    key("auth.jwt.audience", Kind::Text, "null", "audience written into and asked of tokens"),
    key("auth.jwt.access_ttl", POSITIVE_TIME, "15m", "how long an access token is valid"),
    key("auth.jwt.refresh_ttl", POSITIVE_TIME, "168h", "how long a refresh token is valid"),
    key("auth.jwt.jwks", Kind::Text, "null", "file or URL of an external issuer's keys"),
    key("auth.allow_registration", Kind::Switch, "true", "whether anyone may register"),
    key("auth.password.min_length", Kind::Count { min: 1, max: 1024 }, "8", "shortest password"),

    key("collections", Kind::Map, "{}", "the database's collections by name"),
    key("collections.*.fields", Kind::Map, "{}", "the collection's fields by name"),
    required("collections.*.fields.*.type", Kind::Choice(&["string", "text", "int", "float", "bool", "timestamp", "date", "json", "uuid", "blob"]), "what the field holds"),
    key("collections.*.fields.*.required", Kind::Switch, "false", "whether a document must have it"),
    key("collections.*.fields.*.unique", Kind::Switch, "false", "whether no two documents may share a value"),
    key("collections.*.fields.*.index", Kind::Switch, "false", "whether the field gets an index"),
    key("collections.*.fields.*.default", Kind::Any, "null", "value of a new document: auto, now or a literal"),
    key("collections.*.fields.*.references", Kind::Text, "null", "collection.field that it points to"),
    key("collections.*.fields.*.on_delete", Kind::Choice(&["cascade", "set_null", "restrict"]), "null", "what happens when the target is deleted"),
    key("collections.*.fields.*.min_length", LENGTH, "null", "fewest characters"),
    key("collections.*.fields.*.max_length", LENGTH, "null", "most characters"),
    key("collections.*.fields.*.min", Kind::Number { min: f64::MIN, max: f64::MAX }, "null", "smallest number"),
    key("collections.*.fields.*.max", Kind::Number { min: f64::MIN, max: f64::MAX }, "null", "largest number"),
    key("collections.*.fields.*.pattern", Kind::Text, "null", "regular expression that the text must match"),
    key("collections.*.fields.*.enum", Kind::AnyList, "null", "the only values allowed"),
    key("collections.*.fields.*.format", Kind::Choice(&["email", "url", "uuid"]), "null", "form that the text must have"),
    key("collections.*.indexes", Kind::List, "[]", "indexes over several fields"),
    required("collections.*.indexes.*.fields", Kind::TextList, "the indexed fields, in order"),
    key("collections.*.indexes.*.unique", Kind::Switch, "false", "whether the combination must be unique"),

    key("functions.enabled", Kind::Switch, "true", "whether functions are served at all"),
    key("functions.path", Kind::Path, "functions", "the folder with the functions"),
    key("functions.backend", Kind::Choice(&["auto", "docker", "podman", "process"]), "auto", "what workers run in; auto takes containers where an engine and the image are there"),
    key("functions.network", Kind::Choice(&["open", "proxy", "none"]), "open", "what a worker may reach"),
    key("functions.sandbox", Kind::Choice(&["auto", "strict", "off"]), "auto", "confinement of worker processes"),
    key("functions.timeout", CALL_TIME, "30s", "longest run of one call"),
    key("functions.env", Kind::TextMap, "{}", "variables that every function sees in ctx.env"),
    key("functions.dependencies", Kind::Choice(&["auto", "off"]), "auto", "whether dependencies are installed"),
    key("functions.pool.min_warm", Kind::Count { min: 0, max: 1000 }, "1", "blank, ready workers per runtime"),
    key("functions.pool.max_instances", Kind::Count { min: 1, max: 1000 }, "10", "most workers per runtime"),
    key("functions.pool.idle_timeout", POSITIVE_TIME, "60s", "how long a worker may idle"),
    key("functions.pool.memory_limit", Kind::Size { min: 16 * MB, max: 1 << 40 }, "256mb", "memory of a worker"),
    key("functions.pool.cpu_limit", Kind::Number { min: 0.01, max: 1024.0 }, "1.0", "processor cores of a worker"),
    key("functions.pool.concurrency", Kind::Count { min: 1, max: 1024 }, "null", "calls that run in one worker at a time; null leaves it to the runtime"),
    key("functions.pool.queue_timeout", Kind::Duration { min: 0, max: DAY }, "10s", "how long a call waits for a worker"),
    key("functions.runtimes", Kind::Map, "{}", "runtimes by name; others than these three bring image or command, and extensions"),
    key("functions.runtimes.node.enabled", Kind::Switch, "true", "whether Node functions are served"),
    key("functions.runtimes.node.image", Kind::Text, "ghcr.io/watzon/alyx-runtime-node:latest", "image of Node workers"),
    key("functions.runtimes.node.command", Kind::TextList, "null", "program and arguments that start a Node worker instead of the built-in ones"),
    key("functions.runtimes.node.extensions", Kind::TextList, "[.js, .mjs, .cjs, .ts, .mts, .cts]", "file extensions of Node functions"),
    key("functions.runtimes.python.enabled", Kind::Switch, "true", "whether Python functions are served"),
    key("functions.runtimes.python.image", Kind::Text, "ghcr.io/watzon/alyx-runtime-python:latest", "image of Python workers"),
    key("functions.runtimes.python.command", Kind::TextList, "null", "program and arguments that start a Python worker instead of the built-in ones"),
    key("functions.runtimes.python.extensions", Kind::TextList, "[.py]", "file extensions of Python functions"),
    key("functions.runtimes.go.enabled", Kind::Switch, "true", "whether Go functions are served"),
    key("functions.runtimes.go.image", Kind::Text, "ghcr.io/watzon/alyx-runtime-go:latest", "image of Go workers"),
    key("functions.runtimes.go.command", Kind::TextList, "null", "program and arguments that start a Go worker instead of the built-in ones"),
    key("functions.runtimes.go.extensions", Kind::TextList, "[.go]", "file extensions of Go functions"),
    key("functions.runtimes.*.enabled", Kind::Switch, "true", "whether the runtime's functions are served"),
    key("functions.runtimes.*.image", Kind::Text, "null", "image of the runtime's workers"),
    key("functions.runtimes.*.command", Kind::TextList, "null", "program and arguments that start a worker without a container"),
    key("functions.runtimes.*.extensions", Kind::TextList, "[]", "file extensions of the runtime's functions"),

    key("admin.enabled", Kind::Switch, "true", "whether the admin page is served"),
    key("admin.path", Kind::Text, "/_admin", "where the admin page is served"),
    key("admin.token", Kind::Secret, "null", "bearer token that opens the admin page"),

    key("history.path", Kind::Path, ".alyx/history.db", "the file with past invocations"),
    key("history.retention", POSITIVE_TIME, "30d", "how long past invocations are kept"),
    key("history.max_payload", Kind::Size { min: 0, max: LARGEST_BODY }, "64kb", "how much of an input or output is kept"),

    key("logging.level", Kind::Choice(&["trace", "debug", "info", "warn", "error"]), "info", "least serious level that is logged"),
    key("logging.format", Kind::Choice(&["console", "json"]), "console", "text for people or one JSON object a line"),
];
