//! What contracts on a reference are worth as time passes: their windows, how much the reference
//! moves, and their fair values, renewed at every tick of the reference.
//!
//! A reference is there from the first contract on it. Its ticks are kept for a while, so that a
//! contract that comes later knows what its window opened with.

use super::Engine;
use super::config::EngineError;
use super::judge::Judge;
use super::publish::Publisher;
use super::terms_read::{Pays, Terms};
use super::world::World;
use crate::book::Book;
use crate::fairvalue::{
    Answering, Doubt, FairValue, Moves, Payoff, Tails, Volatility, Waiting, fair_value,
};
use crate::instrument::InstrumentId;
use crate::settlement::{Made, Outcome, Reading, Tick, Tie, Value, Window};
use crate::signals::{Params, RuleError, Worth};
use crate::time::{Nanos, SECOND};
use std::collections::VecDeque;

/// Most references that contracts rest on.
const REFERENCES_MAX: usize = 64;
/// How long, and how many, ticks of a reference are kept for contracts that come later.
const KEPT: Nanos = 1_200 * SECOND;
const KEPT_MAX: usize = 8_192;

/// Who tells the values of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Teller {
    /// An index that is estimated here.
    Index,
    /// A venue, in messages of its own.
    Venue,
    /// Whoever calls [`Engine::tell_reference`].
    Told,
    /// The trades of a followed book: the name is its venue's and its symbol.
    Trades,
}

impl Teller {
    /// How old what it told last may be for rules that say nothing of that.
    ///
    /// What is told has been relayed: of a day of one price each second half of the ticks came 1.6 s
    /// after their time and one in a hundred 2.5 s, and seconds are missing, so that the newest was
    /// older than 2 s for two thirds of the day, and older than 5 s where the relay was gone. An
    /// index is as old as the oldest of its books, of which quiet ones change every few seconds. A
    /// venue tells its own, each second. A pair may go without a trade for some seconds.
    const fn age_max(self) -> Nanos {
        match self {
            Self::Index | Self::Told | Self::Trades => 5 * SECOND,
            Self::Venue => 2 * SECOND,
        }
    }
}

/// Whose tick one is: of which reference, and what it was made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) teller: Teller,
    pub(super) name: &'a str,
    pub(super) made: Made,
}

/// A tick of a reference, and what it was made of.
#[derive(Clone, Copy, Debug)]
struct Heard {
    tick: Tick,
    of: u32,
}

/// A contract, and what is known of its window.
#[derive(Debug)]
struct Contract {
    id: InstrumentId,
    window: Window,
    /// The told reference whose ticks at the ends of the window decide.
    decided_by: Option<Box<str>>,
    pays: Pays,
    tie: Tie,
    tails: Tails,
    doubt: Doubt,
    /// Place of its volatility among those of the reference.
    volatility: usize,
    moves: Moves,
    answering: Answering,
}

impl Contract {
    fn payoff(&self) -> Option<Payoff> {
        match self.pays {
            Pays::Up => {
                let half_on_tie = self.tie == Tie::Half;
                Some(Payoff { half_on_tie, ..Payoff::at_least(self.window.strike()?) })
            }
            Pays::Fixed(payoff) => Some(payoff),
        }
    }

    /// Whether its reference has moved by now so that it is worth more, or less, `from` a tick some
    /// time before. What pays in a range may be worth more whichever way that is.
    ///
    /// Between ticks that were made of other constituents nothing need have been traded.
    fn moved(&self, measured: &[Measured], from: Option<Heard>, to: Heard, more: bool) -> bool {
        let Some(from) = from.filter(|from| from.of == to.of) else { return false };
        let Some(measured) = measured.get(self.volatility) else { return false };
        let Some(up) = self.moves.between(from.tick, to.tick, &measured.volatility) else {
            return false;
        };
        match self.payoff() {
            Some(Payoff { at_least: Some(_), below: None, .. }) => up == more,
            Some(Payoff { at_least: None, below: Some(_), .. }) => up != more,
            _ => true,
        }
    }

    /// What it is worth at a time; `None` while its strike or the volatility is not known.
    fn worth(&self, measured: &[Measured], at: Nanos, made: Made) -> Option<FairValue> {
        let (payoff, ahead) = (self.payoff()?, self.window.ahead()?);
        let volatility = &measured.get(self.volatility)?.volatility;
        let fair = fair_value(payoff, &ahead, volatility, self.tails, self.doubt, at)?;
        Some(FairValue { made, ..fair })
    }
}

/// A volatility, and what it is measured by.
#[derive(Debug)]
struct Measured {
    half_life: Nanos,
    step: Nanos,
    volatility: Volatility,
}

/// A reference, and the contracts on it.
#[derive(Debug)]
struct Reference {
    teller: Teller,
    name: Box<str>,
    ticks: VecDeque<Heard>,
    measured: Vec<Measured>,
    contracts: Vec<Contract>,
    /// The number of its newest trade, where it is made of trades that have one.
    number: Option<u64>,
}

impl Reference {
    /// Takes a tick, and renews what is known of every contract.
    fn tick(&mut self, tick: Tick, made: Made, books: &[Book], worths: &mut Vec<Worth>) {
        let (Tick { at, value }, heard) = (tick, Heard { tick, of: made.of });
        let reference_age_max = self.teller.age_max();
        let Self { measured, contracts, ticks, .. } = self;
        for one in &mut *measured {
            one.volatility.tick_of(at, value, made.of);
        }
        for one in contracts {
            one.window.tick(at, value);
            let slot = one.id as usize;
            if worths.len() <= slot {
                worths.resize(slot + 1, Worth::default());
            }
            let fair = one.worth(measured, at, made);
            let touch = books.get(slot).filter(|book| book.believable()).map(|book| &book.touch);
            let since = at.saturating_sub(one.moves.within);
            let from = || ticks.iter().rev().find(|heard| heard.tick.at <= since).copied();
            let mut answering = std::mem::take(&mut one.answering);
            let moved = |more| one.moved(measured, from(), heard, more);
            answering.tick(at, moved, fair.map(|fair| fair.price), touch);
            one.answering = answering;
            worths[slot] = Worth { fair, waiting: one.answering.waiting(), reference_age_max };
        }
        self.ticks.push_back(heard);
        let since = at.saturating_sub(KEPT);
        let over = |oldest: &Heard| oldest.tick.at < since;
        while self.ticks.len() > KEPT_MAX || self.ticks.front().is_some_and(over) {
            self.ticks.pop_front();
        }
    }

    /// Puts a contract on it, which learns what was told lately.
    fn add(&mut self, id: InstrumentId, terms: Terms) {
        let Terms { mut window, decided_by, pays, tie, tails, doubt, half_life, step, moves, .. } =
            terms;
        let mut volatility = terms.volatility;
        // Of what was told before the oldest of these nothing is known: none is the first of an hour
        // because it is the first here.
        window.lose();
        for Heard { tick, .. } in &self.ticks {
            window.tick(tick.at, tick.value);
        }
        let same = |one: &Measured| (one.half_life, one.step) == (half_life, step);
        let place = self.measured.iter().position(same).unwrap_or_else(|| {
            for &Heard { tick, of } in &self.ticks {
                volatility.tick_of(tick.at, tick.value, of);
            }
            self.measured.push(Measured { half_life, step, volatility });
            self.measured.len() - 1
        });
        let (volatility, answering) = (place, Answering::default());
        let one =
            Contract { id, window, decided_by, pays, tie, tails, doubt, volatility, moves, answering };
        self.contracts.push(one);
    }

    /// Ticks were lost since the newest one.
    fn lose(&mut self) {
        self.ticks.clear();
        for one in &mut self.contracts {
            one.window.lose();
        }
    }
}

/// All references, and the contracts on them.
#[derive(Debug, Default)]
pub(super) struct References {
    all: Vec<Reference>,
    /// What contracts are worth, by instrument.
    worths: Vec<Worth>,
}

impl References {
    /// Whether nothing rests on any reference.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn at(&mut self, teller: Teller, name: &str) -> Option<&mut Reference> {
        self.all.iter_mut().find(|one| one.teller == teller && *one.name == *name)
    }

    /// What contracts were worth when their references last ticked, by instrument.
    #[inline]
    pub(super) fn worths(&self) -> &[Worth] {
        &self.worths
    }

    /// A reference has a new value: what rests on it is renewed. The contracts on it.
    fn tick(&mut self, from: Source, tick: Tick, books: &[Book]) -> Vec<InstrumentId> {
        let Source { teller, name, made } = from;
        let Self { all, worths } = self;
        if teller == Teller::Told {
            let contracts = all.iter_mut().flat_map(|one| &mut one.contracts);
            for one in contracts.filter(|one| one.decided_by.as_deref() == Some(name)) {
                one.window.decide(tick.at, tick.value);
            }
        }
        let same = |one: &&mut Reference| one.teller == teller && *one.name == *name;
        let Some(reference) = all.iter_mut().find(same).filter(|_| tick.is_sound()) else {
            return Vec::new();
        };
        reference.tick(tick, made, books, worths);
        reference.contracts.iter().map(|contract| contract.id).collect()
    }

    /// An instrument is gone, or its terms are others.
    pub(super) fn forget(&mut self, id: InstrumentId) {
        for one in &mut self.all {
            one.contracts.retain(|contract| contract.id != id);
        }
        if let Some(worth) = self.worths.get_mut(id as usize) {
            *worth = Worth::default();
        }
    }

    fn contract(&self, id: InstrumentId) -> Option<&Contract> {
        self.all.iter().flat_map(|one| &one.contracts).find(|contract| contract.id == id)
    }

    fn contract_mut(&mut self, id: InstrumentId) -> Option<&mut Contract> {
        self.all.iter_mut().flat_map(|one| &mut one.contracts).find(|contract| contract.id == id)
    }

    fn add(&mut self, id: InstrumentId, mut terms: Terms) -> Result<(), RuleError> {
        self.begin(terms.teller, &terms.name)?;
        if let Some(name) = terms.decided_by.clone() {
            self.begin(Teller::Told, &name)?;
            for heard in self.at(Teller::Told, &name).iter().flat_map(|one| &one.ticks) {
                terms.window.decide(heard.tick.at, heard.tick.value);
            }
        }
        self.forget(id);
        let (teller, name) = (terms.teller, terms.name.clone());
        if let Some(reference) = self.at(teller, &name) {
            reference.add(id, terms);
        }
        Ok(())
    }

    /// A reference is there from now on.
    fn begin(&mut self, teller: Teller, name: &str) -> Result<(), RuleError> {
        if self.at(teller, name).is_none() {
            if self.all.len() == REFERENCES_MAX {
                return Err(RuleError(format!("contracts rest on at most {REFERENCES_MAX} references")));
            }
            let (ticks, measured, contracts) = (VecDeque::new(), Vec::new(), Vec::new());
            let name = name.into();
            self.all.push(Reference { teller, name, ticks, measured, contracts, number: None });
        }
        Ok(())
    }

    /// Whether contracts rest on the trades of any book.
    pub(super) fn hear_trades(&self) -> bool {
        self.all.iter().any(|one| one.teller == Teller::Trades)
    }

    /// A trade is told, if it is of a book that contracts rest on: what its number says that was
    /// told before was not all.
    pub(super) fn hear_number(&mut self, name: &str, number: Option<u64>) {
        let Some(reference) = self.at(Teller::Trades, name) else { return };
        let next = reference.number.and_then(|newest| newest.checked_add(1));
        if next.is_none() || next != number {
            reference.lose();
        }
        reference.number = number;
    }
}

/// How the book of a contract answers its reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Moves of the reference that were seen so far.
    pub moves: u64,
    /// Median time of the newest answers, from tick to tick.
    pub half_life: Option<Nanos>,
    /// The move that is not answered yet.
    pub waiting: Option<Waiting>,
}

/// What is known of a contract's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowStanding {
    /// The strike: as it was told, else as it was read at the start.
    pub strike: Option<Value>,
    /// What was read at its start.
    pub opening: Reading,
    /// What was read at its end.
    pub closing: Reading,
    /// Whether the stream that decides told these two, so that they were not computed.
    pub decided: [bool; 2],
    /// What the samples to come must average at least for yes, where it closes with a mean.
    pub needed: Option<Value>,
    /// Of the closing mean: samples that are known, that passed and were not heard, and all.
    pub samples: Option<[u32; 3]>,
    /// Who has won, by the window's own question.
    pub outcome: Outcome,
}

impl Engine {
    /// Says what an instrument's contract settles on, and how: its fair value is renewed at every
    /// tick of that reference from here on. What was said before is forgotten.
    ///
    /// # Errors
    /// [`RuleError`] naming the parameter and what is allowed, or that there is no such instrument.
    pub fn add_terms(&mut self, id: InstrumentId, params: &Params, ts: Nanos) -> Result<(), RuleError> {
        let terms = Terms::read(params)?;
        if !self.world.instruments.holds(id) {
            return Err(RuleError(EngineError::NoInstrument(id).to_string()));
        }
        self.begin(ts);
        self.world.references.add(id, terms)?;
        let Publisher { rules, output, .. } = &mut self.judge.publisher;
        rules.ask_worth(&self.world, output, id, ts);
        Ok(())
    }

    /// Says the strike of an instrument's contract, in 1e-18, as its venue states it.
    ///
    /// # Errors
    /// [`RuleError`] if it has no terms, or the strike makes no sense.
    pub fn tell_strike(&mut self, id: InstrumentId, strike: Value, ts: Nanos) -> Result<(), RuleError> {
        self.begin(ts);
        let no_terms = || RuleError("the contract has no terms of settlement: add them first".into());
        let contract = self.world.references.contract_mut(id).ok_or_else(no_terms)?;
        contract.window.tell_strike(strike).map_err(|error| RuleError(error.to_string()))
    }

    /// Tells a value of a reference that contracts rest on (`told NAME`), in 1e-18, and the time
    /// it is of. Returns the records pending.
    pub fn tell_reference(&mut self, name: &str, at: Nanos, value: Value, ts: Nanos) -> usize {
        self.tell_reference_of(name, Tick { at, value }, Made::default(), ts)
    }

    /// The same of a value that somebody else estimated from constituents.
    pub fn tell_reference_of(&mut self, name: &str, tick: Tick, made: Made, ts: Nanos) -> usize {
        self.begin(ts);
        let from = Source { teller: Teller::Told, name, made };
        self.judge.tick_reference(&mut self.world, from, tick, ts);
        self.judge.publisher.output.pending()
    }

    /// What an instrument's contract was worth when its reference last ticked.
    #[must_use]
    pub fn fair_value(&self, id: InstrumentId) -> Option<FairValue> {
        self.world.references.worths.get(id as usize)?.fair
    }

    /// How the book of an instrument answers its contract's reference, if it has terms.
    #[must_use]
    pub fn answers(&self, id: InstrumentId) -> Option<Answers> {
        let answering = &self.world.references.contract(id)?.answering;
        let (moves, half_life) = (answering.moves(), answering.half_life());
        Some(Answers { moves, half_life, waiting: answering.waiting() })
    }

    /// What is known of the window of an instrument's contract, if it has terms.
    #[must_use]
    pub fn window(&self, id: InstrumentId) -> Option<WindowStanding> {
        let window = &self.world.references.contract(id)?.window;
        Some(WindowStanding {
            strike: window.strike(),
            opening: window.opening(),
            closing: window.closing(),
            decided: window.decided(),
            needed: window.needed(),
            samples: window.closing_mean().map(|mean| [mean.banked(), mean.missing(), mean.samples()]),
            outcome: window.outcome(),
        })
    }
}

impl Judge {
    /// A reference has a new value: what rests on it is renewed, and when all of it is, the rules
    /// that rest on that are asked.
    pub(super) fn tick_reference(&mut self, world: &mut World, from: Source, tick: Tick, ts: Nanos) {
        let Publisher { rules, output, .. } = &mut self.publisher;
        for id in world.references.tick(from, tick, &world.books) {
            rules.ask_worth(world, output, id, ts);
        }
    }
}
