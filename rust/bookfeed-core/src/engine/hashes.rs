//! Hash checks: when the venue's hash is asked to vouch for a book, and what its hashes
//! contain.

use super::config::HashCheck;
use super::judge::Judge;
use super::world::World;
use crate::book::Book;
use crate::book::integrity::{Cause, Doubt, Evidence, HashVerdict, State};
use crate::book::proof::book_hash::{FieldSet, Grid, HexHash, Hints, Prefix, Profile};
use crate::book::proof::hash_memory::HashKind;
use crate::book::proof::{self, Claim, HashClaim, Proved};
use crate::fixed::{PRICE_DECIMALS, PRICE_ONE, Price, write_decimal};
use crate::instrument::{Instrument, InstrumentId};
use crate::time::Nanos;

impl Judge {
    /// Checks the hash of a change if the policy, or the book's standing, asks for it.
    #[inline]
    pub(super) fn hash_verdict(
        &mut self,
        world: &mut World,
        id: InstrumentId,
        ts: Nanos,
        out_of_order: bool,
    ) -> HashVerdict {
        let book = &world.books[id as usize];
        let due = match world.config.hash_check {
            HashCheck::Always => true,
            HashCheck::Sampled => {
                let unsettled = book.doubt.is_some() || book.state == State::Suspect;
                unsettled || out_of_order || book.hash_struck
            }
            HashCheck::Off => false,
        };
        if due {
            return self.check_hash(world, id, ts);
        }
        HashVerdict::Skipped
    }

    /// Checks the hash of a whole book, which also teaches what the market's hashes contain.
    pub(super) fn hash_verdict_of_snapshot(
        &mut self,
        world: &mut World,
        id: InstrumentId,
        ts: Nanos,
    ) -> HashVerdict {
        let book = &world.books[id as usize];
        match world.config.hash_check {
            HashCheck::Off => HashVerdict::Skipped,
            HashCheck::Sampled
                if book.state == State::Live && book.hash_known && book.doubt.is_none() =>
            {
                HashVerdict::Skipped
            }
            HashCheck::Always | HashCheck::Sampled => self.check_hash(world, id, ts),
        }
    }

    /// Whether the venue's hash vouches for the book as it stands, checking if need be.
    pub(super) fn vouch(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) -> bool {
        if world.config.hash_check == HashCheck::Off {
            return false;
        }
        let unverified = !world.book(id).verified();
        if unverified && self.check_hash(world, id, ts) == HashVerdict::Match {
            let book = world.book(id);
            book.verified_version = book.version;
        }
        world.book(id).verified()
    }

    /// Compares the newest hash with the book. A hash that is not trusted may still vouch for the
    /// book, but says nothing against it.
    fn check_hash(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) -> HashVerdict {
        self.publisher.rules.signals.stir(id);
        let verdict = self.compare_hash(world, id, ts);
        let book = world.book(id);
        let kind = book.claimed.kind();
        if verdict == HashVerdict::Mismatch && !book.rare.hashes.trusts(kind) {
            book.rare.hashes.denied(kind);
            book.evidence.count(Evidence::HashUnknown);
            return HashVerdict::Unknown;
        }
        verdict
    }

    fn compare_hash(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) -> HashVerdict {
        let World { books, instruments, counters, .. } = world;
        let (Some(book), Some(about)) = (books.get_mut(id as usize), instruments.at(id)) else {
            return HashVerdict::Unknown;
        };
        let Some(claim) = claim_of(book, about) else { return HashVerdict::Unknown };
        counters.hashes_checked += 1;
        if book.rare.hashes.oldest()
            && proof::check(book, &Claim::Hash(claim), &mut self.text) == Proved::Match
        {
            return HashVerdict::Match;
        }
        let Some(prefix) = self.prefix(world, id) else { return HashVerdict::Unknown };
        match proof::compare(&world.books[id as usize], &prefix) {
            Proved::Match => HashVerdict::Match,
            Proved::Unknown => self.learn(world, id, &prefix, ts),
            Proved::Mismatch => self.search(world, id, &prefix, ts),
        }
    }

    /// The digest of a book with its claim. Where the market's other outcome has a claim of the same
    /// time to check, its digest is made along with this one: it is mostly asked for next.
    fn prefix(&mut self, world: &World, id: InstrumentId) -> Option<Prefix> {
        let (book, claim) = claimed(world, id)?;
        if let Some(beside) = self.beside.take().filter(|beside| beside.of == Digested::of(id, book)) {
            return Some(beside.prefix);
        }
        let other =
            world.instruments.at(id)?.sibling.and_then(|other| Some((other, claimed(world, other)?)));
        let due = |book: &Book| book.hash_known && !book.verified() && !book.rare.hashes.oldest();
        let Some((other, (of_other, theirs))) =
            other.filter(|(_, (book, theirs))| theirs.ts_event == claim.ts_event && due(book))
        else {
            return Some(claim.prefix(book, &mut self.text));
        };
        let [prefix, beside] = claim.both_prefixes(book, (&theirs, of_other), &mut self.text);
        self.beside = Some(Beside { of: Digested::of(other, of_other), prefix: beside });
        Some(prefix)
    }

    /// A hash that does not match may cover a last trade price whose print is late, or members
    /// that are not known yet.
    fn search(
        &mut self,
        world: &mut World,
        id: InstrumentId,
        prefix: &Prefix,
        ts: Nanos,
    ) -> HashVerdict {
        let book = &world.books[id as usize];
        let kind = book.claimed.kind();
        let profile = book.rare.hashes.profile.clone().filter(|p| p.fields == FieldSet::Ten);
        if let Some(profile) = profile.filter(|_| book.rare.hashes.trusts(kind)) {
            let cost = with_hints(world, id, |hints| hints.grid.cost());
            if self.searches.afford(ts, cost) {
                world.counters.hash_searches += 1;
                let found = with_hints(world, id, |hints| {
                    prefix.find_last_trade_price(&profile, &hints.prices(), hints.grid)
                });
                if let Some(price) = found {
                    world.book(id).rare.hashes.note_trade_price(&price);
                    return HashVerdict::Match;
                }
            }
        }
        let whole = kind == HashKind::Whole && world.books[id as usize].rare.hashes.search_due(ts);
        if whole && self.relearn(world, id, prefix, ts) == Some(true) {
            return HashVerdict::Match;
        }
        HashVerdict::Mismatch
    }

    /// A market whose hashes have not matched yet: finds out what they contain. If all of that is
    /// known and hash after hash is not that of the book, the book is not the venue's.
    fn learn(&mut self, world: &mut World, id: InstrumentId, prefix: &Prefix, ts: Nanos) -> HashVerdict {
        let pace = world.config.hash_interval;
        let complete = with_hints(world, id, |hints| hints.complete());
        let hashes = &world.books[id as usize].rare.hashes;
        let due = world.books[id as usize].claimed.whole || hashes.search_due(ts);
        let searched = if due { self.relearn(world, id, prefix, ts) } else { None };
        let found = searched.unwrap_or_else(|| complete && take_lesson(world, id, prefix));
        if found {
            return HashVerdict::Match;
        }
        let hashes = &mut world.book(id).rare.hashes;
        if searched.is_some() {
            hashes.not_explained(ts, pace);
        }
        let inexplicable = hashes.inexplicable();
        if inexplicable && complete {
            return HashVerdict::Mismatch;
        }
        if inexplicable && hashes.trusted() {
            // Nothing says what they contain: they are no evidence, and the book says so.
            hashes.withdraw_all();
            if world.book(id).state == State::Live {
                self.turn(world, id, State::Live, Cause::UntrustedHash, ts);
            }
        }
        world.book(id).evidence.count(Evidence::HashUnknown);
        HashVerdict::Unknown
    }

    /// Tries every profile and last trade price that what is known of the market allows. `None`
    /// if the search could not be afforded, and what could be had without it did not do.
    fn relearn(
        &mut self,
        world: &mut World,
        id: InstrumentId,
        prefix: &Prefix,
        ts: Nanos,
    ) -> Option<bool> {
        if take_lesson(world, id, prefix) || self.learn_oldest(world, id) {
            return Some(true);
        }
        let cost = with_hints(world, id, |hints| hints.cost());
        if !self.searches.afford(ts, cost) {
            return None;
        }
        world.counters.hash_searches += 1;
        let lesson = with_hints(world, id, |hints| prefix.learn_searching(hints));
        Some(note_lesson(world, id, lesson))
    }

    /// Tries the oldest form of hash, which was made up to some milliseconds before its message.
    fn learn_oldest(&mut self, world: &mut World, id: InstrumentId) -> bool {
        let World { books, instruments, .. } = world;
        let (book, Some(about)) = (&books[id as usize], instruments.at(id)) else { return false };
        let lag_ms = claim_of(book, about).and_then(|claim| claim.lag(book, 0, &mut self.text));
        let Some(lag_ms) = lag_ms else { return false };
        let book = world.book(id);
        book.rare.hashes.lag_ms = lag_ms;
        let price = book.rare.hashes.last_trade_price.clone();
        note_lesson(world, id, Some((Profile::six(), price)))
    }

    #[inline]
    pub(super) fn queue_check(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        if !std::mem::replace(&mut world.book(id).check_queued, true) {
            self.checks.push_back((ts.saturating_add(world.config.hash_interval), id));
        }
    }

    /// Checks a book's hash outside any message, and doubts the book if it differs.
    pub(super) fn check_now(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) {
        let book = &world.books[id as usize];
        let checkable = book.hash_known || book.rare.hashes.search_due(ts);
        if book.verified() || !book.believable() || !checkable {
            return;
        }
        let (ts_event, kind) = (book.claimed.ts, book.claimed.kind());
        match self.check_hash(world, id, ts) {
            HashVerdict::Match => {
                let book = world.book(id);
                book.hash_matches();
                book.evidence.count(match kind {
                    HashKind::Change => Evidence::HashChangeMatch,
                    HashKind::Whole => Evidence::HashBookMatch,
                });
                if book.hashes_vindicated() {
                    self.turn(world, id, State::Live, Cause::Evidence, ts);
                }
            }
            HashVerdict::Mismatch => {
                let cause = Cause::HashMismatch;
                let against = match kind {
                    HashKind::Change => Evidence::HashChangeMismatch,
                    HashKind::Whole => Evidence::HashBookMismatch,
                };
                let deadline = ts.saturating_add(world.config.batch_grace);
                let doubt = Doubt { cause, ts_event, deadline, patient: false, against };
                self.doubt(world, id, doubt);
            }
            HashVerdict::Unknown | HashVerdict::Skipped => {}
        }
    }

    /// Makes the queued hash checks that are due, at most `most` of them.
    pub(super) fn run_checks(&mut self, world: &mut World, ts: Nanos, most: usize) {
        for _ in 0..most {
            match self.checks.front() {
                Some(&(due, id)) if due <= ts => {
                    self.checks.pop_front();
                    world.book(id).check_queued = false;
                    self.check_now(world, id, ts);
                }
                _ => break,
            }
        }
    }
}

/// A digest that was made before it was asked for.
#[derive(Debug)]
pub(super) struct Beside {
    of: Digested,
    prefix: Prefix,
}

/// What a digest is of: a book as it stood, and its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digested {
    id: InstrumentId,
    version: u64,
    hash: Option<HexHash>,
    ts: Nanos,
}

impl Digested {
    fn of(id: InstrumentId, book: &Book) -> Self {
        Self { id, version: book.version, hash: book.claimed.hash, ts: book.claimed.ts }
    }
}

/// A book and the newest hash that the venue gave for it, if the newest change had one.
fn claimed(world: &World, id: InstrumentId) -> Option<(&Book, HashClaim<'_>)> {
    let (book, about) = (world.books.get(id as usize)?, world.instruments.at(id)?);
    Some((book, claim_of(book, about)?))
}

/// The newest hash that the venue gave for a book, if the newest change had one.
fn claim_of<'a>(book: &Book, about: &'a Instrument) -> Option<HashClaim<'a>> {
    Some(HashClaim {
        hash: book.claimed.hash?,
        market: about.market.as_deref().unwrap_or_default().as_bytes(),
        symbol: about.symbol.as_bytes(),
        ts_event: book.claimed.ts,
    })
}

/// What is known of the content of a book's hashes, from what was stated, from the other outcome,
/// and from trades.
fn with_hints<T>(world: &World, id: InstrumentId, use_them: impl FnOnce(&Hints) -> T) -> T {
    let book = &world.books[id as usize];
    let about = world.instruments.at(id);
    let sibling = about.and_then(|about| world.books.get(about.sibling? as usize));
    let theirs = sibling.map(|sibling| &sibling.rare.hashes);
    let tick = about.and_then(|about| about.tick_size);
    let tick_size = tick.map(|tick| {
        let mut text = Vec::new();
        write_decimal(&mut text, tick.value, PRICE_DECIMALS, tick.form);
        String::from_utf8_lossy(&text).into_owned()
    });
    let ours = &book.rare.hashes;
    use_them(&Hints {
        sibling: theirs.and_then(|t| t.profile.as_ref()).filter(|_| ours.profile.is_none()),
        min_order_size: about.and_then(|about| about.min_order_size.as_deref()),
        tick_size: tick_size.as_deref(),
        neg_risk: ours.neg_risk,
        trade_prices: [
            &ours.last_trade_price,
            &ours.earlier_trade_price,
            theirs.map_or(&[], |t| &t.last_trade_price),
            theirs.map_or(&[], |t| &t.earlier_trade_price),
        ],
        grid: Grid::of_tick(near_touch(book), tick.map(|tick| tick.value)),
    })
}

/// Learns from a hash what can be learned without a search.
fn take_lesson(world: &mut World, id: InstrumentId, prefix: &Prefix) -> bool {
    let lesson = with_hints(world, id, |hints| prefix.learn(hints));
    note_lesson(world, id, lesson)
}

/// Notes what a hash was found to contain, if anything was.
fn note_lesson(world: &mut World, id: InstrumentId, lesson: Option<(Profile, Vec<u8>)>) -> bool {
    let Some((profile, price)) = lesson else { return false };
    let book = world.book(id);
    book.rare.hashes.learned(profile, &price);
    (book.hash_known, book.hash_struck) = (true, false);
    true
}

/// Where trades of a book are likely to have happened.
fn near_touch(book: &Book) -> Price {
    book.bids.best_price().or(book.asks.best_price()).unwrap_or(PRICE_ONE / 2)
}
