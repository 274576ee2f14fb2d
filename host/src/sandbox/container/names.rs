//! What containers are called.

use crate::sandbox::container::hosts::Identity;

/// `alyx-node-pool-1`: for people.
pub(crate) fn short(runtime: &str, number: u32) -> String {
    format!("alyx-{}-pool-{number}", plain(runtime))
}

/// The same with the host's start, which no other host has.
pub(crate) fn in_full(runtime: &str, number: u32, host: &Identity) -> String {
    format!("{}-{}", short(runtime, number), host.instance)
}

/// Of a container that runs a tool.
pub(crate) fn of_tool(runtime: &str, number: u32, host: &Identity) -> String {
    format!("alyx-{}-tool-{number}-{}", plain(runtime), host.instance)
}

/// Engines take letters, digits and `_.-`.
fn plain(runtime: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    runtime.chars().map(|c| if allowed(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_the_guide_says() {
        assert_eq!(short("node", 1), "alyx-node-pool-1");
        assert_eq!(short("my runtime", 12), "alyx-my-runtime-pool-12");
    }
}
