//! A connection, and how a transaction on it begins and ends.

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;

use crate::error::RepoError;
use crate::postgres::{self, Turn, TurnRow};
use crate::scope::Scope;

/// A connection to one of the databases that Sonae runs on.
pub(crate) enum Conn {
    /// The embedded database.
    Sqlite(SqliteConnection),
    /// A server, with what is known of the transaction.
    Postgres(PgConnection, postgres::Session),
}

/// Writes a query once for every database: expands it in each arm.
macro_rules! each_backend {
    ($conn:expr, $c:ident => $query:expr) => {
        match &mut *$conn {
            $crate::conn::Conn::Sqlite($c) => $query,
            $crate::conn::Conn::Postgres($c, _) => $query,
        }
    };
}
pub(crate) use each_backend;

/// Passes each row of a query to `with` as it arrives. No database loads all of them first.
macro_rules! each_row {
    ($conn:expr, $query:expr, $with:expr) => {
        match &mut *$conn {
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

/// Returns how many transactions are nested; an error if the connection is lost.
fn depth<C>(conn: &mut C) -> QueryResult<Option<std::num::NonZeroU32>>
where
    C: diesel::Connection<TransactionManager = AnsiTransactionManager>,
{
    AnsiTransactionManager::transaction_manager_status_mut(conn).transaction_depth()
}

impl Conn {
    /// Begins a transaction, with the statements that belong to its beginning.
    pub(crate) fn begin(&mut self, scope: Scope, beginning: &postgres::Beginning) -> Result<(), RepoError> {
        let begun = match self {
            Self::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, beginning.begin)
                .and_then(|()| crate::sqlite::fix_state(c)),
            Self::Postgres(c, session) => {
                AnsiTransactionManager::begin_transaction_sql(c, &session.begin(scope, beginning))
            }
        };
        begun.map_err(|error| {
            // It may have begun before it failed. If this fails too, the pool discards the connection.
            each_backend!(self, c => drop(c.batch_execute("ROLLBACK")));
            self.failed(error.into())
        })
    }

    /// Takes the row that writers hold one after another, in the transaction that was begun.
    pub(crate) fn take_turn(&mut self, row: TurnRow) -> Result<Turn, RepoError> {
        match self {
            // There is one writer.
            Self::Sqlite(_) => Ok(Turn::Taken),
            Self::Postgres(c, _) => row.take(c),
        }
    }

    /// Creates that row when it is needed for the first time.
    pub(crate) fn make_turn(&mut self, row: TurnRow) -> Result<(), RepoError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c, _) => row.make(c),
        }
    }

    /// Checks that the connection leads to the session that it prepared, for statements outside of any transaction.
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

    /// Returns whether the connection cannot be used any more.
    pub(crate) fn is_lost(&mut self) -> bool {
        let is_handed_over = matches!(self, Self::Postgres(_, session) if session.is_handed_over());
        is_handed_over || each_backend!(self, c => depth(c).is_err())
    }

    /// Gives a connection of an embedded database a large or a small cache. Servers manage their own.
    pub(crate) fn resize_cache(&mut self, is_large: bool) -> diesel::QueryResult<()> {
        match self {
            Self::Sqlite(c) => crate::sqlite::resize_cache(c, is_large),
            Self::Postgres(..) => Ok(()),
        }
    }

    /// Returns whether a transaction has begun and not ended.
    pub(crate) fn is_open(&mut self) -> bool {
        each_backend!(self, c => depth(c).is_ok_and(|depth| depth.is_some()))
    }

    /// Ends the transaction, and keeps what it has written.
    pub(crate) fn commit(&mut self) -> Result<(), RepoError> {
        Ok(each_backend!(self, c => AnsiTransactionManager::commit_transaction(c))?)
    }

    /// Ends the transaction, and undoes what it has written. If that fails, the connection is lost, and with it what
    /// was not committed. The pool discards it.
    pub(crate) fn roll_back(&mut self) {
        each_backend!(self, c => drop(AnsiTransactionManager::rollback_transaction(c)));
    }

    /// Begins a savepoint within the transaction.
    pub(crate) fn set_savepoint(&mut self) -> Result<(), RepoError> {
        Ok(each_backend!(self, c => AnsiTransactionManager::begin_transaction(c))?)
    }

    /// Ends the savepoint, and keeps or undoes what was written since.
    pub(crate) fn end_savepoint(&mut self, is_kept: bool) -> Result<(), RepoError> {
        Ok(each_backend!(self, c => if is_kept {
            AnsiTransactionManager::commit_transaction(c)
        } else {
            AnsiTransactionManager::rollback_transaction(c)
        })?)
    }

    /// Changes to the rows of another scope, within the transaction.
    pub(crate) fn turn_to(&mut self, scope: impl Into<Scope>) -> Result<(), RepoError> {
        match self {
            // The embedded database has only the filters of the queries.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c, session) => Ok(c.batch_execute(&session.turn_to(scope.into()))?),
        }
    }

    /// Notes that the transaction has added rows to a table. Makes a server analyze the table if its statistics are far
    /// from that.
    pub(crate) fn analyze_grown(&mut self, table: &'static str, rows: usize) -> Result<(), RepoError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c, session) => {
                session.note_growth(table, rows).map_or(Ok(()), |sql| Ok(c.batch_execute(&sql)?))
            }
        }
    }
}
