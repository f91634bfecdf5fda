//! Keeps the rows that scores depend on in memory between the runs of a buyer: a run after a change reads only what has
//! changed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schema::portfolio::Rows;
use schema::{RepoError, TenantId, Tx, score_runs};

/// How many bytes are kept for all buyers: the rows of about five portfolios of 10,000 suppliers and 100,000 incidents.
/// With many more rows, it is the model that takes the time.
const BUDGET: u64 = 64 << 20;

/// The rows of buyers. Beyond the budget, those of the buyer that was scored least recently are dropped.
#[derive(Default)]
pub(crate) struct WarmRows(Mutex<State>);

#[derive(Default)]
struct State {
    buyers: HashMap<TenantId, Kept>,
    /// Counts uses: the rows that were used last have the highest number.
    uses: u64,
}

struct Kept {
    rows: Rows,
    bytes: u64,
    last_use: u64,
}

impl WarmRows {
    /// Returns the current rows of a buyer: those that are kept, brought up to date, or read anew. Returns `None` if
    /// they would not be kept anyway. The caller gives them back; until then another run of the buyer reads its own.
    pub(super) fn take(&self, tx: &mut Tx) -> Result<Option<Rows>, RepoError> {
        let kept = self.state().buyers.remove(&tx.tenant());
        if let Some(kept) = kept
            && let Some(rows) = kept.rows.brought_up_to_date(tx, BUDGET)?
        {
            return Ok(Some(rows));
        }
        // There are about as many rows as the latest run scored. If those are too many, reading is not even begun.
        let Some(run) = score_runs::latest(tx)? else { return Ok(None) };
        let counts = [
            run.supplier_count,
            run.relationship_count,
            run.enrollment_count,
            run.certification_count,
            run.assessment_count,
            run.incident_count,
        ];
        if Rows::size_of(counts.map(i64::unsigned_abs)) > BUDGET {
            return Ok(None);
        }
        Rows::read(tx, BUDGET)
    }

    /// Gives back rows of a buyer.
    pub(super) fn keep(&self, tenant: TenantId, rows: Rows) {
        let bytes = rows.size();
        if bytes > BUDGET {
            return;
        }
        let mut state = self.state();
        state.uses += 1;
        let last_use = state.uses;
        state.buyers.insert(tenant, Kept { rows, bytes, last_use });
        let mut all: u64 = state.buyers.values().map(|kept| kept.bytes).sum();
        while all > BUDGET {
            let oldest = state.buyers.iter().min_by_key(|(_, kept)| kept.last_use).map(|(tenant, _)| *tenant);
            let Some(dropped) = oldest.and_then(|tenant| state.buyers.remove(&tenant)) else { break };
            all = all.saturating_sub(dropped.bytes);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The guarded data is consistent after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
