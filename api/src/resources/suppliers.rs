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
use crate::http::page::List;
use crate::http::state::State;
use crate::records::{self, IfMatch, IfMatchToReplace, Key, ListQuery, ReadQuery, Resource, resource};

impl Resource for Supplier {
    const KIND: RecordKind = RecordKind::Suppliers;
    const NAME: &'static str = "Supplier";
    const NAME_JA: &'static str = "取引先";
    const PATH: &'static str = "/v1/suppliers";
    const HAS_EXTERNAL_ID: bool = false;
    const KEY_FIELD: &'static str = "supplier_code";

    resource! {
        Supplier {
            fields {
                supplier_code: ("取引先コード", "発注者が使う取引先コード。同じコードは1社だけ", "The buyer's code of the supplier. No two suppliers have the same", "S0000001");
                name: ("取引先名", "取引先の名称", "The name of the firm", "備製作所株式会社");
                kana: ("フリガナ", "名称の読み", "The reading of the name, in kana", "ソナエセイサクショ");
                corporate_number: ("法人番号", "13桁の法人番号。検査用数字を確かめる", "The corporate number: 13 digits with a valid check digit", "7010401022916");
                jsic_division: ("産業中分類", "日本標準産業分類（第14回改定）の中分類、01〜99。不明なら危険側に計算", "The division of the Japanese industry classification JSIC (revision 14), 01 to 99. If unknown, the riskiest is assumed", "\"31\"");
                employee_count: ("従業員数", "常時使用する従業員の数。不明なら資本金から、どちらも不明なら危険側に計算", "The number of employees. If unknown, the size follows from the capital; if that is unknown too, the riskiest is assumed", "46");
                capital_jpy: ("資本金", "資本金（円）", "The capital, in yen", "30000000");
                prefecture_code: ("都道府県コード", "JIS X 0401 の2桁", "The prefecture, as two digits of JIS X 0401", "\"13\"");
                data_access: ("データの取扱い", "発注者のデータをどこまで預けているか。空ならなし", "The data of the buyer that the supplier holds. `none` if omitted", "internal");
                network_access: ("ネットワーク接続", "発注者のネットワークにどうつながるか。空ならなし", "The supplier's connection to the buyer's network. `none` if omitted", "limited");
                total_endpoints: ("端末総数", "PCやサーバーの数。カバー率が不明なときに使う", "The number of the supplier's endpoints: PCs and servers. Used if a coverage share is unknown", "118");
                reports_incidents_since: ("報告の合意日", "事案を報告する合意が始まった日。空なら合意なし", "The first day of an agreement to report incidents. No agreement if omitted", "\"2024-04-01\"");
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
            "同じ企業として統合された先の取引先。統合されていなければnull",
            "The supplier that this one was merged into. Null if it was not merged",
            "01999999-9999-7999-8999-999999999999",
        ),
    )];

    const FILTERS: &'static [Field] = &[
        Field {
            name: "q",
            heading: "検索語",
            ja: "名称かフリガナにこの語を含む取引先だけ。全角・半角、ひらがな・カタカナ、㈱などの違いは問わない",
            en: "Only suppliers whose name or kana contains this text. Differences in width, case, hiragana and katakana, and in \
                 forms such as ㈱ and 株式会社, are ignored",
            kind: Kind::Text { max: 200 },
            is_required: false,
            example: "製作所",
            read: String::read_scalar,
        },
        Field::of::<Supplier, _>(
            |row| &row.corporate_number,
            "corporate_number",
            (
                "法人番号",
                "この法人番号の取引先だけ",
                "Only suppliers with this corporate number (法人番号)",
                "7010401022916",
            ),
        ),
        Field::of::<Supplier, _>(
            |row| &row.jsic_division,
            "jsic_division",
            ("産業中分類", "この産業中分類の取引先だけ", "Only suppliers of this industry division", "\"31\""),
        ),
        Field::of::<Supplier, _>(
            |row| &row.prefecture_code,
            "prefecture_code",
            ("都道府県コード", "この都道府県の取引先だけ", "Only suppliers in this prefecture", "\"13\""),
        ),
        Field::of::<Supplier, _>(
            |row| &row.data_access,
            "data_access",
            (
                "データの取扱い",
                "データの取扱いがこの区分の取引先だけ",
                "Only suppliers with this data access",
                "confidential",
            ),
        ),
        Field::of::<Supplier, _>(
            |row| &row.network_access,
            "network_access",
            (
                "ネットワーク接続",
                "ネットワーク接続がこの区分の取引先だけ",
                "Only suppliers with this network access",
                "privileged",
            ),
        ),
        Field {
            name: "include_merged",
            heading: "統合済みも含める",
            ja: "ほかの取引先に統合されたものも含めるか。省略時は `false`",
            en: "Whether to include suppliers that were merged into others; `false` if omitted",
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
type SupplierList = List<SupplierView>;
type CreateSupplier = records::CreateBody<Supplier>;
type ChangeSupplier = records::ChangeBody<Supplier>;
type PutSupplier = records::ReplaceBody<Supplier>;

/// List suppliers
/// ja: 取引先を一覧する
///
/// The suppliers as they are now, or as they were known at a moment. Merged and archived suppliers are left out unless
/// `include_merged` or `include_ended` is given.
/// ja: 現在の、または指定した日時の取引先を返す。統合されたものと取引終了のものは、`include_merged`、`include_ended`
/// を指定したときだけ含める。
#[utoipa::path(tag = "suppliers", security(("bearer" = ["viewer"])), params(ListQuery<Supplier>), responses((status = 200, body = SupplierList, description = "The page.\nja: 一覧の1ページ")))]
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
/// ja: 取引先を登録する
///
/// All faults are reported at once. If there is any, nothing is stored. A second supplier with the same corporate number
/// (法人番号) is accepted with a warning.
/// ja: 誤りはまとめて報告する。1つでもあれば何も登録しない。法人番号がほかの取引先と同じときは、警告を付けて登録する。
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    request_body(content = CreateSupplier, description = "The supplier.\nja: 取引先"),
    responses((status = 201, body = SupplierView, description = "The created supplier. Location has its address, and ETag its version.\nja: 登録した取引先。アドレスはLocation、版はETagにある"), openapi::KeyTaken)
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
/// ja: 取引先を取得する
///
/// For the id of a merged supplier, the canonical record is returned. Its address is in Content-Location.
/// ja: 統合された取引先のIDには、統合先の取引先を返す。そのアドレスはContent-Locationにある。
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["viewer"])),
    params(IdPath<Supplier>, ReadQuery),
    responses((status = 200, body = SupplierView, description = "The supplier. ETag has its version.\nja: 取引先。版はETagにある"))
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
/// ja: 取引先コードを指定して取引先を登録・置換する
///
/// Creates the supplier with this code of the buyer, or replaces all its fields. Replacing needs If-Match; `*` matches
/// any version.
/// ja: この取引先コードの取引先を登録する。すでにあれば全項目を置き換える。置き換えにはIf-Matchが必要（版を問わないときは
/// `*`）。
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(CodeQuery, IfMatchToReplace),
    request_body(content = PutSupplier, description = "All fields. Omitted fields become unknown.\nja: すべての項目。省略した項目は不明になる"),
    responses(
        (status = 200, body = SupplierView, description = "The new version.\nja: 新しい版"),
        (status = 201, body = SupplierView, description = "The created supplier.\nja: 登録した取引先"), openapi::KeyTakenOrWrongState
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
/// ja: 取引先を変更する
///
/// Changes fields by JSON Merge Patch. The previous version stays in the history.
/// ja: JSON Merge Patchで項目を変更する。前の版は履歴に残る。
#[utoipa::path(
    tag = "suppliers",
    security(("bearer" = ["analyst"])),
    params(IdPath<Supplier>, IfMatch),
    request_body(content = ChangeSupplier, description = "The fields to change.\nja: 変更する項目", content_type = "application/merge-patch+json"),
    responses((status = 200, body = SupplierView, description = "The new version.\nja: 新しい版"), openapi::WrongState)
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
/// ja: 取引先の版を一覧する
///
/// All versions, latest first: when they were recorded, by whom, and by which import.
/// ja: すべての版を新しい順に返す。記録した日時、トークン、取り込みが分かる。
#[utoipa::path(tag = "suppliers", security(("bearer" = ["viewer"])), params(IdPath<Supplier>), responses((status = 200, body = SupplierList, description = "All versions.\nja: すべての版")))]
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
        let text = "The buyer's code of the supplier.\nja: 発注者が使う取引先コード";
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
