//! The fourth stage: states and books for all to see. A state's record is written, and signals
//! that rest on the book are closed, before anybody can see the book; a message's books are
//! published only when all of them are as it leaves them.

use super::config::Config;
use super::output::Output;
use super::rules::Rules;
use super::world::World;
use crate::book::integrity::{Cause, State};
use crate::book::{Book, Touch};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::signals::life::Moves;
use crate::time::Nanos;
use crate::update::{FLAG_TOUCH, FLAG_VERIFIED, Update, UpdateKind};

/// Records waiting to be taken, books about to be published, and the rules that are told.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) output: Output,
    pub(super) rules: Rules,
    /// Books about to be published.
    pub(super) staged: Vec<Staged>,
}

/// A book about to be published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staged {
    pub(super) id: InstrumentId,
    /// Whether its touch moved, or it became live, since rules were last asked.
    moved: bool,
    /// Whether it is in doubt after all.
    doubted: bool,
}

/// A record about `id` as its book stands.
#[inline(always)]
pub(super) fn record(world: &World, id: InstrumentId, kind: UpdateKind, ts_recv: Nanos) -> Update {
    let book = &world.books[id as usize];
    Update {
        ts_recv,
        ts_event: book.ts_event,
        ts_evidence: world.view().ts_evidence(id),
        touch: book.touch,
        price: ABSENT,
        qty: ABSENT,
        instrument: book.number,
        epoch: book.epoch,
        conn: world.instruments.at(id).map_or(0, |i| i.conn),
        kind,
        state: book.state,
        cause: book.cause,
        flags: if book.verified() { FLAG_VERIFIED } else { 0 },
    }
}

/// Whether a book changed and is neither inside an open batch nor out of its stream.
#[inline]
fn may_be_shown(book: &Book) -> bool {
    book.unpublished && book.doubt.is_none() && (book.running() || book.polled())
}

impl Publisher {
    pub(super) fn new(config: &Config) -> Self {
        Self { output: Output::new(config.digest), rules: Rules::new(config), staged: Vec::new() }
    }

    /// Changes a book's state, writes the record of it, and has the rules asked where the book
    /// may not be believed any more. Says whether there was anything to change.
    pub(super) fn turn(
        &mut self,
        world: &mut World,
        id: InstrumentId,
        state: State,
        cause: Cause,
        ts: Nanos,
    ) -> bool {
        self.rules.unsettled = true;
        let Some(book) = world.books.get_mut(id as usize) else { return false };
        if book.over() && cause != Cause::Poisoned {
            return false;
        }
        if matches!(state, State::Syncing | State::Stale) {
            // Also where the state stays as it is: what was begun since is not believed either.
            book.forget_stream();
        }
        if matches!(cause, Cause::Malformed | Cause::Transport) {
            book.rare.stitch.lose();
        }
        if (state, cause) == (State::Syncing, Cause::Subscribed) {
            // What an earlier connection said does not bind the books of a new one.
            (book.ts_seen, book.rare.ts_discarded) = (ABSENT, ABSENT);
            book.at_odds = false;
            book.rare.stitch.restart();
            book.rare.poll.heard = ts;
        }
        if cause == Cause::Channel {
            // All that the ended subscription said comes before what the next one says.
            book.rare.ts_discarded = ABSENT;
        }
        if (book.state, book.cause) == (state, cause) && state != State::Live {
            return false;
        }
        let shown = matches!(state, State::Live | State::LivePoll);
        if shown && !matches!(cause, Cause::Evidence | Cause::UntrustedHash) {
            book.epoch += 1;
            (book.touch, book.published_touch) = (Touch::EMPTY, Touch::EMPTY);
            book.rare.ts_discarded = ABSENT;
        }
        if shown {
            (book.rules_due, book.unpublished) = (true, true);
        }
        if cause != Cause::Gap {
            book.rare.gap = None;
        }
        if !(book.state == State::Suspect && state == State::Suspect) {
            book.rare.ts_state = ts;
        }
        // A book whose hashes are not trusted says so for as long as it is live.
        let untrusted = state == State::Live && !book.rare.hashes.trusted();
        let cause = if untrusted { Cause::UntrustedHash } else { cause };
        (book.state, book.cause) = (state, cause);
        world.counters.transitions += 1;
        self.write_state(world, id, ts);
        if !shown {
            // A book that became live is published next, and asked about then.
            self.rules.ask(world, &mut self.output, id, Moves::Other, ts);
        }
        true
    }

    fn write_state(&mut self, world: &World, id: InstrumentId, ts: Nanos) {
        let mut update = record(world, id, UpdateKind::State, ts);
        if let Some((expected, got)) = world.books[id as usize].rare.gap {
            update.price = i64::try_from(expected).unwrap_or(i64::MAX);
            update.qty = i64::try_from(got).unwrap_or(i64::MAX);
        }
        self.output.push_update(&update);
    }

    /// Publishes the only book of a message.
    #[inline]
    pub(super) fn publish_alone(&mut self, world: &mut World, id: InstrumentId, ts_recv: Nanos) {
        let book = world.book(id);
        if !may_be_shown(book) {
            return self.rules.signals.stir(id);
        }
        book.touch = book.current_touch();
        let moved = self.show(world, id, ts_recv);
        if moved || self.rules.signals.attentive(id) {
            let moves = if moved { Moves::Own } else { Moves::Nothing };
            self.rules.ask(world, &mut self.output, id, moves, ts_recv);
        }
    }

    /// Writes the record of a book whose touch was set; says whether that is news for rules.
    #[inline(always)]
    fn show(&mut self, world: &mut World, id: InstrumentId, ts_recv: Nanos) -> bool {
        let book = world.book(id);
        book.unpublished = false;
        let moved = std::mem::take(&mut book.rules_due) | (book.touch != book.published_touch);
        book.published_touch = book.touch;
        if moved {
            world.senses.note(id, &world.books[id as usize]);
        }
        let mut update = record(world, id, UpdateKind::Book, ts_recv);
        update.flags |= if moved { FLAG_TOUCH } else { 0 };
        self.output.push_update(&update);
        moved
    }

    /// Sets a book's new touch for all to see, unless it is inside an open batch or not
    /// running. A message is published only after all of its books are staged: no rule may
    /// see one outcome of a market as it is and the other as it was.
    #[inline(always)]
    pub(super) fn stage(&mut self, world: &mut World, id: InstrumentId) {
        let book = world.book(id);
        if may_be_shown(book) {
            book.touch = book.current_touch();
            self.staged.push(Staged { id, moved: false, doubted: false });
        } else {
            self.rules.signals.stir(id);
        }
    }

    /// Whether rules will be asked about a staged book once it is published.
    #[inline]
    pub(super) fn will_ask(&self, world: &World, id: InstrumentId) -> bool {
        let book = &world.books[id as usize];
        let moved = book.rules_due || book.touch != book.published_touch;
        moved || self.rules.signals.attentive(id)
    }

    /// Writes the records of what is staged, then has the rules asked. A book that came into doubt
    /// meanwhile is left out.
    #[inline]
    pub(super) fn publish_staged(&mut self, world: &mut World, ts_recv: Nanos) {
        let mut staged = std::mem::take(&mut self.staged);
        for Staged { id, moved, doubted } in &mut staged {
            let book = world.book(*id);
            if book.doubt.is_some() {
                book.touch = book.published_touch;
                *doubted = true;
            } else {
                *moved = self.show(world, *id, ts_recv);
            }
        }
        let any_moved = staged.iter().any(|one| one.moved);
        let unmoved = if any_moved { Moves::Other } else { Moves::Nothing };
        let Self { rules, output, .. } = self;
        for &Staged { id, moved, doubted } in &staged {
            if doubted {
                rules.signals.take_back(id);
            } else if moved || rules.signals.attentive(id) {
                rules.ask(world, output, id, if moved { Moves::Own } else { unmoved }, ts_recv);
            }
        }
        staged.clear();
        self.staged = staged;
    }

    /// Writes a record, and has the rules that rest on its market asked.
    pub(super) fn tell(&mut self, world: &World, id: InstrumentId, update: &Update) {
        self.output.push_update(update);
        self.rules.ask(world, &mut self.output, id, Moves::Other, update.ts_recv);
    }
}
