//! Ids: UUIDs of version 7, one type for each thing they name.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use diesel::backend::Backend;
use diesel::deserialize::FromSqlRow;
use diesel::deserialize::{self, FromSql};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::Timestamp;
use crate::values::deserialize_parsed;

/// The id of a `T`: stored and shown as the usual 36 characters.
#[derive(AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Id<T> {
    text: [u8; 36],
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
/// The id of a score run: that of the job that made it, in its own type.
pub type RunId = Id<ScoreRun>;
/// The id of a supplier.
pub type SupplierId = Id<crate::suppliers::Supplier>;

/// A text that is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct NotAnId;

impl<T> Id<T> {
    /// Before all ids that are made at a moment or later.
    pub fn earliest_at(moment: Timestamp) -> Self {
        let milliseconds = u64::try_from(moment.unix_milliseconds()).unwrap_or_default();
        Self::from(uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid())
    }

    /// How old it is at a moment.
    pub fn age(self, now: Timestamp) -> Duration {
        let made = Uuid::try_parse(self.as_str()).ok().and_then(|id| id.get_timestamp());
        let made = made.map_or(Duration::ZERO, |made| {
            let (seconds, nanos) = made.to_unix();
            Duration::new(seconds, nanos)
        });
        let now = Duration::from_millis(u64::try_from(now.unix_milliseconds()).unwrap_or_default());
        now.saturating_sub(made)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.text).unwrap_or_default()
    }
}

impl RunId {
    /// The id of the run that a job makes: the same one.
    pub fn of_job(job: JobId) -> Self {
        Self { text: job.text, of: PhantomData }
    }
}

impl JobId {
    /// The id of the job that made a run: the same one.
    pub fn of_run(run: RunId) -> Self {
        Self { text: run.text, of: PhantomData }
    }
}

impl<T> From<Uuid> for Id<T> {
    fn from(id: Uuid) -> Self {
        let mut text = [0; 36];
        id.hyphenated().encode_lower(&mut text);
        Self { text, of: PhantomData }
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
        self.text == other.text
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
        self.text.cmp(&other.text)
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_parsed(deserializer, str::parse)
    }
}

impl<T, DB: Backend> ToSql<Text, DB> for Id<T>
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_str().to_sql(out)
    }
}

impl<T, DB: Backend> FromSql<Text, DB> for Id<T>
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(String::from_sql(bytes)?.parse()?)
    }
}
