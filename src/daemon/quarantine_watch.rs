//! What is held back, told to metrics and health, and the bound on it: the binlog in which it can be read again must not be
//! purged. Never here: what is held, and why; `assemble::quarantine` knows that.

use std::time::{Duration, Instant};

use crate::assemble::{First, HeldTable, Quarantine};
use crate::error::{Error, Result};
use crate::position::BinlogPosition;
use crate::status::CauseKind;

use super::board::Board;
use super::tables::Remaining;

/// A definition that was just read is proved as soon as the stream has come to the server's end; that is no ill health.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the server is asked what it still keeps.
const PURGE_CHECK_EVERY: Duration = Duration::from_secs(10);
/// The run ends when less than this part of the server's keeping time is left.
const REMAINING_PART: u32 = 10;

/// Of one run.
#[derive(Debug, Default)]
pub struct QuarantineWatch {
    since: Option<Instant>,
    checked: Option<Instant>,
    posted: Vec<HeldTable>,
    is_ill: bool,
}

impl QuarantineWatch {
    /// Puts what is held on the board.
    pub fn post(&mut self, quarantine: &Quarantine, board: &Board) {
        if quarantine.is_empty() {
            if self.since.take().is_some() {
                board.metrics.quarantined(0, 0, 0);
                board.well(CauseKind::Quarantine);
                *self = QuarantineWatch::default();
            }
            return;
        }
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let held = quarantine.report();
        let (rows, bytes) = held.iter().fold((0, 0), |(rows, bytes), t| (rows + t.rows, bytes + t.bytes));
        board.metrics.quarantined(held.len() as u64, rows, bytes);
        let due = held.iter().any(|t| t.stuck) || now.duration_since(since) >= PATIENCE;
        if due && (!self.is_ill || held != self.posted) {
            board.ill(CauseKind::Quarantine, sentence(&held, quarantine.first().map(|first| &first.at)));
            self.is_ill = true;
        }
        self.posted = held;
    }

    /// The place of the first held row, when it is time to ask the server whether it will keep it.
    pub fn purge_check_due<'a>(&mut self, quarantine: &'a Quarantine) -> Option<&'a First> {
        let first = quarantine.first()?;
        let now = Instant::now();
        let last = *self.checked.get_or_insert(now);
        if now.duration_since(last) < PURGE_CHECK_EVERY {
            return None;
        }
        self.checked = Some(now);
        Some(first)
    }

    /// Ends the run while what is held can still be read again.
    pub fn judge(&self, first: &BinlogPosition, remaining: Remaining) -> Result<()> {
        let what = match remaining {
            Remaining::Gone => "the binlog file with the first row that is held back is not on the server any more".to_owned(),
            Remaining::Seconds { left, of } if left < of / u64::from(REMAINING_PART) => {
                format!("the server purges the binlog with the first row that is held back in about {} minutes", left / 60)
            }
            Remaining::Seconds { .. } | Remaining::Unknown => return Ok(()),
        };
        let tables: Vec<String> = self.posted.iter().map(|t| format!("{}.{}", t.database, t.table)).collect();
        Err(Error::definite(what).detail(first).detail(format!("held back: {}", tables.join(", "))).hint(
            "the stored position lies before it: tell the definition with `binlogd schema resolve`, or leave the table out by the filter, and start again",
        ))
    }
}

fn sentence(held: &[HeldTable], first: Option<&BinlogPosition>) -> String {
    const NAMED_MAX: usize = 5;
    let one = |t: &HeldTable| {
        let statement = if t.cause.statement.is_empty() { String::new() } else { format!(" by \"{}\"", t.cause.statement) };
        let end = if t.stuck { "; binlogd schema resolve ends this" } else { "" };
        format!("{}.{} ({} rows) since {}{statement}: {}{end}", t.database, t.table, t.rows, t.cause.at, t.cause.why)
    };
    let mut named: Vec<String> = held.iter().take(NAMED_MAX).map(one).collect();
    if held.len() > NAMED_MAX {
        named.push(format!("{} more tables", held.len() - NAMED_MAX));
    }
    let pinned = first.map(|at| format!(", and the stored position stays before {at}")).unwrap_or_default();
    format!("rows are held back because definitions are not proved{pinned}: {}", named.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_ends_while_the_binlog_is_still_there() {
        let at = BinlogPosition::new("b.000007", 120);
        let judge = |remaining| QuarantineWatch::default().judge(&at, remaining);
        assert!(judge(Remaining::Unknown).is_ok());
        assert!(judge(Remaining::Seconds { left: 100_000, of: 600_000 }).is_ok());
        let error = judge(Remaining::Seconds { left: 3_600, of: 600_000 }).unwrap_err();
        assert!(error.to_string().contains("60 minutes") && error.to_string().contains("b.000007:120"), "{error}");
        assert!(!judge(Remaining::Gone).unwrap_err().is_transient());
    }
}
