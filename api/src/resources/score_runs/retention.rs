//! Which runs are kept: all that somebody started or exported, and the last automatic ones of each day and month for a
//! while.

use std::collections::HashSet;

use chrono::{Datelike, Days, Months, NaiveDate, TimeDelta};
use schema::score_runs::{self, RunAge};
use schema::settings::{self, Settings};
use schema::{RepoError, RunId, Tx, jobs};

/// How many days the files of export jobs are kept.
pub(crate) const EXPORT_DAYS: i64 = 7;

/// What was deleted.
#[derive(Debug)]
pub(crate) struct Pruned {
    /// Automatic runs, those of the latest day first.
    pub(crate) runs: Vec<RunAge>,
    /// How many inputs were deleted because no run uses them any more.
    pub(crate) input_count: usize,
    /// How many parts of export files were deleted.
    pub(crate) file_part_count: usize,
}

/// Returns the automatic runs that need not be kept any more, those of the latest day first.
pub(crate) fn to_prune(tx: &mut Tx, today: NaiveDate) -> Result<Vec<RunAge>, RepoError> {
    let settings = settings::find(tx)?.settings;
    Ok(dropped(&score_runs::automatic(tx)?, &settings, today))
}

/// Deletes what need not be kept any more, in the caller's transaction.
pub(crate) fn prune(tx: &mut Tx, today: NaiveDate) -> Result<Pruned, RepoError> {
    let runs = to_prune(tx, today)?;
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    let input_count = super::drop_runs(tx, &ids)?;
    let old = tx.moment().after(TimeDelta::days(-EXPORT_DAYS));
    Ok(Pruned { runs, input_count, file_part_count: jobs::delete_export_chunks(tx, old)? })
}

/// Returns the runs that are the last one of no day or month that is kept. `automatic` has those of the latest day
/// first.
fn dropped(automatic: &[RunAge], settings: &Settings, today: NaiveDate) -> Vec<RunAge> {
    let days = settings.keep_daily_days.get().unsigned_abs();
    let months = u32::try_from(settings.keep_monthly_months.get()).unwrap_or(u32::MAX);
    let first_day = today.checked_sub_days(Days::new(days)).unwrap_or(NaiveDate::MIN);
    let first_month = today.checked_sub_months(Months::new(months)).unwrap_or(NaiveDate::MIN);
    let (mut seen_days, mut seen_months) = (HashSet::new(), HashSet::new());
    let mut is_kept = |run: &RunAge| {
        let is_last_of_day = seen_days.insert(run.as_of);
        let is_last_of_month = seen_months.insert((run.as_of.year(), run.as_of.month()));
        (is_last_of_day && run.as_of > first_day) || (is_last_of_month && run.as_of > first_month)
    };
    automatic.iter().filter(|run| !is_kept(run)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use schema::Clock;

    use super::*;

    /// Returns one automatic run for each of the `count` days up to a day, the latest first.
    fn daily(today: NaiveDate, count: u64) -> Vec<RunAge> {
        let run = |back| RunAge { id: Clock::system().id(), as_of: today - Days::new(back), supplier_count: 1 };
        (0..count).map(run).collect()
    }

    #[test]
    fn the_last_of_each_day_is_kept_for_ninety_days_and_of_each_month_for_ten_years() {
        let today = NaiveDate::from_ymd_opt(2026, 9, 30).unwrap();
        let runs = daily(today, 5000);
        let dropped: HashSet<_> =
            super::dropped(&runs, &Settings::default(), today).into_iter().map(|run| run.as_of).collect();
        let kept: Vec<_> = runs.iter().map(|run| run.as_of).filter(|day| !dropped.contains(day)).collect();

        let (days, months): (Vec<NaiveDate>, Vec<NaiveDate>) =
            kept.iter().partition(|day| **day > today - Days::new(90));
        assert_eq!(days.len(), 90);
        assert!(months.iter().all(|day| (*day + Days::new(1)).day() == 1), "the last of its month: {months:?}");
        assert_eq!(kept.last(), NaiveDate::from_ymd_opt(2016, 10, 31).as_ref());
        // The ends of September, August and July are among the days.
        assert_eq!(months.len(), 120 - 3);
    }

    #[test]
    fn of_several_on_a_day_the_last_is_kept() {
        let today = NaiveDate::from_ymd_opt(2026, 9, 30).unwrap();
        let runs = [daily(today, 1), daily(today, 2)].concat();
        let dropped = super::dropped(&runs, &Settings::default(), today);
        assert_eq!(dropped.iter().map(|run| run.id).collect::<Vec<_>>(), [runs[1].id]);
    }

    fn run(as_of: NaiveDate) -> score_runs::RunRow {
        let now = schema::Timestamp::parse("2026-09-30T00:00:00Z").unwrap();
        score_runs::RunRow {
            id: Clock::system().id(),
            as_of,
            known_at: now,
            scored_at: now,
            created_by: "automatic".to_owned(),
            is_automatic: true,
            exported_at: None,
            model_version: "1".to_owned(),
            model_hash: "hash".to_owned(),
            engine_version: "1".to_owned(),
            input_hash: as_of.to_string(),
            buyer_breach_loss_jpy: None,
            data_version: 1,
            is_trial: false,
            supplier_count: 1,
            relationship_count: 0,
            enrollment_count: 0,
            certification_count: 0,
            assessment_count: 0,
            incident_count: 0,
            duration_ms: 1,
        }
    }

    #[test]
    fn scores_are_stale_after_a_change_a_night_or_another_model_and_trials_always() {
        let day = NaiveDate::from_ymd_opt(2026, 9, 30).unwrap();
        let fresh = run(day);
        let is_stale =
            |run: &score_runs::RunRow, version, model, today| super::super::is_stale(run, version, model, today);
        assert!(!is_stale(&fresh, 1, "hash", day));
        assert!(is_stale(&fresh, 2, "hash", day));
        assert!(is_stale(&fresh, 1, "other", day));
        assert!(is_stale(&fresh, 1, "hash", day + Days::new(1)));
        assert!(is_stale(&score_runs::RunRow { is_trial: true, ..fresh }, 1, "hash", day));
    }
}
