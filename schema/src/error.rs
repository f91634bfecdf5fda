//! The errors of the database.

use diesel::result::{DatabaseErrorKind, Error};

/// A text for people, in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bilingual {
    /// English.
    pub en: String,
    /// Japanese.
    pub ja: String,
}

/// An error of the database, by what callers do about it.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// A row with this key exists already.
    #[error("a row with this key already exists")]
    Duplicate(#[source] Error),
    /// Another row refers to this one, or this one to a row that does not exist.
    #[error("another row refers to this one, or this one refers to a row that does not exist")]
    Reference(#[source] Error),
    /// No connection became free in time, another client holds what is needed, or the server is away. A later attempt
    /// may succeed.
    #[error("the database is busy or away")]
    Busy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The disk has no room for what was to be written. Nothing was written.
    #[error("the disk is full")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The disk or the database accepts no writes now. Nothing was written.
    #[error("the database can only be read")]
    Unwritable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process has taken the job over.
    #[error("another process has taken the job over")]
    TakenOver,
    /// The database cannot be used as it is.
    #[error("{0}")]
    Unusable(String),
    /// The tables do not fit this release, or are not secured. Says what somebody has to do.
    #[error("{}", .0.en)]
    Unfit(Bilingual),
    /// Anything else.
    #[error("the database failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What databases say when they are only busy, in English or as a Japanese server does. Diesel has no kind for these.
const BUSY_MESSAGES: [&str; 12] = [
    "database is locked",
    "canceling statement due to statement timeout",
    "canceling statement due to lock timeout",
    "canceling statement due to conflict with recovery",
    "deadlock detected",
    // Said before the connection is seen to be closed: the server stops, has crashed, or found a transaction silent.
    "terminating connection",
    "ステートメントのタイムアウトのため",
    "ロックのタイムアウトのため",
    "リカバリで競合が発生したため",
    "デッドロックを検出しました",
    "接続を終了",
    "コネクションを終了",
];

/// What databases say when the disk is full. A server uses the words of its operating system.
const DISK_FULL_MESSAGES: [&str; 5] = [
    "database or disk is full",
    "No space left on device",
    "Disk quota exceeded",
    "デバイスに空き領域がありません",
    "ディスク使用量制限を超過しました",
];

/// What the embedded database says when it cannot write, or cannot even open the file to write to.
const UNWRITABLE_MESSAGES: [&str; 3] =
    ["attempt to write a readonly database", "disk I/O error", "unable to open database file"];

/// What a server says when it accepts no more connections for now. It is not away.
const NO_CONNECTION_LEFT_MESSAGES: [&str; 10] = [
    "too many clients already",
    "remaining connection slots are reserved",
    "too many connections for role",
    "too many connections for database",
    // PgBouncer, about its own limits.
    "no more connections allowed",
    "query_wait_timeout",
    "クライアント数が多すぎます",
    "残りの接続スロット",
    "からの接続が多すぎます",
    "への接続が多すぎます",
];

/// What a server or a pooler says when a session is not the one that was prepared: the names of diesel's statements,
/// and [`ConnectionFault::OTHER_SESSION_MARK`]. Never said to a connection with a session of its own.
const OTHER_SESSION_MESSAGES: [&str; 4] = [
    ConnectionFault::OTHER_SESSION_MARK,
    "__diesel_stmt_",
    "unnamed prepared statement does not exist",
    "無名の準備された文が存在しません",
];

/// Why no connection is available although the server is there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionFault {
    /// A pooler on the way to the server gives transactions to any session.
    #[error(
        "the way to the database leads through a pool that gives each transaction another session of the server, such as \
         PgBouncer in transaction mode, or one in session mode that resets nothing between clients; use its session mode \
         (pool_mode=session) with server_reset_query = DISCARD ALL, or connect to the server itself"
    )]
    TransactionPool,
    /// The server, the database or the role has reached its limit of connections.
    #[error(
        "{0} takes no more connections ({1}); end other clients, lower --database-connections of the processes that share \
         it, or raise max_connections"
    )]
    NoConnectionFree(String, String),
}

impl ConnectionFault {
    /// What the server repeats in its error when a transaction begins in another client's session.
    pub(crate) const OTHER_SESSION_MARK: &str = "sonae: not the session that was prepared";

    /// Returns why a connection to a server cannot be made, if it is one of these faults.
    pub(crate) fn of_connect(shown: &str, message: &str) -> Option<Self> {
        if NO_CONNECTION_LEFT_MESSAGES.iter().any(|text| message.contains(text)) {
            return Some(Self::NoConnectionFree(shown.to_owned(), message.to_owned()));
        }
        OTHER_SESSION_MESSAGES.iter().any(|text| message.contains(text)).then_some(Self::TransactionPool)
    }
}

impl From<ConnectionFault> for RepoError {
    /// A later attempt may succeed, once the server has room or the pooler is configured differently.
    fn from(fault: ConnectionFault) -> Self {
        Self::Busy(fault.into())
    }
}

impl RepoError {
    /// Returns whether the connection that failed leads through a pooler that cannot be used.
    pub(crate) fn is_of_pool(&self) -> bool {
        matches!(self, Self::Busy(cause) if matches!(cause.downcast_ref(), Some(ConnectionFault::TransactionPool)))
    }

    /// Returns whether the server is there, but has no free connection.
    pub(crate) fn is_full_up(&self) -> bool {
        matches!(self, Self::Busy(cause) if matches!(cause.downcast_ref(), Some(ConnectionFault::NoConnectionFree(..))))
    }

    /// Returns the same error as it is reported at the start, when waiting does not help.
    pub(crate) fn at_start(self) -> Self {
        match self {
            Self::Busy(cause) if cause.is::<ConnectionFault>() => Self::Unusable(cause.to_string()),
            error => error,
        }
    }

    /// Returns the error for a cause with this message, if the message says that the disk is at fault.
    pub(crate) fn of_disk<E>(message: &str, error: E) -> Result<Self, E>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
        if says(&DISK_FULL_MESSAGES) {
            Ok(Self::Full(error.into()))
        } else if says(&UNWRITABLE_MESSAGES) {
            Ok(Self::Unwritable(error.into()))
        } else {
            Err(error)
        }
    }

    /// Returns whether a message says that another client has held a table or row for too long.
    pub(crate) fn is_of_lock(message: &str) -> bool {
        message.contains("canceling statement due to lock timeout") || message.contains("ロックのタイムアウトのため")
    }

    /// Returns whether the disk is at fault, because it is full or accepts no writes.
    pub fn is_of_disk(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Unwritable(_))
    }
}

impl From<Error> for RepoError {
    fn from(error: Error) -> Self {
        use DatabaseErrorKind::{
            ClosedConnection, ForeignKeyViolation, ReadOnlyTransaction, SerializationFailure, UnableToSendCommand,
            UniqueViolation,
        };
        match &error {
            Error::DatabaseError(UniqueViolation, _) => Self::Duplicate(error),
            Error::DatabaseError(ForeignKeyViolation, _) => Self::Reference(error),
            // A primary that has become a replica accepts no writes, but its successor will.
            Error::DatabaseError(
                ClosedConnection | UnableToSendCommand | SerializationFailure | ReadOnlyTransaction,
                _,
            )
            | Error::BrokenTransactionManager => Self::Busy(error.into()),
            Error::RollbackErrorOnCommit { commit_error, .. } => {
                let message = commit_error.to_string();
                Self::of_disk(&message, error).unwrap_or_else(|error| Self::Busy(error.into()))
            }
            Error::DatabaseError(_, cause)
                if OTHER_SESSION_MESSAGES.iter().any(|text| cause.message().contains(text)) =>
            {
                ConnectionFault::TransactionPool.into()
            }
            Error::DatabaseError(_, cause) if BUSY_MESSAGES.iter().any(|text| cause.message().contains(text)) => {
                Self::Busy(error.into())
            }
            Error::DatabaseError(_, cause) => {
                let message = cause.message().to_owned();
                Self::of_disk(&message, error).unwrap_or_else(|error| Self::Failed(error.into()))
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

/// Returns an error and its causes, on one line.
pub(crate) fn with_causes(error: &RepoError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
