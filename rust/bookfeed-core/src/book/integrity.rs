//! When a book may be believed: states, causes, evidence, and what evidence does.
//!
//! ```text
//!         subscribe            snapshot            evidence contradicts
//!  idle ───────────▶ syncing ───────────▶ live ───────────────────────▶ suspect ──(hash agrees)──▶ live
//!                       ▲                  │ continuity lost, silence,     │ grace over
//!                       └──── resync ◀──── stale(cause) ◀──────────────────┘
//! ```
//!
//! Beside these, `live_poll` is the state of a book that nothing streams (`engine/poll.rs`).
//!
//! A disagreement on a live book opens a [`Doubt`], because a venue may spread one batch over
//! several frames of one timestamp: until the batch is complete readers are shown `suspect`
//! and nothing is published. Agreement closes the doubt without a trace. A message with
//! another timestamp, or the end of the grace, convicts: the book turns `suspect` for good,
//! and only strong evidence (a matching hash, a fresh snapshot) makes it live again; that
//! the touch agrees by chance does not, since the level that was lost may lie deeper.

use super::Book;
use super::proof::hash_memory::HashKind;
use crate::event::Claim;
use crate::names::named_codes;
use crate::time::Nanos;

named_codes! {
    /// Whether a book may be believed.
    State {
        /// Never subscribed.
        Idle = "idle",
        /// Waiting for a snapshot.
        Syncing = "syncing",
        /// The only state a signal may come from.
        Live = "live",
        /// Evidence contradicts; waiting for more.
        Suspect = "suspect",
        /// Not to be believed; the cause says why.
        Stale = "stale",
        /// Nothing streams: as the venue told it when it was last asked. Signals come from it only
        /// where a rule asks for that.
        LivePoll = "live_poll",
    }
}

named_codes! {
    /// Why a book is in its state.
    Cause {
        /// No reason yet.
        None = "none",
        /// Subscribed, or its connection came up.
        Subscribed = "subscribed",
        /// A snapshot replaced it.
        Snapshot = "snapshot",
        /// Strong evidence agreed again.
        Evidence = "evidence",
        /// It is being fetched anew, or was.
        Resync = "resync",
        /// Its connection was lost.
        Disconnected = "disconnected",
        /// The venue's own best bid or ask differs.
        BboMismatch = "bbo_mismatch",
        /// The venue's book hash differs.
        HashMismatch = "hash_mismatch",
        /// The two outcomes of the market do not mirror each other.
        MirrorMismatch = "mirror_mismatch",
        /// Best bid above best ask for longer than a batch may last.
        Crossed = "crossed",
        /// A message that could not be understood.
        Malformed = "malformed",
        /// The price grid changed.
        TickChange = "tick_change",
        /// A change older than what was already applied.
        OutOfOrder = "out_of_order",
        /// No data on the connection for too long.
        Silence = "silence",
        /// The market is over.
        Resolved = "resolved",
        /// Nobody wants it any more.
        Unsubscribed = "unsubscribed",
        /// The engine failed; nothing it holds may be believed.
        Poisoned = "poisoned",
        /// The connection broke the WebSocket protocol, or its listener failed.
        Transport = "transport",
        /// The venue's hashes disagree even with fresh books, or nothing explains them: the book
        /// rests on its other evidence.
        UntrustedHash = "untrusted_hash",
        /// Messages are missing from its numbered stream.
        Gap = "gap",
        /// A change took more from a level than it held: something was lost before.
        Underflow = "underflow",
        /// The venue ended the subscription it was on.
        Channel = "channel",
        /// The venue's checksum differs.
        ChecksumMismatch = "checksum_mismatch",
        /// Its best levels lie beyond what the venue told in full.
        Window = "window",
        /// It holds no longer: its owner said how long it would.
        Expired = "expired",
        /// Its connection delivers in order, and too late.
        Late = "late",
        /// The venue was asked for it and does not give it.
        Absent = "absent",
        /// A whole book in its place in the numbered stream differs: changes were kept back.
        Withheld = "withheld",
        /// Nothing streams, and the venue is asked for it again and again.
        Polled = "polled",
        /// Its levels do not add up to what was put in and taken out: a defect of this engine.
        Unsound = "unsound",
        /// Two connections carry it, and neither is known to be right.
        Line = "line",
    }
}

named_codes! {
    /// Kinds of evidence, counted for and against.
    Evidence {
        /// The change's own best bid and ask agreed at the end of its batch.
        BboMatch = "bbo_match",
        /// They did not.
        BboMismatch = "bbo_mismatch",
        /// The venue's separate touch message agreed.
        TouchMatch = "touch_match",
        /// It did not.
        TouchMismatch = "touch_mismatch",
        /// The hash of a whole book matched.
        HashBookMatch = "hash_book_match",
        /// It did not.
        HashBookMismatch = "hash_book_mismatch",
        /// The hash after a change matched.
        HashChangeMatch = "hash_change_match",
        /// It did not, at the end of its batch.
        HashChangeMismatch = "hash_change_mismatch",
        /// A hash that could not be checked, because what it contains is not known.
        HashUnknown = "hash_unknown",
        /// The two outcomes mirrored each other.
        MirrorMatch = "mirror_match",
        /// They did not.
        MirrorMismatch = "mirror_mismatch",
        /// A message that had been applied already.
        Duplicate = "duplicate",
        /// A change or snapshot older than the book.
        OutOfOrder = "out_of_order",
        /// A change before any snapshot, discarded.
        BeforeSnapshot = "before_snapshot",
        /// A batch of several frames that came to agree at its end.
        BatchSettled = "batch_settled",
        /// The book was crossed at the end of a batch.
        Crossed = "crossed",
        /// A message about the book that could not be understood.
        Malformed = "malformed",
        /// A change in the order of its numbered stream.
        InSequence = "in_sequence",
        /// A hole in the numbered stream.
        Gap = "gap",
        /// A change that took more from a level than it held.
        Underflow = "underflow",
        /// A whole book by REST, beside the stream, that was the same.
        RestMatch = "rest_match",
        /// One that was not; the two are not of one moment.
        RestMismatch = "rest_mismatch",
        /// The checksum of the best levels matched.
        ChecksumMatch = "checksum_match",
        /// It did not.
        ChecksumMismatch = "checksum_mismatch",
        /// A whole book in its place in the numbered stream was the one that was known.
        SnapshotMatch = "snapshot_match",
        /// It was not, and nothing had been missing.
        SnapshotMismatch = "snapshot_mismatch",
        /// The touch that a relay of the venue's told was the same.
        RelayMatch = "relay_match",
        /// It was another and newer, and the stream did not come to it in time.
        RelayMismatch = "relay_mismatch",
    }
}

/// Number of evidence kinds.
pub(crate) const EVIDENCE_KINDS: usize = Evidence::NAMES.len();

/// How often each kind of evidence was seen; `PLACES` says where it is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvidenceCounts([u64; EVIDENCE_KINDS]);

const USUAL: [Evidence; 3] = [Evidence::BboMatch, Evidence::MirrorMatch, Evidence::InSequence];
/// How many kinds the usual messages are evidence of.
pub(crate) const USUAL_KINDS: usize = USUAL.len();

/// What the usual messages are evidence of is counted last, side by side.
const PLACES: [usize; EVIDENCE_KINDS] = {
    let mut places = [usize::MAX; EVIDENCE_KINDS];
    let mut last = 0;
    while last < USUAL_KINDS {
        places[USUAL[last] as usize] = EVIDENCE_KINDS - 1 - last;
        last += 1;
    }
    let (mut kind, mut next) = (0, 0);
    while kind < EVIDENCE_KINDS {
        if places[kind] == usize::MAX {
            places[kind] = next;
            next += 1;
        }
        kind += 1;
    }
    places
};

impl EvidenceCounts {
    /// Counts one.
    #[inline]
    pub fn count(&mut self, kind: Evidence) {
        self.0[PLACES[kind as usize]] += 1;
    }

    /// How often `kind` was seen.
    #[must_use]
    pub fn of(&self, kind: Evidence) -> u64 {
        self.0[PLACES[kind as usize]]
    }

    /// Adds another book's counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// Name and count of every kind.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Evidence::NAMES.iter().copied().zip(PLACES.map(|place| self.0[place]))
    }
}

/// A disagreement that an unfinished batch would explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What disagreed.
    pub cause: Cause,
    /// Venue time of the batch.
    pub ts_event: Nanos,
    /// Receive time at which the grace ends.
    pub(crate) deadline: Nanos,
    /// Whether only the deadline may convict: outcomes of one market are refreshed by
    /// separate messages, whose timestamps may differ.
    pub(crate) patient: bool,
    /// The evidence counted if the doubt turns out to be right.
    pub against: Evidence,
}

/// What checking a hash gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashVerdict {
    /// Not checked this time.
    Skipped,
    /// The venue gave none, or what it contains is not known.
    Unknown,
    /// It matched.
    Match,
    /// It did not.
    Mismatch,
}

/// What a message brought to judge a book by.
#[derive(Clone, Copy, Debug)]
pub struct Testimony {
    /// Venue time of the message.
    pub ts_event: Nanos,
    /// Receive time of the frame.
    pub ts_recv: Nanos,
    /// The venue's best bid.
    pub best_bid: Claim,
    /// The venue's best ask.
    pub best_ask: Claim,
    /// What the hash said.
    pub hash: HashVerdict,
    /// Whether the message was a whole book.
    pub snapshot: bool,
    /// Whether the message was older than the book it changed.
    pub out_of_order: bool,
}

impl Testimony {
    /// A whole book, of which nothing else is said yet.
    #[must_use]
    pub(crate) const fn of_snapshot(ts_event: Nanos, ts_recv: Nanos) -> Self {
        Self {
            ts_event,
            ts_recv,
            best_bid: Claim::SILENT,
            best_ask: Claim::SILENT,
            hash: HashVerdict::Skipped,
            snapshot: true,
            out_of_order: false,
        }
    }
}

/// What judging a book came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against the book.
    Agrees,
    /// Something does; it may be an unfinished batch.
    Doubted,
    /// Something does, and no batch explains it.
    Convicted(Cause),
}

impl Book {
    /// Judges the book at the end of a message. Opens, keeps or closes the doubt; does not
    /// change the state.
    #[inline]
    pub fn judge(&mut self, t: &Testimony, grace: Nanos) -> Verdict {
        let claims = t.best_bid.given() || t.best_ask.given();
        let bbo_agrees = self.agrees(t.best_bid, t.best_ask);
        if t.hash == HashVerdict::Match {
            let kind = if t.snapshot { Evidence::HashBookMatch } else { Evidence::HashChangeMatch };
            self.evidence.count(kind);
            self.hash_matches();
        } else if t.out_of_order {
            // Sizes are absolute: the old one may have overwritten a newer one.
            return Verdict::Convicted(Cause::OutOfOrder);
        } else if !bbo_agrees {
            return self.open_doubt(t, Cause::BboMismatch, Evidence::BboMismatch, grace);
        } else if t.hash == HashVerdict::Mismatch {
            let kind =
                if t.snapshot { Evidence::HashBookMismatch } else { Evidence::HashChangeMismatch };
            return self.open_doubt(t, Cause::HashMismatch, kind, grace);
        } else if self.crossed() {
            return self.open_doubt(t, Cause::Crossed, Evidence::Crossed, grace);
        }
        if claims && bbo_agrees {
            self.touch_agrees(Evidence::BboMatch, t.best_bid, t.best_ask);
        }
        if claims || t.snapshot || t.hash == HashVerdict::Match {
            self.ts_evidence = t.ts_recv;
        }
        if self.doubt.take().is_some() {
            self.evidence.count(Evidence::BatchSettled);
        }
        Verdict::Agrees
    }

    #[cold]
    fn open_doubt(&mut self, t: &Testimony, cause: Cause, against: Evidence, grace: Nanos) -> Verdict {
        let opened = self.doubt.filter(|d| d.ts_event == t.ts_event);
        let deadline = opened.map_or(t.ts_recv.saturating_add(grace), |d| d.deadline);
        self.doubt = Some(Doubt { cause, ts_event: t.ts_event, deadline, patient: false, against });
        Verdict::Doubted
    }

    /// Ends the doubt as justified: counts the evidence against the book, says the cause.
    pub(crate) fn convict(&mut self) -> Option<Cause> {
        let doubt = self.doubt.take()?;
        self.evidence.count(doubt.against);
        if doubt.cause == Cause::HashMismatch {
            let whole = doubt.against == Evidence::HashBookMismatch;
            let kind = if whole { HashKind::Whole } else { HashKind::Change };
            // A book that was believed, or a whole book just told: nothing was missing.
            self.rare.hashes.convicted(kind, self.state != State::Suspect, self.ts_recv);
            self.hash_struck = self.rare.hashes.struck();
        }
        if doubt.against != Evidence::HashChangeMismatch {
            self.rare.hashes.struck_again_alone = false;
        }
        Some(doubt.cause)
    }

    /// Whether a message of this venue time comes after the batch in doubt.
    #[inline]
    #[must_use]
    pub(crate) fn batch_over(&self, ts_event: Nanos) -> bool {
        self.doubt.is_some_and(|d| !d.patient && ts_event > d.ts_event)
    }
}
