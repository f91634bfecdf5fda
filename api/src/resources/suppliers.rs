//! Suppliers: firms, as the buyer knows them.

mod incident_contact;
mod lifecycle;
mod merge;

pub(crate) use merge::{AnyCodeQuery, unknown_code};

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, patch, post, put};
use schema::suppliers::{self, Supplier, SupplierFilter};
use schema::{ExternalId, Record, RecordKind, RepoError, Stored, SupplierCode, SupplierId, Timestamp, Tx};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Field, FieldValue, Fields, Kind};
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::http::auth::{Analyst, Viewer};
use crate::http::extract::{IdPath, JsonBody, Preconditions, Query};
use crate::http::openapi;
use crate::http::state::State;
use crate::records::{self, IfMatch, IfMatchToReplace, Key, ListQuery, ReadQuery, Resource, resource};

impl Resource for Supplier {
    const KIND: RecordKind = RecordKind::Suppliers;
    const NAME: &'static str = "Supplier";
    const PATH: &'static str = "/v1/suppliers";
    const HAS_EXTERNAL_ID: bool = false;
    const KEY_FIELD: &'static str = "supplier_code";

    resource! {
        Supplier {
            fields {
                supplier_code: ("取引先コード", "発注者が使う取引先コード。同じコードは1社だけ", "The buyer's code, another for each supplier", "S0000001");
                name: ("取引先名", "取引先の名称", "The name of the firm", "備製作所株式会社");
                kana: ("フリガナ", "名称の読み", "How the name is read", "ソナエセイサクショ");
                corporate_number: ("法人番号", "13桁の法人番号。検査用数字を確かめる", "The corporate number, 13 digits with a valid check digit", "7010401022916");
                jsic_division: ("産業中分類", "日本標準産業分類（第14回改定）の中分類、01〜99。不明なら危険側に計算", "JSIC division (revision 14), 01 to 99; unknown counts like the riskiest", "\"31\"");
                employee_count: ("従業員数", "常時使用する従業員の数。不明なら資本金から、どちらも不明なら危険側に計算", "Employees; with neither these nor capital it counts like the riskiest", "46");
                capital_jpy: ("資本金", "資本金（円）", "Capital, in yen", "30000000");
                prefecture_code: ("都道府県コード", "JIS X 0401 の2桁", "The prefecture by JIS X 0401", "\"13\"");
                data_access: ("データの取扱い", "発注者のデータをどこまで預けているか。空ならなし", "The buyer's data that it holds; `none` if omitted", "internal");
                network_access: ("ネットワーク接続", "発注者のネットワークにどうつながるか。空ならなし", "Its connection to the buyer's network; `none` if omitted", "limited");
                total_endpoints: ("端末総数", "PCやサーバーの数。カバー率が不明なときに使う", "All its endpoints; used where a coverage share is not known", "118");
                reports_incidents_since: ("報告の合意日", "事案を報告する合意がある日から。空なら合意なし", "The first day of an agreement to report incidents; no agreement if omitted", "\"2024-04-01\"");
            }
            shown {
                merged_into_id: None;
            }
            kept {
                search_text: String::new();
            }
        }
    }

    const SHOWN: &'static [Field] = &[Field::of::<Supplier, _>(
        |row| &row.merged_into_id,
        "merged_into_id",
        (
            "統合先",
            "同じ企業として統合された先の取引先",
            "The supplier that this one was merged into, if it was",
            "01999999-9999-7999-8999-999999999999",
        ),
    )];

    const FILTERS: &'static [Field] = &[
        Field {
            name: "q",
            heading: "検索語",
            ja: "名称かフリガナに含まれる語。全角・半角、ひらがな・カタカナ、㈱などの違いは問わない",
            en: "What the name or kana contains; width, case, hiragana or katakana, and forms like ㈱ make no difference",
            kind: Kind::Text { max: 200 },
            is_required: false,
            example: "製作所",
            read: String::read_scalar,
        },
        Field::of::<Supplier, _>(
            |row| &row.corporate_number,
            "corporate_number",
            ("法人番号", "この法人番号のもの", "Only with this corporate number (法人番号)", "7010401022916"),
        ),
        Field::of::<Supplier, _>(
            |row| &row.jsic_division,
            "jsic_division",
            ("産業中分類", "この中分類のもの", "Only this division", "\"31\""),
        ),
        Field::of::<Supplier, _>(
            |row| &row.prefecture_code,
            "prefecture_code",
            ("都道府県コード", "この都道府県のもの", "Only this prefecture", "\"13\""),
        ),
        Field::of::<Supplier, _>(
            |row| &row.data_access,
            "data_access",
            ("データの取扱い", "この取扱いのもの", "Only with this data access", "confidential"),
        ),
        Field::of::<Supplier, _>(
            |row| &row.network_access,
            "network_access",
            ("ネットワーク接続", "この接続のもの", "Only with this network access", "privileged"),
        ),
        Field {
            name: "include_merged",
            heading: "統合済みも含める",
            ja: "true なら、ほかの取引先に統合されたものも含める",
            en: "`true`: also those that were merged into others",
            kind: Kind::Flag,
            is_required: false,
            example: "true",
            read: bool::read_scalar,
        },
    ];

    fn read_filter(fields: &mut Fields<'_>) -> Option<SupplierFilter> {
        let name_contains = fields.value("q", None);
        let corporate_number = fields.value("corporate_number", None);
        let jsic_division = fields.value("jsic_division", None);
        let prefecture_code = fields.value("prefecture_code", None);
        let data_access = fields.value("data_access", None);
        let network_access = fields.value("network_access", None);
        let with_merged = fields.value::<Option<bool>>("include_merged", None);
        Some(SupplierFilter {
            name_contains: name_contains?,
            corporate_number: corporate_number?,
            jsic_division: jsic_division?,
            prefecture_code: prefecture_code?,
            data_access: data_access?,
            network_access: network_access?,
            with_merged: with_merged?.unwrap_or(false),
        })
    }

    fn key(&self, _: Option<&ExternalId>) -> Option<Key> {
        Some(Key::Fixed(self.supplier_code.to_string()))
    }

    fn register(tx: &mut Tx, rows: &[Stored<Self>]) -> Result<(), RepoError> {
        let ids: Vec<SupplierId> = rows.iter().map(|row| row.meta.id).collect();
        suppliers::register(tx, &ids)
    }

    fn left_alone(now: &Stored<Self>) -> Option<Reason> {
        let is_archived = now.meta.ended_on.is_some();
        match now.attributes.merged_into_id {
            Some(_) => Some(Reason::MergedAway),
            // A supplier that an import has ended becomes active again when a later import delivers it. One that a
            // person has archived stays archived.
            None => (is_archived && now.meta.recorded.import_id.is_none()).then_some(Reason::StaysArchived),
        }
    }

    fn refuse_change(now: &Stored<Self>) -> Result<(), ApiError> {
        match now.attributes.merged_into_id {
            None => Ok(()),
            Some(target) => Err(Problem::from(ProblemKind::WrongState)
                .detail(
                    format!("取引先 {target} に統合されています。そちらを変更するか、統合を解除してください"),
                    format!("it was merged into supplier {target}; change that one, or unmerge it first"),
                )
                .into()),
        }
    }

    fn warnings(tx: &mut Tx, rows: &[&Stored<Self>]) -> Result<Vec<Vec<Fault>>, RepoError> {
        let words = |codes: Vec<SupplierCode>| codes.iter().map(ToString::to_string).collect();
        let doubles = suppliers::doubles(tx, rows)?.into_iter();
        let warnings = doubles.map(|found| {
            let mut warnings = Vec::new();
            if !found.by_number.is_empty() {
                warnings.push(Fault::new("corporate_number", Reason::SameCorporateNumber(words(found.by_number))));
            }
            if !found.by_name.is_empty() {
                warnings.push(Fault::new("name", Reason::SameName(words(found.by_name))));
            }
            warnings
        });
        Ok(warnings.collect())
    }

    fn changes(_: &mut Tx, rows: &[(Option<&Self>, &Stored<Self>)]) -> Result<Vec<Vec<Fault>>, RepoError> {
        let changed = rows.iter().map(|(before, stored)| {
            let numbers = before
                .and_then(|before| before.corporate_number.as_ref())
                .zip(stored.attributes.corporate_number.as_ref());
            let changed = numbers.filter(|(was, now)| was != now);
            let warning = changed.map(|(was, now)| {
                let (was, now) = (was.to_string(), now.to_string());
                Fault::new("corporate_number", Reason::CorporateNumberChanged { was, now })
            });
            warning.into_iter().collect()
        });
        Ok(changed.collect())
    }
}

type SupplierView = records::View<Supplier>;
type SupplierList = records::ListView<Supplier>;
type CreateSupplier = records::CreateBody<Supplier>;
type ChangeSupplier = records::ChangeBody<Supplier>;
type PutSupplier = records::ReplaceBody<Supplier>;

/// List suppliers
///
/// Firms as they are now, or as they were known at a moment; neither merged nor archived ones unless asked for.
#[utoipa::path(tag = "suppliers", security(("bearer" = ["viewer"])), params(ListQuery<Supplier>), responses((status = 200, body = SupplierList, description = "The page.")))]
#[get("/suppliers")]
async fn list_suppliers(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    records::list::<Supplier>(viewer.0, state, request, query).await
}

/// Create a supplier
///
/// All faults are reported at once. If there is any, nothing is stored. A second supplier with the same 法人番号 is
/// taken with a warning.
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    request_body(content = CreateSupplier, description = "The supplier."),
    responses((status = 201, body = SupplierView, description = "Created. Location has its address, and ETag its version."), openapi::KeyTaken)
)]
#[post("/suppliers")]
async fn create_supplier(
    analyst: Analyst,
    state: Data<State>,
    request: HttpRequest,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    records::create::<Supplier>(analyst.0, state, request, body).await
}

/// Get a supplier
///
/// The id of a merged supplier leads to the canonical record, whose address is in Content-Location.
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["viewer"])),
    params(IdPath<Supplier>, ReadQuery),
    responses((status = 200, body = SupplierView, description = "The supplier; its ETag names the version."))
)]
#[get("/suppliers/{id}")]
async fn get_supplier(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
    query: Query,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    // Whether it was merged is read for the same moment. A malformed moment is refused later, with all other faults.
    let known_at = query.0.iter().find(|(name, _)| name == "known_at").and_then(|(_, text)| Timestamp::parse(text));
    let supplier = id.0;
    let target = state
        .db
        .read(&viewer.0, move |tx| {
            let found = Supplier::find(tx, supplier, known_at)?;
            Ok(found.and_then(|found| found.attributes.merged_into_id))
        })
        .await?;
    let Some(target) = target else {
        return records::find::<Supplier>(viewer.0, state, request, id, query, preconditions).await;
    };
    let mut response =
        records::find::<Supplier>(viewer.0, state, request, IdPath(target), query, Preconditions::none()).await?;
    let location = header::HeaderValue::from_str(&format!("{}/{target}", Supplier::PATH));
    response.headers_mut().insert(header::CONTENT_LOCATION, location.map_err(ApiError::internal)?);
    // The ETag names a version of the other supplier: it cannot be used to change this one.
    response.headers_mut().remove(header::ETAG);
    Ok(response)
}

/// Put a supplier by its code
///
/// Creates the supplier with this code of the buyer, or replaces all its fields. Replacing needs If-Match; `*` matches
/// any version.
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(CodeQuery, IfMatchToReplace),
    request_body(content = PutSupplier, description = "All fields. Omitted fields become unknown."),
    responses(
        (status = 200, body = SupplierView, description = "Replaced."),
        (status = 201, body = SupplierView, description = "Created."), openapi::KeyTakenOrWrongState
    )
)]
#[put("/suppliers/by-code")]
async fn put_supplier_by_code(
    analyst: Analyst,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    records::put::<Supplier>(analyst.0, state, request, query, preconditions, body).await
}

/// Change a supplier
///
/// Changes fields by JSON Merge Patch. The previous version stays in the history.
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatch),
    request_body(content = ChangeSupplier, description = "What changes.", content_type = "application/merge-patch+json"),
    responses((status = 200, body = SupplierView, description = "The new version."), openapi::WrongState)
)]
#[patch("/suppliers/{id}")]
async fn change_supplier(
    analyst: Analyst,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
    preconditions: Preconditions,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    records::change::<Supplier>(analyst.0, state, request, id, preconditions, body).await
}

/// List the versions of a supplier
///
/// All versions, latest first: when they were recorded, by whom, and by which import.
#[utoipa::path(tag = "suppliers", security(("bearer" = ["viewer"])), params(IdPath<Supplier>), responses((status = 200, body = SupplierList, description = "All versions.")))]
#[get("/suppliers/{id}/versions")]
async fn list_supplier_versions(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
) -> Result<HttpResponse, ApiError> {
    records::versions::<Supplier>(viewer.0, state, request, id).await
}

/// The code in an address, for the API document.
pub(crate) struct CodeQuery;

impl utoipa::IntoParams for CodeQuery {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        let text = "The buyer's code of the supplier.";
        let shape = crate::http::openapi::text_schema(text, "S0000001").max_length(64);
        vec![crate::http::openapi::parameter("supplier_code", text, shape, true)]
    }
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_suppliers)
        .service(create_supplier)
        .service(merge::get_supplier_by_code)
        .service(put_supplier_by_code)
        .service(get_supplier)
        .service(change_supplier)
        .service(lifecycle::delete_supplier)
        .service(lifecycle::archive_supplier)
        .service(lifecycle::restore_supplier)
        .service(merge::merge_supplier)
        .service(merge::unmerge_supplier)
        .service(merge::list_merged_suppliers)
        .service(list_supplier_versions)
        .service(incident_contact::get_incident_contact)
        .service(incident_contact::put_incident_contact)
        .service(incident_contact::erase_incident_contact);
}
