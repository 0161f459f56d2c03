//! Two outcomes of one market: their books mirror each other, or one of them is torn.

use super::config::HashCheck;
use super::judge::Judge;
use super::world::World;
use crate::book::integrity::{Cause, Doubt, Evidence, State};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::signals::complement::mirrored;
use crate::time::Nanos;

/// The venue vouches for both outcomes although they do not mirror each other.
fn trade_apart(world: &mut World, pair: [InstrumentId; 2]) {
    for id in pair {
        let book = world.book(id);
        book.evidence.count(Evidence::MirrorMismatch);
        book.apart = true;
    }
}

impl Judge {
    /// Compares the touches of a market's two outcomes after both took part in a message.
    #[inline]
    pub(super) fn check_mirror(
        &mut self,
        world: &mut World,
        a: InstrumentId,
        b: InstrumentId,
        ts_event: Nanos,
        ts_recv: Nanos,
    ) {
        if world.instruments.at(a).and_then(|i| i.sibling) != Some(b) {
            return;
        }
        let (first, second) = (&world.books[a as usize], &world.books[b as usize]);
        if !(first.believable() && second.believable()) {
            return;
        }
        if mirrored(first, second) {
            for id in [a, b] {
                let book = world.book(id);
                book.evidence.count(Evidence::MirrorMatch);
                book.reconciled();
            }
        } else {
            self.mirror_broken(world, [a, b], ts_event, ts_recv);
        }
    }

    /// One outcome moved and the other was not heard of. Where the two have always mirrored
    /// each other, the silent one is being told late, or not at all: the venue sends both.
    #[inline]
    pub(super) fn check_sibling(&mut self, world: &mut World, moved: InstrumentId, ts_recv: Nanos) {
        let Some(other) = world.instruments.at(moved).and_then(|i| i.sibling) else { return };
        let (mover, silent) = (&world.books[moved as usize], &world.books[other as usize]);
        if !mover.believable() {
            return;
        }
        if silent.state != State::Live {
            return self.reconcile(world, moved, other, ts_recv);
        }
        let broken = !mirrored(mover, silent);
        match silent.doubt {
            None => {
                let counts = &silent.evidence;
                let always = counts.of(Evidence::MirrorMatch) > 0 && !silent.apart;
                if broken && always && silent.ts_event < mover.ts_event {
                    let ts_event = silent.ts_event;
                    self.doubt_mirror(world, other, ts_event, ts_recv);
                }
            }
            Some(doubt) if doubt.cause == Cause::MirrorMismatch && !broken => {
                self.settle_mirror(world, other, ts_recv);
            }
            Some(_) if silent.decided_by_touch() && !broken && !silent.apart => {
                self.settle_mirror(world, other, ts_recv);
            }
            Some(_) => {}
        }
    }

    /// A book was doubted because its sibling said otherwise, and does so no longer.
    fn settle_mirror(&mut self, world: &mut World, id: InstrumentId, ts_recv: Nanos) {
        let book = world.book(id);
        book.doubt = None;
        book.reconciled();
        book.evidence.count(Evidence::BatchSettled);
        self.doubt_denied(world, id, ts_recv);
        self.publish_one(world, id, ts_recv);
    }

    /// A book that was suspected because its sibling said otherwise is believed again if they agree
    /// and the venue's hash, where it can be checked, vouches for it: touches may agree by chance.
    fn reconcile(
        &mut self,
        world: &mut World,
        moved: InstrumentId,
        other: InstrumentId,
        ts_recv: Nanos,
    ) {
        let (mover, suspect) = (&world.books[moved as usize], &world.books[other as usize]);
        let by_mirror = (suspect.state, suspect.cause) == (State::Suspect, Cause::MirrorMismatch);
        if by_mirror && suspect.doubt.is_none() && mirrored(mover, suspect) {
            let checkable = suspect.hash_known && world.config.hash_check != HashCheck::Off;
            if checkable && !self.vouch(world, other, ts_recv) {
                return;
            }
            for id in [moved, other] {
                world.book(id).reconciled();
            }
            self.turn(world, other, State::Live, Cause::Evidence, ts_recv);
            self.publish_one(world, other, ts_recv);
        }
    }

    // Whole books.

    /// A whole book of a live outcome came, from the stream or by REST. If the live sibling does
    /// not mirror it, either may be the wrong one, and neither is shown until they agree.
    pub(super) fn check_whole(&mut self, world: &mut World, told: InstrumentId, ts_recv: Nanos) {
        let Some(other) = world.instruments.at(told).and_then(|i| i.sibling) else { return };
        let (whole, sibling) = (&world.books[told as usize], &world.books[other as usize]);
        if !whole.believable() {
            return;
        }
        if sibling.state != State::Live {
            return self.reconcile(world, told, other, ts_recv);
        }
        if !mirrored(whole, sibling) {
            if self.told_apart(world, told, other, ts_recv) {
                self.settle_mirror(world, other, ts_recv);
            } else if self.ought_to_mirror(world, told, other, false, ts_recv) {
                for id in [told, other] {
                    let ts_event = world.book(id).ts_event;
                    self.doubt_mirror(world, id, ts_event, ts_recv);
                }
            }
            return;
        }
        let doubt = sibling.doubt;
        world.book(told).reconciled();
        match doubt {
            None => {
                for id in [told, other] {
                    world.book(id).evidence.count(Evidence::MirrorMatch);
                }
                world.book(other).reconciled();
            }
            Some(doubt) if doubt.cause == Cause::MirrorMismatch => {
                self.settle_mirror(world, other, ts_recv);
            }
            Some(_) => {}
        }
    }

    /// A whole book is there to make its outcome live again. If the live sibling does not mirror
    /// it, it is suspect, and the sibling in doubt. Once the two were at odds, neither is live
    /// before they agree. Says whether the book has to wait.
    pub(super) fn contradicted(
        &mut self,
        world: &mut World,
        told: InstrumentId,
        fetched: bool,
        ts_recv: Nanos,
    ) -> bool {
        let Some(other) = world.instruments.at(told).and_then(|i| i.sibling) else { return false };
        let (whole, sibling) = (&world.books[told as usize], &world.books[other as usize]);
        let there = !sibling.over() && sibling.cause != Cause::Absent;
        let quarrel = sibling.at_odds && there && !whole.apart;
        let torn = sibling.doubt.is_some_and(|doubt| doubt.cause != Cause::MirrorMismatch);
        let live = sibling.state == State::Live;
        let agree = sibling.running() && mirrored(whole, sibling);
        let waits = if quarrel {
            !agree
        } else {
            live && !torn && !agree && self.ought_to_mirror(world, told, other, fetched, ts_recv)
        };
        if !waits {
            return false;
        }
        let book = world.book(told);
        book.evidence.count(Evidence::MirrorMismatch);
        book.at_odds = true;
        self.turn(world, told, State::Suspect, Cause::MirrorMismatch, ts_recv);
        if live && world.book(other).doubt.is_none() {
            let ts_event = world.book(other).ts_event;
            self.doubt_mirror(world, other, ts_event, ts_recv);
        }
        true
    }

    /// Whether whole books of both outcomes, one after the other and of one venue time, do not mirror
    /// each other although the venue's hashes vouch for both: they trade apart.
    fn told_apart(
        &mut self,
        world: &mut World,
        told: InstrumentId,
        other: InstrumentId,
        ts_recv: Nanos,
    ) -> bool {
        let (whole, sibling) = (&world.books[told as usize], &world.books[other as usize]);
        let waits = sibling.doubt.is_some_and(|doubt| doubt.cause == Cause::MirrorMismatch);
        let together = waits && sibling.claimed.whole && sibling.ts_event == whole.ts_event;
        let pair = [told, other];
        if !together || !pair.iter().all(|&id| self.vouch(world, id, ts_recv)) {
            return false;
        }
        trade_apart(world, pair);
        true
    }

    /// Whether two outcomes that do not mirror each other ought to. Where they have always done so
    /// they ought; where they never did, hashes that vouch for both show that they trade apart.
    /// What came by REST shows nothing of the kind: an answer may be old, hash and all.
    fn ought_to_mirror(
        &mut self,
        world: &mut World,
        told: InstrumentId,
        other: InstrumentId,
        fetched: bool,
        ts_recv: Nanos,
    ) -> bool {
        let pair = [told, other];
        let books = pair.map(|id| &world.books[id as usize]);
        if books.iter().any(|book| book.apart) {
            return false;
        }
        if books.iter().any(|book| book.evidence.of(Evidence::MirrorMatch) > 0) {
            return true;
        }
        let vouched = pair.iter().all(|&id| self.vouch(world, id, ts_recv));
        if vouched && !fetched {
            trade_apart(world, pair);
        }
        vouched && fetched
    }

    /// A broken mirror is a torn book unless the venue's hashes vouch for both.
    #[cold]
    fn mirror_broken(
        &mut self,
        world: &mut World,
        pair: [InstrumentId; 2],
        ts_event: Nanos,
        ts_recv: Nanos,
    ) {
        if pair.iter().all(|&id| self.vouch(world, id, ts_recv)) {
            return trade_apart(world, pair);
        }
        for id in pair {
            self.doubt_mirror(world, id, ts_event, ts_recv);
        }
    }

    /// The two outcomes of a market do not mirror each other. Messages that agree with
    /// themselves do not prolong the grace: it runs from when the mirror broke.
    fn doubt_mirror(&mut self, world: &mut World, id: InstrumentId, ts_event: Nanos, ts_recv: Nanos) {
        let grace = world.config.batch_grace;
        let book = world.book(id);
        if book.torn_since == ABSENT {
            book.torn_since = ts_recv;
        }
        book.at_odds = true;
        let deadline = book.torn_since.saturating_add(grace);
        let (cause, against) = (Cause::MirrorMismatch, Evidence::MirrorMismatch);
        book.doubt = Some(Doubt { cause, ts_event, deadline, patient: true, against });
        if ts_recv >= deadline {
            self.convict(world, id, ts_recv);
        } else {
            self.watch(world, id);
        }
    }
}
