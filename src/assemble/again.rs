//! The second reading of a transaction that memory and spill folder could not hold (design §8). The first kept how it
//! ends, which rows were taken back, and what its table ids stood for; here its rows go out one event after another, as
//! they would have come out of the spill. Never here: files and connections.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::binlog::payload::{PayloadEvents, PayloadLimits};
use crate::binlog::table_map::DUMMY_TABLE_ID;
use crate::binlog::{EventType, RawEvent, TableMap, compressed, gtid, mariadb_gtid, payload, rows_query};
use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Gtid};

use super::assembler::{Assembler, bad};
use super::left_out;
use super::open::Open;
use super::tables::Entry;
use super::transaction::{TableRole, TxnEvent};
use super::undone::Undone;

/// What the first reading knows.
#[derive(Debug)]
pub struct Again {
    /// Where the transaction begins.
    pub start: BinlogPosition,
    /// Where its last event ends, in the same file.
    pub end: u64,
    gtid: Option<Gtid>,
    /// How many events with rows or row queries it has.
    events: u64,
    undone: Undone,
    tables: Meanings,
    row_queries: bool,
    limits: PayloadLimits,
}

/// What the table ids of one transaction stood for.
#[derive(Debug)]
pub(super) struct Meanings {
    /// Before the event with this number the id stood for this.
    pub past: VecDeque<(u64, u64, Arc<Entry>)>,
    pub last: HashMap<u64, Arc<Entry>>,
}

impl Meanings {
    fn of(&mut self, id: u64, number: u64) -> Option<&Arc<Entry>> {
        while self.past.pop_front_if(|(until, ..)| *until <= number).is_some() {}
        let past = self.past.iter().find(|(_, known, _)| *known == id).map(|(_, _, entry)| entry);
        past.or_else(|| self.last.get(&id))
    }
}

impl Assembler {
    /// What is needed to read the rows of a transaction that ends here a second time, if they were not kept.
    pub(super) fn again(&mut self, open: &mut Open) -> Option<Box<Again>> {
        if !open.beyond {
            return None;
        }
        Some(Box::new(Again {
            start: self.group_start.clone(),
            end: self.at.offset,
            gtid: open.meta.gtid.clone(),
            events: self.tables.number(),
            undone: std::mem::take(&mut open.undone),
            tables: self.tables.meanings(),
            row_queries: self.options.row_queries,
            limits: self.options.payload_limits(),
        }))
    }
}

/// Gives the rows of the second reading.
pub struct AgainReader {
    again: Again,
    /// Where the next event begins.
    at: u64,
    /// Of the next event with rows or a row query.
    number: u64,
    /// Rows passed over since the last event that was given.
    left_out: u64,
    /// A compressed transaction that is being unpacked, and where it begins.
    payload: Option<(PayloadEvents, u64)>,
    ready: VecDeque<TxnEvent>,
}

impl AgainReader {
    pub fn new(again: Again) -> Self {
        let at = again.start.offset;
        AgainReader { again, at, number: 0, left_out: 0, payload: None, ready: VecDeque::new() }
    }

    /// The next event, `None` after the last. `log` gives the events of the file from the transaction's start on.
    ///
    /// # Errors
    /// Definite when something else stands there now; else as the log's.
    pub fn next(&mut self, log: &mut dyn FnMut() -> Result<Option<RawEvent>>) -> Result<Option<TxnEvent>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if let Some((inner, start)) = &mut self.payload {
                let start = *start;
                match inner.next() {
                    Some(event) => {
                        let event = event.map_err(|e| self.error("a compressed transaction cannot be unpacked").source(e))?;
                        self.take(event, start)?;
                    }
                    None => self.payload = None,
                }
                continue;
            }
            if self.at == self.again.end {
                if self.number != self.again.events {
                    return Err(self.changed(format!("{} events with rows instead of {}", self.number, self.again.events)));
                }
                self.tell_left_out();
                match self.ready.pop_front() {
                    Some(event) => return Ok(Some(event)),
                    None => return Ok(None),
                }
            }
            let Some(event) = log()? else { return Err(self.changed("the log ends inside it".into())) };
            let start = self.at;
            self.advance(&event)?;
            self.take(event, start)?;
        }
    }

    fn advance(&mut self, event: &RawEvent) -> Result<()> {
        let end = self.at + u64::from(event.header.size);
        let told = event.header.next_position;
        if end > self.again.end || (told != 0 && told != end as u32) {
            return Err(self.changed(format!("a {} event ends at {told}", event.header.type_name())));
        }
        self.at = end;
        Ok(())
    }

    fn take(&mut self, event: RawEvent, start: u64) -> Result<()> {
        use EventType::*;
        let Some(kind) = event.header.event_type() else { return Ok(()) };
        match kind {
            Gtid | AnonymousGtid | GtidTagged => {
                let found = gtid::GtidEvent::parse(&event).map_err(|e| bad(&event.header, e))?.gtid;
                self.same_gtid(found.map(crate::position::Gtid::MySql))?;
            }
            MariaGtid => {
                let found = mariadb_gtid::MariadbGtidEvent::parse(&event).map_err(|e| bad(&event.header, e))?.gtid;
                self.same_gtid(Some(crate::position::Gtid::MariaDb(found)))?;
            }
            // Its events came before it, one by one.
            TransactionPayload if event.body.is_empty() => {}
            TransactionPayload => {
                let inner = payload::TransactionPayload::parse(&event).and_then(|p| p.events(self.again.limits));
                self.payload = Some((inner.map_err(|e| bad(&event.header, e))?, start));
            }
            RowsQuery | MariaAnnotateRows => {
                let is_given = !self.is_undone() && self.again.row_queries;
                if is_given {
                    let text = rows_query::text(&event).map_err(|e| bad(&event.header, e))?;
                    self.give(TxnEvent::RowQuery(text));
                }
            }
            MariaWriteRowsCompressedV1
            | MariaUpdateRowsCompressedV1
            | MariaDeleteRowsCompressedV1
            | MariaWriteRowsCompressed
            | MariaUpdateRowsCompressed
            | MariaDeleteRowsCompressed => {
                let inflated = compressed::inflate(&event, self.again.limits.event_bytes_max).map_err(|e| bad(&event.header, e))?;
                self.rows(inflated, start)?;
            }
            kind if kind.is_rows() => self.rows(event, start)?,
            _ => {}
        }
        Ok(())
    }

    fn rows(&mut self, event: RawEvent, start: u64) -> Result<()> {
        let number = self.number;
        if self.is_undone() {
            return Ok(());
        }
        let id = TableMap::id_of(&event).map_err(|e| bad(&event.header, e))?;
        if id == DUMMY_TABLE_ID {
            return Ok(());
        }
        let Some(entry) = self.again.tables.of(id, number) else { return Err(self.changed(format!("rows of table id {id}"))) };
        match entry.slot.clone() {
            None if entry.layouts.is_empty() => {}
            None => self.left_out += left_out::rows(&event, &entry.layouts),
            Some(slot) if slot.role == TableRole::Heartbeats => {}
            Some(slot) => self.give(TxnEvent::Rows { slot, event, start }),
        }
        Ok(())
    }

    /// Counts an event, and tells whether it was taken back.
    fn is_undone(&mut self) -> bool {
        let number = self.number;
        self.number += 1;
        self.again.undone.passes(number)
    }

    fn give(&mut self, event: TxnEvent) {
        self.tell_left_out();
        self.ready.push_back(event);
    }

    fn tell_left_out(&mut self) {
        match std::mem::take(&mut self.left_out) {
            0 => {}
            rows => self.ready.push_back(TxnEvent::LeftOut(rows)),
        }
    }

    fn same_gtid(&self, found: Option<Gtid>) -> Result<()> {
        match (&self.again.gtid, &found) {
            (Some(then), Some(now)) if then != now => Err(self.changed(format!("the transaction {now} instead of {then}"))),
            _ => Ok(()),
        }
    }

    fn changed(&self, what: String) -> Error {
        self.error("the second reading of a transaction finds another one than the first").detail(what)
    }

    fn error(&self, what: &str) -> Error {
        Error::definite(what)
            .detail(format!("at {}:{} in the transaction that begins at {}", self.again.start.file, self.at, self.again.start))
            .hint("was the binlog reset, or is it another server's? Raise spill_limit, so that one reading is enough")
    }
}
