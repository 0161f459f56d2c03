//! Continuity of each kind, played against a venue whose truth is known at every number.

mod timestamps;
mod update_ids;
