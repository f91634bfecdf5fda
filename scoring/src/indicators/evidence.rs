//! The evidence up to the day: certificates in force, the age of the newest evidence, and what is over.

use polars::prelude::*;

use super::Coverage;
use crate::columns::SCHEMES;
use crate::columns::name::*;
use crate::controls;
use crate::frame::{days, keys};
use crate::model::{Format, Model};
use crate::portfolio::Portfolio;

/// The evidence on each supplier. It only has counts and days, so the order of rows does not matter.
pub(super) struct Evidence {
    as_of: i32,
    /// The schemes of the certificates in force, one bit each.
    schemes: Vec<u8>,
    /// The date of the newest evidence; none without any.
    newest: Vec<Option<i32>>,
    /// Enrollments and certificates that are over.
    pub(super) expired: Coverage,
}

impl Evidence {
    pub(super) fn new(portfolio: &Portfolio, model: &Model, supplier_count: usize, as_of: i32) -> PolarsResult<Self> {
        let mut evidence = Self {
            as_of,
            schemes: vec![0; supplier_count],
            newest: vec![None; supplier_count],
            expired: Coverage::default(),
        };
        evidence.add_enrollments(portfolio)?;
        evidence.add_certifications(portfolio, model)?;
        evidence.add_dated(&portfolio.incidents, OCCURRED_ON)?;
        if model.format() == Format::Two {
            evidence.add_dated(&portfolio.assessments, ASSESSED_ON)?;
        }
        Ok(evidence)
    }

    /// Counts the suppliers with a certificate of one of the schemes in force.
    pub(super) fn with(&self, schemes: &[&str]) -> Coverage {
        let wanted = bits(schemes);
        Coverage::of(self.schemes.iter().map(|found| found & wanted != 0))
    }

    /// The same, only over some of the suppliers.
    pub(super) fn with_of(&self, schemes: &[&str], is_among: &[bool]) -> Coverage {
        let wanted = bits(schemes);
        let among = self.schemes.iter().zip(is_among).filter(|(_, is_among)| **is_among);
        Coverage::of(among.map(|(found, _)| found & wanted != 0))
    }

    /// Returns the age of the newest evidence on each supplier that has any, in days.
    pub(super) fn ages_days(&self) -> Vec<i64> {
        self.newest.iter().flatten().map(|day| i64::from(self.as_of) - i64::from(*day)).collect()
    }

    fn add_enrollments(&mut self, portfolio: &Portfolio) -> PolarsResult<()> {
        let begun = self.up_to_day(&portfolio.enrollments, STARTS_ON).collect()?;
        let ends_on = begun.column(ENDS_ON)?.date()?.physical().iter();
        for (supplier, ends_on) in keys(&begun, SUPPLIER)?.iter().zip(ends_on) {
            let ended_on = ends_on.filter(|day| *day <= self.as_of);
            self.expired.add(ended_on.is_some());
            self.date(*supplier, ended_on.unwrap_or(self.as_of));
        }
        Ok(())
    }

    fn add_certifications(&mut self, portfolio: &Portfolio, model: &Model) -> PolarsResult<()> {
        let issued =
            self.up_to_day(&portfolio.certifications, ISSUED_ON).with_column(controls::expiry(model)).collect()?;
        let schemes = issued.column(SCHEME)?.str()?.iter();
        let issued_on = issued.column(ISSUED_ON)?.date()?.physical().into_no_null_iter();
        let last_days = issued.column(EXPIRY)?.i32()?.iter();
        for (((supplier, scheme), issued_on), last_day) in
            keys(&issued, SUPPLIER)?.iter().zip(schemes).zip(issued_on).zip(last_days)
        {
            let is_over = last_day.is_some_and(|day| day < self.as_of);
            self.expired.add(is_over);
            self.date(*supplier, issued_on);
            if let Some(found) = self.schemes.get_mut(*supplier as usize).filter(|_| !is_over) {
                *found |= bits(scheme.as_slice());
            }
        }
        Ok(())
    }

    /// Notes the rows of a table that only have a day.
    fn add_dated(&mut self, table: &DataFrame, date: &str) -> PolarsResult<()> {
        let known = self.up_to_day(table, date).collect()?;
        let days = known.column(date)?.date()?.physical().into_no_null_iter();
        for (supplier, day) in keys(&known, SUPPLIER)?.iter().zip(days) {
            self.date(*supplier, day);
        }
        Ok(())
    }

    /// Returns the rows of a table that are dated up to the day.
    fn up_to_day(&self, table: &DataFrame, date: &str) -> LazyFrame {
        table.clone().lazy().filter(days(date).lt_eq(lit(self.as_of)))
    }

    /// Notes evidence on a supplier, with its day.
    fn date(&mut self, supplier: u32, day: i32) {
        if let Some(newest) = self.newest.get_mut(supplier as usize) {
            *newest = (*newest).max(Some(day));
        }
    }
}

/// Returns a set of schemes, one bit for each.
fn bits(schemes: &[&str]) -> u8 {
    let of = |scheme: &str| SCHEMES.iter().position(|known| *known == scheme).map_or(0, |place| 1 << place);
    schemes.iter().fold(0, |bits, scheme| bits | of(scheme))
}
