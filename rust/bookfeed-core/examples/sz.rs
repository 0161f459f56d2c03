use std::mem::size_of;
fn main() {
    use bookfeed_core::*;
    println!(
        "Book {} Doubt {:?} HashMem {} Profile {} Ladder {} Change {} Message {} Tape {} Instr {}",
        size_of::<book::Book>(),
        size_of::<Option<book::integrity::Doubt>>(),
        size_of::<book::HashMemory>(),
        size_of::<Option<decode::polymarket_hash::Profile>>(),
        size_of::<book::ladder::Ladder>(),
        size_of::<event::Change>(),
        size_of::<event::Message>(),
        size_of::<trades::TradeTape>(),
        size_of::<instrument::Instrument>()
    );
}
