//! Compares an output with the one that a page shows.

/// Ids of a page, each with the one that stands for it in this run.
pub(super) type Ids = Vec<(String, String)>;

/// Returns whether an output is the one that a page shows, and learns its ids. `…` stands for anything; ids, days and
/// moments may be others.
pub(super) fn fits(shown: &str, output: &str, ids: &mut Ids) -> bool {
    let [shown, output] =
        [shown, output].map(|text| text.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
    let shown = shown.replace(", …", "…");
    let parts: Vec<_> = shown.split('…').collect();
    let mut learned = ids.clone();
    let is_fitting = parts_fit(&parts, &output, true, &mut learned);
    if is_fitting {
        *ids = learned;
    }
    is_fitting
}

/// Returns whether a text consists of these parts, with anything between them.
fn parts_fit(parts: &[&str], text: &str, is_first: bool, ids: &mut Ids) -> bool {
    let Some((part, rest)) = parts.split_first() else { return true };
    let starts = text.char_indices().map(|(place, _)| place).chain([text.len()]);
    for start in starts.take(if is_first { 1 } else { usize::MAX }) {
        let mut learned = ids.clone();
        let Some(length) = part_length(part, &text[start..], &mut learned) else { continue };
        let after = &text[start + length..];
        let is_last_fitting = rest.is_empty() && after.is_empty();
        if is_last_fitting || (!rest.is_empty() && parts_fit(rest, after, false, &mut learned)) {
            *ids = learned;
            return true;
        }
    }
    false
}

/// Returns the length of a part at the start of a text.
fn part_length(part: &str, text: &str, ids: &mut Ids) -> Option<usize> {
    let (mut part_left, mut text_left) = (part, text);
    while let Some(letter) = part_left.chars().next() {
        let (part_length, text_length) = match (value_of(part_left), value_of(text_left)) {
            (Some((Kind::Id, shown)), Some((Kind::Id, found))) => {
                match ids.iter().find(|(known, _)| known == shown) {
                    Some((_, expected)) if expected != found => return None,
                    Some(_) => {}
                    None => ids.push((shown.to_owned(), found.to_owned())),
                }
                (shown.len(), found.len())
            }
            (Some((shown_kind, shown)), Some((found_kind, found))) if shown_kind == found_kind => {
                (shown.len(), found.len())
            }
            _ if text_left.starts_with(letter) => (letter.len_utf8(), letter.len_utf8()),
            _ => return None,
        };
        (part_left, text_left) = (&part_left[part_length..], &text_left[text_length..]);
    }
    Some(text.len() - text_left.len())
}

/// What a value is that differs from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Id,
    Moment,
    Day,
}

/// Returns the value with which a text begins, if it is one that differs from run to run.
fn value_of(text: &str) -> Option<(Kind, &str)> {
    let has_form = |form: &str, from: usize| {
        let bytes = text.as_bytes().get(from..from + form.len());
        bytes.is_some_and(|bytes| {
            bytes.iter().zip(form.bytes()).all(|(byte, expected)| match expected {
                b'x' => byte.is_ascii_hexdigit(),
                b'0' => byte.is_ascii_digit(),
                _ => *byte == expected,
            })
        })
    };
    const ID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    const DAY: &str = "0000-00-00";
    if has_form(ID, 0) {
        return Some((Kind::Id, &text[..ID.len()]));
    }
    if !has_form(DAY, 0) {
        return None;
    }
    if !has_form("T00:00:00", DAY.len()) {
        return Some((Kind::Day, &text[..DAY.len()]));
    }
    let zone = text[DAY.len()..].find('Z')?;
    Some((Kind::Moment, &text[..=DAY.len() + zone]))
}

#[test]
fn an_output_has_the_shape_that_a_page_shows() {
    let mut ids = Ids::new();
    let id = |digit: char| format!("01a20175-5b88-7256-ae97-f2d38920e45{digit}");
    let shown = format!("{{\"id\":\"{}\",\"state\":\"queued\", …}}", id('1'));
    let found = format!("{{\"id\":\"{}\",\"state\":\"queued\",\"at\":1}}\n", id('2'));
    assert!(fits(&shown, &found, &mut ids));
    assert_eq!(ids, [(id('1'), id('2'))]);
    assert!(!fits(&id('1'), &id('3'), &mut ids), "the id is known already");
    assert!(fits("from 2026-09-30T00:00:00Z\n…\nend", "from 2026-10-01T12:34:56.789Z  \na\nb\nend", &mut ids));
    assert!(fits("a … c", "a … c", &mut ids) && fits("a…c", "a b c", &mut ids));
    for (shown, found) in [("a", "ab"), ("b", "ab"), ("a…c", "a b"), ("2026-09-30", "2026-9-30"), ("…b", "b c")] {
        assert!(!fits(shown, found, &mut ids), "{shown} {found}");
    }
}
