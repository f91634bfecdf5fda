//! How names are compared: the text that `q=` searches.

use unicode_normalization::UnicodeNormalization;

/// Converts a name, or a text to find in names, into the form in which they are compared.
///
/// NFKC and lower case; hiragana as katakana; any dash as the long-vowel mark; no spaces; abbreviated company forms
/// written out. So `ﾃｽﾄ㈱` and `てすと 株式会社` are both found by `テスト株式会社`.
pub fn search_text(name: &str) -> String {
    let plain: String = name
        .nfkc()
        .flat_map(char::to_lowercase)
        .filter(|character| !character.is_whitespace())
        .map(|character| match character {
            'ぁ'..='ゖ' => char::from_u32(u32::from(character) + 0x60).unwrap_or(character),
            '-' | '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '─' => 'ー',
            '髙' => '高',
            '﨑' => '崎',
            other => other,
        })
        .collect();
    [("(株)", "株式会社"), ("(有)", "有限会社"), ("(同)", "合同会社"), ("(資)", "合資会社"), ("(名)", "合名会社")]
        .into_iter()
        .fold(plain, |text, (short, long)| text.replace(short, long))
}

/// Company forms, which say little about which firm it is. The column `name_key` of the tables removes the same ones.
const COMPANY_FORMS: [&str; 5] = ["株式会社", "有限会社", "合同会社", "合資会社", "合名会社"];

/// Removes the company form from a name in searched form, whether it comes first or last. Names of one firm then are
/// equal. The result is empty if nothing is left.
pub(crate) fn without_form(search_text: &str) -> String {
    COMPANY_FORMS
        .into_iter()
        .fold(search_text.to_owned(), |text, form| if text.contains(form) { text.replace(form, "") } else { text })
}

/// Returns the `LIKE` pattern that finds a text anywhere, with `\` as the escape.
pub(crate) fn anywhere(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_take_for_the_same_compare_equal() {
        assert_eq!(search_text("ﾃｽﾄ㈱"), search_text("てすと 株式会社"));
        assert_eq!(search_text("（有）ＡＢＣ−ＤＥ"), search_text("有限会社abcーde"));
        assert_eq!(search_text("髙﨑製作所"), search_text("高崎製作所"));
        assert_ne!(search_text("パン"), search_text("ハン"));
    }

    #[test]
    fn a_firm_is_known_by_its_name_without_its_form() {
        for name in ["㈱霧岬製作所", "株式会社　霧岬製作所", "霧岬製作所（株）", "霧岬 製作所", "有限会社霧岬製作所"]
        {
            assert_eq!(without_form(&search_text(name)), "霧岬製作所", "{name}");
        }
        assert_eq!(without_form("株式会社"), "");
    }

    #[test]
    fn a_pattern_takes_wildcards_as_they_are() {
        assert_eq!(anywhere("50%_\\"), "%50\\%\\_\\\\%");
    }
}
