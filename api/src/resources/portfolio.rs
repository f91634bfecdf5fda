//! The portfolio at a glance: grades, losses and the indicators of SC3, now and over time.

use std::borrow::Cow;
use std::collections::HashMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use schema::score_runs;
use schema::scores::{self, ScoreRow};
use schema::{RunId, Tx};
use scoring::{GRADES, Lang};
use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::problem::ApiError;
use crate::http::auth::Viewer;
use crate::http::extract::{Preconditions, Query, answer_unless_known, language};
use crate::http::openapi::{
    self, Shape, array, choice_schema, id_schema, number_schema, object, text_schema, whole_schema,
};
use crate::http::page::Paging;
use crate::http::state::State;
use crate::resources::score_runs::overview::{Overview, Part};
use crate::resources::score_runs::{
    HISTORY, HistoryQuery, RunQuery, page_of_runs, read_runs, run_properties, write_run,
};
use crate::resources::scores::{SourceRun, StalenessCheck, basis_properties, explanation, read_facts};

/// A share: its name, how it is read, and what it is a share of.
type Share = (&'static str, fn(&Overview) -> Option<Part>, &'static str);

/// The shares that the indicators consist of.
const SHARES: [Share; 13] = [
    ("monitored", |o| Some(o.monitored), "Suppliers with an active お助け隊 enrollment that covers more than nothing"),
    ("security_action_1", |o| Some(o.security_action_1), "Suppliers with SECURITY ACTION ★1 or ★2"),
    ("security_action_2", |o| Some(o.security_action_2), "Suppliers with SECURITY ACTION ★2"),
    (
        "security_action_1_sme",
        |o| Some(o.security_action_1_sme),
        "The same with ★1 or ★2, of micro, small and medium enterprises",
    ),
    (
        "security_action_2_sme",
        |o| Some(o.security_action_2_sme),
        "The same with ★2, of micro, small and medium enterprises",
    ),
    ("scs_3", |o| Some(o.scs_3), "Suppliers with SCS ★3 or higher"),
    ("scs_4", |o| Some(o.scs_4), "Suppliers with SCS ★4 or higher"),
    ("scs_5", |o| Some(o.scs_5), "Suppliers with SCS ★5"),
    ("isms", |o| Some(o.isms), "Suppliers with an ISMS certificate"),
    ("reporting", |o| Some(o.reporting), "Suppliers that agreed to report incidents"),
    (
        "verified_contacts",
        |o| o.verified_contacts,
        "Suppliers with an incident contact verified within 12 months, when it was scored",
    ),
    (
        "without_evidence",
        |o| Some(o.without_evidence),
        "Suppliers with no enrollment, certification, agreement or incident",
    ),
    ("expired", |o| Some(o.expired), "Enrollments and certificates that are over, of all that began"),
];

fn part(part: Part) -> Value {
    json!({ "count": part.count, "of": part.of, "share": part.share() })
}

fn part_schema(description: &str) -> Shape {
    object(description)
        .property("count", whole_schema("Suppliers that meet the indicator.", 78), true)
        .property("of", whole_schema("Suppliers that it is measured over.", 300), true)
        .property("share", number_schema("Share, 0 to 1; null if there is nothing to measure.", 0.26).or_null(), true)
}

/// Returns the numbers of a run, except those that name suppliers.
fn numbers(overview: &Overview) -> Map<String, Value> {
    let grades = |counts: [usize; 5]| -> Value {
        GRADES.iter().zip(counts).map(|(grade, count)| json!({ "grade": grade, "supplier_count": count })).collect()
    };
    let mut out = Map::new();
    let mut set = |name: &str, value: Value| out.insert(name.to_owned(), value);
    set("supplier_count", json!(overview.supplier_count));
    set("grades", grades(overview.grades));
    set("chain_grades", grades(overview.chain_grades));
    set("expected_annual_loss_jpy", json!(overview.expected_annual_loss_jpy));
    set("annual_spend_jpy", json!(overview.annual_spend_jpy));
    set("monitored_spend_jpy", json!(overview.monitored_spend_jpy));
    set("monitored_spend_share", json!(overview.monitored_spend_share()));
    for (name, of, _) in SHARES {
        set(name, of(overview).map_or(Value::Null, part));
    }
    let by_tier = overview.monitored_by_tier.iter();
    set("monitored_by_tier", by_tier.map(|(tier, found)| json!({ "tier": tier, "monitored": part(*found) })).collect());
    let by_size = overview.monitored_by_size.iter();
    set(
        "monitored_by_size_class",
        by_size.map(|(size, found)| json!({ "size_class": size, "monitored": part(*found) })).collect(),
    );
    set("evidence_age_median_days", json!(overview.evidence_age_median_days));
    set("sole_source_unmonitored_supplier_count", json!(overview.sole_source_unmonitored_count));
    set("sole_source_unmonitored_loss_jpy", json!(overview.sole_source_unmonitored_loss_jpy));
    set("tier_1_supplier_count", json!(overview.tier_1_count));
    let operators = overview.operators.iter().flatten();
    let all: usize = operators.clone().map(|(_, count)| count).sum();
    let operators = operators.map(|(name, count)| {
        let share = Part { count: *count, of: all }.share();
        json!({ "provider_name": name, "enrollment_count": count, "share": share })
    });
    set("operators", operators.collect());
    out
}

fn number_properties(shape: Shape) -> Shape {
    let grades = |text: &str| {
        let grade = object("A grade.").property("grade", choice_schema("The grade.", &GRADES, "C"), true).property(
            "supplier_count",
            whole_schema("The number of suppliers with it.", 129),
            true,
        );
        array(text, grade)
    };
    let tier = object("A tier.")
        .property(
            "tier",
            whole_schema(
                "Tier 1 supplies the buyer; 10 means 10 and above; null if no path to the buyer is recorded.",
                1,
            )
            .or_null(),
            true,
        )
        .property("monitored", part_schema("Monitored ones."), true);
    let size = object("A size class.")
        .property("size_class", choice_schema("The size class.", &["micro", "sme", "large", "unknown"], "sme"), true)
        .property("monitored", part_schema("Monitored ones."), true);
    let operator = object("An operator.")
        .property("provider_name", text_schema("Its name; null if unknown.", "事業者01").or_null(), true)
        .property("enrollment_count", whole_schema("Active enrollments with it.", 12), true)
        .property("share", number_schema("Their share of all, 0 to 1.", 0.08).or_null(), true);
    let yen = |text: &str| number_schema(text, 605_659_058.2);
    let mut shape = shape
        .property("supplier_count", whole_schema("All suppliers.", 300), true)
        .property("grades", grades("By the suppliers' own risk."), true)
        .property("chain_grades", grades("With what is inherited."), true)
        .property("expected_annual_loss_jpy", yen("Mean yen a year that the buyer loses."), true)
        .property("annual_spend_jpy", yen("Yen a year spent with direct suppliers."), true)
        .property("monitored_spend_jpy", yen("The part of it spent with monitored ones."), true)
        .property("monitored_spend_share", number_schema("The same as a share, 0 to 1.", 0.287).or_null(), true);
    for (name, _, text) in SHARES {
        let found = part_schema(&format!("{text}."));
        shape = shape.property(name, if name == "verified_contacts" { found.or_null() } else { found }, true);
    }
    let age =
        "Median of the days since the newest evidence of each supplier that has any; 0 while an enrollment is active.";
    shape
        .property("monitored_by_tier", array("Monitored suppliers by tier.", tier), true)
        .property("monitored_by_size_class", array("Monitored suppliers by size class.", size), true)
        .property("evidence_age_median_days", number_schema(age, 120.0).or_null(), true)
        .property(
            "sole_source_unmonitored_supplier_count",
            whole_schema("Direct suppliers without alternative and without monitoring.", 9),
            true,
        )
        .property("sole_source_unmonitored_loss_jpy", yen("Mean yen a year that the buyer loses through them."), true)
        .property("tier_1_supplier_count", whole_schema("Suppliers that supply the buyer directly.", 120), true)
        .property("operators", array("Active enrollments by operator, the most first.", operator), true)
}

/// The schema of the portfolio.
struct PortfolioView;

impl PartialSchema for PortfolioView {
    fn schema() -> RefOr<Schema> {
        let named = |text: &str| {
            object(text)
                .property("supplier_id", id_schema("The supplier."), true)
                .property("supplier_code", text_schema("Its code.", "S0000062"), true)
                .property("name", text_schema("Its name.", "備製作所株式会社").or_null(), true)
                .property("grade", choice_schema("Its grade.", &GRADES, "D"), true)
        };
        let loss = named("A supplier whose own incidents cause a large loss.")
            .property("expected_annual_loss_caused_jpy", number_schema("Yen a year.", 21_893_944.0), true)
            .property("share", number_schema("Its share of the portfolio's loss, 0 to 1.", 0.036).or_null(), true)
            .property(
                "main_loss_reason",
                text_schema("The largest part of it.", "access to the network").or_null(),
                true,
            )
            .property("main_reason", text_schema("What raises its score most.", "1 harmful incident").or_null(), true);
        let stops = named("A supplier that can stop many others.")
            .property("tier_1_supplier_count", whole_schema("How many tier-1 suppliers it can stop.", 42), true)
            .property("share", number_schema("Their share of all tier-1 suppliers, 0 to 1.", 0.2).or_null(), true);
        let shape = number_properties(object("The portfolio of a run, in numbers."))
            .property(
                "most_loss",
                array("The ten suppliers whose own incidents cause the largest losses: whom to help first.", loss),
                true,
            )
            .property("stops_tier_1", array("The ten suppliers that can stop the most tier-1 suppliers.", stops), true);
        basis_properties(shape).into()
    }
}

impl ToSchema for PortfolioView {
    fn name() -> Cow<'static, str> {
        "Portfolio".into()
    }
}

/// The schema of the portfolio over time.
struct PortfolioHistory;

impl PartialSchema for PortfolioHistory {
    fn schema() -> RefOr<Schema> {
        let item = run_properties(number_properties(object("The portfolio as it was.")));
        let next = text_schema("The `cursor` of the next page; null on the last page.", "cG9z").or_null();
        let list = object("A page of the portfolio over time, the latest day first.")
            .property("items", array("One entry for each stored run.", item), true)
            .property("next_cursor", next, true);
        basis_properties(list).into()
    }
}

impl ToSchema for PortfolioHistory {
    fn name() -> Cow<'static, str> {
        "PortfolioHistory".into()
    }
}

/// Reads the portfolio in numbers, as a run stores it.
pub(crate) fn read_overview(tx: &mut Tx, run: RunId) -> Result<Overview, ApiError> {
    let kept = score_runs::portfolios(tx, &[run])?.remove(&run);
    parse_overview(kept.ok_or_else(|| ApiError::internal("the run has gone"))?)
}

fn parse_overview(kept: impl AsRef<str>) -> Result<Overview, ApiError> {
    serde_json::from_str(kept.as_ref()).map_err(ApiError::internal)
}

/// Get the portfolio
///
/// Grades, the expected annual loss and the suppliers that cause most of it, and SC3's indicators: coverage, agreements, contacts, the age of
/// evidence, sole sources and concentration.
#[utoipa::path(
    tag = "portfolio",
    security(("bearer" = ["viewer"])),
    params(RunQuery),
    responses((status = 200, body = PortfolioView, description = "The portfolio."), openapi::NotScored)
)]
#[get("/portfolio")]
async fn get_portfolio(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let (lang, staleness) = (language(request.headers()), StalenessCheck::new(&state, &viewer.0));
    let run = query.read(&["score_run_id"], |fields| fields.value::<Option<RunId>>("score_run_id", None))?;
    let answer = state.db.read(&viewer.0, move |tx| portfolio(tx, run, &staleness, lang)).await?;
    Ok(answer_unless_known(&answer, &preconditions))
}

fn portfolio(tx: &mut Tx, run: Option<RunId>, staleness: &StalenessCheck, lang: Lang) -> Result<Value, ApiError> {
    let basis = SourceRun::find(tx, run, staleness)?;
    let overview = read_overview(tx, basis.run.id)?;
    let mut out = numbers(&overview);
    let named = find_named(tx, basis.run.id, &overview)?;
    out.insert("most_loss".to_owned(), most_loss(&named, &overview, lang)?);
    out.insert("stops_tier_1".to_owned(), stops_tier_1(&named, &overview));
    let mut answer = Value::Object(out);
    basis.write(&mut answer);
    Ok(answer)
}

/// The scores of the suppliers that an overview names, by code, and the facts that explain them.
type Named = HashMap<String, (ScoreRow, String)>;

fn find_named(tx: &mut Tx, run: RunId, overview: &Overview) -> Result<Named, ApiError> {
    let losses = overview.most_loss.iter().map(|(code, _)| code.as_str());
    let codes: Vec<&str> = losses.chain(overview.stops_tier_1.iter().map(|(code, _)| code.as_str())).collect();
    let found = scores::of_codes(tx, run, &codes)?;
    Ok(found.into_iter().map(|(row, facts)| (row.supplier_code.clone(), (row, facts))).collect())
}

fn named(row: &ScoreRow) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("supplier_id".to_owned(), json!(row.supplier_id));
    out.insert("supplier_code".to_owned(), json!(row.supplier_code));
    out.insert("name".to_owned(), json!(row.name));
    out.insert("grade".to_owned(), json!(row.grade));
    out
}

fn most_loss(suppliers: &Named, overview: &Overview, lang: Lang) -> Result<Value, ApiError> {
    let mut items = Vec::new();
    for (code, caused) in &overview.most_loss {
        let Some((row, facts)) = suppliers.get(code) else { continue };
        let facts = read_facts(facts)?;
        let explanation = explanation(row, &facts);
        let total = overview.expected_annual_loss_jpy;
        let mut item = named(row);
        item.insert("expected_annual_loss_caused_jpy".to_owned(), json!(caused));
        item.insert("share".to_owned(), json!((total > 0.0).then(|| caused / total)));
        let reason = explanation.main_loss().map(|loss| loss.reason(lang));
        item.insert("main_loss_reason".to_owned(), json!(reason));
        let reason = explanation.main_reason().map(|part| part.reason(lang));
        item.insert("main_reason".to_owned(), json!(reason));
        items.push(Value::Object(item));
    }
    Ok(items.into())
}

fn stops_tier_1(suppliers: &Named, overview: &Overview) -> Value {
    let items = overview.stops_tier_1.iter().filter_map(|(code, count)| {
        let (row, _) = suppliers.get(code)?;
        let mut item = named(row);
        item.insert("tier_1_supplier_count".to_owned(), json!(count));
        let share = Part { count: *count, of: overview.tier_1_count }.share();
        item.insert("share".to_owned(), json!(share));
        Some(Value::Object(item))
    });
    items.collect()
}

/// Get the portfolio over time
///
/// The same numbers for each run that is kept, those of the latest day first.
#[utoipa::path(
    tag = "portfolio",
    security(("bearer" = ["viewer"])),
    params(HistoryQuery),
    responses((status = 200, body = PortfolioHistory, description = "The page."), openapi::NotScored)
)]
#[get("/portfolio/history")]
async fn get_portfolio_history(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let staleness = StalenessCheck::new(&state, &viewer.0);
    let paging = Paging::new(&state, &viewer.0, &request, query);
    let asked = paging.query.read(&HISTORY, |fields| read_runs(fields, &paging))?;
    let (page, basis) = state
        .db
        .read(&viewer.0, move |tx| {
            let basis = SourceRun::find(tx, None, &staleness)?;
            let page = page_of_runs(tx, &asked, &paging)?;
            let ids: Vec<RunId> = page.items.iter().map(|run| run.id).collect();
            let kept = score_runs::portfolios(tx, &ids)?;
            let items = page.items.iter().filter_map(|run| Some((run, kept.get(&run.id)?))).map(|(run, kept)| {
                let mut item = numbers(&parse_overview(kept)?);
                write_run(run, &mut item);
                Ok(Value::Object(item))
            });
            let items: Vec<Value> = items.collect::<Result<_, ApiError>>()?;
            let mut answer = json!({});
            basis.write(&mut answer);
            Ok((page.with_items(items), answer))
        })
        .await?;
    Ok(page.answer_with(basis))
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(get_portfolio).service(get_portfolio_history);
}
