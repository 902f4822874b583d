//! The heartbeat's compare-and-swap as a state machine: which value to write, and what a miss means (design §4,
//! contract §2.9 and §3.8). Never here: SQL, clocks.

use crate::error::{Error, Result};

/// Attempts whose outcome is unknown that are remembered; more can only pile up while nothing is written at all.
const UNCERTAIN_MAX: usize = 64;

/// What we know of our row.
#[derive(Debug, Default)]
pub(super) struct HeartbeatState {
    /// Whether the row was read since the last failure; if not, it must be read before the next write.
    known: bool,
    /// The value that the row has as far as we know; `None` for no row.
    last: Option<i64>,
    /// Values whose statement failed on the way: each of them may stand in the row all the same.
    uncertain: Vec<i64>,
}

/// The statement to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    Insert {
        value: i64,
    },
    /// Only where the row still has `from`.
    Update {
        from: i64,
        value: i64,
    },
}

impl Attempt {
    pub fn value(self) -> i64 {
        match self {
            Attempt::Insert { value } | Attempt::Update { value, .. } => value,
        }
    }
}

impl HeartbeatState {
    pub fn must_read(&self) -> bool {
        !self.known
    }

    /// Begins an attempt. Until `written` or `read` is called, its outcome counts as unknown.
    pub fn attempt(&mut self, now_ms: i64) -> Attempt {
        let attempt = match self.last {
            None => Attempt::Insert { value: now_ms },
            Some(last) => Attempt::Update { from: last, value: now_ms.max(last.saturating_add(1)) },
        };
        if self.uncertain.len() == UNCERTAIN_MAX {
            self.uncertain.remove(0);
        }
        self.uncertain.push(attempt.value());
        self.known = false;
        attempt
    }

    /// The attempt hit its row. No earlier attempt can succeed any more, because the value it looks for is gone.
    pub fn written(&mut self, value: i64) {
        *self = HeartbeatState { known: true, last: Some(value), uncertain: Vec::new() };
    }

    /// The row as it was read: at the first use, after an error, and after an attempt that hit no row.
    ///
    /// # Errors
    /// Definite when another process writes the same row.
    pub fn read(&mut self, found: Option<i64>, first_use: bool) -> Result<()> {
        let ours = found.is_some_and(|v| self.uncertain.contains(&v));
        if !first_use && !ours && found != self.last {
            match (self.last, found) {
                (None, Some(_)) => {
                    return Err(rival(
                        "Found heartbeat row for client,position while trying to insert.  Is another maxwell running?".into(),
                    ));
                }
                (Some(last), Some(found)) if found > last => {
                    return Err(rival(format!(
                        "Expected a heartbeat value of {last} but didn't find it.  Is another Maxwell process running with the same client_id?"
                    )));
                }
                (last, found) => tracing::warn!(?last, ?found, "the server lost our last heartbeat; going on from what it has"),
            }
        }
        self.known = true;
        self.last = found;
        Ok(())
    }

    /// Whether the row was never read or written in this process.
    pub fn is_first_use(&self) -> bool {
        !self.known && self.last.is_none() && self.uncertain.is_empty()
    }
}

fn rival(text: String) -> Error {
    Error::definite(text).exit_code(1).hint("stop the other process, or give this one a `client_id` of its own")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(found: Option<i64>) -> HeartbeatState {
        let mut state = HeartbeatState::default();
        assert!(state.must_read() && state.is_first_use());
        state.read(found, true).unwrap();
        state
    }

    #[test]
    fn values_only_grow() {
        let mut state = started(None);
        assert_eq!(state.attempt(1000), Attempt::Insert { value: 1000 });
        state.written(1000);
        assert_eq!(state.attempt(1000), Attempt::Update { from: 1000, value: 1001 }, "two in one millisecond");
        state.written(1001);
        assert_eq!(state.attempt(5), Attempt::Update { from: 1001, value: 1002 }, "a clock that went back");
        state.written(1002);
        assert_eq!(state.attempt(2000), Attempt::Update { from: 1002, value: 2000 });
        let mut later = started(Some(9000));
        assert_eq!(later.attempt(2000), Attempt::Update { from: 9000, value: 9001 }, "a row from the future is adopted");
    }

    #[test]
    fn only_a_higher_foreign_value_is_a_rival() {
        for (found, rival) in [(Some(1500), true), (Some(1001), true), (Some(999), false), (Some(1000), false), (None, false)] {
            let mut state = started(Some(500));
            let _ = state.attempt(1000);
            state.written(1000);
            let _ = state.attempt(2000);
            let result = state.read(found, false);
            assert_eq!(result.is_err(), rival, "{found:?}");
            match result {
                Err(e) => {
                    assert!(!e.is_transient());
                    assert!(e.message().starts_with("Expected a heartbeat value of 1000 but didn't find it.  Is another Maxwell"), "{e}");
                }
                Ok(()) => assert_eq!(state.last, found),
            }
        }
    }

    #[test]
    fn a_row_that_appears_before_our_insert_is_a_rival() {
        let mut state = started(None);
        let _ = state.attempt(1000);
        let e = state.read(Some(7), false).unwrap_err();
        assert!(e.message().starts_with("Found heartbeat row"), "{e}");
    }

    #[test]
    fn an_attempt_that_failed_may_have_been_written() {
        let mut state = started(Some(500));
        let _ = state.attempt(1000);
        assert!(state.must_read(), "its outcome is unknown");
        state.read(Some(500), false).unwrap();
        let _ = state.attempt(2000);
        state.read(Some(1000), false).unwrap();
        assert_eq!(state.attempt(3000), Attempt::Update { from: 1000, value: 3000 });
        let mut inserted = started(None);
        let _ = inserted.attempt(1000);
        assert!(!inserted.is_first_use());
        inserted.read(Some(1000), false).unwrap();
    }

    #[test]
    fn failures_are_remembered_within_a_bound() {
        let mut state = started(Some(0));
        for now in 1..10_000 {
            let _ = state.attempt(now);
        }
        assert_eq!(state.uncertain.len(), UNCERTAIN_MAX);
        state.read(Some(9_999), false).unwrap();
    }
}
