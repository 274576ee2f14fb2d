//! Where this machine asks for names: often a private address, which has to stay open for that.

use std::fs;
use std::net::IpAddr;

const CONFIGURED: &str = "/etc/resolv.conf";
/// Where a resolver of this machine's own says whom it asks; containers cannot ask it itself.
const BEHIND: &str = "/run/systemd/resolve/resolv.conf";

/// Those that a container can ask.
pub(crate) fn name_servers() -> Vec<IpAddr> {
    let read = |path| listed(&fs::read_to_string(path).unwrap_or_default());
    let configured = read(CONFIGURED);
    if configured.is_empty() { read(BEHIND) } else { configured }
}

fn listed(text: &str) -> Vec<IpAddr> {
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let servers = servers.filter_map(|server| server.trim().parse::<IpAddr>().ok());
    servers.filter(|server| !server.is_loopback()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_on_the_loopback_interface_is_none() {
        let text = "# by hand\nnameserver 127.0.0.53\n nameserver\t10.0.0.2\nnameserver ::1\noptions edns0\nnameserver fd00::2\nnameserver fe80::1%eth0\n";
        let expected: [IpAddr; 2] = ["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        assert_eq!(listed(text), expected);
    }
}
