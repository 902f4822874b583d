//! Which events of a transaction a rollback to a savepoint took back, by their numbers in it.

use std::collections::VecDeque;
use std::ops::Range;

/// Asked for numbers in ascending order only.
#[derive(Debug, Default)]
pub(super) struct Undone(VecDeque<Range<u64>>);

impl Undone {
    /// Everything from `mark` to before `now`, the number that comes next.
    pub fn since(&mut self, mark: u64, now: u64) {
        while self.0.pop_back_if(|undone| undone.start >= mark).is_some() {}
        if mark < now {
            self.0.push_back(mark..now);
        }
    }

    /// Whether this one was taken back.
    pub fn passes(&mut self, number: u64) -> bool {
        while self.0.pop_front_if(|undone| undone.end <= number).is_some() {}
        self.0.front().is_some_and(|undone| undone.start <= number)
    }

    /// How many were taken back that are not before `number`.
    pub fn from(&self, number: u64) -> u64 {
        self.0.iter().map(|undone| undone.end - undone.start.max(number).min(undone.end)).sum()
    }
}
