//! Commits: the transactions that recorded something of a buyer, in the order in which others came to see it.
//!
//! Each has a number within its buyer, one more than the one before, and a moment, later than that of the one before.
//! Versions of records have the number of the commit that recorded them and of the one that superseded them. Who, when
//! and with which import is stored once, here. The moment is taken when the transaction commits. What was known at a
//! moment is what the commits up to it have recorded, so it includes nothing of an import that was running then.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use diesel::prelude::*;

use crate::conn::each_backend;
use crate::error::RepoError;
use crate::kept::{Kept, padded};
use crate::record::BATCH;
use crate::tables::commits;
use crate::{Clock, JobId, Timestamp, Tx};

/// The part of a commit that records refer to.
#[derive(Debug)]
pub struct Commit {
    /// Its number among those of its buyer.
    pub number: i64,
    /// Who made it.
    pub actor: String,
    /// The import that made it, if one did.
    pub import_id: Option<JobId>,
    at: OnceLock<Timestamp>,
    /// The clock of a commit that is still to come, and the earliest moment that it can have.
    clock: Option<(Clock, Timestamp)>,
}

impl Commit {
    /// Creates the commit that a transaction becomes.
    pub(crate) fn to_be(number: i64, clock: (Clock, Timestamp), actor: String, import_id: Option<JobId>) -> Self {
        Self { number, actor, import_id, at: OnceLock::new(), clock: Some(clock) }
    }

    /// Returns its moment. That of a commit still to come is taken when it is first asked for: at the end of the
    /// transaction, or just before by a caller that answers with what was recorded.
    pub fn at(&self) -> Timestamp {
        *self.at.get_or_init(|| match &self.clock {
            Some((clock, earliest)) => clock.now().max(*earliest),
            None => unreachable!("one that was read has its moment"),
        })
    }
}

type Row = (i64, Timestamp, String, Option<JobId>);

impl From<Row> for Commit {
    fn from((number, at, actor, import_id): Row) -> Self {
        Self { number, actor, import_id, at: OnceLock::from(at), clock: None }
    }
}

/// Returns the latest commit up to a moment; 0 if there is none. None if no moment is given.
pub(crate) fn up_to(tx: &mut Tx, moment: Option<Timestamp>) -> Result<Option<i64>, RepoError> {
    let Some(moment) = moment else { return Ok(None) };
    let found: Option<i64> = each_backend!(tx.conn, c => commits::table
        .filter(commits::tenant_id.eq(tx.tenant))
        .filter(commits::committed_at.le(moment))
        .order((commits::committed_at.desc(), commits::number.desc()))
        .select(commits::number)
        .first(c)
        .optional())?;
    Ok(Some(found.unwrap_or(0)))
}

/// Returns the first commit at a moment or later; a number that no commit has yet if there is none. None if no moment
/// is given.
pub(crate) fn since(tx: &mut Tx, moment: Option<Timestamp>) -> Result<Option<i64>, RepoError> {
    let Some(moment) = moment else { return Ok(None) };
    let found: Option<i64> = each_backend!(tx.conn, c => commits::table
        .filter(commits::tenant_id.eq(tx.tenant))
        .filter(commits::committed_at.ge(moment))
        .order((commits::committed_at.asc(), commits::number.asc()))
        .select(commits::number)
        .first(c)
        .optional())?;
    Ok(Some(found.unwrap_or(i64::MAX)))
}

/// Returns the number and the moment of the latest commit.
pub(crate) fn latest(tx: &mut Tx) -> Result<Option<(i64, Timestamp)>, RepoError> {
    Ok(each_backend!(tx.conn, c => commits::table
        .filter(commits::tenant_id.eq(tx.tenant))
        .order(commits::number.desc())
        .select((commits::number, commits::committed_at))
        .first(c)
        .optional())?)
}

/// Returns when anything of a buyer was first recorded.
///
/// # Errors
/// Database errors, as for all functions below.
pub fn first_moment(tx: &mut Tx) -> Result<Option<Timestamp>, RepoError> {
    Ok(each_backend!(tx.conn, c => commits::table
        .filter(commits::tenant_id.eq(tx.tenant))
        .order(commits::number.asc())
        .select(commits::committed_at)
        .first(c)
        .optional())?)
}

/// Returns when anything of a buyer was last recorded. What is recorded later has a later moment, so what is known now
/// is what was known then.
///
/// # Errors
/// Database errors.
pub fn latest_moment(tx: &mut Tx) -> Result<Option<Timestamp>, RepoError> {
    Ok(latest(tx)?.map(|(_, at)| at))
}

/// Finds commits by their numbers, which are among those of the buyer.
pub(crate) fn find(tx: &mut Tx, numbers: &[i64]) -> Result<HashMap<i64, Arc<Commit>>, RepoError> {
    let mut found = HashMap::with_capacity(numbers.len());
    for numbers in numbers.chunks(BATCH) {
        let numbers = padded(numbers);
        let columns = (commits::number, commits::committed_at, commits::actor, commits::import_id);
        let query = commits::table.filter(commits::tenant_id.eq(tx.tenant)).filter(commits::number.eq_any(&numbers));
        let rows: Vec<Row> = each_backend!(tx.conn, c => Kept(query.select(columns)).load(c))?;
        found.extend(rows.into_iter().map(|row| (row.0, Arc::new(row.into()))));
    }
    Ok(found)
}
