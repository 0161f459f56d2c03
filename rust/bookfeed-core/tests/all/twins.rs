//! The fast ways: whatever a frame says, each engine option, each fault, an engine that takes them
//! and one that reads every frame the general way write the same records and count the same.

mod decoded;
mod scripts;
