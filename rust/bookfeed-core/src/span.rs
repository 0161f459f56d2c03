//! Where a member of a message stands in its frame: kind and place, without a copy. Decoders
//! hand these on for texts that are needed rarely, such as hashes and names.

/// What kind of value a [`Value`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The member did not occur.
    #[default]
    Missing,
    /// A string without escapes; the span is its content.
    Text,
    /// A string with escapes; the span is its raw content.
    Escaped,
    /// A number; the span is its text.
    Number,
    /// `null`.
    Null,
    /// `true`, `false`, an array or an object; the span is its text.
    Other,
}

/// A scalar found in the text: its kind and where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// First byte of the content.
    pub start: u32,
    /// One past the last byte of the content.
    pub end: u32,
    /// What it is.
    pub kind: Kind,
}

impl Value {
    /// The raw content within `bytes` (the text the value was found in).
    #[inline]
    #[must_use]
    pub fn raw(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Content of a string or number, with escapes resolved into `scratch` when it has any.
    #[inline]
    #[must_use]
    pub fn text<'a>(self, bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        if self.kind == Kind::Escaped {
            unescape(self.raw(bytes), scratch);
            return scratch;
        }
        self.raw(bytes)
    }

    /// Whether the venue gave nothing: missing, `null`, or the empty string.
    #[inline]
    #[must_use]
    pub fn is_absent(self) -> bool {
        match self.kind {
            Kind::Missing | Kind::Null => true,
            Kind::Text => self.start == self.end,
            Kind::Escaped | Kind::Number | Kind::Other => false,
        }
    }
}

/// Resolves escapes of a string content that the cursor has already checked.
fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let escape = raw.get(at + 1).copied().unwrap_or(b'\\');
        at += 2;
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let mut unit = hex4(raw, at).unwrap_or(0xfffd);
                at += 4;
                let low = raw.get(at..at + 2).filter(|next| next == b"\\u").and(hex4(raw, at + 2));
                if let (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) = (unit, low) {
                    at += 6;
                    unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                }
                // A surrogate without its half is no character.
                let symbol = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(symbol.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(other),
        }
    }
}

/// The number that four hexadecimal digits at `at` make.
pub(crate) fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let mut unit = 0;
    for &byte in bytes.get(at..at + 4)? {
        unit = unit << 4 | char::from(byte).to_digit(16)?;
    }
    Some(unit)
}
