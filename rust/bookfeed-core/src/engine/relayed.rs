//! The touch of a book as a relay of its venue tells it (`crate::book::relayed`): a witness that no
//! connection of the book's carries.
//!
//! One that has the same touch and the hash that the stream gave last vouches for the silence since.
//! One that has another touch, and is newer, takes a book out whose stream does not come to it within
//! `Config::witness_grace`: changes were kept back. Then REST says which of the two is right. Answers
//! are counted ([`Reputation`]); a relay that was wrong too often is not heard against any book of the
//! connection until it has agreed again.

use super::Engine;
use super::config::EngineError;
use super::judge::Judge;
use super::world::World;
use crate::book::integrity::{Cause, Evidence, State};
use crate::book::relayed::{Relayed, RelayedTouch};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::sequence::reputation::{Answer, Reputation};
use crate::sequence::rhythm::Freshness;
use crate::time::Nanos;
use crate::venue::Continuity;

impl Engine {
    /// A relay tells the touch of a book whose changes bear times. Returns the records pending.
    ///
    /// # Errors
    /// [`EngineError::NoInstrument`].
    pub fn tell_touch(
        &mut self,
        id: InstrumentId,
        touch: &RelayedTouch,
        ts: Nanos,
    ) -> Result<usize, EngineError> {
        let Some(about) = self.world.instruments.at(id) else {
            return Err(EngineError::NoInstrument(id));
        };
        let conn = about.conn;
        self.begin(ts);
        let (world, judge) = (&mut self.world, &mut self.judge);
        if world.continuity(id) == Some(Continuity::Evidence) && world.book(id).running() {
            let [ts_event, ts_sent] =
                [touch.ts_event, touch.ts_sent].map(|at| world.believe_answer(conn, at, ts));
            hear(world, judge, id, &RelayedTouch { ts_event, ts_sent, ..*touch }, ts);
        }
        Ok(self.pending())
    }

    /// What relays told of live books of a connection, or of all connections together, counted as
    /// [`Self::rest_answers`] are.
    #[must_use]
    pub fn relay_answers(&self, conn: Option<u32>) -> [u64; Reputation::NAMES.len()] {
        self.world.answers(conn, |connection| &connection.relay)
    }
}

fn hear(world: &mut World, judge: &mut Judge, id: InstrumentId, touch: &RelayedTouch, ts: Nanos) {
    let grace = world.config.witness_grace;
    let book = world.book(id);
    let heard = book.hear_relayed(touch, ts);
    match heard {
        Relayed::Nothing => return,
        Relayed::Proof | Relayed::Same => {
            book.touch_agrees(Evidence::RelayMatch, touch.bid, touch.ask);
            let believable = book.believable();
            if heard == Relayed::Proof && believable {
                prove(world, id, touch, ts);
            }
            if believable {
                judge.publish_one(world, id, ts);
            }
        }
        Relayed::Other => {
            book.touch_disagrees();
            if reputation(world, id).is_some_and(|relay| relay.doubtful()) {
                world.book(id).rare.relayed.clear();
            } else {
                judge.watch_until(world, id, ts.saturating_add(grace));
            }
            return; // It is an answer once the stream has had its time.
        }
        Relayed::Older | Relayed::Ghost => {}
    }
    let answer = match heard {
        Relayed::Older => Answer::Older,
        Relayed::Ghost => Answer::Ghost,
        _ => Answer::Agreed,
    };
    take_answer(world, id, answer);
}

/// Nothing came since the newest message of the stream, as of when the relay said so. A relay that
/// repeats itself does not make a silence less odd than it is.
fn prove(world: &mut World, id: InstrumentId, touch: &RelayedTouch, ts: Nanos) {
    let said = if touch.ts_sent == ABSENT { touch.ts_event } else { touch.ts_sent };
    let as_of = said.min(ts);
    let book = world.book(id);
    book.ts_evidence = book.ts_evidence.max(as_of);
    let odd = world.rhythms.get(id as usize).is_some_and(|r| r.verdict == Freshness::Suspect);
    if odd && ts.saturating_sub(as_of) <= world.config.witness_grace {
        world.vouch_for_silence(id, ts);
    }
}

impl Judge {
    /// The time may be over in which a stream had to come to what a relay said.
    pub(super) fn sweep_relayed(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let grace = world.config.witness_grace;
        let book = world.book(id);
        let Some(due) = book.relayed_due(grace) else { return };
        // A book that is in doubt already is looked at when that is settled.
        let due = if book.doubt.is_some() { due.max(ts.saturating_add(1)) } else { due };
        if ts < due {
            return self.watch_until(world, id, due);
        }
        let live = book.state == State::Live;
        let touch = book.touch_prices();
        book.rare.relayed.clear();
        if live {
            book.evidence.count(Evidence::RelayMismatch);
            book.rare.relayed.charge(touch);
            take_answer(world, id, Answer::Differed);
            self.turn(world, id, State::Suspect, Cause::Withheld, ts);
        }
    }
}

/// A book is believed again: was it taken out for what a relay said, and without need?
#[cold]
pub(super) fn believed_again(world: &mut World, id: InstrumentId, ts: Nanos) {
    if world.book(id).relay_refuted(ts) {
        take_answer(world, id, Answer::Refuted);
    }
}

fn reputation(world: &mut World, id: InstrumentId) -> Option<&mut Reputation> {
    let conn = world.instruments.at(id)?.conn;
    Some(&mut world.connection_mut(conn)?.relay)
}

fn take_answer(world: &mut World, id: InstrumentId, answer: Answer) {
    if let Some(relay) = reputation(world, id) {
        relay.take(answer);
    }
}
