//! One instrument's book: two ladders, and everything needed to say whether they may be
//! believed. What the evidence does to the state is in [`integrity`].
//!
//! [`Book`] holds what every message touches, and as little as that; the rest of what is known
//! of a book is in [`Rare`], elsewhere in memory.

pub(crate) mod beside;
mod change;
pub mod integrity;
pub mod level_log;
pub mod probe;
pub mod proof;
pub mod relayed;
pub mod side;

use crate::event::{Claim, Level, Side, TouchClaim};
use crate::fixed::{ABSENT, Price, Qty};
use crate::instrument::UNKNOWN;
use crate::sequence::recent::{Recent, RecentTrades};
use crate::sequence::reputation::Accusation;
use crate::sequence::stitch::Stitch;
use crate::sequence::stream::{NO_STREAM, StreamId};
use crate::time::Nanos;
use beside::Beside;
use integrity::{Cause, Doubt, EVIDENCE_KINDS, Evidence, EvidenceCounts, State, USUAL_KINDS};
use level_log::LevelLog;
use probe::{Probe, Reach};
use proof::book_hash::{HexHash, hex_hash};
use proof::crc32::Crc32Memory;
use proof::hash_memory::{HashKind, HashMemory};
use relayed::RelayedMemory;
use side::BookSide;
use std::collections::VecDeque;

/// The version of a book that no evidence has vouched for.
const UNVERIFIED: u64 = u64::MAX;
/// Stands for the time of a discarded change that said of no time.
pub(crate) const UNDATED: Nanos = Nanos::MAX;

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

/// What follows begins a line of memory.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(crate) struct Line;

/// As many words as have the counts of usual messages, the last of all counts, begin a line.
const FILLING: usize = {
    const LINE_WORDS: usize = 8;
    let before = 1 + EVIDENCE_KINDS - USUAL_KINDS;
    (LINE_WORDS - before % LINE_WORDS) % LINE_WORDS
};

/// A book and its standing: what every message touches. A usual message looks at the first few
/// lines of memory, and at one or two of those that hold what changed lately.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Book {
    /// Buyers' levels.
    pub bids: BookSide,
    /// Venue time of the newest message applied, or [`ABSENT`].
    pub ts_event: Nanos,
    /// Whether the book may be believed.
    pub state: State,
    /// Why it is in that state.
    pub cause: Cause,
    /// Whether a check of this book's hash is queued.
    pub(crate) check_queued: bool,
    /// Whether the book is on the list of those whose time may run out.
    pub watched: bool,
    /// Whether a change has not been published yet.
    pub(crate) unpublished: bool,
    /// Whether the touch moved, or the book became live, since rules were last asked.
    pub rules_due: bool,
    /// Whether something in [`Rare`] waits for the touch to come to it.
    pub(crate) awaits_touch: bool,
    /// Whether it is known what the venue's hashes contain, so that one can be checked.
    pub(crate) hash_known: bool,
    pub(crate) _second_line: Line,
    /// Sellers' levels.
    pub asks: BookSide,
    /// Newest venue time seen for the instrument, applied or not, or [`ABSENT`].
    pub(crate) ts_seen: Nanos,
    /// Receive time of the newest message applied, or [`ABSENT`].
    pub ts_recv: Nanos,
    pub(crate) _third_line: Line,
    /// Touch that rules see.
    pub touch: Touch,
    /// Touch as last written to a record of the running stream.
    pub published_touch: Touch,
    pub(crate) _fourth_line: Line,
    /// The newest hash the venue gave, if the newest change had one.
    pub claimed: Claimed,
    /// Version the venue's hash or checksum was last seen to match, or `u64::MAX`.
    pub verified_version: u64,
    pub(crate) _fifth_line: Line,
    /// Changes since the start; with `verified_version`, whether the venue vouches for now.
    pub version: u64,
    /// Version whose touch the venue's own best bid and ask were last seen to match, or `u64::MAX`.
    pub touch_version: u64,
    /// Receive time of the newest positive evidence, or [`ABSENT`].
    pub ts_evidence: Nanos,
    /// Disagreement that may still be an unfinished batch.
    pub doubt: Option<Doubt>,
    /// The numbered stream that carries the running book, or [`NO_STREAM`].
    pub stream: StreamId,
    /// Number of its instrument, as in records.
    pub number: u32,
    /// Number of the current unbroken run; 0 before the first snapshot.
    pub epoch: u32,
    /// Whether the hash of a change convicted the book and none matched since.
    pub(crate) hash_struck: bool,
    /// Whether it and its sibling outcome denied each other, and have not agreed since. It outlasts
    /// the run: a book fetched anew may be the same wrong one.
    pub(crate) at_odds: bool,
    /// Whether the venue's hashes once vouched for both of the market's outcomes, told together,
    /// although they did not mirror each other: they trade apart.
    pub(crate) apart: bool,
    /// A message looks at the end of the counts, and at what follows them.
    pub(crate) _other_lines: Line,
    /// Version that a whole book by REST, beside the stream, was last seen to match, or `u64::MAX`.
    pub rest_version: u64,
    pub(crate) _filling: [u64; FILLING],
    /// Counts of matches and mismatches by kind.
    pub evidence: EvidenceCounts,
    /// What the message in hand changes, while somebody asked for that.
    pub(crate) level_log: Option<Box<LevelLog>>,
    /// Receive time of the first message of a run that is older than the book, or [`ABSENT`].
    pub(crate) older_since: Nanos,
    /// Since when the market's two outcomes have not mirrored each other, or [`ABSENT`].
    pub(crate) torn_since: Nanos,
    /// The newest changes.
    pub(crate) recent: Recent,
    /// What is rarely needed.
    pub rare: Box<Rare>,
}

/// A hash that the venue gave for a book.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claimed {
    /// The hash.
    pub hash: Option<HexHash>,
    /// Venue time of the message that gave it.
    pub ts: Nanos,
    /// Whether that message was a whole book.
    pub whole: bool,
}

impl Claimed {
    /// What it came with.
    #[must_use]
    pub(crate) const fn kind(&self) -> HashKind {
        if self.whole { HashKind::Whole } else { HashKind::Change }
    }
}

/// What is known of a book and rarely needed.
#[derive(Clone, Debug)]
pub struct Rare {
    /// Price up to which the bids are known, or [`ABSENT`] if all of them are.
    pub bids_known_to: Price,
    /// Price up to which the asks are known, or [`ABSENT`] if all of them are.
    pub asks_known_to: Price,
    /// How much of the bids and of the asks was known when that was told.
    pub(crate) reach: [Reach; 2],
    /// A whole book by REST that is to come beside the running one, if one is wanted.
    pub(crate) probe: Option<Box<Probe>>,
    /// Receive time of the newest probe that was answered, or [`ABSENT`].
    pub(crate) ts_probed: Nanos,
    /// Probes in a row that found another book.
    pub(crate) probes_denied: u32,
    /// Whether asks higher than a price can be were left out of the book.
    pub(crate) asks_cut: bool,
    /// Levels a side that the venue sends; 0 for all.
    pub depth: usize,
    /// Newest venue time of a change discarded since the book was last live, [`ABSENT`] for none, or
    /// [`UNDATED`].
    pub(crate) ts_discarded: Nanos,
    /// When the current state was entered, or [`ABSENT`].
    pub(crate) ts_state: Nanos,
    /// What is known of the price grid, and since when.
    pub(crate) grid: Grid,
    /// The cause with which a book will be live again whose connection is late.
    pub(crate) held: Cause,
    /// Newest venue time of the run of older messages.
    pub(crate) ts_older: Nanos,
    /// Venue time of the REST answer that the book began with, if that was not of the future, or
    /// [`ABSENT`].
    pub(crate) ts_answered: Nanos,
    /// The book's time when its stream contradicted that answer without having come to it, or
    /// [`ABSENT`].
    pub(crate) ts_denied: Nanos,
    /// Since when older messages are counted that would change the book, and how many there were.
    pub(crate) disorder: (Nanos, u32),
    /// The fetch that is under way, if any.
    pub awaited: Option<Awaited>,
    /// What came before the first whole book, in order.
    pub(crate) early: Vec<Buffered>,
    /// Receive time from which on the book holds no longer, or [`ABSENT`].
    pub(crate) expires: Nanos,
    /// What polling knows of it besides.
    pub(crate) poll: PollMemory,
    /// The hole that the book was lost to: the number expected, and what came.
    pub gap: Option<(u64, u64)>,
    /// What another channel says of the touch and the book has not come to yet.
    pub witness: Option<Witness>,
    /// Convictions by such a witness since one last agreed.
    pub(crate) witness_strikes: u32,
    /// What witnesses by REST said against it, and is not settled.
    pub(crate) accusation: Accusation,
    /// What a relay said against it, and what came of that.
    pub(crate) relayed: RelayedMemory,
    /// What is known of the venue's hashes.
    pub hashes: HashMemory,
    /// Where the book stands in its numbered updates, and what waits for a whole one.
    pub stitch: Stitch,
    /// Touches at updates that the book has not come to yet.
    pub ahead: VecDeque<NumberedTouch>,
    /// What the best levels of another channel differ in.
    pub(crate) beside: Beside,
    /// What the venue's checksums were last computed from.
    pub checksums: Crc32Memory,
    /// Whether the venue's touch decides the doubt about a change that was told before.
    pub(crate) touch_decides: bool,
    /// The newest trades.
    pub(crate) trades: RecentTrades,
}

/// What polling knows of a book besides the book.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PollMemory {
    /// When the venue was last asked for the touch alone, and whether that says next to nothing.
    pub(crate) witness: Option<(Nanos, bool)>,
    /// Whether an answer with the book was left out for want of such a word.
    pub(crate) doubted: bool,
    /// When its numbered stream last said anything of it, or its connection opened.
    pub(crate) heard: Nanos,
    /// Whether the book began with an answer to a poll, which tells few of its levels.
    pub(crate) shallow: bool,
}

/// The price grid, as whole books and changes of it have it.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Tick size stated by the newest whole book, if it stated one.
    pub stated: Option<Price>,
    /// Venue time of the newest whole book, which is of the grid of its time, or [`ABSENT`].
    ts_whole: Nanos,
    /// Venue time of the newest change of the grid, or [`ABSENT`], and the tick size after it.
    changed: (Nanos, Price),
}

impl Default for Grid {
    fn default() -> Self {
        Self { stated: None, ts_whole: ABSENT, changed: (ABSENT, 0) }
    }
}

impl Grid {
    /// A whole book came, of this venue time.
    pub(crate) fn see_whole(&mut self, ts_event: Nanos, stated: Option<Price>) {
        (self.stated, self.ts_whole) = (stated, ts_event);
    }

    /// Whether a change of the grid is news: neither older than the book, nor told before.
    pub(crate) fn changes(&mut self, ts_event: Nanos, tick: Price) -> bool {
        if ts_event != ABSENT {
            let told = ts_event < self.changed.0 || self.changed == (ts_event, tick);
            if ts_event < self.ts_whole || told {
                return false;
            }
            self.changed = (ts_event, tick);
        }
        true
    }
}

/// A REST book on its way, and what the stream says meanwhile.
#[derive(Clone, Debug)]
pub struct Awaited {
    /// Newest venue time seen when the fetch began: an older answer is of no use.
    pub(crate) ts_begin: Nanos,
    /// Deltas since then, in order.
    pub deltas: Vec<Buffered>,
}

/// A delta that came while its book was not there.
#[derive(Clone, Copy, Debug)]
pub struct Buffered {
    /// Venue time of its message, as far as it is believed.
    pub ts_event: Nanos,
    /// The same as it was stated, which the hash covers.
    pub ts_stated: Nanos,
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
    pub(crate) deadline: Nanos,
}

/// The venue's touch at one of the book's numbered updates.
#[derive(Clone, Copy, Debug)]
pub struct NumberedTouch {
    /// Number of the update.
    pub id: u64,
    /// The touch.
    pub touch: TouchClaim,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            bids: BookSide::new(Side::Bid),
            asks: BookSide::new(Side::Ask),
            touch: Touch::EMPTY,
            published_touch: Touch::EMPTY,
            ts_event: ABSENT,
            ts_seen: ABSENT,
            ts_recv: ABSENT,
            ts_evidence: ABSENT,
            version: 0,
            verified_version: UNVERIFIED,
            touch_version: UNVERIFIED,
            rest_version: UNVERIFIED,
            doubt: None,
            torn_since: ABSENT,
            older_since: ABSENT,
            stream: NO_STREAM,
            number: UNKNOWN,
            epoch: 0,
            state: State::Idle,
            cause: Cause::None,
            check_queued: false,
            watched: false,
            unpublished: false,
            rules_due: false,
            awaits_touch: false,
            hash_known: false,
            hash_struck: false,
            at_odds: false,
            apart: false,
            claimed: Claimed::default(),
            recent: Recent::default(),
            evidence: EvidenceCounts::default(),
            level_log: None,
            rare: Box::default(),
            _second_line: Line,
            _third_line: Line,
            _fourth_line: Line,
            _fifth_line: Line,
            _other_lines: Line,
            _filling: [0; FILLING],
        }
    }
}

impl Default for Rare {
    fn default() -> Self {
        Self {
            bids_known_to: ABSENT,
            asks_known_to: ABSENT,
            reach: [Reach::default(); 2],
            probe: None,
            ts_probed: ABSENT,
            probes_denied: 0,
            asks_cut: false,
            depth: 0,
            ts_discarded: ABSENT,
            ts_state: ABSENT,
            grid: Grid::default(),
            held: Cause::None,
            ts_older: ABSENT,
            ts_answered: ABSENT,
            ts_denied: ABSENT,
            disorder: (ABSENT, 0),
            awaited: None,
            early: Vec::new(),
            expires: ABSENT,
            poll: PollMemory::default(),
            gap: None,
            witness: None,
            witness_strikes: 0,
            accusation: Accusation::default(),
            relayed: RelayedMemory::default(),
            hashes: HashMemory::default(),
            stitch: Stitch::default(),
            ahead: VecDeque::new(),
            beside: Beside::default(),
            checksums: Crc32Memory::default(),
            touch_decides: false,
            trades: RecentTrades::default(),
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

    /// Notes the hash that a message of `ts_event` gives for the book, as printed, if it is one;
    /// `whole` if the message was a whole book. What an earlier hash vouched for, this one may
    /// deny, even if the message changed nothing here.
    #[inline]
    pub fn claim(&mut self, printed: &[u8], ts_event: Nanos, whole: bool) {
        // A hash covers the time; of one that was not read, nothing can be computed.
        let hash = if ts_event == ABSENT { None } else { hex_hash(printed) };
        self.take_claim(Claimed { hash, ts: ts_event, whole });
    }

    /// Notes what the venue says the book's hash is now.
    #[inline]
    pub(crate) fn take_claim(&mut self, claimed: Claimed) {
        self.claimed = claimed;
        if claimed.hash.is_some() {
            self.verified_version = UNVERIFIED;
        }
    }

    /// Whether a whole book of this hash and time is the newest that was heard.
    #[must_use]
    pub(crate) fn claimed_already(&self, printed: &[u8], ts_event: Nanos) -> bool {
        let hash = hex_hash(printed);
        let same = hash.is_some() && hash == self.claimed.hash && self.claimed.whole;
        same && ts_event == self.claimed.ts
    }

    /// Whether the venue's best prices are those of the book.
    #[inline(always)]
    #[must_use]
    pub fn agrees(&self, bid: Claim, ask: Claim) -> bool {
        bid.agrees(self.bids.best_price()) && ask.agrees(self.asks.best_price())
    }

    /// Whether the venue's best prices, and the sizes it states with them, are those of the book.
    #[must_use]
    pub(crate) fn agrees_with(&self, claim: &TouchClaim) -> bool {
        let touch = self.current_touch();
        let same = |claimed: Qty, ours: Qty| claimed == ABSENT || ours == ABSENT || claimed == ours;
        self.agrees(claim.bid, claim.ask)
            && same(claim.bid_qty, touch.bid_qty)
            && same(claim.ask_qty, touch.ask_qty)
    }

    /// Price of the last level of a side that knowledge reaches: what lies beyond was never told
    /// in full. `None` if the whole side is known.
    #[inline]
    #[must_use]
    pub fn depth_known(&self, side: Side) -> Option<Price> {
        let end = match side {
            Side::Bid => self.rare.bids_known_to,
            Side::Ask => self.rare.asks_known_to,
        };
        if end == ABSENT { None } else { Some(end) }
    }

    /// Whether a side of which only a part is known has nothing left in that part: its best level,
    /// if there is any, lies beyond, and better ones may be there.
    #[inline]
    #[must_use]
    pub(crate) fn beyond_known(&self) -> bool {
        let past = |best: Option<Price>, end: Option<Price>, worse: fn(&Price, &Price) -> bool| {
            end.is_some_and(|end| best.is_none_or(|best| worse(&best, &end)))
        };
        past(self.bids.best_price(), self.depth_known(Side::Bid), Price::lt)
            || past(self.asks.best_price(), self.depth_known(Side::Ask), Price::gt)
    }

    /// Whether a reader may take the book for good: live, and not inside an open batch.
    #[inline]
    #[must_use]
    pub fn believable(&self) -> bool {
        self.state == State::Live && self.doubt.is_none()
    }

    /// Whether the book is kept by polling, and holds.
    #[inline]
    #[must_use]
    pub fn polled(&self) -> bool {
        self.state == State::LivePoll
    }

    /// Whether a reader may look at its prices: those of now, or those of when it was last polled.
    #[inline]
    #[must_use]
    pub fn readable(&self) -> bool {
        self.believable() || self.polled()
    }

    /// Whether nothing speaks against the book but that its connection is late.
    #[inline]
    #[must_use]
    pub(crate) fn is_held(&self) -> bool {
        self.state == State::Suspect && self.cause == Cause::Late
    }

    /// Whether a witness has another book, which was not enough to doubt this one.
    pub(crate) fn accused(&self) -> bool {
        self.rare.accusation.stands(self.stands())
    }

    /// At which number it stands, else at which venue time; where there is neither, at how many
    /// changes.
    pub(crate) fn stands(&self) -> i64 {
        let number = self.rare.stitch.book_id().and_then(|id| i64::try_from(id).ok());
        let changes = i64::try_from(self.version).unwrap_or(i64::MAX);
        number.unwrap_or(if self.ts_event == ABSENT { changes } else { self.ts_event })
    }

    /// Whether it is an answer by REST, unchanged since, that its late stream contradicts.
    #[must_use]
    pub(crate) fn denied(&self) -> bool {
        self.rare.ts_denied != ABSENT && self.rare.ts_denied == self.ts_event
    }

    /// Notes the cause with which it will be live when its connection is prompt again: a new run
    /// that began meanwhile is one then.
    pub(crate) fn hold(&mut self, cause: Cause) {
        if !(self.is_held() && cause == Cause::Evidence) {
            self.rare.held = cause;
        }
    }

    /// Whether the book follows its stream: changes have a basis to change.
    #[inline]
    #[must_use]
    pub fn running(&self) -> bool {
        matches!(self.state, State::Live | State::Suspect)
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

    /// Whether the venue's hash or checksum vouches for the book exactly as it stands.
    #[inline]
    #[must_use]
    pub fn verified(&self) -> bool {
        self.verified_version == self.version
    }

    /// The venue's newest hash is that of the book as it stands.
    #[inline]
    pub(crate) fn hash_matches(&mut self) {
        self.verified_version = self.version;
        self.rare.hashes.matched(self.claimed.kind(), self.ts_recv);
        self.hash_struck = self.rare.hashes.struck();
    }

    /// Whether the book says that its hashes are not trusted, although they have earned it again.
    #[inline]
    #[must_use]
    pub(crate) fn hashes_vindicated(&self) -> bool {
        self.state == State::Live && self.cause == Cause::UntrustedHash && self.rare.hashes.trusted()
    }

    /// Whether nothing speaks against the book but the hash of a change, of which it is known by now
    /// that it is not that of the book.
    #[must_use]
    pub(crate) fn acquitted(&self) -> bool {
        let hashes = &self.rare.hashes;
        let accused = self.state == State::Suspect && self.cause == Cause::HashMismatch;
        accused && hashes.struck_again_alone && !hashes.trusts(HashKind::Change)
    }

    /// The venue's own best prices agree: counts it as `kind`, and if both sides were stated
    /// remembers that they vouch for the touch as it stands.
    #[inline]
    pub(crate) fn touch_agrees(&mut self, kind: Evidence, bid: Claim, ask: Claim) {
        self.evidence.count(kind);
        if bid.given() && ask.given() {
            self.touch_version = self.version;
        }
    }

    /// The venue's own best prices are others than the book's: they vouch for it no longer.
    #[inline]
    pub(crate) fn touch_disagrees(&mut self) {
        self.touch_version = u64::MAX;
    }

    /// Size at a price, 0 if there is no such level.
    #[must_use]
    pub(crate) fn qty_at(&self, side: Side, price: Price) -> Qty {
        match side {
            Side::Bid => self.bids.qty_at(price),
            Side::Ask => self.asks.qty_at(price),
        }
    }

    /// Whether it is in doubt about its best level alone, which may have been set back or told twice.
    #[must_use]
    pub(crate) fn decided_by_touch(&self) -> bool {
        self.doubt.is_some_and(|doubt| doubt.cause == Cause::OutOfOrder) && self.rare.touch_decides
    }

    /// Whether the book has come to its end, for a reason that only a new subscription, or
    /// nothing at all, can undo.
    #[must_use]
    pub fn over(&self) -> bool {
        let final_cause = matches!(self.cause, Cause::Resolved | Cause::Unsubscribed | Cause::Poisoned);
        self.state == State::Stale && final_cause
    }

    /// It and its sibling outcome mirror each other.
    pub(crate) fn reconciled(&mut self) {
        (self.torn_since, self.at_odds) = (ABSENT, false);
    }

    /// Forgets everything that belongs to the run that ended.
    pub(crate) fn forget_stream(&mut self) {
        self.doubt = None;
        self.torn_since = ABSENT;
        (self.touch, self.published_touch) = (Touch::EMPTY, Touch::EMPTY);
        self.recent.forget();
        self.stream = NO_STREAM;
        self.claimed.hash = None;
        self.awaits_touch = false;
        let rare = &mut *self.rare;
        (rare.awaited, rare.witness, rare.probe) = (None, None, None);
        rare.probes_denied = 0;
        rare.early.clear();
        rare.ahead.clear();
        rare.beside.clear();
        rare.stitch.distrust();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn what_a_usual_message_looks_at_lies_together() {
        const LINE: usize = 64;
        let lines = [
            (offset_of!(Book, bids), offset_of!(Book, hash_known)),
            (offset_of!(Book, asks), offset_of!(Book, ts_recv)),
            (offset_of!(Book, touch), offset_of!(Book, published_touch)),
            (offset_of!(Book, claimed), offset_of!(Book, verified_version)),
            (offset_of!(Book, version), offset_of!(Book, apart)),
        ];
        for (line, (begin, end)) in lines.into_iter().enumerate() {
            assert_eq!((begin, end / LINE), (line * LINE, line));
        }
        // The counts of usual messages are the last ones; the newest changes begin behind them.
        let counts = offset_of!(Book, level_log) - 3 * size_of::<u64>();
        assert_eq!((counts % LINE, counts / LINE), (0, offset_of!(Book, recent) / LINE));
    }
}
