//! Who moves first: each venue's moves against those of the others, some steps later or earlier.
//!
//! Mids are looked at on a grid of time, and a move is the difference of two neighbours. A venue
//! leads by the steps at which its moves and the later moves of the others go together most: where
//! the sum of their products is greatest. All of that is integers, so a replay says the same.

use crate::time::{MILLISECOND, Nanos};
use std::collections::VecDeque;

/// Millionths in a whole.
const PPM: i128 = 1_000_000;
/// Moves are cut off here, so that no sum of products leaves its 128 bits: 2^40 of 5e-10 are 549
/// whole units of money in one step.
const MOVE_MAX: i128 = 1 << 40;

/// Over what time moves are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadParams {
    /// Time between two looks.
    pub step: Nanos,
    /// How many looks are remembered.
    pub looks: usize,
    /// How many steps a venue may be ahead, or behind.
    pub reach: usize,
    /// Fewest moves of a venue, and of the others, from which anything is said.
    pub moves_min: usize,
}

impl LeadParams {
    /// Ten looks a second, a minute of them, up to two seconds apart.
    pub const USUAL: Self = Self { step: 100 * MILLISECOND, looks: 600, reach: 20, moves_min: 20 };
}

/// How far a venue is ahead of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    /// Nanoseconds by which it is ahead; negative where it is behind.
    pub lead: Nanos,
    /// How well its moves and theirs go together then, in millionths: their correlation without
    /// regard to means.
    pub correlation_ppm: i128,
    /// How many moves of its own that rests on.
    pub moves: usize,
}

/// The mids of some venues over the last while.
#[derive(Clone, Debug)]
pub struct LeadLag {
    params: LeadParams,
    /// Twice the mid at each look, for each venue; the newest last.
    mids: Vec<VecDeque<Option<i128>>>,
    /// Number of the newest look.
    newest: Option<i64>,
}

impl LeadLag {
    /// So many venues, of which nothing is known yet.
    #[must_use]
    pub fn new(venues: usize, params: LeadParams) -> Self {
        let step = params.step.max(1);
        let mids = vec![VecDeque::with_capacity(params.looks); venues];
        Self { params: LeadParams { step, ..params }, mids, newest: None }
    }

    /// Takes twice the mid of each venue at `at`, `None` of one that has none that may be believed.
    /// What comes first in each step counts; a step without any is one of which nothing is known.
    pub fn look(&mut self, at: Nanos, twice_mids: &[Option<i128>]) {
        let now = at.div_euclid(self.params.step);
        if self.newest.is_some_and(|newest| now <= newest) {
            return;
        }
        let missed = self.newest.map_or(0, |newest| now.saturating_sub(newest) - 1);
        let missed = usize::try_from(missed).unwrap_or(usize::MAX).min(self.params.looks);
        for (place, mids) in self.mids.iter_mut().enumerate() {
            mids.extend((0..missed).map(|_| None));
            mids.push_back(twice_mids.get(place).copied().flatten());
            mids.drain(..mids.len().saturating_sub(self.params.looks));
        }
        self.newest = Some(now);
    }

    /// How far a venue is ahead of the others together; `None` while too little moved, and where
    /// nothing goes together.
    #[must_use]
    pub fn lead(&self, place: usize) -> Option<Lead> {
        let own = moves(self.mids.get(place)?);
        let others = self.moves_of_others(place, own.len());
        let moved = |all: &[Option<i128>]| all.iter().flatten().filter(|&&by| by != 0).count();
        let count = moved(&own);
        if count < self.params.moves_min || moved(&others) < self.params.moves_min {
            return None;
        }
        let reach = i64::try_from(self.params.reach).unwrap_or(0);
        // From no lead outwards: of equals, the nearer one.
        let steps = std::iter::once(0).chain((1..=reach).flat_map(|by| [by, -by]));
        let mut best: Option<(i64, i128, i128)> = None;
        for by in steps {
            let (sum, ppm) = together(&own, &others, by);
            if sum > best.map_or(0, |(_, sum, _)| sum) {
                best = Some((by, sum, ppm));
            }
        }
        let (by, _, correlation_ppm) = best?;
        Some(Lead { lead: by.saturating_mul(self.params.step), correlation_ppm, moves: count })
    }

    fn moves_of_others(&self, place: usize, count: usize) -> Vec<Option<i128>> {
        let mut sums = vec![None; count];
        for (_, mids) in self.mids.iter().enumerate().filter(|&(other, _)| other != place) {
            for (sum, by) in sums.iter_mut().zip(moves(mids)) {
                if let Some(by) = by {
                    *sum = Some(sum.unwrap_or(0) + by);
                }
            }
        }
        sums.into_iter().map(|sum: Option<i128>| Some(sum?.clamp(-MOVE_MAX, MOVE_MAX))).collect()
    }
}

/// Differences of neighbours, where both are known.
fn moves(mids: &VecDeque<Option<i128>>) -> Vec<Option<i128>> {
    let pairs = mids.iter().zip(mids.iter().skip(1));
    pairs.map(|(from, to)| Some((*to)?.saturating_sub((*from)?).clamp(-MOVE_MAX, MOVE_MAX))).collect()
}

/// Sum of the products of own moves and those of others `by` steps later, and their correlation in
/// millionths.
fn together(own: &[Option<i128>], others: &[Option<i128>], by: i64) -> (i128, i128) {
    let skip = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
    let (own, others) = match by {
        0.. => (own, others.get(skip..).unwrap_or(&[])),
        _ => (own.get(skip..).unwrap_or(&[]), others),
    };
    let (mut sum, mut squares) = (0_i128, (0_i128, 0_i128));
    for (own, other) in own.iter().zip(others) {
        if let (Some(own), Some(other)) = (own, other) {
            sum += own * other;
            squares = (squares.0 + own * own, squares.1 + other * other);
        }
    }
    let both = squares.0.isqrt().saturating_mul(squares.1.isqrt());
    (sum, sum.saturating_mul(PPM).checked_div(both).unwrap_or(0))
}
