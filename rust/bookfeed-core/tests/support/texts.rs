//! Texts respelled as JSON allows, and texts broken as a line may break them.

use super::Rng;
use serde_json::Value;
use std::fmt::Write as _;

fn blank(rng: &mut Rng, blanks: bool, out: &mut String) {
    if blanks {
        for _ in 0..rng.below(3) {
            out.push(*rng.pick(&[' ', '\n', '\t', '\r']));
        }
    }
}

fn string(text: &str, escapes: bool, rng: &mut Rng, out: &mut String) {
    out.push('"');
    for symbol in text.chars() {
        match symbol {
            '"' | '\\' => write!(out, "\\{symbol}").unwrap(),
            _ if escapes && rng.once_in(6) => write!(out, "\\u{:04x}", u32::from(symbol)).unwrap(),
            _ => out.push(symbol),
        }
    }
    out.push('"');
}

/// Members in another order, with blanks between and characters escaped if wanted.
pub fn respell(value: &Value, [blanks, escapes]: [bool; 2], rng: &mut Rng, out: &mut String) {
    blank(rng, blanks, out);
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            rng.shuffle(&mut members);
            out.push('{');
            for (i, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                blank(rng, blanks, out);
                string(name, escapes, rng, out);
                out.push(':');
                respell(value, [blanks, escapes], rng, out);
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for (i, element) in elements.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                respell(element, [blanks, escapes], rng, out);
            }
            out.push(']');
        }
        Value::String(text) => string(text, escapes, rng, out),
        other => write!(out, "{other}").unwrap(),
    }
    blank(rng, blanks, out);
}

/// The same text with every number as a string, so that a reader that keeps no digits keeps them.
pub fn quote_numbers(text: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    let mut rest = text;
    while let Some(symbol) = rest.chars().next() {
        let number = rest.find(|c: char| !"+-.0123456789eE".contains(c)).unwrap_or(rest.len());
        if !inside && (symbol == '-' || symbol.is_ascii_digit()) {
            write!(out, "\"{}\"", &rest[..number]).unwrap();
            rest = &rest[number..];
            continue;
        }
        inside ^= symbol == '"' && !escaped;
        escaped = symbol == '\\' && !escaped;
        out.push(symbol);
        rest = &rest[symbol.len_utf8()..];
    }
    out
}

/// A byte or two changed, added, taken away or copied elsewhere.
pub fn mutate(rng: &mut Rng, frame: &[u8]) -> Vec<u8> {
    const BYTES: &[u8] = b"\"\\{}[],:.0123456789-+eE tfnulrsa_/\x00\x1f\x7f\x80\xc3\xa9\xed\xf5\n";
    let mut bytes = frame.to_vec();
    for _ in 0..=rng.below(2) {
        let at = rng.below(bytes.len());
        match rng.below(5) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = *rng.pick(BYTES),
            2 => bytes.insert(at, *rng.pick(BYTES)),
            3 => {
                let end = (at + 1 + rng.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + 1 + rng.below(40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = rng.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}
