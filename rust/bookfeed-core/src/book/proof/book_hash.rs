//! A hash of the whole book: SHA-1 over the book printed as compact JSON.
//!
//! Members in order: `market, asset_id, timestamp, hash (empty), bids, asks, min_order_size,
//! tick_size, neg_risk, last_trade_price`. Until autumn 2025 the text ended after `asks`,
//! then for some weeks after `neg_risk`. What the stream does not tell (smallest order,
//! negative risk, sometimes tick and last trade price) stands at the very end, so the digest
//! of everything before it is computed once and each guess costs one more block: the
//! unknowns are learned from the first hash that comes, and a last trade price whose print
//! is still on its way is recovered from the hash that already contains it.

use crate::book::side::BookSide;
use crate::event::Level;
use crate::fixed::{Line, PRICE_DECIMALS, PRICE_ONE, Price, QTY_DECIMALS, write_decimal, write_digits};
use crate::time::{MILLISECOND, Nanos};
use sha1::{Digest, Sha1};

/// A hash as printed: 40 lower-case hexadecimal digits.
pub type HexHash = [u8; 40];

/// Smallest order sizes tried when the venue has not told; most markets have 5.
const MIN_ORDER_SIZES: [&str; 9] = ["5", "1", "10", "15", "20", "50", "100", "0", "2"];
const TICK_SIZES: [&str; 6] = ["0.01", "0.001", "0.005", "0.0025", "0.1", "0.0001"];
/// Grid on which an unknown last trade price is looked for, in thousandths.
const GRID: u32 = 1000;

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

/// The book a hash is claimed for.
#[derive(Clone, Copy, Debug)]
pub struct Book<'a> {
    /// The venue's name of the market.
    pub market: &'a [u8],
    /// The venue's name of the asset.
    pub asset: &'a [u8],
    /// The message's own time.
    pub ts_event: Nanos,
    /// Bids, as they stand after the message.
    pub bids: &'a BookSide,
    /// Asks, likewise.
    pub asks: &'a BookSide,
}

/// Digest of a book up to its unknown tail; each guess at the tail is cheap.
#[derive(Debug)]
pub struct Prefix {
    state: Sha1,
    claimed: HexHash,
}

/// Takes a printed hash; `None` unless it is exactly 40 bytes.
#[must_use]
pub fn hex_hash(text: &[u8]) -> Option<HexHash> {
    text.try_into().ok()
}

fn print_side(out: &mut Vec<u8>, name: &[u8], side: &BookSide) {
    out.extend_from_slice(name);
    for (i, level) in side.levels().iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        print_level(out, level);
    }
    out.push(b']');
}

/// Prints `{"price":"0.3","size":"5005"}`. Levels are nearly all of a hash's text, so the
/// line is put together on the stack; what does not fit a plain line takes the general way.
#[inline]
fn print_level(out: &mut Vec<u8>, level: &Level) {
    let mut line = Line::new();
    line.put(b"{\"price\":\"");
    let plain = line.put_decimal::<PRICE_DECIMALS>(level.price, level.forms.0).is_some()
        && line.put(b"\",\"size\":\"").put_decimal::<QTY_DECIMALS>(level.qty, level.forms.1).is_some();
    if plain {
        line.put(b"\"}");
        out.extend_from_slice(line.text());
        return;
    }
    out.extend_from_slice(b"{\"price\":\"");
    write_decimal(out, level.price, PRICE_DECIMALS, level.forms.0);
    out.extend_from_slice(b"\",\"size\":\"");
    write_decimal(out, level.qty, QTY_DECIMALS, level.forms.1);
    out.extend_from_slice(b"\"}");
}

impl Prefix {
    /// Prints and digests `book` up to `asks`, to test tails against `claimed`. `text` is
    /// scratch memory.
    #[must_use]
    pub fn new(book: &Book, claimed: HexHash, text: &mut Vec<u8>) -> Self {
        text.clear();
        text.extend_from_slice(b"{\"market\":\"");
        text.extend_from_slice(book.market);
        text.extend_from_slice(b"\",\"asset_id\":\"");
        text.extend_from_slice(book.asset);
        text.extend_from_slice(b"\",\"timestamp\":\"");
        write_digits(text, u64::try_from(book.ts_event / MILLISECOND).unwrap_or(0));
        text.extend_from_slice(b"\",\"hash\":\"\"");
        print_side(text, b",\"bids\":[", book.bids);
        print_side(text, b",\"asks\":[", book.asks);
        let mut state = Sha1::new();
        state.update(text.as_slice());
        Self { state, claimed }
    }

    /// Whether the claimed hash is that of the book with this profile and last trade price.
    #[must_use]
    pub fn matches(&self, profile: &Profile, last_trade_price: &[u8]) -> bool {
        let mut state = self.state.clone();
        if profile.fields != FieldSet::Six {
            state.update(b",\"min_order_size\":\"");
            state.update(profile.min_order_size.as_bytes());
            state.update(b"\",\"tick_size\":\"");
            state.update(profile.tick_size.as_bytes());
            let risk: &[u8] =
                if profile.neg_risk { b"\",\"neg_risk\":true" } else { b"\",\"neg_risk\":false" };
            state.update(risk);
        }
        if profile.fields == FieldSet::Ten {
            state.update(b",\"last_trade_price\":\"");
            state.update(last_trade_price);
            state.update(b"\"");
        }
        state.update(b"}");
        let digest = state.finalize();
        digest.iter().zip(self.claimed.chunks_exact(2)).all(|(&byte, hex)| {
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
        candidates: &[&[u8]],
        near: Price,
    ) -> Option<Vec<u8>> {
        if profile.fields != FieldSet::Ten {
            return self.matches(profile, b"").then(Vec::new);
        }
        let known = candidates.iter().find(|c| self.matches(profile, c)).map(|c| c.to_vec());
        known.or_else(|| grid(near).find(|price| self.matches(profile, price)))
    }

    /// Learns what the hash contains from a whole book whose message told some of it.
    #[must_use]
    pub(crate) fn learn(&self, hints: &Hints) -> Option<(Profile, Vec<u8>)> {
        let guesses = hints.profiles();
        for profile in &guesses {
            for price in [hints.last_trade_price, b""] {
                if self.matches(profile, price) {
                    return Some((profile.clone(), price.to_vec()));
                }
            }
        }
        if !hints.last_trade_price.is_empty() {
            return None;
        }
        // The last trade price is unknown as well: search it for the likeliest markets only.
        let likely = guesses.iter().filter(|p| p.fields == FieldSet::Ten).take(4);
        likely
            .into_iter()
            .find_map(|p| Some((p.clone(), self.find_last_trade_price(p, &[], hints.near)?)))
    }
}

/// Prices on the grid, the nearest to `near` first, each as `0.5`, `0.50` and `0.500`; last
/// the two ends.
fn grid(near: Price) -> impl Iterator<Item = Vec<u8>> {
    let near = i64::from(GRID).min(near * i64::from(GRID) / PRICE_ONE);
    let outwards =
        (0..=i64::from(GRID)).flat_map(move |distance| [near - distance, near + distance + 1]);
    let inner = outwards.filter(|t| (1..i64::from(GRID)).contains(t)).flat_map(|thousandths| {
        let digits = format!("{thousandths:03}");
        let shortest = digits.trim_end_matches('0').len();
        (shortest..=3).map(move |n| format!("0.{}", &digits[..n]).into_bytes())
    });
    inner.chain([b"0".to_vec(), b"1".to_vec()])
}

/// What is known of a market's hash before any has matched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// Smallest order as printed, if known.
    pub min_order_size: Option<&'a str>,
    /// Tick size as printed, if known.
    pub tick_size: Option<&'a str>,
    /// Negative risk, if known.
    pub neg_risk: Option<bool>,
    /// Last trade price as printed; empty if unknown.
    pub last_trade_price: &'a [u8],
    /// Where to look for the last trade price first.
    pub near: Price,
}

impl Hints<'_> {
    /// Every profile the hints allow, the likeliest first.
    fn profiles(&self) -> Vec<Profile> {
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
        let empty = || Box::from("");
        guesses.push(Profile {
            fields: FieldSet::Six,
            min_order_size: empty(),
            tick_size: empty(),
            neg_risk: false,
        });
        guesses
    }
}

/// What is known of the venue's hashes for this book.
#[derive(Clone, Debug, Default)]
pub struct HashMemory {
    /// Whether the market is a negative-risk one, where that is known: hashes may contain it.
    pub neg_risk: Option<bool>,
    /// What the hashes contain, once one has matched.
    pub profile: Option<Profile>,
    /// The last trade price the venue hashes, as printed.
    pub last_trade_price: Vec<u8>,
    /// The one before; prints and hashes overtake each other.
    pub(crate) earlier_trade_price: Vec<u8>,
    /// Attempts at learning a profile that failed.
    pub(crate) failed_lessons: u32,
    /// Mismatches convicted since the last match.
    pub(crate) mismatches: u32,
    /// Those among them that befell a book nothing was known to be missing from.
    pub strikes: u32,
}

impl HashMemory {
    /// Takes what a message says besides the levels: last trade price and negative risk, as
    /// printed, empty where it does not say.
    pub(crate) fn hear(&mut self, [last_trade_price, neg_risk]: [&[u8]; 2]) {
        if !last_trade_price.is_empty() {
            self.note_trade_price(last_trade_price);
        }
        match neg_risk {
            b"true" => self.neg_risk = Some(true),
            b"false" => self.neg_risk = Some(false),
            _ => {}
        }
    }

    /// A hash matched: earlier mismatches do not count any more.
    pub(crate) fn matched(&mut self) {
        (self.mismatches, self.strikes) = (0, 0);
    }

    /// Notes the last trade price as the venue printed it; prints and hashes overtake each
    /// other, so the one before is kept as well.
    pub(crate) fn note_trade_price(&mut self, printed: &[u8]) {
        if printed != self.last_trade_price.as_slice() {
            std::mem::swap(&mut self.last_trade_price, &mut self.earlier_trade_price);
            self.last_trade_price.clear();
            self.last_trade_price.extend_from_slice(printed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Side;
    use crate::fixed::{parse_price, parse_qty};

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
        let hints = Hints { last_trade_price: b"0.5", ..Hints::default() };
        assert_eq!(ten.learn(&hints), Some((profile(FieldSet::Ten, "5"), b"0.5".to_vec())));
        assert_eq!(ten.learn(&Hints::default()), Some((profile(FieldSet::Ten, "5"), b"0.5".to_vec())));
        let six = prefix(&ASKS, "a0b0f222ae37b5c7479b095a27f7eb8a9e6af25a");
        assert_eq!(six.learn(&Hints::default()).unwrap().0.fields, FieldSet::Six);
        let broken = prefix(&ASKS, "0000000000000000000000000000000000000000");
        assert_eq!(broken.learn(&Hints::default()), None);
    }

    #[test]
    fn recovers_a_last_trade_price_whose_print_is_late() {
        let ten = prefix(&ASKS, "821e1bc2d573a03b04b66faabc1684363009a739");
        let found = ten.find_last_trade_price(&profile(FieldSet::Ten, "5"), &[b"0.4", b""], 0);
        assert_eq!(found.as_deref(), Some(&b"0.5"[..]));
        assert_eq!(ten.find_last_trade_price(&profile(FieldSet::Ten, "15"), &[], PRICE_ONE), None);
    }
}
