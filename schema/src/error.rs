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
    /// No connection came free in time, or another process holds the database.
    #[error("the database is busy")]
    Busy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database cannot be used as it is.
    #[error("{0}")]
    Unusable(String),
    /// Anything else.
    #[error("the database failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<Error> for RepoError {
    fn from(error: Error) -> Self {
        match &error {
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Duplicate(error),
            Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Self::Reference(error),
            // SQLite has no error kind of its own for a lock that another process holds.
            Error::DatabaseError(_, cause) if cause.message().contains("database is locked") => {
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
