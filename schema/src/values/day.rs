//! Days as whole numbers, for what is read by the million.

use chrono::{Datelike, NaiveDate};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::Pg;
use diesel::pg::data_types::PgDate;
use diesel::sql_types::Date;
use diesel::sqlite::Sqlite;

/// A calendar day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, FromSqlRow)]
pub struct Day(i32);

/// 1970-01-01, counted from 0000-12-31 as chrono does.
const UNIX_EPOCH_DAY: i32 = 719_163;
/// 2000-01-01, from which PostgreSQL counts.
const POSTGRES_EPOCH_DAY: i32 = 10_957;

impl Day {
    /// Returns the number of days since 1970-01-01.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Returns the day before.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Reads `2026-09-30`.
    fn parse(text: &str) -> Result<Self, chrono::ParseError> {
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return Self::parse_any(text) };
        let digits = |digits: &[u8]| {
            let add = |sum: u32, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'));
            digits.iter().try_fold(0, add)
        };
        let date = (|| {
            let year = i32::try_from(digits(&[y1, y2, y3, y4])?).ok()?;
            NaiveDate::from_ymd_opt(year, digits(&[m1, m2])?, digits(&[d1, d2])?)
        })();
        date.map_or_else(|| Self::parse_any(text), |date| Ok(date.into()))
    }

    /// Parses as chrono does, which takes three times as long and says what is wrong.
    fn parse_any(text: &str) -> Result<Self, chrono::ParseError> {
        NaiveDate::parse_from_str(text, "%F").map(Self::from)
    }
}

impl From<NaiveDate> for Day {
    fn from(date: NaiveDate) -> Self {
        Self(date.num_days_from_ce() - UNIX_EPOCH_DAY)
    }
}

impl FromSql<Date, Sqlite> for Day {
    fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self::parse(value.read_text())?)
    }
}

impl FromSql<Date, Pg> for Day {
    fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let PgDate(days) = FromSql::<Date, Pg>::from_sql(value)?;
        Ok(days.checked_add(POSTGRES_EPOCH_DAY).map(Self).ok_or("a day that is too far off")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_chrono_reads_it() {
        for text in
            ["1970-01-01", "2026-09-30", "2024-02-29", "0001-01-01", "9999-12-31", "+12345-06-07", "-0044-03-15"]
        {
            let date = NaiveDate::parse_from_str(text, "%F").unwrap();
            assert_eq!(Day::parse(text), Ok(Day::from(date)), "{text}");
            assert_eq!(i64::from(Day::from(date).number()), (date - NaiveDate::default()).num_days(), "{text}");
        }
        for wrong in ["", "2026-02-29", "2026-13-01", "2026/09/30", "2026-09-3x", "20260930"] {
            assert!(Day::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Day::from(NaiveDate::from_ymd_opt(2000, 1, 1).unwrap()).number(), POSTGRES_EPOCH_DAY);
    }
}
