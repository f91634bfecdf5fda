//! The buyer's day, and the moment in it.

use chrono::NaiveDate;
use chrono_tz::Tz;
use schema::Timestamp;

/// The buyer's day, and the moment in it: what is checked against one and what is checked against the other agree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Today {
    pub(crate) day: NaiveDate,
    pub(crate) moment: Timestamp,
}

impl Today {
    /// The day at a moment in the time zone of a buyer.
    pub(crate) fn at(moment: Timestamp, zone: Tz) -> Self {
        Self { day: moment.day_in(zone), moment }
    }
}
