//! Assembler and encoder as one step: raw events in, batches out. The same chain serves the daemon, `binlogd read`
//! and the tests; what differs between them (where schema versions go, where definitions come from, where batches go)
//! stands behind `Hooks`.

use std::sync::Arc;

use crate::assemble::{
    Again, AgainReader, Assembler, Bound, Captured, SchemaStep, Step, TableName, TableRequest, Transaction, XaReader, XaRequest,
};
use crate::binlog::{EventType, FormatDescription, RawEvent, RowsEvent, RowsKind};
use crate::encode::batch::Batch;
use crate::encode::{DdlMessage, EncodeStats, Encoder, decode_columns};
use crate::error::{Error, Result};
use crate::filter::{Filter, LiveFilter};
use crate::position::xa::XaDecided;
use crate::position::{BinlogPosition, Gtid, Gtids, Position, ResumePoint};
use crate::schema::delta::{SchemaChange, write_table};
use crate::schema::prepared::PreparedXa;
use crate::schema::{Schema, SchemaId};

use super::log_from::LogFrom;

/// What the chain asks of its surroundings. Calls may block.
pub trait Hooks {
    /// Stores a schema version that is valid from `position` on, and returns when it is stored.
    fn save_schema(&mut self, base: Option<SchemaId>, changes: &[SchemaChange], schema: &Schema, position: &Position) -> Result<SchemaId>;

    /// Reads definitions from the server, and a place that its log had reached afterwards.
    fn fetch_tables(&mut self, request: &TableRequest, schema: &Schema) -> Result<(Vec<Captured>, Bound)>;

    /// The schema version that is stored for exactly this place, if there is one: an earlier life proved the definitions
    /// there, or an operator told them (`binlogd schema resolve`).
    fn stored_version(&mut self, _position: &Position) -> Result<Option<Schema>> {
        Ok(None)
    }

    /// Stores where prepared XA transactions stand, and returns when it is stored: the resume point will pass them.
    fn note_prepared(&mut self, _prepared: &[PreparedXa]) -> Result<()> {
        Ok(())
    }

    /// What was noted of this one goes with the first stored position behind the decision.
    fn decided(&mut self, _decided: XaDecided) {}

    /// Reads the rows of a prepared XA transaction again, into the reader.
    ///
    /// # Errors
    /// When the binlog that should have them has not.
    fn read_prepared(&mut self, request: &XaRequest, _reader: &mut dyn FnMut() -> XaReader) -> Result<PreparedRows> {
        Err(Error::definite(format!("the rows of the XA transaction {} cannot be read again here", request.name)).detail(&request.at))
    }

    /// The log from this place on, where a transaction begins whose rows have to be read a second time; `None` if nobody wants
    /// them.
    ///
    /// # Errors
    /// When the file is gone, or another server answers.
    fn log_from(&mut self, start: &BinlogPosition) -> Result<Option<Box<dyn LogFrom>>> {
        Err(Error::definite("the log cannot be read a second time here")
            .detail(start)
            .hint("raise spill_limit, so that one reading is enough"))
    }

    /// A transaction was encoded: its rows, and milliseconds from its begin to its last row on the server. For metrics.
    fn transaction(&mut self, _rows: u64, _execution_ms: u64) {}

    /// Takes a finished batch; may wait, and that is the back-pressure.
    fn emit(&mut self, batch: Batch) -> Result<()>;
}

/// The rows of a prepared XA transaction.
pub enum PreparedRows {
    Read(Box<XaReader>),
    /// Nothing of them is output here.
    Unwanted,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Flow {
    On,
    /// The stream was opened inside a transaction; it has to be opened again at a boundary before this place.
    StartedInside(BinlogPosition),
}

pub struct Chain {
    pub assembler: Assembler,
    encoder: Encoder,
    filter: Arc<Filter>,
    /// The filter that is followed, and how many changes of it are seen.
    live: Option<(Arc<LiveFilter>, u64)>,
    /// Takes the filter's place at the next boundary.
    next_filter: Option<Arc<Filter>>,
    output_ddl: bool,
    /// The heartbeat at the last transaction's end.
    heartbeat: i64,
    /// The executed set at the assembler's boundary, in GTID mode.
    gtids: Option<Gtids>,
    /// The tables whose definitions came from the server or from the store in this run, and the newest version with them.
    repaired: Vec<TableName>,
    repaired_id: SchemaId,
    /// Version of the server that wrote the events; empty before the first format description event.
    server: Arc<str>,
    pub counters: Counters,
}

/// What went through, for metrics; the pipeline publishes differences.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counters {
    pub events: u64,
    pub bytes: u64,
    pub transactions: u64,
    pub schema_changes: u64,
    /// Commit time of the last transaction, microseconds since the epoch; 0 before the first.
    pub last_commit_us: u64,
}

impl Chain {
    pub fn new(assembler: Assembler, encoder: Encoder, filter: Arc<Filter>, output_ddl: bool, gtids: Option<Gtids>) -> Self {
        let heartbeat = assembler.heartbeat();
        Chain {
            assembler,
            encoder,
            filter,
            live: None,
            next_filter: None,
            output_ddl,
            heartbeat,
            gtids,
            repaired: Vec::new(),
            repaired_id: 0,
            server: "".into(),
            counters: Counters::default(),
        }
    }

    /// Leaves out the next so many rows of the binlog: they were sent in an earlier life.
    pub fn skip_rows(&mut self, rows: u64) {
        self.encoder.skip(rows);
    }

    /// Follows a filter that may be replaced; the chain was made with what it is now, or earlier.
    pub fn follow(&mut self, live: Arc<LiveFilter>) {
        self.next_filter = Some(live.current());
        let changes = live.changes();
        self.live = Some((live, changes));
    }

    /// Looks whether the filter was replaced; called once a block. The new one holds from the next boundary on.
    pub fn look_at_filter(&mut self) {
        if let Some((live, seen)) = &mut self.live
            && live.changes() != *seen
        {
            *seen = live.changes();
            self.next_filter = Some(live.current());
        }
    }

    /// Where a new connection has to start: the end of the last complete transaction.
    pub fn resume_position(&self) -> Position {
        Position { at: self.assembler.boundary().clone(), gtids: self.gtids.clone(), heartbeat: self.assembler.heartbeat() }
    }

    pub fn event(&mut self, event: RawEvent, hooks: &mut dyn Hooks) -> Result<Flow> {
        if self.next_filter.is_some() && self.assembler.is_between_transactions() {
            self.change_filter(hooks)?;
        }
        self.counters.events += 1;
        self.counters.bytes += u64::from(event.header.size);
        if event.event_type() == Some(EventType::FormatDescription) {
            self.note_server(&event);
        }
        let mut step = Some(self.assembler.push(event).map_err(|e| self.of_server(e))?);
        while let Some(current) = step {
            self.assembler.take_decided().into_iter().for_each(|decided| hooks.decided(decided));
            let flow = self.step(current, hooks)?;
            if flow != Flow::On {
                return Ok(flow);
            }
            step = self.assembler.more(self.gtids.as_ref()).map_err(|e| self.of_server(e))?;
        }
        Ok(Flow::On)
    }

    /// The version of the server that wrote what follows, for errors. One that cannot be read is the assembler's to refuse.
    fn note_server(&mut self, event: &RawEvent) {
        if let Ok(format) = FormatDescription::parse(event) {
            self.server = format.server_version.into();
            self.encoder.set_server(self.server.clone());
        }
    }

    /// What all errors about events say.
    #[cold]
    fn of_server(&self, error: Error) -> Error {
        let error = if self.server.is_empty() { error } else { error.detail(format!("server {}", self.server)) };
        error.hint(
            "the binlog is damaged or of a form that is not known: check it with mysqlbinlog (mariadb-binlog) \
             --verify-binlog-checksum; --init_position goes on behind this place",
        )
    }

    fn change_filter(&mut self, hooks: &mut dyn Hooks) -> Result<()> {
        let Some(filter) = self.next_filter.take() else { return Ok(()) };
        if *filter == *self.filter {
            return Ok(());
        }
        tracing::info!(position = %self.assembler.position(), "another filter holds from here on");
        self.filter = filter.clone();
        if let Some(request) = self.assembler.set_filter(filter) {
            self.step(Step::NeedsTables(request), hooks)?;
        }
        Ok(())
    }

    /// Hands on what is encoded so far. Called when the source is idle, and at the end.
    ///
    /// Most XA transactions are decided within milliseconds; those that are still prepared now are noted, all at once.
    pub fn flush(&mut self, hooks: &mut dyn Hooks) -> Result<()> {
        let prepared = self.assembler.unnoted();
        if !prepared.is_empty() {
            hooks.note_prepared(&prepared)?;
            let end = self.assembler.noted();
            self.encoder.mark_end(end, 0, &mut |batch| hooks.emit(batch))?;
        }
        match self.encoder.finish() {
            Some(batch) => hooks.emit(batch),
            None => Ok(()),
        }
    }

    /// The same after an error, without the half of a transaction that may be encoded. The chain is of no use afterwards.
    pub fn hand_on_complete(&mut self, hooks: &mut dyn Hooks) -> Result<()> {
        match self.encoder.finish_complete() {
            Some(batch) => hooks.emit(batch),
            None => Ok(()),
        }
    }

    fn step(&mut self, mut step: Step, hooks: &mut dyn Hooks) -> Result<Flow> {
        loop {
            match step {
                Step::More => {}
                Step::Transaction(mut transaction) => {
                    self.executed(&transaction.end)?;
                    self.counters.transactions += 1;
                    self.refuse_bootstraps(&transaction)
                        .map_err(|e| self.of_server(e.detail(format!("in the transaction that ends at {}", transaction.end.at))))?;
                    let stats = match transaction.again.take() {
                        Some(again) => self.read_again(&transaction, *again, hooks)?,
                        None => {
                            let quarantine = self.assembler.quarantine_mut();
                            self.encoder.transaction_but_held(&mut transaction, quarantine, &mut |batch| hooks.emit(batch))?
                        }
                    };
                    let meta = &transaction.meta;
                    self.counters.last_commit_us = self.counters.last_commit_us.max(meta.commit_us);
                    // Heartbeats are rows to Maxwell's count.
                    let beats = u64::from(std::mem::replace(&mut self.heartbeat, transaction.end.heartbeat) != transaction.end.heartbeat);
                    let execution_ms = u64::from(meta.last_row_s.saturating_sub(meta.begun_s)) * 1000;
                    hooks.transaction(stats.rows + stats.filtered + beats, execution_ms);
                    self.release(hooks)?;
                }
                Step::Boundary(end) => {
                    self.executed(&end)?;
                    self.release(hooks)?;
                    self.encoder.mark_end(end, 0, &mut |batch| hooks.emit(batch))?;
                }
                Step::Schema(change) => self.schema_changed(change, hooks)?,
                Step::NeedsTables(request) => {
                    step = self.answer(request, hooks)?;
                    continue;
                }
                Step::NeedsPrepared(request) => {
                    let assembler = &self.assembler;
                    step = match hooks.read_prepared(&request, &mut || assembler.xa_reader(&request))? {
                        PreparedRows::Read(reader) => self.assembler.provide_prepared(&request, *reader)?,
                        PreparedRows::Unwanted => self.assembler.pass_prepared(),
                    };
                    continue;
                }
                Step::StartedInside(at) => return Ok(Flow::StartedInside(at)),
            }
            return Ok(Flow::On);
        }
    }

    /// Encodes a transaction whose rows could not be kept while it was read.
    fn read_again(&mut self, transaction: &Transaction, again: Again, hooks: &mut dyn Hooks) -> Result<EncodeStats> {
        tracing::info!(from = %again.start, to = again.end, "reading the rows of a large transaction");
        let Some(mut log) = hooks.log_from(&again.start).map_err(|e| self.of_server(e))? else {
            self.encoder.mark_end(transaction.end.clone(), 0, &mut |batch| hooks.emit(batch))?;
            return Ok(EncodeStats::default());
        };
        let mut reader = AgainReader::new(again);
        let mut next = || reader.next(&mut || log.next_event());
        let quarantine = self.assembler.quarantine_mut();
        let stats = self.encoder.transaction_again(transaction, &mut next, quarantine, &mut |batch| hooks.emit(batch))?;
        tracing::info!(rows = stats.rows, "the large transaction is read");
        Ok(stats)
    }

    /// Definitions from the store, if it has a version for the very place that asks, else from the server.
    fn answer(&mut self, request: TableRequest, hooks: &mut dyn Hooks) -> Result<Step> {
        let place = self.place_of(&request.at, request.gtid.as_ref())?;
        let stored = hooks.stored_version(&place)?;
        let fetched = match &stored {
            Some(_) => None,
            None => Some(hooks.fetch_tables(&request, self.assembler.schema())?),
        };
        if let Some(end) = &request.end {
            self.executed(end)?;
            self.encoder.mark_end(end.clone(), 0, &mut |batch| hooks.emit(batch))?;
        }
        if let Some(schema) = stored
            && let Some(step) = self.assembler.provide_stored(&request, &schema)?
        {
            tracing::info!(at = %request.at, why = request.why, "the definition that is stored for this place is used");
            return Ok(step);
        }
        let (captured, reached) = match fetched {
            Some(fetched) => fetched,
            None => hooks.fetch_tables(&request, self.assembler.schema())?,
        };
        self.assembler.provide(captured, reached)
    }

    /// The place of a statement or table map as a schema version has it: the set has its own GTID in it (contract §8.6).
    fn place_of(&self, at: &BinlogPosition, gtid: Option<&Gtid>) -> Result<Position> {
        let mut gtids = self.gtids.clone();
        if let (Some(set), Some(gtid)) = (&mut gtids, gtid) {
            set.add(gtid).map_err(|e| Error::definite(format!("cannot add GTID {gtid} to the executed set")).source(e))?;
        }
        Ok(Position { at: at.clone(), gtids, heartbeat: self.assembler.heartbeat() })
    }

    /// Sends what was held and is proved now, before anything that comes behind it.
    fn release(&mut self, hooks: &mut dyn Hooks) -> Result<()> {
        while let Some(rows) = self.assembler.next_held()? {
            self.encoder.held(&rows, &mut |batch| hooks.emit(batch))?;
        }
        Ok(())
    }

    /// Bootstrapping is not built yet; who asks for one is told so, and the stream goes on.
    fn refuse_bootstraps(&self, transaction: &Transaction) -> Result<()> {
        for (slot, event) in &transaction.meta.requests {
            let rows = RowsEvent::parse(event).map_err(|e| Error::definite("rows of the bootstrap table cannot be read").source(e))?;
            let wanted: Option<Vec<usize>> =
                ["client_id", "is_complete", "database_name", "table_name"].iter().map(|name| slot.table.column_index(name)).collect();
            let (Some(wanted), RowsKind::Insert) = (wanted, rows.kind) else { continue };
            for row in decode_columns(slot, &rows, &wanted)? {
                if let [Some(client), Some(complete), Some(database), Some(table)] = &row[..]
                    && client == self.assembler.client_id()
                    && complete == "0"
                {
                    tracing::error!(
                        "bootstrapping is not supported yet: the request for {database}.{table} is not carried out; hint: delete its row from `bootstrap`"
                    );
                }
            }
        }
        Ok(())
    }

    /// A version that an earlier life, or another client, has stored for this place may be older than a repair that this
    /// run made before the place, and lack it. Then the definitions concerned are stored once more right behind it.
    fn repeat_repairs(
        &mut self,
        id: SchemaId,
        lacks: bool,
        change: &SchemaStep,
        mut position: Position,
        hooks: &mut dyn Hooks,
    ) -> Result<SchemaId> {
        let is_older = id < self.repaired_id || lacks;
        if change.repair || is_older {
            let named = |c: &SchemaChange| {
                let old = c.names().1.map(|table| TableName::new(c.names().0, table));
                let new = c.def().map(|def| TableName::new(&def.database, &def.name));
                [old, new].into_iter().flatten()
            };
            for name in change.changes.iter().flat_map(named) {
                if !self.repaired.contains(&name) {
                    self.repaired.push(name);
                }
            }
        }
        if !is_older {
            if change.repair {
                self.repaired_id = id;
            }
            return Ok(id);
        }
        let schema = self.assembler.schema();
        let again = |name: &TableName| {
            let table = name.table.as_deref()?;
            let def = schema.table(&name.database, table)?.clone();
            Some(SchemaChange::TableCreate { database: name.database.clone(), table: table.to_owned(), def })
        };
        let changes: Vec<SchemaChange> = self.repaired.iter().filter_map(again).collect();
        if changes.is_empty() {
            return Ok(id);
        }
        // Inside the event, so no other version has this place.
        position.at.offset += 1;
        let id = hooks.save_schema(Some(id), &changes, schema, &position)?;
        tracing::info!(at = %position.at, schema_id = id, "repaired definitions stored again, because the version of this place lacks them");
        self.assembler.set_schema_id(id);
        self.repaired_id = self.repaired_id.max(id);
        Ok(id)
    }

    /// Whether a version is stored for this place already that lacks what this run has repaired: two definitions that an operator
    /// told, each with the daemon at rest (`binlogd schema resolve`), are both based on what was there before.
    fn lacks_repairs(&self, position: &Position, hooks: &mut dyn Hooks) -> Result<bool> {
        if self.repaired.is_empty() {
            return Ok(false);
        }
        let Some(stored) = hooks.stored_version(position)? else { return Ok(false) };
        // As they are stored, because not all of a definition is.
        let text = |schema: &Schema, name: &TableName| {
            let def = name.table.as_deref().and_then(|table| schema.table(&name.database, table))?;
            let mut text = Vec::new();
            write_table(def, &mut text);
            Some(text)
        };
        let ours = self.assembler.schema();
        Ok(self.repaired.iter().any(|name| text(ours, name).is_some_and(|ours| text(&stored, name) != Some(ours))))
    }

    fn executed(&mut self, end: &ResumePoint) -> Result<()> {
        if let (Some(set), Some(gtid)) = (&mut self.gtids, &end.gtid) {
            set.add(gtid).map_err(|e| Error::definite(format!("cannot add GTID {gtid} to the executed set")).source(e))?;
        }
        Ok(())
    }

    /// Stores the version first, then tells of it: nothing that depends on it goes out before it is stored.
    fn schema_changed(&mut self, change: SchemaStep, hooks: &mut dyn Hooks) -> Result<()> {
        self.counters.schema_changes += 1;
        if let Some(end) = &change.end {
            self.executed(end)?;
        }
        let position = self.place_of(&change.at, change.gtid.as_ref())?;
        let lacks = self.lacks_repairs(&position, hooks)?;
        let id = hooks.save_schema(self.assembler.schema_id(), &change.changes, self.assembler.schema(), &position)?;
        self.assembler.set_schema_id(id);
        let id = self.repeat_repairs(id, lacks, &change, position, hooks)?;
        self.release(hooks)?;
        tracing::info!(at = %change.at, schema_id = id, changes = change.changes.len(), repair = change.repair, "schema change stored");
        let sql = String::from_utf8_lossy(&change.sql);
        if !change.repair {
            // Under maxwell_quirks what Maxwell makes of the statement.
            let view = self.assembler.schema().as_maxwell.clone();
            let told = view.as_ref().and_then(|view| view.told.as_ref()).unwrap_or(&change.changes);
            for one in told {
                if !self.output_ddl || !passes(&self.filter, one) {
                    self.encoder.ddl_left_out(&change.at.file, &mut |batch| hooks.emit(batch))?;
                    continue;
                }
                let mut fields = Vec::new();
                one.write_fields(&mut fields);
                let (database, table) = one.names();
                let message = DdlMessage {
                    fields: &fields,
                    database,
                    table,
                    sql: &sql,
                    ts: change.timestamp,
                    file: &change.at.file,
                    offset: change.at.offset,
                    gtid: change.gtid.as_ref(),
                    schema_id: Some(id),
                };
                self.encoder.ddl(&message, None, &mut |batch| hooks.emit(batch))?;
            }
        }
        match change.end {
            Some(end) => self.encoder.mark_end(end, 0, &mut |batch| hooks.emit(batch)),
            None => Ok(()),
        }
    }
}

/// Whether a change is told of (contract §7.4): both names of a rename must pass, both against the old database.
fn passes(filter: &Filter, change: &SchemaChange) -> bool {
    match change {
        SchemaChange::DatabaseCreate { database, .. }
        | SchemaChange::DatabaseAlter { database, .. }
        | SchemaChange::DatabaseDrop { database } => filter.ddl_included(database, ""),
        SchemaChange::TableCreate { database, table, .. } | SchemaChange::TableDrop { database, table } => {
            filter.ddl_included(database, table)
        }
        SchemaChange::TableAlter { database, table, def, .. } => {
            filter.ddl_included(database, table) && filter.ddl_included(database, &def.name)
        }
    }
}
