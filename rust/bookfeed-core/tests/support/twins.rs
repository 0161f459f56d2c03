//! Two engines that hear the same: one reads what it can the fast way, the other everything the
//! general way. They may not differ in anything that can be asked of them.

use super::records::{code, field};
use super::venue::T0;
use bookfeed_core::decode::{Mode, Payload, Source, Tally};
use bookfeed_core::engine::{Config, Engine};
use bookfeed_core::event::Frame;
use bookfeed_core::instrument::{Instruments, UNKNOWN, Venue};
use bookfeed_core::signals::Phase;
use bookfeed_core::time::Nanos;
use bookfeed_core::update::{SIGNAL_FIELDS, SIGNAL_SIZE};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Both engines, and the time they were last told.
pub struct Twins {
    pub fast: Engine,
    pub general: Engine,
    pub ts: Nanos,
    /// Numbers of the rules that a signal opened of.
    pub opened: BTreeSet<i64>,
}

impl Twins {
    pub fn new(config: Config) -> Self {
        Self::of(Config { fast_frames: true, ..config }, Config { fast_frames: false, ..config })
    }

    /// One with each of two settings.
    pub fn of(fast: Config, general: Config) -> Self {
        let engine =
            |config| Engine::new(Config { digest: true, paper_latency: Some(3_000_000), ..config });
        Self { fast: engine(fast), general: engine(general), ts: T0, opened: BTreeSet::new() }
    }

    /// Does the same with both. They must answer alike.
    pub fn both<T: Debug + PartialEq>(&mut self, act: impl Fn(&mut Engine) -> T) -> T {
        let (fast, general) = (act(&mut self.fast), act(&mut self.general));
        assert_eq!(fast, general);
        fast
    }

    /// A frame on connection 0. What it comes to must be the same.
    pub fn hear(&mut self, frame: &[u8]) {
        self.hear_on(0, frame);
    }

    /// A frame on any connection.
    pub fn hear_on(&mut self, conn: u32, frame: &[u8]) {
        let ts = self.ts;
        self.both(|engine| engine.ingest(conn, frame, ts));
        self.compare(&String::from_utf8_lossy(frame));
    }

    /// Compares the records that wait, and what was counted; forgets the records.
    pub fn compare(&mut self, case: &str) {
        let (fast, general) = (self.fast.output(), self.general.output());
        assert!(fast.updates() == general.updates(), "updates differ after {case}");
        assert!(fast.signals() == general.signals(), "signals differ after {case}");
        assert!(fast.legs() == general.legs(), "legs differ after {case}");
        assert!(fast.levels() == general.levels(), "levels differ after {case}");
        for signal in fast.signals().chunks_exact(SIGNAL_SIZE) {
            if Phase::ALL[code(&SIGNAL_FIELDS, signal, "phase")] == Phase::Open {
                self.opened.insert(field(&SIGNAL_FIELDS, signal, "rule_id"));
            }
        }
        fast.clear();
        general.clear();
        assert_eq!(counted(&self.fast), counted(&self.general), "{case}");
    }

    /// Compares all there is, to the end of every book.
    pub fn compare_all(&mut self, case: &str) {
        self.compare(case);
        let books = u32::try_from(self.fast.instruments().len()).unwrap();
        for id in 0..books {
            self.both(|engine| format!("{:?} {:?}", engine.book(id), engine.trades(id)));
        }
        self.both(|engine| engine.messages());
        self.both(|engine| format!("{:?} {:?}", engine.venue_latency(), engine.papers()));
        self.both(|engine| engine.output().digest());
    }
}

/// What an engine counted, as text.
fn counted(engine: &Engine) -> String {
    let (counters, evidence, refusals) = (engine.counters(), engine.evidence(), engine.refusals());
    format!("{counters:?} {evidence:?} {refusals:?} {:?} {:?}", engine.delay(0), engine.last_error())
}

/// What a payload says, read one way into a frame that others were read into before; the error as
/// text.
fn read(
    venue: Venue,
    before: &[&[u8]],
    payload: &Payload,
    known: &Instruments,
) -> Result<String, String> {
    let mut frame = Frame::default();
    for &bytes in before {
        (venue.row().decode)(&Payload { bytes, ..*payload }, known, &mut frame, &mut Tally::default())
            .ok();
    }
    let mut tally = Tally::default();
    (venue.row().decode)(payload, known, &mut frame, &mut tally).map_err(|e| e.to_string())?;
    let Frame { messages, changes, strangers, shards, closures, levels, named, kinds, ts_sent, .. } =
        &frame;
    Ok(format!(
        "{messages:?} {changes:?} {strangers:?} {shards:?} {closures:?} {levels:?} {named:?} {kinds:?} \
         {ts_sent:?} {tally:?}"
    ))
}

/// Reads bytes both ways, as a frame and as an answer to a request; each way must find the same, to
/// the byte where it stands, also where `before` and the very same bytes were read, and are known.
/// Whether they are a frame that was understood.
pub fn read_alike(venue: Venue, before: &[u8], bytes: &[u8], known: &Instruments) -> bool {
    let modes = venue.row().modes.len();
    let mut understood = false;
    for source in [Source::Stream, Source::Rest] {
        for mode in (0..modes).map(|mode| Mode(u8::try_from(mode).unwrap())) {
            let payload = Payload { bytes, source, mode, about: UNKNOWN, fast: true };
            let general = read(venue, &[], &Payload { fast: false, ..payload }, known);
            for before in [&[][..], &[before], &[before, bytes]] {
                let fast = read(venue, before, &payload, known);
                assert_eq!(fast, general, "{source:?} {}", String::from_utf8_lossy(bytes));
            }
            understood |= source == Source::Stream && general.is_ok();
        }
    }
    understood
}
