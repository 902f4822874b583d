//! Transactions, DDL statements and heartbeats to batches of messages.

use std::sync::Arc;

use bytes::Bytes;

use crate::assemble::{HeldRows, Quarantine, TableRole, TableSlot, Transaction, TxnEvent, TxnMeta};
use crate::binlog::{ColumnBits, Cursor, DecodeError, RawEvent, RowsEvent, RowsKind};
use crate::error::{Error, Result};
use crate::position::ResumePoint;

use super::batch::{Batch, Message, MessageKind, Span, TopicId, Topics};
use super::ddl::{self, DdlMessage};
use super::envelope::{self, EventFacts, Frame};
use super::fast::{Oddities, RowContext, Scratch};
use super::image::{self, Cell, Fault, Present};
use super::key;
use super::open::{CommitPlace, OpenBatch, Sink};
use super::options::{KeyFormat, OutputOptions};
use super::partial::{self, PartialFault, PlainRow};
use super::partition;
use super::path::{self, PathFault};
use super::plan::{PlanCache, RowPlan};
use super::verdict;

/// What became of one transaction, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncodeStats {
    /// Messages written.
    pub rows: u64,
    /// Rows that column rules of the filter removed.
    pub filtered: u64,
    pub oddities: Oddities,
}

/// Fills one arena at a time. After an error it must be dropped: the transaction it was in is half written.
#[derive(Debug)]
pub struct Encoder {
    options: OutputOptions,
    topics: Arc<Topics>,
    ddl_topic: TopicId,
    plans: PlanCache,
    open: OpenBatch,
    frame: Frame,
    scratch: Scratch,
    /// The row query in force, escaped and quoted; empty if there is none.
    query: Vec<u8>,
    /// The same as it came, for rows that are held.
    raw_query: Bytes,
    /// Version of the server that wrote the events, for errors; empty if nobody told.
    server: Arc<str>,
}

/// So many transactions of which nothing is output may end in one batch when their GTIDs are kept.
const GTIDS_MAX: usize = 4096;

/// Progress within one transaction.
#[derive(Debug, Default)]
struct Progress {
    xoffset: u64,
    commit: Option<CommitPlace>,
    /// Whether the last row so far is held.
    ends_held: bool,
    stats: EncodeStats,
    transaction_hash: i32,
    thread_hash: i32,
}

impl Encoder {
    pub fn new(options: OutputOptions, topics: Arc<Topics>) -> Self {
        let ddl_topic = topics.intern(options.ddl_topic.as_deref().unwrap_or(&options.topic));
        Encoder {
            options,
            topics,
            ddl_topic,
            plans: PlanCache::default(),
            open: OpenBatch::default(),
            frame: Frame::default(),
            scratch: Scratch::default(),
            query: Vec::new(),
            raw_query: Bytes::new(),
            server: "".into(),
        }
    }

    /// Tells which server wrote the events that follow, so that errors can say it.
    pub fn set_server(&mut self, version: Arc<str>) {
        self.server = version;
    }

    /// Encodes a transaction into the open arena; full arenas are handed to `sink`.
    pub fn transaction(&mut self, txn: &mut Transaction, sink: &mut Sink<'_>) -> Result<EncodeStats> {
        let Transaction { meta, events, end, .. } = txn;
        self.transaction_from(meta, end.clone(), &mut || events.next(), sink)
    }

    /// The same, but rows that have to wait go to the quarantine. The others have the numbers that they would have, and
    /// if the last row is held, so is the commit mark.
    pub fn transaction_but_held(&mut self, txn: &mut Transaction, quarantine: &mut Quarantine, sink: &mut Sink<'_>) -> Result<EncodeStats> {
        let Transaction { meta, events, end, .. } = txn;
        self.any_transaction(meta, end.clone(), &mut || events.next(), Some(quarantine), sink)
    }

    /// The same for a transaction whose rows are read a second time; `next` gives them.
    pub fn transaction_again(
        &mut self,
        txn: &Transaction,
        next: &mut dyn FnMut() -> Result<Option<TxnEvent>>,
        quarantine: &mut Quarantine,
        sink: &mut Sink<'_>,
    ) -> Result<EncodeStats> {
        self.any_transaction(&txn.meta, txn.end.clone(), next, Some(quarantine), sink)
    }

    /// The same for events from anywhere; `next` gives them in order and `None` after the last.
    pub fn transaction_from(
        &mut self,
        meta: &TxnMeta,
        end: ResumePoint,
        next: &mut dyn FnMut() -> Result<Option<TxnEvent>>,
        sink: &mut Sink<'_>,
    ) -> Result<EncodeStats> {
        self.any_transaction(meta, end, next, None, sink)
    }

    fn any_transaction(
        &mut self,
        meta: &TxnMeta,
        end: ResumePoint,
        next: &mut dyn FnMut() -> Result<Option<TxnEvent>>,
        mut quarantine: Option<&mut Quarantine>,
        sink: &mut Sink<'_>,
    ) -> Result<EncodeStats> {
        self.open.enter_file(&meta.file, sink)?;
        self.open.begin_transaction();
        self.query.clear();
        self.raw_query.clear();
        let mut progress = self.progress(meta);
        while let Some(event) = next()? {
            match event {
                TxnEvent::RowQuery(sql) => self.row_query(sql),
                TxnEvent::LeftOut(rows) => self.open.passed(rows),
                TxnEvent::Rows { slot, event, start } => {
                    let start = meta.rows_at.unwrap_or(start);
                    let slot = match &quarantine {
                        Some(quarantine) => quarantine.instead_of(slot),
                        None => slot,
                    };
                    match &mut quarantine {
                        Some(quarantine) if quarantine.takes(&slot) => {
                            progress.xoffset +=
                                quarantine.hold(meta, &end.at, (&slot, &event, start), &self.raw_query, progress.xoffset)?;
                            progress.commit = None;
                            progress.ends_held = true;
                        }
                        _ => {
                            let before = progress.xoffset;
                            self.rows_event(meta, &slot, &event, start, &mut progress, sink)?;
                            progress.ends_held &= progress.xoffset == before;
                        }
                    }
                }
            }
        }
        if let Some(quarantine) = quarantine {
            quarantine.transaction_ended(progress.ends_held)?;
        }
        if let Some(place) = progress.commit {
            self.open.commit_last(place);
        }
        self.open.end(end, 1, meta.commit_us);
        self.hand_over_if_full(sink)?;
        Ok(progress.stats)
    }

    /// Encodes rows that were held, as they would have come out with their transaction. They have no end of their own: the
    /// points behind them were not stored.
    pub fn held(&mut self, held: &HeldRows, sink: &mut Sink<'_>) -> Result<EncodeStats> {
        let meta = &*held.meta;
        self.open.enter_file(&meta.file, sink)?;
        self.open.begin_transaction();
        self.query.clear();
        if !held.query.is_empty() {
            self.row_query(held.query.clone());
        }
        let mut progress = Progress { xoffset: held.xoffset, ..self.progress(meta) };
        self.rows_event(meta, &held.slot, &held.event, held.start, &mut progress, sink)?;
        if let Some(place) = progress.commit.filter(|_| held.commit) {
            self.open.commit_last(place);
        }
        self.open.begin_transaction();
        self.hand_over_if_full(sink)?;
        Ok(progress.stats)
    }

    /// Encodes one change of a DDL statement, if `output_ddl` says so. `end` is given with the last change of the
    /// statement.
    pub fn ddl(&mut self, message: &DdlMessage<'_>, end: Option<ResumePoint>, sink: &mut Sink<'_>) -> Result<()> {
        self.open.enter_file(message.file, sink)?;
        if self.options.ddl && !self.open.skips() {
            self.write_ddl(message)?;
        }
        self.open.passed(1);
        match end {
            Some(end) => self.mark_end(end, u64::from(message.ts) * 1_000_000, sink),
            None => Ok(()),
        }
    }

    /// A change of a DDL statement of which nothing is told. It counts all the same.
    pub fn ddl_left_out(&mut self, file: &Arc<str>, sink: &mut Sink<'_>) -> Result<()> {
        self.open.enter_file(file, sink)?;
        self.open.passed(1);
        Ok(())
    }

    /// Leaves out the next so many rows of the binlog (`RawRows`): they were sent in an earlier life. Numbers and marks of
    /// the others are what they would be without.
    pub fn skip(&mut self, rows: u64) {
        self.open.skip(rows);
    }

    /// Moves the open batch's end past something without messages: a heartbeat, a statement, a transaction of which
    /// nothing is output. `commit_us`: its time in microseconds since the epoch, 0 if it should not count for the lag.
    pub fn mark_end(&mut self, end: ResumePoint, commit_us: u64, sink: &mut Sink<'_>) -> Result<()> {
        self.open.end(end, 0, commit_us);
        self.hand_over_if_full(sink)
    }

    /// What is encoded so far, if anything or if an end is pending.
    pub fn finish(&mut self) -> Option<Batch> {
        self.open.finish()
    }

    /// What ended, without the transaction that an error has cut; nothing may be encoded afterwards.
    pub fn finish_complete(&mut self) -> Option<Batch> {
        self.open.drop_incomplete();
        self.open.finish()
    }

    fn hand_over_if_full(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        if self.open.arena.len() < self.options.batch_bytes && self.open.gtids() < GTIDS_MAX {
            return Ok(());
        }
        match self.open.finish() {
            Some(batch) => sink(batch),
            None => Ok(()),
        }
    }

    fn progress(&self, meta: &TxnMeta) -> Progress {
        let hash = |number| self.options.partitioning.as_ref().map_or(0, |p| partition::hash_number(p.hash, number));
        Progress { transaction_hash: hash(meta.xid), thread_hash: hash(meta.thread_id.map(u64::from)), ..Progress::default() }
    }

    fn row_query(&mut self, sql: Bytes) {
        self.query.clear();
        if self.options.row_query {
            envelope::write_query(&sql, self.options.row_query_length_max, &mut self.query);
        }
        self.raw_query = sql;
    }

    fn write_ddl(&mut self, message: &DdlMessage<'_>) -> Result<()> {
        let start = self.open.arena.len();
        ddl::write_value(message, &self.options, &mut self.open.arena);
        let key = self.open.arena.len();
        if self.options.keys != KeyFormat::None {
            key::write_uuid(&mut self.open.arena);
        }
        let partition_hash = self.options.partitioning.as_ref().map_or(0, |p| partition::hash_ddl(p, message.database, message.table));
        self.open.push(MessageKind::Ddl, start, key, blank(self.ddl_topic, partition_hash, message.offset))
    }

    fn rows_event(
        &mut self,
        meta: &TxnMeta,
        slot: &Arc<TableSlot>,
        event: &RawEvent,
        start: u64,
        progress: &mut Progress,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        if slot.role == TableRole::Heartbeats {
            return Ok(());
        }
        let plan = self.plans.get(slot, &self.options, &self.topics).map_err(|e| at_place(e, meta, start, &self.server))?;
        let server = self.server.clone();
        let place = Place { plan: &plan, meta, start, server: &server };
        let rows = RowsEvent::parse(event).map_err(|error| place.error(error.into()))?;
        if plan.inserts_only && rows.kind != RowsKind::Insert {
            return Ok(());
        }
        check_shape(&plan, &rows).map_err(|error| place.error(error.into()))?;
        let query = Some(self.query.as_slice()).filter(|q| !q.is_empty());
        self.frame.begin(&self.options, &plan, meta, &EventFacts { kind: rows.kind, ts: event.header.timestamp, start, query });
        if rows.partial {
            return self.partial_rows(&place, &rows, progress, sink);
        }
        self.rows(&place, &rows, progress, sink)
    }

    /// Each row is made whole first; what it lacks may differ from row to row.
    fn partial_rows(&mut self, place: &Place<'_>, rows: &RowsEvent<'_>, progress: &mut Progress, sink: &mut Sink<'_>) -> Result<()> {
        let mut cursor = Cursor::new(rows.images);
        let mut row = PlainRow::default();
        while !cursor.is_empty() {
            partial::next_row(place.plan, rows, self.options.omits_partial_json, &mut cursor, &mut row).map_err(|fault| match fault {
                PartialFault::Fault(fault) => place.error(fault),
                PartialFault::NoDocument(column) => place.no_document(column),
            })?;
            let present_after = ColumnBits::new(&row.present, rows.columns);
            self.rows(place, &RowsEvent { partial: false, present_after, images: &row.images, ..*rows }, progress, sink)?;
        }
        Ok(())
    }

    /// The row loop.
    fn rows(&mut self, place: &Place<'_>, rows: &RowsEvent<'_>, progress: &mut Progress, sink: &mut Sink<'_>) -> Result<()> {
        let plan = place.plan;
        let present = Present::new(rows.present);
        let present_after = Present::new(rows.present_after);
        let cx = RowContext {
            options: &self.options,
            plan,
            frame: &self.frame,
            kind: rows.kind,
            images: rows.images,
            after_is_partial: rows.kind == RowsKind::Update && !present_after.all(),
            hash: self.options.partitioning.as_ref().map_or_else(Default::default, |p| p.hash),
            transaction_hash: progress.transaction_hash,
            thread_hash: progress.thread_hash,
        };
        let topic = plan.topic(rows.kind);
        let scratch = &mut self.scratch;
        let mut cursor = Cursor::new(rows.images);
        // An insert of nothing but defaults has an empty image (binlog_row_image=MINIMAL); the server applies it once.
        let mut empty_image = cursor.is_empty() && rows.kind == RowsKind::Insert && present.none();
        while !cursor.is_empty() || std::mem::take(&mut empty_image) {
            let before_row = cursor.len();
            read_row(&cx, rows.kind, (&present, &present_after), &mut cursor, scratch).map_err(|fault| place.error(fault))?;
            let row_bytes = (before_row - cursor.len()) as u64;
            // An update has two images.
            if row_bytes / if rows.kind == RowsKind::Update { 2 } else { 1 } > self.options.row_bytes_max {
                return Err(place.too_large(row_bytes));
            }
            if cursor.len() == before_row && before_row > 0 {
                return Err(place.error(DecodeError::invalid("rows", "bytes that belong to no column").into()));
            }
            if let Some(rules) = &plan.rules
                && !verdict::passes(rules, &cx, scratch).map_err(|fault| place.error(fault))?
            {
                progress.stats.filtered += 1;
                self.open.passed(1);
                continue;
            }
            if self.open.skips() {
                self.open.passed(1);
                progress.commit = None;
                progress.xoffset += 1;
                continue;
            }
            // This row survives, so the one before it is not the commit row and may go.
            if self.open.arena.len() >= self.options.batch_bytes {
                self.open.hand_over(sink)?;
            }
            let start = self.open.arena.len();
            let oddities = &mut progress.stats.oddities;
            let row = path::write_row(cx.options.path, &cx, progress.xoffset, scratch, oddities, &mut self.open.arena)
                .map_err(|fault| place.no_message(fault))?;
            self.open.push(MessageKind::Row, start, row.key_start, blank(topic, row.partition_hash, place.start))?;
            if self.options.tombstones && rows.kind != RowsKind::Insert && plan.key.as_ref().is_some_and(|key| key.identifies) {
                let before = (rows.kind == RowsKind::Update).then_some(row.key_start);
                tombstone(
                    &cx,
                    before,
                    blank(topic, row.partition_hash, place.start),
                    scratch,
                    &mut progress.stats.oddities,
                    &mut self.open,
                )
                .map_err(|fault| place.no_message(fault))?;
            }
            self.open.passed(1);
            progress.commit = row.commit;
            progress.xoffset += 1;
            progress.stats.rows += 1;
        }
        Ok(())
    }
}

/// Adds the tombstone of the key that the row does not have any more: after a delete its own, after an update (whose message's
/// key begins at `updated`) the one before, if that was another one.
fn tombstone(
    cx: &RowContext<'_>,
    updated: Option<usize>,
    mut message: Message,
    scratch: &mut Scratch,
    oddities: &mut Oddities,
    open: &mut OpenBatch,
) -> Result<(), PathFault> {
    let Some(new) = updated else {
        open.push_tombstone(None, message);
        return Ok(());
    };
    let start = open.arena.len();
    if let Some(partition_hash) = path::write_old_key(cx.options.path, cx, new..start, scratch, oddities, &mut open.arena)? {
        message.partition_hash = partition_hash;
        open.push_tombstone(Some(start), message);
    }
    Ok(())
}

fn blank(topic: TopicId, partition_hash: i32, offset: u64) -> Message {
    Message { topic, partition_hash, kind: MessageKind::Row, key: Span::default(), value: Span::default(), offset }
}

/// Cuts the images of one row off.
fn read_row(
    cx: &RowContext<'_>,
    kind: RowsKind,
    (present, present_after): (&Present<'_>, &Present<'_>),
    cursor: &mut Cursor<'_>,
    scratch: &mut Scratch,
) -> Result<(), Fault> {
    let total = cx.images.len();
    scratch.before.clear();
    if kind == RowsKind::Update {
        image::read(cx.plan, present, cursor, total, &mut scratch.before)?;
        image::read(cx.plan, present_after, cursor, total, &mut scratch.after)?;
    } else {
        image::read(cx.plan, present, cursor, total, &mut scratch.after)?;
        scratch.before.resize(scratch.after.len(), Cell::Absent);
    }
    if cx.plan.nulls_values {
        image::null_out(cx.plan, cx.images, &mut scratch.before);
        image::null_out(cx.plan, cx.images, &mut scratch.after);
    }
    Ok(())
}

fn check_shape(plan: &RowPlan, rows: &RowsEvent<'_>) -> Result<(), DecodeError> {
    if rows.columns == plan.columns.len() {
        return Ok(());
    }
    Err(DecodeError::invalid("rows event", format!("{} columns under a table map of {}", rows.columns, plan.columns.len())))
}

/// Where an error happened.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    plan: &'a RowPlan,
    meta: &'a TxnMeta,
    /// Offset of the event.
    start: u64,
    server: &'a str,
}

/// Adds file and offset, GTID and server to an error.
fn at_place(error: Error, meta: &TxnMeta, start: u64, server: &str) -> Error {
    let error = error.detail(format!("{}:{start}", meta.file));
    let error = match &meta.gtid {
        Some(gtid) => error.detail(gtid),
        None => error,
    };
    if server.is_empty() { error } else { error.detail(format!("server {server}")) }
}

impl Place<'_> {
    fn table(&self) -> String {
        format!("{}.{}", self.plan.slot.table.database, self.plan.slot.table.name)
    }

    fn at(&self, error: Error) -> Error {
        at_place(error, self.meta, self.start, self.server)
    }

    #[cold]
    fn error(&self, fault: Fault) -> Error {
        let column = fault
            .column
            .and_then(|i| Some((self.plan.slot.table.columns.get(i)?, self.plan.columns.get(i)?, self.plan.slot.map.types.get(i)?)));
        let Some((column, plan, wire)) = column else {
            let error = Error::definite("a row cannot be read").source(fault.error).detail(format!("table {}", self.table()));
            return self.at(error).hint(
                "the binlog may be damaged (mysqlbinlog --verify-binlog-checksum tells), or the tracked definition is not the table's",
            );
        };
        let detail = format!("column {}.{} of type {} ({wire:?}, {})", self.table(), column.name, column.ty.type_name(), wire.bytes());
        match &plan.refused {
            Some(why) => self
                .at(Error::definite(&**why).detail(detail))
                .hint("leave the table out by the filter, or the column by exclude_columns"),
            None => self
                .at(Error::definite("a value cannot be rendered").source(fault.error).detail(detail))
                .hint("the tracked definition may not be the table's at this place of the binlog; leave the table out by the filter to go on without it"),
        }
    }

    #[cold]
    fn no_message(&self, fault: PathFault) -> Error {
        let difference = match fault {
            PathFault::Fault(fault) => return self.error(fault),
            PathFault::Differ(difference) => difference,
        };
        let error = Error::bug(path::DIFFERENCE).detail(format!("table {}", self.table()));
        self.at(error)
            .detail(format!("fast {}", difference.fast))
            .detail(format!("slow {}", difference.slow))
            .hint("report it, with the binlog file and the statements that made the table; --path=fast is what the daemon sends")
    }

    #[cold]
    fn too_large(&self, bytes: u64) -> Error {
        let error =
            Error::definite(format!("a row of {bytes} bytes is larger than row_size_max allows")).detail(format!("table {}", self.table()));
        self.at(error)
            .hint("raise row_size_max (four times as much memory may be needed for a moment), or leave the table out by the filter")
    }

    #[cold]
    fn no_document(&self, column: usize) -> Error {
        let name = self.plan.slot.table.columns.get(column).map(|c| c.name.as_str()).unwrap_or_default();
        let error = Error::definite("a partial JSON update cannot be applied: the before image lacks the document")
            .detail(format!("column {}.{name}", self.table()));
        self.at(error).hint(
            "set binlog_row_image=FULL or binlog_row_value_options='' on the server for what is still to come; partial_json=omit goes on and leaves \
             the column out of such messages",
        )
    }
}
