//! Removes from a text what differs from run to run, so that it can be compared with a snapshot.

/// Returns a text without ids, moments, tokens, ports and the version.
///
/// Ids are numbered in the order in which they appear, so that a text shows which of them are the same.
pub fn redacted(text: &str) -> String {
    let text = text.replace(env!("CARGO_PKG_VERSION"), "<version>");
    let mut ids: Vec<&str> = Vec::new();
    let (mut out, mut rest) = (String::new(), text.as_str());
    while let Some(character) = rest.chars().next() {
        let (shown, length) = value(rest, &mut ids).unwrap_or_else(|| (character.to_string(), character.len_utf8()));
        out += &shown;
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// Returns what is shown for the value at the start of a text, and the length of the value.
fn value<'a>(text: &'a str, ids: &mut Vec<&'a str>) -> Option<(String, usize)> {
    if let Some(id) = form(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") {
        let place = ids.iter().position(|known| *known == id).unwrap_or_else(|| {
            ids.push(id);
            ids.len() - 1
        });
        return Some((format!("<id {}>", place + 1), id.len()));
    }
    let moments = ["0000-00-00T00:00:00.000Z", "0000-00-00T00:00:00Z"];
    if let Some(moment) = moments.iter().find_map(|moment| form(text, moment)) {
        return Some(("<moment>".to_owned(), moment.len()));
    }
    if text.starts_with("eyJ") {
        return Some(("<token>".to_owned(), text.find(char::is_whitespace).unwrap_or(text.len())));
    }
    form(text, "127.0.0.1:00000").map(|address| ("127.0.0.1:<port>".to_owned(), address.len()))
}

/// Returns the start of a text if it has a form: `x` stands for a hexadecimal digit, `0` for a digit.
fn form<'a>(text: &'a str, form: &str) -> Option<&'a str> {
    let start = text.get(..form.len())?;
    let fits = start.bytes().zip(form.bytes()).all(|(byte, expected)| match expected {
        b'x' => byte.is_ascii_hexdigit(),
        b'0' => byte.is_ascii_digit(),
        _ => byte == expected,
    });
    fits.then_some(start)
}
