//! Commits: the transactions that recorded something of a buyer, in the order in which others came to see it.
//!
//! Each has a number of its buyer, one more than the one before, and a moment, later than that of the one before. Versions
//! of records keep the number of the commit that recorded them and of the one that superseded them; who, when and with which
//! import is said once, here. The moment is taken when the transaction commits: what was known at a moment is what the
//! commits up to it have recorded, so of an import that was at work then nothing is.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use diesel::prelude::*;

use crate::conn::each_backend;
use crate::error::RepoError;
use crate::kept::{Kept, padded};
use crate::record::BATCH;
use crate::tables::commits;
use crate::{Clock, JobId, Timestamp, Tx};

/// What records keep of a commit.
#[derive(Debug)]
pub struct Commit {
    /// Its number among those of its buyer.
    pub number: i64,
    /// Who.
    pub actor: String,
    /// With which import.
    pub import_id: Option<JobId>,
    at: OnceLock<Timestamp>,
    /// What tells the moment of one that is to be, and the earliest that it can have.
    clock: Option<(Clock, Timestamp)>,
}

impl Commit {
    /// One that a transaction becomes.
    pub(crate) fn to_be(number: i64, clock: (Clock, Timestamp), actor: String, import_id: Option<JobId>) -> Self {
        Self { number, actor, import_id, at: OnceLock::new(), clock: Some(clock) }
    }

    /// When. Of one that is to be, the moment is taken when it is first asked for: at its end, or by whoever answers with
    /// what was recorded, just before.
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

/// The latest commit up to a moment; 0 before the first. None where no moment is asked for.
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

/// The first commit at a moment or later; a number that none has yet where there was none since. None where no moment is
/// asked for.
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

/// The number and the moment of the latest commit.
pub(crate) fn latest(tx: &mut Tx) -> Result<Option<(i64, Timestamp)>, RepoError> {
    Ok(each_backend!(tx.conn, c => commits::table
        .filter(commits::tenant_id.eq(tx.tenant))
        .order(commits::number.desc())
        .select((commits::number, commits::committed_at))
        .first(c)
        .optional())?)
}

/// When anything of a buyer was recorded first.
///
/// # Errors
/// Those of the database, as for all that follow.
pub fn first_moment(tx: &mut Tx) -> Result<Option<Timestamp>, RepoError> {
    Ok(each_backend!(tx.conn, c => commits::table
        .filter(commits::tenant_id.eq(tx.tenant))
        .order(commits::number.asc())
        .select(commits::committed_at)
        .first(c)
        .optional())?)
}

/// When anything of a buyer was recorded last. All that is recorded later has a later moment, so that what is known now is
/// what was known then.
///
/// # Errors
/// Those of the database.
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
