//! Kraken's checksum by the letter of the rule: text in, a CRC computed bit by bit.

/// Price and size as printed.
pub type Printed = (String, String);

/// The digits of a number, without its point and without zeros in front.
fn token(text: &str) -> String {
    text.replace('.', "").trim_start_matches('0').to_owned()
}

/// The checksum of a book whose levels come with the best first.
pub fn by_the_rule(bids: &[Printed], asks: &[Printed]) -> u32 {
    let side = |levels: &[Printed]| -> String {
        levels.iter().take(10).map(|(price, size)| token(price) + &token(size)).collect()
    };
    crc32((side(asks) + &side(bids)).as_bytes())
}

/// CRC-32 of IEEE 802.3, the polynomial reversed.
pub fn crc32(text: &[u8]) -> u32 {
    !text.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
            },
        )
    })
}
