//! The user's own resting orders, as somebody tells them: rules are asked anew without them.

use super::{Engine, EngineError};
use crate::fixed::{Price, Qty};
use crate::instrument::InstrumentId;
use crate::signals::life::Moves;
use crate::signals::own::OwnLevels;
use crate::time::Nanos;

impl Engine {
    /// Says what of the user's own rests in a book from now on, price and size of each level of
    /// both sides, in place of what was said before. Rules take none of it; what is open is asked
    /// about at once.
    ///
    /// # Errors
    /// [`EngineError::NoInstrument`], [`EngineError::Own`]; nothing has changed then.
    pub fn own_resting(
        &mut self,
        id: InstrumentId,
        bids: &[(Price, Qty)],
        asks: &[(Price, Qty)],
        ts: Nanos,
    ) -> Result<(), EngineError> {
        if !self.world.instruments.holds(id) {
            return Err(EngineError::NoInstrument(id));
        }
        let told = OwnLevels::new(bids, asks).map_err(EngineError::Own)?;
        self.begin(ts);
        let (world, slot) = (&mut self.world, id as usize);
        if world.own.len() <= slot && !told.is_empty() {
            world.own.resize_with(slot + 1, OwnLevels::default);
        }
        if let Some(own) = world.own.get_mut(slot) {
            *own = told;
        }
        if world.own.iter().all(OwnLevels::is_empty) {
            world.own.clear();
        }
        let publisher = &mut self.judge.publisher;
        publisher.rules.ask(&self.world, &mut publisher.output, id, Moves::Other, ts);
        Ok(())
    }
}
