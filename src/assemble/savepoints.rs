//! The places that a transaction marks, by their names.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Places of one transaction that are remembered. A program that marks more of them goes back to its newest only: servers
/// log that a place is marked, but not that it is released.
const SAVEPOINTS_MAX: usize = 100_000;

/// How much was kept before a place, and the number of what comes next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub kept: u64,
    pub number: u64,
}

#[derive(Debug, Default)]
pub(super) struct Savepoints {
    /// In the order in which they were marked.
    marks: BTreeMap<u64, (Arc<[u8]>, Mark)>,
    by_name: HashMap<Arc<[u8]>, u64>,
    next: u64,
}

impl Savepoints {
    /// A place that has the name already is forgotten, and so is the oldest if there are too many.
    pub fn set(&mut self, name: &[u8], mark: Mark) {
        let name: Arc<[u8]> = name.into();
        if let Some(old) = self.by_name.insert(name.clone(), self.next) {
            self.marks.remove(&old);
        }
        self.marks.insert(self.next, (name, mark));
        self.next += 1;
        if self.marks.len() > SAVEPOINTS_MAX
            && let Some((_, (oldest, _))) = self.marks.pop_first()
        {
            self.by_name.remove(&oldest);
        }
    }

    /// The place of that name, which stays; all that were marked behind it are forgotten.
    pub fn back_to(&mut self, name: &[u8]) -> Option<Mark> {
        let at = *self.by_name.get(name)?;
        while let Some(last) = self.marks.last_entry().filter(|last| *last.key() > at) {
            self.by_name.remove(&last.remove().0);
        }
        self.marks.get(&at).map(|(_, mark)| *mark)
    }
}
