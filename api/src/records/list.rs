//! Reads records: one, its versions, and lists.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use schema::{Choice, Common, Listed, Page, Stored, Timestamp, Tx, suppliers};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::view::{keys, member_names};
use super::{References, Resource, ShownRecord, StoredSuppliers, show};
use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Fields, MAX_MEMBERS};
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::base::text::Text;
use crate::http::auth::Caller;
use crate::http::extract::{Documented, IdPath, Preconditions, Query, language};
use crate::http::openapi;
use crate::http::page::{self, LongText, Paging, answer_all, read_limit};
use crate::http::state::State;

/// The parameters of a list, for the API document.
pub(crate) struct ListQuery<R>(Documented<R>);

impl<R: Resource> IntoParams for ListQuery<R> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters: Vec<_> = R::FILTERS.iter().map(openapi::field_parameter).collect();
        parameters.extend(openapi::list_parameters(&sorts::<R::Sort>(), R::HAS_EXTERNAL_ID));
        parameters
    }
}

const COMMON_PARAMETERS: [&str; 13] = [
    "limit",
    "cursor",
    "sort",
    "count",
    "fields",
    "known_at",
    "source",
    "external_id",
    "recorded_since",
    "include_retracted",
    "include_ended",
    "supplier_code",
    "supplier_id",
];

/// Returns the possible values of the parameter `sort`.
pub(crate) fn sorts<S: Choice>() -> Vec<String> {
    keys::<S>().into_iter().flat_map(|key| [key.to_owned(), format!("-{key}")]).collect()
}

/// A list as requested.
struct ListRequest<R: Resource> {
    listed: Listed<R>,
    chosen: Option<Vec<String>>,
    with_count: bool,
}

/// Lists records.
pub(crate) async fn list<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let lang = language(request.headers());
    let paging = Paging::new(&state, &caller, &request, query);
    let (page, chosen, count) = state
        .db
        .read(&caller, move |tx| {
            let mut stored = StoredSuppliers::new(tx);
            let asked = read_list::<R>(&mut stored, &paging);
            let asked = stored.finish(asked)??;
            let page = read_rows(tx, &asked.listed, &paging)?;
            let count = match asked.with_count {
                true => Some(R::count(tx, &asked.listed.common, &asked.listed.filter)?),
                false => None,
            };
            let shown = show_all(tx, &page.items, asked.listed.common.known_at)?;
            Ok((page.with_items(shown), asked.chosen, count))
        })
        .await?;
    Ok(page.map(|row| row.pick(chosen.as_deref(), lang, false)).answer(count))
}

fn read_rows<R: Resource>(tx: &mut Tx, listed: &Listed<R>, paging: &Paging) -> Result<page::Page<Stored<R>>, ApiError> {
    let rows = R::list(tx, listed)?;
    let sort_key = |row: &Stored<R>| listed.page.sort.map(|sort| R::sort_key(row, sort)).unwrap_or_default();
    Ok(paging.page(rows, listed.page.limit, |row| (sort_key(row), row.meta.id)))
}

/// The parameters of a list that has no filters, for the API document.
pub(crate) struct PageQuery;

impl IntoParams for PageQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        openapi::page_parameters()
    }
}

/// Lists records in order of id, for callers who may see only some of them. `common` selects the records, and `show`
/// makes what is shown of them.
pub(crate) async fn list_some<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    common: Common,
    show: impl FnOnce(&mut Tx, Vec<Stored<R>>) -> Result<Vec<ShownRecord>, ApiError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let lang = language(request.headers());
    let paging = Paging::new(&state, &caller, &request, query);
    let page = paging.query.read(&["limit", "cursor"], |fields| read_page::<R>(fields, &paging))?;
    let listed = Listed { common, filter: R::Filter::default(), page };
    let page = state
        .db
        .read(&caller, move |tx| {
            let mut page = read_rows(tx, &listed, &paging)?;
            let shown = show(tx, std::mem::take(&mut page.items))?;
            Ok(page.with_items(shown))
        })
        .await?;
    Ok(page.map(|row| row.pick(None, lang, false)).answer(None))
}

pub(crate) fn show_all<R: Resource>(
    tx: &mut Tx,
    rows: &[Stored<R>],
    known_at: Option<Timestamp>,
) -> Result<Vec<ShownRecord>, ApiError> {
    let ids = rows.iter().flat_map(|row| row.attributes.suppliers());
    let references = References(suppliers::references(tx, ids, known_at)?);
    Ok(rows.iter().map(|row| ShownRecord::new(row, &references, None)).collect())
}

fn read_list<R: Resource>(stored: &mut StoredSuppliers<'_>, paging: &Paging) -> Result<ListRequest<R>, ApiError> {
    let mut fields = paging.query.fields(stored);
    let mut known: Vec<&'static str> = R::FILTERS.iter().map(|field| field.name).collect();
    known.extend(
        COMMON_PARAMETERS
            .iter()
            .filter(|name| R::HAS_EXTERNAL_ID || !matches!(**name, "external_id" | "include_retracted")),
    );
    known.dedup();
    fields.expect_only(&known);
    let filter = R::read_filter(&mut fields);
    let common = read_common::<R>(&mut fields);
    let page = read_page::<R>(&mut fields, paging);
    let chosen = read_chosen::<R>(&mut fields);
    let with_count = read_word(&mut fields, "count", &["exact"]);
    match (filter, common, page, fields.faults) {
        (Some(filter), Some(common), Some(page), faults) if faults.is_empty() => {
            Ok(ListRequest { listed: Listed { common, filter, page }, chosen, with_count })
        }
        (.., faults) => Err(Problem::parameters(faults).into()),
    }
}

fn read_common<R: Resource>(fields: &mut Fields<'_>) -> Option<Common> {
    let suppliers = fields.family("supplier_code", "supplier_id");
    Some(Common {
        known_at: fields.value("known_at", None)?,
        source: fields.value("source", None)?,
        external_id: fields.value("external_id", None)?,
        recorded_since: fields.value("recorded_since", None)?,
        with_retracted: fields.value::<Option<bool>>("include_retracted", None)?.unwrap_or(false),
        // Archived suppliers are left out by default. Evidence that has ended is still evidence.
        with_ended: fields
            .value::<Option<bool>>("include_ended", None)?
            .unwrap_or(R::KIND != schema::RecordKind::Suppliers),
        suppliers: suppliers?,
    })
}

fn read_page<R: Resource>(fields: &mut Fields<'_>, paging: &Paging) -> Option<Page<R, R::Sort>> {
    let limit = read_limit(fields);
    let sort = read_sort::<R::Sort>(fields);
    let after = paging.read_cursor(fields);
    let (sort, is_descending) = sort?;
    Some(Page { sort, is_descending, after: after?, limit: limit? })
}

/// Reads the parameter `sort`: the sort key, and whether the order is descending.
pub(crate) fn read_sort<S: Choice>(fields: &mut Fields<'_>) -> Option<(Option<S>, bool)> {
    let Some(text) = fields.value::<Option<String>>("sort", None)? else { return Some((None, false)) };
    let (key, is_descending) = text.strip_prefix('-').map_or((text.as_str(), false), |key| (key, true));
    let sort = S::parse(key).ok();
    if sort.is_none() {
        fields.faults.push(Fault { field: "sort".into(), value: Some(text), reason: Reason::NotOneOf(keys::<S>()) });
    }
    sort.map(|sort| (Some(sort), is_descending))
}

/// Reads which members to show.
pub(crate) fn read_chosen<R: Resource>(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let text = fields.value::<Option<LongText>>("fields", None)??.0;
    let known = member_names::<R>();
    let mut chosen: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        // Each name only once, because every row goes through the list.
        if !chosen.iter().any(|known| known == name) {
            chosen.push(name.to_owned());
        }
        if chosen.len() > MAX_MEMBERS {
            let what = Text::new("fields の項目の数", "names in `fields`");
            fields.faults.push(Fault::new("fields", Reason::TooMany { what, max: MAX_MEMBERS }));
            return None;
        }
    }
    for name in chosen.iter().filter(|name| !known.contains(&name.as_str())) {
        let fault =
            Fault { field: "fields".into(), value: Some(name.clone()), reason: Reason::NotOneOf(known.clone()) };
        fields.faults.push(fault);
    }
    Some(chosen)
}

pub(crate) fn read_word(fields: &mut Fields<'_>, name: &str, words: &[&'static str]) -> bool {
    match fields.value::<Option<String>>(name, None) {
        Some(Some(word)) if !words.contains(&word.as_str()) => {
            fields.faults.push(Fault::new(name, Reason::NotOneOf(words.to_vec())));
            false
        }
        Some(Some(_)) => true,
        _ => false,
    }
}

/// Answers with one record, as it is now or was known at a moment.
pub(crate) async fn find<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<R>,
    query: Query,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let (known_at, chosen) = query.read(&["known_at", "fields"], |fields| {
        let known_at = fields.value::<Option<Timestamp>>("known_at", None);
        let chosen = read_chosen::<R>(fields);
        Some((known_at?, chosen))
    })?;
    let shown = state
        .db
        .read(&caller, move |tx| {
            let stored = R::find(tx, id.0, known_at)?.ok_or(ProblemKind::NotFound)?;
            show(tx, &stored, known_at)
        })
        .await?;
    Ok(answer_read(&request, shown, chosen.as_deref(), &preconditions))
}

/// Answers a read of one record, or with 304 (Not Modified) if the client has this version.
pub(crate) fn answer_read(
    request: &HttpRequest,
    shown: ShownRecord,
    chosen: Option<&[String]>,
    preconditions: &Preconditions,
) -> HttpResponse {
    let (text, etag) = shown.answer(chosen, language(request.headers()));
    if preconditions.is_known(&etag) {
        return HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish();
    }
    HttpResponse::Ok().insert_header((header::ETAG, etag)).content_type("application/json").body(text)
}

/// Lists all versions of a record, latest first.
pub(crate) async fn versions<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<R>,
) -> Result<HttpResponse, ApiError> {
    let lang = language(request.headers());
    let rows = state
        .db
        .read(&caller, move |tx| {
            let rows = R::versions(tx, &[id.0])?;
            if rows.is_empty() {
                return Err(ProblemKind::NotFound.into());
            }
            show_all(tx, &rows, None)
        })
        .await?;
    Ok(answer_all(&request, rows.into_iter().map(|row| row.pick(None, lang, false)).collect()))
}
