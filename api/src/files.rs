//! Reading and writing what people keep in spreadsheets.

pub(crate) mod csv;
pub(crate) mod folder;
pub(crate) mod guard;
pub(crate) mod records;
pub(crate) mod spill;

/// A text from a file as a terminal may show it: characters that are not seen escaped, cut where it is long.
pub(crate) fn printable(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .flat_map(|character| {
            let (plain, escaped) = match character.is_control() || schema::is_ignorable(character) {
                true => (None, Some(character.escape_default())),
                false => (Some(character), None),
            };
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
