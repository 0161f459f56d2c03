//! Relays: sockets that tell prices of references, trades of all markets, comments
//! and quotes. Beside the books, and apart from them: no frame of a relay changes one, and nothing
//! here is asked on the way of a book's frame.
//!
//! ```text
//! bytes ─▶ rtds | polybolt ─▶ points, events ─▶ was it told? is anything missing? ─▶ records
//! ```
//!
//! A frame is read whole before any of it counts. One that cannot be read is an event, `lost`, so
//! that whoever runs the connection can ask again: what a subscription brings of the past is told
//! apart (`FLAG_BACKFILL`), and no point is told twice.

pub mod exact;
pub mod forms;
mod known;
mod polybolt;

mod reader;
pub mod record;
mod rtds;
mod symbols;
pub mod topics;

use crate::decode::read::Wrong;
use crate::decode::remark;
use crate::fixed::ABSENT;
use crate::names::named_codes;
use crate::time::Nanos;
use forms::Kind;
use known::{Known, Verdict};
use record::{FieldValue, Output, Told, event};
use std::collections::BTreeMap;
use symbols::Symbols;
use topics::Topic;

named_codes! {
    /// Which relay a connection goes to.
    Relay {
        /// The real-time data socket.
        Rtds = "rtds",
        /// Its successor for prices, whose frames are numbered.
        Polybolt = "polybolt",
    }
}

named_codes! {
    /// By what a loss shows.
    Loss {
        /// Numbers are missing.
        Gap = "gap",
        /// A number came again, or an earlier one.
        Regression = "regression",
        /// The relay says so.
        Dropped = "dropped",
        /// A frame could not be read.
        Unread = "unread",
    }
}

/// What happened, counted since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Frames taken.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Points handed out.
    pub points: u64,
    /// Of these, points of the past that came with a subscription.
    pub backfilled: u64,
    /// Points that had been told.
    pub duplicates: u64,
    /// Points that say otherwise than one before them.
    pub revised: u64,
    /// Events handed out.
    pub events: u64,
    /// Frames that are missing, as far as is known how many.
    pub lost: u64,
    /// Frames that are no JSON.
    pub decode_errors: u64,
    /// Messages that are JSON, and wrong.
    pub malformed: u64,
    /// Messages of a topic or type that is not known.
    pub unknown: u64,
    /// Frames of connections that are gone.
    pub late_frames: u64,
    /// Frames of connections that nobody announced.
    pub unannounced_frames: u64,
}

/// A connection.
#[derive(Debug)]
struct Line {
    relay: Relay,
    up: bool,
    /// The newest number of each topic on this connection.
    seqs: BTreeMap<u8, u64>,
}

/// All connections to relays, and what came of them.
#[derive(Debug, Default)]
pub struct Relays {
    lines: BTreeMap<u32, Line>,
    symbols: Symbols,
    known: Known,
    told: Told,
    output: Output,
    counters: Counters,
    last_error: Option<(u32, Nanos, &'static str, usize)>,
}

impl Relays {
    /// A connection is open; the numbers of its frames begin anew.
    pub fn connected(&mut self, conn: u32, relay: Relay) {
        self.lines.insert(conn, Line { relay, up: true, seqs: BTreeMap::new() });
    }

    /// A connection is gone; what still comes of it is not taken.
    pub fn disconnected(&mut self, conn: u32) {
        if let Some(line) = self.lines.get_mut(&conn) {
            line.up = false;
            line.seqs.clear();
        }
    }

    /// Takes one frame of a connection; bad ones are counted. Returns the records pending.
    pub fn ingest(&mut self, conn: u32, payload: &[u8], ts_recv: Nanos) -> usize {
        let relay = match self.lines.get(&conn) {
            Some(line) if line.up => line.relay,
            Some(_) => {
                self.counters.late_frames += 1;
                return self.output.pending();
            }
            None => {
                self.counters.unannounced_frames += 1;
                return self.output.pending();
            }
        };
        self.counters.frames += 1;
        self.counters.bytes += payload.len() as u64;
        if payload.is_empty() || remark(payload).is_some() {
            return self.output.pending(); // Words, such as an answer to a ping.
        }
        let mut told = std::mem::take(&mut self.told);
        told.clear();
        let decode = match relay {
            Relay::Rtds => rtds::decode,
            Relay::Polybolt => polybolt::decode,
        };
        match decode(payload, ts_recv, &mut self.symbols, &mut told) {
            Ok(read) => self.take(conn, ts_recv, &mut told, read),
            Err(error) => {
                self.counters.decode_errors += 1;
                self.last_error = Some((conn, ts_recv, "frame is no JSON", error.offset));
                self.lose(conn, ts_recv, "", Loss::Unread, (None, None));
            }
        }
        self.told = told;
        self.output.pending()
    }

    /// What a frame says is taken, unless something of it is `wrong`: then nothing is.
    fn take(&mut self, conn: u32, ts_recv: Nanos, told: &mut Told, read: Result<(), Wrong>) {
        let topic = told.seq.map_or("", |(topic, _)| topic.name());
        if let Some((topic, seq)) = told.seq {
            self.number(conn, ts_recv, topic, seq, told.dropped);
        }
        if let Err(wrong) = read {
            self.counters.malformed += 1;
            self.last_error = Some((conn, ts_recv, wrong.what, wrong.offset));
            self.lose(conn, ts_recv, topic, Loss::Unread, (None, None));
            return;
        }
        self.counters.unknown += u64::from(told.unknown);
        for point in &mut told.points {
            if point.flags & record::FLAG_BACKFILL == 0 {
                self.output.heard.insert((conn, point.topic as u8, point.symbol));
            }
            match self.known.take(point) {
                Verdict::Told | Verdict::Forgotten => {
                    self.counters.duplicates += 1;
                    continue;
                }
                Verdict::Revised => self.counters.revised += 1,
                Verdict::New => {}
            }
            self.counters.points += 1;
            self.counters.backfilled += u64::from(point.flags & record::FLAG_BACKFILL != 0);
            point.write(conn, ts_recv, &mut self.output.points);
        }
        self.counters.events += told.events.len() as u64;
        for mut event in told.events.drain(..) {
            (event.conn, event.ts_recv) = (conn, ts_recv);
            self.output.events.push(event);
        }
    }

    /// Whether anything is missing before a numbered frame: numbers of a topic are dense, and begin
    /// with 0 or 1 on each connection.
    fn number(&mut self, conn: u32, ts_recv: Nanos, topic: Topic, seq: u64, dropped: u64) {
        let Some(line) = self.lines.get_mut(&conn) else { return };
        let before = line.seqs.insert(topic as u8, seq);
        let expected = before.map_or(1, |before| before.saturating_add(1));
        let missing = seq.saturating_sub(expected);
        let regression = before.is_some() && seq < expected;
        let loss = match (dropped, missing, regression) {
            (1.., _, _) => Loss::Dropped,
            (0, 1.., _) => Loss::Gap,
            (0, 0, true) => Loss::Regression,
            (0, 0, false) => return,
        };
        let counts = (Some(missing), Some(dropped).filter(|&n| n > 0));
        self.lose(conn, ts_recv, topic.name(), loss, counts);
    }

    fn lose(
        &mut self,
        conn: u32,
        ts_recv: Nanos,
        topic: &str,
        loss: Loss,
        (missing, dropped): (Option<u64>, Option<u64>),
    ) {
        self.counters.lost =
            self.counters.lost.saturating_add(missing.unwrap_or(0).max(dropped.unwrap_or(0)));
        self.counters.events += 1;
        let number = |n: Option<u64>| match n.and_then(|n| i64::try_from(n).ok()) {
            Some(n) => FieldValue::Number(n),
            None => FieldValue::Absent,
        };
        let mut made = event(Kind::Lost, topic, loss.name(), ABSENT);
        (made.conn, made.ts_recv) = (conn, ts_recv);
        made.fields.extend([number(missing), number(dropped)]);
        self.output.events.push(made);
    }

    /// What waits to be taken; whoever takes it leaves it empty.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// What a symbol is called.
    #[must_use]
    pub fn symbol(&self, number: u32) -> Option<&str> {
        self.symbols.name(number)
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The newest complaint about a frame.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        let (conn, ts_recv, what, offset) = self.last_error?;
        Some(format!("connection {conn}: {what} at byte {offset} of the frame received at {ts_recv}"))
    }
}
