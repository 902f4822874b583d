//! Events to transactions and schema changes, in order: the one place that decides where a transaction begins and ends.
//!
//! Pure but for the spill file: events and answers go in, steps come out. No clock, no sockets; the same code reads a
//! dump connection, recorded files and tests.

mod answers;
mod statements;

use std::sync::Arc;

use bytes::Bytes;

use crate::binlog::event::EventHeader;
use crate::binlog::format::Flavor;
use crate::binlog::mariadb_gtid::{AlterPart, MariadbGtidEvent, Xa};
use crate::binlog::payload::{PayloadLimits, WINDOW_BYTES_MIN};
use crate::binlog::table_map::DUMMY_TABLE_ID;
use crate::binlog::{
    EventType, FormatDescription, RawEvent, TableMap, compressed, gtid, incident, payload, query, rotate, rows_query, xid,
};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::position::{BinlogPosition, Bound, Gtid, Gtids, ResumePoint};
use crate::schema::ddl::Outcome;
use crate::schema::delta::SchemaChange;
use crate::schema::{Schema, SchemaId, View};

use super::doubt::{self, Cause, TableName};
use super::inner::InnerPlaces;
use super::left_out;
use super::offset::extend;
use super::open::Open;
use super::own_tables;
use super::quarantine::{HeldRows, Quarantine};
use super::spill::{SpillBuffer, SpillDir};
use super::statement::{self, Statement};
use super::tables::{Need, Resolved, Tables};
use super::transaction::{TableRole, Transaction, TxnEvent, TxnMeta};
use super::xa::{XaRequest, XaState};

/// So much of a statement is told of it.
const STATEMENT_CHARS_MAX: usize = 400;

/// So many bytes come out of a compressed transaction before what is kept of them gets memory of its own: as many as a read
/// block has, which a compressed transaction can be a hundred times as large as.
const UNPACKED_BYTES: usize = 256 << 10;

/// What the assembler needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct AssembleOptions {
    /// Database of our own tables, whose rows follow rules of their own.
    pub schema_database: String,
    pub client_id: String,
    pub filter: Arc<Filter>,
    /// Whether SQL texts of row queries are wanted (`output_row_query`).
    pub row_queries: bool,
    /// Bytes of one open transaction that are kept in memory; what is more goes to the spill file.
    pub memory_bytes: u64,
    /// Whether GTIDs are tracked for positions (`gtid_mode`).
    pub gtid_mode: bool,
    /// Largest event that is accepted out of a compressed one, in bytes.
    pub event_bytes_max: u32,
}

impl AssembleOptions {
    /// What unpacking a compressed transaction may take.
    pub(super) fn payload_limits(&self) -> PayloadLimits {
        let window_bytes_max = self.memory_bytes.saturating_mul(2).max(WINDOW_BYTES_MIN);
        PayloadLimits { event_bytes_max: self.event_bytes_max, window_bytes_max }
    }
}

/// What happened with the event that was pushed.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a step is moved twice a transaction; a box would cost an allocation")]
pub enum Step {
    /// Nothing to hand on yet.
    More,
    /// A transaction is complete. It may hold no rows at all; its end is a resume point all the same.
    Transaction(Transaction),
    /// The schema changed. The caller stores the change before it pushes the next event, and tells the new id with
    /// `set_schema_id`.
    Schema(SchemaStep),
    /// Definitions are needed from the server before this event can be passed. The caller answers with `provide`.
    NeedsTables(TableRequest),
    /// A resume point without rows: a file's end, a statement that changes nothing here.
    Boundary(ResumePoint),
    /// An XA transaction is committed whose rows are not at hand. The caller reads them again, with `xa_reader`, and answers
    /// with `provide_prepared`.
    NeedsPrepared(XaRequest),
    /// The stream was opened inside a transaction. The caller opens it again at a boundary before this place.
    StartedInside(BinlogPosition),
}

/// A change of the schema, and what a DDL message says of it.
#[derive(Debug)]
pub struct SchemaStep {
    pub changes: Vec<SchemaChange>,
    /// The statement as it stands in the binlog; empty when a definition was repaired without a statement.
    pub sql: Bytes,
    /// Start of the statement's event, from which the new version is valid.
    pub at: BinlogPosition,
    /// Seconds since the epoch, from the event's header.
    pub timestamp: u32,
    pub gtid: Option<Gtid>,
    /// `None` inside a transaction.
    pub end: Option<ResumePoint>,
    pub repair: bool,
}

/// Tables to be read from information_schema: a name, or all tables of a database.
#[derive(Debug, Clone)]
pub struct TableRequest {
    pub tables: Vec<TableName>,
    /// Why, in a sentence, for the log.
    pub why: String,
    pub at: BinlogPosition,
    /// The table map that asks says enough by itself if nobody has an answer.
    pub stated: bool,
    /// End of the statement that asks, unless it stands inside a transaction. Its GTID is executed, whatever it did.
    pub end: Option<ResumePoint>,
    /// GTID of the statement or transaction that asks.
    pub gtid: Option<Gtid>,
    /// From the header of the event that asks, seconds since the epoch.
    pub timestamp: u32,
}

pub struct Assembler {
    pub(super) options: AssembleOptions,
    pub(super) spill: SpillDir,
    pub(super) schema: Schema,
    pub(super) schema_id: Option<SchemaId>,
    pub(super) tables: Tables,
    flavor: Flavor,
    server_version: (u8, u8, u8),
    /// File of the event that comes next, and its offset there.
    pub(super) at: BinlogPosition,
    /// Where the last event of a file began.
    last_event: BinlogPosition,
    /// Whether the last event has a schema version of its own; the place of its beginning stands for one only.
    has_version: bool,
    /// Places of what stands inside the last event, if it is a compressed transaction.
    inner_places: InnerPlaces,
    /// End of the last complete transaction: where a reconnect goes on.
    boundary: BinlogPosition,
    /// Whether no transaction was seen to begin since the stream was opened; then rows mean that it opened inside one.
    fresh: bool,
    /// The definitions as they were before a statement inside the open transaction changed them.
    before: Option<(Schema, Option<SchemaId>)>,
    pub(super) gtid: Option<Gtid>,
    /// Where the group that is being read began.
    pub(super) group_start: BinlogPosition,
    /// Whether a GTID event told where it began.
    announced: bool,
    pub(super) xa: XaState,
    /// The statement that follows takes no effect (MariaDB's `binlog_alter_two_phase`).
    passes_statement: bool,
    /// Commit time that the last GTID event told, microseconds; 0 if it told none.
    gtid_commit_us: u64,
    pub(super) heartbeat: i64,
    seq: u64,
    pub(super) open: Option<Open>,
    /// A table map that waits for `provide`, with its start offset.
    stalled: Option<(RawEvent, u64)>,
    /// A compressed transaction that is being unpacked, with its start offset.
    payload: Option<(payload::PayloadEvents, u64)>,
    /// Bytes that came out of it since `end_of_block`.
    unpacked_bytes: usize,
    /// The last event out of a compressed transaction whose events come one by one.
    packed: Option<RawEvent>,
}

impl Assembler {
    pub fn new(
        options: AssembleOptions,
        spill: SpillDir,
        schema: Schema,
        schema_id: Option<SchemaId>,
        at: BinlogPosition,
        heartbeat: i64,
    ) -> Self {
        Assembler {
            tables: Tables::new(options.filter.clone(), options.schema_database.clone(), spill.clone()),
            schema,
            schema_id,
            flavor: Flavor::MySql,
            server_version: (0, 0, 0),
            boundary: at.clone(),
            group_start: at.clone(),
            announced: false,
            xa: XaState::new(options.memory_bytes),
            last_event: at.clone(),
            has_version: false,
            inner_places: InnerPlaces::default(),
            at,
            options,
            spill,
            fresh: true,
            before: None,
            gtid: None,
            passes_statement: false,
            gtid_commit_us: 0,
            heartbeat,
            seq: 0,
            open: None,
            stalled: None,
            payload: None,
            unpacked_bytes: 0,
            packed: None,
        }
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Follows Maxwell's view of the definitions from here on (`maxwell_quirks`).
    pub fn see_as_maxwell(&mut self) {
        let view = self.schema.as_maxwell.take().unwrap_or_else(|| Arc::new(View::of(&self.schema)));
        self.schema.as_maxwell = Some(view);
        self.tables.clear();
    }

    pub fn schema_id(&self) -> Option<SchemaId> {
        self.schema_id
    }

    pub fn set_schema_id(&mut self, id: SchemaId) {
        self.schema_id = Some(id);
    }

    /// Whether no transaction is open, nor an event half worked on.
    pub fn is_between_transactions(&self) -> bool {
        self.open.is_none() && self.payload.is_none() && self.packed.is_none() && self.stalled.is_none()
    }

    /// Counts rows of tables that are not output, too (`TxnEvent::LeftOut`).
    pub fn count_left_out(&mut self) {
        self.tables.counts_left_out = true;
    }

    /// What is held back. Off, unless it is turned on.
    pub fn quarantine(&self) -> &Quarantine {
        &self.tables.quarantine
    }

    pub fn quarantine_mut(&mut self) -> &mut Quarantine {
        &mut self.tables.quarantine
    }

    /// The next rows that were held and need not be any more; asked for before anything later of their table goes out.
    pub fn next_held(&mut self) -> Result<Option<HeldRows>> {
        if self.tables.quarantine.is_empty() {
            return Ok(None);
        }
        let mut next = self.tables.next_held(&self.schema)?;
        if let Some(rows) = next.as_mut().filter(|rows| rows.was_unproved) {
            let mut meta = TxnMeta::clone(&rows.meta);
            // The version that was current then did not have their definition.
            meta.schema_id = self.schema_id;
            rows.meta = Arc::new(meta);
        }
        Ok(next)
    }

    pub fn client_id(&self) -> &str {
        &self.options.client_id
    }

    pub fn heartbeat(&self) -> i64 {
        self.heartbeat
    }

    /// Where the event that comes next begins.
    pub fn position(&self) -> &BinlogPosition {
        &self.at
    }

    /// End of the last complete transaction.
    pub fn boundary(&self) -> &BinlogPosition {
        &self.boundary
    }

    /// Whether a transaction has begun and not ended.
    pub fn is_inside_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// Definitions were captured while the stream stood before `until`: statements up to there put the tables they
    /// name in doubt, because the capture may have seen them or not (design §5.3).
    pub fn captured_until(&mut self, until: Bound) {
        if !until.is_reached(&self.at, None) {
            self.tables.doubts.captured_until(until);
        }
    }

    /// Behind the connection is another server, whose log ends at `end`. Up to where the first capture is not proved, if
    /// it is not yet.
    pub fn server_changed(&mut self, end: &BinlogPosition) -> Option<Bound> {
        self.tables.quarantine.server_changed();
        self.tables.doubts.server_changed(end)
    }

    /// The connection was lost: the open transaction is thrown away and will be read again from `boundary`.
    pub fn reconnected(&mut self) {
        self.open = None;
        self.stalled = None;
        self.payload = None;
        self.packed = None;
        self.tables.clear();
        self.at = self.boundary.clone();
        self.fresh = true;
        self.passes_statement = false;
        self.announced = false;
        self.gtid = None;
        self.xa.forget_awaited();
        self.undo_statements();
    }

    /// The definitions that a store has for the boundary, after it was moved back.
    pub fn restore(&mut self, id: SchemaId, schema: Schema) {
        self.schema_id = Some(id);
        let follows = self.schema.as_maxwell.is_some();
        self.schema = schema;
        if follows {
            self.see_as_maxwell();
        }
        self.tables.clear();
    }

    /// A transaction that is thrown away takes with it what its statements did to the definitions (`CREATE TABLE …
    /// SELECT` of MySQL 8.0.21+): they come again with it, and would find their own work otherwise.
    pub(super) fn undo_statements(&mut self) {
        if let Some((schema, id)) = self.before.take() {
            self.schema = schema;
            self.schema_id = id;
        }
    }

    /// Sets the boundary that the next connection starts from.
    pub fn rewind(&mut self, boundary: BinlogPosition) {
        self.boundary = boundary;
        self.reconnected();
    }

    /// Called when the block that events are slices of is at its end: an open transaction keeps copies, so that it
    /// does not hold whole read buffers.
    pub fn end_of_block(&mut self) {
        self.unpacked_bytes = 0;
        if let Some(open) = &mut self.open {
            open.events.compact();
        }
    }

    pub fn push(&mut self, event: RawEvent) -> Result<Step> {
        assert!(self.stalled.is_none(), "an event was pushed while a table definition was awaited");
        if event.header.is_packed() {
            return self.unpacked(event, self.at.offset);
        }
        let start = self.place(&event.header)?;
        if start != self.at.offset {
            self.begins(start);
        }
        let file = self.at.file.clone();
        self.handle(event, start).map_err(|e| e.detail(format!("at {file}:{start}")))
    }

    /// An event of the file begins here, or an outer one comes behind its inner ones, whose versions lie in its place.
    fn begins(&mut self, start: u64) {
        if self.last_event.offset == start && self.last_event.file == self.at.file {
            return;
        }
        self.last_event = BinlogPosition { file: self.at.file.clone(), offset: start };
        self.has_version = false;
        self.inner_places.clear();
    }

    /// An event out of a compressed transaction. It waits for the one behind it, which it gives way to: only the last may end
    /// the transaction, and where that is comes with the outer event if the events are received one by one.
    fn unpacked(&mut self, event: RawEvent, start: u64) -> Result<Step> {
        let Some(before) = self.packed.replace(event) else { return Ok(Step::More) };
        let step = self.inside(before, start)?;
        let ends = match &step {
            Step::Transaction(_) | Step::Boundary(_) | Step::NeedsPrepared(_) => true,
            Step::Schema(step) => step.end.is_some(),
            Step::NeedsTables(request) => request.end.is_some(),
            Step::More | Step::StartedInside(_) => false,
        };
        if ends {
            return Err(Error::definite("events stand behind the end of a compressed transaction")
                .detail(format!("at {}:{start}", self.at.file))
                .hint("check the binlog file with mysqlbinlog"));
        }
        Ok(step)
    }

    fn inside(&mut self, event: RawEvent, start: u64) -> Result<Step> {
        use EventType::*;
        let file = self.at.file.clone();
        let at = || format!("in the compressed transaction at {file}:{start}");
        if let Some(TransactionPayload | EventType::FormatDescription | Rotate | Gtid | AnonymousGtid | GtidTagged | MariaGtid) =
            event.event_type()
        {
            return Err(Error::definite(format!("a {} event cannot stand there", event.header.type_name()))
                .detail(at())
                .hint("check the binlog file with mysqlbinlog"));
        }
        self.begins(start);
        let is_query = event.event_type() == Some(Query);
        let place = start + self.inner_place(&event);
        let step = self.handle(event, place).map_err(|e| e.detail(at()))?;
        if is_query && matches!(step, Step::Schema(_) | Step::NeedsTables(_)) {
            self.inner_places.take();
        }
        Ok(step)
    }

    /// How far behind the beginning of the outer event an inner one has its place; 0 if it makes no schema version.
    fn inner_place(&mut self, event: &RawEvent) -> u64 {
        match event.event_type() {
            Some(EventType::TableMap) => TableMap::id_of(event).map_or(0, |id| self.inner_places.of_table(id)),
            Some(EventType::Query) => self.inner_places.next(),
            _ => 0,
        }
    }

    /// Moves the running offset over the event and returns where the event begins.
    ///
    /// Offsets are the running sum of sizes, because `end_log_pos` has 32 bits and MariaDB 11.4+ writes 0 in groups.
    /// Where it is there it is checked: between transactions the stream may jump ahead (a server that skips what a
    /// GTID set already has, or hides an event of its own); inside one it may not. A compressed transaction stands right
    /// behind its GTID event, so nothing is passed over before it, read whole or unpacked while it is received.
    fn place(&mut self, header: &EventHeader) -> Result<u64> {
        if is_outside_file(header) {
            return Ok(self.at.offset);
        }
        let start = self.at.offset;
        // A rotate event may name any offset.
        let mut end = start
            .checked_add(u64::from(header.size))
            .filter(|end| *end < OFFSET_MAX)
            .ok_or_else(|| Error::definite("a place beyond the end of any file").detail(&self.at))?;
        if header.next_position != 0 && end as u32 != header.next_position {
            let told = extend(header.next_position, end);
            let is_inside = self.open.is_some() || header.event_type() == Some(EventType::TransactionPayload);
            if is_inside || told < end {
                return Err(Error::definite(format!("the event says that it ends at {told}, the sum of sizes says {end}"))
                    .detail(format!("{} event at {}", header.type_name(), self.at))
                    .hint("the binlog file is damaged, or events are missing from the stream; check it with mysqlbinlog"));
            }
            end = told;
        }
        self.at.offset = end;
        Ok(end - u64::from(header.size))
    }

    fn handle(&mut self, event: RawEvent, start: u64) -> Result<Step> {
        let Some(kind) = event.header.event_type() else {
            if event.header.is_ignorable() {
                return Ok(Step::More);
            }
            return Err(unsupported(&event.header, "its type is not known"));
        };
        use EventType::*;
        match kind {
            EventType::FormatDescription => self.on_format(&event),
            Rotate => self.on_rotate(&event),
            Gtid | AnonymousGtid | GtidTagged => self.on_gtid(&event, start),
            MariaGtid => self.on_mariadb_gtid(&event, start),
            Query => self.on_query(&event, start),
            MariaQueryCompressed => {
                let inflated = compressed::inflate(&event, self.options.event_bytes_max).map_err(|e| bad(&event.header, e))?;
                self.on_query(&inflated, start)
            }
            EventType::TableMap => self.on_table_map(event, start),
            WriteRowsV1 | UpdateRowsV1 | DeleteRowsV1 | WriteRowsV2 | UpdateRowsV2 | DeleteRowsV2 | PartialUpdateRows => {
                self.on_rows(event, start)
            }
            MariaWriteRowsCompressedV1
            | MariaUpdateRowsCompressedV1
            | MariaDeleteRowsCompressedV1
            | MariaWriteRowsCompressed
            | MariaUpdateRowsCompressed
            | MariaDeleteRowsCompressed => {
                let inflated = compressed::inflate(&event, self.options.event_bytes_max).map_err(|e| bad(&event.header, e))?;
                self.on_rows(inflated, start)
            }
            RowsQuery | MariaAnnotateRows => self.on_row_query(&event),
            Xid => {
                let xid = xid::parse(&event).map_err(|e| bad(&event.header, e))?;
                self.commit(&event.header, Some(xid))
            }
            TransactionPayload => self.on_payload(&event, start),
            Incident => {
                let incident = incident::Incident::parse(&event).map_err(|e| bad(&event.header, e))?;
                Err(Error::definite(format!(
                    "the server logged an incident: changes may be missing from its binlog ({})",
                    incident.message
                ))
                .hint("find out what the server lost, then set a position after the incident"))
            }
            Stop
            | Heartbeat
            | HeartbeatV2
            | PreviousGtids
            | MariaGtidList
            | MariaBinlogCheckpoint
            | MariaStartEncryption
            | Ignorable
            | TransactionContext
            | ViewChange => Ok(Step::More),
            // Statement-format leftovers; the statement itself is a QUERY event, which is judged there.
            Intvar | Rand | UserVar => Ok(Step::More),
            XaPrepare => self.on_xa_prepare(&event, start),
            MariaPartialRowData => Err(unsupported(&event.header, "fragmented rows events are not supported yet")),
            // The lines of a file that a statement loads, which is judged when it comes.
            BeginLoadQuery | AppendBlock | DeleteFile => Ok(Step::More),
            ExecuteLoadQuery => {
                let query = query::from_load(&event).map_err(|e| bad(&event.header, e))?;
                self.on_query(&query, start)
            }
            StartV3 | Load | CreateFile | ExecLoad | NewLoad => {
                Err(unsupported(&event.header, "it carries a statement-format change; the server must log rows"))
            }
        }
    }

    fn on_format(&mut self, event: &RawEvent) -> Result<Step> {
        let format = FormatDescription::parse(event).map_err(|e| bad(&event.header, e))?;
        self.flavor = format.flavor();
        self.server_version = format.version();
        self.tables.set_server_version(self.server_version);
        self.tables.clear();
        Ok(Step::More)
    }

    fn on_rotate(&mut self, event: &RawEvent) -> Result<Step> {
        let rotate = rotate::Rotate::parse(event).map_err(|e| bad(&event.header, e))?;
        let next = BinlogPosition::new(rotate.file, rotate.position);
        self.tables.clear();
        if is_outside_file(&event.header) {
            // Made up by the dump thread: tells which file follows. The same file again changes nothing but the offset.
            if next.file != self.at.file {
                self.abandon();
            }
            self.at = next;
            return Ok(Step::More);
        }
        self.abandon();
        self.at = next;
        let end = self.end_here(None, true);
        Ok(Step::Boundary(end))
    }

    /// The file has ended; no transaction spans two.
    fn abandon(&mut self) {
        if self.open.take().is_some() {
            // A crashed server leaves a transaction without its end; it never committed.
            tracing::warn!(file = %self.at.file, "the file ends inside a transaction, which therefore never committed");
            self.undo_statements();
        }
    }

    fn on_gtid(&mut self, event: &RawEvent, start: u64) -> Result<Step> {
        let parsed = gtid::GtidEvent::parse(event).map_err(|e| bad(&event.header, e))?;
        self.gtid = parsed.gtid.map(Gtid::MySql);
        self.gtid_commit_us = parsed.immediate_commit_us.unwrap_or(0);
        self.group_start = BinlogPosition { file: self.at.file.clone(), offset: start };
        self.announced = true;
        self.fresh = false;
        self.unfinished()?;
        Ok(Step::More)
    }

    fn on_mariadb_gtid(&mut self, event: &RawEvent, start: u64) -> Result<Step> {
        let parsed = MariadbGtidEvent::parse(event).map_err(|e| bad(&event.header, e))?;
        self.unfinished()?;
        // An ALTER in two parts is logged twice with one text; only its commit changes anything.
        self.passes_statement = matches!(parsed.alter, Some(AlterPart::Start | AlterPart::Rollback { .. }));
        self.gtid = Some(Gtid::MariaDb(parsed.gtid));
        self.gtid_commit_us = 0;
        self.group_start = BinlogPosition { file: self.at.file.clone(), offset: start };
        self.announced = true;
        self.fresh = false;
        let is_prepared = matches!(parsed.xa, Some(Xa::Prepared(_)));
        // The query that decides an XA transaction stands alone, though older versions do not mark it so.
        if !parsed.standalone && !matches!(parsed.xa, Some(Xa::Completed(_))) {
            self.begin(&event.header, start, None, is_prepared);
        }
        Ok(Step::More)
    }

    /// A new group begins while one is open: an event of its end is missing.
    pub(super) fn unfinished(&self) -> Result<()> {
        match self.open {
            Some(_) => {
                Err(Error::definite("a transaction begins before the one before it ended").hint("check the binlog file with mysqlbinlog"))
            }
            None => Ok(()),
        }
    }

    /// Something that stands inside transactions only, where none is open.
    pub(super) fn nothing_open(&self, what: &str, start: u64) -> Result<Step> {
        if self.fresh {
            return Ok(Step::StartedInside(BinlogPosition { file: self.at.file.clone(), offset: start }));
        }
        Err(Error::definite(format!("{what} stands outside a transaction")).hint("check the binlog file with mysqlbinlog"))
    }

    /// `start` is where the event begins that says so.
    fn begin(&mut self, header: &EventHeader, start: u64, thread_id: Option<u32>, is_xa: bool) {
        if !std::mem::take(&mut self.announced) {
            // Servers without GTID events (MySQL 5.6).
            self.group_start = BinlogPosition { file: self.at.file.clone(), offset: start };
        }
        self.fresh = false;
        self.tables.begin();
        let meta = TxnMeta {
            file: self.at.file.clone(),
            gtid: self.gtid.clone(),
            server_id: Some(header.server_id),
            thread_id,
            begun_s: header.timestamp,
            ..TxnMeta::default()
        };
        self.open = Some(Open::new(meta, SpillBuffer::new(self.spill.clone(), self.options.memory_bytes), is_xa));
    }

    pub(super) fn commit(&mut self, header: &EventHeader, xid: Option<u64>) -> Result<Step> {
        let Some(mut open) = self.open.take() else {
            // Maxwell stores the place before the commit event, so a takeover starts on it: an empty transaction ends.
            return Ok(Step::Boundary(self.end_here(None, true)));
        };
        open.tell_left_out()?;
        open.meta.xid = xid;
        open.meta.schema_id = self.schema_id;
        open.meta.commit_us = self.commit_us(header);
        if let Some(value) = open.heartbeat {
            self.heartbeat = value;
        }
        let again = self.again(&mut open);
        let mut end = self.end_here(open.meta.gtid.clone(), open.touches_users || open.heartbeat.is_some());
        // They are not held yet, but will be when this transaction is encoded.
        end.held |= open.unproved;
        Ok(Step::Transaction(Transaction { meta: open.meta, events: open.events, again, end }))
    }

    /// When the group that ends with this event was committed, as exactly as the server tells.
    pub(super) fn commit_us(&self, header: &EventHeader) -> u64 {
        match self.gtid_commit_us {
            0 => u64::from(header.timestamp) * 1_000_000,
            us => us,
        }
    }

    pub(super) fn end_here(&mut self, gtid: Option<Gtid>, saves: bool) -> ResumePoint {
        self.before = None;
        self.announced = false;
        self.tables.end();
        self.boundary = self.at.clone();
        self.point(gtid, saves)
    }

    /// A point at the boundary.
    pub(super) fn point(&mut self, gtid: Option<Gtid>, saves: bool) -> ResumePoint {
        self.seq += 1;
        let gtid = if self.options.gtid_mode { gtid } else { None };
        let held = self.tables.doubts.pending() || self.tables.quarantine.pins() || self.xa.holds();
        ResumePoint { seq: self.seq, at: self.boundary.clone(), gtid, heartbeat: self.heartbeat, saves, held }
    }

    fn on_row_query(&mut self, event: &RawEvent) -> Result<Step> {
        let Some(open) = &mut self.open else { return Ok(Step::More) };
        self.tables.next_number();
        if self.options.row_queries {
            let text = rows_query::text(event).map_err(|e| bad(&event.header, e))?;
            open.push(TxnEvent::RowQuery(text))?;
        }
        Ok(Step::More)
    }

    fn on_table_map(&mut self, event: RawEvent, start: u64) -> Result<Step> {
        if self.open.is_none() && self.fresh {
            return Ok(Step::StartedInside(BinlogPosition { file: self.at.file.clone(), offset: start }));
        }
        match self.tables.map(&event, self.flavor, &self.schema)? {
            Resolved::Ready => Ok(Step::More),
            Resolved::Mended(mended) => {
                let at = BinlogPosition { file: self.at.file.clone(), offset: start };
                mended.log(&at);
                let change = self.tables.install_mended(*mended, &mut self.schema);
                match self.tables.map(&event, self.flavor, &self.schema)? {
                    Resolved::Ready => Ok(self.proved_by_map(change.into_iter().collect(), at, &event)),
                    _ => Err(Error::bug(format!("a mended definition does not fit its table map at {at}"))),
                }
            }
            Resolved::Needs(Need { name, why, stated }) => {
                let at = BinlogPosition { file: self.at.file.clone(), offset: start };
                let (gtid, timestamp) = (self.gtid.clone(), event.header.timestamp);
                self.stalled = Some((event, start));
                Ok(Step::NeedsTables(TableRequest { tables: vec![name], why, at, stated, end: None, gtid, timestamp }))
            }
        }
    }

    fn on_rows(&mut self, event: RawEvent, start: u64) -> Result<Step> {
        let Some(open) = &mut self.open else {
            let at = BinlogPosition { file: self.at.file.clone(), offset: start };
            if self.fresh {
                return Ok(Step::StartedInside(at));
            }
            return Err(Error::definite("a rows event stands outside a transaction").hint("check the binlog file with mysqlbinlog"));
        };
        self.tables.next_number();
        let table_id = TableMap::id_of(&event).map_err(|e| bad(&event.header, e))?;
        if table_id == DUMMY_TABLE_ID {
            return Ok(Step::More);
        }
        let Some(entry) = self.tables.get(table_id) else {
            return Err(Error::definite(format!("rows of table id {table_id}, which no table map event named")));
        };
        open.touches_users |= !entry.own;
        let Some(slot) = entry.slot.clone() else {
            if !entry.layouts.is_empty() {
                open.leave_out(left_out::rows(&event, &entry.layouts));
            }
            return Ok(Step::More);
        };
        if slot.role == TableRole::Heartbeats {
            let seen = own_tables::heartbeat_of(&slot.map, &event, &self.options.client_id).map_err(|e| bad(&event.header, e))?;
            open.heartbeat = seen.or(open.heartbeat);
            return Ok(Step::More);
        }
        open.unproved |= slot.role == TableRole::Unproved;
        if open.is_xa && !open.slots.iter().any(|known| Arc::ptr_eq(known, &slot)) {
            open.slots.push(slot.clone());
        }
        if slot.role == TableRole::Bootstrap {
            open.meta.requests.push((slot.clone(), event.clone()));
            // Its message goes out, so the point behind it is worth storing.
            open.touches_users = true;
        }
        open.meta.last_row_s = event.header.timestamp;
        open.push(TxnEvent::Rows { slot, event, start })?;
        Ok(Step::More)
    }

    /// A compressed transaction: its inner events carry no place of their own, so their rows begin where it does.
    /// They are unpacked one at a time by `more`.
    fn on_payload(&mut self, event: &RawEvent, start: u64) -> Result<Step> {
        if event.body.is_empty()
            && let Some(last) = self.packed.take()
        {
            return self.inside(last, start);
        }
        let inner = payload::TransactionPayload::parse(event)
            .and_then(|p| p.events(self.options.payload_limits()))
            .map_err(|e| bad(&event.header, e))?;
        self.payload = Some((inner, start));
        Ok(Step::More)
    }

    /// The next step of an event that holds others (a compressed transaction), or of a definition that is proved now that
    /// the stream has come here. Called after every `push` and `provide` until it gives `None`. `executed` is the set that
    /// the stream has executed, if it is followed by GTIDs.
    pub fn more(&mut self, executed: Option<&Gtids>) -> Result<Option<Step>> {
        while self.stalled.is_none() {
            let Some((inner, start)) = &mut self.payload else { return Ok(self.settle(executed)) };
            let start = *start;
            let unpacked = inner.next().transpose().map_err(|e| {
                let at = format!("in the compressed transaction at {}:{start}", self.at.file);
                Error::definite("a compressed transaction cannot be unpacked").source(e).detail(at)
            })?;
            let step = match unpacked {
                Some(event) => {
                    self.unpacked_bytes += event.body.len();
                    if self.unpacked_bytes > UNPACKED_BYTES {
                        self.end_of_block();
                    }
                    self.unpacked(event, start)?
                }
                None => {
                    self.payload = None;
                    match self.packed.take() {
                        Some(last) => self.inside(last, start)?,
                        None => Step::More,
                    }
                }
            };
            if !matches!(step, Step::More) {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }
}

/// No binlog file is as long; sums of offsets below it do not overflow.
const OFFSET_MAX: u64 = 1 << 62;

/// Events that the dump thread makes up and that no file holds, so they take no room in it.
pub fn is_outside_file(header: &EventHeader) -> bool {
    use EventType::*;
    header.is_artificial()
        || matches!(header.event_type(), Some(Heartbeat | HeartbeatV2))
        || (header.next_position == 0 && matches!(header.event_type(), Some(Rotate | FormatDescription | MariaStartEncryption)))
}

fn unsupported(header: &EventHeader, why: &str) -> Error {
    Error::definite(format!("cannot pass a {} event: {why}", header.type_name()))
}

pub(super) fn bad(header: &EventHeader, error: crate::binlog::DecodeError) -> Error {
    Error::definite(format!("a {} event cannot be read", header.type_name()))
        .source(error)
        .hint("the event is damaged or of a version that is not known; check the file with mysqlbinlog")
}
