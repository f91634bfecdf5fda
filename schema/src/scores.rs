//! Scores: one for each supplier and run, as computed by the model.
//!
//! They are stored in blocks: some hundred scores of a run, in order of supplier id, compressed together (`block`,
//! `pack`). A run is written once and never changes, so it needs no row and no index for each of its suppliers. A
//! look-up of one supplier unpacks one block. What reads many scores (lists, counts, exports) unpacks all blocks
//! (`unpacked`), which are then kept in memory for the next reader (`warm`).
//!
//! The caller must have read the row of the run in the same transaction: what is kept in memory does not show whether a
//! run was deleted.

mod block;
mod pack;
mod unpacked;
pub(crate) mod warm;

use diesel::prelude::*;

pub use self::pack::PackedScores;
use self::unpacked::Unpacked;
use self::warm::Lent;
use crate::conn::{each_backend, each_row};
use crate::error::RepoError;
use crate::record::SortKey;
use crate::suppliers::Supplier;
use crate::tables::{score_blocks, score_runs};
use crate::{Page, RunId, SupplierId, Tx};

/// Defines the row of a score: what names the supplier, and the model's numbers by their names.
macro_rules! score_row {
    ($($number:ident),*) => {
        /// A supplier's score. Names, units and ranges are those of the model's results.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each number is described once, where the model declares it")]
        pub struct ScoreRow {
            pub supplier_id: SupplierId,
            pub supplier_code: String,
            /// The supplier's name when it was scored.
            pub name: Option<String>,
            /// The length of the shortest path of supply to the buyer; none if no path is recorded.
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

            /// Creates a row from texts. The numbers are asked for by name, in order of [`ScoreRow::NUMBERS`]; those
            /// that the model does not have are NaN.
            pub fn new(
                (supplier_id, supplier_code, name, tier): (SupplierId, String, Option<String>, Option<i32>),
                [size_class, jsic_section, grade, chain_grade]: [String; 4],
                mut number: impl FnMut(&'static str) -> f64,
            ) -> Self {
                Self {
                    supplier_id, supplier_code, name, tier, size_class, jsic_section, grade, chain_grade,
                    $($number: number(stringify!($number)),)*
                }
            }

            /// Returns a number by its name; none if there is no such number, or the model that scored did not have it.
            pub fn number(&self, name: &str) -> Option<f64> {
                let number = match name {
                    $(stringify!($number) => self.$number,)*
                    _ => return None,
                };
                // Models give no NaN. It stands for numbers that they do not have.
                Some(number).filter(|number| !number.is_nan())
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
    expected_annual_loss_caused_jpy,
    points_mfa,
    points_patching,
    points_hardening,
    points_remote_access,
    points_edr,
    points_self_assessment,
    mean_downtime_days
);

impl ScoreRow {
    /// Returns a text of the model's results by its name; none if there is no such text.
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
    /// Returns the value that a row is sorted by, in the form that a cursor stores.
    pub fn key(self, row: &ScoreRow) -> String {
        match self {
            Self::SupplierCode => row.supplier_code.key(),
            Self::RiskScore => row.risk_score.key(),
            Self::ChainScore => row.chain_score.key(),
            Self::LossDirect => row.expected_annual_loss_direct_jpy.key(),
            Self::LossCaused => row.expected_annual_loss_caused_jpy.key(),
        }
    }

    /// Returns the column that it sorts by.
    fn column(self) -> &'static str {
        <Self as crate::Choice>::key(self)
    }
}

/// Filters of the list of scores. Empty ones let everything through.
#[derive(Debug, Clone, Default)]
pub struct ScoreFilter {
    /// Only those with one of these grades.
    pub grades: Vec<String>,
    /// Only those with one of these chain grades.
    pub chain_grades: Vec<String>,
    /// Only those in one of these sections.
    pub jsic_sections: Vec<String>,
    /// Only those of one of these sizes.
    pub size_classes: Vec<String>,
    /// Only those in one of these tiers.
    pub tiers: Vec<i32>,
    /// The lowest and the highest risk score.
    pub risk_score: [Option<f64>; 2],
    /// The lowest and the highest chain score.
    pub chain_score: [Option<f64>; 2],
    /// The lowest and the highest loss through the supplier, in yen a year.
    pub loss_direct_jpy: [Option<f64>; 2],
    /// The lowest and the highest loss that the supplier causes, in yen a year.
    pub loss_caused_jpy: [Option<f64>; 2],
}

/// The part of a list of scores, and its order.
pub type ScorePage = Page<Supplier, ScoreSort>;

/// The number of blocks in one statement.
const BLOCKS: usize = 16;
/// Up to this number of suppliers are looked up in their blocks, unless the run is in memory.
const FEW: usize = 4;

/// Adds the scores of a run.
///
/// # Errors
/// Database errors, as for all functions below, and [`RepoError::Failed`] if a block is damaged.
pub fn insert(tx: &mut Tx, run: RunId, scores: &PackedScores) -> Result<(), RepoError> {
    for blocks in scores.blocks.chunks(BLOCKS) {
        let values = blocks.iter().map(|(first_supplier, bytes)| {
            (
                score_blocks::tenant_id.eq(tx.tenant),
                score_blocks::run_id.eq(run),
                score_blocks::first_supplier_id.eq(first_supplier),
                score_blocks::bytes.eq(bytes),
            )
        });
        let values: Vec<_> = values.collect();
        each_backend!(tx.conn, c => diesel::insert_into(score_blocks::table).values(values).execute(c))?;
    }
    Ok(())
}

/// Lists scores of a run.
///
/// # Errors
/// The same as [`insert`].
pub fn list(tx: &mut Tx, run: RunId, filter: &ScoreFilter, page: &ScorePage) -> Result<Vec<ScoreRow>, RepoError> {
    let scores = unpacked(tx, run)?;
    scores.page(filter, page)?.into_iter().map(|row| scores.score(row)).collect()
}

/// Counts the scores of a run that a filter lets through.
///
/// # Errors
/// The same as [`insert`].
pub fn count(tx: &mut Tx, run: RunId, filter: &ScoreFilter) -> Result<i64, RepoError> {
    Ok(i64::try_from(unpacked(tx, run)?.count(filter)).unwrap_or(i64::MAX))
}

/// Passes each score of a run that passes a filter to `with`, in order of code, with its explanation.
///
/// # Errors
/// Errors of `with`, and the same as [`insert`].
pub fn each<E: From<RepoError>>(
    tx: &mut Tx,
    run: RunId,
    filter: &ScoreFilter,
    mut with: impl FnMut(ScoreRow, String) -> Result<(), E>,
) -> Result<(), E> {
    let all = ScorePage { sort: Some(ScoreSort::SupplierCode), is_descending: false, after: None, limit: i64::MAX };
    let scores = unpacked(tx, run)?;
    let rows = scores.page(filter, &all)?;
    for rows in rows.chunks(scores.facts_at_a_time()) {
        for (row, facts) in rows.iter().zip(scores.facts(rows)?) {
            with(scores.score(*row)?, facts)?;
        }
    }
    Ok(())
}

/// Finds the scores of suppliers in a run.
///
/// # Errors
/// The same as [`insert`].
pub fn of_suppliers(tx: &mut Tx, run: RunId, suppliers: &[SupplierId]) -> Result<Vec<ScoreRow>, RepoError> {
    let mut found = Vec::with_capacity(suppliers.len());
    let is_at_hand = |_: &Unpacked, _: &[usize]| true;
    look_up(tx, run, suppliers, is_at_hand, |scores, rows| {
        for row in rows {
            found.push(scores.score(*row)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Finds the scores of suppliers in a run, with their explanations as JSON.
///
/// # Errors
/// The same as [`insert`].
pub fn explained(tx: &mut Tx, run: RunId, suppliers: &[SupplierId]) -> Result<Vec<(ScoreRow, String)>, RepoError> {
    let mut found = Vec::with_capacity(suppliers.len());
    look_up(tx, run, suppliers, Unpacked::has_facts_at_hand, |scores, rows| {
        for (row, facts) in rows.iter().zip(scores.facts(rows)?) {
            found.push((scores.score(*row)?, facts));
        }
        Ok(())
    })?;
    Ok(found)
}

/// Finds scores of a run by the codes that the suppliers had then, with their explanations as JSON.
///
/// # Errors
/// The same as [`insert`].
pub fn of_codes(tx: &mut Tx, run: RunId, codes: &[&str]) -> Result<Vec<(ScoreRow, String)>, RepoError> {
    let scores = unpacked(tx, run)?;
    let rows = scores.rows_of_codes(codes);
    rows.iter().zip(scores.facts(&rows)?).map(|(row, facts)| Ok((scores.score(*row)?, facts))).collect()
}

/// Finds a supplier's scores in several runs, in order of the given runs. Runs that did not score it are left out.
///
/// # Errors
/// The same as [`insert`].
pub fn in_runs(tx: &mut Tx, runs: &[RunId], supplier: SupplierId) -> Result<Vec<(RunId, ScoreRow)>, RepoError> {
    let mut found = Vec::new();
    for run in runs {
        found.extend(of_suppliers(tx, *run, &[supplier])?.into_iter().map(|row| (*run, row)));
    }
    Ok(found)
}

/// Returns whether any run has scored a supplier.
///
/// # Errors
/// The same as [`insert`].
pub fn is_scored(tx: &mut Tx, supplier: SupplierId) -> Result<bool, RepoError> {
    let runs: Vec<RunId> = each_backend!(tx.conn, c => score_runs::table
        .filter(score_runs::tenant_id.eq(tx.tenant))
        // The latest runs are the most likely to have scored it.
        .order(score_runs::id.desc())
        .select(score_runs::id)
        .load(c))?;
    for run in runs {
        if !of_suppliers(tx, run, &[supplier])?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Passes the rows of suppliers to `with`, by block or all at once. Suppliers without a score are left out.
/// `is_at_hand` says whether `with` takes no time if the run is in memory.
fn look_up(
    tx: &mut Tx,
    run: RunId,
    suppliers: &[SupplierId],
    is_at_hand: impl Fn(&Unpacked, &[usize]) -> bool,
    mut with: impl FnMut(&Unpacked, &[usize]) -> Result<(), RepoError>,
) -> Result<(), RepoError> {
    let rows = |scores: &Unpacked| -> Vec<usize> {
        suppliers.iter().filter_map(|supplier| scores.row_of(*supplier)).collect()
    };
    let key = (tx.tenant, run);
    if let Some(scores) = tx.warm_runs.kept(key) {
        let rows = rows(&scores);
        if !is_at_hand(&scores, &rows) {
            tx.expect_time()?;
        }
        return with(&scores, &rows);
    }
    tx.expect_time()?;
    if suppliers.len() > FEW || (tx.warm_runs.note_lookups(key, suppliers.len()) && is_kept_once_unpacked(tx, run)?) {
        let scores = unpacked(tx, run)?;
        return with(&scores, &rows(&scores));
    }
    for supplier in suppliers {
        let block: Option<Vec<u8>> = each_backend!(tx.conn, c => score_blocks::table
            .filter(score_blocks::tenant_id.eq(tx.tenant))
            .filter(score_blocks::run_id.eq(run))
            .filter(score_blocks::first_supplier_id.le(supplier))
            .order(score_blocks::first_supplier_id.desc())
            .select(score_blocks::bytes)
            .first(c)
            .optional())?;
        let Some(block) = block else { continue };
        let mut scores = Unpacked::default();
        scores.push(&block)?;
        if let Some(row) = scores.row_of(*supplier) {
            with(&scores, &[row])?;
        }
    }
    Ok(())
}

/// Returns the number of bytes of a run in the database.
fn stored_bytes(tx: &mut Tx, run: RunId) -> Result<u64, RepoError> {
    let bytes: i64 = each_backend!(tx.conn, c => score_blocks::table
        .filter(score_blocks::tenant_id.eq(tx.tenant))
        .filter(score_blocks::run_id.eq(run))
        .select(diesel::dsl::sql::<diesel::sql_types::BigInt>("CAST(coalesce(sum(length(bytes)), 0) AS BIGINT)"))
        .first(c))?;
    Ok(bytes.unsigned_abs())
}

fn is_kept_once_unpacked(tx: &mut Tx, run: RunId) -> Result<bool, RepoError> {
    let bytes = stored_bytes(tx, run)?;
    Ok(tx.warm_runs.has_room(bytes))
}

/// Returns all scores of a run, from memory if they are kept there.
fn unpacked(tx: &mut Tx, run: RunId) -> Result<Lent, RepoError> {
    let key = (tx.tenant, run);
    if let Some(scores) = tx.warm_runs.kept(key) {
        return Ok(scores);
    }
    tx.expect_time()?;
    let (stored, warm_runs) = (stored_bytes(tx, run)?, tx.warm_runs.clone());
    warm_runs.get(key, stored, || {
        let blocks = score_blocks::table
            .filter(score_blocks::tenant_id.eq(tx.tenant))
            .filter(score_blocks::run_id.eq(run))
            .order(score_blocks::first_supplier_id.asc())
            .select(score_blocks::bytes);
        let mut scores = Unpacked::default();
        each_row!(tx.conn, blocks, |bytes: Vec<u8>| scores.push(&bytes));
        Ok(scores)
    })
}
