//! Hides the braces of `${VAR}` from YAML, which would read them as a map inside `{…}`.
//!
//! Knows nothing of variables; every sign is replaced by one other, so that places stay true.

use std::borrow::Cow;

/// Private-use signs at the very end of Unicode: no font has them and YAML lets them pass.
const OPEN: char = '\u{10fff0}';
const CLOSE: char = '\u{10fff1}';

/// `{token: ${T}}` becomes a flow map with one plain scalar.
pub fn hide(text: &str) -> Cow<'_, str> {
    if !text.contains("${") || text.contains([OPEN, CLOSE]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        hide_line(line, &mut out);
    }
    Cow::Owned(out)
}

/// The text as it was before `hide`.
pub fn restore(text: &str) -> Cow<'_, str> {
    if text.contains([OPEN, CLOSE]) {
        return Cow::Owned(text.replace(OPEN, "{").replace(CLOSE, "}"));
    }
    Cow::Borrowed(text)
}

fn hide_line(line: &str, out: &mut String) {
    let mut open = 0_usize;
    let mut before = ' ';
    for sign in line.chars() {
        match sign {
            '{' if before == '$' => {
                open += 1;
                out.push(OPEN);
            }
            '}' if open > 0 => {
                open -= 1;
                out.push(CLOSE);
            }
            sign => out.push(sign),
        }
        before = sign;
    }
}

#[cfg(test)]
mod tests {
    use super::{hide, restore};
    use proptest::prelude::*;

    #[test]
    fn only_the_braces_of_variables_are_hidden() {
        let hidden = hide("{a: ${X:-${Y}}, b: {c: $$}}\nd: }");
        assert_eq!(hidden.matches(['{', '}']).collect::<String>(), "{{}}}");
        assert_eq!(hidden.chars().count(), "{a: ${X:-${Y}}, b: {c: $$}}\nd: }".len());
    }

    proptest! {
        #[test]
        fn hiding_and_restoring_gives_the_text_back(text in "[a${}\n ü]*") {
            let hidden = hide(&text).into_owned();
            prop_assert_eq!(hidden.chars().count(), text.chars().count());
            prop_assert_eq!(restore(&hidden), text);
        }
    }
}
