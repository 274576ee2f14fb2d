//! Picks the known word that an unknown one was probably meant to be.
//!
//! Knows nothing of what the words name: keys, choices, variables and functions all come here.

/// The closest candidate, or none when nothing is close enough to be a slip of the pen.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    // One slip in three letters, so that `go` is never taken for `js`.
    let allowed = (word.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|candidate| (distance(&lower, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by(|a, b| a.0.cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn distance(lower: &str, candidate: &str) -> usize {
    let plain = |text: &str| text.replace(['-', '_'], "");
    let candidate = candidate.to_lowercase();
    // `minWarm` and `min-warm` are `min_warm` in another language's spelling.
    if plain(lower) == plain(&candidate) {
        return 0;
    }
    strsim::damerau_levenshtein(lower, &candidate)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_does_not() {
        let known = ["min_warm", "max_instances", "port", "go"];
        assert_eq!(closest("min_wram", known), Some("min_warm"));
        assert_eq!(closest("minWarm", known), Some("min_warm"));
        assert_eq!(closest("Port", known), Some("port"));
        assert_eq!(closest("js", known), None);
        assert_eq!(closest("certificate", known), None);
    }
}
