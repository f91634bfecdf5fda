//! Writes records: creates, changes, replaces by key, retracts and restores them.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use schema::{ExternalId, Remark, RepoError, Source, Stored, SupplierCode, Tx};

use super::view::etag;
use super::{Resource, ShownRecord, StoredSuppliers, answer, current, read_origin, show, show_written};
use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Cell, Fields};
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::base::today::Today;
use crate::http::auth::Caller;
use crate::http::extract::{IdPath, JsonBody, Preconditions, Query, language};
use crate::http::state::State;

/// The key by which an import finds a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// This key.
    Fixed(String),
    /// This prefix, and the ordinal of the record within its source.
    Counted(String),
}

impl Key {
    /// Returns the key of the record with the ordinal `place`, counted from 1.
    pub(crate) fn at(self, place: usize) -> String {
        match self {
            Self::Fixed(key) => key,
            Self::Counted(prefix) => format!("{prefix}{place}"),
        }
    }
}

/// Adds a first version, in the caller's transaction.
pub(crate) fn store_first<R: Resource>(tx: &mut Tx, stored: &Stored<R>) -> Result<(), ApiError> {
    let rows = std::slice::from_ref(stored);
    R::register(tx, rows).and_then(|()| R::insert(tx, rows)).map_err(named::<R>)
}

/// Adds a version that follows another, in the caller's transaction.
fn store_next<R: Resource>(tx: &mut Tx, stored: &Stored<R>) -> Result<(), ApiError> {
    R::replace(tx, std::slice::from_ref(stored)).map_err(named::<R>)
}

/// Turns a taken key into a fault of the kind's key field.
fn named<R: Resource>(error: RepoError) -> ApiError {
    match error {
        RepoError::Duplicate(_) => taken::<R>().into(),
        other => other.into(),
    }
}

fn taken<R: Resource>() -> Problem {
    Problem::body(vec![Fault::new(R::KEY_FIELD, Reason::KeyTaken)]).of_kind(ProblemKind::KeyTaken)
}

/// Reads and checks attributes. All faults are collected in `fields`.
fn read_checked<R: Resource, T>(
    fields: &mut Fields<'_>,
    now: Option<&R>,
    today: Today,
    others: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Option<(R, T)> {
    let read = R::read(fields, now);
    let others = others(fields);
    let mut read = read?;
    read.complete();
    read.check(today, &mut fields.faults);
    Some((read, others?))
}

/// Returns the names of the fields that a body may have.
pub(crate) fn body_fields<R: Resource>(with_origin: bool) -> Vec<&'static str> {
    let mut known: Vec<_> = R::FIELDS.iter().map(|field| field.name).collect();
    if with_origin {
        known.push("source");
        if R::HAS_EXTERNAL_ID {
            known.push("external_id");
        }
    }
    known
}

/// Reads the cells of a body, with the suppliers that it may name.
pub(crate) fn read_body<R: Resource, T>(
    mut suppliers: StoredSuppliers<'_>,
    cells: Vec<(&str, Cell<'_>)>,
    (now, today): (Option<&R>, Today),
    known: &[&'static str],
    others: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Result<(R, T), ApiError> {
    let (read, faults) = {
        let mut fields = Fields::new(cells, &mut suppliers);
        fields.expect_only(known);
        (read_checked(&mut fields, now, today, others), fields.faults)
    };
    match suppliers.finish(read)? {
        Some(read) if faults.is_empty() => Ok(read),
        _ => Err(Problem::body(faults).into()),
    }
}

/// Creates a record.
pub(crate) async fn create<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let today = caller.today();
    let shown = state
        .db
        .write(&caller, move |tx| {
            let (attributes, (source, external_id)) = read_body::<R, _>(
                StoredSuppliers::new(tx),
                body.members().cells(),
                (None, today),
                &body_fields::<R>(true),
                read_origin::<R>,
            )?;
            let stored = first(tx, (source, external_id), attributes)?;
            store_first(tx, &stored)?;
            show_written(tx, None, &stored)
        })
        .await?;
    Ok(answer_created(R::PATH, &request, shown))
}

/// Returns the first version of a record, with the key by which imports find it.
pub(crate) fn first<R: Resource>(
    tx: &mut Tx,
    (source, external_id): (Source, Option<ExternalId>),
    attributes: R,
) -> Result<Stored<R>, RepoError> {
    let (id, recorded) = (tx.clock().id(), tx.own_commit()?);
    let mut stored = Stored::first(id, String::new(), source, external_id, recorded, attributes);
    stored.meta.record_key = new_key(tx, &stored)?;
    Ok(stored)
}

/// Answers with a record that was created, and its address.
pub(crate) fn answer_created(path: &str, request: &HttpRequest, shown: ShownRecord) -> HttpResponse {
    let id = shown.json.0.get("id").and_then(|id| id.as_str()).unwrap_or_default();
    let mut builder = HttpResponse::Created();
    builder.insert_header((header::LOCATION, format!("{path}/{id}")));
    answer(builder, shown, language(request.headers()))
}

/// Returns the key of a new record, or of one whose key depends on what was changed.
fn new_key<R: Resource>(tx: &mut Tx, stored: &Stored<R>) -> Result<String, RepoError> {
    let meta = &stored.meta;
    match stored.attributes.key(meta.external_id.as_ref()) {
        Some(Key::Fixed(key)) => Ok(key),
        // Without a key in its source, a record is found by its own id.
        None => Ok(format!("id\u{1f}{}", meta.id)),
        Some(Key::Counted(prefix)) if meta.record_key.starts_with(&prefix) => Ok(meta.record_key.clone()),
        Some(Key::Counted(prefix)) => {
            const KEYS_PER_QUERY: usize = 100;
            let mut first = 1;
            loop {
                let keys: Vec<_> = (first..first + KEYS_PER_QUERY).map(|place| format!("{prefix}{place}")).collect();
                let taken = R::with_keys(tx, &meta.source, &keys, None)?;
                let free = keys.into_iter().find(|key| taken.iter().all(|row| row.meta.record_key != *key));
                match free {
                    Some(key) => return Ok(key),
                    None => first += KEYS_PER_QUERY,
                }
            }
        }
    }
}

/// Adds the next version. If nothing changes, returns the current one.
pub(crate) fn write_next<R: Resource>(
    tx: &mut Tx,
    now: &Stored<R>,
    edit: impl FnOnce(&mut Stored<R>),
) -> Result<Stored<R>, ApiError> {
    write_after(tx, (now, now), edit)
}

/// Adds the next version, for a caller that may know a version other than the current one. If the two differ, a version
/// is added even if nothing changes.
pub(crate) fn write_after<R: Resource>(
    tx: &mut Tx,
    (now, known): (&Stored<R>, &Stored<R>),
    edit: impl FnOnce(&mut Stored<R>),
) -> Result<Stored<R>, ApiError> {
    let mut next = now.next(tx.own_commit()?);
    edit(&mut next);
    let is_same = now.meta.version == known.meta.version
        && next.attributes == now.attributes
        && next.meta.ended_on == now.meta.ended_on
        && next.meta.retraction_reason == now.meta.retraction_reason;
    if is_same {
        return Ok(now.clone());
    }
    next.meta.record_key = new_key(tx, &next)?;
    store_next(tx, &next)?;
    Ok(next)
}

/// Changes a record by a merge patch.
pub(crate) async fn change<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<R>,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let today = caller.today();
    let shown = state
        .db
        .write(&caller, move |tx| {
            let now = current::<R>(tx, id.0)?;
            preconditions.allow_change(&etag(now.meta.version))?;
            R::refuse_change(&now)?;
            let (known, cells) = (body_fields::<R>(false), body.members().cells());
            let (attributes, ()) =
                read_body(StoredSuppliers::new(tx), cells, (Some(&now.attributes), today), &known, |_| Some(()))?;
            let next = write_next(tx, &now, |next| next.attributes = attributes)?;
            show_written(tx, Some(&now.attributes), &next)
        })
        .await?;
    Ok(answer(HttpResponse::Ok(), shown, language(request.headers())))
}

/// Refuses changes to a retracted record.
pub(crate) fn refuse_retracted<R>(now: &Stored<R>) -> Result<(), ApiError> {
    match now.meta.retraction_reason {
        None => Ok(()),
        Some(_) => Err(Problem::from(ProblemKind::WrongState)
            .detail(
                "取り消された記録です。変更する前に restore で戻してください",
                "the record was retracted; restore it before changing it",
            )
            .into()),
    }
}

/// Ends a record that is not evidence, such as a code. Its key becomes free and its history stays.
pub(crate) async fn remove<R: Resource>(
    caller: Caller,
    state: Data<State>,
    id: IdPath<R>,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    state
        .db
        .write(&caller, move |tx| {
            let now = current::<R>(tx, id.0)?;
            preconditions.allow_change(&etag(now.meta.version))?;
            R::close(tx, &[now.meta.id])?;
            Ok(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The key in the address of a record.
struct AddressKey {
    source: Source,
    external_id: Option<ExternalId>,
    supplier_code: Option<SupplierCode>,
}

fn read_address<R: Resource>(query: &Query) -> Result<AddressKey, ApiError> {
    if R::HAS_EXTERNAL_ID {
        query.read(&["source", "external_id"], |fields| {
            let source = fields.source();
            let external_id = Some(fields.value("external_id", None)?);
            Some(AddressKey { source: source?, external_id, supplier_code: None })
        })
    } else {
        query.read(&["supplier_code"], |fields| {
            let supplier_code = Some(fields.value("supplier_code", None)?);
            Some(AddressKey { source: Source::manual(), external_id: None, supplier_code })
        })
    }
}

/// Creates the record that an address names by its key, or replaces it.
pub(crate) async fn put<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let today = caller.today();
    let address = read_address::<R>(&query)?;
    let lang = language(request.headers());
    let (shown, is_new) = state
        .db
        .write(&caller, move |tx| {
            let attributes = read_replacement::<R>(tx, &body, &address, today)?;
            let AddressKey { source, external_id, .. } = address;
            let mut stored = first(tx, (source, external_id), attributes)?;
            let keys = [stored.meta.record_key.clone()];
            let Some(now) = R::with_keys(tx, &stored.meta.source, &keys, None)?.pop() else {
                preconditions.allow_creation()?;
                store_first(tx, &stored)?;
                return Ok((show_written(tx, None, &stored)?, true));
            };
            preconditions.allow_replacement(&etag(now.meta.version))?;
            R::refuse_change(&now)?;
            stored.attributes.keep_unset(&now.attributes);
            let next = write_next(tx, &now, |next| next.attributes = stored.attributes)?;
            Ok((show_written(tx, Some(&now.attributes), &next)?, false))
        })
        .await?;
    if is_new { Ok(answer_created(R::PATH, &request, shown)) } else { Ok(answer(HttpResponse::Ok(), shown, lang)) }
}

/// Reads a body whose key is in the address. The body may repeat a code, but not change it.
fn read_replacement<R: Resource>(
    tx: &mut Tx,
    body: &JsonBody,
    address: &AddressKey,
    today: Today,
) -> Result<R, ApiError> {
    let mut cells = body.members().cells();
    let known = body_fields::<R>(false);
    let suppliers = StoredSuppliers::new(tx);
    let Some(code) = &address.supplier_code else {
        return Ok(read_body(suppliers, cells, (None, today), &known, |_| Some(()))?.0);
    };
    if !cells.iter().any(|(name, _)| *name == "supplier_code") {
        cells.push(("supplier_code", Cell::Text(code.as_str().into())));
    }
    let (read, ()) = read_body::<R, ()>(suppliers, cells, (None, today), &known, |_| Some(()))?;
    if read.key(None) != Some(Key::Fixed(code.to_string())) {
        return Err(Problem::body(vec![Fault::new("supplier_code", Reason::DiffersFromAddress)]).into());
    }
    Ok(read)
}

/// Retracts a record that was never true.
pub(crate) async fn retract<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<R>,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let reason = read_reason(&body)?;
    edit::<R>(caller, state, request, id, preconditions, move |stored| {
        stored.meta.retraction_reason = Some(reason);
    })
    .await
}

/// Undoes a retraction or an end.
pub(crate) async fn restore<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<R>,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    edit::<R>(caller, state, request, id, preconditions, |stored| {
        stored.meta.retraction_reason = None;
        stored.meta.ended_on = None;
    })
    .await
}

/// Adds a version with one change.
pub(crate) async fn edit<R: Resource>(
    caller: Caller,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<R>,
    preconditions: Preconditions,
    change: impl FnOnce(&mut Stored<R>) + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let shown = state
        .db
        .write(&caller, move |tx| {
            let now = current::<R>(tx, id.0)?;
            preconditions.allow_change(&etag(now.meta.version))?;
            let next = write_next(tx, &now, change)?;
            show(tx, &next, None)
        })
        .await?;
    Ok(answer(HttpResponse::Ok(), shown, language(request.headers())))
}

pub(crate) fn read_reason(body: &JsonBody) -> Result<Remark, ApiError> {
    let mut none = ();
    let mut fields = Fields::new(body.members().cells(), &mut none);
    fields.expect_only(&["reason"]);
    match (fields.value::<Remark>("reason", None), fields.faults) {
        (Some(reason), faults) if faults.is_empty() => Ok(reason),
        (_, faults) => Err(Problem::body(faults).into()),
    }
}
