//! Judges books that are complete by what came with their messages: a number in order, or a
//! checksum. What is left is that orders cannot overlap.

use super::judge::Judge;
use super::world::{Origin, World};
use crate::book::integrity::{Cause, Doubt, Evidence, State};
use crate::book::proof::{self, Proved};
use crate::event::ProofClaim;
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::sequence::stream::StreamId;
use crate::time::Nanos;

impl Judge {
    /// Judges a book after a message in order. Its number has proved it complete; what is
    /// left is that orders cannot overlap for longer than one match takes to be told.
    #[inline]
    pub(super) fn judge_numbered(&mut self, world: &mut World, origin: &Origin, id: InstrumentId) {
        let book = world.book(id);
        book.ts_recv = origin.ts_recv;
        book.ts_evidence = origin.ts_recv;
        book.evidence.count(Evidence::InSequence);
        if book.awaits_touch {
            self.meet_touch(world, id, origin.ts_recv);
            return self.settle_overlap(world, origin, id);
        }
        if book.overlaps() || book.doubt.is_some() {
            self.weigh_overlap(world, origin, id);
        }
    }

    /// Judges a book after a message in the order of times. Nothing vouches for it by that.
    #[inline]
    pub(super) fn judge_timed(&mut self, world: &mut World, origin: &Origin, id: InstrumentId) {
        world.book(id).ts_recv = origin.ts_recv;
        self.settle_overlap(world, origin, id);
    }

    /// Orders cannot overlap for longer than one match takes to be told.
    #[inline]
    fn settle_overlap(&mut self, world: &mut World, origin: &Origin, id: InstrumentId) {
        let book = world.book(id);
        if book.overlaps() || book.doubt.is_some() {
            self.weigh_overlap(world, origin, id);
        }
    }

    /// Orders overlap, or did: each level of one match comes by itself, in messages of one time
    /// or of two.
    #[cold]
    fn weigh_overlap(&mut self, world: &mut World, origin: &Origin, id: InstrumentId) {
        let deadline = origin.ts_recv.saturating_add(world.config.batch_grace);
        let book = world.book(id);
        match (book.overlaps(), book.doubt.is_some()) {
            (false, false) | (true, true) => {}
            (false, true) => {
                book.doubt = None;
                book.evidence.count(Evidence::BatchSettled);
            }
            (true, false) => {
                let (cause, against) = (Cause::Crossed, Evidence::Crossed);
                let ts_event = origin.ts_event;
                book.doubt = Some(Doubt { cause, ts_event, deadline, patient: true, against });
                self.watch(world, id);
            }
        }
    }

    /// A whole book at its place in a numbered stream.
    pub(super) fn judge_placed(
        &mut self,
        world: &mut World,
        origin: &Origin,
        id: InstrumentId,
        stream: StreamId,
    ) {
        let book = world.book(id);
        (book.stream, book.ts_evidence, book.rare.gap) = (stream, origin.ts_recv, None);
        self.begin_run(world, id, origin.ts_recv);
    }

    /// A book that has just been joined to its stream, or is whole and still waits for that.
    pub(super) fn judge_joined(
        &mut self,
        world: &mut World,
        origin: &Origin,
        id: InstrumentId,
        resumes: bool,
    ) {
        let book = world.book(id);
        (book.ts_recv, book.ts_evidence) = (origin.ts_recv, origin.ts_recv);
        if book.rare.stitch.is_numbered() {
            book.evidence.count(Evidence::InSequence);
        }
        if resumes {
            // From here on its stream keeps it, if it was polled until now.
            book.rare.expires = ABSENT;
            self.begin_run(world, id, origin.ts_recv);
        }
    }

    /// A whole book is believed, unless it overlaps: that is no torn batch, prices are not what
    /// they are taken for.
    fn begin_run(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let book = world.book(id);
        if book.overlaps() {
            book.evidence.count(Evidence::Crossed);
            self.turn(world, id, State::Suspect, Cause::Crossed, ts);
        } else if book.state != State::Live {
            let requested = book.state == State::Syncing && book.cause == Cause::Resync;
            let cause = if requested { Cause::Resync } else { Cause::Snapshot };
            self.turn(world, id, State::Live, cause, ts);
        }
    }

    /// The touches that were ahead of the book, now that it moved on.
    #[cold]
    fn meet_touch(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let book = world.book(id);
        book.meet_witness();
        let disagrees = book.meet_touches();
        book.awaits_touch = book.rare.witness.is_some() || !book.rare.ahead.is_empty();
        if disagrees && (book.state == State::Live || book.is_held()) {
            self.turn(world, id, State::Suspect, Cause::BboMismatch, ts);
        }
    }

    // Books that a checksum proves.

    #[inline]
    pub(super) fn judge_claim(
        &mut self,
        world: &mut World,
        origin: &Origin,
        id: InstrumentId,
        claim: ProofClaim,
        whole: bool,
    ) {
        let book = world.book(id);
        book.ts_recv = origin.ts_recv;
        let claim = match claim {
            ProofClaim::Checksum(claimed) => proof::Claim::Checksum(claimed),
            // A hash is checked when the policy asks for it.
            ProofClaim::Digest(_) | ProofClaim::None => proof::Claim::None,
        };
        match proof::check(book, &claim, &mut self.text) {
            Proved::Match => {
                book.evidence.count(Evidence::ChecksumMatch);
                book.verified_version = book.version;
            }
            Proved::Mismatch => {
                book.evidence.count(Evidence::ChecksumMismatch);
                return self.turn(world, id, State::Stale, Cause::ChecksumMismatch, origin.ts_recv);
            }
            Proved::Unknown => {}
        }
        book.ts_evidence = origin.ts_recv;
        if whole || !book.running() {
            self.begin_run(world, id, origin.ts_recv);
            self.await_expiry(world, id);
        } else {
            self.settle_overlap(world, origin, id);
        }
    }
}
