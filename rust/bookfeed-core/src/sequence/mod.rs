//! Is anything missing? One file for each kind of continuity a venue may offer. All of them are
//! plain state machines: numbers go in, a verdict comes out; levels and clocks stay outside.

pub mod clock;
pub mod recent;
pub mod reputation;
pub mod rhythm;
pub mod stitch;
pub mod stream;
pub mod timestamps;
pub mod trend;
pub mod update_ids;

/// Most levels kept for one book while it has no snapshot. A stream that runs on beyond them
/// starts its buffer anew; a snapshot fetched after that fits what is kept then.
pub(crate) const MOST_KEPT_LEVELS: usize = 1 << 18;

/// What is kept of a stream until a whole book comes to join it to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kept {
    messages: usize,
    levels: usize,
}

impl Kept {
    /// Whether a message of so many levels may join those kept.
    const fn has_room_for(self, levels: usize) -> bool {
        self.messages < MOST_KEPT_LEVELS && levels <= MOST_KEPT_LEVELS.saturating_sub(self.levels)
    }

    /// With one message more.
    const fn with(self, levels: usize) -> Self {
        Self { messages: self.messages + 1, levels: self.levels.saturating_add(levels) }
    }
}
