//! Finds what an answer shows of another buyer.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use polars_io::SerReader;
use polars_io::prelude::ParquetReader;

use crate::buyers::MARK;
use crate::support::Answer;

/// Returns all texts of an answer in lower case, including those in packed files and in cursors.
fn texts(answer: &Answer) -> Vec<String> {
    let mut texts: Vec<String> = answer.headers.iter().map(|(_, value)| value.clone()).collect();
    if answer.bytes.starts_with(b"PK") {
        let mut parts = zip::ZipArchive::new(Cursor::new(&answer.bytes)).unwrap();
        for part in 0..parts.len() {
            let mut text = String::new();
            parts.by_index(part).unwrap().read_to_string(&mut text).unwrap();
            texts.push(text);
        }
    } else if answer.bytes.starts_with(b"PAR1") {
        let frame = ParquetReader::new(Cursor::new(&answer.bytes)).finish().unwrap();
        let columns = frame.columns().iter().filter_map(|column| column.str().ok());
        texts.extend(columns.flat_map(|column| column.iter().flatten().map(str::to_owned).collect::<Vec<_>>()));
    } else {
        texts.push(String::from_utf8_lossy(&answer.bytes).into_owned());
        let cursor = answer.json["next_cursor"].as_str().and_then(|cursor| URL_SAFE_NO_PAD.decode(cursor).ok());
        texts.extend(cursor.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    texts.iter().map(|text| text.to_lowercase()).collect()
}

/// Returns the ids in a text.
fn ids_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('-').filter_map(|(place, _)| {
        let id = text.get(place.checked_sub(8)?..place + 28)?;
        let hyphens: Vec<usize> = id.match_indices('-').map(|(place, _)| place).collect();
        (hyphens == [8, 13, 18, 23]).then_some(id)
    })
}

/// Returns the texts of theirs that a request names.
fn named_in(text: &str) -> BTreeSet<&str> {
    let ends = |rest: &str| rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
    text.match_indices(MARK).map(|(place, _)| &text[place..place + ends(&text[place..])]).collect()
}

/// Returns what an answer shows of theirs that the request did not name itself.
pub(super) fn foreign(theirs: &BTreeSet<&str>, request: &str, answer: &Answer) -> Option<String> {
    texts(answer).into_iter().find_map(|text| {
        // Longer ones first, because one may be the beginning of another.
        let rest = named_in(request).into_iter().rev().fold(text, |text, named| text.replace(named, ""));
        let id = ids_in(&rest).find(|id| theirs.contains(id) && !request.contains(id)).map(str::to_owned);
        let hash =
            || theirs.iter().find(|hash| hash.len() == 64 && rest.contains(**hash)).map(|hash| (*hash).to_owned());
        let mark = || rest.find(MARK).map(|place| rest[place..].chars().take(60).collect());
        id.or_else(hash).or_else(mark)
    })
}
