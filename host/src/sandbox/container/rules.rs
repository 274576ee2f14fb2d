//! The firewall's rules for a bridge of workers, as text: what there should be, and how to come
//! there from what there is.
//!
//! Each bridge has two chains of its own, for what it passes on and for what is for the machine
//! itself. Sets nothing.

use std::net::IpAddr;

use crate::engine::Kind;

/// Addresses that are no part of the public internet: private ones, the machine itself, and the
/// metadata services of clouds.
#[rustfmt::skip]
const NEAR: [&str; 10] = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
];
/// The first of these holds the loopback and everything that is IPv4 in other clothes.
#[rustfmt::skip]
const NEAR_V6: [&str; 8] = [
    "::/8", "100::/64", "2001::/32", "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn program(self) -> &'static str {
        match self {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        }
    }

    pub(crate) fn restorer(self) -> &'static str {
        match self {
            Family::V4 => "iptables-restore",
            Family::V6 => "ip6tables-restore",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) family: Family,
    pub(crate) kind: Kind,
    pub(crate) bridge: &'a str,
    /// Who may be asked for names wherever they are.
    pub(crate) open: &'a [IpAddr],
}

impl Rules<'_> {
    /// What to feed to `iptables-restore`; none when all of it is there, in lines as
    /// `iptables --list-rules` prints them.
    pub(crate) fn script(&self, there: &str) -> Option<String> {
        let chains =
            [("out", self.passed_on(), self.hook(there)), ("in", self.taken_in(), "INPUT")];
        let is_set = chains.iter().all(|(way, wanted, hook)| {
            self.has_chain(there, way, wanted) && self.is_hooked(there, way, hook)
        });
        if is_set {
            return None;
        }
        let mut lines = vec!["*filter".to_owned()];
        // Chains that are named here are emptied.
        lines.extend(chains.iter().map(|(way, ..)| format!(":{} - [0:0]", self.chain(way))));
        for (way, wanted, hook) in &chains {
            let jump = self.jump(way);
            let old = format!("-A {hook} {jump}");
            let count = there.lines().filter(|line| *line == old).count();
            lines.extend(wanted.iter().map(|rule| format!("-A {} {rule}", self.chain(way))));
            lines.extend(vec![format!("-D {hook} {jump}"); count]);
            lines.push(format!("-I {hook} 1 {jump}"));
        }
        lines.push("COMMIT\n".into());
        Some(lines.join("\n"))
    }

    /// Docker keeps a chain for others, and asks it first.
    fn hook(&self, there: &str) -> &'static str {
        let kept = "DOCKER-USER";
        let is_kept = there.lines().any(|line| line.strip_prefix("-N ") == Some(kept));
        if self.kind == Kind::Docker && is_kept { kept } else { "FORWARD" }
    }

    fn chain(&self, way: &str) -> String {
        format!("{}-{way}", self.bridge)
    }

    fn jump(&self, way: &str) -> String {
        format!("-i {} -j {}", self.bridge, self.chain(way))
    }

    fn has_chain(&self, there: &str, way: &str, wanted: &[String]) -> bool {
        let start = format!("-A {} ", self.chain(way));
        there.lines().filter_map(|line| line.strip_prefix(&start)).eq(wanted.iter())
    }

    /// Only the jumps of other bridges like this one may come before: an engine's own rules would
    /// let everything through.
    fn is_hooked(&self, there: &str, way: &str, hook: &str) -> bool {
        let (start, jump) = (format!("-A {hook} "), self.jump(way));
        let ours = |rule: &&str| rule.starts_with("-i alyx-") && rule.contains(" -j alyx-");
        let rules = there.lines().filter_map(|line| line.strip_prefix(&start));
        rules.take_while(ours).any(|rule| rule == jump)
    }

    fn passed_on(&self) -> Vec<String> {
        let near = match self.family {
            Family::V4 => &NEAR[..],
            Family::V6 => &NEAR_V6[..],
        };
        let refused = near.iter().map(|near| format!("-d {near} {}", self.refuse()));
        self.names().chain(refused).collect()
    }

    fn taken_in(&self) -> Vec<String> {
        // Neighbours are found by it.
        let found = |kind: u8| format!("-p ipv6-icmp -m icmp6 --icmpv6-type {kind} -j RETURN");
        let neighbours = match self.family {
            Family::V4 => Vec::new(),
            Family::V6 => vec![found(135), found(136)],
        };
        self.names().chain(neighbours).chain([self.refuse()]).collect()
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let of_family = |server: &&IpAddr| server.is_ipv4() == (self.family == Family::V4);
        let bits = if self.family == Family::V4 { 32 } else { 128 };
        self.open.iter().filter(of_family).flat_map(move |server| {
            let of = |p| format!("-d {server}/{bits} -p {p} -m {p} --dport 53 -j RETURN");
            ["udp", "tcp"].map(of)
        })
    }

    fn refuse(&self) -> String {
        let how = match self.family {
            Family::V4 => "icmp-port-unreachable",
            Family::V6 => "icmp6-port-unreachable",
        };
        format!("-j REJECT --reject-with {how}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(kind: Kind, open: &[IpAddr]) -> Rules<'_> {
        Rules { family: Family::V4, kind, bridge: "alyx-1", open }
    }

    /// What is listed once a script has been fed to the firewall.
    fn fed(there: &str, script: &str) -> String {
        let mut rules: Vec<String> = there.lines().map(str::to_owned).collect();
        for line in script.lines() {
            let words: Vec<_> = line.splitn(4, ' ').collect();
            match words[..] {
                [chain, "-", _] => {
                    rules.retain(|r| !r.starts_with(&format!("-A {} ", &chain[1..])))
                }
                ["-A", ..] => rules.push(line.into()),
                ["-D", chain, ..] => {
                    let rule = line.replacen("-D", "-A", 1);
                    let place = rules.iter().position(|r| *r == rule).expect(chain);
                    rules.remove(place);
                }
                ["-I", chain, "1", rule] => rules.insert(0, format!("-A {chain} {rule}")),
                _ => {}
            }
        }
        rules.join("\n")
    }

    #[test]
    fn rules_that_are_there_are_not_set_again() {
        let there = "-N DOCKER-USER\n-A DOCKER-USER -j RETURN\n-A FORWARD -j DOCKER-USER";
        for kind in [Kind::Docker, Kind::Podman] {
            let rules = rules(kind, &[]);
            let script = rules.script(there).expect("nothing is set");
            let hook = if kind == Kind::Docker { "DOCKER-USER" } else { "FORWARD" };
            assert!(script.contains(&format!("-I {hook} 1 -i alyx-1 -j alyx-1-out")), "{script}");
            let there = fed(there, &script);
            assert_eq!(rules.script(&there), None, "{there}");
        }
    }

    #[test]
    fn what_an_engine_puts_before_them_goes_behind_and_another_bridges_rules_stay() {
        let rules = rules(Kind::Podman, &[]);
        let set = fed("", &rules.script("").expect("nothing is set"));
        let other = format!("-A FORWARD -i alyx-2 -j alyx-2-out\n{set}");
        assert_eq!(rules.script(&other), None);
        let engine = format!("-A FORWARD -j NETAVARK_FORWARD\n{set}");
        let mended = rules.script(&engine).expect("the engine's come first");
        assert_eq!(mended.matches("-D FORWARD -i alyx-1 -j alyx-1-out").count(), 1, "{mended}");
        assert_eq!(rules.script(&fed(&engine, &mended)), None);
    }

    #[test]
    fn a_name_server_is_asked_for_names_and_nothing_else() {
        let open = ["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        let out = rules(Kind::Docker, &open).passed_on();
        assert_eq!(out[0], "-d 10.0.0.2/32 -p udp -m udp --dport 53 -j RETURN");
        assert_eq!(out[1], "-d 10.0.0.2/32 -p tcp -m tcp --dport 53 -j RETURN");
        assert!(out[2..].iter().all(|rule| rule.contains("REJECT")), "{out:?}");
        let v6 = Rules { family: Family::V6, ..rules(Kind::Docker, &open) };
        assert_eq!(v6.passed_on()[0], "-d fd00::2/128 -p udp -m udp --dport 53 -j RETURN");
        // A rule for other addresses is as good as none: the chain is set anew.
        let before = fed("", &rules(Kind::Docker, &open[1..]).script("").unwrap());
        assert!(rules(Kind::Docker, &open).script(&before).is_some());
    }
}
