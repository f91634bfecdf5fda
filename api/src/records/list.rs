//! Reading: one record, its versions, lists.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use schema::{Choice, Common, Instant, Listed, Page, Stored, Tx, Whole, suppliers};
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::view::{keys, names};
use super::{Json, References, Resource, Shown, StoredSuppliers, show};
use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Fields, MOST_MEMBERS};
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::base::text::Text;
use crate::http::auth::Caller;
use crate::http::extract::{Documented, IdPath, Preconditions, Query, language};
use crate::http::openapi;
use crate::http::page::{Cursors, LongText, MAX_LIMIT, USUAL_LIMIT, links, read_cursor};
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

const COMMON: [&str; 13] = [
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

/// What a list can be sorted by, as the parameter has it.
pub(crate) fn sorts<S: Choice>() -> Vec<String> {
    keys::<S>().into_iter().flat_map(|key| [key.to_owned(), format!("-{key}")]).collect()
}

/// A list as asked for.
struct Asked<R: Resource> {
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
    let path = request.path().to_owned();
    let shared = state.clone();
    let cursor_query = query.clone();
    let (rows, next, chosen, count) = state
        .db
        .read(&caller, move |tx| {
            let cursors = Cursors::new(shared.keys.cursor(), tx.tenant(), &path, &cursor_query);
            let mut stored = StoredSuppliers::new(tx);
            let asked = read_list::<R>(&cursor_query, &mut stored, &cursors);
            let mut asked = stored.finish(asked)??;
            let (rows, next) = read_rows(tx, &mut asked.listed, &cursors)?;
            let count = match asked.with_count {
                true => Some(R::count(tx, &asked.listed.common, &asked.listed.filter)?),
                false => None,
            };
            let rows = show_all(tx, &rows, asked.listed.common.known_at)?;
            Ok((rows, next, asked.chosen, count))
        })
        .await?;
    let items: Vec<_> = rows.into_iter().map(|row| row.pick(chosen.as_deref(), lang, false)).collect();
    Ok(answer_page(&request, &query, items, next, count))
}

/// Reads a page of a list, and the cursor of the one that follows it.
fn read_rows<R: Resource>(
    tx: &mut Tx,
    listed: &mut Listed<R>,
    cursors: &Cursors,
) -> Result<(Vec<Stored<R>>, Option<String>), ApiError> {
    let limit = listed.page.limit;
    listed.page.limit += 1;
    let mut rows = R::list(tx, listed)?;
    let is_more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| is_more);
    let next = last.map(|last| {
        let key = listed.page.sort.map(|sort| R::sort_key(last, sort)).unwrap_or_default();
        cursors.make(&key, last.meta.id.as_str())
    });
    Ok((rows, next))
}

fn answer_page(
    request: &HttpRequest,
    query: &Query,
    items: Vec<Json>,
    next: Option<String>,
    count: Option<i64>,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::LINK, links(request, query, next.as_deref())));
    response.json(json!({ "items": items, "next_cursor": next, "count": count }))
}

/// The parameters of a list that has no filters, for the API document.
pub(crate) struct PageQuery;

impl IntoParams for PageQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        openapi::page_parameters()
    }
}

/// Lists records in order of id, for those who see some of them only: `common` says which, `show` what of them.
pub(crate) async fn list_some<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    common: Common,
    show: impl FnOnce(&mut Tx, Vec<Stored<R>>) -> Result<Vec<Shown>, ApiError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let lang = language(request.headers());
    let (path, asked, shared) = (request.path().to_owned(), query.clone(), state.clone());
    let (rows, next) = state
        .db
        .read(&caller, move |tx| {
            let cursors = Cursors::new(shared.keys.cursor(), tx.tenant(), &path, &asked);
            let page = asked.read(&["limit", "cursor"], |fields| read_page::<R>(fields, &cursors))?;
            let mut listed = Listed { common, filter: R::Filter::default(), page };
            let (rows, next) = read_rows(tx, &mut listed, &cursors)?;
            Ok((show(tx, rows)?, next))
        })
        .await?;
    let items = rows.into_iter().map(|row| row.pick(None, lang, false)).collect();
    Ok(answer_page(&request, &query, items, next, None))
}

pub(crate) fn show_all<R: Resource>(
    tx: &mut Tx,
    rows: &[Stored<R>],
    known_at: Option<Instant>,
) -> Result<Vec<Shown>, ApiError> {
    let ids = rows.iter().flat_map(|row| row.attributes.suppliers());
    let references = References(suppliers::references(tx, ids, known_at)?);
    Ok(rows.iter().map(|row| Shown::new(row, &references, None)).collect())
}

fn read_list<R: Resource>(
    query: &Query,
    stored: &mut StoredSuppliers<'_>,
    cursors: &Cursors,
) -> Result<Asked<R>, ApiError> {
    let mut fields = query.fields(stored);
    let mut known: Vec<&'static str> = R::FILTERS.iter().map(|field| field.name).collect();
    known.extend(
        COMMON.iter().filter(|name| R::HAS_EXTERNAL_ID || !matches!(**name, "external_id" | "include_retracted")),
    );
    known.dedup();
    fields.expect_only(&known);
    let filter = R::read_filter(&mut fields);
    let common = read_common::<R>(&mut fields);
    let page = read_page::<R>(&mut fields, cursors);
    let chosen = read_chosen::<R>(&mut fields);
    let with_count = read_word(&mut fields, "count", &["exact"]);
    match (filter, common, page, fields.faults) {
        (Some(filter), Some(common), Some(page), faults) if faults.is_empty() => {
            Ok(Asked { listed: Listed { common, filter, page }, chosen, with_count })
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
        // What was archived is out of sight; evidence that ended is still evidence.
        with_ended: fields
            .value::<Option<bool>>("include_ended", None)?
            .unwrap_or(R::KIND != schema::RecordKind::Suppliers),
        suppliers: suppliers?,
    })
}

fn read_page<R: Resource>(fields: &mut Fields<'_>, cursors: &Cursors) -> Option<Page<R, R::Sort>> {
    let limit = fields.value::<Option<Whole<1, MAX_LIMIT>>>("limit", None);
    let sort = read_sort::<R::Sort>(fields);
    let after = read_cursor(fields, cursors, |key, id| Some((key.to_owned(), id.parse().ok()?)));
    let (sort, is_descending) = sort?;
    Some(Page { sort, is_descending, after: after?, limit: limit?.map_or(USUAL_LIMIT, Whole::get) })
}

/// Reads the parameter `sort`: by what, and whether from last to first.
pub(crate) fn read_sort<S: Choice>(fields: &mut Fields<'_>) -> Option<(Option<S>, bool)> {
    let Some(text) = fields.value::<Option<String>>("sort", None)? else { return Some((None, false)) };
    let (key, is_descending) = text.strip_prefix('-').map_or((text.as_str(), false), |key| (key, true));
    let sort = S::parse(key).ok();
    if sort.is_none() {
        fields.faults.push(Fault { field: "sort".into(), value: Some(text), reason: Reason::NotOneOf(keys::<S>()) });
    }
    sort.map(|sort| (Some(sort), is_descending))
}

/// Reads which members are to be shown.
pub(crate) fn read_chosen<R: Resource>(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let text = fields.value::<Option<LongText>>("fields", None)??.0;
    let known = names::<R>();
    let mut chosen: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        // Each once: every row is shown by going through them.
        if !chosen.iter().any(|known| known == name) {
            chosen.push(name.to_owned());
        }
        if chosen.len() > MOST_MEMBERS {
            let what = Text::new("fields の項目の数", "names in `fields`");
            fields.faults.push(Fault::new("fields", Reason::TooMany { what, max: MOST_MEMBERS }));
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

/// Gets one record, as it is or was known.
pub(crate) async fn find<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<R>,
    query: Query,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let (known_at, chosen) = query.read(&["known_at", "fields"], |fields| {
        let known_at = fields.value::<Option<Instant>>("known_at", None);
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

/// Answers a read of one record, briefly where the client has this version.
pub(crate) fn answer_read(
    request: &HttpRequest,
    shown: Shown,
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
    let items: Vec<_> = rows.into_iter().map(|row| row.pick(None, lang, false)).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next_cursor": Value::Null, "count": items.len() })))
}
