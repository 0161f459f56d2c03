//! Kalshi's WebSocket of version 2, in its three historical number formats, and REST books.

use super::json::{Cursor, JsonError};
use super::{Dialect, Source, Tally};
use crate::event::Frame;
use crate::instrument::Instruments;

/// Message types, in order of their counters.
pub const MESSAGE_NAMES: [&str; 1] = ["orderbook_snapshot"];

/// Decodes one frame; see [`super::decode`].
///
/// # Errors
/// [`JsonError`] if it is not JSON.
pub fn decode(
    _dialect: Dialect,
    _source: Source,
    payload: &[u8],
    _instruments: &Instruments,
    frame: &mut Frame,
    _tally: &mut Tally,
) -> Result<(), JsonError> {
    frame.clear();
    let mut cursor = Cursor::new(payload)?;
    cursor.skip()?;
    cursor.finish()
}
