//! The venues: one table, one row each, and below it their decoders.
//!
//! A row says everything that differs between venues and is not in their bytes: how a missing
//! message shows, what a share pays, how a book is proved, how fees are stated. What stands here
//! is asked for by its kind; nothing else in this crate asks which venue it is.

pub mod binance;
pub mod bitstamp;
pub mod coinbase;
pub mod cryptocom;
pub mod gemini;
pub mod kalshi;
pub mod kraken;
pub mod polymarket;
pub mod user;

// Beside the books; not of the table.
pub use polymarket::relay;

use crate::decode::{Decode, Mode, ReadBroken};
use crate::fees::{self, Terms};
use crate::fixed::{PRICE_ONE, Price, QTY_ONE, Qty};
use crate::instrument::Venue;
use crate::names::named_codes;
use crate::time::Nanos;
use std::fmt;

/// The mode of a connection that is a second source: another interface of the venue, whose books are
/// held against those of the first and are nobody's by themselves.
pub const SECOND: &str = "second";

named_codes! {
    /// How one notices that a message of a venue is missing.
    Continuity {
        /// Not by numbers: its own best prices and hashes must agree with the book.
        Evidence = "evidence",
        /// Messages are numbered, one counter for each stream that carries many books.
        Stream = "stream",
        /// Each message says which of its book's changes it stands for, first and last; a whole
        /// book, asked for beside the stream or sent first in it, says up to which one it goes.
        UpdateIds = "update_ids",
        /// By a checksum of the book in every message.
        Checksum = "checksum",
        /// Not at all: times give an order, and nothing proves that it is complete.
        Timestamps = "timestamps",
        /// There is nothing to miss: each message is a whole book, and says how long it holds.
        Expiry = "expiry",
    }
}

named_codes! {
    /// What proves that a book is the venue's.
    Proof {
        /// Nothing.
        None = "none",
        /// A digest of the whole book, with members of the market besides.
        BookHash = "book_hash",
        /// A CRC-32 of the best levels as they are printed.
        Crc32 = "crc32",
    }
}

/// What is to be known of a venue.
#[derive(Debug)]
pub struct Row {
    /// Its name in configuration, records and output.
    pub name: &'static str,
    /// How one notices that a message is missing.
    pub continuity: Continuity,
    /// What one share and its opposite pay together, unless an instrument is listed as a pair of
    /// currencies; `None` where nothing is ever paid out.
    pub payout: Option<Price>,
    /// Whether it writes the ids of markets in lower case, whatever a user writes. Hashes cover them.
    pub lower_case: bool,
    /// What sizes of orders are whole multiples of: a power of ten, in units of 1e-8.
    pub qty_step: Qty,
    /// What proves a book.
    pub proof: Proof,
    /// How its fees are stated.
    pub fees: &'static Terms,
    /// Whether nothing can be traded at a time, by the venue's own calendar.
    pub pauses: Option<fn(Nanos) -> bool>,
    /// The channels whose numbered streams carry news of markets.
    pub news: &'static [&'static str],
    /// Which of these channels has the news of a symbol.
    pub news_of: fn(&str) -> &'static str,
    /// The modes in which a connection may be subscribed, the usual one first.
    pub modes: &'static [&'static str],
    /// The message types the decoder knows, in order of their counters.
    pub messages: &'static [&'static str],
    /// Reads its payloads.
    pub decode: Decode,
    /// Reads broadcasts in frames that are no JSON.
    pub read_broken: ReadBroken,
    /// Whether its REST answers now and then hold a book that says nothing, in place of the true one.
    pub ghosts: bool,
    /// Whether administrators of indices in dollars count it among their constituents.
    pub constituent: bool,
    /// Whether the first numbered message about a book on a connection holds all of it, which
    /// nothing in the message says.
    pub begins_whole: bool,
    /// Whether a numbered message says which one it follows, so that it follows no other, and comes
    /// where nothing happens as well; its books are windows of so many levels.
    pub chained: bool,
}

macro_rules! venues {
    ($($(#[$doc:meta])* $name:ident = $row:expr;)+) => {
        /// Numbers of the rows.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Number { $($name,)+ }

        static ROWS: &[Row] = &[$($row,)+];

        impl Venue {
            $($(#[$doc])* pub const $name: Self = Self(Number::$name as u8);)+

            /// Every venue, in order of number.
            pub const ALL: [Self; [$(stringify!($name),)+].len()] = [$(Self::$name,)+];
        }
    };
}

venues! {
    /// Polymarket, the CLOB market channel.
    POLYMARKET = Row {
        name: "polymarket",
        continuity: Continuity::Evidence,
        payout: Some(PRICE_ONE),
        lower_case: true,
        qty_step: QTY_ONE / 100,
        proof: Proof::BookHash,
        fees: &fees::polymarket::TERMS,
        pauses: None,
        news: &[],
        news_of: |_| "",
        modes: &[""],
        messages: &polymarket::MESSAGE_NAMES,
        decode: polymarket::decode,
        read_broken: polymarket::read_broken,
        ghosts: true,
        constituent: false,
        begins_whole: false,
        chained: false,
    };
    /// Kalshi, the WebSocket of version 2.
    KALSHI = Row {
        name: "kalshi",
        continuity: Continuity::Stream,
        payout: Some(PRICE_ONE),
        lower_case: false,
        qty_step: QTY_ONE / 100,
        proof: Proof::None,
        fees: &fees::kalshi::TERMS,
        pauses: Some(kalshi::pauses),
        news: &kalshi::NEWS_CHANNELS,
        news_of: kalshi::news_channel,
        modes: &["", kalshi::YES_PRICES],
        messages: &kalshi::MESSAGE_NAMES,
        decode: kalshi::decode,
        read_broken: kalshi::read_broken,
        ghosts: false,
        constituent: false,
        begins_whole: false,
        chained: false,
    };
    /// Binance, spot, and Binance.US.
    BINANCE = Row {
        name: "binance",
        continuity: Continuity::UpdateIds,
        payout: None,
        lower_case: false,
        qty_step: 1,
        proof: Proof::None,
        fees: &Terms::UNKNOWN,
        pauses: None,
        news: &[],
        news_of: |_| "",
        modes: &[""],
        messages: &binance::MESSAGE_NAMES,
        decode: binance::decode,
        read_broken: |_, _| None,
        ghosts: false,
        constituent: false,
        begins_whole: false,
        chained: false,
    };
    /// Kraken, spot, the WebSocket of version 2.
    KRAKEN = Row {
        name: "kraken",
        continuity: Continuity::Checksum,
        payout: None,
        lower_case: false,
        qty_step: 1,
        proof: Proof::Crc32,
        fees: &Terms::UNKNOWN,
        pauses: None,
        news: &[],
        news_of: |_| "",
        modes: &[""],
        messages: &kraken::MESSAGE_NAMES,
        decode: kraken::decode,
        read_broken: kraken::read_broken,
        ghosts: false,
        constituent: true,
        begins_whole: false,
        chained: false,
    };
    /// The user's own quotes.
    USER = Row {
        name: "user",
        continuity: Continuity::Expiry,
        payout: Some(PRICE_ONE),
        lower_case: false,
        qty_step: 1,
        proof: Proof::None,
        fees: &fees::user::TERMS,
        pauses: None,
        news: &[],
        news_of: |_| "",
        modes: &[""],
        messages: &user::MESSAGE_NAMES,
        decode: user::decode,
        read_broken: |_, _| None,
        ghosts: false,
        constituent: false,
        begins_whole: false,
        chained: false,
    };
    /// Coinbase, spot, the WebSocket of Advanced Trade.
    COINBASE = Row {
        name: "coinbase",
        continuity: Continuity::Stream,
        payout: None,
        lower_case: false,
        qty_step: 1,
        proof: Proof::None,
        fees: &Terms::UNKNOWN,
        pauses: None,
        news: &[],
        news_of: |_| "",
        modes: &["", SECOND],
        messages: &coinbase::MESSAGE_NAMES,
        decode: coinbase::decode,
        // A frame that is no JSON leaves a hole in the numbers, whomever it was about.
        read_broken: |_, _| None,
        ghosts: false,
        constituent: true,
        begins_whole: false,
        chained: false,
    };
    /// Bitstamp, spot, the WebSocket of version 2.
    BITSTAMP = Row {
        name: "bitstamp",
        continuity: Continuity::Timestamps,
        payout: None,
        lower_case: false,
        qty_step: 1,
        proof: Proof::None,
        fees: &Terms::UNKNOWN,
        pauses: None,
        news: &[],
        news_of: |_| "",
        modes: &[""],
        messages: &bitstamp::MESSAGE_NAMES,
        decode: bitstamp::decode,
        read_broken: |_, _| None,
        ghosts: false,
        constituent: true,
        begins_whole: false,
        chained: false,
    };
    /// Gemini, spot, the fast WebSocket, and market data of version 2.
    GEMINI = Row {
        name: "gemini",
        continuity: Continuity::UpdateIds,
        payout: None,
        lower_case: false,
        qty_step: 1,
        proof: Proof::None,
        fees: &Terms::UNKNOWN,
        pauses: None,
        news: &[],
        news_of: |_| "",
        modes: &["", SECOND],
        messages: &gemini::MESSAGE_NAMES,
        decode: gemini::decode,
        read_broken: |_, _| None,
        ghosts: false,
        constituent: true,
        begins_whole: true,
        chained: false,
    };
    /// Crypto.com, spot, the WebSocket of the Exchange, version 1.
    CRYPTOCOM = Row {
        name: "cryptocom",
        continuity: Continuity::UpdateIds,
        payout: None,
        lower_case: false,
        qty_step: 1,
        proof: Proof::None,
        fees: &Terms::UNKNOWN,
        pauses: None,
        news: &[],
        news_of: |_| "",
        modes: &[""],
        messages: &cryptocom::MESSAGE_NAMES,
        decode: cryptocom::decode,
        read_broken: |_, _| None,
        ghosts: false,
        constituent: true,
        begins_whole: false,
        chained: true,
    };
}

impl Venue {
    /// Its row of the table.
    #[inline]
    #[must_use]
    pub fn row(self) -> &'static Row {
        // Numbers come from the table alone.
        &ROWS[usize::from(self.0)]
    }

    /// Whether what bears a number that came before is discarded, as its page has it, as long as it
    /// may be a copy; elsewhere such a number ends the belief in its stream.
    #[must_use]
    pub fn discards_again(self) -> bool {
        self == Self::COINBASE
    }

    /// Whether two connections may carry the same books: copies of its messages are known as such,
    /// and none of them is more on one connection than on another.
    #[must_use]
    pub fn bears_lines(self) -> bool {
        let row = self.row();
        let alike = matches!(row.continuity, Continuity::Timestamps | Continuity::Expiry);
        !alike && !row.begins_whole && !row.chained
    }

    /// Whether a connection that is subscribed in this mode is a second source.
    #[inline]
    #[must_use]
    pub fn is_second(self, mode: Mode) -> bool {
        mode != Mode::default() && self.row().modes.get(usize::from(mode.0)) == Some(&SECOND)
    }

    /// Whether it may have second sources.
    #[must_use]
    pub fn has_second(self) -> bool {
        self.row().modes.contains(&SECOND)
    }

    /// Its number, an index into whatever is kept for each venue.
    #[inline]
    #[must_use]
    pub fn number(self) -> usize {
        usize::from(self.0)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The venue called `name`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.name() == name)
    }

    /// The mode called `name`.
    #[must_use]
    pub fn mode(self, name: &str) -> Option<Mode> {
        let at = self.row().modes.iter().position(|mode| *mode == name)?;
        u8::try_from(at).ok().map(Mode)
    }
}

impl fmt::Debug for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
