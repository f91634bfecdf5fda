//! Pages of a list: which part of it a request asks for, and how the answer leads on to the next part.
//!
//! A cursor is opaque to clients: the position of the page's last row, authenticated, so that only this service can
//! make one, and only for the list of one buyer with its filters and its sort.

use std::borrow::Cow;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schema::{TenantId, ValueError, Whole};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Cell, FieldValue, Fields, Kind, Scalar};
use crate::http::auth::Caller;
use crate::http::extract::Query;
use crate::http::openapi::list_schema;
use crate::http::state::State;

/// The maximum number of rows of a page.
pub(crate) const MAX_LIMIT: i64 = 1000;
/// The number of rows of a page if `limit` is omitted.
pub(crate) const DEFAULT_LIMIT: i64 = 100;
/// The maximum length of a parameter that holds a cursor or the names of many fields.
pub(crate) const MAX_PARAMETER_LENGTH: usize = 8192;

/// The length of the authentication tag in a cursor, in bytes.
const CURSOR_TAG_BYTES: usize = 16;

/// Reads which page of a list a request asks for, and makes the page out of the rows that were read.
pub(crate) struct Paging {
    pub(crate) query: Query,
    path: String,
    key: hmac::Key,
    /// What a cursor is bound to: the buyer, the path, the filters and the sort.
    scope: String,
}

/// The rows to read for a page: those after a position, or from the beginning.
pub(crate) struct Window<P> {
    pub(crate) after: Option<P>,
    /// One more than the page has: if it is there, another page follows.
    pub(crate) limit: i64,
}

impl Paging {
    pub(crate) fn new(state: &State, caller: &Caller, request: &HttpRequest, query: Query) -> Self {
        Self::with_key(state.keys.cursor(), caller.tenant, request.path(), query)
    }

    fn with_key(key: hmac::Key, tenant: TenantId, path: &str, query: Query) -> Self {
        let mut given: Vec<_> = query
            .0
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "cursor" | "limit" | "fields" | "count"))
            .collect();
        given.sort();
        let scope = format!("{tenant} {path} {given:?}");
        Self { path: path.to_owned(), key, scope, query }
    }

    /// Reads the parameters `limit` and `cursor`.
    pub(crate) fn read<P: DeserializeOwned>(&self, fields: &mut Fields<'_>) -> Option<Window<P>> {
        let limit = read_limit(fields);
        let after = self.read_cursor(fields);
        Some(Window { after: after?, limit: limit? })
    }

    /// Reads the position that the parameter `cursor` encodes, if the request has one.
    pub(crate) fn read_cursor<P: DeserializeOwned>(&self, fields: &mut Fields<'_>) -> Option<Option<P>> {
        let Some(cursor) = fields.value::<Option<LongText>>("cursor", None)? else { return Some(None) };
        let position = self.position(&cursor.0);
        if position.is_none() {
            fields.faults.push(Fault::new("cursor", Reason::BadCursor));
        }
        position.map(Some)
    }

    /// Makes a page of rows of which up to [`Window::limit`] were read; `position` is that of a row in the list.
    pub(crate) fn page<T, P: Serialize>(
        &self,
        mut rows: Vec<T>,
        limit: i64,
        position: impl FnOnce(&T) -> P,
    ) -> Page<T> {
        let is_last = (rows.len() as i64) < limit;
        if !is_last {
            rows.pop();
        }
        let next_cursor = rows.last().filter(|_| !is_last).map(|last| self.cursor(&position(last)));
        let links = self.links(next_cursor.as_deref());
        Page { items: rows, next_cursor, links }
    }

    /// Returns the cursor of a position.
    fn cursor(&self, position: &impl Serialize) -> String {
        let position = json!(position).to_string();
        let tag = hmac::sign(&self.key, &self.message(position.as_bytes()));
        let tag = tag.as_ref().get(..CURSOR_TAG_BYTES).unwrap_or_default();
        URL_SAFE_NO_PAD.encode([tag, position.as_bytes()].concat())
    }

    /// Returns the position of a cursor, if the cursor belongs to this list.
    fn position<P: DeserializeOwned>(&self, cursor: &str) -> Option<P> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, position) = bytes.split_at_checked(CURSOR_TAG_BYTES)?;
        let expected = hmac::sign(&self.key, &self.message(position));
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref().get(..CURSOR_TAG_BYTES)?, tag).ok()?;
        serde_json::from_slice(position).ok()
    }

    fn message(&self, position: &[u8]) -> Vec<u8> {
        [self.scope.as_bytes(), b"\0", position].concat()
    }

    /// Returns the value of the header `Link`: the first page, and the next one if there is one.
    fn links(&self, next: Option<&str>) -> String {
        let first = format!("<{}>; rel=\"first\"", self.url(None));
        let next = next.map(|next| format!("<{}>; rel=\"next\"", self.url(Some(next))));
        next.into_iter().chain([first]).collect::<Vec<_>>().join(", ")
    }

    fn url(&self, cursor: Option<&str>) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(self.query.0.iter().filter(|(name, _)| name != "cursor"));
        if let Some(cursor) = cursor {
            text.append_pair("cursor", cursor);
        }
        let text = text.finish();
        if text.is_empty() { self.path.clone() } else { format!("{}?{text}", self.path) }
    }
}

/// Reads the parameter `limit`, as [`Window::limit`].
pub(crate) fn read_limit(fields: &mut Fields<'_>) -> Option<i64> {
    let limit = fields.value::<Option<Whole<1, MAX_LIMIT>>>("limit", None)?;
    Some(limit.map_or(DEFAULT_LIMIT, Whole::get) + 1)
}

/// A page of a list, and where the next one is.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    next_cursor: Option<String>,
    links: String,
}

impl<T> Page<T> {
    /// Returns the same page with its rows as the answer shows them.
    pub(crate) fn with_items<U>(self, items: Vec<U>) -> Page<U> {
        Page { items, next_cursor: self.next_cursor, links: self.links }
    }

    pub(crate) fn map<U>(mut self, show: impl FnMut(T) -> U) -> Page<U> {
        let items = std::mem::take(&mut self.items).into_iter().map(show).collect();
        self.with_items(items)
    }
}

impl<T: Serialize> Page<T> {
    /// Answers with the page, and with the total number of rows if they were counted.
    pub(crate) fn answer(self, count: Option<i64>) -> HttpResponse {
        self.answer_as(|items, next_cursor| List { items, next_cursor, count })
    }

    /// Answers with a body that is made of the rows and the cursor of the next page.
    pub(crate) fn answer_as<B: Serialize>(self, body: impl FnOnce(Vec<T>, Option<String>) -> B) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        answer.insert_header((header::LINK, self.links)).json(body(self.items, self.next_cursor))
    }
}

/// A page of a list, as the API answers with it. In the document its name is that of an item, and `List`.
#[derive(Serialize)]
pub(crate) struct List<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
    count: Option<i64>,
}

impl<T: ToSchema> PartialSchema for List<T> {
    fn schema() -> RefOr<Schema> {
        list_schema(&T::name()).into()
    }
}

impl<T: ToSchema> ToSchema for List<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// Answers with a list that has one page only.
pub(crate) fn answer_all(request: &HttpRequest, items: Vec<impl Serialize>) -> HttpResponse {
    let (count, links) = (items.len() as i64, format!("<{}>; rel=\"first\"", request.path()));
    Page { items, next_cursor: None, links }.answer(Some(count))
}

/// A text that may be longer than other parameters: a cursor, which holds a sort key, or the names of many fields.
pub(crate) struct LongText(pub(crate) String);

impl FieldValue for LongText {
    const KIND: Kind = Kind::Text { max: MAX_PARAMETER_LENGTH };

    fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
        match cell {
            Cell::Text(text) if text.is_empty() => Err(Reason::Value(ValueError::Empty)),
            Cell::Text(text) if text.len() <= MAX_PARAMETER_LENGTH => Ok(Self(text.to_string())),
            _ => Err(Reason::Value(ValueError::TooLong { max: MAX_PARAMETER_LENGTH })),
        }
    }

    fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
        Self::read(cell).map(|text| Scalar::Text(text.0))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_cursor_holds_for_its_own_list_alone() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let clock = schema::Clock::system();
        let (tenant, other) = (clock.id(), clock.id());
        let paging = |tenant, path, name: &str| {
            let query = vec![(name.to_owned(), "x".to_owned()), ("limit".to_owned(), "5".to_owned())];
            Paging::with_key(key.clone(), tenant, path, Query(query))
        };
        let suppliers = paging(tenant, "/v1/suppliers", "q");
        let position = ("あ\n".to_owned(), clock.id::<schema::Job>());
        let cursor = suppliers.cursor(&position);
        let read = |paging: Paging| paging.position::<(String, schema::JobId)>(&cursor);

        assert_eq!(suppliers.position(&cursor), Some(position));
        assert_eq!(read(paging(other, "/v1/suppliers", "q")), None);
        assert_eq!(read(paging(tenant, "/v1/incidents", "q")), None);
        assert_eq!(read(paging(tenant, "/v1/suppliers", "name")), None);
        assert_eq!(suppliers.position::<Value>(&cursor.replace(cursor.get(30..31).unwrap(), "_")), None);
        assert_eq!(suppliers.position::<Value>(""), None);
    }

    #[test]
    fn a_page_leads_on_while_rows_are_left() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let paging = Paging::with_key(key, schema::Clock::system().id(), "/v1/jobs", Query(Vec::new()));
        let page = |rows: Vec<i32>| paging.page(rows, 3, |row| *row);

        let (more, exact, none) = (page(vec![1, 2, 3]), page(vec![1, 2]), page(Vec::new()));
        assert_eq!(
            (more.items.as_slice(), exact.items.as_slice(), none.items.len()),
            ([1, 2].as_slice(), [1, 2].as_slice(), 0)
        );
        assert_eq!(more.next_cursor.and_then(|cursor| paging.position(&cursor)), Some(2));
        assert_eq!((exact.next_cursor, none.next_cursor), (None, None));
    }
}
