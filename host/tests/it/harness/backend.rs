//! What the workers of the hosts under test run in: `ALYX_TEST_BACKEND`, else processes.
//!
//! An engine that was asked for and is not there fails the tests; nothing is skipped.

use std::sync::OnceLock;

/// As in `functions.backend`.
pub(crate) fn backend() -> &'static str {
    static BACKEND: OnceLock<String> = OnceLock::new();
    BACKEND.get_or_init(|| {
        let asked = told("ALYX_TEST_BACKEND").unwrap_or_else(|| "process".into());
        let known = ["process", "docker", "podman"].contains(&asked.as_str());
        assert!(known, "ALYX_TEST_BACKEND is '{asked}'; expected process, docker or podman");
        asked
    })
}

/// True when workers are containers.
pub(crate) fn in_containers() -> bool {
    backend() != "process"
}

/// What the run of the tests was told by a variable.
pub(crate) fn told(variable: &str) -> Option<String> {
    std::env::var_os(variable).and_then(|value| value.into_string().ok())
}
