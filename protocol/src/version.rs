//! Which protocol versions there are and how two peers agree on one (spec "Handshake").
//!
//! A list, not a range, so that a version can be withdrawn later.

/// The versions this crate speaks, best first.
pub const SUPPORTED: &[u32] = &[1];

/// The best version that both sides list.
#[must_use]
pub fn negotiate(offered: &[u32]) -> Option<u32> {
    SUPPORTED.iter().copied().find(|version| offered.contains(version))
}

#[cfg(test)]
mod tests {
    #[test]
    fn unknown_versions_beside_ours_do_no_harm() {
        assert_eq!(super::negotiate(&[99, 1]), Some(1));
        assert_eq!(super::negotiate(&[99]), None);
        assert_eq!(super::negotiate(&[]), None);
    }
}
