//! How often something may be tried: the arithmetic, and what is remembered of refusals.
//!
//! Each key is one number, the time at which its credit is whole again, so that a table row or a
//! single SQL statement can hold it. Knows no keys and no accounts; takes the time as an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

/// Refusals that are remembered. An attacker who fills this is refused by the store instead.
const MOST_REMEMBERED: usize = 10_000;

/// So many tries at once, and one more for each period that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub burst: u32,
    pub period: Duration,
}

/// A try of something, to be counted under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    pub key: String,
    pub rule: Rule,
}

impl Rule {
    /// What one more try makes of `whole_at`, the time at which the credit is whole again; all
    /// times are milliseconds since 1970, and a key that is not known has 0.
    ///
    /// # Errors
    /// How long to wait until the next try, when there is no credit left.
    pub fn charge(self, whole_at: u64, now: u64) -> Result<u64, Duration> {
        let period = self.period.as_millis() as u64;
        let most = period * u64::from(self.burst);
        let next = whole_at.max(now) + period;
        match next.checked_sub(now + most).filter(|wait| *wait > 0) {
            None => Ok(next),
            Some(wait) => Err(Duration::from_millis(wait)),
        }
    }
}

/// Keys that were refused, until when: what is hammered costs the store nothing.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<String, u64>>);

impl Refusals {
    /// How long the first of these keys that was refused has to wait.
    #[must_use]
    pub fn wait(&self, charges: &[Charge], now: u64) -> Option<Duration> {
        let refused = self.0.lock();
        let until = charges.iter().filter_map(|charge| refused.get(&charge.key)).max()?;
        until.checked_sub(now).filter(|left| *left > 0).map(Duration::from_millis)
    }

    pub fn remember(&self, key: String, wait: Duration, now: u64) {
        let mut refused = self.0.lock();
        if refused.len() >= MOST_REMEMBERED {
            refused.retain(|_, until| *until > now);
        }
        if refused.len() < MOST_REMEMBERED {
            refused.insert(key, now + wait.as_millis() as u64);
        }
    }
}

/// What counts as one caller: an address, or for IPv6 the network that one customer has.
#[must_use]
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Charge, Duration, Refusals, Rule, network};

    const RULE: Rule = Rule { burst: 3, period: Duration::from_secs(10) };

    #[test]
    fn a_burst_passes_and_then_one_for_each_period() {
        let now = 1_000_000;
        let mut whole_at = 0;
        for _ in 0..3 {
            whole_at = RULE.charge(whole_at, now).unwrap();
        }
        assert_eq!(RULE.charge(whole_at, now), Err(Duration::from_secs(10)));
        assert_eq!(RULE.charge(whole_at, now + 4_000), Err(Duration::from_secs(6)));
        whole_at = RULE.charge(whole_at, now + 10_000).unwrap();
        assert_eq!(RULE.charge(whole_at, now + 10_000), Err(Duration::from_secs(10)));
        // After a long rest the burst is back, and no more than that.
        let later = now + 10_000_000;
        for _ in 0..3 {
            whole_at = RULE.charge(whole_at, later).unwrap();
        }
        assert!(RULE.charge(whole_at, later).is_err());
    }

    #[test]
    fn refusals_are_remembered_until_they_end() {
        let refusals = Refusals::default();
        let charge = |key: &str| [Charge { key: key.into(), rule: RULE }];
        refusals.remember("a".into(), Duration::from_millis(500), 1_000);
        assert_eq!(refusals.wait(&charge("a"), 1_200), Some(Duration::from_millis(300)));
        assert_eq!(refusals.wait(&charge("a"), 1_500), None);
        assert_eq!(refusals.wait(&charge("b"), 1_200), None);
        for n in 0..20_000 {
            refusals.remember(format!("{n}"), Duration::from_secs(1), 1_000);
        }
        assert!(refusals.0.lock().len() <= super::MOST_REMEMBERED);
    }

    #[test]
    fn one_customers_addresses_are_one_network() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
    }
}
