//! What searching for a last trade price may cost.

use crate::time::{MILLISECOND, Nanos};

/// Receive time that must pass for each search of the price grid: searches are dear, and a
/// stream of wrong hashes must not buy many.
const SEARCH_PRICE: Nanos = 5 * MILLISECOND;
/// Most searches that can be saved up.
const SEARCHES_SAVED: i64 = 64;

/// A budget of searches that fills with receive time.
#[derive(Debug)]
pub(super) struct SearchBudget {
    saved: Nanos,
    ts_last: Nanos,
}

impl Default for SearchBudget {
    fn default() -> Self {
        Self { saved: SEARCHES_SAVED * SEARCH_PRICE, ts_last: 0 }
    }
}

impl SearchBudget {
    /// Whether `searches` of the coarse grid may be made at `ts`; if so, they are paid for.
    pub(super) fn afford(&mut self, ts: Nanos, searches: i64) -> bool {
        let passed = ts.saturating_sub(self.ts_last).max(0);
        self.saved = self.saved.saturating_add(passed).min(SEARCHES_SAVED * SEARCH_PRICE);
        self.ts_last = self.ts_last.max(ts);
        let price = searches.min(SEARCHES_SAVED) * SEARCH_PRICE;
        let affordable = self.saved >= price;
        self.saved -= if affordable { price } else { 0 };
        affordable
    }
}
