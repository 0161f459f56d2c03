//! One instrument's book: two ladders, and everything needed to say whether they may be
//! believed. What the evidence does to the state is in [`integrity`].

pub mod integrity;
pub mod ladder;
pub mod proof;

use crate::event::{Change, Claim, Level, Side};
use crate::fixed::{ABSENT, Price, Qty};
use crate::sequence::stream::{NO_STREAM, StreamId};
use crate::time::Nanos;
use integrity::{Cause, Doubt, EvidenceCounts, State};
use ladder::{Ladder, Underflow};
use proof::book_hash::{HexHash, Profile};

/// Best price and size of both sides; the fast view that rules and records read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Best bid price, or [`ABSENT`].
    pub bid: Price,
    /// Size at the best bid, or [`ABSENT`].
    pub bid_qty: Qty,
    /// Best ask price, or [`ABSENT`].
    pub ask: Price,
    /// Size at the best ask, or [`ABSENT`].
    pub ask_qty: Qty,
}

impl Touch {
    /// Neither side.
    pub const EMPTY: Self = Self { bid: ABSENT, bid_qty: ABSENT, ask: ABSENT, ask_qty: ABSENT };

    /// Best bid and ask prices, if there are both.
    #[inline]
    #[must_use]
    pub const fn both(&self) -> Option<(Price, Price)> {
        if self.bid == ABSENT || self.ask == ABSENT { None } else { Some((self.bid, self.ask)) }
    }
}

/// Fingerprints of the newest changes, to recognise one that comes again.
const RECENT: usize = 16;

/// What is known of the venue's hashes for this book.
#[derive(Clone, Debug, Default)]
pub struct HashMemory {
    /// Whether the market is a negative-risk one, where that is known: hashes may contain it.
    pub neg_risk: Option<bool>,
    /// What the hashes contain, once one has matched.
    pub profile: Option<Profile>,
    /// The last trade price the venue hashes, as printed.
    pub last_trade_price: Vec<u8>,
    /// The one before; prints and hashes overtake each other.
    pub earlier_trade_price: Vec<u8>,
    /// The newest hash the venue gave for this book, if the newest change had one.
    pub claimed: Option<HexHash>,
    /// Venue time of the message that gave it.
    pub claimed_ts: Nanos,
    /// Whether that message was a whole book.
    pub claimed_whole: bool,
    /// Attempts at learning a profile that failed.
    pub failed_lessons: u32,
    /// Mismatches convicted since the last match.
    pub mismatches: u32,
    /// Those among them that befell a book nothing was known to be missing from.
    pub strikes: u32,
}

/// A book and its standing.
#[derive(Debug)]
pub struct Book {
    /// Buyers' levels.
    pub bids: Ladder,
    /// Sellers' levels.
    pub asks: Ladder,
    /// Price up to which the bids are known, or [`ABSENT`] if all of them are.
    pub bids_known_to: Price,
    /// Price up to which the asks are known, or [`ABSENT`] if all of them are.
    pub asks_known_to: Price,
    /// Touch that rules see.
    pub touch: Touch,
    /// Touch as last written to a record of the running stream.
    pub told: Touch,
    /// Whether the book may be believed.
    pub state: State,
    /// Why it is in that state.
    pub cause: Cause,
    /// Number of the current unbroken run; 0 before the first snapshot.
    pub epoch: u32,
    /// Venue time of the newest message applied, or [`ABSENT`].
    pub ts_event: Nanos,
    /// Newest venue time seen for the instrument, applied or not, or [`ABSENT`].
    pub ts_seen: Nanos,
    /// Newest venue time of a change discarded since the book was last live, or [`ABSENT`].
    pub ts_discarded: Nanos,
    /// Receive time of the newest message applied, or [`ABSENT`].
    pub ts_recv: Nanos,
    /// Receive time of the newest positive evidence, or [`ABSENT`].
    pub ts_evidence: Nanos,
    /// When the current state was entered, or [`ABSENT`].
    pub ts_state: Nanos,
    /// Disagreement that may still be an unfinished batch.
    pub doubt: Option<Doubt>,
    /// Counts of matches and mismatches by kind.
    pub evidence: EvidenceCounts,
    /// What is known of the venue's hashes.
    pub hash: HashMemory,
    /// Changes since the start; with `verified_version`, whether the hash vouches for now.
    pub version: u64,
    /// Version the venue's hash was last seen to match, or `u64::MAX`.
    pub verified_version: u64,
    /// Whether a check of this book's hash is queued.
    pub check_queued: bool,
    /// Whether the book is on the list of those whose time may run out.
    pub watched: bool,
    /// Whether a change has not been published yet.
    pub unpublished: bool,
    /// Whether the touch moved, or the book became live, since rules were last asked.
    pub news: bool,
    /// Since when the market's two outcomes have not mirrored each other, or [`ABSENT`].
    pub torn_since: Nanos,
    /// Tick size stated by the newest snapshot, if it stated one.
    pub snapshot_tick: Option<Price>,
    /// The fetch that is under way, if any.
    pub awaited: Option<Awaited>,
    /// The numbered stream that carries the running book, or [`NO_STREAM`].
    pub stream: StreamId,
    /// The hole in its stream that the book was lost to: the number expected, and what came.
    pub gap: Option<(u64, u64)>,
    /// What another channel says of the touch and the book has not come to yet.
    pub witness: Option<Witness>,
    /// Convictions by such a witness since one last agreed.
    pub witness_strikes: u32,
    recent: [u64; RECENT],
    recent_at: usize,
}

/// A REST book on its way, and what the stream says meanwhile.
#[derive(Clone, Debug)]
pub struct Awaited {
    /// Newest venue time seen when the fetch began: an older answer is of no use.
    pub ts_begin: Nanos,
    /// Deltas since then, in order.
    pub deltas: Vec<Buffered>,
}

/// A delta that came while the book was being fetched anew.
#[derive(Clone, Copy, Debug)]
pub struct Buffered {
    /// Venue time of its message.
    pub ts_event: Nanos,
    /// Which side.
    pub side: Side,
    /// The level.
    pub level: Level,
    /// The venue's best bid after it.
    pub best_bid: Claim,
    /// The venue's best ask after it.
    pub best_ask: Claim,
    /// The venue's hash after it, if it gave one.
    pub hash: Option<HexHash>,
}

/// The touch as a channel has it that is ahead of the book, or behind.
#[derive(Clone, Copy, Debug)]
pub struct Witness {
    /// Its best bid.
    pub bid: Claim,
    /// Its best ask.
    pub ask: Claim,
    /// Receive time by which the book must have come to it.
    pub deadline: Nanos,
}

impl HashMemory {
    /// A hash matched: earlier mismatches do not count any more.
    pub fn matched(&mut self) {
        (self.mismatches, self.strikes) = (0, 0);
    }

    /// Notes the last trade price as the venue printed it; prints and hashes overtake each
    /// other, so the one before is kept as well.
    pub fn note_trade_price(&mut self, printed: &[u8]) {
        if printed != self.last_trade_price.as_slice() {
            std::mem::swap(&mut self.last_trade_price, &mut self.earlier_trade_price);
            self.last_trade_price.clear();
            self.last_trade_price.extend_from_slice(printed);
        }
    }
}

impl Default for Book {
    fn default() -> Self {
        Self {
            bids: Ladder::new(Side::Bid),
            asks: Ladder::new(Side::Ask),
            bids_known_to: ABSENT,
            asks_known_to: ABSENT,
            touch: Touch::EMPTY,
            told: Touch::EMPTY,
            state: State::Idle,
            cause: Cause::None,
            epoch: 0,
            ts_event: ABSENT,
            ts_seen: ABSENT,
            ts_discarded: ABSENT,
            ts_recv: ABSENT,
            ts_evidence: ABSENT,
            ts_state: ABSENT,
            doubt: None,
            evidence: EvidenceCounts::default(),
            hash: HashMemory::default(),
            version: 0,
            verified_version: u64::MAX,
            check_queued: false,
            watched: false,
            unpublished: false,
            news: false,
            torn_since: ABSENT,
            snapshot_tick: None,
            awaited: None,
            stream: NO_STREAM,
            gap: None,
            witness: None,
            witness_strikes: 0,
            recent: [0; RECENT],
            recent_at: 0,
        }
    }
}

impl Book {
    /// The touch as the ladders stand now.
    #[inline]
    #[must_use]
    pub fn current_touch(&self) -> Touch {
        let (bid, bid_qty) = self.bids.best().unwrap_or((ABSENT, ABSENT));
        let (ask, ask_qty) = self.asks.best().unwrap_or((ABSENT, ABSENT));
        Touch { bid, bid_qty, ask, ask_qty }
    }

    /// Sets a level on the side it belongs to.
    #[inline]
    pub fn set(&mut self, side: Side, level: Level) {
        let changed = match side {
            Side::Bid => self.bids.set(level),
            Side::Ask => self.asks.set(level),
        };
        self.version += 1;
        self.unpublished |= changed;
    }

    /// Adds to a level's size, or takes from it.
    ///
    /// # Errors
    /// [`Underflow`]; the book is then as it was.
    #[inline]
    pub fn add(&mut self, side: Side, price: Price, qty: Qty) -> Result<(), Underflow> {
        let changed = match side {
            Side::Bid => self.bids.add(price, qty),
            Side::Ask => self.asks.add(price, qty),
        }?;
        self.version += 1;
        self.unpublished |= changed;
        Ok(())
    }

    /// Whether the best bid is at the best ask or above it, which no venue that matches orders
    /// lets stand.
    #[inline]
    #[must_use]
    pub fn overlaps(&self) -> bool {
        matches!((self.bids.best_price(), self.asks.best_price()), (Some(b), Some(a)) if b >= a)
    }

    /// Whether the best bid is above the best ask.
    #[inline]
    #[must_use]
    pub fn crossed(&self) -> bool {
        matches!((self.bids.best_price(), self.asks.best_price()), (Some(b), Some(a)) if b > a)
    }

    /// Price of the last level of a side that knowledge reaches: what lies beyond was never told
    /// in full. `None` if the whole side is known.
    #[inline]
    #[must_use]
    pub const fn depth_known(&self, side: Side) -> Option<Price> {
        let end = match side {
            Side::Bid => self.bids_known_to,
            Side::Ask => self.asks_known_to,
        };
        if end == ABSENT { None } else { Some(end) }
    }

    /// Whether a reader may take the book for good: live, and not inside an open batch.
    #[inline]
    #[must_use]
    pub fn believable(&self) -> bool {
        self.state == State::Live && self.doubt.is_none()
    }

    /// The state a reader is shown: a live book inside an open batch is not shown as live.
    #[must_use]
    pub fn shown_state(&self) -> State {
        if self.state == State::Live && self.doubt.is_some() { State::Suspect } else { self.state }
    }

    /// The cause a reader is shown with [`Self::shown_state`].
    #[must_use]
    pub fn shown_cause(&self) -> Cause {
        match self.doubt {
            Some(doubt) if self.state == State::Live => doubt.cause,
            _ => self.cause,
        }
    }

    /// Whether the venue's hash vouches for the book exactly as it stands.
    #[inline]
    #[must_use]
    pub fn verified(&self) -> bool {
        self.verified_version == self.version
    }

    /// Size at a price, 0 if there is no such level.
    #[must_use]
    pub fn qty_at(&self, side: Side, price: Price) -> Qty {
        match side {
            Side::Bid => self.bids.qty_at(price),
            Side::Ask => self.asks.qty_at(price),
        }
    }

    /// Whether the book has come to its end, for a reason that only a new subscription, or
    /// nothing at all, can undo.
    #[must_use]
    pub fn over(&self) -> bool {
        let final_cause = matches!(self.cause, Cause::Resolved | Cause::Unsubscribed | Cause::Poisoned);
        self.state == State::Stale && final_cause
    }

    /// Whether this very change was applied lately.
    #[must_use]
    pub fn seen_before(&self, fingerprint: u64) -> bool {
        self.recent.contains(&fingerprint)
    }

    /// Remembers a change that was applied.
    #[inline]
    pub fn remember(&mut self, fingerprint: u64) {
        self.recent[self.recent_at % RECENT] = fingerprint;
        self.recent_at = self.recent_at.wrapping_add(1);
    }

    /// Forgets everything that belongs to the stream that ended.
    pub fn forget_stream(&mut self) {
        self.doubt = None;
        self.torn_since = ABSENT;
        (self.touch, self.told) = (Touch::EMPTY, Touch::EMPTY);
        self.recent = [0; RECENT];
        self.awaited = None;
        self.witness = None;
        self.stream = NO_STREAM;
        self.hash.claimed = None;
    }
}

/// A number that two changes share only if they are the same change of the same message:
/// venue time, hash, side, price and size.
#[inline]
#[must_use]
pub fn fingerprint(ts_event: Nanos, hash: &[u8], change: &Change) -> u64 {
    let word = |at: usize| {
        hash.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |c: &[u8; 8]| u64::from_le_bytes(*c))
    };
    let mix = |h: u64, v: u64| (h ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let side = if change.side == Side::Bid { 1 } else { 2 };
    let mut h = mix(ts_event.cast_unsigned(), word(0) ^ word(32).rotate_left(32));
    h = mix(h, change.level.price.cast_unsigned());
    h = mix(h, change.level.qty.cast_unsigned() ^ side);
    h | 1
}
