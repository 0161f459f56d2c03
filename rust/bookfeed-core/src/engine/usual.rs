//! The usual message about a market of two outcomes: a newer change of each, both of books that
//! nothing is to be thought of, after which both are as the venue says and mirror each other.
//!
//! It comes to what the second and third stage come to, in one pass over the two books. Everything is
//! looked at before anything changes: what is not usual is left to those stages, which then begin
//! from the same state.

use super::applied::{Applied, How};
use super::config::HashCheck;
use super::world::{Origin, World};
use crate::book::Book;
use crate::book::integrity::{Evidence, State};
use crate::event::{Change, Frame};
use crate::fixed::ABSENT;
use crate::instrument::Instruments;
use crate::sequence::recent::fingerprint;
use crate::signals::complement::mirrored;
use std::ops::Range;

/// How far a message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is not a usual one: nothing has changed.
    Not,
    /// Its changes are on the ladders, but something speaks against what they came to, or is to be
    /// asked.
    Applied,
    /// Its books are judged as well, and may be published.
    Judged,
}

/// Takes the changes of a message that may be a usual one.
#[inline]
pub(super) fn take_pair(
    world: &mut World,
    origin: &Origin,
    frame: &Frame,
    changes: &Range<usize>,
    applied: &mut Applied,
) -> Taken {
    let World { books, instruments, config, levels, .. } = world;
    let Some([first, second]) = frame.changes.get(changes.clone()) else { return Taken::Not };
    let ids = [first.instrument, second.instrument];
    let Ok([a, b]) = books.get_disjoint_mut(ids.map(|id| id as usize)) else { return Taken::Not };
    if levels.on || !siblings(instruments, ids) || !(is_usual(a, origin) && is_usual(b, origin)) {
        return Taken::Not;
    }
    set(a, first, origin);
    set(b, second, origin);
    applied.touched.clear();
    applied.touch(ids[0], changed(changes.start));
    applied.touch(ids[1], changed(changes.start + 1));
    // Where every hash is checked, both are known by now, and are digested together; and levels whose
    // turn it is are added up before anybody believes them.
    let judged = config.hash_check != HashCheck::Always && !a.audit_due() && !b.audit_due();
    if !(judged && confirms(first, a) && confirms(second, b) && mirrored(a, b)) {
        return Taken::Applied;
    }
    for book in [a, b] {
        book.evidence.count(Evidence::BboMatch);
        book.evidence.count(Evidence::MirrorMatch);
        (book.touch_version, book.ts_evidence) = (book.version, origin.ts_recv);
        book.reconciled();
    }
    Taken::Judged
}

#[inline(always)]
const fn changed(last: usize) -> How {
    How::Changed { last, out_of_order: false, repeated: false }
}

#[inline]
fn siblings(instruments: &Instruments, [a, b]: [u32; 2]) -> bool {
    instruments.at(a).is_some_and(|about| about.sibling == Some(b))
}

/// Whether a newer message is taken without a look at what the book went through.
#[inline(always)]
fn is_usual(book: &Book, origin: &Origin) -> bool {
    // No time, or none that is believed, is not newer than any.
    let newer = origin.ts_event > book.ts_event;
    let sound = !book.hash_struck && !book.audit_due();
    newer && book.state == State::Live && book.doubt.is_none() && sound
}

/// Puts a change on its book, and notes when it was and what hash it came with.
#[inline(always)]
fn set(book: &mut Book, change: &Change, origin: &Origin) {
    let digest = change.digest.raw(origin.payload);
    let level = change.level;
    let side = change.side.number();
    book.set(change.side, level);
    book.recent.remember(fingerprint(origin.ts_stated, digest, side, level.price, level.qty));
    book.ts_seen = book.ts_seen.max(origin.ts_event);
    (book.ts_event, book.ts_recv, book.older_since) = (origin.ts_event, origin.ts_recv, ABSENT);
    book.claim(digest, origin.ts_stated, false);
}

/// Whether the venue states both best prices, they are the book's, and do not cross.
#[inline(always)]
fn confirms(change: &Change, book: &Book) -> bool {
    let stated = change.best_bid.given() && change.best_ask.given();
    stated && book.agrees(change.best_bid, change.best_ask) && !book.crossed()
}
