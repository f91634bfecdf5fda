//! One supplier's score: its contributions, what changed since the run before, and its history.

use std::borrow::Cow;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::NaiveDate;
use schema::score_runs::{self, RunList};
use schema::scores::{self, ScoreRow};
use schema::suppliers::{self, Supplier};
use schema::{RunId, SupplierId, Tx};
use scoring::{CAVEATS, Contribution, Explanation, Facts, Lang, RESULTS};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::view::{LossView, PartView, ScoreItem};
use super::{HistoryView, ScoreDetailView, SourceRun, SourceRunView, StalenessCheck, not_in_run, score_json};
use crate::base::problem::ApiError;
use crate::http::auth::Viewer;
use crate::http::extract::{IdPath, Preconditions, Query, answer_unless_known, language};
use crate::http::openapi;
use crate::http::page::{Page, Paging};
use crate::http::state::State;
use crate::resources::score_runs::{HISTORY, HistoryQuery, RunQuery, page_of_runs, read_runs, write_run};

/// Returns the contributions and losses that explain a row.
pub(crate) fn explanation(row: &ScoreRow, facts: &Facts) -> Explanation {
    Explanation::new(facts, &row.size_class, &row.jsic_section, |name| match row.number(name) {
        Some(number) => number,
        None => unreachable!("{name} is a number of the results"),
    })
}

/// Reads the stored facts that explain a row.
pub(crate) fn read_facts(text: &str) -> Result<Facts, ApiError> {
    serde_json::from_str(text).map_err(ApiError::internal)
}

/// What is redacted from a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redaction {
    /// Nothing: the buyer sees everything.
    None,
    /// For the supplier itself: what reveals its peers and its suppliers, and what the buyer would lose.
    Others,
}

/// The results that a supplier sees of itself. All others reveal the buyer, peers or upstream suppliers, or would let
/// them be computed.
const OWN: [&str; 7] = [
    scoring::name::SUPPLIER_CODE,
    scoring::name::SIZE_CLASS,
    scoring::name::JSIC_SECTION,
    scoring::name::RISK_SCORE,
    scoring::name::RISK_SCORE_LOW,
    scoring::name::RISK_SCORE_HIGH,
    scoring::name::GRADE,
];

/// Returns the members of a score that the supplier itself does not see.
pub(crate) fn of_others() -> Vec<&'static str> {
    let results = RESULTS.iter().map(|column| column.name).filter(|name| !OWN.contains(name));
    results.chain(["tier", "losses"]).collect()
}

/// The members of a change that the supplier itself does not see.
pub(crate) const CHANGES_OF_OTHERS: [&str; 3] = ["chain_score_before", "chain_grade_before", "chain_score_difference"];
/// The members of the evidence that the supplier itself does not see.
pub(crate) const EVIDENCE_OF_OTHERS: [&str; 1] = ["upstream_supplier_count"];

impl Redaction {
    /// Removes what is redacted, and decimals from which the figures of others could be computed.
    fn apply(self, out: &mut Map<String, Value>) {
        if self == Self::None {
            return;
        }
        let hidden = of_others();
        out.retain(|name, _| !hidden.contains(&name.as_str()));
        let mut without = |name: &str, hidden: &[&str]| {
            if let Some(part) = out.get_mut(name).and_then(Value::as_object_mut) {
                part.retain(|name, _| !hidden.contains(&name.as_str()));
            }
        };
        without("change", &CHANGES_OF_OTHERS);
        without("evidence", &EVIDENCE_OF_OTHERS);
        let is_of_others = |part: &Value| part.get("key").is_some_and(|key| key == scoring::name::POINTS_UPSTREAM);
        let parts = ["/contributions", "/change/contributions"];
        let mut whole = Value::Object(std::mem::take(out));
        for parts in parts {
            if let Some(parts) = whole.pointer_mut(parts).and_then(Value::as_array_mut) {
                parts.retain(|part| !is_of_others(part));
            }
        }
        round(&mut whole);
        if let Value::Object(rounded) = whole {
            *out = rounded;
        }
    }
}

/// Rounds scores and points to one decimal, as people read them.
fn round(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(members) => {
            for (name, value) in members {
                let is_score = ["risk_score", "points", "difference"].iter().any(|begin| name.starts_with(begin));
                match value.as_f64().filter(|_| is_score) {
                    Some(number) => *value = json!((number * 10.0).round() / 10.0),
                    None => round(value),
                }
            }
        }
        _ => {}
    }
}

/// Reads a supplier's score in a run, with its contributions.
///
/// A supplier that was merged after the run has a score of its own in it. Otherwise the score of its canonical record
/// is read.
pub(crate) fn detail(
    tx: &mut Tx,
    basis: &SourceRun,
    [supplier, standing]: [SupplierId; 2],
    redaction: Redaction,
    lang: Lang,
) -> Result<ScoreDetail, ApiError> {
    let found = match find(tx, basis.run.id, supplier, redaction)? {
        None if standing != supplier => find(tx, basis.run.id, standing, redaction)?,
        found => found,
    };
    let (row, facts) = found.ok_or_else(|| not_in_run(basis))?;
    let Explanation { contributions, losses } = explanation(&row, &facts);
    Ok(ScoreDetail {
        contributions: contributions.iter().map(|part| PartView::of(part, lang)).collect(),
        losses: losses.iter().map(|loss| LossView::of(loss, lang)).collect(),
        evidence: Evidence::new(facts, row.discounted_observed_years),
        change: change(tx, basis, (&row, &contributions), redaction, lang)?,
        caveats: CAVEATS.map(|(ja, en)| lang.pick(ja, en)),
        score: ScoreItem(Cow::Owned(row)),
        source: SourceRunView::from(basis),
    })
}

/// A supplier's score as the sum of its contributions.
#[derive(Debug, Serialize)]
pub(crate) struct ScoreDetail {
    #[serde(flatten)]
    score: ScoreItem<'static>,
    contributions: Vec<PartView>,
    losses: Vec<LossView>,
    evidence: Evidence,
    change: Value,
    caveats: [&'static str; CAVEATS.len()],
    #[serde(flatten)]
    source: SourceRunView,
}

impl ScoreDetail {
    /// Returns the score as JSON without what is redacted.
    pub(crate) fn redacted(&self, redaction: Redaction) -> Result<Value, ApiError> {
        let mut shown = serde_json::to_value(self).map_err(ApiError::internal)?;
        if let Some(out) = shown.as_object_mut() {
            redaction.apply(out);
        }
        Ok(shown)
    }
}

fn find(
    tx: &mut Tx,
    run: RunId,
    supplier: SupplierId,
    redaction: Redaction,
) -> Result<Option<(ScoreRow, Facts)>, ApiError> {
    let Some((row, facts)) = scores::explained(tx, run, &[supplier])?.pop() else { return Ok(None) };
    let facts = read_facts(&facts)?;
    Ok(Some(match redaction {
        Redaction::None => (row, facts),
        Redaction::Others => (row, facts.for_supplier()),
    }))
}

/// The evidence that a score depends on.
#[derive(Debug, Serialize)]
struct Evidence {
    enrollments: Vec<EnrollmentView>,
    enrollment_ended_on: Option<NaiveDate>,
    certifications: Vec<CertificationView>,
    harmful_count: i64,
    contained_count: i64,
    blocked_count: i64,
    discounted_observed_years: f64,
    upstream_supplier_count: usize,
    data_access: Cow<'static, str>,
    network_access: Cow<'static, str>,
}

#[derive(Debug, Serialize)]
struct EnrollmentView {
    service_class: String,
    coverage_share: f64,
    is_assumed: bool,
    counted_share: f64,
    starts_on: NaiveDate,
}

#[derive(Debug, Serialize)]
struct CertificationView {
    scheme: String,
    expires_on: Option<NaiveDate>,
    is_assumed: bool,
    freshness: f64,
}

impl Evidence {
    fn new(facts: Facts, discounted_observed_years: f64) -> Self {
        let enrollments = facts.enrollments.into_iter().map(|enrollment| EnrollmentView {
            service_class: enrollment.service_class,
            coverage_share: enrollment.coverage_share,
            is_assumed: enrollment.is_assumed,
            counted_share: enrollment.take,
            starts_on: enrollment.starts_on,
        });
        let certifications = facts.ladder.into_iter().chain(facts.isms).map(|certification| CertificationView {
            is_assumed: certification.is_assumed && certification.expires_on.is_some(),
            scheme: certification.scheme,
            expires_on: certification.expires_on,
            freshness: certification.freshness,
        });
        let access = |access: Option<String>| access.map_or(Cow::Borrowed("none"), Cow::Owned);
        Self {
            enrollments: enrollments.collect(),
            enrollment_ended_on: facts.ended_on,
            certifications: certifications.collect(),
            harmful_count: facts.harmful_count,
            contained_count: facts.contained_count,
            blocked_count: facts.blocked_count,
            discounted_observed_years,
            upstream_supplier_count: facts.upstream_supplier_count,
            data_access: access(facts.data_access),
            network_access: access(facts.network_access),
        }
    }
}

/// Returns what changed since the run before, by contribution, or null if that run did not score the supplier.
fn change(
    tx: &mut Tx,
    basis: &SourceRun,
    (row, contributions): (&ScoreRow, &[Contribution]),
    redaction: Redaction,
    lang: Lang,
) -> Result<Value, ApiError> {
    let Some(run) = score_runs::before(tx, &basis.run)? else { return Ok(Value::Null) };
    let Some((before, facts)) = find(tx, run.id, row.supplier_id, redaction)? else {
        return Ok(Value::Null);
    };
    let earlier = explanation(&before, &facts).contributions;
    let mut parts: Vec<_> =
        contributions.iter().zip(&earlier).filter(|(now, then)| now.points != then.points).collect();
    parts.sort_by(|a, b| {
        let size = |(now, then): &(&Contribution, &Contribution)| (now.points - then.points).abs();
        size(b).total_cmp(&size(a))
    });
    let parts = parts.into_iter().map(|(now, then)| {
        json!({
            "key": now.key, "points_before": then.points, "points": now.points, "difference": now.points - then.points,
            "reason_before": then.reason(lang), "reason": now.reason(lang),
        })
    });
    let mut change = json!({
        "risk_score_before": before.risk_score, "grade_before": before.grade,
        "chain_score_before": before.chain_score, "chain_grade_before": before.chain_grade,
        "risk_score_difference": row.risk_score - before.risk_score,
        "chain_score_difference": row.chain_score - before.chain_score,
        "contributions": parts.collect::<Value>(),
    });
    if let Some(out) = change.as_object_mut() {
        write_run(&run, out);
    }
    Ok(change)
}

/// Get a supplier's score
///
/// With its 90% interval, its contributions and losses in words, the evidence it rests on, and what changed since the run before and why.
#[utoipa::path(
    tag = "scores",
    security(("bearer" = ["viewer"])),
    params(IdPath<Supplier>, RunQuery),
    responses((status = 200, body = ScoreDetailView, description = "The score."), openapi::NotScored)
)]
#[get("/scores/{id}")]
pub(super) async fn get_score(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
    query: Query,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let (lang, staleness) = (language(request.headers()), StalenessCheck::new(&state, &viewer.0));
    let run = query.read(&["score_run_id"], |fields| fields.value::<Option<RunId>>("score_run_id", None))?;
    let answer = state
        .db
        .look_up(&viewer.0, move |tx| {
            let supplier = standing_supplier(tx, id.0)?;
            let basis = SourceRun::find(tx, run, &staleness)?;
            detail(tx, &basis, [id.0, supplier], Redaction::None, lang)
        })
        .await?;
    Ok(answer_unless_known(&answer, &preconditions))
}

/// Returns the canonical record of a supplier, or fails with "not found".
fn standing_supplier(tx: &mut Tx, id: SupplierId) -> Result<SupplierId, ApiError> {
    let found = suppliers::references(tx, [id], None)?;
    found.get(&id).map(|found| found.id).ok_or_else(|| crate::base::problem::ProblemKind::NotFound.into())
}

/// Get a supplier's scores over time
///
/// One entry for each stored run, latest day first, with the points of each contribution.
#[utoipa::path(
    tag = "scores",
    security(("bearer" = ["viewer"])),
    params(IdPath<Supplier>, HistoryQuery),
    responses((status = 200, body = HistoryView, description = "The page."), openapi::NotScored)
)]
#[get("/scores/{id}/history")]
pub(super) async fn get_score_history(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Supplier>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let staleness = StalenessCheck::new(&state, &viewer.0);
    let paging = Paging::new(&state, &viewer.0, &request, query);
    let runs = paging.query.read(&HISTORY, |fields| read_runs(fields, &paging))?;
    let (page, basis) = state
        .db
        .read(&viewer.0, move |tx| {
            let supplier = standing_supplier(tx, id.0)?;
            history_of(tx, supplier, &runs, Redaction::None, &paging, &staleness)
        })
        .await?;
    Ok(page.answer_with(basis))
}

/// Reads a page of a supplier's score history, and what the answer says about the latest run.
pub(crate) fn history_of(
    tx: &mut Tx,
    supplier: SupplierId,
    runs: &RunList,
    redaction: Redaction,
    paging: &Paging,
    staleness: &StalenessCheck,
) -> Result<(Page<Value>, Value), ApiError> {
    let basis = SourceRun::find(tx, None, staleness)?;
    let page = page_of_runs(tx, runs, paging)?;
    let ids: Vec<_> = page.items.iter().map(|run| run.id).collect();
    let rows = scores::in_runs(tx, &ids, supplier)?;
    let items = rows.iter().filter_map(|(id, row)| {
        let run = page.items.iter().find(|run| run.id == *id)?;
        let mut item = score_json(row);
        let out = item.as_object_mut()?;
        redaction.apply(out);
        write_run(run, out);
        Some(item)
    });
    let items = items.collect();
    let mut answer = json!({});
    basis.write(&mut answer);
    Ok((page.with_items(items), answer))
}
