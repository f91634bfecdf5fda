//! Score runs: they are immutable, with what they scored and by which model.

use std::collections::HashMap;

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{self, Nullable};

use crate::conn::each_backend;
use crate::error::RepoError;
use crate::record::BATCH;
use crate::tables::{models, score_blocks, score_inputs, score_runs};
use crate::{RunId, Timestamp, Tx};

/// A score run.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = score_runs, treat_none_as_default_value = false)]
pub struct RunRow {
    /// Its id, which is also that of the job that computed it.
    pub id: RunId,
    /// The day for which scores were computed.
    pub as_of: NaiveDate,
    /// The moment whose knowledge was scored.
    pub known_at: Timestamp,
    /// When it was scored.
    pub scored_at: Timestamp,
    /// Who requested it.
    pub created_by: String,
    /// Whether it followed from a change or a new day, without a request.
    pub is_automatic: bool,
    /// When it was first exported, if it was. An exported run is kept.
    pub exported_at: Option<Timestamp>,
    /// The model's version.
    pub model_version: String,
    /// The SHA-256 of the model's text.
    pub model_hash: String,
    /// The version of Sonae.
    pub engine_version: String,
    /// The SHA-256 of the input.
    pub input_hash: String,
    /// What a breach of the buyer's network costs according to the buyer, if given.
    pub buyer_breach_loss_jpy: Option<i64>,
    /// The number of changes of the data when it was read.
    pub data_version: i64,
    /// Whether it is a trial, which does not replace the buyer's scores: by another model, or of what was known at a
    /// chosen moment.
    pub is_trial: bool,
    /// The number of suppliers that were scored.
    pub supplier_count: i64,
    /// The number of rows of relationships that were read.
    pub relationship_count: i64,
    /// The number of enrollments that were read.
    pub enrollment_count: i64,
    /// The number of certifications that were read.
    pub certification_count: i64,
    /// The number of assessments that were read.
    pub assessment_count: i64,
    /// The number of rows of incidents that were read.
    pub incident_count: i64,
    /// How long reading and scoring took, in milliseconds.
    pub duration_ms: i64,
}

/// Adds a run and the figures of its portfolio as JSON. These are kept apart from the row, which is read with each
/// score.
///
/// # Errors
/// Database errors, as for all functions below.
pub fn insert(tx: &mut Tx, run: &RunRow, portfolio: &str) -> Result<(), RepoError> {
    let values = (score_runs::tenant_id.eq(tx.tenant), run, score_runs::portfolio.eq(portfolio));
    each_backend!(tx.conn, c => diesel::insert_into(score_runs::table).values(values).execute(c))?;
    Ok(())
}

/// Finds a run.
///
/// # Errors
/// Database errors.
pub fn find(tx: &mut Tx, id: RunId) -> Result<Option<RunRow>, RepoError> {
    Ok(
        each_backend!(tx.conn, c => score_runs::table.find((tx.tenant, id)).select(RunRow::as_select()).first(c).optional())?,
    )
}

/// Reads the figures of the portfolio that these runs have stored, as JSON.
///
/// # Errors
/// Database errors.
pub fn portfolios(tx: &mut Tx, ids: &[RunId]) -> Result<HashMap<RunId, String>, RepoError> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(BATCH) {
        let rows: Vec<(RunId, String)> = each_backend!(tx.conn, c => score_runs::table
            .filter(score_runs::tenant_id.eq(tx.tenant))
            .filter(score_runs::id.eq_any(ids))
            .select((score_runs::id, score_runs::portfolio))
            .load(c))?;
        found.extend(rows);
    }
    Ok(found)
}

/// Finds the run that has the current scores: the latest run of the latest day. A trial is only used if there are no
/// others.
///
/// # Errors
/// Database errors.
pub fn latest(tx: &mut Tx) -> Result<Option<RunRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => score_runs::table
        .filter(score_runs::tenant_id.eq(tx.tenant))
        .order((score_runs::is_trial.asc(), score_runs::as_of.desc(), score_runs::scored_at.desc(), score_runs::id.desc()))
        .select(RunRow::as_select())
        .first(c)
        .optional())?)
}

/// Finds the run before another one with the same model, by day and then by time of scoring. Trials are left out.
///
/// # Errors
/// Database errors.
pub fn before(tx: &mut Tx, run: &RunRow) -> Result<Option<RunRow>, RepoError> {
    let same_day = score_runs::as_of.eq(run.as_of).and(score_runs::scored_at.lt(run.scored_at));
    Ok(each_backend!(tx.conn, c => score_runs::table
        .filter(score_runs::tenant_id.eq(tx.tenant))
        .filter(score_runs::is_trial.eq(false).and(score_runs::model_hash.eq(&run.model_hash)))
        .filter(score_runs::as_of.lt(run.as_of).or(same_day))
        .order((score_runs::as_of.desc(), score_runs::scored_at.desc(), score_runs::id.desc()))
        .select(RunRow::as_select())
        .first(c)
        .optional())?)
}

/// Filters of the list of runs, and which part of it.
#[derive(Debug, Clone, Default)]
pub struct RunList {
    /// Only those for this day or later.
    pub as_of_gte: Option<NaiveDate>,
    /// Only those for this day or earlier.
    pub as_of_lte: Option<NaiveDate>,
    /// Only automatic ones, or only others.
    pub is_automatic: Option<bool>,
    /// Also trials.
    pub with_trials: bool,
    /// Only those that follow the run of this day and id in the list.
    pub after: Option<(NaiveDate, RunId)>,
    /// The maximum number of runs.
    pub limit: i64,
}

/// Lists runs, those of the latest day first.
///
/// # Errors
/// Database errors.
pub fn list(tx: &mut Tx, list: &RunList) -> Result<Vec<RunRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => {
        let mut query = score_runs::table.filter(score_runs::tenant_id.eq(tx.tenant)).into_boxed();
        if let Some(day) = list.as_of_gte {
            query = query.filter(score_runs::as_of.ge(day));
        }
        if let Some(day) = list.as_of_lte {
            query = query.filter(score_runs::as_of.le(day));
        }
        if let Some(is_automatic) = list.is_automatic {
            query = query.filter(score_runs::is_automatic.eq(is_automatic));
        }
        if !list.with_trials {
            query = query.filter(score_runs::is_trial.eq(false));
        }
        if let Some((day, id)) = list.after {
            query = query.filter(score_runs::as_of.lt(day).or(score_runs::as_of.eq(day).and(score_runs::id.lt(id))));
        }
        query
            .order((score_runs::as_of.desc(), score_runs::id.desc()))
            .limit(list.limit)
            .select(RunRow::as_select())
            .load(c)
    })?)
}

/// Notes that a run was exported, so that it is kept. Returns whether it exists.
///
/// # Errors
/// Database errors.
pub fn note_exported(tx: &mut Tx, id: RunId) -> Result<bool, RepoError> {
    let now = Some(tx.moment());
    let first =
        diesel::dsl::case_when(score_runs::exported_at.is_null(), now.into_sql::<Nullable<sql_types::Timestamp>>())
            .otherwise(score_runs::exported_at);
    let run = score_runs::table.find((tx.tenant, id));
    let count = each_backend!(tx.conn, c => diesel::update(run).set(score_runs::exported_at.eq(first)).execute(c))?;
    Ok(count > 0)
}

/// What pruning needs to know of a run.
#[derive(Debug, Clone, Queryable)]
pub struct RunAge {
    /// The run.
    pub id: RunId,
    /// The day for which scores were computed.
    pub as_of: NaiveDate,
    /// The number of its suppliers.
    pub supplier_count: i64,
}

/// Lists the automatic runs that nobody has exported, those of the latest day first.
///
/// # Errors
/// Database errors.
pub fn automatic(tx: &mut Tx) -> Result<Vec<RunAge>, RepoError> {
    Ok(each_backend!(tx.conn, c => score_runs::table
        .filter(score_runs::tenant_id.eq(tx.tenant))
        .filter(score_runs::is_automatic.eq(true).and(score_runs::exported_at.is_null()))
        .order((score_runs::as_of.desc(), score_runs::id.desc()))
        .select((score_runs::id, score_runs::as_of, score_runs::supplier_count))
        .load(c))?)
}

/// Deletes runs with their scores, and inputs that no run needs any more. Returns the number of deleted inputs.
///
/// # Errors
/// Database errors.
pub fn delete(tx: &mut Tx, ids: &[RunId]) -> Result<usize, RepoError> {
    for id in ids {
        let blocks =
            score_blocks::table.filter(score_blocks::tenant_id.eq(tx.tenant)).filter(score_blocks::run_id.eq(id));
        let run = score_runs::table.find((tx.tenant, id));
        each_backend!(tx.conn, c => diesel::delete(blocks).execute(c))?;
        each_backend!(tx.conn, c => diesel::delete(run).execute(c))?;
    }
    let needed = score_runs::table.filter(score_runs::tenant_id.eq(tx.tenant)).select(score_runs::input_hash);
    let unneeded = score_inputs::table
        .filter(score_inputs::tenant_id.eq(tx.tenant))
        .filter(diesel::dsl::not(score_inputs::input_hash.eq_any(needed)));
    let count: i64 = each_backend!(tx.conn, c => unneeded.filter(score_inputs::seq.eq(0)).count().get_result(c))?;
    each_backend!(tx.conn, c => diesel::delete(unneeded).execute(c))?;
    Ok(count as usize)
}

/// Returns whether an input is already stored.
///
/// # Errors
/// Database errors.
pub fn has_input(tx: &mut Tx, hash: &str) -> Result<bool, RepoError> {
    Ok(find_input_chunk(tx, hash, 0)?.is_some())
}

/// Adds a part of an input.
///
/// # Errors
/// Database errors.
pub fn insert_input_chunk(tx: &mut Tx, hash: &str, seq: i32, bytes: &[u8]) -> Result<(), RepoError> {
    let values = (
        score_inputs::tenant_id.eq(tx.tenant),
        score_inputs::input_hash.eq(hash),
        score_inputs::seq.eq(seq),
        score_inputs::bytes.eq(bytes),
    );
    each_backend!(tx.conn, c => diesel::insert_into(score_inputs::table).values(values).execute(c))?;
    Ok(())
}

/// Finds a part of an input.
///
/// # Errors
/// Database errors.
pub fn find_input_chunk(tx: &mut Tx, hash: &str, seq: i32) -> Result<Option<Vec<u8>>, RepoError> {
    Ok(each_backend!(tx.conn, c => score_inputs::table
        .find((tx.tenant, hash, seq))
        .select(score_inputs::bytes)
        .first(c)
        .optional())?)
}

/// Stores the text of a model, unless it is stored already.
///
/// # Errors
/// Database errors.
pub fn keep_model(tx: &mut Tx, hash: &str, version: &str, text: &str) -> Result<(), RepoError> {
    let values = (
        models::hash.eq(hash),
        models::version.eq(version),
        models::text.eq(text),
        models::recorded_at.eq(tx.moment()),
    );
    each_backend!(tx.conn, c => diesel::insert_into(models::table)
        .values(values)
        .on_conflict(models::hash)
        .do_nothing()
        .execute(c))?;
    Ok(())
}

/// Finds the text of a model by its hash.
///
/// # Errors
/// Database errors.
pub fn find_model(tx: &mut Tx, hash: &str) -> Result<Option<String>, RepoError> {
    Ok(each_backend!(tx.conn, c => models::table.find(hash).select(models::text).first(c).optional())?)
}
