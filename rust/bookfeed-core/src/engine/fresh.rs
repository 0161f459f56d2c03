//! How fresh books and connections are, by what they say of markets: a PONG says nothing.
//!
//! Each has its own rhythm, and a connection that of all its books together. A silence that the rhythm
//! does not explain makes nobody stale by itself: it makes them `suspect`, and somebody else is asked
//! ([`Engine::suspects`]). The answer either vouches for the silence, or shows that the stream kept
//! changes back (`withheld`), which costs the book its state as ever.
//!
//! A silence that is long without being odd is asked about as well, shortly before it would take the
//! book out: a market that never says much stays live as long as a witness vouches for it.
//!
//! Rhythms are looked at when time passes, and at no frame.

use super::Engine;
use super::judge::Judge;
use super::probe;
use super::world::World;
use crate::book::Book;
use crate::book::integrity::{Cause, State};
use crate::fixed::ABSENT;
use crate::instrument::InstrumentId;
use crate::sequence::rhythm::{Freshness, Rhythm};
use crate::sequence::stream::Connection;
use crate::sequence::trend::Trend;
use crate::time::{MILLISECOND, Nanos, SECOND};
use crate::venue::Continuity;

/// So often rhythms are looked at.
const LOOK_EVERY: Nanos = 200 * MILLISECOND;
/// How long a book's first word may take.
const FIRST_WORD: Nanos = 5 * SECOND;
/// Of a connection that is silent as a whole, so many books are asked about: those that spoke most
/// often.
const SAMPLE: usize = 8;
/// The share of the longest silence that is left for a witness to answer in.
const ANSWERED_WITHIN: i64 = 6;
/// How much earlier it is asked for each live book of the connection, since it is asked about one after
/// the other; and the share of the longest silence before which nobody is asked.
const EARLIER_A_BOOK: Nanos = 600 * MILLISECOND;
const NOT_BEFORE: i64 = 3;

impl Engine {
    /// What is thought of the silence of a book; one that falls behind its siblings is suspect,
    /// however much is said of it.
    #[must_use]
    pub fn freshness(&self, id: InstrumentId) -> Freshness {
        match self.world.rhythms.get(id as usize).map_or(Freshness::None, |rhythm| rhythm.verdict) {
            Freshness::Fresh | Freshness::Quiet if self.falls_behind(id) => Freshness::Suspect,
            verdict => verdict,
        }
    }

    /// Whether what is said of a book is later and later, while that is not so of its connection.
    #[must_use]
    pub fn falls_behind(&self, id: InstrumentId) -> bool {
        let grows = self.world.trends.get(id as usize).is_some_and(|trend| trend.grows);
        grows && self.world.instruments.at(id).is_some_and(|about| !self.delay_grows(about.conn))
    }

    /// The same of a connection; one whose delay grows is suspect, however much it says.
    #[must_use]
    pub fn connection_freshness(&self, conn: u32) -> Freshness {
        self.world.connection(conn).map_or(Freshness::None, |c| match c.rhythm.verdict {
            Freshness::Fresh | Freshness::Quiet if c.trend.grows => Freshness::Suspect,
            verdict => verdict,
        })
    }

    /// Whether what a connection brings is later and later, so that it waits somewhere.
    #[must_use]
    pub fn delay_grows(&self, conn: u32) -> bool {
        self.world.connection(conn).is_some_and(|c| c.up && c.trend.grows)
    }

    /// The live books of a connection that somebody should be asked about, because they say nothing
    /// although by their rhythm they should, the busiest first; then those that say nothing for so long
    /// that silence will take them out, the one that was proved the longest ago first. Of a connection
    /// that is silent as a whole, some of the busiest are among them; and those of which a witness had
    /// another book that is to be asked again.
    #[must_use]
    pub fn suspects(&self, conn: u32) -> Vec<InstrumentId> {
        let Self { world, .. } = self;
        let Some(connection) = world.connection(conn) else { return Vec::new() };
        let rhythm = |id: InstrumentId| &world.rhythms[id as usize];
        let busiest_first = |books: &mut Vec<InstrumentId>| {
            books.sort_by_key(|&id| rhythm(id).usual().unwrap_or(Nanos::MAX));
        };
        let mut live: Vec<_> = connection.instruments.clone();
        live.retain(|&id| world.books[id as usize].believable());
        let oldest = self.proved_by(connection, live.len());
        let mut busiest = Vec::new();
        if connection.rhythm.verdict == Freshness::Suspect {
            busiest.clone_from(&live);
            busiest_first(&mut busiest);
            busiest.truncate(SAMPLE);
        }
        // Few are odd: to put all in order first would take longer than all else that is done here.
        let (mut suspects, mut aging) = (Vec::new(), Vec::new());
        for id in live {
            let odd = rhythm(id).verdict == Freshness::Suspect;
            if odd || world.books[id as usize].accused() || busiest.contains(&id) {
                suspects.push(id);
            } else if oldest.is_some_and(|oldest| self.ts_evidence(id) <= oldest) {
                aging.push(id);
            }
        }
        busiest_first(&mut suspects);
        aging.sort_by_key(|&id| (self.ts_evidence(id), rhythm(id).usual().unwrap_or(Nanos::MAX)));
        suspects.append(&mut aging);
        suspects
    }

    /// What was proved by then is to be asked about, among so many `live` books, before silence takes it
    /// out; none where silence takes nothing out, and while the connection speaks for all its books.
    fn proved_by(&self, connection: &Connection, live: usize) -> Option<Nanos> {
        let silence = self.world.config.silence;
        if silence == 0 || connection.venue.row().continuity == Continuity::Expiry {
            return None;
        }
        let looked = self.judge.next_look.saturating_sub(LOOK_EVERY);
        let earlier = EARLIER_A_BOOK.saturating_mul(Nanos::try_from(live).unwrap_or(Nanos::MAX));
        let left = (silence / ANSWERED_WITHIN).saturating_add(earlier);
        let age = silence.saturating_sub(left).max(silence / NOT_BEFORE);
        let by = looked.saturating_sub(age);
        (connection.spoke() <= by).then_some(by)
    }
}

impl Judge {
    /// Looks at all rhythms, and at how deep books are known, if it is time.
    pub(super) fn look_around(&mut self, world: &mut World, ts: Nanos) {
        if ts < self.next_look {
            return;
        }
        self.next_look = ts.saturating_add(LOOK_EVERY);
        for connection in world.connections.iter_mut().flatten() {
            let (newest, behind) = (connection.clock.newest, connection.behind);
            let grows = connection.up && connection.trend.look(newest, behind, ts);
            world.counters.delay_growths += u64::from(grows);
            if world.config.odd_silence > 0 {
                look_at(connection, &world.books, &mut world.rhythms, world.config.odd_silence, ts);
            }
            follow_delays(connection, &world.books, &mut world.trends, ts);
            probe::look_at(connection, &mut world.books, ts);
        }
    }
}

fn look_at(connection: &mut Connection, books: &[Book], rhythms: &mut [Rhythm], odd: Nanos, ts: Nanos) {
    if connection.venue.row().continuity == Continuity::Expiry {
        // Its books say themselves how long they hold.
        return;
    }
    let mut frozen = false;
    for &id in &connection.instruments {
        let (book, rhythm) = (&books[id as usize], &mut rhythms[id as usize]);
        let before = rhythm.verdict;
        if connection.up && book.running() {
            rhythm.hear(book.ts_recv);
            rhythm.verdict = rhythm.judge(odd, ts);
        } else {
            rhythm.pause();
            rhythm.verdict = unheard(connection.up, book, before, ts);
        }
        frozen |= rhythm.verdict == Freshness::Frozen;
    }
    if connection.up {
        connection.rhythm.hear(connection.ts_data);
        let verdict = connection.rhythm.judge(odd, ts);
        let silent = frozen && verdict != Freshness::Fresh;
        connection.rhythm.verdict = if silent { Freshness::Frozen } else { verdict };
    } else {
        connection.rhythm.pause();
    }
}

/// How late each book's newest message was: one of them may wait where its siblings do not.
fn follow_delays(connection: &Connection, books: &[Book], trends: &mut [Trend], ts: Nanos) {
    for &id in &connection.instruments {
        let (book, trend) = (&books[id as usize], &mut trends[id as usize]);
        if connection.up && book.running() {
            let behind = book.ts_recv.saturating_sub(book.ts_event);
            let late = if book.ts_event == ABSENT { ABSENT } else { behind };
            trend.look(book.ts_event, late, ts);
        } else if trend.begun() {
            *trend = Trend::default();
        }
    }
}

/// What is thought of a book of which nothing is believed now.
fn unheard(up: bool, book: &Book, before: Freshness, ts: Nanos) -> Freshness {
    let awaited = (book.state, book.cause) == (State::Syncing, Cause::Subscribed);
    let withheld = book.state == State::Stale && book.cause == Cause::Withheld;
    // Until a whole book is there, it is what it was found to be.
    let recovering = before == Freshness::Frozen && book.state == State::Syncing && !awaited;
    if !up || book.over() {
        Freshness::None
    } else if withheld || recovering {
        Freshness::Frozen
    } else if awaited && ts.saturating_sub(book.rare.ts_state) > FIRST_WORD {
        Freshness::Suspect
    } else {
        Freshness::None
    }
}

impl World {
    /// A witness says of a book that it is as its stream left it: its silence is true.
    #[cold]
    pub(super) fn vouch_for_silence(&mut self, id: InstrumentId, ts: Nanos) {
        let Some(about) = self.instruments.at(id) else { return };
        let conn = about.conn;
        if let Some(rhythm) = self.rhythms.get_mut(id as usize) {
            rhythm.vouch(ts);
        }
        if let Some(connection) = self.connection_mut(conn)
            && connection.rhythm.verdict == Freshness::Suspect
        {
            connection.rhythm.vouch(ts);
        }
    }
}
