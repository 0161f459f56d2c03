//! What changes an engine: control calls, frames, and time. Each is one journal record.

use super::{Engine, venue_by_name};
use crate::errors::engine_error;
use bookfeed_core::book::integrity::Cause;
use bookfeed_core::book::proof::book_hash::hex_hash;
use bookfeed_core::book::relayed::RelayedTouch;
use bookfeed_core::engine::{self as core, Listing};
use bookfeed_core::event::Claim;
use bookfeed_core::fixed::ABSENT;
use bookfeed_core::instrument::{Hours, UNKNOWN};
use bookfeed_core::settlement::{Made, Tick};
use bookfeed_core::signals::Params;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The arguments of `subscribe` as they were given: of a market the second one is the
/// connection.
struct Given<'a, 'py> {
    symbol: Option<&'a Bound<'py, PyAny>>,
    conn: Option<&'a Bound<'py, PyAny>>,
    ts: Option<&'a Bound<'py, PyAny>>,
}

impl<'py> Given<'_, 'py> {
    /// Connection and time of a subscription of a whole market.
    fn of_market(&self) -> PyResult<(u32, i64)> {
        let (conn, ts) = match (self.symbol, self.conn, self.ts) {
            (Some(conn), Some(ts), None)
            | (Some(conn), None, Some(ts))
            | (None, Some(conn), Some(ts)) => (conn, ts),
            _ => return Err(PyTypeError::new_err("subscribe(market, conn, ts) takes these three")),
        };
        Ok((conn.extract()?, ts.extract()?))
    }

    fn of_symbol(&self) -> PyResult<(Bound<'py, PyString>, u32, i64)> {
        match (self.symbol, self.conn, self.ts) {
            (Some(symbol), Some(conn), Some(ts)) => {
                Ok((symbol.cast::<PyString>()?.clone(), conn.extract()?, ts.extract()?))
            }
            _ => Err(PyTypeError::new_err("subscribe(venue, symbol, conn, ts) takes these four")),
        }
    }
}

/// Parameters of any mapping, each value as text.
#[allow(clippy::disallowed_methods, reason = "any mapping will do")]
fn texts(params: &Bound<'_, PyAny>) -> PyResult<Params> {
    let mut texts = Params::new();
    for item in params.call_method0("items")?.try_iter()? {
        let (key, value): (String, Bound<'_, PyAny>) = item?.extract()?;
        texts.insert(key, value.str()?.to_string());
    }
    Ok(texts)
}

#[pymethods]
impl Engine {
    /// Adds books, each waiting for its first whole book from the venue.
    ///
    /// ``subscribe(market, conn, ts)`` adds one for every outcome of a ``Market`` and returns
    /// their instrument numbers by symbol. ``subscribe(venue, symbol, conn, ts, …)`` adds a
    /// single one and returns its number; what is known of it is given by keyword: ids of its
    /// ``market`` and ``event``, the ``outcome`` in words, ``tick_size`` and
    /// ``min_order_size`` as decimal text, ``open_ts`` and ``close_ts`` in Unix nanoseconds,
    /// ``fee`` as ``"<venue>:<terms>"``, ``hints`` for hashes (``"neg_risk=true"``),
    /// currencies ``base`` and ``quote``, and ``depth``, the levels a side that are
    /// subscribed. A symbol that is known moves to ``conn``.
    ///
    /// Raises ``EngineError`` for an unknown venue, a number that is none, or a connection of
    /// another venue; ``TypeError`` for arguments that are missing.
    #[pyo3(
        signature = (venue, symbol = None, conn = None, ts = None, *, market = None,
            outcome = None, tick_size = None, min_order_size = None, event = None, open_ts = None,
            close_ts = None, fee = None, hints = None, base = None, quote = None, depth = None),
        // There are two, which are told in words.
        text_signature = None
    )]
    #[allow(clippy::too_many_arguments)] // keyword arguments of the Python signature
    fn subscribe<'py>(
        &mut self,
        py: Python<'py>,
        venue: &Bound<'py, PyAny>,
        symbol: Option<&Bound<'py, PyAny>>,
        conn: Option<&Bound<'py, PyAny>>,
        ts: Option<&Bound<'py, PyAny>>,
        market: Option<&str>,
        outcome: Option<&str>,
        tick_size: Option<&str>,
        min_order_size: Option<&str>,
        event: Option<&str>,
        open_ts: Option<i64>,
        close_ts: Option<i64>,
        fee: Option<&str>,
        hints: Option<&str>,
        base: Option<&str>,
        quote: Option<&str>,
        depth: Option<u32>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let given = Given { symbol, conn, ts };
        let hours = Hours { open: open_ts, close: close_ts };
        let listing = Listing {
            market,
            outcome,
            tick_size,
            min_order_size,
            event,
            hours,
            fee,
            hints,
            base,
            quote,
            depth,
        };
        let Ok(name) = venue.cast::<PyString>() else {
            if listing != Listing::default() {
                return Err(PyTypeError::new_err("a Market says all of itself: no keywords beside it"));
            }
            let (conn, ts) = given.of_market()?;
            return Ok(self.subscribe_market(venue, conn, ts)?.into_any());
        };
        let (symbol, conn, ts) = given.of_symbol()?;
        let (venue, symbol) = (venue_by_name(name.to_str()?)?, symbol.to_str()?);
        let id = self
            .guarded(ts, |e| e.subscribe(venue, symbol, conn, &listing, ts))?
            .map_err(engine_error)?;
        Ok(self.number_of(id).into_pyobject(py)?.into_any())
    }

    /// Gives up a book: it is ``stale(unsubscribed)`` from now on. Raises ``EngineError`` if
    /// there is no such instrument.
    fn unsubscribe(&mut self, instrument: u32, ts: i64) -> PyResult<()> {
        let id = self.id_of(instrument)?;
        self.guarded(ts, |e| e.unsubscribe(id, ts))?.map_err(engine_error)
    }

    /// Lets go of a book that was given up, with all its memory: its number means nothing any
    /// more, and its symbol, subscribed anew, is another instrument.
    ///
    /// Raises ``EngineError`` if there is no such instrument, or it was not given up.
    fn forget(&mut self, instrument: u32, ts: i64) -> PyResult<()> {
        let id = self.id_of(instrument)?;
        self.guarded(ts, |e| e.forget(id))?.map_err(engine_error)
    }

    /// A connection to ``venue`` is open; ``mode`` is how the venue was asked to speak, if it
    /// speaks in more ways than one.
    ///
    /// Its books wait for whole books. Raises ``EngineError`` for an unknown venue or mode,
    /// and for a connection whose books are another venue's.
    #[pyo3(signature = (conn, venue, ts, *, mode = ""))]
    fn connected(&mut self, conn: u32, venue: &str, ts: i64, mode: &str) -> PyResult<()> {
        let venue = venue_by_name(venue)?;
        self.guarded(ts, |e| e.connected(conn, venue, mode, ts))?.map_err(engine_error)
    }

    /// Makes ``conn`` a second line of ``beside``: a connection that is subscribed to the same
    /// books. What comes first counts, on either; the books rest on one of the two, and on the
    /// other one once that loses something (``docs/lines.md``).
    ///
    /// Raises ``EngineError`` if there is no connection ``beside``, if either is one of two
    /// lines, if ``conn`` has books, or where the venue's messages cannot be told apart.
    fn add_line(&mut self, conn: u32, beside: u32, ts: i64) -> PyResult<()> {
        self.guarded(ts, |e| e.add_line(conn, beside, ts))?.map_err(engine_error)
    }

    /// Ends a line, before its connection is closed: the other one carries all books that it is
    /// in step with, the others are ``stale(line)``. Does nothing for a connection that is none
    /// of two.
    fn end_line(&mut self, conn: u32, ts: i64) -> PyResult<()> {
        self.guarded(ts, |e| e.end_line(conn, ts))
    }

    /// A connection is lost: every book of it is ``stale(disconnected)``, and frames of it
    /// that still come are counted as ``late_frames`` and left out.
    fn disconnected(&mut self, conn: u32, ts: i64) -> PyResult<()> {
        self.guarded(ts, |e| e.disconnected(conn, ts))
    }

    /// Something was lost on a connection: every book of it is stale for ``cause``, one of
    /// ``CAUSES``. Raises ``EngineError`` for another.
    fn invalidate(&mut self, conn: u32, cause: &str, ts: i64) -> PyResult<()> {
        let cause = Cause::by_name(cause).ok_or_else(|| {
            engine_error(format!("no cause {cause:?}; there are {}", Cause::NAMES.join(", ")))
        })?;
        self.guarded(ts, |e| e.invalidate(conn, cause, ts))
    }

    /// A whole book of ``instrument`` is being fetched: what the stream says meanwhile is kept
    /// for it. A book that is live stays so, unless somebody ``asked`` for it because he
    /// doubts it: then it is not live until the whole book is there.
    ///
    /// Raises ``EngineError`` if there is no such instrument.
    #[pyo3(signature = (instrument, ts, *, asked = false))]
    fn resync_begin(&mut self, instrument: u32, ts: i64, asked: bool) -> PyResult<()> {
        let id = self.id_of(instrument)?;
        let begin = if asked { core::Engine::resync_asked } else { core::Engine::resync_begin };
        self.guarded(ts, |e| begin(e, id, ts))?.map_err(engine_error)
    }

    /// Adds a signal rule, which watches all instruments, those to come as well, and returns
    /// its number.
    ///
    /// ``kind`` is one of ``RULES``, ``params`` are the rule's own
    /// (``docs/configuration.md``); numbers are best given as decimal text. Raises
    /// ``EngineError`` for an unknown rule or parameter, and for a value that is not allowed.
    fn add_rule(&mut self, kind: &str, params: &Bound<'_, PyAny>) -> PyResult<u32> {
        let texts = texts(params)?;
        self.guarded(0, |e| e.add_rule(kind, &texts))?.map_err(engine_error)
    }

    /// Estimates an index of spot books from here on, at every effective time after ``ts`` (Unix
    /// nanoseconds), and returns its number. Each value is a record (``Batch.indices``).
    ///
    /// An effective time is a whole multiple of ``tick_ms``. Its value rests on what was received
    /// before it, and is computed when the first input of that time or a later one comes.
    /// ``params`` are ``asset``, ``constituents`` and the switches of ``SpotIndex``
    /// (``docs/metrics.md``). Raises ``EngineError`` for an unknown parameter, for a value that is
    /// not allowed, and for a ``name`` that there is already.
    fn add_index(&mut self, name: &str, params: &Bound<'_, PyAny>, ts: i64) -> PyResult<u32> {
        let texts = texts(params)?;
        self.guarded(ts, |e| e.add_index(name, &texts, ts))?.map_err(engine_error)
    }

    /// Says what an instrument's contract settles on, and how; its fair value is renewed at
    /// every tick of that reference (``fair_value``). What was said before is forgotten.
    ///
    /// ``params`` are ``reference``, ``end_ts`` and the others of ``docs/metrics.md``. Ticks of the
    /// last 20 minutes are looked at, if another contract rested on the reference by then. Raises
    /// ``EngineError`` if there is no such instrument, for an unknown parameter, and for a value
    /// that is not allowed.
    fn add_terms(&mut self, instrument: u32, params: &Bound<'_, PyAny>, ts: i64) -> PyResult<()> {
        let (id, texts) = (self.id_of(instrument)?, texts(params)?);
        self.guarded(ts, |e| e.add_terms(id, &texts, ts))?.map_err(engine_error)
    }

    /// Says the strike of a contract, in 1e-18, as its venue states it: it overrules what was
    /// read at the start. Raises ``EngineError`` if there is no such instrument, it has no
    /// terms, or the strike makes no sense.
    fn tell_strike(&mut self, instrument: u32, strike_e18: i128, ts: i64) -> PyResult<()> {
        let id = self.id_of(instrument)?;
        self.guarded(ts, |e| e.tell_strike(id, strike_e18, ts))?.map_err(engine_error)
    }

    /// Tells a value of the reference ``"told NAME"``, in 1e-18, and the time it is of (Unix
    /// nanoseconds); ``of`` has a bit for each constituent that it was estimated from. Returns the
    /// number of records that wait.
    #[pyo3(signature = (name, ts_event, value_e18, ts, *, of = 0))]
    fn tell_reference(
        &mut self,
        name: &str,
        ts_event: i64,
        value_e18: i128,
        ts: i64,
        of: u32,
    ) -> PyResult<usize> {
        let (tick, made) = (Tick { at: ts_event, value: value_e18 }, Made { of, age: 0 });
        self.guarded(ts, |e| e.tell_reference_of(name, tick, made, ts))
    }

    /// Tells the touch of a book as a relay of its venue tells it: best prices in 1e-9, the
    /// hash as printed, the time it is of and when it was sent (Unix nanoseconds); ``None`` for
    /// what is not told. Without a price what was told before is void. Returns the number of
    /// records that wait; raises ``EngineError`` if there is no such instrument.
    #[pyo3(signature = (instrument, bid_e9, ask_e9, ts, *, hash = None, ts_event = None,
        ts_sent = None))]
    #[allow(clippy::too_many_arguments)] // keyword arguments of the Python signature
    fn tell_touch(
        &mut self,
        instrument: u32,
        bid_e9: Option<i64>,
        ask_e9: Option<i64>,
        ts: i64,
        hash: Option<&str>,
        ts_event: Option<i64>,
        ts_sent: Option<i64>,
    ) -> PyResult<usize> {
        let id = self.id_of(instrument)?;
        let claim = |price: Option<i64>| match price {
            Some(price) if price >= 0 => Claim::price(price),
            _ => Claim::SILENT,
        };
        let touch = RelayedTouch {
            bid: claim(bid_e9),
            ask: claim(ask_e9),
            hash: hash.and_then(|text| hex_hash(text.as_bytes())),
            ts_event: ts_event.unwrap_or(ABSENT),
            ts_sent: ts_sent.unwrap_or(ABSENT),
        };
        self.guarded(ts, |e| e.tell_touch(id, &touch, ts))?.map_err(engine_error)
    }

    /// Removes a signal rule; what is open of it is closed (``removed``). Its number is not
    /// given again. Raises ``EngineError`` if there is no such rule.
    fn remove_rule(&mut self, rule: u32, ts: i64) -> PyResult<()> {
        self.guarded(ts, |e| e.remove_rule(rule, ts))?.map_err(engine_error)
    }

    /// Says what of the user's own rests in a book from now on: price in 1e-9 and size in 1e-8
    /// of each level, in place of what was said before.
    ///
    /// Rules walk the book without it. What is open is asked about at once, and closes where it
    /// is not there any more (``refused``); what does not open for this is counted (``own``).
    /// Raises ``EngineError`` if there is no such instrument, and for levels that are none.
    fn own_resting(
        &mut self,
        instrument: u32,
        bids: Vec<(i64, i64)>,
        asks: Vec<(i64, i64)>,
        ts: i64,
    ) -> PyResult<()> {
        let id = self.id_of(instrument)?;
        self.guarded(ts, |e| e.own_resting(id, &bids, &asks, ts))?.map_err(engine_error)
    }

    /// Takes one frame of a connection, received at ``ts_recv`` (Unix nanoseconds), and
    /// returns the number of records that wait to be drained.
    ///
    /// The payload is read during the call only. A bad frame is never an error: it is counted,
    /// and the books it may concern leave ``live``. Raises ``EngineError`` if the engine
    /// itself failed.
    fn ingest(&mut self, conn: u32, payload: &Bound<'_, PyAny>, ts_recv: i64) -> PyResult<usize> {
        self.with_payload(payload, ts_recv, |engine, bytes| engine.ingest(conn, bytes, ts_recv))
    }

    /// Takes the answer to a request for whole books, received at ``ts_recv``, and returns the
    /// number of records that wait.
    ///
    /// ``instrument`` says which book it is, and ``stands_at`` at which of the venue's updates
    /// it stands, where the body does not say so itself. A bad answer is counted, never an
    /// error.
    #[pyo3(signature = (conn, payload, ts_recv, *, instrument = None, stands_at = None))]
    fn ingest_rest(
        &mut self,
        conn: u32,
        payload: &Bound<'_, PyAny>,
        ts_recv: i64,
        instrument: Option<u32>,
        stands_at: Option<u64>,
    ) -> PyResult<usize> {
        let about = instrument.map_or(Ok(UNKNOWN), |number| self.id_of(number))?;
        self.with_payload(payload, ts_recv, |engine, bytes| {
            engine.ingest_rest(conn, bytes, about, stands_at, ts_recv)
        })
    }

    /// Takes the answer to a poll, received at ``ts_recv``: whole books that nothing streams,
    /// which are ``live_poll`` from then on. Returns the number of records that wait.
    ///
    /// ``asked`` is when it was asked for (Unix nanoseconds), earlier if a cache answered: that
    /// is how old the books are. ``instrument`` says which book it is where the body does not.
    /// Books of a connection that is open, and answers that are older than what is known, are
    /// left alone and counted. A bad answer is counted, never an error.
    #[pyo3(signature = (conn, payload, ts_recv, *, asked, instrument = None))]
    fn ingest_poll(
        &mut self,
        conn: u32,
        payload: &Bound<'_, PyAny>,
        ts_recv: i64,
        asked: i64,
        instrument: Option<u32>,
    ) -> PyResult<usize> {
        let about = instrument.map_or(Ok(UNKNOWN), |number| self.id_of(number))?;
        self.with_payload(payload, ts_recv, |engine, bytes| {
            engine.ingest_poll(conn, bytes, about, asked, ts_recv)
        })
    }

    /// Whether each change of a level is a record from here on (``Batch.levels``).
    ///
    /// Then whoever applies ``new_qty_e8`` to his copy has ``BookView.levels_exact`` after
    /// every call, whatever the book's state. His copy begins with the levels as they are now.
    /// It is a way of looking: no other record and no digest depends on it, and recordings do
    /// not know of it.
    fn watch_levels(&mut self, on: bool) {
        self.inner.watch_levels(on);
    }

    /// Lets time pass until ``ts`` (Unix nanoseconds) without data: graces end, silence is
    /// noticed, checks and holds that are due are done. Returns the number of records that
    /// wait.
    fn advance(&mut self, ts: i64) -> PyResult<usize> {
        self.guarded(ts, |e| e.advance(ts))
    }
}
