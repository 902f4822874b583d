//! Rows of tables whose definition is not proved, held back in the order of the binlog until it is (design §5.4).
//!
//! What is held is what was received: the raw event with the facts of its transaction, its number in it and whether it
//! is the commit row, so that it comes out later as it would have. The other rows of that transaction go out with the
//! numbers they would have had. Held rows live in memory up to a bound, then in the spill folder, and are gone with the
//! process: the stored resume point stays in front of them, so they are read again.
//!
//! A table's rows lie in segments. Between two statements that concern it a table has one definition, so what proves
//! it for one row proves it for the segment; rows behind a segment wait for it. Never here: rendering, clocks, sockets.

mod record;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::binlog::codec::Codec;
use crate::binlog::rows::read_partial_bits;
use crate::binlog::table_map::WireType;
use crate::binlog::{ColumnBits, Cursor, DecodeError, RawEvent, RowsEvent, RowsKind, TableMap};
use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Gtid};
use crate::schema::{CaseRule, Table};

use super::doubt::{Cause, TableName};
use super::metadata;
use super::spill::{Pushed, SpillBuffer, SpillDir};
use super::transaction::{TableRole, TableSlot, TxnEvent, TxnMeta};
use record::Record;

/// Segments of one table; each may keep a file open.
const SEGMENTS_MAX: usize = 256;
/// Different table maps of one segment that are kept to hold a definition against.
const MAPS_MAX: usize = 64;

/// Makes a slot from an unproved one and its definition; `None` if the filter leaves the table out after all.
type SlotOf<'a> = dyn FnMut(&TableSlot, &Proof) -> Option<Arc<TableSlot>> + 'a;

/// A proved definition, and the hidden columns behind it.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub def: Arc<Table>,
    pub hidden: usize,
}

impl Proof {
    /// A table map as it is under this definition.
    pub fn map_of(&self, map: &TableMap) -> TableMap {
        let map = metadata::with_hidden(map, &self.def, self.hidden).unwrap_or_else(|| map.clone());
        metadata::with_fractions(map, &self.def)
    }

    fn fits(&self, map: &TableMap) -> bool {
        metadata::differences(&self.def, &self.map_of(map)).is_empty()
    }
}

/// A held rows event as it goes out.
#[derive(Debug)]
pub struct HeldRows {
    pub meta: Arc<TxnMeta>,
    pub slot: Arc<TableSlot>,
    pub event: RawEvent,
    pub start: u64,
    /// The row query that was in force; empty if none.
    pub query: Bytes,
    /// The number of its first row in the transaction.
    pub xoffset: u64,
    /// Whether its last row is the transaction's last.
    pub commit: bool,
    /// Whether it waited for its own definition, not only for rows before it.
    pub was_unproved: bool,
}

/// What is held of one table, for health, metrics and the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTable {
    pub database: String,
    pub table: String,
    pub cause: Arc<Cause>,
    pub rows: u64,
    pub bytes: u64,
    /// No definition that is still to come can prove these rows: only a person can say what they mean.
    pub stuck: bool,
}

/// The rows of one table under one definition.
#[derive(Debug)]
struct Segment {
    records: SpillBuffer,
    /// Whether there are rows in it whose definition is not known yet.
    unproved: bool,
    proof: Option<Proof>,
    /// A definition was proved for its time and does not fit its rows.
    misfit: bool,
    /// The different table maps of its rows.
    maps: Vec<Arc<TableSlot>>,
    /// The transaction and the row query of the record written last.
    last: Option<(BinlogPosition, Option<Gtid>)>,
    query: Bytes,
    rows: u64,
}

impl Segment {
    fn releasable(&self) -> bool {
        !self.unproved || self.proof.is_some()
    }
}

#[derive(Debug)]
struct Held {
    database: String,
    table: String,
    cause: Arc<Cause>,
    segments: VecDeque<Segment>,
    /// Whether the last segment's definition is still in force.
    current: bool,
}

#[derive(Debug)]
pub struct Quarantine {
    /// Off: nothing is held, and what is not proved is an error.
    on: bool,
    dir: SpillDir,
    memory_bytes_max: u64,
    case: CaseRule,
    tables: Vec<Held>,
    /// Why tables are not proved of which rows may come.
    causes: Vec<(TableName, Arc<Cause>)>,
    /// Definitions that were proved inside the transaction that is open, for rows of it that came before the proof.
    proved_now: Vec<Proof>,
    /// Slots of the transaction that comes whose definition is not proved though they have one, and what stands for them.
    stand_ins: Vec<(u64, Arc<TableSlot>)>,
    /// The table that the last row of the transaction went to, if it was held.
    last_held: Option<usize>,
    first: Option<First>,
    /// The segment that is being given out.
    giving: Option<Giving>,
}

#[derive(Debug)]
struct Giving {
    segment: Segment,
    meta: Arc<TxnMeta>,
    query: Bytes,
    /// Read, but perhaps followed by the mark of the commit row.
    next: Option<HeldRows>,
    /// Slots made from the proof, by the id of the slot that stood for the unknown definition.
    slots: Vec<(u64, Option<Arc<TableSlot>>)>,
}

/// The first row that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    pub at: BinlogPosition,
    /// When it was written, seconds since the epoch.
    pub written_s: u32,
    /// The stream comes from another server since, on which `at` means nothing.
    pub foreign: bool,
}

impl Quarantine {
    pub fn off(dir: SpillDir) -> Self {
        Quarantine {
            on: false,
            dir,
            memory_bytes_max: 0,
            case: CaseRule::default(),
            tables: Vec::new(),
            causes: Vec::new(),
            proved_now: Vec::new(),
            stand_ins: Vec::new(),
            last_held: None,
            first: None,
            giving: None,
        }
    }

    /// Rows of unproved tables are held from now on: so many bytes in memory, the rest in the spill folder.
    pub fn turn_on(&mut self, memory_bytes_max: u64) {
        self.on = true;
        self.memory_bytes_max = memory_bytes_max;
    }

    pub fn is_on(&self) -> bool {
        self.on
    }

    pub(super) fn set_case(&mut self, case: CaseRule) {
        self.case = case;
    }

    pub(super) fn case(&self) -> CaseRule {
        self.case
    }

    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Whether rows under this table map have to wait: their definition is not known, or earlier rows wait.
    #[inline]
    pub fn takes(&self, slot: &TableSlot) -> bool {
        slot.role == TableRole::Unproved || (!self.tables.is_empty() && self.find(&slot.map.database, &slot.map.table).is_some())
    }

    /// In the transaction that comes rows of this slot are held, as rows of the other one.
    pub(super) fn stand_in(&mut self, slot: u64, by: Arc<TableSlot>) {
        self.stand_ins.push((slot, by));
    }

    /// The slot that rows of this one are taken under.
    #[inline]
    pub fn instead_of(&self, slot: Arc<TableSlot>) -> Arc<TableSlot> {
        match self.stand_ins.iter().find(|(id, _)| *id == slot.id) {
            Some((_, by)) => by.clone(),
            None => slot,
        }
    }

    /// Whether something is held that nothing proves yet, so that no later point may be stored.
    pub fn pins(&self) -> bool {
        self.tables.iter().any(|t| t.segments.iter().any(|s| !s.releasable()))
    }

    fn find(&self, database: &str, table: &str) -> Option<usize> {
        self.tables.iter().position(|t| self.case.same(&t.database, database) && self.case.same(&t.table, table))
    }

    /// The stream comes from another server now.
    pub(super) fn server_changed(&mut self) {
        self.first.iter_mut().for_each(|first| first.foreign = true);
    }

    /// Why rows of this table will have to be held.
    pub(super) fn note_cause(&mut self, name: &TableName, cause: Arc<Cause>) {
        self.causes.retain(|(n, _)| n != name);
        self.causes.push((name.clone(), cause));
    }

    /// Holds a rows event; answers how many rows it has.
    pub fn hold(
        &mut self,
        meta: &TxnMeta,
        end: &BinlogPosition,
        (slot, event, start): (&Arc<TableSlot>, &RawEvent, u64),
        query: &[u8],
        xoffset: u64,
    ) -> Result<u64> {
        let index = match self.find(&slot.map.database, &slot.map.table) {
            Some(index) => index,
            None => {
                let (database, table) = (slot.map.database.clone(), slot.map.table.clone());
                let cause = self.causes.iter().find(|(n, _)| n.covers(self.case, &database, &table)).map(|(_, cause)| cause.clone());
                let cause = cause.ok_or_else(|| Error::bug("a table is held for no reason"))?;
                tracing::error!(
                    database, table, at = %cause.at, statement = cause.statement, why = cause.why,
                    "the definition of a table is not proved: its rows are held back, and the stored position stays before them"
                );
                self.tables.push(Held { database, table, cause, segments: VecDeque::new(), current: false });
                self.tables.len() - 1
            }
        };
        self.first.get_or_insert_with(|| First {
            at: BinlogPosition { file: meta.file.clone(), offset: start },
            written_s: event.header.timestamp,
            foreign: false,
        });
        let rows = count_rows(&slot.map, event);
        let record = Record { meta, end, slot, event, start, query, xoffset };
        self.push(index, &record, rows)?;
        self.last_held = Some(index);
        Ok(rows)
    }

    fn push(&mut self, index: usize, record: &Record<'_>, rows: u64) -> Result<()> {
        let in_memory: u64 = self.tables.iter().flat_map(|t| &t.segments).map(|s| s.records.memory_bytes()).sum();
        let left = self.memory_bytes_max.saturating_sub(in_memory);
        let (dir, case) = (self.dir.clone(), self.case);
        let Some(held) = self.tables.get_mut(index) else { return Err(Error::bug("a held table is gone")) };
        if !held.current || held.segments.is_empty() {
            if held.segments.len() >= SEGMENTS_MAX {
                return Err(full(held, "too many statements changed it since"));
            }
            let proof =
                self.proved_now.iter().find(|p| case.same(&p.def.database, &held.database) && case.same(&p.def.name, &held.table)).cloned();
            held.segments.push_back(Segment {
                records: SpillBuffer::new(dir, 0),
                unproved: false,
                proof,
                misfit: false,
                maps: Vec::new(),
                last: None,
                query: Bytes::new(),
                rows: 0,
            });
            held.current = true;
        }
        let Some(segment) = held.segments.back_mut() else { return Err(Error::bug("no segment")) };
        segment.records.set_memory_bytes_max(segment.records.memory_bytes() + left);
        let fits = segment.add(record, rows)?;
        if fits { Ok(()) } else { Err(full(held, "memory and spill folder hold no more")) }
    }

    /// The transaction has ended; whether its last row is held.
    pub fn transaction_ended(&mut self, with_held_row: bool) -> Result<()> {
        self.proved_now.clear();
        self.stand_ins.clear();
        let last = self.last_held.take().filter(|_| with_held_row);
        let Some(held) = last.and_then(|index| self.tables.get_mut(index)) else { return Ok(()) };
        let Some(segment) = held.segments.back_mut() else { return Ok(()) };
        match segment.records.push(TxnEvent::RowQuery(record::commit_mark()))? {
            Pushed::Memory | Pushed::File => Ok(()),
            Pushed::Full => Err(full(held, "memory and spill folder hold no more")),
        }
    }

    /// A statement concerns these tables: what is held of them has its definition, and later rows may have another.
    pub(super) fn cut(&mut self, names: &[TableName]) {
        let case = self.case;
        for held in self.tables.iter_mut().filter(|t| names.iter().any(|n| n.covers(case, &t.database, &t.table))) {
            held.current = false;
        }
        self.proved_now.retain(|p| !names.iter().any(|n| n.covers(case, &p.def.database, &p.def.name)));
    }

    /// This is the definition in force since the last statement that concerns the table. `None`: there is no such table.
    pub(super) fn prove(&mut self, name: &TableName, proof: Option<&Proof>) {
        let case = self.case;
        for held in self.tables.iter_mut().filter(|t| name.covers(case, &t.database, &t.table)) {
            let Some(segment) = held.segments.back_mut().filter(|s| held.current && s.unproved && s.proof.is_none()) else { continue };
            let misfit = |proof: &Proof| segment.maps.iter().any(|slot| !proof.fits(&slot.map));
            match proof {
                Some(proof) if !misfit(proof) => {
                    tracing::info!(database = held.database, table = held.table, rows = segment.rows, "the definition is proved");
                    segment.proof = Some(proof.clone());
                }
                _ => {
                    tracing::error!(
                        database = held.database,
                        table = held.table,
                        "the definition that the server has does not fit the rows that are held back; binlogd schema resolve ends this"
                    );
                    segment.misfit = true;
                }
            }
        }
        self.proved_now.extend(proof.cloned());
    }

    /// Whether asking for this table's definition again is of no use before another statement concerns it.
    pub(super) fn is_stuck(&self, name: &TableName) -> bool {
        self.tables.iter().any(|t| {
            t.current && name.covers(self.case, &t.database, &t.table) && t.segments.back().is_some_and(|s| s.misfit && s.proof.is_none())
        })
    }

    /// The next row that need not wait any more.
    pub(super) fn next(&mut self, slot_of: &mut SlotOf<'_>) -> Result<Option<HeldRows>> {
        loop {
            if self.giving.is_none() && !self.begin_next() {
                return Ok(None);
            }
            let Some(giving) = &mut self.giving else { return Ok(None) };
            match giving.step(slot_of)? {
                Given::Rows(rows) => return Ok(Some(*rows)),
                Given::Nothing => {}
                Given::End => self.giving = None,
            }
        }
    }

    fn begin_next(&mut self) -> bool {
        self.tables.retain(|t| !t.segments.is_empty());
        self.last_held = None;
        for held in &mut self.tables {
            if let Some(segment) = held.segments.pop_front_if(|s| s.releasable()) {
                tracing::info!(database = held.database, table = held.table, rows = segment.rows, "rows that were held back go out");
                let giving = Giving { segment, meta: Arc::default(), query: Bytes::new(), next: None, slots: Vec::new() };
                self.giving = Some(giving);
                return true;
            }
        }
        if self.tables.is_empty() {
            self.first = None;
        }
        false
    }

    /// What is held, in the order in which it began.
    pub fn report(&self) -> Vec<HeldTable> {
        let of = |t: &Held| HeldTable {
            database: t.database.clone(),
            table: t.table.clone(),
            cause: t.cause.clone(),
            rows: t.segments.iter().map(|s| s.rows).sum(),
            bytes: t.segments.iter().map(|s| s.records.bytes()).sum(),
            stuck: t.segments.iter().enumerate().any(|(i, s)| !s.releasable() && (s.misfit || !t.current || i + 1 < t.segments.len())),
        };
        self.tables.iter().map(of).collect()
    }

    /// The first held row; the stored position stays before its transaction.
    pub fn first(&self) -> Option<&First> {
        self.first.as_ref()
    }
}

impl Segment {
    /// Whether there was room.
    fn add(&mut self, record: &Record<'_>, rows: u64) -> Result<bool> {
        let unproved = record.slot.role == TableRole::Unproved;
        if unproved {
            self.note_map(record.slot);
        }
        self.unproved |= unproved;
        let place = (record.end.clone(), record.meta.gtid.clone());
        let mut parts = Vec::with_capacity(4);
        if self.last.as_ref() != Some(&place) {
            parts.push(TxnEvent::RowQuery(record::transaction(record.meta)));
            self.last = Some(place);
        }
        if *self.query != *record.query {
            parts.push(TxnEvent::RowQuery(record::query(record.query)));
            self.query = Bytes::copy_from_slice(record.query);
        }
        parts.push(TxnEvent::RowQuery(record::number(record.xoffset)));
        parts.push(TxnEvent::Rows { slot: record.slot.clone(), event: record.event.clone(), start: record.start });
        for part in parts {
            if self.records.push(part)? == Pushed::Full {
                return Ok(false);
            }
        }
        // They stay long, and must not keep the read buffers alive that they are slices of.
        self.records.compact();
        self.rows += rows;
        Ok(true)
    }

    fn note_map(&mut self, slot: &Arc<TableSlot>) {
        let known = self.maps.iter().any(|s| s.id == slot.id || TableMap { table_id: slot.map.table_id, ..s.map.clone() } == slot.map);
        if known {
            return;
        }
        // With so many shapes no definition can fit them all.
        self.misfit |= self.maps.len() >= MAPS_MAX;
        if !self.misfit {
            self.maps.push(slot.clone());
        }
        if let Some(proof) = &self.proof
            && !proof.fits(&slot.map)
        {
            (self.proof, self.misfit) = (None, true);
        }
    }
}

enum Given {
    Rows(Box<HeldRows>),
    Nothing,
    End,
}

impl Giving {
    fn step(&mut self, slot_of: &mut SlotOf<'_>) -> Result<Given> {
        let Some(event) = self.segment.records.next()? else {
            return Ok(self.next.take().map_or(Given::End, |last| Given::Rows(Box::new(last))));
        };
        match event {
            TxnEvent::RowQuery(bytes) => match record::read(&bytes)? {
                record::Mark::Transaction(meta) => self.meta = Arc::new(meta),
                record::Mark::Query(text) => self.query = text,
                record::Mark::Commit => {
                    if let Some(next) = &mut self.next {
                        next.commit = true;
                    }
                }
                record::Mark::Number(xoffset) => {
                    // Its slot and event follow at once.
                    let Some(TxnEvent::Rows { slot, event, start }) = self.segment.records.next()? else {
                        return Err(Error::bug("a held row has no event"));
                    };
                    let was_unproved = slot.role == TableRole::Unproved;
                    let slot = if was_unproved { self.proved(&slot, slot_of)? } else { Some(slot) };
                    let next = slot.map(|slot| HeldRows {
                        meta: self.meta.clone(),
                        slot,
                        event,
                        start,
                        query: self.query.clone(),
                        xoffset,
                        commit: false,
                        was_unproved,
                    });
                    let ready = std::mem::replace(&mut self.next, next);
                    return Ok(ready.map_or(Given::Nothing, |r| Given::Rows(Box::new(r))));
                }
            },
            TxnEvent::Rows { .. } | TxnEvent::LeftOut(_) => return Err(Error::bug("a held row has no number")),
        }
        Ok(Given::Nothing)
    }

    fn proved(&mut self, slot: &Arc<TableSlot>, slot_of: &mut SlotOf<'_>) -> Result<Option<Arc<TableSlot>>> {
        if let Some((_, known)) = self.slots.iter().find(|(id, _)| *id == slot.id) {
            return Ok(known.clone());
        }
        let proof = self.segment.proof.as_ref().ok_or_else(|| Error::bug("rows are given out without a definition"))?;
        let made = slot_of(slot, proof);
        self.slots.push((slot.id, made.clone()));
        Ok(made)
    }
}

fn full(held: &Held, why: &str) -> Error {
    Error::definite(format!("rows of {}.{} are held back because its definition is not proved, and {why}", held.database, held.table))
        .detail(format!("since {}: {}", held.cause.at, held.cause.why))
        .hint(
            "tell the definition with `binlogd schema resolve`, or leave the table out by the filter; spill_limit gives more room. The stored position lies before the first held row",
        )
}

/// How many rows an event has, which its table map alone tells. An event that cannot be read counts for one row: it is
/// refused when it goes out.
fn count_rows(map: &TableMap, event: &RawEvent) -> u64 {
    RowsEvent::parse(event).ok().and_then(|rows| counted(map, &rows).ok()).unwrap_or(1)
}

fn counted(map: &TableMap, rows: &RowsEvent<'_>) -> Result<u64, DecodeError> {
    if rows.columns != map.types.len() {
        return Err(DecodeError::invalid("rows", "of another shape than their table map"));
    }
    let layouts: Vec<Codec> = map.types.iter().map(|wire| Codec::opaque(*wire)).collect();
    let mut images = Cursor::new(rows.images);
    // An insert of nothing but defaults has an empty image (binlog_row_image=MINIMAL).
    let mut count = u64::from(images.is_empty());
    while !images.is_empty() {
        let before = images.len();
        pass_image(&layouts, &rows.present, &mut images)?;
        if rows.kind == RowsKind::Update {
            if rows.partial {
                read_partial_bits(&mut images, map.types.iter().filter(|wire| matches!(wire, WireType::Json { .. })).count())?;
            }
            pass_image(&layouts, &rows.present_after, &mut images)?;
        }
        if images.len() == before {
            return Err(DecodeError::invalid("rows", "bytes that belong to no column"));
        }
        count += 1;
    }
    Ok(count)
}

fn pass_image(layouts: &[Codec], present: &ColumnBits<'_>, image: &mut Cursor<'_>) -> Result<(), DecodeError> {
    let nulls = ColumnBits::read(image, present.count(), "null bits of a row")?;
    let columns = layouts.iter().enumerate().filter(|(i, _)| present.get(*i));
    for (bit, (_, layout)) in columns.enumerate() {
        if !nulls.get(bit) {
            layout.split(image)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
