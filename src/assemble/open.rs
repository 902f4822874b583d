//! A transaction whose commit was not read yet.

use std::sync::Arc;

use crate::error::{Error, Result};

use super::savepoints::{Mark, Savepoints};
use super::spill::{Pushed, SpillBuffer};
use super::statement::{self, Savepoint};
use super::transaction::{TableSlot, TxnEvent, TxnMeta};
use super::undone::Undone;

pub(super) struct Open {
    pub meta: TxnMeta,
    pub events: SpillBuffer,
    /// Whether rows of a table outside our own database were seen, output or not.
    pub touches_users: bool,
    /// Whether rows of a table were seen whose definition is not proved: they will be held.
    pub unproved: bool,
    /// Value of our heartbeat row, when the transaction wrote it.
    pub heartbeat: Option<i64>,
    savepoints: Savepoints,
    /// An XA transaction, and the tables of which it has rows.
    pub is_xa: bool,
    pub slots: Vec<Arc<TableSlot>>,
    /// Rows passed over since the last event that was kept.
    left_out: u64,
    /// Memory and spill folder hold no more of it. Nothing is kept any longer; only how it ends is looked at, and then its
    /// rows are read a second time.
    pub beyond: bool,
    /// What was taken back, by the numbers of `Tables::next_number`.
    pub undone: Undone,
}

impl Open {
    pub fn new(meta: TxnMeta, events: SpillBuffer, is_xa: bool) -> Self {
        Open {
            meta,
            events,
            touches_users: false,
            unproved: false,
            heartbeat: None,
            savepoints: Savepoints::default(),
            is_xa,
            slots: Vec::new(),
            left_out: 0,
            beyond: false,
            undone: Undone::default(),
        }
    }

    /// Rows behind a place that is gone back to were never committed. (Those of tables that no rollback reaches stand in
    /// groups of their own, unless one statement changed both kinds; the binlog does not tell them apart then.) `number` is
    /// that of what comes next.
    pub fn savepoint(&mut self, sql: &[u8], number: u64) -> Result<()> {
        match statement::savepoint(sql) {
            None => {}
            Some(Savepoint::Set(name)) => {
                // What was passed over before this place stays counted.
                self.tell_left_out()?;
                self.savepoints.set(&name, Mark { kept: self.events.mark(), number });
            }
            Some(Savepoint::RollbackTo(name)) => {
                let Some(mark) = self.savepoints.back_to(&name) else {
                    return Err(Error::definite("a transaction goes back to a place that it did not mark")
                        .detail(String::from_utf8_lossy(sql))
                        .hint("check the binlog file with mysqlbinlog"));
                };
                self.undone.since(mark.number, number);
                if !self.beyond {
                    self.events.undo_since(mark.kept);
                }
                self.left_out = 0;
            }
        }
        Ok(())
    }

    pub fn push(&mut self, event: TxnEvent) -> Result<()> {
        self.tell_left_out()?;
        self.append(event)
    }

    /// Counts rows that are passed over.
    pub fn leave_out(&mut self, rows: u64) {
        self.left_out += rows;
    }

    pub fn tell_left_out(&mut self) -> Result<()> {
        match std::mem::take(&mut self.left_out) {
            0 => Ok(()),
            rows => self.append(TxnEvent::LeftOut(rows)),
        }
    }

    fn append(&mut self, event: TxnEvent) -> Result<()> {
        if self.beyond {
            return Ok(());
        }
        match self.events.push(event)? {
            Pushed::Memory | Pushed::File => {}
            Pushed::Full => {
                tracing::info!(
                    file = &*self.meta.file,
                    bytes = self.events.bytes(),
                    "a transaction is larger than memory and spill_limit may hold: its rows are read a second time once its end is known"
                );
                self.beyond = true;
                self.events.clear();
            }
        }
        Ok(())
    }
}
