//! Scores as the API shows them.

use std::borrow::Cow;

use schema::scores::ScoreRow;
use scoring::{CAVEATS, CONTRIBUTIONS, GRADES, LOSSES, Lang, RESULTS, ResultColumn, Unit};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{RunSummary, SourceRunView};
use crate::http::openapi::{
    Shape, append, array, both, choice_schema, id_schema, number_schema, object, text_schema, whole_schema,
};

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

// The results are columns of the model, whose texts stand there.
impl PartialSchema for ScoreItem<'_> {
    fn schema() -> RefOr<Schema> {
        let text = |en, ja, example| text_schema(&both(en, ja), example);
        let tier = both(
            "The tier: the length of the shortest path of supply to the buyer. 1 supplies the buyer directly; null if no \
             path is recorded.",
            "取引階層（発注者までの最短の経路の長さ。1は直接の取引先、経路の登録がなければ null）",
        );
        let score = object(&both("A supplier's score.", "取引先のスコア"))
            .property("supplier_id", id_schema(&both("The supplier.", "取引先のID")), true)
            .property(
                "supplier_code",
                text("The buyer's code of the supplier when it was scored.", "計算した時点の取引先コード", "S0000001"),
                true,
            )
            .property(
                "name",
                text(
                    "The supplier's name when it was scored; null if unknown.",
                    "計算した時点の取引先名（不明なら null）",
                    "備製作所株式会社",
                )
                .or_null(),
                true,
            )
            .property("tier", whole_schema(&tier, 1).or_null(), true);
        let results = RESULTS.iter().skip(1);
        results.fold(score, |score, column| score.property(column.name, result_schema(column), true)).into()
    }
}

impl ToSchema for ScoreItem<'_> {
    fn name() -> Cow<'static, str> {
        "Score".into()
    }
}

/// Returns the schema of a column of the results.
fn result_schema(column: &ResultColumn) -> Shape {
    let (heading, meaning) = (column.heading, column.meaning);
    // Stored runs of a model of format 1 do not have all results.
    let is_in_all = scoring::results(scoring::Format::One).any(|known| known.name == column.name);
    let text = both(
        &result_text(&capitalized(heading.1), meaning.1, column.unit, Lang::En),
        &result_text(heading.0, meaning.0, column.unit, Lang::Ja),
    );
    match column.unit {
        Unit::Text => match column.name {
            "grade" | "chain_grade" => choice_schema(&text, &GRADES, "C"),
            "size_class" => choice_schema(&text, &super::SIZES, "sme"),
            "jsic_section" => text_schema(&text, "E"),
            _ => text_schema(&text, "S0000001"),
        },
        Unit::Score => number_schema(&text, 58.3),
        Unit::Probability => number_schema(&text, 0.21),
        Unit::Yen => number_schema(&text, 1_234_567.8),
        _ if is_in_all => number_schema(&text, 1.25),
        _ => {
            let (en, ja) =
                (" Null if the model of the run does not have it.", "（計算に使ったモデルにない項目は null）");
            number_schema(&append(&text, en, ja), 1.25).or_null()
        }
    }
}

/// Returns a heading with the meaning and the unit, unless the heading says these.
fn result_text(heading: &str, meaning: &str, unit: Unit, lang: Lang) -> String {
    let unit = if unit == Unit::Points { "" } else { unit.text(lang) };
    let unit = match unit {
        "" => String::new(),
        unit => lang.pick(format!("（{unit}）"), format!(" ({unit})")),
    };
    match heading.contains(meaning) {
        true => lang.pick(format!("{heading}{unit}"), format!("{heading}{unit}.")),
        false => {
            lang.pick(format!("{heading}。{meaning}{unit}"), format!("{heading}. {}{unit}.", capitalized(meaning)))
        }
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident: $keys:expr, $example:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                choice_schema("", $keys, $example).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

// The schemas of texts that the model takes from a closed set.
choices! {
    /// A grade.
    Grade: &GRADES, "C";
    /// A size class.
    SizeClass: &super::SIZES, "sme";
    /// The key of a contribution.
    ContributionKey: &CONTRIBUTIONS, scoring::name::POINTS_MONITORING;
    /// The key of a part of the losses.
    LossKey: &LOSSES.map(|(key, ..)| key), scoring::LOSS_SUPPLY_CAUSED_JPY;
}

/// What readers of a score must know.
#[derive(Debug, Serialize)]
pub(crate) struct Caveats([&'static str; CAVEATS.len()]);

impl Caveats {
    pub(crate) fn new(lang: Lang) -> Self {
        Self(CAVEATS.map(|(ja, en)| lang.pick(ja, en)))
    }
}

impl PartialSchema for Caveats {
    fn schema() -> RefOr<Schema> {
        let text = both("A caveat.", "注意事項");
        array("", text_schema(&text, "A score helps to decide whom to help first."))
    }
}

impl ToSchema for Caveats {}

/// A page of scores of one run.
/// ja: スコアの一覧（1回の計算の結果）
#[derive(Serialize, ToSchema)]
#[schema(as = ScoreList)]
pub(super) struct ScoreListView {
    /// The scores.
    /// ja: スコア
    pub(super) items: Vec<ScoreItem<'static>>,
    /// The `cursor` of the next page; null on the last page.
    /// ja: 次のページの `cursor`（最後のページでは null）
    #[schema(example = "cG9z")]
    pub(super) next_cursor: Option<String>,
    /// The number of matching scores; null unless it was asked for.
    /// ja: 条件に合うスコアの件数（`count` を指定しなければ null）
    #[schema(example = 120)]
    pub(super) count: Option<i64>,
    #[serde(flatten)]
    pub(super) source: SourceRunView,
}

/// A score in its run.
/// ja: 1回の計算でのスコア
#[derive(Serialize, ToSchema)]
#[schema(as = PastScore)]
pub(super) struct PastScoreView {
    #[serde(flatten)]
    pub(super) score: ScoreItem<'static>,
    #[serde(flatten)]
    pub(super) run: RunSummary,
}

/// A page of a supplier's scores over time, the latest day first.
/// ja: 取引先のスコアの推移（基準日の新しい順）
#[derive(Serialize, ToSchema)]
#[schema(as = ScoreHistory)]
pub(super) struct ScoreHistoryView {
    /// One score for each run. Runs that did not score the supplier are left out.
    /// ja: 計算ごとのスコア（この取引先が対象でない計算は除く）
    pub(super) items: Vec<PastScoreView>,
    /// The `cursor` of the next page; null on the last page.
    /// ja: 次のページの `cursor`（最後のページでは null）
    #[schema(example = "cG9z")]
    pub(super) next_cursor: Option<String>,
    #[serde(flatten)]
    pub(super) source: SourceRunView,
}
