//! Scores: one row a supplier and run, as the model gave it.

use diesel::prelude::*;

use crate::conn::each_backend;
use crate::error::RepoError;
use crate::record::{BATCH, SortKey, sorted};
use crate::suppliers::Supplier;
use crate::tables::{score_facts, score_runs, scores};
use crate::{Page, RunId, SupplierId, Tx};

/// Writes the row of a score: what names the supplier, and the model's numbers by their names.
macro_rules! score_row {
    ($($number:ident),*) => {
        /// A supplier's score. Names, units and ranges are those of the model's results.
        #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
        #[diesel(table_name = scores, treat_none_as_default_value = false)]
        #[expect(missing_docs, reason = "each number is described once, where the model declares it")]
        pub struct ScoreRow {
            pub supplier_id: SupplierId,
            pub supplier_code: String,
            /// The supplier's name when it was scored.
            pub name: Option<String>,
            /// The length of the shortest path of supply to the buyer; none where no path is recorded.
            pub tier: Option<i32>,
            pub size_class: String,
            pub jsic_section: String,
            pub grade: String,
            pub chain_grade: String,
            $(pub $number: f64,)*
        }

        impl ScoreRow {
            /// The names of the numbers.
            pub const NUMBERS: &'static [&'static str] = &[$(stringify!($number)),*];

            /// A row of texts, whose numbers are given by name.
            pub fn new(
                (supplier_id, supplier_code, name, tier): (SupplierId, String, Option<String>, Option<i32>),
                [size_class, jsic_section, grade, chain_grade]: [String; 4],
                number: impl Fn(&'static str) -> f64,
            ) -> Self {
                Self {
                    supplier_id, supplier_code, name, tier, size_class, jsic_section, grade, chain_grade,
                    $($number: number(stringify!($number)),)*
                }
            }

            /// A number by its name; none where none is called so.
            pub fn number(&self, name: &str) -> Option<f64> {
                match name {
                    $(stringify!($number) => Some(self.$number),)*
                    _ => None,
                }
            }
        }
    };
}

score_row!(
    base_rate,
    discounted_incident_count,
    discounted_observed_years,
    segment_factor,
    own_rate,
    own_rate_low,
    own_rate_high,
    incident_probability,
    risk_score,
    risk_score_low,
    risk_score_high,
    points_base,
    points_segment,
    points_monitoring,
    points_ladder,
    points_isms,
    points_history,
    disruption_rate,
    disruption_probability,
    chain_score,
    points_upstream,
    loss_per_disruption_jpy,
    systemic_loss_per_disruption_jpy,
    expected_annual_loss_direct_jpy,
    expected_annual_loss_caused_jpy
);

impl ScoreRow {
    /// A text of the model's results by its name; none where none is called so.
    pub fn text(&self, name: &str) -> Option<&str> {
        match name {
            "supplier_code" => Some(&self.supplier_code),
            "size_class" => Some(&self.size_class),
            "jsic_section" => Some(&self.jsic_section),
            "grade" => Some(&self.grade),
            "chain_grade" => Some(&self.chain_grade),
            _ => None,
        }
    }
}

/// What the list of scores can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreSort {
    /// The buyer's code.
    SupplierCode,
    /// The risk score.
    RiskScore,
    /// The chain score.
    ChainScore,
    /// The loss through the supplier.
    LossDirect,
    /// The loss that it causes.
    LossCaused,
}

impl crate::Choice for ScoreSort {
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::SupplierCode, "supplier_code", "取引先コード"),
        (Self::RiskScore, "risk_score", "リスクスコア"),
        (Self::ChainScore, "chain_score", "連鎖スコア"),
        (Self::LossDirect, "expected_annual_loss_direct_jpy", "年間期待損失（この取引先経由）"),
        (Self::LossCaused, "expected_annual_loss_caused_jpy", "年間期待損失（この取引先に起因）"),
    ];
}

impl ScoreSort {
    /// The value that a row is sorted by, as a cursor keeps it.
    pub fn key(self, row: &ScoreRow) -> String {
        match self {
            Self::SupplierCode => row.supplier_code.key(),
            Self::RiskScore => row.risk_score.key(),
            Self::ChainScore => row.chain_score.key(),
            Self::LossDirect => row.expected_annual_loss_direct_jpy.key(),
            Self::LossCaused => row.expected_annual_loss_caused_jpy.key(),
        }
    }
}

/// Filters of the list of scores; those that are empty let everything through.
#[derive(Debug, Clone, Default)]
pub struct ScoreFilter {
    /// With one of these grades.
    pub grades: Vec<String>,
    /// With one of these chain grades.
    pub chain_grades: Vec<String>,
    /// In one of these sections.
    pub jsic_sections: Vec<String>,
    /// Of one of these sizes.
    pub size_classes: Vec<String>,
    /// In one of these tiers.
    pub tiers: Vec<i32>,
    /// With a risk score from and to.
    pub risk_score: [Option<f64>; 2],
    /// With a chain score from and to.
    pub chain_score: [Option<f64>; 2],
    /// With a loss through it from and to, yen a year.
    pub loss_direct_jpy: [Option<f64>; 2],
    /// With a loss that it causes from and to, yen a year.
    pub loss_caused_jpy: [Option<f64>; 2],
}

/// The rows of a run that a filter lets through, as a query of one backend.
macro_rules! filtered {
    ($tenant:expr, $run:expr, $filter:expr) => {{
        let given: &ScoreFilter = $filter;
        let mut query =
            scores::table.filter(scores::tenant_id.eq($tenant)).filter(scores::run_id.eq($run)).into_boxed();
        if !given.grades.is_empty() {
            query = query.filter(scores::grade.eq_any(&given.grades));
        }
        if !given.chain_grades.is_empty() {
            query = query.filter(scores::chain_grade.eq_any(&given.chain_grades));
        }
        if !given.jsic_sections.is_empty() {
            query = query.filter(scores::jsic_section.eq_any(&given.jsic_sections));
        }
        if !given.size_classes.is_empty() {
            query = query.filter(scores::size_class.eq_any(&given.size_classes));
        }
        if !given.tiers.is_empty() {
            query = query.filter(scores::tier.eq_any(&given.tiers));
        }
        macro_rules! range {
            ($column:ident, $bounds:expr) => {
                if let Some(from) = $bounds[0] {
                    query = query.filter(scores::$column.ge(from));
                }
                if let Some(to) = $bounds[1] {
                    query = query.filter(scores::$column.le(to));
                }
            };
        }
        range!(risk_score, given.risk_score);
        range!(chain_score, given.chain_score);
        range!(expected_annual_loss_direct_jpy, given.loss_direct_jpy);
        range!(expected_annual_loss_caused_jpy, given.loss_caused_jpy);
        query
    }};
}

/// Adds scores of a run, with what explains them as JSON.
///
/// # Errors
/// Those of the database, as for all that follow.
pub fn insert(tx: &mut Tx, run: RunId, rows: &[(ScoreRow, String)]) -> Result<(), RepoError> {
    for rows in rows.chunks(BATCH) {
        let key = (scores::tenant_id.eq(tx.tenant), scores::run_id.eq(run));
        let values: Vec<_> = rows.iter().map(|(row, _)| (key, row)).collect();
        each_backend!(tx.conn, c => diesel::insert_into(scores::table).values(values).execute(c))?;
        let facts = rows.iter().map(|(row, facts)| {
            (
                score_facts::tenant_id.eq(tx.tenant),
                score_facts::run_id.eq(run),
                score_facts::supplier_id.eq(row.supplier_id),
                score_facts::facts.eq(facts),
            )
        });
        let facts: Vec<_> = facts.collect();
        each_backend!(tx.conn, c => diesel::insert_into(score_facts::table).values(facts).execute(c))?;
        tx.conn.analyze_grown("scores", rows.len())?;
        tx.conn.analyze_grown("score_facts", rows.len())?;
    }
    Ok(())
}

/// A page of scores: which rows, in which order.
pub type ScorePage = Page<Supplier, ScoreSort>;

/// Lists scores of a run.
///
/// # Errors
/// Those of the database.
pub fn list(tx: &mut Tx, run: RunId, filter: &ScoreFilter, page: &ScorePage) -> Result<Vec<ScoreRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => {
        let mut query = filtered!(tx.tenant, run, filter);
        query = sorted!(query, scores by supplier_id, page,
            ScoreSort::SupplierCode => supplier_code as String,
            ScoreSort::RiskScore => risk_score as f64,
            ScoreSort::ChainScore => chain_score as f64,
            ScoreSort::LossDirect => expected_annual_loss_direct_jpy as f64,
            ScoreSort::LossCaused => expected_annual_loss_caused_jpy as f64);
        query.limit(page.limit).select(ScoreRow::as_select()).load(c)
    })?)
}

/// Counts the scores of a run that a filter lets through.
///
/// # Errors
/// Those of the database.
pub fn count(tx: &mut Tx, run: RunId, filter: &ScoreFilter) -> Result<i64, RepoError> {
    Ok(each_backend!(tx.conn, c => filtered!(tx.tenant, run, filter).count().get_result(c))?)
}

/// Gives each score of a run that a filter lets through to `with`, in order of code, with what explains it.
///
/// # Errors
/// Those of `with` and of the database.
pub fn each<E: From<RepoError>>(
    tx: &mut Tx,
    run: RunId,
    filter: &ScoreFilter,
    mut with: impl FnMut(ScoreRow, String) -> Result<(), E>,
) -> Result<(), E> {
    /// Rows that are read, then opened, at a time.
    const STEP: i64 = 1000;
    let mut page = ScorePage { sort: Some(ScoreSort::SupplierCode), is_descending: false, after: None, limit: STEP };
    loop {
        let rows = list(tx, run, filter, &page)?;
        let ids: Vec<_> = rows.iter().map(|row| row.supplier_id).collect();
        let mut facts = self::facts(tx, run, &ids)?;
        let is_last = rows.len() < STEP as usize;
        page.after = rows.last().map(|last| (ScoreSort::SupplierCode.key(last), last.supplier_id));
        for row in rows {
            let facts = facts.remove(&row.supplier_id).unwrap_or_default();
            with(row, facts)?;
        }
        if is_last {
            return Ok(());
        }
    }
}

/// Finds the scores of suppliers in a run.
///
/// # Errors
/// Those of the database.
pub fn of_suppliers(tx: &mut Tx, run: RunId, suppliers: &[SupplierId]) -> Result<Vec<ScoreRow>, RepoError> {
    let mut found = Vec::with_capacity(suppliers.len());
    for suppliers in suppliers.chunks(BATCH) {
        let rows: Vec<ScoreRow> = each_backend!(tx.conn, c => scores::table
            .filter(scores::tenant_id.eq(tx.tenant))
            .filter(scores::run_id.eq(run))
            .filter(scores::supplier_id.eq_any(suppliers))
            .select(ScoreRow::as_select())
            .load(c))?;
        found.extend(rows);
    }
    Ok(found)
}

/// Finds scores of a run by the codes that the suppliers had then: no more than fit into one statement.
///
/// # Errors
/// Those of the database.
pub fn of_codes(tx: &mut Tx, run: RunId, codes: &[&str]) -> Result<Vec<ScoreRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => scores::table
        .filter(scores::tenant_id.eq(tx.tenant))
        .filter(scores::run_id.eq(run))
        .filter(scores::supplier_code.eq_any(codes))
        .select(ScoreRow::as_select())
        .load(c))?)
}

/// What explains the scores of suppliers in a run, as JSON.
///
/// # Errors
/// Those of the database.
pub fn facts(
    tx: &mut Tx,
    run: RunId,
    suppliers: &[SupplierId],
) -> Result<std::collections::HashMap<SupplierId, String>, RepoError> {
    let mut found = std::collections::HashMap::with_capacity(suppliers.len());
    for suppliers in suppliers.chunks(BATCH) {
        let rows: Vec<(SupplierId, String)> = each_backend!(tx.conn, c => score_facts::table
            .filter(score_facts::tenant_id.eq(tx.tenant))
            .filter(score_facts::run_id.eq(run))
            .filter(score_facts::supplier_id.eq_any(suppliers))
            .select((score_facts::supplier_id, score_facts::facts))
            .load(c))?;
        found.extend(rows);
    }
    Ok(found)
}

/// A supplier's scores in several runs, in order of the runs given; those that did not score it are left out.
///
/// # Errors
/// Those of the database.
pub fn in_runs(tx: &mut Tx, runs: &[RunId], supplier: SupplierId) -> Result<Vec<(RunId, ScoreRow)>, RepoError> {
    let mut found = Vec::new();
    for run in runs {
        // By the whole key, one after another: a list of runs would have the planner walk each of them.
        found.extend(of_suppliers(tx, *run, &[supplier])?.into_iter().map(|row| (*run, row)));
    }
    Ok(found)
}

/// Whether any run has scored a supplier.
///
/// # Errors
/// Those of the database.
pub fn is_scored(tx: &mut Tx, supplier: SupplierId) -> Result<bool, RepoError> {
    // By the whole key of each run.
    let runs = score_runs::table.filter(score_runs::tenant_id.eq(tx.tenant)).select(score_runs::id);
    let found = scores::table
        .filter(scores::tenant_id.eq(tx.tenant))
        .filter(scores::run_id.eq_any(runs))
        .filter(scores::supplier_id.eq(supplier));
    Ok(each_backend!(tx.conn, c => diesel::select(diesel::dsl::exists(found)).get_result(c))?)
}
