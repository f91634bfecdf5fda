//! Scores by the codes of purchasing systems.

use std::borrow::Cow;
use std::collections::HashMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use schema::scores::{self, ScoreRow};
use schema::{Record, RunId, Source, SupplierCode, SupplierId, SystemName, Tx, supplier_codes, suppliers};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::detail::ScoreDetailView;
use super::{OpenedScore, ScoreItem, SourceRun, SourceRunView, StalenessCheck};
use crate::base::fault::{Fault, Reason, WITHIN};
use crate::base::fields::{Cell, FieldValue, Fields};
use crate::base::problem::{ApiError, Problem};
use crate::base::text::Text;
use crate::http::auth::{Integrator, Viewer};
use crate::http::extract::{JsonBody, Preconditions, Query, answer_unless_known, language};
use crate::http::openapi::{self, array_of_up_to, both, id_schema, object, text_schema};
use crate::http::state::State;
use crate::resources::score_runs::RunQuery;
use crate::resources::suppliers::{AnyCodeQuery, unknown_code};

/// The most codes of one look-up.
const MAX_CODES: usize = 1000;

/// The parameters of a score by code, for the API document.
struct CodeScoreQuery;

impl IntoParams for CodeScoreQuery {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = AnyCodeQuery::into_params(&place);
        parameters.extend(RunQuery::into_params(place));
        parameters
    }
}

/// The space of codes to look in: the buyer's own codes, or those of a purchasing system.
#[derive(Debug, Clone)]
struct CodeSpace {
    system: Option<SystemName>,
    company: Option<SystemName>,
}

impl CodeSpace {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let system = fields.value::<Option<SystemName>>("system", None);
        let company = fields.value::<Option<SystemName>>("company", None);
        if matches!((&system, &company), (Some(None), Some(Some(_)))) {
            fields.faults.push(Fault::new("system", Reason::Model(scoring::Reason::MissingValue)));
        }
        Some(Self { system: system?, company: company? })
    }

    /// Returns the suppliers that have these codes, each with its canonical record.
    fn find(&self, tx: &mut Tx, codes: &[SupplierCode]) -> Result<HashMap<String, [SupplierId; 2]>, ApiError> {
        let Some(system) = &self.system else {
            if let [code] = codes {
                let found = suppliers::ids_of_code(tx, code.as_str())?;
                return Ok(found.map(|ids| (code.to_string(), ids)).into_iter().collect());
            }
            let codes: Vec<&str> = codes.iter().map(SupplierCode::as_str).collect();
            return Ok(suppliers::ids_of_codes(tx, &codes)?.into_iter().collect());
        };
        let key = |code| supplier_codes::SystemCode::key(system, self.company.as_ref(), code);
        let keys: Vec<String> = codes.iter().map(key).collect();
        let found = supplier_codes::SystemCode::with_keys(tx, &Source::manual(), &keys, None)?;
        let found: HashMap<String, SupplierId> =
            found.into_iter().map(|found| (found.meta.record_key, found.attributes.supplier_id)).collect();
        let standing = suppliers::references(tx, found.values().copied(), None)?;
        let of_key = |(code, key): (&SupplierCode, &String)| {
            let id = *found.get(key)?;
            Some((code.to_string(), [id, standing.get(&id)?.id]))
        };
        Ok(codes.iter().zip(&keys).filter_map(of_key).collect())
    }
}

/// Get a score by a code
/// ja: コードでスコアを取得する
///
/// The code is the buyer's own, or that of a purchasing system (`system`, and `company` if the system has several).
/// ja: コードは発注者の取引先コード、または購買システムのコード（`system`、会社が複数あれば `company` も指定）。
#[utoipa::path(
    tag = "scores",
    security(("bearer" = ["viewer"])),
    params(CodeScoreQuery),
    responses((status = 200, body = ScoreDetailView), openapi::NotScored)
)]
#[get("/scores/by-code")]
pub(super) async fn get_score_by_code(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let (lang, staleness) = (language(request.headers()), StalenessCheck::new(&state, &viewer.0));
    let (code, code_space, run) = query.read(&["code", "system", "company", "score_run_id"], |fields| {
        let code = fields.value::<SupplierCode>("code", None);
        let code_space = CodeSpace::read(fields);
        let run = fields.value::<Option<RunId>>("score_run_id", None);
        Some((code?, code_space?, run?))
    })?;
    let answer = state
        .db
        .look_up(&viewer.0, move |tx| {
            let found = code_space.find(tx, std::slice::from_ref(&code))?;
            let supplier = found.into_values().next().ok_or_else(|| unknown_code(&code))?;
            let source = SourceRun::find(tx, run, &staleness)?;
            let score = OpenedScore::read(tx, &source, supplier)?;
            Ok(ScoreDetailView::new(score, SourceRunView::from(&source), lang))
        })
        .await?;
    Ok(answer_unless_known(&answer, &preconditions))
}

/// The schema of the body of a look-up.
struct LookUp;

impl PartialSchema for LookUp {
    fn schema() -> RefOr<Schema> {
        let code = text_schema(&both("A code.", "コード"), "S0000001").min_length(1).max_length(64);
        let codes = both("The codes, up to 1,000.", "コード（1,000件まで）");
        let system = both(
            "The purchasing system that uses the codes; the buyer's own codes if omitted.",
            "コードを使う購買システム（省略時は発注者の取引先コード）",
        );
        let company = both("The company within the system.", "購買システムの会社");
        let run = both("The run to read; the latest if omitted.", "対象の計算（省略時は最新）");
        object(&both("The codes to look up.", "照会するコード"))
            .property("codes", array_of_up_to(MAX_CODES, &codes, code), true)
            .property("system", text_schema(&system, "sap").max_length(64).or_null(), false)
            .property("company", text_schema(&company, "1000").max_length(64).or_null(), false)
            .property("score_run_id", id_schema(&run).or_null(), false)
            .closed()
            .into()
    }
}

impl ToSchema for LookUp {
    fn name() -> Cow<'static, str> {
        "LookUpScores".into()
    }
}

/// Whether a code has a score.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = "found")]
enum LookUpState {
    Found,
    NotFound,
    NotScored,
}

/// The scores of a look-up.
/// ja: 照会の結果
#[derive(Serialize, ToSchema)]
#[schema(as = FoundScores)]
struct FoundScoresView<'a> {
    /// One item for each code, in the order of the codes.
    /// ja: コードごとの結果（照会した順）
    items: Vec<FoundScoreView<'a>>,
    #[serde(flatten)]
    source: SourceRunView,
}

/// The result for a code.
/// ja: コード1件の結果
#[derive(Serialize, ToSchema)]
#[schema(as = FoundScore)]
struct FoundScoreView<'a> {
    /// The code, as it was sent.
    /// ja: 送られたコード
    #[schema(value_type = String, example = "S0000001")]
    code: &'a Value,
    /// Whether there is a score: `not_found` if no supplier has the code, `not_scored` if the run did not score the supplier.
    /// ja: スコアの有無（`not_found` は該当する取引先なし、`not_scored` はこの計算の対象外）
    state: LookUpState,
    /// The score; null unless it was found.
    /// ja: スコア（なければ null）
    score: Option<ScoreItem<'a>>,
}

impl<'a> FoundScoreView<'a> {
    /// `supplier` is the supplier that has the code, and its canonical record.
    fn new(code: &'a Value, supplier: Option<&[SupplierId; 2]>, scores: &'a HashMap<SupplierId, ScoreRow>) -> Self {
        let score = supplier.and_then(|ids| ids.iter().find_map(|id| scores.get(id)));
        let state = match (supplier, score) {
            (None, _) => LookUpState::NotFound,
            (Some(_), None) => LookUpState::NotScored,
            (Some(_), Some(_)) => LookUpState::Found,
        };
        Self { code, state, score: score.map(|row| ScoreItem(Cow::Borrowed(row))) }
    }
}

/// Look up scores
/// ja: スコアをまとめて照会する
///
/// Up to 1,000 codes at once. The answer keeps their order, and says for each code whether a score was found.
/// ja: 一度に1,000件まで。照会した順に、スコアの有無とスコアを返す。
#[utoipa::path(
    tag = "scores",
    security(("bearer" = ["integrator"])),
    request_body(content = LookUp, description = "The codes.\nja: 照会するコード"),
    responses((status = 200, body = FoundScoresView), openapi::NotScored)
)]
#[post("/scores/lookup")]
pub(super) async fn look_up_scores(
    integrator: Integrator,
    state: Data<State>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let staleness = StalenessCheck::new(&state, &integrator.0);
    let ((codes, sent), code_space, run) = read_look_up(&body)?;
    let answer = state
        .db
        .read(&integrator.0, move |tx| {
            let source = SourceRun::find(tx, run, &staleness)?;
            let found = code_space.find(tx, &codes)?;
            let mut ids: Vec<_> = found.values().flatten().copied().collect();
            ids.sort_unstable();
            ids.dedup();
            let rows = scores::of_suppliers(tx, source.run.id, &ids)?;
            let scores = rows.into_iter().map(|row| (row.supplier_id, row)).collect();
            let items = codes.iter().zip(&sent);
            let items = items.map(|(code, sent)| FoundScoreView::new(sent, found.get(code.as_str()), &scores));
            // A thousand scores take milliseconds to write, too long for the threads that answer.
            let answer = FoundScoresView { items: items.collect(), source: SourceRunView::from(&source) };
            serde_json::to_vec(&answer).map_err(ApiError::internal)
        })
        .await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(answer))
}

/// The codes as they are registered, and as they were sent.
type LookedUpCodes = (Vec<SupplierCode>, Vec<Value>);

fn read_look_up(body: &JsonBody) -> Result<(LookedUpCodes, CodeSpace, Option<RunId>), ApiError> {
    let mut none = ();
    let mut fields = Fields::new(body.members().cells(), &mut none);
    fields.expect_only(&["codes", "system", "company", "score_run_id"]);
    let codes = read_codes(&mut fields);
    let code_space = CodeSpace::read(&mut fields);
    let run = fields.value::<Option<RunId>>("score_run_id", None);
    match (codes, code_space, run, fields.faults) {
        (Some(codes), Some(code_space), Some(run), faults) if faults.is_empty() => Ok((codes, code_space, run)),
        (.., faults) => Err(Problem::body(faults).into()),
    }
}

fn read_codes(fields: &mut Fields<'_>) -> Option<LookedUpCodes> {
    let values = match fields.json("codes") {
        Some(Value::Array(values)) => values.clone(),
        Some(_) => {
            fields.faults.push(Fault::new("codes", Reason::WrongType("array")));
            return None;
        }
        None => {
            fields.faults.push(Fault::new("codes", Reason::Model(scoring::Reason::MissingValue)));
            return None;
        }
    };
    if values.is_empty() {
        fields.faults.push(Fault::new("codes", Reason::Model(scoring::Reason::MissingValue)));
        return None;
    }
    if values.len() > MAX_CODES {
        let what = Text::new("コードの数", "codes");
        fields.faults.push(Fault::new("codes", Reason::TooMany { what, max: MAX_CODES }));
        return None;
    }
    let mut codes = Vec::with_capacity(values.len());
    for (place, value) in values.iter().enumerate() {
        match SupplierCode::read(&Cell::Json(value)) {
            Ok(code) => codes.push(code),
            Err(reason) => {
                let fault = Fault { field: format!("codes{WITHIN}{place}"), value: Some(value.to_string()), reason };
                fields.faults.push(fault);
            }
        }
    }
    (codes.len() == values.len()).then_some((codes, values))
}
