//! Scores as the API shows them.

use std::borrow::Cow;

use schema::scores::ScoreRow;
use scoring::{CONTRIBUTIONS, Contribution, Lang, Loss, RESULTS, ResultColumn, Unit};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{CHANGES_OF_OTHERS, EVIDENCE_OF_OTHERS, of_others};
use crate::http::openapi::{
    Shape, array, choice_schema, date_schema, flag_schema, id_schema, number_schema, object, text_schema, whole_schema,
};
use crate::resources::score_runs::{run_properties, stale_schema};

/// A score: the members that name the supplier, then the model's results in their order.
#[derive(Debug)]
pub(crate) struct ScoreItem<'a>(pub(crate) Cow<'a, ScoreRow>);

impl Serialize for ScoreItem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = &*self.0;
        let mut out = serializer.serialize_map(Some(RESULTS.len() + 3))?;
        out.serialize_entry("supplier_id", &row.supplier_id)?;
        out.serialize_entry("supplier_code", &row.supplier_code)?;
        out.serialize_entry("name", &row.name)?;
        out.serialize_entry("tier", &row.tier)?;
        for column in RESULTS.iter().skip(1) {
            match row.text(column.name) {
                Some(text) => out.serialize_entry(column.name, text)?,
                None => out.serialize_entry(column.name, &row.number(column.name))?,
            }
        }
        out.end()
    }
}

/// Returns a score as JSON, to which members can be added.
pub(crate) fn score_json(row: &ScoreRow) -> Value {
    // Texts and numbers can always be written as JSON.
    serde_json::to_value(ScoreItem(Cow::Borrowed(row))).unwrap_or_default()
}

/// A part of a score, with its reason.
#[derive(Debug, Serialize)]
pub(super) struct PartView {
    key: &'static str,
    points: f64,
    reason: String,
}

impl PartView {
    pub(super) fn of(part: &Contribution, lang: Lang) -> Self {
        Self { key: part.key, points: part.points, reason: part.reason(lang) }
    }
}

/// A part of the losses, with its reason.
#[derive(Debug, Serialize)]
pub(super) struct LossView {
    key: &'static str,
    loss_jpy: f64,
    reason: String,
}

impl LossView {
    pub(super) fn of(loss: &Loss, lang: Lang) -> Self {
        Self { key: loss.key, loss_jpy: loss.yen, reason: loss.reason(lang) }
    }
}

/// Returns the schema of a column of the results.
fn result_schema(column: &ResultColumn) -> Shape {
    let (heading, meaning, unit) = (column.heading.0, column.meaning.1, column.unit.text(Lang::En));
    let text =
        if unit.is_empty() { format!("{meaning} ({heading})") } else { format!("{meaning}; {unit} ({heading})") };
    match column.unit {
        Unit::Text => match column.name {
            "grade" | "chain_grade" => choice_schema(&text, &scoring::GRADES, "C"),
            "size_class" => choice_schema(&text, &["micro", "sme", "large", "unknown"], "sme"),
            "jsic_section" => text_schema(&text, "E"),
            _ => text_schema(&text, "S0000001"),
        },
        Unit::Score => number_schema(&text, 58.3),
        Unit::Probability => number_schema(&text, 0.21),
        Unit::Yen => number_schema(&text, 1_234_567.8),
        _ => number_schema(&text, 1.25),
    }
}

/// Adds the properties that every score has.
fn score_properties(shape: Shape) -> Shape {
    let tier = "The length of the shortest path of supply to the buyer: 1 supplies it directly; null where no path is recorded.";
    let shape = shape
        .property("supplier_id", id_schema("The supplier."), true)
        .property("supplier_code", text_schema("The buyer's code when it was scored.", "S0000001"), true)
        .property("name", text_schema("The name when it was scored.", "備製作所株式会社").or_null(), true)
        .property("tier", whole_schema(tier, 1).or_null(), true);
    RESULTS.iter().skip(1).fold(shape, |shape, column| shape.property(column.name, result_schema(column), true))
}

/// Adds the properties of the run that every answer with scores has.
pub(crate) fn basis_properties(shape: Shape) -> Shape {
    run_properties(shape).property("stale", stale_schema(), true)
}

/// The schema of a score.
pub(crate) struct ScoreView;

impl PartialSchema for ScoreView {
    fn schema() -> RefOr<Schema> {
        score_properties(object("A supplier's score.")).into()
    }
}

impl ToSchema for ScoreView {
    fn name() -> Cow<'static, str> {
        "Score".into()
    }
}

/// The schema of a page of scores.
pub(crate) struct ScoreListView;

impl PartialSchema for ScoreListView {
    fn schema() -> RefOr<Schema> {
        let items = array("The page.", utoipa::openapi::Ref::from_schema_name("Score"));
        let next = text_schema("The `cursor` of the next page; null on the last page.", "cG9z").or_null();
        let count = whole_schema("The number of matching rows, if it was asked for.", 120).or_null();
        let list = object("A page of scores of one run.")
            .property("items", items, true)
            .property("next_cursor", next, true)
            .property("count", count, true);
        basis_properties(list).into()
    }
}

impl ToSchema for ScoreListView {
    fn name() -> Cow<'static, str> {
        "ScoreList".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ScoreView::name().into_owned(), ScoreView::schema()));
    }
}

fn contribution_schema() -> RefOr<Schema> {
    let part = object("A part of the score.")
        .property("key", choice_schema("Which part it is.", &CONTRIBUTIONS, "points_monitoring"), true)
        .property("points", number_schema("Points, of either sign.", -4.0), true)
        .property(
            "reason",
            text_schema("What it rests on.", "enrolled in class 1 (coverage 100.0%, since 2024-10-01)"),
            true,
        );
    array(
        "The parts; the first six sum to the risk score before it is held within 0 and 100, all seven to the chain score.",
        part,
    )
}

/// The schema of a score with its contributions.
pub(crate) struct ScoreDetailView;

impl ScoreDetailView {
    pub(crate) fn shape() -> Shape {
        Self::shape_of(change_schema(), evidence_schema())
    }

    /// Returns the schema of the score as the supplier itself sees it.
    pub(crate) fn shape_for_supplier() -> Shape {
        let (change, evidence) = (change_schema(), evidence_schema());
        Self::shape_of(change.without(&CHANGES_OF_OTHERS), evidence.without(&EVIDENCE_OF_OTHERS)).without(&of_others())
    }

    fn shape_of(change: Shape, evidence: Shape) -> Shape {
        let detail = score_properties(object("A supplier's score as the sum of its contributions."));
        let keys = scoring::LOSSES.map(|(key, ..)| key);
        let loss = object("A part of the expected annual losses.")
            .property("key", choice_schema("Which part it is.", &keys, "loss_supply_caused_jpy"), true)
            .property("loss_jpy", number_schema("Yen a year.", 1_234_567.8), true)
            .property(
                "reason",
                text_schema("What it rests on.", "the buyer's data it holds (confidential data)"),
                true,
            );
        let caveats = array(
            "What is to be said wherever scores are shown.",
            text_schema("A caveat.", "A score helps to decide whom to help first."),
        );
        let detail = detail
            .property("contributions", contribution_schema(), true)
            .property("losses", array("The parts of the losses.", loss), true)
            .property("evidence", evidence, true)
            .property("change", change.or_null(), true)
            .property("caveats", caveats, true);
        basis_properties(detail)
    }
}

impl PartialSchema for ScoreDetailView {
    fn schema() -> RefOr<Schema> {
        Self::shape().into()
    }
}

impl ToSchema for ScoreDetailView {
    fn name() -> Cow<'static, str> {
        "ScoreDetail".into()
    }
}

fn evidence_schema() -> Shape {
    let enrollment = object("An active enrollment.")
        .property("service_class", text_schema("Its class.", "class_1"), true)
        .property("coverage_share", number_schema("The share of endpoints it covers, 0 to 1.", 0.8), true)
        .property("is_assumed", flag_schema("Whether that share is the model's assumption.", false), true)
        .property("counted_share", number_schema("The share that counts beside stronger ones.", 0.8), true)
        .property("starts_on", date_schema("Its first day."), true);
    let certification = object("A certificate or declaration that counts.")
        .property("scheme", text_schema("Its scheme.", "security_action_2"), true)
        .property("expires_on", date_schema("Its last day, stated or assumed.").or_null(), true)
        .property("is_assumed", flag_schema("Whether that day is the model's assumption.", false), true)
        .property("freshness", number_schema("How much of it still counts, 0 to 1.", 1.0), true);
    object("The evidence that the score rests on.")
        .property("enrollments", array("Active enrollments.", enrollment), true)
        .property("enrollment_ended_on", date_schema("When the last one ended.").or_null(), true)
        .property("certifications", array("The best of the ladder and of ISMS.", certification), true)
        .property("harmful_count", whole_schema("Harmful incidents on record.", 0), true)
        .property("contained_count", whole_schema("Contained ones.", 1), true)
        .property("blocked_count", whole_schema("Blocked ones, which count nothing.", 163), true)
        .property("discounted_observed_years", number_schema("Years in which it was watched, discounted.", 1.9), true)
        .property("upstream_supplier_count", whole_schema("Suppliers recorded right upstream.", 2), true)
        .property("data_access", text_schema("What data of the buyer it holds.", "none"), true)
        .property("network_access", text_schema("How it is connected to the buyer's network.", "none"), true)
}

fn change_schema() -> Shape {
    let part = object("A part that changed.")
        .property("key", choice_schema("Which part it is.", &CONTRIBUTIONS, "points_monitoring"), true)
        .property("points_before", number_schema("Points before.", 0.0), true)
        .property("points", number_schema("Points now.", -4.0), true)
        .property("difference", number_schema("The change of the score through it.", -4.0), true)
        .property("reason_before", text_schema("What it rested on.", "no お助け隊 enrollment is known"), true)
        .property("reason", text_schema("What it rests on.", "enrolled in class 1 (coverage 100.0%)"), true);
    let change =
        object("What changed since the run before, which it names, and why; null where that did not score it.");
    run_properties(change)
        .property("risk_score_before", number_schema("The risk score before.", 62.3), true)
        .property("grade_before", text_schema("The grade before.", "D"), true)
        .property("chain_score_before", number_schema("The chain score before.", 63.0), true)
        .property("chain_grade_before", text_schema("The chain grade before.", "D"), true)
        .property("risk_score_difference", number_schema("The change of the risk score.", -4.0), true)
        .property("chain_score_difference", number_schema("The change of the chain score.", -4.0), true)
        .property("contributions", array("The parts that changed, the largest change first.", part), true)
}

/// The schema of a supplier's scores over time.
pub(crate) struct HistoryView;

impl HistoryView {
    /// Returns the schema without these members of its items.
    pub(crate) fn shape(hidden: &[&str]) -> Shape {
        let item = score_properties(object("A score as it was.")).without(hidden);
        let item = run_properties(item);
        let next = text_schema("The `cursor` of the next page; null on the last page.", "cG9z").or_null();
        let list = object("A page of a supplier's scores over time, those of the latest day first.")
            .property("items", array("The page; runs that did not score it are left out.", item), true)
            .property("next_cursor", next, true);
        basis_properties(list)
    }
}

impl PartialSchema for HistoryView {
    fn schema() -> RefOr<Schema> {
        Self::shape(&[]).into()
    }
}

impl ToSchema for HistoryView {
    fn name() -> Cow<'static, str> {
        "ScoreHistory".into()
    }
}
