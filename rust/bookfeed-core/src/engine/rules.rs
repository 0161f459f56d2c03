//! The last stage: the rules that watch a book are asked, and what became of opportunities is
//! written down.

use super::Engine;
use super::config::Config;
use super::output::Output;
use super::world::World;
use crate::book::integrity::State;
use crate::event::Body;
use crate::fixed::ABSENT;
use crate::instrument::{InstrumentId, UNKNOWN};
use crate::sequence::stream::StreamId;
use crate::signals::apart;
use crate::signals::life::{Moves, Signals};
use crate::signals::paper::Ledger;
use crate::signals::steps::Steps;
use crate::time::Nanos;
use crate::update::LegStanding;

/// All rules, their opportunities, and the ledgers of what would have been had.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) signals: Signals,
    pub(super) papers: Vec<Ledger>,
    steps: Steps,
    /// Whether something happened of which it is not followed book by book what it changes.
    pub(super) unsettled: bool,
}

impl Rules {
    pub(super) fn new(config: &Config) -> Self {
        let signals = Signals::new(config.ask_always);
        let papers = config.paper_latency.map(Ledger::new).into_iter().collect();
        Self { signals, papers, ..Self::default() }
    }

    /// Asks the rules that watch a book.
    #[inline]
    pub(super) fn ask(
        &mut self,
        world: &World,
        output: &mut Output,
        id: InstrumentId,
        moves: Moves,
        ts: Nanos,
    ) {
        self.signals.evaluate(id, moves, &world.view(), ts, &mut self.steps);
        self.write(world, output, ts);
    }

    /// Asks the rules that rest on what the contract of `id` is worth.
    pub(super) fn ask_worth(&mut self, world: &World, output: &mut Output, id: InstrumentId, ts: Nanos) {
        self.signals.evaluate_worth(id, &world.view(), ts, &mut self.steps);
        self.write(world, output, ts);
    }

    /// Gives a rule up, and closes what is open of it; `false` if there is no such rule.
    pub(super) fn remove(&mut self, world: &World, output: &mut Output, rule: u32, ts: Nanos) -> bool {
        let removed = self.signals.remove_rule(rule, &mut self.steps);
        self.write(world, output, ts);
        removed
    }

    /// An instrument is gone; its id may become another's.
    pub(super) fn forget(&mut self, id: InstrumentId) {
        self.signals.forget(id);
        self.papers.iter_mut().for_each(|paper| paper.forget(id));
    }

    /// Asks again about everything that is open.
    pub(super) fn ask_open(&mut self, world: &World, output: &mut Output, ts: Nanos) {
        self.signals.evaluate_open(&world.view(), ts, &mut self.steps);
        self.write(world, output, ts);
    }

    /// Orders on paper arrive, and what only time kept from being opened is asked about again.
    #[inline]
    pub(super) fn run_due(&mut self, world: &World, output: &mut Output, ts: Nanos) {
        for paper in self.papers.iter_mut().filter(|paper| paper.due(ts)) {
            paper.settle(&world.view(), ts);
        }
        if std::mem::take(&mut self.unsettled) {
            self.signals.stir_all();
        }
        if self.signals.due(ts) {
            self.signals.evaluate_waiting(&world.view(), ts, &mut self.steps);
            self.write(world, output, ts);
        }
    }

    /// A message was taken: what rests on its books or on what it came on is looked at again.
    #[inline]
    pub(super) fn hear(&mut self, world: &World, conn: u32, stream: StreamId, body: &Body) {
        if self.signals.rest() {
            self.hear_resting(world, conn, stream, body);
        }
    }

    #[inline(never)]
    fn hear_resting(&mut self, world: &World, conn: u32, stream: StreamId, body: &Body) {
        match body {
            // Each book was published, or found to stay as it was shown.
            Body::Changes(_) | Body::Delta(_) | Body::Levels(_) => {}
            Body::Snapshot(snapshot) => self.signals.stir(snapshot.instrument),
            Body::Touch(touch) => self.signals.stir(touch.instrument),
            Body::Witness(id, ..) => self.signals.stir(*id),
            Body::Trade(_) | Body::Index(_) | Body::Own(_) | Body::Nothing => {}
            _ => self.unsettled = true,
        }
        self.signals.hear(&world.view(), conn, stream);
    }

    /// Writes the records of signals that opened, changed or closed.
    #[inline]
    fn write(&mut self, world: &World, output: &mut Output, ts: Nanos) {
        if !self.steps.list.is_empty() {
            self.write_steps(world, output, ts);
        }
    }

    fn write_steps(&mut self, world: &World, output: &mut Output, ts: Nanos) {
        let view = world.view();
        for step in &self.steps.list {
            let legs = self.steps.legs_of(step).iter().map(|leg| {
                let id = leg.leg.instrument;
                let age = apart(ts, view.ts_evidence(id)).unwrap_or(ABSENT);
                let (instrument, epoch, state) = view
                    .at(id)
                    .map_or((UNKNOWN, 0, State::Idle), |(b, _)| (b.number, b.epoch, b.shown_state()));
                (leg, LegStanding { instrument, epoch, age, state })
            });
            output.push_signal(step, legs, ts);
        }
        self.papers.iter_mut().for_each(|paper| paper.send(&self.steps, ts));
        self.steps.clear();
    }
}

impl Engine {
    /// Keeps a paper ledger beside those there are, whose orders take `latency` to arrive.
    pub fn keep_paper(&mut self, latency: Nanos) {
        self.judge.publisher.rules.papers.push(Ledger::new(latency));
    }
}
