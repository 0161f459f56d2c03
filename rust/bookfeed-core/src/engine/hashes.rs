//! Hash checks: when the venue's hash is asked to vouch for a book, what its hashes contain,
//! and what searching for that may cost.

use super::{Engine, HashCheck};
use crate::book::Book;
use crate::book::integrity::{Cause, Evidence, HashVerdict, State};
use crate::book::proof::book_hash::{self, FieldSet, Hints, Prefix};
use crate::fixed::{Form, PRICE_DECIMALS, PRICE_ONE, Price, parse_price, write_decimal};
use crate::instrument::InstrumentId;
use crate::time::{MILLISECOND, Nanos};

/// Attempts at learning what a market's hashes contain before they are left alone.
const LESSONS_MAX: u32 = 3;
/// Receive time that must pass for each search of the price grid: searches are dear, and a
/// stream of wrong hashes must not buy many.
const SEARCH_PRICE: Nanos = 5 * MILLISECOND;
/// Most searches that can be saved up.
const SEARCHES_SAVED: i64 = 64;

impl Engine {
    /// Checks the hash of a change if the policy, or the book's standing, asks for it.
    #[inline]
    pub(super) fn hash_verdict(
        &mut self,
        id: InstrumentId,
        ts: Nanos,
        out_of_order: bool,
    ) -> HashVerdict {
        let book = &self.books[id as usize];
        let due = match self.config.hash_check {
            HashCheck::Always => true,
            HashCheck::Sampled => book.doubt.is_some() || book.state == State::Suspect || out_of_order,
            HashCheck::Off => false,
        };
        if due {
            return self.check_hash(id, ts, false);
        }
        HashVerdict::Skipped
    }

    /// Checks the hash of a whole book, which also teaches what the market's hashes contain.
    pub(super) fn hash_verdict_of_snapshot(&mut self, id: InstrumentId, ts: Nanos) -> HashVerdict {
        let book = &self.books[id as usize];
        match self.config.hash_check {
            HashCheck::Off => HashVerdict::Skipped,
            HashCheck::Sampled
                if book.state == State::Live && book.hash.profile.is_some() && book.doubt.is_none() =>
            {
                HashVerdict::Skipped
            }
            HashCheck::Always | HashCheck::Sampled => self.check_hash(id, ts, true),
        }
    }

    /// Whether the venue's hash vouches for the book as it stands, checking if need be.
    pub(super) fn vouch(&mut self, id: InstrumentId, ts: Nanos) -> bool {
        if self.config.hash_check == HashCheck::Off {
            return false;
        }
        if !self.books[id as usize].verified() && self.check_hash(id, ts, false) == HashVerdict::Match {
            let book = &mut self.books[id as usize];
            book.verified_version = book.version;
        }
        self.books[id as usize].verified()
    }

    fn check_hash(&mut self, id: InstrumentId, ts: Nanos, whole: bool) -> HashVerdict {
        let (Some(book), Some(about)) = (self.books.get_mut(id as usize), self.instruments.at(id))
        else {
            return HashVerdict::Unknown;
        };
        let Some(claimed) = book.hash.claimed else { return HashVerdict::Unknown };
        let hashed = book_hash::Book {
            market: about.market.as_deref().unwrap_or_default().as_bytes(),
            asset: about.symbol.as_bytes(),
            ts_event: book.hash.claimed_ts,
            bids: &book.bids,
            asks: &book.asks,
        };
        self.counters.hashes_checked += 1;
        let prefix = Prefix::new(&hashed, claimed, &mut self.text);
        let Some(profile) = &book.hash.profile else {
            return self.learn(id, &prefix, whole);
        };
        if prefix.matches(profile, &book.hash.last_trade_price)
            || prefix.matches(profile, &book.hash.earlier_trade_price)
        {
            return HashVerdict::Match;
        }
        if profile.fields == FieldSet::Ten && self.searches.afford(ts) {
            self.counters.hash_searches += 1;
            let near = near_touch(book);
            let sibling = about.sibling.and_then(|s| self.books.get(s as usize));
            let mirrored = sibling.map(|s| complement_of(&s.hash.last_trade_price)).unwrap_or_default();
            let book = &self.books[id as usize];
            let Some(profile) = &book.hash.profile else { return HashVerdict::Unknown };
            if let Some(price) = prefix.find_last_trade_price(profile, &[&mirrored, b""], near) {
                self.books[id as usize].hash.note_trade_price(&price);
                return HashVerdict::Match;
            }
        }
        if whole && self.relearn(id, &prefix) { HashVerdict::Match } else { HashVerdict::Mismatch }
    }

    /// A market whose hashes have not matched yet: finds out what they contain.
    fn learn(&mut self, id: InstrumentId, prefix: &Prefix, whole: bool) -> HashVerdict {
        let book = &self.books[id as usize];
        if whole && book.hash.failed_lessons < LESSONS_MAX && self.relearn(id, prefix) {
            return HashVerdict::Match;
        }
        let book = &mut self.books[id as usize];
        book.hash.failed_lessons += u32::from(whole);
        book.evidence.count(Evidence::HashUnknown);
        HashVerdict::Unknown
    }

    /// Tries every profile that what is known of the market allows.
    fn relearn(&mut self, id: InstrumentId, prefix: &Prefix) -> bool {
        let (Some(about), Some(book)) = (self.instruments.at(id), self.books.get_mut(id as usize))
        else {
            return false;
        };
        let tick_size = about.tick_size.map(|tick| {
            let mut text = Vec::new();
            write_decimal(&mut text, tick.value, PRICE_DECIMALS, tick.form);
            String::from_utf8_lossy(&text).into_owned()
        });
        let hints = Hints {
            min_order_size: about.min_order_size.as_deref(),
            tick_size: tick_size.as_deref(),
            neg_risk: book.hash.neg_risk,
            last_trade_price: &book.hash.last_trade_price,
            near: near_touch(book),
        };
        self.counters.hash_searches += 1;
        let Some((profile, price)) = prefix.learn(&hints) else { return false };
        book.hash.profile = Some(profile);
        book.hash.note_trade_price(&price);
        book.hash.failed_lessons = 0;
        true
    }

    #[inline]
    pub(super) fn queue_check(&mut self, id: InstrumentId, ts: Nanos) {
        let book = &mut self.books[id as usize];
        if !book.check_queued {
            book.check_queued = true;
            self.checks.push_back((ts.saturating_add(self.config.hash_interval), id));
        }
    }

    /// Checks a book's hash outside any message, and doubts the book if it differs.
    pub(super) fn check_now(&mut self, id: InstrumentId, ts: Nanos) {
        let book = &self.books[id as usize];
        if book.verified() || !book.believable() || book.hash.profile.is_none() {
            return;
        }
        let claimed_ts = book.hash.claimed_ts;
        match self.check_hash(id, ts, false) {
            HashVerdict::Match => {
                let book = &mut self.books[id as usize];
                book.verified_version = book.version;
                book.hash.matched();
                book.evidence.count(Evidence::HashChangeMatch);
            }
            HashVerdict::Mismatch => {
                let against = Evidence::HashChangeMismatch;
                self.doubt(id, Cause::HashMismatch, against, claimed_ts, ts);
            }
            HashVerdict::Unknown | HashVerdict::Skipped => {}
        }
    }

    /// Makes the queued hash checks that are due, at most `most` of them.
    pub(super) fn run_checks(&mut self, ts: Nanos, most: usize) {
        for _ in 0..most {
            match self.checks.front() {
                Some(&(due, id)) if due <= ts => {
                    self.checks.pop_front();
                    self.books[id as usize].check_queued = false;
                    self.check_now(id, ts);
                }
                _ => break,
            }
        }
    }
}

/// Where trades of a book are likely to have happened.
fn near_touch(book: &Book) -> Price {
    book.bids.best_price().or(book.asks.best_price()).unwrap_or(PRICE_ONE / 2)
}

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
    fn afford(&mut self, ts: Nanos) -> bool {
        let passed = ts.saturating_sub(self.ts_last).max(0);
        self.saved = self.saved.saturating_add(passed).min(SEARCHES_SAVED * SEARCH_PRICE);
        self.ts_last = self.ts_last.max(ts);
        let affordable = self.saved >= SEARCH_PRICE;
        self.saved -= if affordable { SEARCH_PRICE } else { 0 };
        affordable
    }
}

/// One minus a printed price, in its shortest form; empty if there is none.
fn complement_of(price: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(parsed) = parse_price(price) {
        write_decimal(&mut text, PRICE_ONE - parsed.value, PRICE_DECIMALS, Form::default());
    }
    text
}
