//! Ids: UUIDs of version 7, with one type for each thing that they name.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::marker::PhantomData;
use std::str::FromStr;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::SqlType;
use diesel::sqlite::{Sqlite, SqliteValue};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::Timestamp;
use crate::values::deserialize_parsed;

/// The column type of ids: `uuid` on a server, sixteen bytes in the embedded database. Both sort them as bytes, which
/// is the order in which they were made.
#[derive(Debug, Clone, Copy, SqlType, QueryId)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951))]
#[diesel(sqlite_type(name = "Binary"))]
pub struct Key;

/// The id of a `T`: stored as sixteen bytes, shown as the usual 36 characters.
#[derive(AsExpression, FromSqlRow)]
#[diesel(sql_type = Key)]
pub struct Id<T> {
    uuid: Uuid,
    of: PhantomData<fn() -> T>,
}

/// A buyer.
#[derive(Debug)]
pub struct Tenant;
/// A token.
#[derive(Debug)]
pub struct Token;
/// A job.
#[derive(Debug)]
pub struct Job;

/// A score run.
#[derive(Debug)]
pub struct ScoreRun;

/// The id of a buyer.
pub type TenantId = Id<Tenant>;
/// The id of a token, its `jti`.
pub type TokenId = Id<Token>;
/// The id of a job, and of the import that it runs.
pub type JobId = Id<Job>;
/// The id of a score run: that of the job that computed it, in its own type.
pub type RunId = Id<ScoreRun>;
/// The id of a registered service.
pub type ServiceId = Id<crate::services::Service>;
/// The id of a supplier.
pub type SupplierId = Id<crate::suppliers::Supplier>;

/// The error of a text that is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct NotAnId;

impl<T> Id<T> {
    /// Returns an id that comes before all ids made at a moment or later.
    pub fn earliest_at(moment: Timestamp) -> Self {
        let milliseconds = u64::try_from(moment.unix_milliseconds()).unwrap_or_default();
        Self::from(uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid())
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8; 16] {
        self.uuid.as_bytes()
    }
}

impl RunId {
    /// Returns the id of the run that a job computes, which is the same.
    pub fn of_job(job: JobId) -> Self {
        Self { uuid: job.uuid, of: PhantomData }
    }
}

impl JobId {
    /// Returns the id of the job that computed a run, which is the same.
    pub fn of_run(run: RunId) -> Self {
        Self { uuid: run.uuid, of: PhantomData }
    }
}

impl<T> From<Uuid> for Id<T> {
    fn from(id: Uuid) -> Self {
        Self { uuid: id, of: PhantomData }
    }
}

impl<T> FromStr for Id<T> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        Uuid::try_parse(text).map(Self::from).map_err(|_| NotAnId)
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.uuid.as_hyphenated(), out)
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.uuid.as_hyphenated(), out)
    }
}

impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_parsed(deserializer, str::parse)
    }
}

impl<T> ToSql<Key, Sqlite> for Id<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.bytes().as_slice());
        Ok(IsNull::No)
    }
}

impl<T> ToSql<Key, Pg> for Id<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.bytes())?;
        Ok(IsNull::No)
    }
}

impl<T> FromSql<Key, Sqlite> for Id<T> {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Uuid::from_slice(value.read_blob())?.into())
    }
}

impl<T> FromSql<Key, Pg> for Id<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Uuid::from_slice(value.as_bytes())?.into())
    }
}
