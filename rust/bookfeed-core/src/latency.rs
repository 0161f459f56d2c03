//! Histogram of durations in nanoseconds: fixed memory, a few nanoseconds a value, quantiles
//! with a known relative error.
//!
//! Buckets are log-linear. Values below 64 have a bucket each; above, every power of two is
//! cut into 64 buckets of equal width, so a bucket is never wider than 1/64 of its values and
//! 3,712 of them (29 KiB) cover every duration an `i64` can hold.
//!
//! Receiver clocks run behind venues' by up to seconds, so a latency below zero is a fact
//! about clocks, not about speed. Such values are counted in [`Histogram::negative`] and
//! enter no other statistic.

#![allow(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    reason = "floats for presentation: nothing reads them back"
)]

use crate::metrics::Ratio;

/// Bits of a value that tell buckets apart, below its leading bit.
const SUB_BITS: u32 = 6;
/// Buckets per power of two.
const SUB_BUCKETS: usize = 1 << SUB_BITS;
/// One group of exact values, then one group for each leading bit from `SUB_BITS` to 62.
const BUCKETS: usize = SUB_BUCKETS * (63 - SUB_BITS as usize + 1);
/// Percentiles are read in millionths of a percent, so that 99.9 is exactly 99.9.
const PERCENT: u64 = 1_000_000;

/// Counts of durations in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64]>,
    count: u64,
    negative: u64,
    sum: i128,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// The bucket that holds `value`.
#[inline]
const fn bucket(value: u64) -> usize {
    #[allow(clippy::cast_possible_truncation)] // below BUCKETS for every value below 2^63
    if value < SUB_BUCKETS as u64 {
        value as usize
    } else {
        // With the top seven bits kept, the leading one adds a group's worth of buckets.
        let drop = 63 - SUB_BITS - value.leading_zeros();
        drop as usize * SUB_BUCKETS + (value >> drop) as usize
    }
}

/// The largest value that `bucket` holds.
const fn highest(bucket: usize) -> u64 {
    if bucket < SUB_BUCKETS {
        return bucket as u64;
    }
    let drop = bucket / SUB_BUCKETS - 1;
    let top = (bucket - drop * SUB_BUCKETS) as u64;
    (top << drop) + ((1 << drop) - 1)
}

impl Histogram {
    /// An empty histogram; allocates its 29 KiB here and never again.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS].into_boxed_slice(),
            count: 0,
            negative: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }

    /// Counts one duration, in nanoseconds.
    #[inline]
    pub fn record(&mut self, value_ns: i64) {
        let Ok(value) = u64::try_from(value_ns) else {
            self.negative += 1;
            return;
        };
        if let Some(slot) = self.counts.get_mut(bucket(value)) {
            *slot += 1;
        }
        self.count += 1;
        self.sum += i128::from(value_ns);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Number of durations counted, negative ones excepted.
    #[inline]
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Number of negative durations seen.
    #[inline]
    #[must_use]
    pub const fn negative(&self) -> u64 {
        self.negative
    }

    /// Smallest duration, exact.
    #[must_use]
    pub const fn min(&self) -> Option<u64> {
        if self.count == 0 { None } else { Some(self.min) }
    }

    /// Largest duration, exact.
    #[must_use]
    pub const fn max(&self) -> Option<u64> {
        if self.count == 0 { None } else { Some(self.max) }
    }

    /// Sum of all durations, exact.
    #[must_use]
    pub const fn sum(&self) -> i128 {
        self.sum
    }

    /// Mean duration: the nearest double to the exact mean.
    #[must_use]
    pub fn mean_f64(&self) -> Option<f64> {
        Ratio::new(self.sum, i128::from(self.count)).map(Ratio::value_f64)
    }

    /// The value that `p` percent of durations do not exceed (nearest rank), 0 to 100.
    ///
    /// Never below the true value and at most 1/64 above it; 0 and 100 give minimum and
    /// maximum exactly. `None` while empty, or for a `p` that is not between 0 and 100. `p`
    /// is read to a millionth of a percent.
    #[must_use]
    pub fn percentile(&self, p: f64) -> Option<u64> {
        if self.count == 0 || !(0.0..=100.0).contains(&p) {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 1e8
        let parts = (p * PERCENT as f64).round() as u64;
        let below = u128::from(self.count) * u128::from(parts);
        let rank = below.div_ceil(u128::from(100 * PERCENT));
        if rank <= 1 {
            return Some(self.min);
        }
        let mut seen = 0u128;
        for (index, &count) in self.counts.iter().enumerate() {
            seen += u128::from(count);
            if seen >= rank {
                return Some(highest(index).min(self.max));
            }
        }
        Some(self.max)
    }

    /// For each of some bounds, in ascending order, how many durations are below it.
    ///
    /// Exact where a bound is a power of two; otherwise those within 1/64 below it may be missing.
    #[must_use]
    pub fn below(&self, bounds: &[u64]) -> Vec<u64> {
        let mut buckets = self.counts.iter().enumerate().peekable();
        let mut seen = 0;
        let mut found = Vec::with_capacity(bounds.len());
        for &bound in bounds {
            while let Some((_, &count)) = buckets.next_if(|&(at, _)| highest(at) < bound) {
                seen += count;
            }
            found.push(seen);
        }
        found
    }

    /// Adds everything `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (slot, &count) in self.counts.iter_mut().zip(&other.counts) {
            *slot += count;
        }
        self.count += other.count;
        self.negative += other.negative;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forgets everything, keeping the memory.
    pub fn reset(&mut self) {
        self.counts.fill(0);
        self.count = 0;
        self.negative = 0;
        self.sum = 0;
        self.min = u64::MAX;
        self.max = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_tile_every_duration() {
        assert_eq!((bucket(0), bucket(63), bucket(64)), (0, 63, 64));
        assert_eq!(bucket(i64::MAX.unsigned_abs()), BUCKETS - 1);
        assert_eq!(highest(BUCKETS - 1), i64::MAX.unsigned_abs());
        let mut lowest = 0;
        for index in 0..BUCKETS {
            let top = highest(index);
            assert_eq!((bucket(lowest), bucket(top)), (index, index), "bucket {index}");
            assert!(u128::from(top - lowest) * 64 <= u128::from(lowest), "bucket {index}");
            lowest = top + 1;
        }
    }

    #[test]
    fn empty_has_no_statistics() {
        let mut histogram = Histogram::new();
        histogram.record(-5);
        assert_eq!((histogram.count(), histogram.negative()), (0, 1));
        assert_eq!((histogram.min(), histogram.max()), (None, None));
        assert_eq!((histogram.mean_f64(), histogram.percentile(50.0)), (None, None));
    }

    #[test]
    fn small_values_are_exact() {
        let mut histogram = Histogram::new();
        (1..=50).for_each(|value| histogram.record(value));
        assert_eq!(histogram.percentile(0.0), Some(1));
        assert_eq!(histogram.percentile(2.0), Some(1));
        assert_eq!(histogram.percentile(2.000001), Some(2));
        assert_eq!(histogram.percentile(50.0), Some(25));
        assert_eq!(histogram.percentile(99.9), Some(50));
        assert_eq!(histogram.mean_f64(), Some(25.5));
        for p in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(histogram.percentile(p), None, "{p}");
        }
    }

    #[test]
    fn a_percentile_is_not_pushed_up_a_rank_by_rounding() {
        let mut histogram = Histogram::new();
        (0..999).for_each(|_| histogram.record(7));
        histogram.record(1_000_000);
        assert_eq!(histogram.percentile(99.9), Some(7));
        assert_eq!(histogram.percentile(99.91), Some(1_000_000));
    }

    #[test]
    fn what_is_below_a_power_of_two_is_exact() {
        let mut histogram = Histogram::new();
        let values: [i64; 10] = [0, 1, 63, 64, 1_023, 1_024, 1_025, 65_535, 65_536, 1 << 40];
        for value in values {
            histogram.record(value);
        }
        histogram.record(-1);
        for power in 0..62 {
            let naive = values.iter().filter(|&&value| value < 1 << power).count();
            assert_eq!(histogram.below(&[1 << power]), [naive as u64], "2^{power}");
        }
        assert_eq!(histogram.below(&[64, 1_024, 1_024, 65_536]), [3, 5, 5, 8]);
        // 1,025 lies in the bucket of 1,024 to 1,039.
        assert_eq!(histogram.below(&[1_025, 1_039, 1_040, u64::MAX]), [5, 5, 7, 10]);
        assert_eq!(histogram.below(&[]), [0; 0]);
    }

    #[test]
    fn extremes_are_exact() {
        let mut histogram = Histogram::new();
        histogram.record(i64::MAX);
        histogram.record(i64::MIN);
        histogram.record(1_000_003);
        assert_eq!(histogram.min(), Some(1_000_003));
        assert_eq!(histogram.percentile(100.0), Some(i64::MAX.unsigned_abs()));
        assert_eq!(histogram.sum(), i128::from(i64::MAX) + 1_000_003);
        assert_eq!(histogram.negative(), 1);
        histogram.reset();
        assert_eq!(histogram, Histogram::new());
    }
}
