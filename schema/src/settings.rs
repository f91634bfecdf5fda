//! The settings of a buyer.

use diesel::prelude::*;

use crate::conn::each_backend;
use crate::error::RepoError;
use crate::tables::settings;
use crate::{Timestamp, Tx, Whole, Yen, data_states};

/// The settings of a buyer.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = settings, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Settings {
    /// Whether scores are recomputed automatically when the data changes and each day.
    pub scores_automatically: bool,
    /// The cost to the buyer of a breach of its own network; the model's value if omitted.
    pub buyer_breach_loss_jpy: Option<Yen>,
    /// For how many days the last automatic run of each day is kept.
    pub keep_daily_days: Whole<1, 3_650>,
    /// For how many months the last automatic run of each month is kept.
    pub keep_monthly_months: Whole<1, 1_200>,
}

/// Settings, with their last change.
#[derive(Debug, Clone, Queryable)]
pub struct StoredSettings {
    /// The settings.
    pub settings: Settings,
    /// The number of changes; 0 if they were never set.
    pub version: i32,
    /// When they were set.
    pub recorded_at: Option<Timestamp>,
    /// Who set them.
    pub recorded_by: Option<String>,
}

impl Default for Settings {
    /// Returns the defaults: automatic runs, kept daily for 90 days and monthly for ten years.
    fn default() -> Self {
        Self {
            scores_automatically: true,
            buyer_breach_loss_jpy: None,
            keep_daily_days: Whole::clamped(90),
            keep_monthly_months: Whole::clamped(120),
        }
    }
}

/// Finds the settings of a buyer; the defaults if it has set nothing.
///
/// # Errors
/// Database errors, as for all functions below.
pub fn find(tx: &mut Tx) -> Result<StoredSettings, RepoError> {
    let found: Option<(Settings, i32, Timestamp, String)> = each_backend!(tx.conn, c => settings::table
        .find(tx.tenant)
        .select((Settings::as_select(), settings::version, settings::recorded_at, settings::recorded_by))
        .first(c)
        .optional())?;
    Ok(match found {
        Some((settings, version, at, by)) => {
            StoredSettings { settings, version, recorded_at: Some(at), recorded_by: Some(by) }
        }
        None => StoredSettings { settings: Settings::default(), version: 0, recorded_at: None, recorded_by: None },
    })
}

/// Replaces the settings of a buyer.
///
/// # Errors
/// Database errors.
pub fn put(tx: &mut Tx, now: &StoredSettings, change: &Settings) -> Result<(), RepoError> {
    let meta = (
        settings::version.eq(now.version + 1),
        settings::recorded_at.eq(tx.moment()),
        settings::recorded_by.eq(tx.actor().subject.to_string()),
    );
    let all = (settings::tenant_id.eq(tx.tenant), change, meta.clone());
    each_backend!(tx.conn, c => diesel::insert_into(settings::table)
        .values(all)
        .on_conflict(settings::tenant_id)
        .do_update()
        .set((change, meta))
        .execute(c))?;
    if change.buyer_breach_loss_jpy == now.settings.buyer_breach_loss_jpy {
        return Ok(());
    }
    data_states::touch(tx)
}
