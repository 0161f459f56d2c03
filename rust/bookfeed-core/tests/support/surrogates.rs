//! Surrogates without their half. The grammar of JSON allows them, and so do we; readers that make
//! texts of strings refuse them. This is the stated difference: with each replaced, they agree.

/// The same document with `\ufffd` for every surrogate that stands alone.
pub fn paired(document: &[u8]) -> Vec<u8> {
    let unit = |at: usize| {
        let escape = document.get(at..at + 6).filter(|escape| escape.starts_with(b"\\u"))?;
        let digits = escape[2..].iter().all(u8::is_ascii_hexdigit).then_some(&escape[2..])?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let (mut out, mut at) = (Vec::with_capacity(document.len()), 0);
    while at < document.len() {
        let length = match (unit(at), unit(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                out.extend_from_slice(b"\\ufffd");
                at += 6;
                continue;
            }
            // Whatever is escaped begins no escape itself.
            _ if document[at] == b'\\' => 2,
            _ => 1,
        };
        out.extend_from_slice(&document[at..document.len().min(at + length)]);
        at += length;
    }
    out
}
