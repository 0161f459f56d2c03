//! The two sizes that so many are beyond: below the one, and above the other.
//!
//! Of many sizes only those near either end are put in order. Which they are a sample says, and
//! where it says too few, all are looked at: the answer does not depend on it.

use crate::fixed::Qty;

/// Sizes of a sample, which is taken of no fewer than four times as many.
const SAMPLE: usize = 1_024;
/// One size in so many of the sample is taken for an end: three times what is asked for at most,
/// so that hardly ever there are too few.
const END: usize = 33;

/// The sizes that `k` are at most, and that `k` are at least, without themselves: of sizes in
/// order those at `k` from either end. `None` if there are none. Reorders the sizes; `room` is room
/// to work in.
pub(super) fn bounds(sizes: &mut [Qty], k: usize, room: &mut Vec<Qty>) -> Option<(Qty, Qty)> {
    let n = sizes.len();
    if n <= 2 * k {
        return None;
    }
    if k == 0 {
        return Some((*sizes.iter().min()?, *sizes.iter().max()?));
    }
    if n < 4 * SAMPLE {
        return Some((at(sizes, k), at(sizes, n - 1 - k)));
    }
    room.clear();
    room.extend((0..SAMPLE).map(|place| sizes[place * n / SAMPLE]));
    let (small, large) = (at(room, SAMPLE / END), at(room, SAMPLE - 1 - SAMPLE / END));
    let low = among(sizes, room, k, |qty| qty <= small, |_| k);
    let high = among(sizes, room, k, |qty| qty >= large, |count| count - 1 - k);
    Some((low.unwrap_or_else(|| at(sizes, k)), high.unwrap_or_else(|| at(sizes, n - 1 - k))))
}

/// The size at a place in the order of those that belong to an end; `None` if no more than `k` do.
fn among(
    sizes: &[Qty],
    room: &mut Vec<Qty>,
    k: usize,
    belongs: impl Fn(Qty) -> bool,
    place: impl Fn(usize) -> usize,
) -> Option<Qty> {
    room.clear();
    room.extend(sizes.iter().copied().filter(|&qty| belongs(qty)));
    let count = room.len();
    (count > k).then(|| at(room, place(count)))
}

/// The size that is at a place, when they are in order.
fn at(sizes: &mut [Qty], place: usize) -> Qty {
    *sizes.select_nth_unstable(place).1
}
