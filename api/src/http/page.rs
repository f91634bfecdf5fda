//! Pages of a list: cursors that only this service can make, and only for the list that they belong to.

use actix_web::HttpRequest;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schema::{TenantId, ValueError};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Cell, FieldValue, Fields, Kind};
use crate::http::extract::Query;
use crate::http::openapi::LONGEST_PARAMETER;

/// The most rows of a page.
pub(crate) const MAX_LIMIT: i64 = 1000;
/// The rows of a page where nothing else is asked for.
pub(crate) const USUAL_LIMIT: i64 = 100;

const TAG_LENGTH: usize = 16;

/// Makes and reads the cursors of one list: of one buyer, path, filters and sort.
pub(crate) struct Cursors {
    key: hmac::Key,
    scope: String,
}

impl Cursors {
    pub(crate) fn new(key: hmac::Key, tenant: TenantId, path: &str, query: &Query) -> Self {
        let mut given: Vec<_> = query
            .0
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "cursor" | "limit" | "fields" | "count"))
            .collect();
        given.sort();
        Self { key, scope: format!("{tenant} {path} {given:?}") }
    }

    /// The cursor of a place: a sort key and an id.
    pub(crate) fn make(&self, sort_key: &str, id: &str) -> String {
        let place = format!("{id}{sort_key}");
        let tag = hmac::sign(&self.key, self.message(place.as_bytes()).as_slice());
        let tag = tag.as_ref().get(..TAG_LENGTH).unwrap_or_default();
        URL_SAFE_NO_PAD.encode([tag, place.as_bytes()].concat())
    }

    /// The place of a cursor, if it is one of this list.
    pub(crate) fn read(&self, cursor: &str) -> Option<(String, String)> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, place) = bytes.split_at_checked(TAG_LENGTH)?;
        let expected = hmac::sign(&self.key, self.message(place).as_slice());
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref().get(..TAG_LENGTH)?, tag).ok()?;
        let place = str::from_utf8(place).ok()?;
        let (id, sort_key) = place.split_at_checked(36)?;
        Some((sort_key.to_owned(), id.to_owned()))
    }

    fn message(&self, place: &[u8]) -> Vec<u8> {
        [self.scope.as_bytes(), b"\0", place].concat()
    }
}

/// Reads the parameter `cursor`; `place` makes the place out of its sort key and id.
pub(crate) fn read_cursor<T>(
    fields: &mut Fields<'_>,
    cursors: &Cursors,
    place: impl FnOnce(&str, &str) -> Option<T>,
) -> Option<Option<T>> {
    let Some(cursor) = fields.value::<Option<LongText>>("cursor", None)? else { return Some(None) };
    let place = cursors.read(&cursor.0).and_then(|(key, id)| place(&key, &id));
    if place.is_none() {
        fields.faults.push(Fault::new("cursor", Reason::BadCursor));
    }
    place.map(Some)
}

/// A text longer than other parameters: a cursor, which holds a sort key, or the names of many fields.
pub(crate) struct LongText(pub(crate) String);

impl FieldValue for LongText {
    const KIND: Kind = Kind::Text { max: LONGEST_PARAMETER };

    fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
        match cell {
            Cell::Text(text) if text.is_empty() => Err(Reason::Value(ValueError::Empty)),
            Cell::Text(text) if text.len() <= LONGEST_PARAMETER => Ok(Self(text.to_string())),
            _ => Err(Reason::Value(ValueError::TooLong { max: LONGEST_PARAMETER })),
        }
    }
}

/// The address of another page of a list.
fn url(request: &HttpRequest, query: &Query, cursor: Option<&str>) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query.0.iter().filter(|(name, _)| name != "cursor"));
    if let Some(cursor) = cursor {
        text.append_pair("cursor", cursor);
    }
    let text = text.finish();
    if text.is_empty() { request.path().to_owned() } else { format!("{}?{text}", request.path()) }
}

/// The links of a page: the first one, and the next one if there is one.
pub(crate) fn links(request: &HttpRequest, query: &Query, next: Option<&str>) -> String {
    let first = format!("<{}>; rel=\"first\"", url(request, query, None));
    let next = next.iter().map(|next| format!("<{}>; rel=\"next\"", url(request, query, Some(next))));
    next.chain([first]).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_holds_for_its_own_list_alone() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let clock = schema::Clock::system();
        let (tenant, other) = (clock.id(), clock.id());
        let query = |name: &str| Query(vec![(name.to_owned(), "x".to_owned()), ("limit".to_owned(), "5".to_owned())]);
        let cursors = Cursors::new(key.clone(), tenant, "/v1/suppliers", &query("q"));
        let id: schema::JobId = clock.id();
        let cursor = cursors.make("あ\n", id.as_str());

        assert_eq!(cursors.read(&cursor), Some(("あ\n".to_owned(), id.to_string())));
        assert_eq!(Cursors::new(key.clone(), other, "/v1/suppliers", &query("q")).read(&cursor), None);
        assert_eq!(Cursors::new(key.clone(), tenant, "/v1/incidents", &query("q")).read(&cursor), None);
        assert_eq!(Cursors::new(key.clone(), tenant, "/v1/suppliers", &query("name")).read(&cursor), None);
        assert_eq!(cursors.read(&cursor.replace(cursor.get(30..31).unwrap(), "_")), None);
        assert_eq!(cursors.read(""), None);
    }
}
