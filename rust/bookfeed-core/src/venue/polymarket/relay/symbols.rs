//! Numbers for the symbols of references, given in the order in which they are met.

use std::collections::BTreeMap;

/// Symbols that there may be: relays list some hundreds.
const SYMBOLS_MAX: usize = 4_096;
/// Longest symbol, in bytes.
const SYMBOL_BYTES_MAX: usize = 64;

/// The symbols that were met.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    names: Vec<Box<str>>,
    numbers: BTreeMap<Box<str>, u32>,
}

impl Symbols {
    /// Whether a text can be a symbol.
    pub(super) fn allowed(symbol: &str) -> bool {
        let length = 1..=SYMBOL_BYTES_MAX;
        length.contains(&symbol.len()) && symbol.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// The number of a symbol, a new one if it was never met; `None` if there are too many.
    pub(super) fn number(&mut self, symbol: &str) -> Option<u32> {
        if let Some(&number) = self.numbers.get(symbol) {
            return Some(number);
        }
        if self.names.len() >= SYMBOLS_MAX {
            return None;
        }
        let number = u32::try_from(self.names.len()).ok()?;
        self.names.push(symbol.into());
        self.numbers.insert(symbol.into(), number);
        Some(number)
    }

    /// What is called by a number.
    pub(super) fn name(&self, number: u32) -> Option<&str> {
        self.names.get(number as usize).map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_and_no_more() {
        let mut symbols = Symbols::default();
        for n in 0..SYMBOLS_MAX {
            assert_eq!(symbols.number(&format!("s{n}")), u32::try_from(n).ok());
        }
        assert_eq!(symbols.number("one more"), None);
        assert_eq!((symbols.number("s7"), symbols.name(7)), (Some(7), Some("s7")));
        assert!(!Symbols::allowed("") && !Symbols::allowed("a b") && Symbols::allowed("btc/usd"));
    }
}
