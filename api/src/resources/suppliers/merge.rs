//! Several records of one firm: found by any of their codes, merged, and separated again.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use schema::supplier_codes::SystemCode;
use schema::suppliers::{self, Supplier};
use schema::{Record, Stored, SupplierId, SystemName, Timestamp};
use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{PartialSchema, ToSchema};

use super::{SupplierList, SupplierView};
use crate::base::fault::{Fault, Reason};
use crate::base::fields::Fields;
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::http::auth::{Analyst, Viewer};
use crate::http::extract::{IdPath, JsonBody, Preconditions, Query, language};
use crate::http::openapi;
use crate::http::page::answer_all;
use crate::http::state::State;
use crate::records::{self, IfMatch, ReadQuery, References, Resource, ShownRecord};

/// The parameters that name a supplier by a code of some system, for the API document.
pub(crate) struct AnyCodeQuery;

impl utoipa::IntoParams for AnyCodeQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = |name, text, example, is_required| {
            openapi::parameter(name, text, openapi::text_schema(text, example).max_length(64), is_required)
        };
        let system = "The purchasing system that uses the code; the buyer's own codes if omitted.\nja: \
                      コードを使う購買システム。省略時は発注者の取引先コード";
        let company =
            "The company within the system, if the system has several.\nja: システムの中の会社（複数あるとき）";
        vec![
            text("code", "The code.\nja: コード", "S0000001", true),
            text("system", system, "sap", false),
            text("company", company, "1000", false),
        ]
    }
}

/// Find a supplier by a code
/// ja: コードで取引先を検索する
///
/// The code is the buyer's own, or that of a purchasing system if `system` is given. For a code of a merged supplier, the
/// canonical record is returned.
/// ja: 発注者の取引先コード、または `system` を指定して購買システムのコードで検索する。統合された取引先のコードには、統合先の
/// 取引先を返す。
#[utoipa::path(tag = "suppliers", security(("bearer" = ["viewer"])), params(AnyCodeQuery, ReadQuery), responses((status = 200, body = SupplierView, description = "The supplier. ETag has its version.\nja: 取引先。版はETagにある"), openapi::NotFound))]
#[get("/suppliers/by-code")]
pub(super) async fn get_supplier_by_code(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let asked = query.read(&["code", "system", "company", "known_at", "fields"], |fields| {
        let code = fields.value::<schema::SupplierCode>("code", None);
        let system = fields.value::<Option<SystemName>>("system", None);
        let company = fields.value::<Option<SystemName>>("company", None);
        let known_at = fields.value::<Option<Timestamp>>("known_at", None);
        let chosen = records::read_chosen::<Supplier>(fields);
        if matches!((&system, &company), (Some(None), Some(Some(_)))) {
            fields.faults.push(Fault::new("system", Reason::Model(scoring::Reason::MissingValue)));
        }
        Some((code?, system?, company?, known_at?, chosen))
    })?;
    let (code, system, company, known_at, chosen) = asked;
    let shown = state
        .db
        .read(&viewer.0, move |tx| {
            let id = match &system {
                None => suppliers::id_of_code(tx, code.as_str(), known_at)?,
                Some(system) => {
                    let key = SystemCode::key(system, company.as_ref(), &code);
                    let found = SystemCode::with_keys(tx, &schema::Source::manual(), &[key], known_at)?;
                    found.first().map(|found| found.attributes.supplier_id)
                }
            };
            let supplier = standing_for(tx, id.ok_or_else(|| unknown_code(&code))?, known_at)?;
            records::show(tx, &supplier, known_at)
        })
        .await?;
    let id = shown.json.0.get("id").and_then(Value::as_str).unwrap_or_default();
    let location = header::HeaderValue::from_str(&format!("{}/{id}", Supplier::PATH)).map_err(ApiError::internal)?;
    let mut response = records::answer_read(&request, shown, chosen.as_deref(), &preconditions);
    response.headers_mut().insert(header::CONTENT_LOCATION, location);
    Ok(response)
}

/// Returns the problem that no supplier has a code, with a hint at what a spreadsheet may have done to it.
pub(crate) fn unknown_code(code: &schema::SupplierCode) -> ApiError {
    let is_number = code.as_str().bytes().all(|byte| byte.is_ascii_digit());
    let (ja, en) = match is_number {
        true => ("先頭の0が失われていないか確かめてください", "check whether leading zeros were lost"),
        false => ("GET /v1/suppliers で確かめてください", "GET /v1/suppliers lists the suppliers"),
    };
    Problem::from(ProblemKind::NotFound)
        .detail(
            format!("コード「{code}」の取引先はありません。{ja}"),
            format!("no supplier has the code {code:?}; {en}", code = code.as_str()),
        )
        .into()
}

/// Returns the canonical record of a supplier.
fn standing_for(
    tx: &mut schema::Tx,
    id: SupplierId,
    known_at: Option<Timestamp>,
) -> Result<Stored<Supplier>, ApiError> {
    let find = |tx: &mut schema::Tx, id| {
        Supplier::find(tx, id, known_at)?.ok_or_else(|| ApiError::from(ProblemKind::NotFound))
    };
    let found = find(tx, id)?;
    match found.attributes.merged_into_id {
        None => Ok(found),
        Some(target) => find(tx, target),
    }
}

/// The schema of the body that names the supplier to merge into.
pub(super) struct MergeBody;

impl PartialSchema for MergeBody {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let target = openapi::id_schema("The supplier that becomes the canonical record.\nja: 統合先の取引先のID");
        openapi::object("The target of a merge.\nja: 統合先").property("into_id", target, true).closed().into()
    }
}

impl ToSchema for MergeBody {
    fn name() -> std::borrow::Cow<'static, str> {
        "MergeSupplier".into()
    }
}

/// Merge a supplier into another
/// ja: 取引先をほかの取引先に統合する
///
/// For two records of one firm. The id and codes of this supplier then lead to the other one, and its evidence counts
/// there. Nothing is lost, and unmerging separates the two again.
/// ja: 同じ企業の2つの登録を1つにする。この取引先のIDとコードは統合先を指し、記録は統合先で数える。何も失われず、統合は解除
/// できる。
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatch),
    request_body(content = MergeBody, description = "The target of the merge.\nja: 統合先"),
    responses((status = 200, body = SupplierView, description = "The canonical record.\nja: 統合先の取引先"), openapi::WrongState)
)]
#[post("/suppliers/{id}/merge")]
pub(super) async fn merge_supplier(
    analyst: Analyst,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let shown = state
        .db
        .write(&analyst.0, move |tx| {
            let now = records::current::<Supplier>(tx, id.0)?;
            preconditions.allow_change(&records::etag(now.meta.version))?;
            Supplier::refuse_change(&now)?;
            let target = read_target(&body)?;
            if target == id.0 {
                return Err(wrong_state("自分自身には統合できません", "a supplier cannot be merged into itself"));
            }
            let unknown = || Problem::body(vec![Fault::new("into_id", Reason::UnknownSupplierId)]);
            let target = Supplier::find(tx, target, None)?.ok_or_else(unknown)?;
            Supplier::refuse_change(&target)?;
            // Every id leads to its canonical record in one step: look-ups follow no chains, and unmerge restores
            // exactly what was.
            if !suppliers::merged_into(tx, id.0, None)?.is_empty() {
                return Err(wrong_state(
                    "この取引先に統合された取引先があります。先に解除するか、統合の向きを逆にしてください",
                    "other suppliers were merged into this one; unmerge them first, or merge the other way round",
                ));
            }
            records::write_next(tx, &now, |next| {
                next.attributes.merged_into_id = Some(target.meta.id);
            })?;
            records::show(tx, &target, None)
        })
        .await?;
    Ok(records::answer(HttpResponse::Ok(), shown, language(request.headers())))
}

fn wrong_state(ja: &str, en: &str) -> ApiError {
    Problem::from(ProblemKind::WrongState).detail(ja, en).into()
}

fn read_target(body: &JsonBody) -> Result<SupplierId, ApiError> {
    let mut none = ();
    let mut fields = Fields::new(body.members().cells(), &mut none);
    fields.expect_only(&["into_id"]);
    match (fields.value("into_id", None), fields.faults) {
        (Some(id), faults) if faults.is_empty() => Ok(id),
        (_, faults) => Err(Problem::body(faults).into()),
    }
}

/// Unmerge a supplier
/// ja: 取引先の統合を解除する
///
/// Separates a merged supplier from its canonical record, with its own codes and evidence. If-Match holds the version
/// that the list of merged suppliers shows, or `*`.
/// ja: 統合した取引先を、コードと記録とともに元の取引先に戻す。If-Matchには、統合した取引先の一覧にある版か `*` を指定する。
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatch),
    responses((status = 200, body = SupplierView, description = "The separated supplier.\nja: 統合を解除した取引先"), openapi::WrongState)
)]
#[post("/suppliers/{id}/unmerge")]
pub(super) async fn unmerge_supplier(
    analyst: Analyst,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let shown = state
        .db
        .write(&analyst.0, move |tx| {
            let now = records::current::<Supplier>(tx, id.0)?;
            preconditions.allow_change(&records::etag(now.meta.version))?;
            if now.attributes.merged_into_id.is_none() {
                return Err(wrong_state("統合されていません", "it is not merged"));
            }
            let next = records::write_next(tx, &now, |next| next.attributes.merged_into_id = None)?;
            records::show(tx, &next, None)
        })
        .await?;
    Ok(records::answer(HttpResponse::Ok(), shown, language(request.headers())))
}

/// List merged suppliers
/// ja: 統合した取引先を一覧する
///
/// The suppliers that were merged into this one, each with its own fields.
/// ja: この取引先に統合した取引先を、統合前の内容で返す。
#[utoipa::path(tag = "suppliers", security(("bearer" = ["viewer"])), params(IdPath<Supplier>), responses((status = 200, body = SupplierList, description = "All merged suppliers.\nja: 統合したすべての取引先")))]
#[get("/suppliers/{id}/merged")]
pub(super) async fn list_merged_suppliers(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
) -> Result<HttpResponse, ApiError> {
    let lang = language(request.headers());
    let rows = state
        .db
        .read(&viewer.0, move |tx| {
            records::current::<Supplier>(tx, id.0)?;
            let ids = suppliers::merged_into(tx, id.0, None)?;
            let mut rows = Supplier::with_ids(tx, &ids)?;
            rows.sort_by_key(|row| row.meta.id);
            Ok(rows.iter().map(|row| ShownRecord::new(row, &References::default(), None)).collect::<Vec<_>>())
        })
        .await?;
    Ok(answer_all(&request, rows.into_iter().map(|row| row.pick(None, lang, false)).collect()))
}
