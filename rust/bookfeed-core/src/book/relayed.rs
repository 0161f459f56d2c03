//! The touch of a book as a relay of its venue tells it, on a socket of its own: what that says for
//! the book, and against it.
//!
//! The two sockets are not ordered with each other. What is older than the book says nothing of it;
//! what is newer may be of a message that is on its way. So a touch that is newer and another is kept,
//! and the stream has a time to come to where it is of. A stream that speaks clears its book: what it
//! says carries proof of its own. What a relay may have lost on its way is forgotten
//! ([`RelayedTouch::SILENT`]).

use super::Book;
use super::proof::book_hash::HexHash;
use crate::event::Claim;
use crate::fixed::{ABSENT, PRICE_ONE, Price};
use crate::time::{Nanos, SECOND};

/// A relay that is so far behind the book tells what was true once.
const OLD: Nanos = 5 * SECOND;
/// A relay that accused a book wrongly is not heard against it for so long.
const QUIET: Nanos = 60 * SECOND;
/// A best bid up to here, or none, and a best ask from one minus it on, or none, say nothing.
const GHOST_BID: Price = PRICE_ONE / 100;

/// What a relay tells of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayedTouch {
    /// Its best bid.
    pub bid: Claim,
    /// Its best ask.
    pub ask: Claim,
    /// The hash that it gives for the book, as printed.
    pub hash: Option<HexHash>,
    /// Venue time that it is of, or [`ABSENT`].
    pub ts_event: Nanos,
    /// When the relay sent it, or [`ABSENT`].
    pub ts_sent: Nanos,
}

impl RelayedTouch {
    /// What the relay said before may have been overtaken by something that is lost.
    pub const SILENT: Self =
        Self { bid: Claim::SILENT, ask: Claim::SILENT, hash: None, ts_event: ABSENT, ts_sent: ABSENT };
}

/// What comes of one such word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// It says nothing of the book.
    Nothing,
    /// It is of long before the book.
    Older,
    /// Next to nothing, where the book has prices.
    Ghost,
    /// The book's touch, with the hash that the stream gave for the book: nothing came since.
    Proof,
    /// The book's touch.
    Same,
    /// Another touch, newer than the book.
    Other,
}

/// A touch that the book has not come to.
#[derive(Clone, Copy, Debug)]
struct Unmet {
    bid: Claim,
    ask: Claim,
    /// Venue time that it is of.
    at: Nanos,
    /// When it was received.
    since: Nanos,
}

/// What a relay has said against a book, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct RelayedMemory {
    /// The first word that the book has not come to, and the newest.
    unmet: Option<[Unmet; 2]>,
    /// The touch for which the book was taken out.
    charged: Option<[Price; 2]>,
    /// Until when the relay is not heard against the book.
    deaf_until: Nanos,
}

impl Default for RelayedMemory {
    fn default() -> Self {
        Self { unmet: None, charged: None, deaf_until: ABSENT }
    }
}

impl RelayedMemory {
    /// What was said against the book is void.
    pub(crate) const fn clear(&mut self) {
        self.unmet = None;
    }

    /// The book is taken out for its touch.
    pub(crate) const fn charge(&mut self, touch: [Price; 2]) {
        (self.unmet, self.charged) = (None, Some(touch));
    }
}

impl Book {
    /// A relay tells the touch; times as far as they are believed. What is said against the book is
    /// kept until `Book::relayed_due` decides.
    pub(crate) fn hear_relayed(&mut self, told: &RelayedTouch, ts_recv: Nanos) -> Relayed {
        let given = told.bid.given() || told.ask.given();
        if !given || told.ts_event == ABSENT || self.ts_event == ABSENT {
            self.rare.relayed.clear();
            return Relayed::Nothing;
        }
        let same = self.agrees(told.bid, told.ask);
        if same && told.hash.is_some() && told.hash == self.claimed.hash {
            self.rare.relayed.clear();
            return Relayed::Proof;
        }
        if told.ts_event < self.ts_event {
            let old = self.ts_event.saturating_sub(told.ts_event) > OLD;
            return if old { Relayed::Older } else { Relayed::Nothing };
        }
        if same {
            self.rare.relayed.clear();
            return Relayed::Same;
        }
        if told.ts_event == self.ts_event {
            return Relayed::Nothing; // One of several changes of a millisecond.
        }
        let ours = says_nothing(self.bids.best_price(), self.asks.best_price());
        if says_nothing(told.bid.named(), told.ask.named()) && !ours {
            return Relayed::Ghost;
        }
        if ts_recv < self.rare.relayed.deaf_until {
            return Relayed::Nothing;
        }
        let newest = Unmet { bid: told.bid, ask: told.ask, at: told.ts_event, since: ts_recv };
        let book_at = self.ts_event;
        let first = self.rare.relayed.unmet.map(|[first, _]| first).filter(|one| book_at < one.at);
        self.rare.relayed.unmet = Some([first.unwrap_or(newest), newest]);
        Relayed::Other
    }

    /// When the stream has to have come to what a relay says, unless it has; `None` if nothing is
    /// left of that.
    pub(crate) fn relayed_due(&mut self, grace: Nanos) -> Option<Nanos> {
        let [first, newest] = self.rare.relayed.unmet?;
        if !self.running() || self.agrees(newest.bid, newest.ask) || newest.at <= self.ts_event {
            self.rare.relayed.clear();
            return None;
        }
        // The stream has gone past the first; the newest has a time of its own.
        let first = if first.at <= self.ts_event { newest } else { first };
        self.rare.relayed.unmet = Some([first, newest]);
        Some(first.since.saturating_add(grace))
    }

    /// The book is believed again at `ts`; whether a relay had it taken out without need.
    pub(crate) fn relay_refuted(&mut self, ts: Nanos) -> bool {
        let touch = self.touch_prices();
        let memory = &mut self.rare.relayed;
        memory.unmet = None;
        let refuted = memory.charged.take() == Some(touch);
        if refuted {
            memory.deaf_until = ts.saturating_add(QUIET);
        }
        refuted
    }

    /// Best bid and best ask, or [`ABSENT`].
    pub(crate) fn touch_prices(&self) -> [Price; 2] {
        [self.bids.best_price(), self.asks.best_price()].map(|price| price.unwrap_or(ABSENT))
    }
}

/// Whether best prices say next to nothing.
pub(crate) fn says_nothing(bid: Option<Price>, ask: Option<Price>) -> bool {
    bid.is_none_or(|bid| bid <= GHOST_BID) && ask.is_none_or(|ask| ask >= PRICE_ONE - GHOST_BID)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::integrity::State;
    use crate::event::Level;
    use crate::time::MILLISECOND;

    const CENT: Price = PRICE_ONE / 100;
    const GRACE: Nanos = 2 * SECOND;
    const HASH: HexHash = [b'a'; 40];

    /// A live book of 50 to 52 cents, of venue time 100 s.
    fn book() -> Book {
        let mut book = Book { state: State::Live, ts_event: 100 * SECOND, ..Book::default() };
        book.load(&[Level::new(50 * CENT, 5)], &[Level::new(52 * CENT, 5)]).unwrap();
        book.claimed.hash = Some(HASH);
        book
    }

    fn told(bid: Price, ask: Price, after_ms: i64) -> RelayedTouch {
        let ts_event = 100 * SECOND + after_ms * MILLISECOND;
        let (bid, ask) = (Claim::price(bid * CENT), Claim::price(ask * CENT));
        RelayedTouch { bid, ask, hash: None, ts_event, ts_sent: ts_event }
    }

    #[test]
    fn a_word_says_what_its_time_and_its_prices_allow() {
        for (bid, ask, after_ms, comes_to) in [
            (50, 52, 0, Relayed::Same),
            (50, 52, 700, Relayed::Same),
            (50, 52, -1, Relayed::Nothing),
            (49, 52, -1, Relayed::Nothing),
            (49, 52, -5_001, Relayed::Older),
            (49, 52, 0, Relayed::Nothing),
            (49, 52, 1, Relayed::Other),
            (1, 99, 1, Relayed::Ghost),
        ] {
            let word = told(bid, ask, after_ms);
            assert_eq!(book().hear_relayed(&word, 0), comes_to, "{bid} {ask} {after_ms}");
        }
        assert_eq!(book().hear_relayed(&RelayedTouch::SILENT, 0), Relayed::Nothing);
    }

    #[test]
    fn only_the_same_hash_proves_that_nothing_came_since() {
        let with = |hash, bid| RelayedTouch { hash: Some(hash), ..told(bid, 52, 0) };
        assert_eq!(book().hear_relayed(&with(HASH, 50), 0), Relayed::Proof);
        assert_eq!(book().hear_relayed(&with([b'b'; 40], 50), 0), Relayed::Same);
        assert_eq!(book().hear_relayed(&with(HASH, 49), 0), Relayed::Nothing);
    }

    #[test]
    fn a_stream_has_the_grace_to_come_to_a_word_and_clears_the_book_by_speaking() {
        let mut book = book();
        book.hear_relayed(&told(49, 52, 10), 1_000);
        book.hear_relayed(&told(48, 52, 20), 2_000);
        assert_eq!(book.relayed_due(GRACE), Some(1_000 + GRACE), "the first counts");
        book.ts_event += 10 * MILLISECOND;
        assert_eq!(book.relayed_due(GRACE), Some(2_000 + GRACE), "which the stream went past");
        book.ts_event += 10 * MILLISECOND;
        assert_eq!(book.relayed_due(GRACE), None);
        assert_eq!(book.relayed_due(GRACE), None);
    }

    #[test]
    fn a_book_that_came_to_the_touch_by_another_stamp_is_cleared() {
        let mut book = book();
        book.hear_relayed(&told(50, 51, 30), 0);
        book.load(&[Level::new(50 * CENT, 5)], &[Level::new(51 * CENT, 5)]).unwrap();
        book.ts_event += 10 * MILLISECOND;
        assert_eq!(book.relayed_due(GRACE), None);
    }

    #[test]
    fn what_a_relay_may_have_lost_voids_what_it_said() {
        let mut book = book();
        book.hear_relayed(&told(49, 52, 10), 0);
        book.hear_relayed(&RelayedTouch::SILENT, 0);
        assert_eq!(book.relayed_due(GRACE), None);
    }

    #[test]
    fn a_relay_that_was_wrong_is_not_heard_against_the_book_for_a_minute() {
        let mut book = book();
        let touch = book.touch_prices();
        book.rare.relayed.charge(touch);
        assert!(book.relay_refuted(0));
        assert!(!book.relay_refuted(0), "once");
        assert_eq!(book.hear_relayed(&told(49, 52, 10), QUIET - 1), Relayed::Nothing);
        assert_eq!(book.hear_relayed(&told(49, 52, 10), QUIET), Relayed::Other);
        book.rare.relayed.charge([0, 0]);
        assert!(!book.relay_refuted(0), "the book has moved");
    }
}
