//! What may be asked of an engine: nothing of it changes anything, but that what was written is
//! taken.

use super::{Counters, Engine, Estimate, IndexReading, LastError, Notice, Output, Sense, sequence};
use crate::book::Book;
use crate::book::integrity::EvidenceCounts;
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, Instruments, Venue};
use crate::latency::Histogram;
use crate::sequence::reputation::Reputation;
use crate::sequence::stream::Gap;
use crate::signals::paper::Ledger;
use crate::signals::steps::Refusals;
use crate::time::Nanos;
use crate::trades::TradeTape;
use std::collections::BTreeMap;

impl Engine {
    /// Records written and not yet taken.
    pub fn output(&mut self) -> &mut Output {
        &mut self.judge.publisher.output
    }

    /// All instruments.
    #[must_use]
    pub fn instruments(&self) -> &Instruments {
        &self.world.instruments
    }

    /// The book of `id`.
    #[must_use]
    pub fn book(&self, id: InstrumentId) -> Option<&Book> {
        self.world.books.get(id as usize)
    }

    /// The trades of `id`.
    #[must_use]
    pub fn trades(&self, id: InstrumentId) -> Option<&TradeTape> {
        self.world.tapes.get(id as usize)
    }

    /// How the aggressors of a venue's trades agree with its books.
    #[must_use]
    pub fn sense(&self, venue: Venue) -> Sense {
        self.world.senses.of(venue)
    }

    /// What happened, counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.world.counters
    }

    /// Messages by type, over all venues.
    #[must_use]
    pub fn messages(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (venue, tally) in Venue::ALL.into_iter().zip(&self.tallies) {
            for (name, n) in tally.by_name(venue.row().messages) {
                *all.entry(name).or_insert(0) += n;
            }
        }
        all
    }

    /// Evidence for and against, over all books, those that are gone included.
    #[must_use]
    pub fn evidence(&self) -> EvidenceCounts {
        let mut all = self.world.evidence_gone;
        for book in &self.world.books {
            all.add(&book.evidence);
        }
        all
    }

    /// The same over the books of a connection.
    #[must_use]
    pub fn evidence_on(&self, conn: u32) -> EvidenceCounts {
        let mut all = EvidenceCounts::default();
        for &id in self.world.connection(conn).map_or(&[][..], |c| &c.instruments) {
            all.add(&self.world.books[id as usize].evidence);
        }
        all
    }

    /// What REST answered about live books of a connection, or of all connections together.
    #[must_use]
    pub fn rest_answers(&self, conn: Option<u32>) -> [u64; Reputation::NAMES.len()] {
        self.world.answers(conn, |connection| &connection.rest)
    }

    /// Refused opportunities by reason, in the order of [`crate::signals::Refusal::NAMES`].
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.judge.publisher.rules.signals.refusals()
    }

    /// As [`Self::refusals`], of one rule; `None` if there is no such rule.
    #[must_use]
    pub fn refusals_of(&self, rule: u32) -> Option<&Refusals> {
        self.judge.publisher.rules.signals.refusals_of(rule)
    }

    /// The paper ledgers that are kept, that of [`super::Config::paper_latency`] first.
    #[must_use]
    pub fn papers(&self) -> &[Ledger] {
        &self.judge.publisher.rules.papers
    }

    /// The first of them.
    #[must_use]
    pub fn paper(&self) -> Option<&Ledger> {
        self.papers().first()
    }

    /// Receive time minus venue time of every message; negative where clocks disagree.
    #[must_use]
    pub fn venue_latency(&self) -> &Histogram {
        &self.world.venue_latency
    }

    /// Receive time of the newest evidence for the book `id`: its own, or that of the numbered
    /// stream it is on.
    #[inline]
    #[must_use]
    pub fn ts_evidence(&self, id: InstrumentId) -> Nanos {
        self.world.view().ts_evidence(id)
    }

    /// The newest value of each reference index that was heard of.
    pub fn indices(&self) -> impl Iterator<Item = (&str, &IndexReading)> {
        self.markets.indices.iter().map(|(name, reading)| (&**name, reading))
    }

    /// The indices that are estimated, by number.
    #[must_use]
    pub fn estimates(&self) -> &[Estimate] {
        self.world.estimates.all()
    }

    /// The next effective time of any of them.
    #[must_use]
    pub fn next_estimate(&self) -> Option<Nanos> {
        Some(self.world.estimates.next()).filter(|&next| next < Nanos::MAX)
    }

    /// Holes found lately in numbered streams, oldest first.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.sequencer.gaps()
    }

    /// Takes the replies on a connection that nobody has taken yet, oldest first.
    pub fn take_notices(&mut self, conn: u32) -> Vec<Notice> {
        self.sequencer.take_notices(conn)
    }

    /// How many replies on a connection wait to be taken.
    #[must_use]
    pub fn notices_pending(&self, conn: u32) -> usize {
        self.sequencer.notices_pending(conn)
    }

    /// The venue's number of the subscription to `channel` on a connection, once it said so.
    #[must_use]
    pub fn sid(&self, conn: u32, channel: &str) -> Option<u32> {
        sequence::sid(&self.world, conn, channel)
    }

    /// Receive time less venue time of the newest message of a connection that stated one; below
    /// zero where the receiver's clock is behind.
    #[must_use]
    pub fn delay(&self, conn: u32) -> Option<Nanos> {
        self.world.connection(conn).map(|c| c.clock.delay).filter(|&delay| delay != ABSENT)
    }

    /// Where and why the newest bad payload was refused.
    #[must_use]
    pub fn last_error(&self) -> Option<&LastError> {
        self.world.last_error.as_ref()
    }

    /// Whether [`Self::poison`] was called.
    #[must_use]
    pub fn poisoned(&self) -> bool {
        self.poisoned
    }
}
