//! A finished transaction: its facts, and its raw row events in the order of the binlog.

use std::sync::Arc;

use crate::binlog::{RawEvent, TableMap};
use crate::error::Result;
use crate::filter::Verdict;
use crate::position::{Gtid, ResumePoint};
use crate::schema::{SchemaId, Table};

use super::again::Again;
use super::spill::SpillBuffer;

/// A table map matched with our definition: what a rows event of its table id means. Made once per table map text, and
/// shared by all events under it; encoders compile their plan per `id`.
#[derive(Debug)]
pub struct TableSlot {
    /// Unique within the process, never used again; the key under which encoders keep the compiled plan.
    pub id: u64,
    pub map: TableMap,
    /// Our definition. Database and table names in messages come from here (the store's letter case).
    pub table: Arc<Table>,
    /// Where it differs, the definition by which values are shown under `maxwell_quirks`.
    pub as_maxwell: Option<Arc<Table>>,
    pub verdict: Verdict,
    pub role: TableRole,
}

impl TableSlot {
    /// The definition by which values are shown.
    pub fn shown(&self) -> &Arc<Table> {
        self.as_maxwell.as_ref().unwrap_or(&self.table)
    }

    /// Columns at the end of the binlog's rows that belong to no definition and are never output.
    pub fn hidden_columns(&self) -> usize {
        super::metadata::hidden_columns(&self.map)
    }
}

/// Whether a table is one of our own, which follow rules of their own (contract §3.8, §9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableRole {
    /// Any other table.
    User,
    /// `<schema_db>.heartbeats`: read for our client_id, never output.
    Heartbeats,
    /// `<schema_db>.bootstrap`: inserts are output whatever the filter says; updates and deletes never.
    Bootstrap,
    /// Another table whose definition is not proved; `TableSlot::table` has its names and no columns. Its rows are held.
    Unproved,
}

/// Facts of one transaction.
#[derive(Debug, Clone, Default)]
pub struct TxnMeta {
    /// The binlog file that holds it; a transaction never spans two.
    pub file: Arc<str>,
    /// Of the last GTID event seen; shown by `output_gtid_position`.
    pub gtid: Option<Gtid>,
    /// From the header of the BEGIN event (MariaDB: of the GTID event).
    pub server_id: Option<u32>,
    /// From the BEGIN query event; MariaDB's GTID event has none.
    pub thread_id: Option<u32>,
    /// From the XID event; `None` when a COMMIT query ended it.
    pub xid: Option<u64>,
    /// The schema version that is current after the whole transaction was read.
    pub schema_id: Option<SchemaId>,
    /// Commit time in microseconds since the epoch: exact where the GTID event has it (MySQL 8+), else the commit
    /// event's whole seconds.
    pub commit_us: u64,
    /// Seconds since the epoch, from the headers of the BEGIN event and of the last rows event that may be output; for
    /// metrics.
    pub begun_s: u32,
    pub last_row_s: u32,
    /// Place that all rows have, if it is not that of their own events: an XA transaction's rows become valid with the
    /// statement that commits it, so they have its place, and places never go back from one message to the next.
    pub rows_at: Option<u64>,
    /// Rows events of our own `bootstrap` table: requests that somebody has to answer.
    pub requests: Vec<(Arc<TableSlot>, RawEvent)>,
}

/// Emitted when the commit event was read. Read it once with `events.next()`.
#[derive(Debug)]
pub struct Transaction {
    pub meta: TxnMeta,
    pub events: SpillBuffer,
    /// It was larger than memory and spill folder may hold: `events` is empty, and its rows have to be read a second time.
    pub again: Option<Box<Again>>,
    pub end: ResumePoint,
}

/// What a transaction consists of, after tables that are not output were left out.
#[derive(Debug)]
pub enum TxnEvent {
    /// A rows event (any version; compressed MariaDB events are already inflated) of a table that may be output.
    Rows { slot: Arc<TableSlot>, event: RawEvent, start: u64 },
    /// The SQL text that is in force for the following rows (rows-query or annotate event), raw bytes.
    RowQuery(bytes::Bytes),
    /// Between the events around it so many rows stood that are not output. Told only if they are counted.
    LeftOut(u64),
}

impl Transaction {
    /// The next event in order, or `None` after the last. Reads spilled events back one at a time.
    pub fn next_event(&mut self) -> Result<Option<TxnEvent>> {
        self.events.next()
    }
}
