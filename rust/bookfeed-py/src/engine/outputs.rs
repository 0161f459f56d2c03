//! What an engine tells: records, books, counts.

use super::{Engine, venue_by_name};
use crate::batch::Batch;
use crate::book::BookView;
use crate::control::{Gap, Index, Notice, PaperFill, paper_totals};
use crate::errors::engine_error;
use crate::fair::{Answers, FairValue, WindowStanding};
use crate::histogram::Histogram;
use bookfeed_core::book::integrity::Evidence;
use bookfeed_core::engine::Question;
use bookfeed_core::instrument::Venue;
use bookfeed_core::sequence::reputation::Reputation;
use bookfeed_core::signals::Refusal;
use bookfeed_core::update::INDEX_SIZE;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::collections::BTreeMap;

/// What is counted of answers by REST, in their order.
const REST_ANSWERS: [&str; 5] =
    ["rest_agreed", "rest_differed", "rest_older", "rest_ghosts", "rest_refuted"];
/// The same of what relays told of the touch.
const RELAY_ANSWERS: [&str; 5] =
    ["touches_agreed", "touches_differed", "touches_older", "touches_ghosts", "touches_refuted"];

/// Who says something about books beside REST, and the evidence that says so.
const SOURCES: [(&str, &[Evidence], &[Evidence]); 7] = [
    ("change", &[Evidence::BboMatch], &[Evidence::BboMismatch]),
    ("touch", &[Evidence::TouchMatch], &[Evidence::TouchMismatch]),
    (
        "hash",
        &[Evidence::HashBookMatch, Evidence::HashChangeMatch],
        &[Evidence::HashBookMismatch, Evidence::HashChangeMismatch],
    ),
    ("checksum", &[Evidence::ChecksumMatch], &[Evidence::ChecksumMismatch]),
    ("mirror", &[Evidence::MirrorMatch], &[Evidence::MirrorMismatch]),
    ("snapshot", &[Evidence::SnapshotMatch], &[Evidence::SnapshotMismatch]),
    ("sequence", &[Evidence::InSequence], &[Evidence::Gap, Evidence::Underflow]),
];

#[pymethods]
impl Engine {
    /// Hands over the records that wait. With ``ts_emit`` (Unix nanoseconds, now) the time
    /// since the oldest of them was received is counted in ``latency()["recv_to_emit"]``.
    #[pyo3(signature = (ts_emit = 0))]
    fn drain(&mut self, py: Python<'_>, ts_emit: i64) -> Batch {
        let output = self.inner.output();
        if let (Some(ts_first), true) = (output.ts_first(), ts_emit > 0) {
            self.emit_latency.record(ts_emit.saturating_sub(ts_first));
        }
        let batch = Batch {
            updates: PyBytes::new(py, output.updates()).unbind(),
            signals: PyBytes::new(py, output.signals()).unbind(),
            legs: PyBytes::new(py, output.legs()).unbind(),
            levels: PyBytes::new(py, output.levels()).unbind(),
            indices: PyBytes::new(py, output.indices()).unbind(),
            count: output.pending() - output.indices().len() / INDEX_SIZE,
        };
        output.clear();
        batch
    }

    /// The next effective time of the indices that are estimated (Unix nanoseconds), at which
    /// time should be let pass; ``None`` without one.
    #[getter]
    fn next_estimate(&self) -> Option<i64> {
        self.inner.next_estimate()
    }

    /// What the contract of an instrument was worth when its reference last ticked; ``None``
    /// before that, and while its strike or the volatility is not known. Raises ``EngineError``
    /// if there is no such instrument.
    fn fair_value(&self, instrument: u32) -> PyResult<Option<FairValue>> {
        Ok(self.inner.fair_value(self.id_of(instrument)?).map(|inner| FairValue { inner }))
    }

    /// How the book of an instrument answers when its contract's reference moves; ``None``
    /// without terms. Raises ``EngineError`` if there is no such instrument.
    fn answers(&self, instrument: u32) -> PyResult<Option<Answers>> {
        Ok(self.inner.answers(self.id_of(instrument)?).map(|inner| Answers { inner }))
    }

    /// What is known of the window that the contract of an instrument settles by; ``None``
    /// without terms (``add_terms``). Raises ``EngineError`` if there is no such instrument.
    fn window(&self, instrument: u32) -> PyResult<Option<WindowStanding>> {
        Ok(self.inner.window(self.id_of(instrument)?).map(|inner| WindowStanding { inner }))
    }

    /// Records that wait to be drained.
    #[getter]
    fn pending(&mut self) -> usize {
        self.inner.output().pending()
    }

    /// The live view of a book. Raises ``EngineError`` if there is no such instrument.
    fn book(slf: Bound<'_, Self>, instrument: u32) -> PyResult<BookView> {
        let id = slf.borrow().id_of(instrument)?;
        Ok(BookView::new(slf.unbind(), id, instrument))
    }

    /// Number of the instrument that a venue calls ``symbol``, or ``None`` if there is none.
    /// Raises ``EngineError`` for an unknown venue.
    fn instrument(&self, venue: &str, symbol: &str) -> PyResult<Option<u32>> {
        let all = self.inner.instruments();
        let found = all.find(venue_by_name(venue)?, symbol.as_bytes()).and_then(|id| all.at(id));
        Ok(found.map(|about| about.number))
    }

    /// What connections told that are one of two lines, by connection: messages that it told
    /// ``first``, ``later`` than the other, or that it told and the other never did (``only``),
    /// and how many books it had ``left`` to the other because it lost something.
    fn lines(&self) -> BTreeMap<u32, BTreeMap<&'static str, u64>> {
        let told = self.inner.line_tallies().map(|(conn, tally)| {
            let counts = [
                ("first", tally.first),
                ("later", tally.later),
                ("only", tally.only),
                ("left", tally.left),
            ];
            (conn, BTreeMap::from(counts))
        });
        told.collect()
    }

    /// How the second sources of books stand to them, by the book's number: ``conn``, the
    /// connection; ``whole`` (1 or 0), whether it has a whole book; ``wanted``, whether it has to
    /// begin anew so that its difference can be believed; and what came of comparisons: ``agreed``,
    /// ``settled``, ``differed``, ``refuted``, ``convicted``, ``disbelieved``
    /// (``docs/lines.md``).
    fn second_sources(&self) -> BTreeMap<u32, BTreeMap<&'static str, u64>> {
        let all = self.inner.instruments();
        let told = self.inner.second_sources().filter_map(|(id, one)| {
            let counts = [
                ("conn", u64::from(one.conn)),
                ("whole", u64::from(one.whole)),
                ("wanted", u64::from(one.wanted)),
                ("agreed", one.tally.agreed),
                ("settled", one.tally.settled),
                ("differed", one.tally.differed),
                ("refuted", one.tally.refuted),
                ("convicted", one.tally.convicted),
                ("disbelieved", one.tally.disbelieved),
            ];
            Some((all.at(id)?.number, BTreeMap::from(counts)))
        });
        told.collect()
    }

    /// The connection that told the newest change of a book with two lines; ``None`` for any
    /// other book. Raises ``EngineError`` if there is no such instrument.
    fn told_by(&self, instrument: u32) -> PyResult<Option<u32>> {
        Ok(self.inner.told_by(self.id_of(instrument)?))
    }

    /// Whether a connection carries a running book, or could carry it on if the other line lost
    /// something. Raises ``EngineError`` if there is no such instrument.
    fn in_step(&self, conn: u32, instrument: u32) -> PyResult<bool> {
        Ok(self.inner.line_in_step(conn, self.id_of(instrument)?))
    }

    /// The books of a connection whose polled answers say next to nothing, and which wait until
    /// the venue, asked for their best prices alone, says so as well: their instrument numbers.
    fn poll_doubts(&self, conn: u32) -> Vec<u32> {
        let all = self.inner.instruments();
        let doubted = self.inner.poll_doubts(conn);
        doubted.into_iter().filter_map(|id| all.at(id)).map(|about| about.number).collect()
    }

    /// The books of an open connection that are not believed, and of which its stream has said
    /// nothing for five seconds by ``ts``: their instrument numbers. They may be polled
    /// (``ingest_poll``). Empty where whole books come on the stream.
    fn unstreamed(&self, conn: u32, ts: i64) -> Vec<u32> {
        let all = self.inner.instruments();
        let silent = self.inner.unstreamed(conn, ts).into_iter().filter_map(|id| all.at(id));
        silent.map(|about| about.number).collect()
    }

    /// The live books of a connection that somebody else should be asked about, because they say
    /// nothing although by their rhythm they should, or for so long that silence will soon take
    /// them out: their instrument numbers, the busiest first, then those that were proved the
    /// longest ago. Where the whole connection is silent beyond its rhythm, its busiest books are
    /// among them. The more books it has, the sooner: they are asked about one after the other.
    fn suspects(&self, conn: u32) -> Vec<u32> {
        let all = self.inner.instruments();
        let asked = self.inner.suspects(conn).into_iter().filter_map(|id| all.at(id));
        asked.map(|about| about.number).collect()
    }

    /// The live books of a connection of which a whole one by REST is wanted beside their
    /// stream, given to ``ingest_rest``: their instrument numbers. Half of what is known of such a
    /// book is used up; or its stream numbers nothing, and it was not held against a whole one for
    /// a minute.
    fn probes(&self, conn: u32) -> Vec<u32> {
        let all = self.inner.instruments();
        let wanted = self.inner.probes(conn).into_iter().filter_map(|id| all.at(id));
        wanted.map(|about| about.number).collect()
    }

    /// What is thought of the silence of a connection as a whole: as ``BookView.freshness``.
    fn freshness(&self, conn: u32) -> &'static str {
        self.inner.connection_freshness(conn).name()
    }

    /// The live views of all books, in the order of their numbers.
    fn books(slf: Bound<'_, Self>) -> Vec<BookView> {
        let engine = slf.borrow();
        let mut all: Vec<_> = engine.inner.instruments().iter().map(|(id, i)| (i.number, id)).collect();
        all.sort_unstable();
        all.into_iter().map(|(number, id)| BookView::new(slf.clone().unbind(), id, number)).collect()
    }

    /// What happened, counted, by name.
    fn counters(&mut self) -> BTreeMap<&'static str, u64> {
        let (updates, signals) = self.inner.output().totals();
        let c = *self.inner.counters();
        let rest = self.inner.rest_answers(None);
        let relay = RELAY_ANSWERS.into_iter().zip(self.inner.relay_answers(None));
        let answers = REST_ANSWERS.into_iter().zip(rest).chain(relay);
        let counted = BTreeMap::from([
            ("frames", c.frames),
            ("bytes", c.bytes),
            ("decode_errors", c.decode_errors),
            ("malformed", c.malformed),
            ("unknown_instruments", c.unknown_instruments),
            ("late_frames", c.late_frames),
            ("odd_stamps", c.odd_stamps),
            ("late_spells", c.late_spells),
            ("delay_growths", c.delay_growths),
            ("unannounced_frames", c.unannounced_frames),
            ("trades", c.trades),
            ("turned_aggressors", c.turned_aggressors),
            ("hashes_checked", c.hashes_checked),
            ("hash_searches", c.hash_searches),
            ("transitions", c.transitions),
            ("gaps", c.gaps),
            ("regressions", c.regressions),
            ("underflows", c.underflows),
            ("unsound", c.unsound),
            ("own", c.own),
            ("notices_dropped", c.notices_dropped),
            ("rest_accepted", c.rest_accepted),
            ("rest_rejected", c.rest_rejected),
            ("updates", updates),
            ("signals", signals),
            ("untrusted_reads", self.refused.total()),
        ]);
        counted.into_iter().chain(answers).collect()
    }

    /// What each source of evidence said about the books of a connection, counted. ``"rest"``:
    /// whole books by REST, held against live ones, ``agreed``, ``differed``, ``older`` than
    /// ours, ``ghosts`` (next to nothing), ``refuted`` (our book was right). ``"relay"``: the
    /// same of the touch as a relay tells it, of which only what the stream did not come to
    /// differs. The others are what ``evidence()`` counts, as ``agreed`` and ``differed``:
    /// ``"change"``, best prices beside a change; ``"touch"``, the channel of best prices or
    /// the ticker; ``"hash"``; ``"checksum"``; ``"mirror"``, the sibling outcome;
    /// ``"snapshot"``, whole books in the stream that were asked for; ``"sequence"``, numbers.
    /// A heartbeat is none.
    fn witnesses(&self, conn: u32) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
        let evidence = self.inner.evidence_on(conn);
        let sum = |kinds: &[Evidence]| kinds.iter().map(|&kind| evidence.of(kind)).sum();
        let said = SOURCES.into_iter().map(|(source, agreed, differed)| {
            let counts = [("agreed", sum(agreed)), ("differed", sum(differed))];
            (source, BTreeMap::from(counts))
        });
        let rest = Reputation::NAMES.into_iter().zip(self.inner.rest_answers(Some(conn))).collect();
        let relay = Reputation::NAMES.into_iter().zip(self.inner.relay_answers(Some(conn))).collect();
        said.chain([("rest", rest), ("relay", relay)]).collect()
    }

    /// How the aggressors of a spot venue's trades agree with its books: trades apart from the
    /// mid before them (``decided``), those on their aggressor's side of it (``agreed``), and how
    /// often less than 40 of 100 were (``alarms``). Venues without such trades are left out.
    fn senses(&self) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
        let told = Venue::ALL.into_iter().map(|venue| (venue.name(), self.inner.sense(venue)));
        told.filter(|(_, sense)| sense.decided > 0)
            .map(|(name, sense)| {
                let counts =
                    [("decided", sense.decided), ("agreed", sense.agreed), ("alarms", sense.alarms)];
                (name, BTreeMap::from(counts))
            })
            .collect()
    }

    /// How often ``BookView.trusted`` refused a book, by reason (``Untrusted.reason``);
    /// reasons that were never given are left out.
    fn untrusted(&self) -> BTreeMap<String, u64> {
        self.refused.by_name()
    }

    /// Messages by the venue's own type, counted over all venues.
    fn messages(&self) -> BTreeMap<String, u64> {
        self.inner.messages()
    }

    /// Evidence for and against, by kind, counted over all books.
    fn evidence(&self) -> BTreeMap<&'static str, u64> {
        self.inner.evidence().iter().collect()
    }

    /// Opportunities that were there at the touch and not signalled, counted by reason
    /// (``REFUSALS``), of one rule or of all. Raises ``EngineError`` if there is no such rule.
    #[pyo3(signature = (rule = None))]
    fn refusals(&self, rule: Option<u32>) -> PyResult<BTreeMap<&'static str, u64>> {
        let counts = match rule {
            None => self.inner.refusals(),
            Some(number) => *self
                .inner
                .refusals_of(number)
                .ok_or_else(|| engine_error(format!("there is no rule {number}")))?,
        };
        Ok(Refusal::NAMES.iter().copied().zip(counts).collect())
    }

    /// The venue's number of the subscription to ``channel`` on a connection, or ``None``.
    fn sid(&self, conn: u32, channel: &str) -> Option<u32> {
        self.inner.sid(conn, channel)
    }

    /// What the venue should be asked about the markets of a connection, as kind and name:
    /// ``"market"`` with a symbol, ``"event"`` or ``"series"`` with its name. Their standing or
    /// their fees may have changed without its being heard, or their news has just begun to come.
    fn questions(&self, conn: u32) -> Vec<(&'static str, String)> {
        let pair = |question: Question<'_>| match question {
            Question::Market(symbol) => ("market", symbol.to_owned()),
            Question::Event(name) => ("event", name.to_owned()),
            Question::Series(name) => ("series", name.to_owned()),
        };
        self.inner.questions(conn).into_iter().map(pair).collect()
    }

    /// Receive time less venue time of the newest message of a connection that stated one, in
    /// nanoseconds; negative where the receiver's clock is behind, ``None`` before there was
    /// one.
    fn delay_ns(&self, conn: u32) -> Option<i64> {
        self.inner.delay(conn)
    }

    /// Whether what a connection brings is later and later: it waits in a queue somewhere.
    fn delay_grows(&self, conn: u32) -> bool {
        self.inner.delay_grows(conn)
    }

    /// Takes the venue's replies on a connection that nobody has taken yet, oldest first.
    fn notices(&mut self, conn: u32) -> Vec<Notice> {
        self.inner.take_notices(conn).into_iter().map(|inner| Notice { inner }).collect()
    }

    /// How many replies on a connection wait to be taken.
    fn notices_pending(&self, conn: u32) -> usize {
        self.inner.notices_pending(conn)
    }

    /// The holes found lately in numbered streams, oldest first.
    fn gaps(&self) -> Vec<Gap> {
        self.inner.gaps().map(|&inner| Gap { inner }).collect()
    }

    /// The newest value of each reference index heard of, by the venue's name for it.
    fn indices(&self) -> BTreeMap<String, Index> {
        let named = self.inner.indices().map(|(name, &inner)| (name.to_owned(), Index { inner }));
        named.collect()
    }

    /// Sums of the paper ledger by name, money in 1e-9 (``_e9``); ``None`` without one
    /// (``paper_latency_s``). ``papers`` has those of several.
    fn paper(&self) -> Option<BTreeMap<&'static str, i64>> {
        self.inner.paper().map(paper_totals)
    }

    /// Sums of each paper ledger, in the order in which they were asked for.
    fn papers(&self) -> Vec<BTreeMap<&'static str, i64>> {
        self.inner.papers().iter().map(paper_totals).collect()
    }

    /// The newest fills of a paper ledger, by its place in ``papers``, oldest first; empty
    /// without one.
    #[pyo3(signature = (ledger=0))]
    fn paper_fills(&self, ledger: usize) -> Vec<PaperFill> {
        let fills = self.inner.papers().get(ledger).into_iter().flat_map(|one| one.fills().cloned());
        fills.map(|inner| PaperFill { inner }).collect()
    }

    /// Histograms of latency in nanoseconds: ``"venue_to_recv"``, from the venue's time to
    /// receive time, and ``"recv_to_emit"``, from there to ``drain``.
    fn latency<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let stages =
            [("venue_to_recv", self.inner.venue_latency()), ("recv_to_emit", &self.emit_latency)];
        for (stage, histogram) in stages {
            dict.set_item(stage, Histogram { inner: histogram.clone() }.into_pyobject(py)?)?;
        }
        Ok(dict)
    }

    /// SHA-256 over all records drained so far, in hexadecimal: equal for equal inputs,
    /// whatever the chunking, run or platform. Raises ``EngineError`` unless built with
    /// ``digest=True``.
    fn digest(&mut self) -> PyResult<String> {
        self.inner
            .output()
            .digest()
            .ok_or_else(|| engine_error("no digest was kept; build the engine with digest=True"))
    }

    /// The newest complaint about a frame: connection, time, place and what was wrong;
    /// ``None`` before the first.
    fn last_error<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        self.inner.last_error().map(|e| PyString::new(py, &e.to_string()))
    }
}
