//! A hash of the whole book: SHA-1 over the book printed as compact JSON.
//!
//! Members in order: `market, asset_id, timestamp, hash (empty), bids, asks, min_order_size,
//! tick_size, neg_risk, last_trade_price`. Until autumn 2025 the text ended after `asks`,
//! then for some weeks after `neg_risk`. What the stream does not tell (smallest order,
//! negative risk, sometimes tick and last trade price) stands at the very end, so the digest
//! of everything before it is computed once and each guess costs one more block: the
//! unknowns are learned from the first hash that comes, and a last trade price whose print
//! is still on its way is recovered from the hash that already contains it.

use super::digest::Digest;
use super::printed::Book;
use crate::fixed::{Form, PRICE_DECIMALS, PRICE_ONE, Price, parse_price, write_decimal};

/// A hash as printed: 40 lower-case hexadecimal digits.
pub type HexHash = [u8; 40];

/// Smallest order sizes tried when the venue has not told; most markets have 5.
const MIN_ORDER_SIZES: [&str; 9] = ["5", "1", "10", "15", "20", "50", "100", "0", "2"];
const TICK_SIZES: [&str; 6] = ["0.01", "0.001", "0.005", "0.0025", "0.1", "0.0001"];
/// Digits of the grid on which an unknown last trade price is looked for: thousandths, or finer
/// where the tick is.
const GRID_DIGITS: u8 = 3;
const FINE_GRID_DIGITS: u8 = 4;
/// Profiles that are searched for an unknown last trade price while the market's facts are
/// guesses.
const LIKELY_PROFILES: usize = 4;

/// Which members a venue hash covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldSet {
    /// Up to `asks` (until about October 2025).
    Six,
    /// Up to `neg_risk` (autumn 2025).
    Nine,
    /// All of them (since December 2025).
    Ten,
}

/// What a market's hashes were found to contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Which members are covered.
    pub fields: FieldSet,
    /// Smallest order, as printed.
    pub min_order_size: Box<str>,
    /// Tick size, as printed.
    pub tick_size: Box<str>,
    /// Negative risk.
    pub neg_risk: bool,
}

impl Profile {
    /// What hashes contained before they had members besides the levels.
    #[must_use]
    pub(crate) fn six() -> Self {
        let empty = || Box::from("");
        Self { fields: FieldSet::Six, min_order_size: empty(), tick_size: empty(), neg_risk: false }
    }
}

/// Digest of a book up to its unknown tail; each guess at the tail is cheap.
#[derive(Debug)]
pub struct Prefix {
    digest: Digest,
    claimed: HexHash,
}

/// Takes a printed hash; `None` unless it is exactly 40 bytes.
#[must_use]
pub fn hex_hash(text: &[u8]) -> Option<HexHash> {
    text.try_into().ok()
}

impl Prefix {
    /// Prints and digests `book` up to `asks`, to test tails against `claimed`. `text` is
    /// scratch memory.
    #[must_use]
    pub fn new(book: &Book, claimed: HexHash, text: &mut Vec<u8>) -> Self {
        Self { digest: book.digest(text), claimed }
    }

    /// Likewise of two books.
    #[must_use]
    pub fn of_both(books: [&Book; 2], claimed: [HexHash; 2], text: &mut Vec<u8>) -> [Self; 2] {
        let [one, other] = books[0].digest_with(books[1], text);
        let [first, second] = claimed;
        [Self { digest: one, claimed: first }, Self { digest: other, claimed: second }]
    }

    /// Whether the claimed hash is that of the book with this profile and last trade price.
    #[must_use]
    pub fn matches(&self, profile: &Profile, last_trade_price: &[u8]) -> bool {
        let mut digest = self.digest.clone();
        if profile.fields != FieldSet::Six {
            digest.update(b",\"min_order_size\":\"");
            digest.update(profile.min_order_size.as_bytes());
            digest.update(b"\",\"tick_size\":\"");
            digest.update(profile.tick_size.as_bytes());
            let risk: &[u8] =
                if profile.neg_risk { b"\",\"neg_risk\":true" } else { b"\",\"neg_risk\":false" };
            digest.update(risk);
        }
        if profile.fields == FieldSet::Ten {
            digest.update(b",\"last_trade_price\":\"");
            digest.update(last_trade_price);
            digest.update(b"\"");
        }
        digest.update(b"}");
        digest.finish().iter().zip(self.claimed.chunks_exact(2)).all(|(&byte, hex)| {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            hex == [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
        })
    }

    /// Looks for the last trade price that explains the hash: the candidates first, then the
    /// grid outwards from `near` (trades happen near the touch), in each form the venue has
    /// been seen to print.
    #[must_use]
    pub(crate) fn find_last_trade_price(
        &self,
        profile: &Profile,
        candidates: &[Vec<u8>],
        grid: Grid,
    ) -> Option<Vec<u8>> {
        if profile.fields != FieldSet::Ten {
            return self.matches(profile, b"").then(Vec::new);
        }
        let known = candidates.iter().find(|c| self.matches(profile, c)).cloned();
        known.or_else(|| grid.prices().find(|price| self.matches(profile, price)))
    }

    /// Learns what the hash contains from what is known of the market, without a search: dear
    /// guesses are made only of facts that nobody stated.
    #[must_use]
    pub(crate) fn learn(&self, hints: &Hints) -> Option<(Profile, Vec<u8>)> {
        if hints.complete() {
            let prices = hints.prices();
            return hints.profiles().iter().find_map(|p| self.try_prices(p, &prices));
        }
        let prices = [hints.trade_prices[0].to_vec(), Vec::new()];
        hints.profiles().iter().find_map(|p| self.try_prices(p, &prices))
    }

    /// Learns what the hash contains by searching for the last trade price, for the likeliest
    /// profiles. What was stated of the market may be wrong, so the other guesses are made as well.
    #[must_use]
    pub(crate) fn learn_searching(&self, hints: &Hints) -> Option<(Profile, Vec<u8>)> {
        let (guesses, prices) = (hints.profiles(), hints.prices());
        let likely = guesses.iter().filter(|p| p.fields == FieldSet::Ten).take(LIKELY_PROFILES);
        let searched = likely
            .into_iter()
            .find_map(|p| Some((p.clone(), self.find_last_trade_price(p, &prices, hints.grid)?)));
        searched.or_else(|| {
            // A last resort, which costs less than the search before it.
            let doubted = Hints { min_order_size: None, neg_risk: None, sibling: None, ..*hints };
            let raw = [hints.trade_prices[0].to_vec(), Vec::new()];
            doubted.profiles().iter().find_map(|p| self.try_prices(p, &raw))
        })
    }

    fn try_prices(&self, profile: &Profile, prices: &[Vec<u8>]) -> Option<(Profile, Vec<u8>)> {
        let prices = if profile.fields == FieldSet::Ten { prices } else { &prices[..1] };
        let price = prices.iter().find(|price| self.matches(profile, price))?;
        Some((profile.clone(), price.clone()))
    }
}

/// Where an unknown last trade price is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The price from which the search goes outwards.
    pub near: Price,
    /// Fraction digits of the grid.
    digits: u8,
}

impl Default for Grid {
    fn default() -> Self {
        Self { near: 0, digits: GRID_DIGITS }
    }
}

impl Grid {
    /// The grid of a market of this tick size, from `near` outwards.
    #[must_use]
    pub(crate) fn of_tick(near: Price, tick: Option<Price>) -> Self {
        let fine = tick.is_some_and(|tick| tick % (PRICE_ONE / 1000) != 0);
        Self { near, digits: if fine { FINE_GRID_DIGITS } else { GRID_DIGITS } }
    }

    /// What a search of it costs, in searches of the coarse grid.
    #[must_use]
    pub(crate) const fn cost(self) -> i64 {
        10_i64.pow((self.digits - GRID_DIGITS) as u32)
    }

    /// Prices on the grid, the nearest to `near` first, each as `0.5`, `0.50` and `0.500`; last
    /// the two ends.
    fn prices(self) -> impl Iterator<Item = Vec<u8>> {
        let steps = 10_i64.pow(u32::from(self.digits));
        let near = steps.min(self.near / (PRICE_ONE / steps));
        let outwards = (0..=steps).flat_map(move |distance| [near - distance, near + distance + 1]);
        let inner = outwards.filter(move |t| (1..steps).contains(t));
        let printed = inner.flat_map(move |t| printed_forms(t * (PRICE_ONE / steps), self.digits));
        printed.chain([b"0".to_vec(), b"1".to_vec()])
    }
}

/// A price as the venue may print it: from its shortest form on, up to `digits` after the point.
fn printed_forms(price: Price, digits: u8) -> impl Iterator<Item = Vec<u8>> {
    let print = move |digits: u8| {
        let mut text = Vec::new();
        write_decimal(&mut text, price, PRICE_DECIMALS, Form::with_fraction(digits));
        text
    };
    // What needs more digits is printed with them whatever form is asked for.
    let needed = print(0).len().saturating_sub(2);
    let first = u8::try_from(needed).unwrap_or(digits).min(digits);
    (first..=digits).map(print)
}

/// What is known of a market's hash before any has matched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// What the hashes of the market's other outcome were found to contain, if any matched.
    pub sibling: Option<&'a Profile>,
    /// Smallest order as printed, if known.
    pub min_order_size: Option<&'a str>,
    /// Tick size as printed, if known.
    pub tick_size: Option<&'a str>,
    /// Negative risk, if known.
    pub neg_risk: Option<bool>,
    /// Last trade prices as printed, empty if unknown: the outcome's own two, then the other
    /// outcome's. The venue may hash the one in the form or in the terms of the other.
    pub trade_prices: [&'a [u8]; 4],
    /// Where to look for a last trade price that none of these is.
    pub grid: Grid,
}

impl Hints<'_> {
    /// Whether all that a hash contains besides the last trade price was stated, or proved by the
    /// other outcome's hashes.
    #[must_use]
    pub(crate) fn complete(&self) -> bool {
        let stated =
            self.min_order_size.is_some() && self.tick_size.is_some() && self.neg_risk.is_some();
        self.sibling.is_some() || stated
    }

    /// What searching for these costs, in searches of the coarse grid.
    #[must_use]
    pub(crate) fn cost(&self) -> i64 {
        let profiles = if self.complete() { 1 } else { LIKELY_PROFILES };
        i64::try_from(profiles).unwrap_or(i64::MAX).saturating_mul(self.grid.cost())
    }

    /// The last trade prices that are known, in every form and in the terms of either outcome.
    #[must_use]
    pub(crate) fn prices(&self) -> Vec<Vec<u8>> {
        let mut prices: Vec<Vec<u8>> = self.trade_prices.iter().map(|p| p.to_vec()).collect();
        for printed in self.trade_prices.iter().filter(|p| !p.is_empty()) {
            let Ok(price) = parse_price(printed) else { continue };
            for price in [price.value, PRICE_ONE - price.value] {
                prices.extend(printed_forms(price, FINE_GRID_DIGITS));
            }
        }
        prices.push(Vec::new());
        prices
    }

    /// Every profile the hints allow, the likeliest first.
    fn profiles(&self) -> Vec<Profile> {
        if let Some(sibling) = self.sibling {
            return vec![sibling.clone()];
        }
        let mut guesses = Vec::new();
        let sizes = self.min_order_size.map_or(MIN_ORDER_SIZES.to_vec(), |s| vec![s]);
        let ticks = self.tick_size.map_or(TICK_SIZES.to_vec(), |t| vec![t]);
        let risks = self.neg_risk.map_or(vec![false, true], |r| vec![r]);
        for &min_order_size in &sizes {
            for &tick_size in &ticks {
                for &neg_risk in &risks {
                    guesses.push(Profile {
                        fields: FieldSet::Ten,
                        min_order_size: min_order_size.into(),
                        tick_size: tick_size.into(),
                        neg_risk,
                    });
                }
            }
        }
        let nine: Vec<_> =
            guesses.iter().map(|p| Profile { fields: FieldSet::Nine, ..p.clone() }).collect();
        guesses.extend(nine);
        guesses.push(Profile::six());
        guesses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::side::BookSide;
    use crate::event::{Level, Side};
    use crate::fixed::parse_qty;
    use crate::time::MILLISECOND;

    fn ladder(side: Side, levels: &[(&str, &str)]) -> BookSide {
        let mut ladder = BookSide::new(side);
        for (price, size) in levels {
            let (price, size) =
                (parse_price(price.as_bytes()).unwrap(), parse_qty(size.as_bytes()).unwrap());
            ladder.set(Level { price: price.value, qty: size.value, forms: (price.form, size.form) });
        }
        ladder
    }

    fn prefix(asks: &[(&str, &str)], hash: &str) -> Prefix {
        let book = Book {
            market: b"0xaabbcc",
            asset: b"100",
            ts_event: 123_456_789 * MILLISECOND,
            bids: &ladder(Side::Bid, &[("0.3", "100"), ("0.4", "100")]),
            asks: &ladder(Side::Ask, asks),
        };
        Prefix::new(&book, hex_hash(hash.as_bytes()).unwrap(), &mut Vec::new())
    }

    fn profile(fields: FieldSet, min: &str) -> Profile {
        Profile { fields, min_order_size: min.into(), tick_size: "0.01".into(), neg_risk: false }
    }

    // Vectors over the canonical text of a two-level book, one per historical field set.
    const ASKS: [(&str, &str); 2] = [("0.7", "25.5"), ("0.6", "100")];

    #[test]
    fn matches_all_three_field_sets() {
        let ten = prefix(&ASKS, "821e1bc2d573a03b04b66faabc1684363009a739");
        assert!(ten.matches(&profile(FieldSet::Ten, "5"), b"0.5"));
        assert!(!ten.matches(&profile(FieldSet::Ten, "5"), b"0.50"));
        assert!(!ten.matches(&profile(FieldSet::Nine, "5"), b"0.5"));
        let untraded = prefix(&ASKS, "9d205fe41a51d0e566b8149ac641e6a867f3d41b");
        assert!(untraded.matches(&profile(FieldSet::Ten, "5"), b""));
        let nine = prefix(&ASKS, "75c51e856d45fce5ea1fb5c0850556a0e23b64cb");
        assert!(nine.matches(&profile(FieldSet::Nine, "5"), b""));
        let six = prefix(&ASKS, "a0b0f222ae37b5c7479b095a27f7eb8a9e6af25a");
        assert!(six.matches(&profile(FieldSet::Six, ""), b""));
    }

    #[test]
    fn learns_what_the_stream_does_not_tell() {
        let ten = prefix(&ASKS, "821e1bc2d573a03b04b66faabc1684363009a739");
        let hints = Hints { trade_prices: [b"0.5", b"", b"", b""], ..Hints::default() };
        assert_eq!(ten.learn(&hints), Some((profile(FieldSet::Ten, "5"), b"0.5".to_vec())));
        let found = ten.learn_searching(&Hints::default());
        assert_eq!(found, Some((profile(FieldSet::Ten, "5"), b"0.5".to_vec())));
        let six = prefix(&ASKS, "a0b0f222ae37b5c7479b095a27f7eb8a9e6af25a");
        assert_eq!(six.learn(&Hints::default()).unwrap().0.fields, FieldSet::Six);
        let broken = prefix(&ASKS, "0000000000000000000000000000000000000000");
        assert_eq!(broken.learn(&Hints::default()), None);
        assert_eq!(broken.learn_searching(&Hints::default()), None);
    }

    #[test]
    fn learns_with_a_price_that_was_printed_otherwise() {
        let ten = prefix(&ASKS, "821e1bc2d573a03b04b66faabc1684363009a739");
        let facts = Hints {
            min_order_size: Some("5"),
            tick_size: Some("0.01"),
            neg_risk: Some(false),
            ..Hints::default()
        };
        for known in [&b"0.500"[..], b"0.50", b".5"] {
            for slot in 0..4 {
                let mut hints = facts;
                hints.trade_prices[slot] = known;
                assert_eq!(ten.learn(&hints).unwrap().1, b"0.5", "{slot}");
            }
        }
        // Stated wrongly, the facts are guessed all the same.
        let wrong = Hints { min_order_size: Some("7"), trade_prices: [b"0.5", b"", b"", b""], ..facts };
        assert_eq!(ten.learn(&wrong), None);
        assert_eq!(ten.learn_searching(&wrong).unwrap().0, profile(FieldSet::Ten, "5"));
        // The other outcome's profile stands for all of them.
        let proved = profile(FieldSet::Ten, "5");
        let hints = Hints { sibling: Some(&proved), ..Hints::default() };
        assert!(hints.complete());
        assert_eq!(ten.learn_searching(&hints).unwrap(), (proved.clone(), b"0.5".to_vec()));
    }

    #[test]
    fn a_fine_tick_is_searched_on_its_own_grid() {
        let coarse = Grid::of_tick(0, Some(PRICE_ONE / 100));
        let fine = Grid::of_tick(0, Some(PRICE_ONE / 10_000));
        assert_eq!((coarse.cost(), fine.cost()), (1, 10));
        assert!(fine.prices().any(|p| p == b"0.4005") && !coarse.prices().any(|p| p == b"0.4005"));
        for form in [&b"0.5"[..], b"0.50", b"0.500", b"0.999", b"0.001", b"0", b"1"] {
            assert_eq!(coarse.prices().filter(|p| p == form).count(), 1);
        }
    }

    #[test]
    fn recovers_a_last_trade_price_whose_print_is_late() {
        let ten = prefix(&ASKS, "821e1bc2d573a03b04b66faabc1684363009a739");
        let found = ten.find_last_trade_price(
            &profile(FieldSet::Ten, "5"),
            &[b"0.4".to_vec(), Vec::new()],
            Grid::default(),
        );
        assert_eq!(found.as_deref(), Some(&b"0.5"[..]));
        let far = Grid { near: PRICE_ONE, ..Grid::default() };
        assert_eq!(ten.find_last_trade_price(&profile(FieldSet::Ten, "15"), &[], far), None);
    }
}
