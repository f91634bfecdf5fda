//! A connection, and the transactions over it.

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;

use crate::TenantId;
use crate::error::RepoError;
use crate::postgres::{self, Turn, TurnRow};

/// A connection to one of the databases that Sonae runs on.
#[expect(missing_debug_implementations, reason = "diesel's connections have none")]
pub enum Conn {
    /// The embedded database.
    Sqlite(SqliteConnection),
    /// A server, with what is known of the transaction.
    Postgres(PgConnection, postgres::Session),
}

/// Writes a query once for every database: expands it in each arm.
macro_rules! each_backend {
    ($conn:expr, $c:ident => $query:expr) => {
        match $conn {
            $crate::conn::Conn::Sqlite($c) => $query,
            $crate::conn::Conn::Postgres($c, _) => $query,
        }
    };
}
pub(crate) use each_backend;

/// Gives each row of a query to `with`, as they come: no database hands all of them over first.
macro_rules! each_row {
    ($conn:expr, $query:expr, $with:expr) => {
        match $conn {
            $crate::conn::Conn::Sqlite(c) => {
                let rows = $query.load_iter::<_, diesel::connection::DefaultLoadingMode>(c);
                for row in rows.map_err($crate::RepoError::from)? {
                    $with(row.map_err($crate::RepoError::from)?)?;
                }
            }
            $crate::conn::Conn::Postgres(c, _) => {
                let rows = $query.load_iter::<_, diesel::pg::PgRowByRowLoadingMode>(c);
                for row in rows.map_err($crate::RepoError::from)? {
                    $with(row.map_err($crate::RepoError::from)?)?;
                }
            }
        }
    };
}
pub(crate) use each_row;

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads, all from one state of the database.
    Reader,
    /// Writes, with no other writer of the same buyer beside it: what it has read does not change before it ends.
    Writer,
    /// Writes jobs and what belongs to them. Where the database allows it, it does not wait for a writer that works long.
    Queue,
}

/// Whose rows a transaction reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of one buyer, and what all buyers share.
    Tenant(TenantId),
    /// The list of buyers, the queue of jobs and what all buyers share: nothing that a buyer has registered.
    Installation,
}

/// How many transactions have begun within each other; an error where the connection is lost.
fn depth<C>(conn: &mut C) -> QueryResult<Option<std::num::NonZeroU32>>
where
    C: diesel::Connection<TransactionManager = AnsiTransactionManager>,
{
    AnsiTransactionManager::transaction_manager_status_mut(conn).transaction_depth()
}

impl From<TenantId> for Scope {
    fn from(tenant: TenantId) -> Self {
        Self::Tenant(tenant)
    }
}

impl Conn {
    /// Begins a transaction with the statements that belong to its beginning.
    pub(crate) fn begin(&mut self, scope: Scope, beginning: &postgres::Beginning) -> Result<(), RepoError> {
        let begun = match self {
            Self::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, beginning.begin),
            Self::Postgres(c, session) => {
                AnsiTransactionManager::begin_transaction_sql(c, &session.begin(scope, beginning))
            }
        };
        begun.map_err(|error| {
            // It may have begun before it failed. Where this fails too, the pool throws the connection away.
            each_backend!(self, c => drop(c.batch_execute("ROLLBACK")));
            self.failed(error.into())
        })
    }

    /// Takes the row that writers hold one after the other, in the transaction that was begun.
    pub(crate) fn take_turn(&mut self, row: TurnRow) -> Result<Turn, RepoError> {
        match self {
            // It has one writer.
            Self::Sqlite(_) => Ok(Turn::Taken),
            Self::Postgres(c, _) => row.take(c),
        }
    }

    /// Makes that row, where it is the first time that it is needed.
    pub(crate) fn make_turn(&mut self, row: TurnRow) -> Result<(), RepoError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c, _) => row.make(c),
        }
    }

    /// Ends a transaction that has done nothing. Where that fails, the pool throws the connection away.
    pub(crate) fn abandon(&mut self) {
        each_backend!(self, c => drop(AnsiTransactionManager::rollback_transaction(c)));
    }

    /// Asks whether the connection leads to the session that it prepared, for statements outside of any transaction.
    pub(crate) fn expect_own_session(&mut self) -> Result<(), RepoError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c, session) => c.batch_execute(&session.guard()).map_err(|error| self.failed(error.into())),
        }
    }

    fn failed(&mut self, error: RepoError) -> RepoError {
        if let Self::Postgres(_, session) = self {
            session.fails(&error);
        }
        error
    }

    /// Whether the connection cannot be used any more.
    pub(crate) fn is_lost(&mut self) -> bool {
        let is_handed_over = matches!(self, Self::Postgres(_, session) if session.is_handed_over());
        is_handed_over || each_backend!(self, c => depth(c).is_err())
    }

    /// Whether a transaction has begun and not ended.
    pub(crate) fn is_open(&mut self) -> bool {
        each_backend!(self, c => depth(c).is_ok_and(|depth| depth.is_some()))
    }

    /// Runs `work` in the transaction that was begun, which is kept if it succeeds and undone if it does not.
    pub(crate) fn finish<T, E: From<RepoError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let outcome = work(self);
        match &outcome {
            Ok(_) => {
                each_backend!(self, c => AnsiTransactionManager::commit_transaction(c)).map_err(RepoError::from)?;
            }
            // Where undoing fails the connection is lost, and with it what was not kept; the cause is what matters.
            Err(_) => each_backend!(self, c => drop(AnsiTransactionManager::rollback_transaction(c))),
        }
        outcome
    }

    /// Undoes what `work` has written, whatever it gives.
    ///
    /// # Errors
    /// Those of `work` and of the database.
    pub fn rehearse<T, E: From<RepoError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(T, bool), E>,
    ) -> Result<T, E> {
        each_backend!(self, c => AnsiTransactionManager::begin_transaction(c)).map_err(RepoError::from)?;
        let outcome = work(self);
        let keep = matches!(outcome, Ok((_, true)));
        let ended = each_backend!(self, c => if keep {
            AnsiTransactionManager::commit_transaction(c)
        } else {
            AnsiTransactionManager::rollback_transaction(c)
        });
        let (value, _) = outcome?;
        ended.map_err(RepoError::from)?;
        Ok(value)
    }

    /// Turns to the rows of another scope, within the transaction.
    pub(crate) fn turn_to(&mut self, scope: impl Into<Scope>) -> Result<(), RepoError> {
        match self {
            // The embedded database has one wall, the filters of the queries.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c, session) => Ok(c.batch_execute(&session.turn_to(scope.into()))?),
        }
    }

    /// Notes that the transaction has added rows to a table.
    pub(crate) fn has_grown(&mut self, table: &'static str, rows: usize) -> Result<(), RepoError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c, session) => session.grow(table, rows).map_or(Ok(()), |sql| Ok(c.batch_execute(&sql)?)),
        }
    }
}
