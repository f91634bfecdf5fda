//! Scores: looked up, listed, broken down into contributions, and followed over time.

mod detail;
mod lookup;
mod one;
mod source_run;
mod view;

use std::borrow::Cow;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use schema::score_runs;
use schema::scores::{self, ScoreFilter, ScorePage, ScoreRow, ScoreSort};
use schema::{RunId, SupplierId, Tx, UpTo, Yen};
use scoring::GRADES;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) use detail::access_or_none;
pub(crate) use one::{ContributionChange, ExplainedScore, OpenedScore, explanation, read_facts, read_history};
pub(crate) use source_run::{RunSummary, SourceRun, SourceRunView, StalenessCheck};
use view::ScoreListView;
pub(crate) use view::{Caveats, Grade, ScoreItem, SizeClass};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::Fields;
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::http::auth::Viewer;
use crate::http::extract::Query;
use crate::http::openapi::{self, both, choice_schema, id_schema, number_schema, text_schema};
use crate::http::page::{Page, Paging, read_limit};
use crate::http::state::State;
use crate::records::{read_sort, read_word, sorts};

/// The names of the filters that lists and exports share.
pub(crate) const FILTERS: [&str; 14] = [
    "score_run_id",
    "grade",
    "chain_grade",
    "jsic_section",
    "size_class",
    "tier",
    "risk_score_gte",
    "risk_score_lte",
    "chain_score_gte",
    "chain_score_lte",
    "expected_annual_loss_direct_jpy_gte",
    "expected_annual_loss_direct_jpy_lte",
    "expected_annual_loss_caused_jpy_gte",
    "expected_annual_loss_caused_jpy_lte",
];

const SIZES: [&str; 4] = ["micro", "sme", "large", "unknown"];
/// JSIC sections, and `unknown`.
const SECTIONS: [&str; 21] =
    ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "unknown"];
/// The largest tier of a filter, beyond the depth of any chain.
const DEEPEST: i64 = 1000;

/// Returns the parameters of the filters, for the API document.
pub(crate) fn filter_parameters() -> Vec<Parameter> {
    let mut parameters = Vec::new();
    let run = both("The run to read; the latest if omitted.", "対象の計算（省略時は最新）");
    parameters.push(openapi::parameter("score_run_id", &run, id_schema(&run), false));
    let mut several = |name: &str, one: &str, (en, ja): (&str, &str), example: &str| {
        let text = both(&format!("Only {en}, separated by commas."), &format!("この{ja}だけ（カンマ区切り）"));
        let shape = text_schema(&text, example).max_length(200).pattern(format!("^{one}(,{one})*$"));
        parameters.push(openapi::parameter(name, &text, shape, false));
    };
    several("grade", "[A-E]", ("these grades", "リスク等級"), "D,E");
    several("chain_grade", "[A-E]", ("these chain grades", "連鎖等級"), "D,E");
    let sections = ("these JSIC sections (`A` to `T`, or `unknown`)", "産業大分類（`A`〜`T`、または `unknown`）");
    several("jsic_section", "([A-T]|unknown)", sections, "E,G");
    let sizes =
        ("these size classes (`micro`, `sme`, `large`, `unknown`)", "規模区分（`micro`、`sme`、`large`、`unknown`）");
    several("size_class", "(micro|sme|large|unknown)", sizes, "micro,sme");
    let tiers =
        ("these tiers (1 supplies the buyer, 2 supplies tier 1)", "取引階層（1は発注者の直接の取引先、2はその供給元）");
    several("tier", "([1-9][0-9]{0,2}|1000)", tiers, "1,2");
    for (column, (en, ja), example) in [
        ("risk_score", ("risk score", "リスクスコア"), 60.0),
        ("chain_score", ("chain score", "連鎖スコア"), 60.0),
        (
            "expected_annual_loss_direct_jpy",
            ("expected annual loss through them, in yen,", "年間期待損失（この取引先経由、円）"),
            1_000_000.0,
        ),
        (
            "expected_annual_loss_caused_jpy",
            ("expected annual loss caused by them, in yen,", "年間期待損失（この取引先に起因、円）"),
            1_000_000.0,
        ),
    ] {
        for (suffix, at, than) in [("gte", "at least", "以上"), ("lte", "at most", "以下")] {
            let text =
                both(&format!("Only suppliers whose {en} is {at} this."), &format!("{ja}がこの値{than}の取引先だけ"));
            let shape = match column.ends_with("_jpy") {
                true => openapi::whole_schema(&text, example as i64).range(0, 1_000_000_000_000_000),
                false => number_schema(&text, example).range(0, 100),
            };
            parameters.push(openapi::parameter(&format!("{column}_{suffix}"), &text, shape, false));
        }
    }
    parameters
}

/// The scores that are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScoreSelection {
    pub(crate) run: Option<RunId>,
    pub(crate) filter: ScoreFilter,
}

/// Reads the filters.
pub(crate) fn read_filter(fields: &mut Fields<'_>) -> Option<ScoreSelection> {
    let run = fields.value("score_run_id", None);
    let grades = several(fields, "grade", &GRADES);
    let chain_grades = several(fields, "chain_grade", &GRADES);
    let jsic_sections = several(fields, "jsic_section", &SECTIONS);
    let size_classes = several(fields, "size_class", &SIZES);
    let tiers = tiers(fields);
    let score =
        |fields: &mut Fields<'_>, name: &str| Some(fields.value::<Option<UpTo<100>>>(name, None)?.map(UpTo::get));
    let risk_score = [score(fields, "risk_score_gte"), score(fields, "risk_score_lte")];
    let chain_score = [score(fields, "chain_score_gte"), score(fields, "chain_score_lte")];
    let yen = |fields: &mut Fields<'_>, name: &str| {
        Some(fields.value::<Option<Yen>>(name, None)?.map(|yen| yen.get() as f64))
    };
    let direct = ["gte", "lte"].map(|bound| yen(fields, &format!("expected_annual_loss_direct_jpy_{bound}")));
    let caused = ["gte", "lte"].map(|bound| yen(fields, &format!("expected_annual_loss_caused_jpy_{bound}")));
    let both = |[from, to]: [Option<Option<f64>>; 2]| Some([from?, to?]);
    Some(ScoreSelection {
        run: run?,
        filter: ScoreFilter {
            grades: grades?,
            chain_grades: chain_grades?,
            jsic_sections: jsic_sections?,
            size_classes: size_classes?,
            tiers: tiers?,
            risk_score: both(risk_score)?,
            chain_score: both(chain_score)?,
            loss_direct_jpy: both(direct)?,
            loss_caused_jpy: both(caused)?,
        },
    })
}

/// Reads several values of a closed set.
fn several(fields: &mut Fields<'_>, name: &str, known: &[&'static str]) -> Option<Vec<String>> {
    let Some(text) = fields.value::<Option<String>>(name, None)? else { return Some(Vec::new()) };
    let given: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
    let unknown: Vec<_> = given.iter().filter(|word| !known.contains(&word.as_str())).collect();
    for word in &unknown {
        let reason = Reason::NotOneOf(known.to_vec());
        fields.faults.push(Fault { field: name.to_owned(), value: Some((*word).clone()), reason });
    }
    unknown.is_empty().then_some(given)
}

fn tiers(fields: &mut Fields<'_>) -> Option<Vec<i32>> {
    let Some(text) = fields.value::<Option<String>>("tier", None)? else { return Some(Vec::new()) };
    let mut tiers = Vec::new();
    for word in text.split(',').map(str::trim) {
        match word.parse::<i64>() {
            Ok(tier) if (1..=DEEPEST).contains(&tier) => tiers.push(tier as i32),
            _ => {
                let reason = Reason::Value(schema::ValueError::OutOfRange(1.0, DEEPEST as f64));
                fields.faults.push(Fault { field: "tier".to_owned(), value: Some(word.to_owned()), reason });
                return None;
            }
        }
    }
    Some(tiers)
}

/// The parameters of the list of scores, for the API document.
struct ListScores;

impl IntoParams for ListScores {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = openapi::page_parameters();
        let sorts = sorts::<ScoreSort>();
        let sorts: Vec<&str> = sorts.iter().map(String::as_str).collect();
        let text = "The sort order; by the buyer's code if omitted. A leading `-` sorts from highest to lowest. Ties are sorted by \
             id.\nja: 並び順（省略時は取引先コード順）。先頭に `-` を付けると大きい順。同順位はID順。";
        parameters.push(openapi::parameter("sort", text, choice_schema(text, &sorts, "-risk_score"), false));
        let text = "`exact` counts all matching scores.\nja: `exact` を指定すると、条件に合う件数を数える。";
        parameters.push(openapi::parameter("count", text, choice_schema(text, &["exact"], "exact"), false));
        parameters.extend(filter_parameters());
        parameters
    }
}

/// List scores
/// ja: スコアを一覧する
///
/// The scores of the latest run, or of the given one. A cursor stays with the run that it began with. If that run has been
/// replaced by newer scores, the answer is a problem that asks to begin again.
/// ja: 最新の計算、または指定した計算のスコア。カーソルは、一覧を始めた時点の計算を指す。その計算が新しいスコアに置き換わった場合は、
/// 最初からやり直すように求める問題を返す。
#[utoipa::path(tag = "scores", security(("bearer" = ["viewer"])), params(ListScores), responses((status = 200, body = ScoreListView), openapi::NotScored))]
#[get("/scores")]
async fn list_scores(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let staleness = StalenessCheck::new(&state, &viewer.0);
    let paging = Paging::new(&state, &viewer.0, &request, query);
    let (asked, page, with_count) = read_list(&paging)?;
    let (page, count, source) =
        state.db.read(&viewer.0, move |tx| list(tx, asked, page, with_count, &staleness, &paging)).await?;
    Ok(page.answer_as(|items, next_cursor| ScoreListView { items, next_cursor, count, source }))
}

/// The position of a row in the list: the run that the list began with, the sort key and the supplier.
type Position = (RunId, String, SupplierId);

/// A list as asked for: which scores, which page and the run that the list began with, and whether to count.
type AskedList = (ScoreSelection, (ScorePage, Option<RunId>), bool);

fn read_list(paging: &Paging) -> Result<AskedList, ApiError> {
    let known: Vec<_> = ["limit", "cursor", "sort", "count"].into_iter().chain(FILTERS).collect();
    paging.query.read(&known, |fields| {
        let asked = read_filter(fields);
        let limit = read_limit(fields);
        let sort = read_sort::<ScoreSort>(fields);
        let with_count = read_word(fields, "count", &["exact"]);
        let after = paging.read_cursor::<Position>(fields);
        let (sort, is_descending) = sort?;
        let (run, after) = match after? {
            Some((run, key, id)) => (Some(run), Some((key, id))),
            None => (None, None),
        };
        let sort = Some(sort.unwrap_or(ScoreSort::SupplierCode));
        let page = ScorePage { sort, is_descending, after, limit: limit? };
        Some((asked?, (page, run), with_count))
    })
}

/// A page of scores, how many there are if that was asked for, and their run.
type ListedScores = (Page<ScoreItem<'static>>, Option<i64>, SourceRunView);

fn list(
    tx: &mut Tx,
    asked: ScoreSelection,
    (page, begun): (ScorePage, Option<RunId>),
    with_count: bool,
    staleness: &StalenessCheck,
    paging: &Paging,
) -> Result<ListedScores, ApiError> {
    // In another run the cursor would point to another place: suppliers would be left out or come twice.
    if let Some(run) = begun
        && score_runs::find(tx, run)?.is_none()
    {
        return Err(Problem::parameters(vec![Fault::new("cursor", Reason::ScoresReplaced)]).into());
    }
    let source = SourceRun::find(tx, begun.or(asked.run), staleness)?;
    let run = source.run.id;
    let rows = scores::list(tx, run, &asked.filter, &page)?;
    let sort = page.sort.unwrap_or(ScoreSort::SupplierCode);
    let position = |row: &ScoreRow| -> Position { (run, sort.key(row), row.supplier_id) };
    let scores = paging.page(rows, page.limit, position).map(|row| ScoreItem(Cow::Owned(row)));
    let count = match with_count {
        true => Some(scores::count(tx, run, &asked.filter)?),
        false => None,
    };
    Ok((scores, count, SourceRunView::from(&source)))
}

/// Returns the problem that a run has not scored a supplier.
pub(crate) fn not_in_run(source: &SourceRun) -> ApiError {
    let (day, id) = (source.run.as_of, source.run.id);
    Problem::from(ProblemKind::NotScored)
        .detail(
            format!("{day}時点のスコア（{id}）にこの取引先はありません。新しく登録されたか、その時点で対象外です"),
            format!("the scores as of {day} ({id}) do not have this supplier; it was registered later, or archived"),
        )
        .into()
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_scores)
        .service(lookup::get_score_by_code)
        .service(lookup::look_up_scores)
        .service(one::get_score)
        .service(one::get_score_history);
}
