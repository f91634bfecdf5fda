//! The document in a language.
//!
//! Every text of the document holds both languages. The Japanese follows the English on a line that begins with `ja: `,
//! in doc comments as in other texts:
//!
//! ```text
//! /// When it was scored.
//! /// ja: 計算した日時
//! ```

use scoring::Lang;
use serde_json::Value;
use utoipa::openapi::OpenApi;

/// What the Japanese part of a text begins with.
const JAPANESE_MARKER: &str = "\nja: ";

/// Returns a text in both languages.
pub(crate) fn both(en: &str, ja: &str) -> String {
    format!("{en}{JAPANESE_MARKER}{ja}")
}

/// Returns the parts of a text: English, and Japanese if it has that.
pub(super) fn parts(text: &str) -> (&str, Option<&str>) {
    match text.split_once(JAPANESE_MARKER) {
        Some((en, ja)) => (en, Some(ja)),
        None => (text, None),
    }
}

/// Adds a sentence to a text in both languages.
pub(crate) fn append(text: &str, en: &str, ja: &str) -> String {
    match parts(text) {
        ("", _) => both(en.trim_start(), ja.trim_start()),
        (text, known) => both(&format!("{text}{en}"), &format!("{}{ja}", known.unwrap_or(text))),
    }
}

/// Returns the document in a language.
///
/// # Errors
/// Fails if the document cannot be written as JSON.
pub(crate) fn document_in(document: &OpenApi, lang: Lang) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(document)?;
    translate(&mut document, lang);
    Ok(document)
}

fn translate(value: &mut Value, lang: Lang) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if matches!(name.as_str(), "description" | "summary") => {
                        *text = in_language(text, lang);
                    }
                    _ => translate(member, lang),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| translate(item, lang)),
        _ => {}
    }
}

/// Returns the part of a text in a language. The lines of a paragraph are joined: where they break follows from the
/// width of the source.
fn in_language(text: &str, lang: Lang) -> String {
    let (en, ja) = parts(text);
    let (text, space) = lang.pick((ja.unwrap_or(en), ""), (en, " "));
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.lines().collect::<Vec<_>>().join(space));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_either_language() {
        let text = append("One line\nand another.\n\nA paragraph.\nja: 1行目。\n2行目。\n\n段落。", " More.", "続き。");
        assert_eq!(in_language(&text, Lang::En), "One line and another.\n\nA paragraph. More.");
        assert_eq!(in_language(&text, Lang::Ja), "1行目。2行目。\n\n段落。続き。");
        assert_eq!(in_language("Plain.", Lang::Ja), "Plain.");
    }
}
