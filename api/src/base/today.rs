//! The buyer's day and the moment in it.

use chrono::NaiveDate;
use chrono_tz::Tz;
use schema::Timestamp;

/// The buyer's day and the moment in it, taken together so that checks against either agree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Today {
    pub(crate) day: NaiveDate,
    pub(crate) moment: Timestamp,
}

impl Today {
    /// Returns the day at a moment in the time zone of a buyer.
    pub(crate) fn at(moment: Timestamp, zone: Tz) -> Self {
        Self { day: moment.day_in(zone), moment }
    }
}
