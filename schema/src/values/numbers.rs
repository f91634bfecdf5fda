//! Numbers with a range.

use diesel::backend::Backend;
use diesel::deserialize::FromSqlRow;
use diesel::deserialize::{self, FromSql};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Double};
use serde::Serialize;

use super::ValueError;

/// Far more than any real count, and small enough for doubles and JavaScript numbers to hold every whole number.
const MAX_COUNT: i64 = 1_000_000_000_000;
/// A thousand times the yen of a national economy, and still below 2^53.
const MAX_YEN: i64 = 1_000_000_000_000_000;

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow, Serialize)]
#[diesel(sql_type = BigInt)]
#[serde(transparent)]
pub struct Whole<const MIN: i64, const MAX: i64>(i64);

/// A number of employees, endpoints or partners; may be 0.
pub type Count = Whole<0, MAX_COUNT>;
/// A number that cannot be 0.
pub type PositiveCount = Whole<1, MAX_COUNT>;
/// The total of a self-assessment: 25 answers from -1 to 4 points.
pub type TotalScore = Whole<-25, 100>;
/// Yen that people enter.
pub type Yen = Whole<0, MAX_YEN>;

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    /// Returns the number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Returns the number of the range that is closest to this one.
    pub const fn clamped(number: i64) -> Self {
        Self(if number < MIN {
            MIN
        } else if number > MAX {
            MAX
        } else {
            number
        })
    }
}

impl<const MIN: i64, const MAX: i64> TryFrom<i64> for Whole<MIN, MAX> {
    type Error = ValueError;

    fn try_from(number: i64) -> Result<Self, ValueError> {
        let in_range = (MIN..=MAX).contains(&number);
        if in_range { Ok(Self(number)) } else { Err(ValueError::OutOfRange(MIN as f64, MAX as f64)) }
    }
}

impl<const MIN: i64, const MAX: i64, DB: Backend> ToSql<BigInt, DB> for Whole<MIN, MAX>
where
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<const MIN: i64, const MAX: i64, DB: Backend> FromSql<BigInt, DB> for Whole<MIN, MAX>
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(bytes).map(Self)
    }
}

/// A number from 0 to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, AsExpression, FromSqlRow, Serialize)]
#[diesel(sql_type = Double)]
#[serde(transparent)]
pub struct UpTo<const MAX: u32>(f64);

/// A part of a whole, 0 to 1.
pub type Share = UpTo<1>;
/// Days, with decimals, up to a thousand years.
pub type Days = UpTo<365_250>;

impl<const MAX: u32> UpTo<MAX> {
    /// Returns the number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<const MAX: u32> TryFrom<f64> for UpTo<MAX> {
    type Error = ValueError;

    fn try_from(number: f64) -> Result<Self, ValueError> {
        let max = f64::from(MAX);
        // NaN is in no range. Minus zero becomes zero, so that equal values have the same bits.
        if (0.0..=max).contains(&number) { Ok(Self(number + 0.0)) } else { Err(ValueError::OutOfRange(0.0, max)) }
    }
}

impl<const MAX: u32, DB: Backend> ToSql<Double, DB> for UpTo<MAX>
where
    f64: ToSql<Double, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<const MAX: u32, DB: Backend> FromSql<Double, DB> for UpTo<MAX>
where
    f64: FromSql<Double, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        f64::from_sql(bytes).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_at_both_ends() {
        assert!(Share::try_from(0.0).is_ok() && Share::try_from(1.0).is_ok());
        for wrong in [-f64::MIN_POSITIVE, 1.0 + f64::EPSILON, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::try_from(wrong), Err(ValueError::OutOfRange(0.0, 1.0)), "{wrong}");
        }
        assert_eq!(PositiveCount::try_from(0), Err(ValueError::OutOfRange(1.0, 1e12)));
        assert!(Yen::try_from(MAX_YEN).is_ok());
        assert_eq!(Yen::try_from(-1), Err(ValueError::OutOfRange(0.0, 1e15)));
    }
}
