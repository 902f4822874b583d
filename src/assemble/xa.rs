//! XA transactions between their prepare and the statement that decides them.
//!
//! The rows stand at the prepare and become valid at `XA COMMIT`, which may come hours and restarts later. What is small
//! is kept in memory until then; anything else is read again from the binlog, by the place that is kept. The resume point
//! does not pass a prepare before its place is stored: the points behind it are `held` until `Assembler::noted`.
//! Never here: the store, or connections.

use std::collections::HashMap;
use std::sync::Arc;

use super::again::Again;
use super::assembler::{AssembleOptions, Assembler, Step, bad};
use super::doubt::{Bound, TableName};
use super::spill::{SpillBuffer, SpillDir};
use super::transaction::{TableRole, TableSlot, Transaction, TxnMeta};
use crate::binlog::RawEvent;
use crate::binlog::event::EventHeader;
use crate::binlog::query::Query;
use crate::binlog::xa_prepare::XaPrepare;
use crate::error::{Error, Result};
use crate::position::xa::{XaDecided, XaName, XaPlace};
use crate::position::{BinlogPosition, Position, ResumePoint};
use crate::schema::prepared::PreparedXa;
use crate::schema::{Schema, SchemaId};

use super::statement;

/// Without an order to keep more, prepared rows may hold this part of what one open transaction may.
const MEMORY_PART: u64 = 4;

/// What is known of prepared transactions.
#[derive(Debug)]
pub struct XaState {
    prepared: HashMap<XaName, Prepared>,
    /// Decided ones that a store knows of.
    decided: Vec<XaDecided>,
    /// So many bytes of prepared rows are kept, in memory and in spill files together.
    keep_bytes: u64,
    kept_bytes: u64,
    unnoted: usize,
    /// Noted by an earlier life that came further than its stored position.
    ahead: Vec<XaPlace>,
    /// A commit whose rows have to be read again.
    awaited: Option<Commit>,
}

/// A prepared transaction.
#[derive(Debug)]
struct Prepared {
    what: PreparedXa,
    /// `None`: they are read again when they are needed.
    rows: Option<Rows>,
    /// Whether its place is stored.
    noted: bool,
}

/// What was gathered of it.
#[derive(Debug)]
pub(super) struct Rows {
    pub meta: TxnMeta,
    pub events: SpillBuffer,
    /// As in `Transaction`.
    pub again: Option<Box<Again>>,
    pub touches_users: bool,
    pub heartbeat: Option<i64>,
    /// The tables whose rows are in it.
    pub slots: Vec<Arc<TableSlot>>,
}

/// The statement that makes the rows valid.
#[derive(Debug)]
struct Commit {
    header: EventHeader,
    start: u64,
}

/// Rows that have to be read again from the binlog.
#[derive(Debug, Clone)]
pub struct XaRequest {
    pub name: XaName,
    /// `None`: nobody has seen the prepare, because the stream began behind it.
    pub known: Option<PreparedXa>,
    /// Where the statement that commits them begins; the prepare lies before.
    pub at: BinlogPosition,
    /// Where it ends.
    pub end: BinlogPosition,
}

impl XaState {
    pub(super) fn new(memory_bytes: u64) -> Self {
        XaState {
            prepared: HashMap::new(),
            decided: Vec::new(),
            keep_bytes: memory_bytes / MEMORY_PART,
            kept_bytes: 0,
            unnoted: 0,
            ahead: Vec::new(),
            awaited: None,
        }
    }

    /// Whether the resume point has to wait.
    pub(super) fn holds(&self) -> bool {
        self.unnoted > 0
    }

    pub(super) fn forget_awaited(&mut self) {
        self.awaited = None;
    }

    fn put(&mut self, what: PreparedXa, rows: Option<Rows>, noted: bool) {
        let fits = |rows: &Rows| self.kept_bytes.saturating_add(rows.events.bytes()) <= self.keep_bytes;
        let rows = rows.filter(fits).map(|mut rows| {
            // It may stay for long, and must not keep whole read buffers alive.
            rows.events.compact();
            self.kept_bytes += rows.events.bytes();
            rows
        });
        self.unnoted += usize::from(!noted);
        self.prepared.insert(what.place.name.clone(), Prepared { what, rows, noted });
    }

    /// Takes it out; its note has to go once the decision is behind the stored position.
    fn take(&mut self, name: &XaName) -> Option<(PreparedXa, Option<Rows>)> {
        let Prepared { what, rows, noted } = self.prepared.remove(name)?;
        self.unnoted -= usize::from(!noted);
        if let Some(rows) = &rows {
            self.kept_bytes -= rows.events.bytes();
        }
        Some((what, rows))
    }

    fn is_noted(&self, name: &XaName) -> bool {
        self.prepared.get(name).is_some_and(|p| p.noted)
    }
}

impl Assembler {
    /// Keeps up to so many bytes of prepared rows, in memory and spilled; by default a quarter of what one transaction
    /// may have in memory. `u64::MAX`: they cannot be read again.
    pub fn keep_prepared(&mut self, bytes: u64) {
        self.xa.keep_bytes = bytes;
    }

    /// What a store has noted. Prepares behind the start are met again.
    pub fn restore_prepared(&mut self, noted: Vec<PreparedXa>, start: &Position) {
        let (mut known, ahead): (Vec<_>, Vec<_>) = noted.into_iter().partition(|what| what.place.is_behind(start));
        self.xa.ahead = ahead.into_iter().map(|what| what.place).collect();
        known.sort_by_key(|what| (what.place.start.file_number(), what.place.end));
        for what in known {
            tracing::info!(xid = %what.place.name, prepared = %what.place, "waiting for the end of a prepared XA transaction");
            // Of several that had one name only the last can be open.
            self.replaces(&what.place);
            self.xa.put(what, None, true);
        }
    }

    /// Those whose place is not stored yet.
    pub fn unnoted(&self) -> Vec<PreparedXa> {
        if !self.xa.holds() {
            return Vec::new();
        }
        self.xa.prepared.values().filter(|p| !p.noted).map(|p| p.what.clone()).collect()
    }

    /// They are stored. Gives the point that may be stored now, behind the last complete transaction.
    pub fn noted(&mut self) -> ResumePoint {
        self.xa.prepared.values_mut().for_each(|p| p.noted = true);
        self.xa.unnoted = 0;
        self.point(None, false)
    }

    /// Noted ones that were decided since the last call.
    pub fn take_decided(&mut self) -> Vec<XaDecided> {
        std::mem::take(&mut self.xa.decided)
    }

    /// The rows end here; somebody decides later.
    pub(super) fn on_xa_prepare(&mut self, event: &RawEvent, start: u64) -> Result<Step> {
        let prepare = XaPrepare::parse(event).map_err(|e| bad(&event.header, e))?;
        if self.open.is_none() {
            return self.nothing_open("a prepare event", start);
        }
        if prepare.one_phase {
            return self.commit(&event.header, None);
        }
        let Some(mut open) = self.open.take() else { return Ok(Step::More) };
        open.tell_left_out()?;
        let place = XaPlace { name: prepare.xid.to_name(), start: self.group_start.clone(), end: self.at.offset, gtid: self.gtid.clone() };
        let what = PreparedXa { place, schema_id: self.schema_id, tables: tables_of(&open.slots), server_uuid: None };
        // Rows that wait for a definition are read again: it may be proved until then, and cannot be before it is. So are those
        // that were too many, from wherever they are then; only who cannot look for them keeps the place.
        let looks_again = (open.unproved || open.beyond) && self.xa.keep_bytes != u64::MAX;
        let again = self.again(&mut open);
        let rows = (!looks_again).then_some(Rows {
            meta: open.meta,
            again,
            events: open.events,
            touches_users: open.touches_users,
            heartbeat: open.heartbeat,
            slots: open.slots,
        });
        let noted = self.replaces(&what.place);
        self.xa.put(what, rows, noted);
        let mut end = self.end_here(self.gtid.clone(), open.touches_users);
        end.held |= open.unproved;
        Ok(Step::Boundary(end))
    }

    pub(super) fn on_xa_commit(&mut self, event: &RawEvent, query: &Query<'_>, start: u64) -> Result<Step> {
        self.unfinished()?;
        let name = name_of(query)?;
        let commit = Commit { header: event.header, start };
        let noted = self.xa.is_noted(&name);
        match self.xa.take(&name) {
            Some((what, Some(rows))) => {
                self.note_decided(what.place, noted);
                Ok(self.commit_prepared(&commit, rows))
            }
            known => {
                let at = BinlogPosition { file: self.at.file.clone(), offset: start };
                let known = known.map(|(what, _)| what);
                if let Some(what) = &known {
                    self.note_decided(what.place.clone(), noted);
                }
                self.xa.awaited = Some(commit);
                Ok(Step::NeedsPrepared(XaRequest { name, known, at, end: self.at.clone() }))
            }
        }
    }

    pub(super) fn on_xa_rollback(&mut self, query: &Query<'_>) -> Result<Step> {
        if self.open.take().is_some() {
            // Never prepared: what it did not undo was logged by itself.
            self.undo_statements();
        } else {
            let name = name_of(query)?;
            let noted = self.xa.is_noted(&name);
            if let Some((what, _)) = self.xa.take(&name) {
                self.note_decided(what.place, noted);
            }
        }
        let gtid = self.gtid.clone();
        Ok(Step::Boundary(self.end_here(gtid, true)))
    }

    /// Whether the same prepare is read a second time and was noted. A name is prepared once at a time, so another one that
    /// still has it is decided: the stream did not show how.
    fn replaces(&mut self, place: &XaPlace) -> bool {
        let noted = self.xa.is_noted(&place.name);
        let met_before = self.xa.ahead.iter().position(|ahead| ahead == place).map(|i| self.xa.ahead.swap_remove(i)).is_some();
        match self.xa.take(&place.name) {
            Some((old, _)) if old.place == *place => noted,
            Some((old, _)) => {
                tracing::warn!(xid = %place.name, before = %old.place, now = %place, "an XA transaction was prepared again: the one before it is gone");
                self.note_decided(old.place, noted);
                met_before
            }
            None => met_before,
        }
    }

    fn note_decided(&mut self, place: XaPlace, noted: bool) {
        if noted {
            self.xa.decided.push(XaDecided { place, end: self.at.clone(), gtid: self.gtid.clone() });
        }
    }

    /// The rows under the statement that made them valid: its place, its GTID, its time; without an xid, because there is
    /// no XID event (as Maxwell has it for MySQL 5.6, which logs XA so). The thread is the one that wrote them.
    fn commit_prepared(&mut self, commit: &Commit, rows: Rows) -> Step {
        let Rows { mut meta, events, again, touches_users, heartbeat, slots: _ } = rows;
        meta.file = self.at.file.clone();
        meta.rows_at = Some(commit.start);
        meta.gtid = self.gtid.clone();
        meta.schema_id = self.schema_id;
        meta.commit_us = self.commit_us(&commit.header);
        self.heartbeat = heartbeat.unwrap_or(self.heartbeat);
        let end = self.end_here(meta.gtid.clone(), touches_users || heartbeat.is_some());
        Step::Transaction(Transaction { meta, events, again, end })
    }

    /// Reads the rows of a request again.
    pub fn xa_reader(&self, request: &XaRequest) -> XaReader {
        let schema = match &request.known {
            Some(known) => known.definitions(&self.schema),
            None => self.schema.clone(),
        };
        let mut reader =
            XaReader::new(self.options.clone(), self.spill.clone(), schema, self.schema_id, self.tables.next_slot(), request.name.clone());
        reader.assembler.tables.counts_left_out = self.tables.counts_left_out;
        if self.tables.quarantine.is_on() {
            reader.doubted = self.tables.doubts.names();
            // Not to hold anything there: rows without a definition get slots that say so.
            reader.assembler.quarantine_mut().turn_on(0);
        }
        reader
    }

    /// The rows that `Step::NeedsPrepared` asked for.
    ///
    /// # Errors
    /// Definite when a definition of one of their tables is not proved, and its rows cannot be held back.
    pub fn provide_prepared(&mut self, request: &XaRequest, reader: XaReader) -> Result<Step> {
        let Some(commit) = self.xa.awaited.take() else { return Err(Error::bug("rows of an XA transaction that nobody waits for")) };
        self.tables.take_slots_from(reader.assembler.tables.next_slot());
        let Some(rows) = reader.found else { return Err(Error::bug("rows of an XA transaction that were not read")) };
        let then = |slot: &&Arc<TableSlot>| {
            let known = request.known.iter().flat_map(|k| &k.tables);
            known.into_iter().any(|t| t.database == slot.table.database && t.name == slot.table.name)
        };
        // No statement can have come between: a prepared transaction keeps its tables locked. So the definition that is proved
        // at last is that of these rows too.
        let mut held = false;
        for slot in rows.slots.iter().filter(|slot| !then(slot)) {
            if !self.tables.doubts.is_doubted(&slot.table.database, &slot.table.name) {
                continue;
            }
            if self.tables.quarantine.is_on() {
                self.tables.hold_slot(slot);
                held = true;
            } else {
                return Err(Error::definite(format!(
                    "the definition of {}.{} is not proved, and rows of an XA transaction need it",
                    slot.table.database, slot.table.name
                ))
                .detail(format!("XA transaction {}", request.name))
                .hint(
                    "set binlog_row_metadata=FULL on the server, tell the definition with `binlogd schema resolve`, or exclude the table",
                ));
            }
        }
        let mut step = self.commit_prepared(&commit, rows);
        if let Step::Transaction(transaction) = &mut step {
            transaction.end.held |= held;
        }
        Ok(step)
    }

    /// Nobody wants the rows: the commit is a boundary.
    pub fn pass_prepared(&mut self) -> Step {
        self.xa.awaited = None;
        let gtid = self.gtid.clone();
        Step::Boundary(self.end_here(gtid, true))
    }
}

fn tables_of(slots: &[Arc<TableSlot>]) -> Vec<Arc<crate::schema::Table>> {
    slots.iter().filter(|slot| slot.role == TableRole::User).map(|slot| slot.table.clone()).collect()
}

fn name_of(query: &Query<'_>) -> Result<XaName> {
    statement::xa_name(query.sql).ok_or_else(|| {
        Error::definite("an XA statement names no transaction in the form that servers log")
            .detail(String::from_utf8_lossy(query.sql).chars().take(300).collect::<String>())
    })
}

/// Takes the events of one prepared transaction a second time.
pub struct XaReader {
    assembler: Assembler,
    name: XaName,
    /// Tables whose rows may come without a definition: they will be held.
    doubted: Vec<TableName>,
    found: Option<Rows>,
}

/// What an event was to an `XaReader`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XaRead {
    /// The transaction goes on.
    More,
    /// It is complete.
    Done,
    /// Another group ended: this is not the place.
    Another,
}

impl XaReader {
    fn new(options: AssembleOptions, spill: SpillDir, schema: Schema, id: Option<SchemaId>, next_slot: u64, name: XaName) -> Self {
        // The first event names the file.
        let mut assembler = Assembler::new(options, spill, schema, id, BinlogPosition::new("", 4), 0);
        assembler.tables.take_slots_from(next_slot);
        assembler.keep_prepared(u64::MAX);
        XaReader { assembler, name, doubted: Vec::new(), found: None }
    }

    fn is_doubted(&self, name: &TableName) -> bool {
        let case = self.assembler.schema.case;
        name.table.as_deref().is_some_and(|table| self.doubted.iter().any(|d| d.covers(case, &name.database, table)))
    }

    /// Where the next event begins, when those before it are left out.
    pub fn begin(&mut self, at: BinlogPosition) {
        self.assembler.rewind(at);
    }

    /// Takes the next event from the transaction's start on, as a dump connection gives them.
    ///
    /// # Errors
    /// As the assembler's; definite when a definition is missing.
    pub fn push(&mut self, event: RawEvent) -> Result<XaRead> {
        let mut step = Some(self.assembler.push(event)?);
        while let Some(current) = step {
            match current {
                Step::More | Step::Schema(_) => {}
                Step::NeedsTables(request) if request.tables.iter().all(|name| self.is_doubted(name)) => {
                    step = Some(self.assembler.provide(Vec::new(), Bound::never())?);
                    continue;
                }
                Step::NeedsTables(request) => {
                    let names: Vec<String> =
                        request.tables.iter().map(|t| format!("{}.{}", t.database, t.table.as_deref().unwrap_or("*"))).collect();
                    return Err(Error::definite(format!(
                        "the definition that {} had when an XA transaction was prepared is not known: {}",
                        names.join(", "),
                        request.why
                    ))
                    .detail(format!("XA transaction {}", self.name))
                    .hint("leave the table out by the filter, or start behind the commit with --init_position"));
                }
                Step::Boundary(_) => {
                    let Some((_, rows)) = self.assembler.xa.take(&self.name) else { return Ok(XaRead::Another) };
                    self.found = Some(rows.ok_or_else(|| Error::bug("rows of an XA transaction were not kept"))?);
                    return Ok(XaRead::Done);
                }
                Step::Transaction(_) | Step::NeedsPrepared(_) => return Ok(XaRead::Another),
                Step::StartedInside(_) => return Ok(XaRead::Another),
            }
            step = self.assembler.more(None)?;
        }
        if self.assembler.is_inside_transaction() {
            self.assembler.end_of_block();
        }
        Ok(XaRead::More)
    }
}
