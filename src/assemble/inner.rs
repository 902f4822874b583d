//! Places of what stands inside a compressed transaction, whose events have none of their own. A schema version is stored for
//! a place, and the place stands for one only, so every table map in there that may make one gets its own.
//!
//! They go by what stands in the transaction, not by what is known of it: whoever reads it again asks at the same places,
//! whatever was stored before and whichever tables pass its filter (`binlogd schema resolve`).

use std::collections::HashMap;

/// From one to the next: the version's own place, the one behind it (for a snapshot in its stead, or for repairs that are
/// stored again), and the one behind that (for a snapshot in the stead of those).
const PLACES_EACH: u64 = 3;

/// Counts from the beginning of the outer event. They all lie inside of it, because a table takes more bytes than that even
/// when it is compressed: its id and its name, which no other has, stand in its table map, and the id in its rows.
#[derive(Debug, Default)]
pub(super) struct InnerPlaces {
    of_tables: HashMap<u64, u64>,
    taken: u64,
}

impl InnerPlaces {
    /// Another outer event begins.
    pub fn clear(&mut self) {
        self.of_tables.clear();
        self.taken = 0;
    }

    /// Of the table maps with this id.
    pub fn of_table(&mut self, id: u64) -> u64 {
        let taken = &mut self.taken;
        *self.of_tables.entry(id).or_insert_with(|| std::mem::replace(taken, *taken + PLACES_EACH))
    }

    /// Of a statement, if it turns out to be one that needs a place (`take`); most do not.
    pub fn next(&self) -> u64 {
        self.taken
    }

    pub fn take(&mut self) {
        self.taken += PLACES_EACH;
    }
}
