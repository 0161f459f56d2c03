//! How far each venue is from the others: its mid against the median of all mids.

use super::Part;
use crate::metrics::Ratio;

/// Basis points in a whole.
const BPS: i128 = 10_000;

/// The mids of some venues and their median, exact.
#[derive(Clone, Debug)]
pub struct Basis {
    twice_mids: Vec<Option<i128>>,
    /// Four times the median.
    median: i128,
}

impl Basis {
    /// The mids of the venues that have both sides; `None` if there is none.
    #[must_use]
    pub fn of(parts: &[Part<'_>]) -> Option<Self> {
        let twice_mids: Vec<_> = parts.iter().map(Part::twice_mid).collect();
        let mut mids: Vec<_> = twice_mids.iter().copied().flatten().collect();
        mids.sort_unstable();
        let middle = mids.len() / 2;
        let median = match mids.len() {
            0 => return None,
            n if n % 2 == 1 => 2 * mids[middle],
            _ => mids[middle - 1] + mids[middle],
        };
        Some(Self { twice_mids, median })
    }

    /// The median, 1e-9.
    #[must_use]
    pub const fn median(&self) -> Option<Ratio> {
        Ratio::new(self.median, 4)
    }

    /// How far the mid of a venue is above the median, 1e-9; `None` if it has none.
    #[must_use]
    pub fn apart(&self, place: usize) -> Option<Ratio> {
        Ratio::new(self.above(place)?, 4)
    }

    /// The same in basis points of the median; `None` if that is not positive, either.
    #[must_use]
    pub fn apart_bps(&self, place: usize) -> Option<Ratio> {
        Ratio::new(self.above(place)? * BPS, self.median)
    }

    fn above(&self, place: usize) -> Option<i128> {
        Some(2 * (*self.twice_mids.get(place)?)? - self.median)
    }
}
