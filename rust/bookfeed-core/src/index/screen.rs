//! Which constituents count at an effective time: the tests in their published order, in exact
//! integers.

use super::{Constituent, MILLION, Median, Params, merge};
use crate::fixed::Price;
use crate::time::Nanos;

/// Whether a constituent is in the index, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Included,
    /// Its retrieval time is too old. An exclusion as potentially erroneous outlasts that.
    Delayed {
        /// Whether it is excluded as potentially erroneous as well.
        excluded: bool,
    },
    /// Its book cannot be read or believed, lacks a side, or crosses itself.
    Erroneous {
        /// Whether it is excluded as potentially erroneous as well.
        excluded: bool,
    },
    /// Its mid is too far from the median, or was and has not come back to within half of that.
    Potential,
}

impl Standing {
    /// Names, in the order of [`Standing::code`].
    pub const NAMES: [&'static str; 4] = ["included", "delayed", "erroneous", "potentially_erroneous"];

    /// Place of its name in [`Standing::NAMES`].
    #[must_use]
    pub const fn code(self) -> usize {
        match self {
            Self::Included => 0,
            Self::Delayed { .. } => 1,
            Self::Erroneous { .. } => 2,
            Self::Potential => 3,
        }
    }

    /// Whether it is excluded until its mid has come back.
    const fn excluded(self) -> bool {
        match self {
            Self::Included => false,
            Self::Delayed { excluded } | Self::Erroneous { excluded } => excluded,
            Self::Potential => true,
        }
    }
}

/// Judges every constituent; `standings` are those of the last time, and become the new ones.
/// `mids` is room to work in.
pub(super) fn screen(
    params: &Params,
    at: Nanos,
    books: &[Constituent<'_>],
    standings: &mut Vec<Standing>,
    mids: &mut Vec<i128>,
) {
    standings.resize(books.len(), Standing::Included);
    for (book, standing) in books.iter().zip(standings.iter_mut()) {
        let excluded = standing.excluded();
        *standing = if at.saturating_sub(book.retrieved) >= params.lag_max {
            Standing::Delayed { excluded }
        } else if twice_mid(book).is_none() {
            Standing::Erroneous { excluded }
        } else if excluded {
            Standing::Potential
        } else {
            Standing::Included
        };
    }
    let Some(median) = median_of_mids(params, books, standings, mids) else { return };
    for (book, standing) in books.iter().zip(standings) {
        let strays = |limit: i128| {
            let apart = twice_mid(book).map_or(0, |mid| (2 * mid - median).abs());
            (apart * MILLION).cmp(&(limit * median))
        };
        let limit = i128::from(params.erroneous_ppm);
        match standing {
            Standing::Included if strays(limit).is_gt() => *standing = Standing::Potential,
            // Twice the deviation against the whole limit: half a limit need not be an integer.
            Standing::Potential if half_within(book, median, limit) => *standing = Standing::Included,
            _ => {}
        }
    }
}

/// Whether a mid has come back to within half of the limit.
fn half_within(book: &Constituent<'_>, median: i128, limit: i128) -> bool {
    twice_mid(book).is_some_and(|mid| 2 * (2 * mid - median).abs() * MILLION < limit * median)
}

/// Four times the median of mids: a mid is half a sum of two prices, a median perhaps half a sum
/// of two mids. `None` if nobody is left.
fn median_of_mids(
    params: &Params,
    books: &[Constituent<'_>],
    standings: &[Standing],
    mids: &mut Vec<i128>,
) -> Option<i128> {
    let mut gather = |counts: &dyn Fn(Standing) -> bool| {
        let counted = books.iter().zip(standings).filter(|&(_, &standing)| counts(standing));
        mids.clear();
        mids.extend(counted.filter_map(|(book, _)| twice_mid(book)));
        mids.sort_unstable();
        let middle = mids.len() / 2;
        match mids.len() {
            0 => None,
            n if n % 2 == 1 => Some(2 * mids[middle]),
            _ => Some(mids[middle - 1] + mids[middle]),
        }
    };
    let passed = |standing| matches!(standing, Standing::Included | Standing::Potential);
    match params.median {
        Median::All => gather(&passed),
        // Where all are excluded, they are judged among themselves: else none ever came back.
        Median::Valid => gather(&|standing| standing == Standing::Included).or_else(|| gather(&passed)),
    }
}

/// Twice the mid of a book that can be used, `None` of one that is erroneous.
///
/// Whether it crosses is asked of what the venue said, before single entries are dropped.
fn twice_mid(book: &Constituent<'_>) -> Option<i128> {
    let (bid, ask) = (book.bids.best()?, book.asks.best()?);
    if !book.believed || bid.price >= ask.price {
        return None;
    }
    let best = |levels| merge::sound(levels).next().map(|(price, _)| price);
    let (bid, ask): (Price, Price) = (best(book.bids)?, best(book.asks)?);
    Some(i128::from(bid) + i128::from(ask))
}
