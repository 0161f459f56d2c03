//! What is known of the venue's hashes for one book: what they contain, and whether they are
//! believed. Hashes of changes and hashes of whole books earn and lose trust apart, because one
//! kind may stop being that of the book while the other goes on.

use super::book_hash::{FieldSet, Profile};
use crate::fixed::ABSENT;
use crate::time::Nanos;

/// Convictions by hashes of one kind without a match between them, after which that kind is not
/// trusted.
const STRIKES_MAX: u32 = 4;
/// Strikes by hashes of changes after which a book that was told anew in between was struck again.
const STRIKES_AGAIN: u32 = 2;
/// Matches in a row after which it is trusted again.
const MATCHES_TO_TRUST: u32 = 4;
/// Hashes that nothing explains after which that says something.
const UNEXPLAINED_MAX: u32 = 3;
/// Times the wait for the next search doubles.
const DOUBLINGS_MAX: u32 = 8;

/// What a hash came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashKind {
    /// A change.
    Change,
    /// A whole book.
    Whole,
}

/// What hashes of one kind have earned.
#[derive(Clone, Copy, Debug)]
struct Trust {
    /// Mismatches convicted since the last match.
    mismatches: u32,
    /// Those among them that befell a book nothing was known to be missing from.
    strikes: u32,
    /// Receive time of the first of the newest strikes, or [`ABSENT`].
    struck_since: Nanos,
    /// Receive time of the newest match, or [`ABSENT`].
    ts_match: Nanos,
    /// Whether they are no evidence against the book.
    withdrawn: bool,
    /// Matches in a row since then.
    matches: u32,
}

impl Trust {
    const FULL: Self = Self {
        mismatches: 0,
        strikes: 0,
        struck_since: ABSENT,
        ts_match: ABSENT,
        withdrawn: false,
        matches: 0,
    };
}

/// What is known of the venue's hashes for this book.
#[derive(Clone, Debug)]
pub struct HashMemory {
    /// Whether the market is a negative-risk one, where that is known: hashes may contain it.
    pub neg_risk: Option<bool>,
    /// What the hashes contain, once one has matched.
    pub profile: Option<Profile>,
    /// The last trade price the venue hashes, as printed.
    pub last_trade_price: Vec<u8>,
    /// The one before; prints and hashes overtake each other.
    pub(crate) earlier_trade_price: Vec<u8>,
    /// By how many milliseconds a hash of the oldest form was older than its message.
    pub(crate) lag_ms: u8,
    /// Hashes in a row that a full search did not explain.
    unexplained: u32,
    /// When the next full search may be made, or [`ABSENT`] for at once.
    search_due: Nanos,
    /// Of changes, and of whole books.
    trust: [Trust; 2],
    /// Whether the hash of a change that struck the book again, after it was told anew, is all that
    /// speaks against it.
    pub(crate) struck_again_alone: bool,
}

impl Default for HashMemory {
    fn default() -> Self {
        Self {
            neg_risk: None,
            profile: None,
            last_trade_price: Vec::new(),
            earlier_trade_price: Vec::new(),
            lag_ms: 0,
            unexplained: 0,
            search_due: ABSENT,
            trust: [Trust::FULL; 2],
            struck_again_alone: false,
        }
    }
}

impl HashMemory {
    /// Whether the hashes are of the oldest form, which may be older than their messages.
    #[inline]
    pub(crate) fn oldest(&self) -> bool {
        self.profile.as_ref().is_some_and(|profile| profile.fields == FieldSet::Six)
    }

    /// Takes what a message says besides the levels: last trade price and negative risk, as
    /// printed, empty where it does not say.
    pub(crate) fn hear(&mut self, [last_trade_price, neg_risk]: [&[u8]; 2]) {
        if !last_trade_price.is_empty() {
            self.note_trade_price(last_trade_price);
        }
        match neg_risk {
            b"true" => self.neg_risk = Some(true),
            b"false" => self.neg_risk = Some(false),
            _ => {}
        }
    }

    /// Notes the last trade price as the venue printed it; prints and hashes overtake each
    /// other, so the one before is kept as well.
    pub(crate) fn note_trade_price(&mut self, printed: &[u8]) {
        if printed != self.last_trade_price.as_slice() {
            std::mem::swap(&mut self.last_trade_price, &mut self.earlier_trade_price);
            self.last_trade_price.clear();
            self.last_trade_price.extend_from_slice(printed);
            self.search_due = ABSENT;
        }
    }

    // What they contain.

    /// A hash was explained: what they contain is known, and nothing that was held against them
    /// counts any more.
    pub(crate) fn learned(&mut self, profile: Profile, last_trade_price: &[u8]) {
        self.profile = Some(profile);
        self.note_trade_price(last_trade_price);
        (self.unexplained, self.search_due) = (0, ABSENT);
        self.trust = [Trust::FULL; 2];
    }

    /// Whether a full search may be made at `ts`: seldom, if earlier ones were of no use.
    pub(crate) fn search_due(&self, ts: Nanos) -> bool {
        ts >= self.search_due
    }

    /// A full search explained nothing. `pace` is the shortest time to the next one.
    pub(crate) fn not_explained(&mut self, ts: Nanos, pace: Nanos) {
        self.unexplained += 1;
        if let Some(more) = self.unexplained.checked_sub(UNEXPLAINED_MAX) {
            self.search_due = ts.saturating_add(pace << more.min(DOUBLINGS_MAX));
        }
    }

    /// Whether enough hashes were searched in vain to say so.
    pub(crate) fn inexplicable(&self) -> bool {
        self.unexplained >= UNEXPLAINED_MAX
    }

    // Whether they are believed.

    /// A hash matched: earlier mismatches of its kind do not count any more.
    pub(crate) fn matched(&mut self, kind: HashKind, ts_recv: Nanos) {
        let trust = &mut self.trust[kind as usize];
        (trust.mismatches, trust.strikes, trust.ts_match) = (0, 0, ts_recv);
        if trust.withdrawn {
            trust.matches += 1;
            trust.withdrawn = trust.matches < MATCHES_TO_TRUST;
        }
    }

    /// A mismatch with a message of `ts_recv` was convicted; `fresh` if nothing was known to be
    /// missing from the book. If whole books go on disagreeing with their own hashes, no hash is that
    /// of a book.
    pub(crate) fn convicted(&mut self, kind: HashKind, fresh: bool, ts_recv: Nanos) {
        let trust = &mut self.trust[kind as usize];
        trust.mismatches += 1;
        if fresh {
            if trust.strikes == 0 {
                trust.struck_since = ts_recv;
            }
            trust.strikes += 1;
            self.struck_again_alone = kind == HashKind::Change && trust.strikes >= STRIKES_AGAIN;
        }
        if trust.strikes >= STRIKES_MAX {
            match kind {
                HashKind::Change => self.withdraw(&[HashKind::Change]),
                HashKind::Whole => self.withdraw_all(),
            }
        }
    }

    /// From now on no hash is evidence against the book.
    pub(crate) fn withdraw_all(&mut self) {
        self.withdraw(&[HashKind::Change, HashKind::Whole]);
    }

    /// From now on no hash of a change is evidence against the book.
    pub(crate) fn withdraw_changes(&mut self) {
        self.withdraw(&[HashKind::Change]);
    }

    fn withdraw(&mut self, kinds: &[HashKind]) {
        for &kind in kinds {
            let trust = &mut self.trust[kind as usize];
            (trust.withdrawn, trust.strikes, trust.matches) = (true, 0, 0);
        }
    }

    /// A hash of a kind that is not trusted did not match.
    pub(crate) fn denied(&mut self, kind: HashKind) {
        self.trust[kind as usize].matches = 0;
    }

    /// Whether the hash of a change convicted the book and none matched since: the next one tells
    /// a change that was lost from hashes that are not those of books.
    pub(crate) fn struck(&self) -> bool {
        self.trust[HashKind::Change as usize].strikes > 0
    }

    /// Whether it did so again after the book was told anew.
    pub(crate) fn struck_again(&self) -> bool {
        self.trust[HashKind::Change as usize].strikes >= STRIKES_AGAIN
    }

    /// Receive time of the newest match with the hash of a change, or [`ABSENT`].
    pub(crate) fn change_matched(&self) -> Nanos {
        self.trust[HashKind::Change as usize].ts_match
    }

    /// Strikes by hashes of changes against a book that was told anew in between and whose hashes
    /// of whole books are trusted, and since when; all of them after `ts_match`.
    pub(crate) fn strikes_after(&self, ts_match: Nanos) -> Option<(u32, Nanos)> {
        let trust = &self.trust[HashKind::Change as usize];
        let strikes = if trust.withdrawn { STRIKES_AGAIN } else { trust.strikes };
        let counts = strikes >= STRIKES_AGAIN && self.trusts(HashKind::Whole);
        (counts && trust.struck_since > ts_match).then_some((strikes, trust.struck_since))
    }

    /// Whether hashes of this kind may speak against the book.
    pub(crate) fn trusts(&self, kind: HashKind) -> bool {
        !self.trust[kind as usize].withdrawn
    }

    /// Whether hashes of every kind may.
    pub(crate) fn trusted(&self) -> bool {
        self.trusts(HashKind::Change) && self.trusts(HashKind::Whole)
    }

    /// Whether a mismatch stands alone, with none of its kind before it.
    pub(crate) fn lone(&self) -> bool {
        self.trust.iter().all(|trust| trust.mismatches <= 1)
    }
}
