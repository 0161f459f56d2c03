//! Messages that are older than their book, by the venue's time: history, or the present with a
//! stamp that is wrong, the book's or the message's.
//!
//! A message of a book that is complete without it was overtaken, and is history. But a stamp is a
//! claim: where the book's own is of the future, or the message's own hash fits once it is applied,
//! or older messages keep coming and no newer one does, the order that stamps give is not believed.
//! Until that shows, a book that an older message would change is in doubt.
//!
//! A book by REST may be ahead of a stream that is late. What the stream tells until it has come to
//! the time of the answer never replaces it, and never proves it either.

use super::compare::same_levels;
use super::config::HashCheck;
use super::judge::Judge;
use super::world::{Origin, World};
use crate::book::Book;
use crate::book::integrity::{Cause, Doubt, Evidence, State};
use crate::book::proof::book_hash::hex_hash;
use crate::book::proof::{self, Claim, HashClaim, Proved};
use crate::book::side::BookSide;
use crate::event::{Change, Frame, Side, Snapshot};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::time::{Nanos, SECOND};
use std::ops::Range;

/// So many older messages that would change a book are no accident of the way.
const DISORDER_MAX: u32 = 50;
/// Within so long.
const DISORDER_WITHIN: Nanos = 10 * SECOND;

/// How far two times that are not believed may be apart and still be of one clock.
const ONE_CLOCK: Nanos = SECOND;
/// No clock is off by more.
const CLOCK_OFF_MAX: Nanos = 86_400 * SECOND;

/// What an older message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Older {
    /// Overtaken: the book is complete without it.
    History,
    /// As new as any: the order that stamps gave is forgotten.
    Current,
    /// Either. It is applied, and the book is not believed unless a hash vouches for the result.
    Doubtful,
}

impl Judge {
    /// What a change is that is older than its book.
    #[cold]
    pub(super) fn place_older(&mut self, world: &mut World, origin: &Origin, change: &Change) -> Older {
        let (id, ts) = (change.instrument, origin.ts_recv);
        if is_ahead_of_stream(world, origin, id) {
            let book = world.book(id);
            if book.qty_at(change.side, change.level.price) != change.level.qty {
                self.deny_answer(world, id, ts);
            }
            return Older::History;
        }
        let vouched = self.vouch(world, id, ts);
        let denied = !vouched && self.speaks(world, id);
        if self.order_is_over(world, origin, id) {
            // What the newest hash denies, an older message cannot put right, whatever its stamp.
            return if denied { Older::Doubtful } else { Older::Current };
        }
        if !vouched {
            return Older::Doubtful;
        }
        let book = world.book(id);
        if book.qty_at(change.side, change.level.price) == change.level.qty {
            return Older::History;
        }
        // Two changes of one level that swapped places fit both ways, and are close to each other.
        let close = book.ts_event.saturating_sub(origin.ts_event) <= world.config.batch_grace;
        if !close && self.fits(world, origin, change) == Proved::Match {
            return Older::Doubtful;
        }
        self.doubt_order(world, id, ts);
        Older::History
    }

    /// What a change is whose time is not believed, and is before that of the newest one heard: both
    /// are of the same clock, as far as it may run back, so it was overtaken. Its own hash is that of
    /// the book before the newest change, and proves nothing.
    #[cold]
    pub(super) fn place_undated(
        &mut self,
        world: &mut World,
        origin: &Origin,
        change: &Change,
    ) -> Older {
        let (id, ts) = (change.instrument, origin.ts_recv);
        let book = world.book(id);
        book.evidence.count(Evidence::OutOfOrder);
        if book.qty_at(change.side, change.level.price) != change.level.qty {
            self.doubt_order(world, id, ts);
        }
        Older::History
    }

    /// The same for a whole book: it is not taken, and where it contradicts the book there is, that
    /// one is in doubt.
    #[cold]
    pub(super) fn meet_undated_book(
        &mut self,
        world: &mut World,
        origin: &Origin,
        frame: &Frame,
        snapshot: &Snapshot,
        id: InstrumentId,
    ) {
        let book = world.book(id);
        book.evidence.count(Evidence::OutOfOrder);
        if same_levels(book, frame, snapshot) == Some(false) {
            self.doubt_order(world, id, origin.ts_recv);
        }
    }

    /// A message that would change the book may have been overtaken, or be new, the first of a batch
    /// perhaps, with a stamp that is wrong. The next newer message says which.
    fn doubt_order(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let book = world.book(id);
        let (since, older) = &mut book.rare.disorder;
        if ts.saturating_sub(*since) > DISORDER_WITHIN {
            (*since, *older) = (ts, 0);
        }
        *older += 1;
        if *older > DISORDER_MAX {
            *older = 0;
            return self.turn(world, id, State::Stale, Cause::OutOfOrder, ts);
        }
        if book.doubt.is_none() {
            self.await_newer(world, id, ts);
        }
    }

    /// Has a book be in doubt until the next newer message.
    fn await_newer(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let deadline = ts.saturating_add(world.config.batch_grace);
        let book = world.book(id);
        let (cause, against, ts_event) = (Cause::OutOfOrder, Evidence::OutOfOrder, book.ts_event);
        book.rare.touch_decides = false;
        self.doubt(world, id, Doubt { cause, ts_event, deadline, patient: true, against });
    }

    /// A stream that has not come to the book contradicts it: it is late, or its stamps are. Which,
    /// it says when it has come there. Until then no other answer can say more, and nothing that was
    /// said before makes the book live.
    fn deny_answer(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let book = world.book(id);
        book.rare.ts_denied = book.ts_event;
        self.doubt_denied(world, id, ts);
    }

    /// Has a live book be in doubt that its stream denied.
    pub(super) fn doubt_denied(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let book = world.book(id);
        if book.denied() && book.doubt.is_none() && book.state == State::Live {
            self.await_newer(world, id, ts);
        }
    }

    /// Whether there is a hash that says what the book should be, and it is known how to read it.
    fn speaks(&self, world: &mut World, id: InstrumentId) -> bool {
        let checked = world.config.hash_check != HashCheck::Off;
        let book = world.book(id);
        checked && book.hash_known && book.claimed.hash.is_some()
    }

    /// Whether a whole book is to be taken that is older than the one there is. If not, but it
    /// contradicts that one, the book is in doubt, and suspect if no hash speaks for it.
    #[cold]
    pub(super) fn take_older_book(
        &mut self,
        world: &mut World,
        origin: &Origin,
        frame: &Frame,
        snapshot: &Snapshot,
        id: InstrumentId,
    ) -> bool {
        world.book(id).evidence.count(Evidence::OutOfOrder);
        let ahead = is_ahead_of_stream(world, origin, id);
        if !ahead && self.order_is_over(world, origin, id) {
            return true;
        }
        let ts = origin.ts_recv;
        let vouched = !ahead && self.vouch(world, id, ts);
        let side = |side, range: &Range<usize>| {
            let mut theirs = BookSide::new(side);
            theirs.load(&frame.levels[range.clone()]).ok().map(|()| theirs)
        };
        let theirs = side(Side::Bid, &snapshot.bids).zip(side(Side::Ask, &snapshot.asks));
        let Some((bids, asks)) = theirs else { return false };
        let book = world.book(id);
        let same = |theirs: &BookSide, ours: &BookSide| theirs.best_first().eq(ours.best_first());
        let agrees = same(&bids, &book.bids) && same(&asks, &book.asks);
        let touch_agrees = [bids.best(), asks.best()] == [book.bids.best(), book.asks.best()];
        if ahead && !agrees {
            self.deny_answer(world, id, ts);
        } else if vouched && !agrees {
            self.doubt_order(world, id, ts);
        } else if !ahead && !vouched && !touch_agrees && book.state == State::Live {
            self.turn(world, id, State::Suspect, Cause::OutOfOrder, ts);
        }
        false
    }

    /// Whether the order that stamps gave a book is not to be believed any more: its own is of
    /// the future, or it was not spoken of for longer than a batch lasts but by older messages.
    fn order_is_over(&mut self, world: &mut World, origin: &Origin, id: InstrumentId) -> bool {
        let (ts, grace) = (origin.ts_recv, world.config.batch_grace);
        let clock = world.connection(origin.conn).map(|c| c.clock);
        let book = world.book(id);
        let ahead = clock.is_some_and(|clock| clock.is_future(book.ts_event, ts));
        // A run that itself runs back is one of a clock that was set again: another one begins.
        let again = book.rare.ts_older.saturating_sub(origin.ts_event) > SECOND;
        if !ahead && (book.older_since == ABSENT || again) {
            (book.older_since, book.rare.ts_older) = (ts, origin.ts_event);
            return false;
        }
        // What is told again, or late, brings no time that is newer than the run's.
        let goes_on = origin.ts_event > book.rare.ts_older;
        book.rare.ts_older = book.rare.ts_older.max(origin.ts_event);
        if !(ahead || goes_on && ts.saturating_sub(book.older_since) > grace) {
            return false;
        }
        forget_order(book);
        if !ahead && book.state == State::Live {
            self.turn(world, id, State::Suspect, Cause::OutOfOrder, ts);
        }
        true
    }

    /// Whether a change of which an earlier message told in the very same words is a copy. Within one
    /// venue time a level may be set, changed and set back: told twice, or set back, only the next
    /// word can say. Where the time is not believed, and may be a long one, it is applied if the
    /// book is then as it was, hash and all.
    #[cold]
    pub(super) fn is_copy(&mut self, world: &mut World, origin: &Origin, change: &Change) -> bool {
        let (id, ts_event) = (change.instrument, origin.ts_event);
        let book = world.book(id);
        let undone = book.qty_at(change.side, change.level.price) != change.level.qty;
        let of_now = ts_event == book.ts_event || ts_event == ABSENT;
        if undone && ts_event == ABSENT && self.fits(world, origin, change) == Proved::Match {
            let book = world.book(id);
            let before = if change.side == Side::Bid { &book.bids } else { &book.asks };
            let mut after = before.clone();
            after.set(change.level);
            book.rare.touch_decides = after.best_price() != before.best_price();
            return false;
        }
        world.book(id).evidence.count(Evidence::Duplicate);
        if undone && of_now {
            self.turn(world, id, State::Suspect, Cause::OutOfOrder, origin.ts_recv);
        }
        true
    }

    /// What was applied may have been a copy all the same, or one of two whole books of one time: the
    /// venue's next word decides, its touch as well if it is the best level that was set back.
    pub(super) fn await_word(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let deadline = ts.saturating_add(world.config.batch_grace);
        let book = world.book(id);
        let (cause, against, ts_event) = (Cause::OutOfOrder, Evidence::OutOfOrder, book.ts_event);
        if book.believable() {
            self.doubt(world, id, Doubt { cause, ts_event, deadline, patient: true, against });
        }
    }

    /// Whether the hash of a change fits the book once the change is applied.
    fn fits(&mut self, world: &World, origin: &Origin, change: &Change) -> Proved {
        let id = change.instrument;
        let Some(about) = world.instruments.at(id) else { return Proved::Unknown };
        let Some(hash) = hex_hash(change.digest.raw(origin.payload)) else { return Proved::Unknown };
        if world.config.hash_check == HashCheck::Off || origin.ts_stated == ABSENT {
            return Proved::Unknown;
        }
        let mut trial = world.books[id as usize].clone();
        trial.set(change.side, change.level);
        let claim = HashClaim {
            hash,
            market: about.market.as_deref().unwrap_or_default().as_bytes(),
            symbol: about.symbol.as_bytes(),
            ts_event: origin.ts_stated,
        };
        proof::check(&mut trial, &Claim::Hash(claim), &mut self.text)
    }
}

/// Whether a message without a time that is believed states one shortly before that of the newest
/// message about its book. A time of another unit, or none, is of no clock.
#[inline]
pub(super) fn is_behind(book: &Book, origin: &Origin) -> bool {
    let stated = origin.ts_stated;
    let undated = origin.ts_event == ABSENT && stated != ABSENT;
    undated
        && origin.ts_recv.saturating_sub(stated).saturating_abs() <= CLOCK_OFF_MAX
        && (1..=ONE_CLOCK).contains(&book.claimed.ts.saturating_sub(stated))
}

/// Whether the book was had by REST, and its stream has not come to the time of the answer yet:
/// it runs forward and is late.
fn is_ahead_of_stream(world: &World, origin: &Origin, id: InstrumentId) -> bool {
    let Some(newest) = awaits_stream(world, id) else { return false };
    newest.saturating_sub(origin.ts_event) <= world.config.batch_grace
}

/// The newest time that the stream of a book told, if the book was had by REST and is newer.
pub(super) fn awaits_stream(world: &World, id: InstrumentId) -> Option<Nanos> {
    let answered = world.books[id as usize].rare.ts_answered;
    if answered == ABSENT {
        return None;
    }
    let conn = world.instruments.at(id)?.conn;
    Some(world.connection(conn)?.clock.newest).filter(|&newest| newest < answered)
}

/// Forgets how new a book was said to be: whatever comes next is newer.
fn forget_order(book: &mut Book) {
    (book.ts_event, book.ts_seen) = (ABSENT, ABSENT);
    book.older_since = ABSENT;
    (book.rare.ts_discarded, book.rare.ts_older) = (ABSENT, ABSENT);
    (book.rare.ts_answered, book.rare.ts_denied) = (ABSENT, ABSENT);
}
