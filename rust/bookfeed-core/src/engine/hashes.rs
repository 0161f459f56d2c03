//! Hash checks: when the venue's hash is asked to vouch for a book, and what its hashes
//! contain.

use super::config::HashCheck;
use super::judge::Judge;
use super::world::World;
use crate::book::Book;
use crate::book::integrity::{Cause, Doubt, Evidence, HashVerdict, State};
use crate::book::proof::book_hash::{FieldSet, Hints, Prefix};
use crate::book::proof::{self, Claim, HashClaim, Proved};
use crate::fixed::{Form, PRICE_DECIMALS, PRICE_ONE, Price, parse_price, write_decimal};
use crate::instrument::{Instrument, InstrumentId};
use crate::time::Nanos;

/// Attempts at learning what a market's hashes contain before they are left alone.
const LESSONS_MAX: u32 = 3;

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
            HashCheck::Sampled => book.doubt.is_some() || book.state == State::Suspect || out_of_order,
            HashCheck::Off => false,
        };
        if due {
            return self.check_hash(world, id, ts, false);
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
            HashCheck::Always | HashCheck::Sampled => self.check_hash(world, id, ts, true),
        }
    }

    /// Whether the venue's hash vouches for the book as it stands, checking if need be.
    pub(super) fn vouch(&mut self, world: &mut World, id: InstrumentId, ts: Nanos) -> bool {
        if world.config.hash_check == HashCheck::Off {
            return false;
        }
        let unverified = !world.book(id).verified();
        if unverified && self.check_hash(world, id, ts, false) == HashVerdict::Match {
            let book = world.book(id);
            book.verified_version = book.version;
        }
        world.book(id).verified()
    }

    fn check_hash(
        &mut self,
        world: &mut World,
        id: InstrumentId,
        ts: Nanos,
        whole: bool,
    ) -> HashVerdict {
        let World { books, instruments, counters, .. } = world;
        let (Some(book), Some(about)) = (books.get_mut(id as usize), instruments.at(id)) else {
            return HashVerdict::Unknown;
        };
        let Some(claim) = claim_of(book, about) else { return HashVerdict::Unknown };
        counters.hashes_checked += 1;
        match proof::check(book, &Claim::Hash(claim), &mut self.text) {
            Proved::Match => HashVerdict::Match,
            Proved::Unknown => {
                let prefix = claim.prefix(book, &mut self.text);
                learn(world, id, &prefix, whole)
            }
            Proved::Mismatch => {
                let prefix = claim.prefix(book, &mut self.text);
                self.search(world, id, &prefix, ts, whole)
            }
        }
    }

    /// A hash that does not match may cover a last trade price whose print is late, or members
    /// that are not known yet.
    fn search(
        &mut self,
        world: &mut World,
        id: InstrumentId,
        prefix: &Prefix,
        ts: Nanos,
        whole: bool,
    ) -> HashVerdict {
        let World { books, instruments, counters, .. } = world;
        let book = &books[id as usize];
        if let Some(profile) = book.rare.hashes.profile.as_ref().filter(|p| p.fields == FieldSet::Ten)
            && self.searches.afford(ts)
        {
            counters.hash_searches += 1;
            let sibling = instruments.at(id).and_then(|about| books.get(about.sibling? as usize));
            let other = sibling.map(|s| complement_of(&s.rare.hashes.last_trade_price));
            let tried = [&*other.unwrap_or_default(), b""];
            if let Some(price) = prefix.find_last_trade_price(profile, &tried, near_touch(book)) {
                world.book(id).rare.hashes.note_trade_price(&price);
                return HashVerdict::Match;
            }
        }
        if whole && relearn(world, id, prefix) { HashVerdict::Match } else { HashVerdict::Mismatch }
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
        if book.verified() || !book.believable() || !book.hash_known {
            return;
        }
        let ts_event = book.claimed.ts;
        match self.check_hash(world, id, ts, false) {
            HashVerdict::Match => {
                let book = world.book(id);
                book.verified_version = book.version;
                book.rare.hashes.matched();
                book.evidence.count(Evidence::HashChangeMatch);
            }
            HashVerdict::Mismatch => {
                let (cause, against) = (Cause::HashMismatch, Evidence::HashChangeMismatch);
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

/// The newest hash that the venue gave for a book, if the newest change had one.
fn claim_of<'a>(book: &Book, about: &'a Instrument) -> Option<HashClaim<'a>> {
    Some(HashClaim {
        hash: book.claimed.hash?,
        market: about.market.as_deref().unwrap_or_default().as_bytes(),
        symbol: about.symbol.as_bytes(),
        ts_event: book.claimed.ts,
    })
}

/// A market whose hashes have not matched yet: finds out what they contain.
fn learn(world: &mut World, id: InstrumentId, prefix: &Prefix, whole: bool) -> HashVerdict {
    let failed = world.book(id).rare.hashes.failed_lessons;
    if whole && failed < LESSONS_MAX && relearn(world, id, prefix) {
        return HashVerdict::Match;
    }
    let book = world.book(id);
    book.rare.hashes.failed_lessons += u32::from(whole);
    book.evidence.count(Evidence::HashUnknown);
    HashVerdict::Unknown
}

/// Tries every profile that what is known of the market allows.
fn relearn(world: &mut World, id: InstrumentId, prefix: &Prefix) -> bool {
    let World { books, instruments, counters, .. } = world;
    let (Some(about), Some(book)) = (instruments.at(id), books.get_mut(id as usize)) else {
        return false;
    };
    let tick_size = about.tick_size.map(|tick| {
        let mut text = Vec::new();
        write_decimal(&mut text, tick.value, PRICE_DECIMALS, tick.form);
        String::from_utf8_lossy(&text).into_owned()
    });
    let near = near_touch(book);
    let known = &mut book.rare.hashes;
    let hints = Hints {
        min_order_size: about.min_order_size.as_deref(),
        tick_size: tick_size.as_deref(),
        neg_risk: known.neg_risk,
        last_trade_price: &known.last_trade_price,
        near,
    };
    counters.hash_searches += 1;
    let Some((profile, price)) = prefix.learn(&hints) else { return false };
    known.profile = Some(profile);
    known.note_trade_price(&price);
    known.failed_lessons = 0;
    book.hash_known = true;
    true
}

/// Where trades of a book are likely to have happened.
fn near_touch(book: &Book) -> Price {
    book.bids.best_price().or(book.asks.best_price()).unwrap_or(PRICE_ONE / 2)
}

/// One minus a printed price, in its shortest form; empty if there is none.
fn complement_of(price: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(parsed) = parse_price(price) {
        write_decimal(&mut text, PRICE_ONE - parsed.value, PRICE_DECIMALS, Form::default());
    }
    text
}
