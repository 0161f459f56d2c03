//! Hashes of changes that stop being those of books, for all books of a connection at once.

use super::judge::Judge;
use super::world::World;
use crate::book::integrity::{Cause, Doubt, Evidence, State};
use crate::book::proof::hash_memory::HashKind;
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::time::Nanos;

/// Strikes against books of one connection, with no match between them, after which the hashes of
/// its changes are not trusted. A lost message strikes the two outcomes of a market: that many
/// need four losses, as many as it takes for one book alone.
const STRIKES_MAX: u32 = 8;

impl Judge {
    /// Ends the trust in the hashes of a connection's changes, if its books show together that these
    /// are not those of books.
    #[cold]
    pub(super) fn weigh_hashes(&mut self, world: &mut World, conn: u32, ts: Nanos) {
        let Some(connection) = world.connection(conn) else { return };
        let ids = connection.instruments.clone();
        if self.changes_denied(world, &ids, ts) {
            for &id in &ids {
                self.distrust_changes(world, id, ts);
            }
        }
    }

    /// Whether books that were told anew were struck again, and the hash of no change has matched on
    /// their connection since. After a mere hole it would have: that is how a whole book mends it.
    fn changes_denied(&mut self, world: &mut World, ids: &[InstrumentId], ts: Nanos) -> bool {
        let memories = ids.iter().map(|&id| &world.books[id as usize].rare.hashes);
        let matched = memories.clone().map(|hashes| hashes.change_matched()).max();
        let struck = memories.filter_map(|hashes| hashes.strikes_after(matched.unwrap_or(ABSENT)));
        let (strikes, since) = struck
            .fold((0, Nanos::MAX), |(strikes, since), (more, from)| (strikes + more, since.min(from)));
        // Where hashes are sampled, one that matches may not have been looked at.
        strikes >= STRIKES_MAX && !ids.iter().any(|&id| self.vouched_since(world, id, since, ts))
    }

    /// Whether the hash of a change that came after `since` vouches for the book.
    fn vouched_since(&mut self, world: &mut World, id: InstrumentId, since: Nanos, ts: Nanos) -> bool {
        let book = world.book(id);
        let told = book.believable() && book.claimed.kind() == HashKind::Change;
        told && book.hash_known && book.ts_recv > since && self.vouch(world, id, ts)
    }

    /// From now on no hash of a change speaks against the book, which says so while it is live. If
    /// one struck it before, it was told anew since, and a doubt by another ends. If none did, this
    /// may be its first hole: the newest is still held against it. A book that is suspect for
    /// no other reason than a second strike waits for the venue's touch to agree.
    fn distrust_changes(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let book = world.book(id);
        if !book.rare.hashes.trusts(HashKind::Change) {
            return;
        }
        if book.rare.hashes.struck() {
            let by_change = |doubt: Doubt| doubt.against == Evidence::HashChangeMismatch;
            let live = book.state == State::Live;
            book.doubt = book.doubt.filter(|&doubt| !(live && by_change(doubt)));
        } else if book.claimed.kind() == HashKind::Change {
            self.check_now(world, id, ts);
        }
        let book = world.book(id);
        book.rare.hashes.withdraw_changes();
        book.hash_struck = false;
        if book.state == State::Live {
            // Rules are asked about it with the venue's next word of it.
            self.turn(world, id, State::Live, Cause::UntrustedHash, ts);
        }
    }
}
