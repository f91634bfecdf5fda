//! What can go wrong in the database.

use diesel::result::{DatabaseErrorKind, Error};

/// An error of the database, as its callers tell them apart.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// A row with this key is there already.
    #[error("a row with this key is there already")]
    Duplicate(#[source] Error),
    /// Another row refers to this one, or this one to a row that is not there.
    #[error("another row refers to this one, or this one to none")]
    Reference(#[source] Error),
    /// No connection came free in time, somebody else holds what is needed, or the server is away: later it may work.
    #[error("the database is busy or away")]
    Busy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process has taken the job over.
    #[error("another process has taken the job over")]
    TakenOver,
    /// The database cannot be used as it is.
    #[error("{0}")]
    Unusable(String),
    /// Anything else.
    #[error("the database failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What databases say, in English or as a Japanese server does, when they are only busy: diesel has no kind for these.
const BUSY: [&str; 11] = [
    "database is locked",
    "canceling statement due to statement timeout",
    "canceling statement due to lock timeout",
    "canceling statement due to conflict with recovery",
    "deadlock detected",
    // Before the connection is seen to be closed: the server stops, has crashed, or found a transaction silent.
    "terminating connection",
    "ステートメントのタイムアウトのため",
    "ロックのタイムアウトのため",
    "リカバリで競合が発生したため",
    "デッドロックを検出しました",
    "接続を終了",
];

impl From<Error> for RepoError {
    fn from(error: Error) -> Self {
        use DatabaseErrorKind::{
            ClosedConnection, ForeignKeyViolation, ReadOnlyTransaction, SerializationFailure, UnableToSendCommand,
            UniqueViolation,
        };
        match &error {
            Error::DatabaseError(UniqueViolation, _) => Self::Duplicate(error),
            Error::DatabaseError(ForeignKeyViolation, _) => Self::Reference(error),
            // A primary that has become a replica takes no writes; its successor will.
            Error::DatabaseError(
                ClosedConnection | UnableToSendCommand | SerializationFailure | ReadOnlyTransaction,
                _,
            )
            | Error::BrokenTransactionManager
            | Error::RollbackErrorOnCommit { .. } => Self::Busy(error.into()),
            Error::DatabaseError(_, cause) if BUSY.iter().any(|text| cause.message().contains(text)) => {
                Self::Busy(error.into())
            }
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<diesel::r2d2::PoolError> for RepoError {
    fn from(error: diesel::r2d2::PoolError) -> Self {
        Self::Busy(error.into())
    }
}
