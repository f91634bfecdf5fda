//! Moments: UTC, to the millisecond, as the interfaces show them.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, SubsecRound, TimeDelta, TimeZone, Utc};
use diesel::backend::Backend;
use diesel::deserialize::FromSqlRow;
use diesel::deserialize::{self, FromSql};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::values::deserialize_parsed;

/// A moment in UTC, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Timestamp)]
pub struct Timestamp(NaiveDateTime);

impl Timestamp {
    /// Parses an RFC 3339 text.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc).into())
    }

    /// Returns a moment later by a duration, or the same one if that is beyond the calendar.
    #[must_use]
    pub fn after(self, time: TimeDelta) -> Self {
        Self(self.0.checked_add_signed(time).unwrap_or(self.0))
    }

    /// Returns how much later it is than another moment; 0 if it is earlier.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.signed_duration_since(earlier.0).to_std().unwrap_or_default()
    }

    /// Returns the calendar day at this moment in a time zone.
    pub fn day_in(self, zone: impl TimeZone) -> NaiveDate {
        self.0.and_utc().with_timezone(&zone).date_naive()
    }

    /// Returns the time that a clock in a time zone shows: `2026-09-30 18:05:00 +09:00`.
    pub fn clock_in(self, zone: impl TimeZone<Offset: fmt::Display>) -> String {
        self.0.and_utc().with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %:z").to_string()
    }

    /// Returns the milliseconds since 1970, with which ids begin.
    pub fn unix_milliseconds(self) -> i64 {
        self.0.and_utc().timestamp_millis()
    }

    /// Returns the seconds since 1970, as tokens count time.
    pub fn unix_seconds(self) -> i64 {
        self.0.and_utc().timestamp()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.naive_utc().trunc_subsecs(3))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.and_utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_parsed(deserializer, |text| Self::parse(text).ok_or("not a moment"))
    }
}

impl<DB: Backend> ToSql<sql_types::Timestamp, DB> for Timestamp
where
    NaiveDateTime: ToSql<sql_types::Timestamp, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<DB: Backend> FromSql<sql_types::Timestamp, DB> for Timestamp
where
    NaiveDateTime: FromSql<sql_types::Timestamp, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        NaiveDateTime::from_sql(bytes).map(Self)
    }
}
