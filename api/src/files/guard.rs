//! The guard against formulas in CSV: added to texts that are written, and removed from those that are read.

use schema::is_ignorable;
use unicode_normalization::UnicodeNormalization;

/// Returns a text that no spreadsheet reads as a formula.
///
/// An apostrophe is put before a text that begins like a formula, even after spaces or invisible characters, and before
/// a text that begins with an apostrophe.
pub(crate) fn guarded(text: &str) -> String {
    if is_risky(text) { format!("'{text}") } else { text.to_owned() }
}

/// Returns a text of CSV without its guard: one apostrophe is removed if the guard put it there.
///
/// `'甲` stays as it is, because `甲` needs no guard.
pub(crate) fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_risky(rest)).unwrap_or(text)
}

fn is_risky(text: &str) -> bool {
    let is_blank = |character: char| character.is_whitespace() || character.is_control() || is_ignorable(character);
    // Full-width signs and other compatibility forms count as well.
    let is_sign = |character: char| matches!(character.nfkc().next(), Some('=' | '+' | '-' | '@' | '−'));
    let begins = text.trim_start_matches(is_blank);
    begins.starts_with(is_sign) || text.starts_with(['\'', '\t', '\r', '\n', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_begins_like_a_formula_and_each_comes_back() {
        let texts = [
            "=1+1",
            "+81",
            "-3",
            "@A",
            "'=1",
            "''",
            "'",
            " =1",
            "\u{3000}＝1",
            "\t=1",
            "＝HYPERLINK()",
            "＋",
            "－",
            "＠",
            "﹦1",
            "⁼1",
            "−1",
            "",
            "A=1",
            "備製作所",
            "\n@x",
            " x",
            "'x",
            "'甲",
            "''甲",
            "\u{ad}=1",
            "\u{200b} +1",
            "\u{feff}@x",
            "\u{e0020}=1",
        ];
        for text in texts {
            let once = guarded(text);
            assert_eq!(unguarded(&once), text);
            assert_eq!(unguarded(&guarded(&once)), once);
            let is_seen =
                |character: &char| !character.is_whitespace() && !character.is_control() && !is_ignorable(*character);
            let first = once.chars().find(is_seen).map(|first| first.nfkc().next());
            assert!(!matches!(first, Some(Some('=' | '+' | '-' | '@'))), "{text:?}");
        }
    }

    #[test]
    fn an_apostrophe_that_no_guard_has_put_stays() {
        assert_eq!(unguarded("'甲"), "'甲");
        assert_eq!(unguarded("'=1+1"), "=1+1");
        assert_eq!(unguarded("''甲"), "'甲");
        assert_eq!(unguarded("='甲"), "='甲");
    }
}
