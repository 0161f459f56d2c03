//! `BookView.trusted`: the book, or the counted reason why it is not to be relied on.

use super::BookView;
use crate::durations::duration;
use crate::errors::engine_error;
use bookfeed_core::book::Book;
use bookfeed_core::book::integrity::{Cause, State};
use bookfeed_core::book::proof::vouched_by_venue;
use bookfeed_core::fixed::ABSENT;
use bookfeed_core::instrument::Venue;
use bookfeed_core::time::Nanos;
use bookfeed_core::venue::{Continuity, Proof as VenueProof};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What vouches for a book as it stands.
#[derive(Clone, Copy)]
enum Proof {
    Hash,
    Checksum,
    Sequence,
    Touch,
    Rest,
    Venue,
}

const PROOFS: [(&str, Proof); 6] = [
    ("hash", Proof::Hash),
    ("sequence", Proof::Sequence),
    ("checksum", Proof::Checksum),
    ("touch", Proof::Touch),
    ("rest", Proof::Rest),
    ("venue", Proof::Venue),
];

/// The names above as Python keeps them: what is written in a program is mostly the same
/// object.
static INTERNED: PyOnceLock<[Py<PyString>; PROOFS.len()]> = PyOnceLock::new();

impl Proof {
    #[inline]
    fn named(name: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = name.py();
        let interned =
            INTERNED.get_or_init(py, || PROOFS.map(|(name, _)| PyString::intern(py, name).unbind()));
        match interned.iter().position(|one| one.as_ptr() == name.as_ptr()) {
            Some(at) => Ok(PROOFS[at].1),
            None => Self::spelled(name),
        }
    }

    #[cold]
    fn spelled(name: &Bound<'_, PyAny>) -> PyResult<Self> {
        let text = name.cast::<PyString>()?.to_str()?;
        let found = PROOFS.iter().find(|(known, _)| *known == text);
        found.map(|(_, proof)| *proof).ok_or_else(|| {
            let names: Vec<_> = PROOFS.iter().map(|(name, _)| *name).collect();
            engine_error(format!("proof must be one of {}, not {text:?}", names.join(", ")))
        })
    }

    /// Whether it vouches for `book`, which is live.
    #[inline]
    fn holds(self, book: &Book, venue: Venue) -> bool {
        let row = venue.row();
        match self {
            Self::Hash => row.proof == VenueProof::BookHash && book.verified(),
            Self::Checksum => row.proof == VenueProof::Crc32 && book.verified(),
            // A missing number takes a book out of `live` before anybody can read it.
            Self::Sequence => match row.continuity {
                Continuity::Stream => true,
                // A venue may have an interface that numbers nothing beside one that does.
                Continuity::UpdateIds => book.rare.stitch.book_id().is_some(),
                _ => false,
            },
            Self::Touch => book.touch_version == book.version,
            Self::Rest => book.rest_version == book.version,
            Self::Venue => vouched_by_venue(book, venue),
        }
    }
}

/// Why a book is not to be relied on.
#[derive(Clone, Copy)]
enum Reason {
    State(State, Cause),
    NoEvidence,
    TooOld,
    Unproven,
}

const CAUSES: usize = Cause::NAMES.len();
const REASONS: usize = State::NAMES.len() * CAUSES + 3;

impl Reason {
    const fn number(self) -> usize {
        match self {
            Self::State(state, cause) => state as usize * CAUSES + cause as usize,
            Self::NoEvidence => REASONS - 3,
            Self::TooOld => REASONS - 2,
            Self::Unproven => REASONS - 1,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let states = State::ALL
            .iter()
            .flat_map(|&state| Cause::ALL.iter().map(move |&cause| Self::State(state, cause)));
        states.chain([Self::NoEvidence, Self::TooOld, Self::Unproven])
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(state, cause) => write!(f, "{}:{}", state.name(), cause.name()),
            Self::NoEvidence => f.write_str("no_evidence"),
            Self::TooOld => f.write_str("too_old"),
            Self::Unproven => f.write_str("unproven"),
        }
    }
}

/// How often each reason was given.
pub struct Refused([AtomicU64; REASONS]);

impl Default for Refused {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; REASONS])
    }
}

impl Refused {
    fn count(&self, reason: Reason) {
        self.0[reason.number()].fetch_add(1, Ordering::Relaxed);
    }

    /// All of them together.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }

    /// Those that were given, by name.
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        let counts = Reason::all().map(|r| (r, self.0[r.number()].load(Ordering::Relaxed)));
        counts.filter(|(_, n)| *n > 0).map(|(reason, n)| (reason.to_string(), n)).collect()
    }
}

/// What a reader demands of a book.
struct Demand {
    age_max: Option<Nanos>,
    proof: Option<Proof>,
}

impl Demand {
    /// Why `book` does not meet it, if it does not. `ts_evidence` is when it was last vouched
    /// for.
    #[inline]
    fn refusal(
        &self,
        book: &Book,
        venue: impl FnOnce() -> Option<Venue>,
        ts_evidence: impl FnOnce() -> Nanos,
        now: Nanos,
    ) -> Option<Reason> {
        if !book.believable() {
            return Some(Reason::State(book.shown_state(), book.shown_cause()));
        }
        if let Some(age_max) = self.age_max {
            let ts_evidence = ts_evidence();
            if ts_evidence == ABSENT {
                return Some(Reason::NoEvidence);
            }
            if now.saturating_sub(ts_evidence) > age_max {
                return Some(Reason::TooOld);
            }
        }
        match self.proof {
            Some(proof) if !venue().is_some_and(|venue| proof.holds(book, venue)) => {
                Some(Reason::Unproven)
            }
            _ => None,
        }
    }
}

#[pymethods]
impl BookView {
    /// The book itself if it may be relied on, else an ``Untrusted``, which is falsy and says
    /// why::
    ///
    ///     if book := feed.book(symbol).trusted(max_age_s=2.0, proof="hash"):
    ///         price = book.ask
    ///
    /// It must be live. ``max_age_s`` (seconds or a ``timedelta``) bounds the age of its
    /// newest evidence, ``ts_evidence``, against the newest time the engine was told.
    /// ``proof`` names what must vouch for the book exactly as it stands, with no change
    /// since:
    ///
    /// * ``"hash"``: the venue's hash of the whole book. Polymarket only. With the engine's
    ///   ``hash_check="sampled"`` a change is unproven until its check, with ``"always"`` only
    ///   if its message had no hash.
    /// * ``"checksum"``: the venue's checksum of the best levels. Kraken only, with every
    ///   message.
    /// * ``"sequence"``: the venue numbers its messages, and none is missing. Kalshi and
    ///   Binance only: there every live book meets it.
    /// * ``"touch"``: the venue's own best bid and best ask, both stated and equal to the
    ///   book's. Polymarket with every change; Kalshi and Binance when their ticker speaks of
    ///   the book as it stands.
    /// * ``"rest"``: a whole book fetched by REST beside the stream was the same.
    /// * ``"venue"``: whichever of the first three its venue gives. Prices of
    ///   ``Feed.push_quote`` stand by themselves until they expire.
    ///
    /// A proof that the venue never gives is never met. Each refusal is counted
    /// (``Engine.untrusted()``, and ``untrusted_reads`` among the counters). Raises ``EngineError``
    /// for another proof, and for a ``max_age_s`` that is no duration.
    #[pyo3(signature = (max_age_s = None, proof = None))]
    fn trusted<'py>(
        slf: &Bound<'py, Self>,
        max_age_s: Option<&Bound<'py, PyAny>>,
        proof: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let demand = Demand {
            age_max: max_age_s.map(|s| duration("max_age_s", s)).transpose()?,
            proof: proof.map(Proof::named).transpose()?,
        };
        let engine = this.engine.bind(py).try_borrow()?;
        let refusal = if let Some(frozen) = this.frozen.as_deref() {
            demand.refusal(&frozen.book, || Some(frozen.about.venue), || frozen.ts_evidence, frozen.now)
        } else {
            let inner = &engine.inner;
            let book = this.held(inner).ok_or_else(|| this.no_instrument())?;
            let venue = || inner.instruments().at(this.id).map(|about| about.venue);
            demand.refusal(book, venue, || inner.ts_evidence(this.id), engine.now())
        };
        let Some(reason) = refusal else { return Ok(slf.clone().into_any()) };
        engine.refused.count(reason);
        Ok(Bound::new(py, Untrusted { book: slf.clone().unbind(), reason })?.into_any())
    }
}

/// The answer of ``BookView.trusted`` where the book is not to be relied on. It is falsy.
#[pyclass(frozen, module = "bookfeed._bookfeed")]
pub struct Untrusted {
    book: Py<BookView>,
    reason: Reason,
}

#[pymethods]
impl Untrusted {
    /// Why: state and cause of a book that is not live, such as ``"stale:gap"``; else
    /// ``"no_evidence"`` (nothing has vouched for it), ``"too_old"`` (its newest evidence is
    /// older than was asked for) or ``"unproven"`` (the proof asked for does not cover it as
    /// it stands).
    #[getter]
    fn reason(&self) -> String {
        self.reason.to_string()
    }

    /// The book that was asked about, whose levels and state can still be looked at.
    #[getter]
    fn book(&self, py: Python<'_>) -> Py<BookView> {
        self.book.clone_ref(py)
    }

    fn __bool__(&self) -> bool {
        false
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<Untrusted {}: {}>", self.reason, self.book.get().line(py)?))
    }
}
