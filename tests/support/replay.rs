//! A daemon's life without a server: recorded events as a server would send them from any start, through the real chain,
//! into a store that survives kills and a producer that acknowledges when it is told to.

// Every test binary uses a part of it.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use binlogd::assemble::boundary::BoundaryScanner;
use binlogd::assemble::spill::SpillDir;
use binlogd::assemble::{AssembleOptions, Assembler, Bound, Captured, HeldTable, TableRequest, XaRead, XaReader, XaRequest};
use binlogd::binlog::event::{EventHeader, FLAG_ARTIFICIAL};
use binlogd::binlog::gtid::GtidEvent;
use binlogd::binlog::mariadb_gtid::MariadbGtidEvent;
use binlogd::binlog::query::Query;
use binlogd::binlog::{EventType, Flavor, RawEvent};
use binlogd::daemon::chain::{Chain, Flow, Hooks, PreparedRows};
use binlogd::daemon::log_from::LogFrom;
use binlogd::encode::batch::{Batch, MessageKind, Topics};
use binlogd::encode::{ColumnPattern, Encoder, KeyFormat, OutputOptions};
use binlogd::error::{Error, Result};
use binlogd::filter::Filter;
use binlogd::position::ack::{AckTracker, Reached, Ticket};
use binlogd::position::xa::XaDecided;
use binlogd::position::{BinlogPosition, Gtid, GtidPosition, GtidSet, Gtids, Position};
use binlogd::schema::delta::SchemaChange;
use binlogd::schema::prepared::PreparedXa;
use binlogd::schema::{CaseRule, Schema, SchemaId};
use binlogd::source::file::BinlogFile;
use binlogd::store::{MemoryDisk, MemoryStore, Store, StoreOptions};
use bytes::Bytes;
use futures_util::FutureExt;

/// An answer of the memory store, which never waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the memory store answers at once")
}

/// One recorded binlog file.
pub struct Recording {
    pub name: String,
    pub file: Arc<str>,
    pub flavor: Flavor,
    pub charset: &'static str,
    events: Vec<RawEvent>,
    /// Where each event begins; one more for the file's end.
    offsets: Vec<u64>,
    /// The GTID of the group that each event is in, and whether a group begins with it.
    groups: Vec<(Option<Gtid>, bool)>,
}

pub fn fixtures() -> PathBuf {
    let folder = match std::env::var_os("BINLOGD_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixtures/golden"),
    };
    assert!(folder.is_dir(), "the recorded cases are not in {}: run scripts/fixtures.sh", folder.display());
    folder
}

impl Recording {
    pub fn open(server: &str, case: &str) -> Self {
        let folder = fixtures().join(server).join(case);
        let mut file = BinlogFile::open(folder.join("binlog")).expect("a recorded binlog");
        let (mut events, mut offsets) = (Vec::new(), vec![4]);
        while let Some(event) = file.next_event().expect("a whole file") {
            events.push(event);
            offsets.push(file.offset());
        }
        let truth: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("truth.json")).expect("truth.json")).expect("JSON");
        let charset = if server.starts_with("mysql-9.7") { "utf8mb4" } else { "latin1" };
        let flavor = file.format().expect("a format description").flavor();
        let groups = groups(&events);
        Recording {
            name: format!("{server}/{case}"),
            file: truth["binlog_file"].as_str().expect("a name").into(),
            flavor,
            charset,
            events,
            offsets,
            groups,
        }
    }

    /// Events made by a test, as a file would have them.
    pub fn made(name: &str, events: Vec<RawEvent>) -> Self {
        let mut offsets = vec![4];
        for event in &events {
            offsets.push(offsets[offsets.len() - 1] + u64::from(event.header.size));
        }
        let groups = groups(&events);
        Recording { name: name.into(), file: "made.000001".into(), flavor: Flavor::MySql, charset: "utf8mb4", events, offsets, groups }
    }

    /// The recorded file's groups in another order, some of them left out or repeated: `order` counts those that a GTID
    /// begins. What stands before the first group stays.
    pub fn reordered(server: &str, case: &str, order: &[usize]) -> Self {
        let whole = Recording::open(server, case);
        let starts: Vec<usize> = (0..whole.events.len()).filter(|i| whole.groups[*i].1).collect();
        let group = |n: usize| {
            let from = starts[n];
            let to = starts.get(n + 1).copied().unwrap_or(whole.events.len() - 1);
            whole.events[from..to].to_vec()
        };
        let mut events = whole.events[..starts[0]].to_vec();
        events.extend(order.iter().flat_map(|n| group(*n)));
        events.extend(whole.events.last().cloned());
        let mut end = 4;
        for event in &mut events {
            end += event.header.size;
            event.header.next_position = end;
        }
        let made = Recording::made(&format!("{server}/{case} as {order:?}"), events);
        Recording { file: whole.file, flavor: whole.flavor, charset: whole.charset, ..made }
    }

    /// The event that every file begins with.
    pub fn format_event(&self) -> &RawEvent {
        &self.events[0]
    }

    pub fn start(&self) -> BinlogPosition {
        BinlogPosition::new(self.file.clone(), 4)
    }

    /// Makes the n-th ALTER one that a server broke off (ER_QUERY_INTERRUPTED), so that nobody knows what it did. Whether
    /// there is one.
    pub fn break_alter(&mut self, number: usize) -> bool {
        const ERROR_CODE: usize = 9;
        let is_alter = |e: &RawEvent| {
            let statement = (e.event_type() == Some(EventType::Query)).then(|| Query::parse(e).expect("a statement").sql);
            statement.is_some_and(|sql| sql.to_ascii_uppercase().starts_with(b"ALTER TABLE"))
        };
        let Some(event) = self.events.iter_mut().filter(|e| is_alter(e)).nth(number) else { return false };
        let mut body = event.body.to_vec();
        body[ERROR_CODE..ERROR_CODE + 2].copy_from_slice(&1317u16.to_le_bytes());
        event.body = body.into();
        true
    }

    /// Ends of all rows events: what Maxwell stores while it is inside a transaction.
    pub fn ends_of_rows(&self) -> Vec<u64> {
        let rows = self.events.iter().zip(&self.offsets[1..]).filter(|(e, _)| e.event_type().is_some_and(|t| t.is_rows()));
        rows.map(|(_, end)| *end).collect()
    }

    /// Beginnings of all events.
    pub fn offsets(&self) -> &[u64] {
        &self.offsets[..self.events.len()]
    }

    /// What the server sends when it is asked for `from`: the made-up events first, then the file's.
    pub fn dump(&self, from: &Position, gtid_mode: bool) -> Vec<RawEvent> {
        let (first, executed) = match &from.gtids {
            Some(gtids) if gtid_mode => (4, Some(gtids)),
            _ if from.at.file == self.file => (from.at.offset, None),
            _ => return Vec::new(),
        };
        let mut sent = vec![self.rotate(first)];
        if first > 4 {
            let mut format = self.events[0].clone();
            format.header.next_position = 0;
            sent.push(format);
        }
        for (i, event) in self.events.iter().enumerate() {
            let executed = executed.zip(self.groups[i].0.as_ref()).is_some_and(|(set, gtid)| set.contains(gtid).expect("one flavor"));
            if self.offsets[i] >= first && !executed {
                sent.push(event.clone());
            }
        }
        sent
    }

    fn rotate(&self, offset: u64) -> RawEvent {
        let mut body = offset.to_le_bytes().to_vec();
        body.extend_from_slice(self.file.as_bytes());
        let header = EventHeader {
            timestamp: 0,
            type_code: 4,
            server_id: 1,
            size: (19 + body.len()) as u32,
            next_position: 0,
            flags: FLAG_ARTIFICIAL,
        };
        RawEvent { header, body: Bytes::from(body) }
    }
}

fn groups(events: &[RawEvent]) -> Vec<(Option<Gtid>, bool)> {
    let mut current = None;
    let mut groups = Vec::new();
    for event in events {
        let begins = match event.event_type() {
            Some(EventType::Gtid | EventType::AnonymousGtid | EventType::GtidTagged) => {
                current = GtidEvent::parse(event).expect("a GTID event").gtid.map(Gtid::MySql);
                true
            }
            Some(EventType::MariaGtid) => {
                current = Some(Gtid::MariaDb(MariadbGtidEvent::parse(event).expect("a GTID event").gtid));
                true
            }
            Some(EventType::Rotate | EventType::Stop | EventType::MariaBinlogCheckpoint) => {
                current = None;
                false
            }
            _ => false,
        };
        groups.push((current.clone(), begins));
    }
    groups
}

/// How the producer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Every batch at once.
    AtOnce,
    /// Each batch when the next one has come, so the last is always open.
    OneBehind,
    /// Out of order: the newer of two first, and none before three are open.
    Crosswise,
}

/// How a daemon is run.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub gtid_mode: bool,
    pub batch_bytes: usize,
    pub acks: Acks,
    /// The source is idle after each so many events: what is encoded is handed on.
    pub idle_every: usize,
    /// The reached point is stored after each so many events.
    pub save_every: usize,
}

/// When the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Not at all.
    Never,
    /// When it has worked on so many events.
    AfterEvents(usize),
    /// At the hooks' n-th call, before it has done anything, or when it has.
    AtCall { number: usize, done: bool },
    /// The process lives, but after so many events its connection to the server is lost once.
    OnlyTheConnection(usize),
}

/// A message that the producer took, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub value: Vec<u8>,
    pub key: Vec<u8>,
    pub kind: MessageKind,
    pub acknowledged: bool,
}

/// What one life did.
pub struct Life {
    pub taken: Vec<Taken>,
    pub calls: usize,
    pub events: usize,
    pub died: bool,
    pub reached: Position,
    /// Every schema that was to be stored, by its offset.
    pub versions: Vec<(u64, Schema)>,
    /// The tables of which rows are held back at the end.
    pub held: Vec<HeldTable>,
    /// How many XA transactions were read again.
    pub read_again: usize,
    /// How many transactions were too large to be kept, and read a second time.
    pub read_twice: usize,
}

/// One daemon's disk and what it reads.
pub struct World<'a> {
    pub recording: &'a Recording,
    pub disk: MemoryDisk,
    pub manner: Manner,
    /// What the server answers when it is asked for definitions: those that were valid behind each statement.
    pub definitions: Definitions,
    pub spill: SpillDir,
    /// How far the server is ahead when it is asked.
    pub lead: Lead,
    /// Bytes of held rows in memory; `None`: nothing is held.
    pub quarantine: Option<u64>,
    /// The definitions at the start; `None`: there are none.
    pub initial: Option<Schema>,
    /// Bytes of prepared XA transactions that are kept in memory; those that are not are read again.
    pub keep_prepared: u64,
    /// Bytes of one transaction that are kept in memory.
    pub memory_bytes: u64,
    /// Until where the server's log went while they were captured.
    pub captured_until: Option<u64>,
}

/// How far the server's log reaches beyond the event that makes us ask for definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// Two events; the definitions are those behind the asking statement.
    Near,
    /// So many events, and it has the definitions from there.
    Events(usize),
    /// To the file's end.
    End,
}

/// Schemas, each by the offset of the statement behind which it is valid.
pub type Definitions = Arc<Vec<(u64, Schema)>>;

struct Producer<'a> {
    store: MemoryStore,
    recording: &'a Recording,
    definitions: Definitions,
    lead: Lead,
    seen: Vec<(u64, Schema)>,
    tracker: AckTracker,
    /// Open tickets, each with the messages it stands for.
    open: VecDeque<(Ticket, std::ops::Range<usize>)>,
    taken: Vec<Taken>,
    acks: Acks,
    death: Death,
    calls: usize,
    gtid_error: Option<Error>,
    read_again: usize,
    read_twice: usize,
}

const KILLED: &str = "killed by the test";
const LOST: &str = "disconnected by the test";

impl Producer<'_> {
    /// Counts a call; whether the process is dead before or after it.
    fn call(&mut self) -> (bool, bool) {
        self.calls += 1;
        match self.death {
            Death::AtCall { number, done } if number == self.calls => (!done, done),
            _ => (false, false),
        }
    }

    fn answer(&mut self) {
        match self.acks {
            Acks::AtOnce => while self.answer_at(0) {},
            Acks::OneBehind => while self.open.len() > 1 && self.answer_at(0) {},
            Acks::Crosswise => {
                if self.open.len() >= 3 {
                    self.answer_at(2);
                    self.answer_at(0);
                }
            }
        }
    }

    fn answer_at(&mut self, index: usize) -> bool {
        let Some((ticket, range)) = self.open.remove(index) else { return false };
        self.taken[range].iter_mut().for_each(|t| t.acknowledged = true);
        self.tracker.done(ticket);
        true
    }
}

/// What a server sends a second time.
struct Sent(VecDeque<RawEvent>);

impl LogFrom for Sent {
    fn next_event(&mut self) -> Result<Option<RawEvent>> {
        Ok(self.0.pop_front())
    }
}

impl Hooks for Producer<'_> {
    fn save_schema(&mut self, base: Option<SchemaId>, changes: &[SchemaChange], schema: &Schema, at: &Position) -> Result<SchemaId> {
        let (before, after) = self.call();
        if before {
            return Err(Error::bug(KILLED));
        }
        self.seen.push((at.at.offset, schema.clone()));
        let id = match base {
            Some(base) => now(self.store.save_changes(base, changes, schema, at)),
            None => now(self.store.save_snapshot(schema, at)),
        };
        if after { Err(Error::bug(KILLED)) } else { id }
    }

    fn fetch_tables(&mut self, request: &TableRequest, _: &Schema) -> Result<(Vec<Captured>, Bound)> {
        // Usually the server stands where the group behind this one has begun.
        let events = match self.lead {
            Lead::Near => 2,
            Lead::Events(number) => number,
            Lead::End => usize::MAX,
        };
        let last = self.recording.offsets.len() - 1;
        let here = self.recording.offsets.partition_point(|o| *o <= request.at.offset) - 1;
        let reached = self.recording.offsets[here.saturating_add(events).min(last)];
        let known = if self.lead == Lead::Near { request.at.offset + 1 } else { reached };
        let Some((_, schema)) = self.definitions.iter().rev().find(|(offset, _)| *offset < known) else {
            return Err(Error::definite(format!("there is no server to ask: {}", request.why)));
        };
        let captured = request.tables.iter().filter_map(|name| {
            let table = name.table.clone()?;
            let def = schema.table(&name.database, &table).cloned();
            Some(Captured { database: name.database.clone(), database_charset: None, table, def, hidden: 0 })
        });
        Ok((captured.collect(), BinlogPosition::new(self.recording.file.clone(), reached).into()))
    }

    fn stored_version(&mut self, position: &Position) -> Result<Option<Schema>> {
        Ok(now(self.store.load_schema_at(position))?.map(|(_, schema)| schema))
    }

    fn note_prepared(&mut self, prepared: &[PreparedXa]) -> Result<()> {
        let (before, after) = self.call();
        if before {
            return Err(Error::bug(KILLED));
        }
        now(self.store.note_prepared(prepared))?;
        if after { Err(Error::bug(KILLED)) } else { Ok(()) }
    }

    fn decided(&mut self, decided: XaDecided) {
        self.store.decided(decided);
    }

    fn read_prepared(&mut self, request: &XaRequest, reader: &mut dyn FnMut() -> XaReader) -> Result<PreparedRows> {
        let (before, after) = self.call();
        if before {
            return Err(Error::bug(KILLED));
        }
        self.read_again += 1;
        let known = request.known.as_ref().ok_or_else(|| Error::definite("a prepare that nobody noted").detail(&request.name))?;
        let mut reader = reader();
        for event in self.recording.dump(&Position::new(known.place.start.clone()), false) {
            match reader.push(event)? {
                XaRead::More => {}
                XaRead::Done if after => return Err(Error::bug(KILLED)),
                XaRead::Done => return Ok(PreparedRows::Read(Box::new(reader))),
                XaRead::Another => break,
            }
        }
        Err(Error::definite("the prepare is not where it was noted").detail(&known.place))
    }

    fn log_from(&mut self, start: &BinlogPosition) -> Result<Option<Box<dyn LogFrom>>> {
        self.read_twice += 1;
        let sent = self.recording.dump(&Position::new(start.clone()), false);
        let made_up =
            |e: &RawEvent| e.header.is_artificial() || e.event_type() == Some(EventType::FormatDescription) && e.header.next_position == 0;
        let in_file = sent.into_iter().filter(|e| !made_up(e));
        Ok(Some(Box::new(Sent(in_file.collect()))))
    }

    fn emit(&mut self, batch: Batch) -> Result<()> {
        let (before, after) = self.call();
        if before {
            return Err(Error::bug(KILLED));
        }
        let from = self.taken.len();
        for m in &batch.messages {
            let (value, key) = (m.value.of(&batch.arena).to_vec(), m.key.of(&batch.arena).to_vec());
            self.taken.push(Taken { value, key, kind: m.kind, acknowledged: false });
        }
        let ticket = self.tracker.open(batch.end, batch.gtids, Instant::now());
        self.open.push_back((ticket, from..self.taken.len()));
        self.answer();
        if after { Err(Error::bug(KILLED)) } else { Ok(()) }
    }
}

impl<'a> World<'a> {
    /// A fresh disk: an empty schema at the file's beginning, as after the first capture.
    pub fn new(recording: &'a Recording, manner: Manner, spill: SpillDir) -> Self {
        Self::with(recording, manner, spill, None)
    }

    /// The same with definitions that were captured at the file's beginning.
    pub fn with(recording: &'a Recording, manner: Manner, spill: SpillDir, initial: Option<Schema>) -> Self {
        let world = World {
            recording,
            disk: MemoryDisk::default(),
            manner,
            definitions: Definitions::default(),
            spill,
            lead: Lead::Near,
            quarantine: None,
            initial,
            keep_prepared: 1 << 20,
            memory_bytes: 2000,
            captured_until: None,
        };
        let gtids = manner.gtid_mode.then(|| match recording.flavor {
            Flavor::MySql => Gtids::MySql(GtidSet::default()),
            Flavor::MariaDb => Gtids::MariaDb(GtidPosition::default()),
        });
        let start = Position { gtids, ..Position::new(recording.start()) };
        let store = world.store();
        let schema = world.initial.clone().unwrap_or_else(|| Schema { charset: recording.charset.into(), ..Schema::default() });
        now(store.save_snapshot(&schema, &start)).expect("stored");
        now(store.save_position(&start)).expect("stored");
        world
    }

    pub fn store(&self) -> MemoryStore {
        let options = StoreOptions {
            schema_database: "maxwell".into(),
            client_id: "maxwell".into(),
            server_id: 1,
            gtid_mode: self.manner.gtid_mode,
            flavor: match self.recording.flavor {
                Flavor::MySql => binlogd::server::Flavor::MySql,
                Flavor::MariaDb => binlogd::server::Flavor::MariaDb,
            },
            case: CaseRule::Sensitive,
        };
        MemoryStore::open(self.disk.clone(), options)
    }

    pub fn stored(&self) -> Position {
        now(self.store().load_position()).expect("readable").expect("stored").position
    }

    /// The chain of a process that begins at `from`.
    pub fn chain(&self, store: &MemoryStore, from: &Position) -> Chain {
        let (id, schema) = now(store.load_schema(from)).expect("readable").expect("a version");
        let filter = Arc::new(Filter::default());
        let options = AssembleOptions {
            schema_database: "maxwell".into(),
            client_id: "maxwell".into(),
            filter: filter.clone(),
            row_queries: true,
            memory_bytes: self.memory_bytes,
            gtid_mode: self.manner.gtid_mode,
            event_bytes_max: 1 << 20,
        };
        let mut assembler = Assembler::new(options, self.spill.clone(), schema, Some(id), from.at.clone(), from.heartbeat);
        assembler.keep_prepared(self.keep_prepared);
        assembler.restore_prepared(now(store.load_prepared()).expect("readable"), from);
        if let Some(bytes) = self.quarantine {
            assembler.quarantine_mut().turn_on(bytes);
        }
        if let Some(until) = self.captured_until {
            assembler.captured_until(BinlogPosition::new(self.recording.file.clone(), until).into());
        }
        let output = OutputOptions {
            binlog_position: true,
            gtid_position: self.manner.gtid_mode,
            server_id: true,
            thread_id: true,
            // In a quarantine the version is another than without; nothing else may be.
            schema_id: self.quarantine.is_none(),
            row_query: true,
            primary_keys: true,
            ddl: true,
            // In character sets that cannot be rendered yet.
            exclude_columns: ColumnPattern::parse_list("/s\\d/,v").expect("names"),
            keys: KeyFormat::Hash,
            batch_bytes: self.manner.batch_bytes,
            ..OutputOptions::default()
        };
        Chain::new(assembler, Encoder::new(output, Arc::new(Topics::new())), filter, true, from.gtids.clone())
    }

    /// One life from the stored position until the file's end or death.
    pub fn live(&self, death: Death) -> Result<Life> {
        let store = self.store();
        let from = self.stored();
        let mut chain = self.chain(&store, &from);
        let mut producer = Producer {
            store,
            recording: self.recording,
            definitions: self.definitions.clone(),
            lead: self.lead,
            seen: Vec::new(),
            tracker: AckTracker::new(),
            open: VecDeque::new(),
            taken: Vec::new(),
            acks: self.manner.acks,
            death,
            calls: 0,
            gtid_error: None,
            read_again: 0,
            read_twice: 0,
        };
        let mut life = Life {
            taken: Vec::new(),
            calls: 0,
            events: 0,
            died: false,
            reached: from,
            versions: Vec::new(),
            held: Vec::new(),
            read_again: 0,
            read_twice: 0,
        };
        let mut again = true;
        while std::mem::take(&mut again) {
            match self.read(&mut chain, &mut producer, &mut life) {
                Ok(Flow::On) => {}
                Ok(Flow::StartedInside(at)) => {
                    self.step_back(&mut chain, &at)?;
                    again = true;
                }
                Err(e) if e.message() == LOST => {
                    chain.assembler.reconnected();
                    again = true;
                }
                Err(e) if e.message() == KILLED => life.died = true,
                Err(e) => return Err(e.detail(&self.recording.name)),
            }
        }
        if !life.died {
            match chain.flush(&mut producer) {
                Err(e) if e.message() == KILLED => life.died = true,
                flushed => flushed?,
            }
        }
        if !life.died {
            while producer.answer_at(0) {}
            self.save(&mut producer, &mut life);
        }
        assert!(producer.gtid_error.is_none(), "{:?}", producer.gtid_error);
        life.held = chain.assembler.quarantine().report();
        life.read_again = producer.read_again;
        life.read_twice = producer.read_twice;
        (life.taken, life.calls, life.versions) = (producer.taken, producer.calls, producer.seen);
        Ok(life)
    }

    fn read(&self, chain: &mut Chain, producer: &mut Producer<'_>, life: &mut Life) -> Result<Flow> {
        for event in self.recording.dump(&chain.resume_position(), self.manner.gtid_mode) {
            if producer.death == Death::AfterEvents(life.events) {
                return Err(Error::bug(KILLED));
            }
            if producer.death == Death::OnlyTheConnection(life.events) {
                producer.death = Death::Never;
                return Err(Error::transient(LOST));
            }
            life.events += 1;
            let flow = chain.event(event, producer)?;
            if flow != Flow::On {
                return Ok(flow);
            }
            if life.events.is_multiple_of(self.manner.idle_every) {
                chain.assembler.end_of_block();
                chain.flush(producer)?;
            }
            if life.events.is_multiple_of(self.manner.save_every) {
                self.save(producer, life);
            }
        }
        Ok(Flow::On)
    }

    /// What the daemon does at a position inside a transaction.
    fn step_back(&self, chain: &mut Chain, at: &BinlogPosition) -> Result<()> {
        let mut scanner = BoundaryScanner::new(at);
        for event in self.recording.dump(&Position::new(self.recording.start()), false) {
            if let Some(boundary) = scanner.push(&event)? {
                assert_ne!(boundary, *chain.assembler.boundary(), "{}: nothing gained by stepping back", self.recording.name);
                chain.assembler.rewind(boundary);
                if let Some((id, schema)) = now(self.store().load_schema(&chain.resume_position()))? {
                    chain.assembler.restore(id, schema);
                }
                return Ok(());
            }
        }
        Err(Error::definite("no boundary").detail(at))
    }

    fn save(&self, producer: &mut Producer<'_>, life: &mut Life) {
        let Some(Reached { end, gtids, .. }) = producer.tracker.reached() else { return };
        if let Some(set) = &mut life.reached.gtids {
            for gtid in &gtids {
                assert!(!set.contains(gtid).expect("one flavor"), "{}: {gtid} came twice", self.recording.name);
                if let Err(e) = set.add(gtid) {
                    producer.gtid_error = Some(e);
                }
            }
        }
        life.reached.at = end.at;
        life.reached.heartbeat = end.heartbeat;
        now(producer.store.save_position(&life.reached)).expect("a position that does not go back");
    }
}
