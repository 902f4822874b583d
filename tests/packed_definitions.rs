//! Several definitions that turn out wrong inside one compressed transaction: each gets a version of its own, so that
//! whoever starts behind the transaction has them all.

use std::sync::Arc;

use binlogd::assemble::spill::SpillDir;
use binlogd::assemble::{AssembleOptions, Assembler, Bound, Captured, TableRequest};
use binlogd::binlog::payload::{PayloadLimits, TransactionPayload};
use binlogd::binlog::{EventHeader, EventType, RawEvent};
use binlogd::daemon::chain::{Chain, Flow, Hooks};
use binlogd::encode::batch::{Batch, Topics};
use binlogd::encode::{Encoder, OutputOptions};
use binlogd::error::Result;
use binlogd::filter::Filter;
use binlogd::position::{BinlogPosition, Position};
use binlogd::schema::delta::SchemaChange;
use binlogd::schema::{CaseRule, Column, ColumnType, Database, IntWidth, Schema, SchemaId, Table};
use binlogd::server::Flavor;
use binlogd::store::{MemoryDisk, MemoryStore, Store, StoreOptions};
use futures_util::FutureExt;

const FILE: &str = "b.000001";
/// The tables of the compressed transaction, in order, by the ids of their table maps. The second comes twice.
const MAPS: [(u8, &str); 4] = [(10, "a"), (11, "b"), (11, "b"), (12, "c")];

/// An answer of the memory store, which never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the memory store answers at once")
}

fn store_options() -> StoreOptions {
    StoreOptions {
        schema_database: "maxwell".into(),
        client_id: "maxwell".into(),
        server_id: 1,
        gtid_mode: false,
        flavor: Flavor::MySql,
        case: CaseRule::Sensitive,
    }
}

fn at(offset: u64) -> Position {
    Position::new(BinlogPosition::new(FILE, offset))
}

fn table(name: &str, columns: &[&str], unsigned: bool) -> Arc<Table> {
    let ty = ColumnType::Int { width: IntWidth::Int, unsigned };
    let columns = columns.iter().map(|name| Column { name: (*name).into(), ty: ty.clone() }).collect();
    Arc::new(Table { database: "d".into(), name: name.into(), charset: Some("utf8mb4".into()), columns, primary_key: vec![] })
}

/// `id INT UNSIGNED` in truth, tracked as signed; and `z`, which no row is of.
fn schema(unsigned: bool, of_z: &[&str]) -> Schema {
    let mut tables = ["a", "b", "c"].map(|name| table(name, &["id"], unsigned)).to_vec();
    tables.push(table("z", of_z, false));
    let databases = vec![Database { name: "d".into(), charset: "utf8mb4".into(), tables }];
    Schema { databases, charset: "utf8mb4".into(), ..Schema::default() }
}

fn event(kind: EventType, body: &[u8]) -> RawEvent {
    let size = 19 + body.len() as u32;
    let header = EventHeader { timestamp: 1_700_000_000, type_code: kind as u8, server_id: 1, size, next_position: 0, flags: 0 };
    RawEvent { header, body: body.to_vec().into() }
}

/// What the table map says of the column.
#[derive(Clone, Copy, PartialEq)]
enum Said {
    /// Its name and that it is unsigned.
    All,
    /// That there are two, which contradicts what is tracked and proves nothing.
    Another,
}

fn table_map(id: u8, name: &str, said: Said) -> RawEvent {
    let mut body = vec![id, 0, 0, 0, 0, 0, 1, 0, 1, b'd', 0, name.len() as u8];
    body.extend_from_slice(name.as_bytes());
    match said {
        Said::All => body.extend_from_slice(b"\0\x01\x03\0\0\x01\x01\x80\x04\x03\x02id"),
        Said::Another => body.extend_from_slice(b"\0\x02\x03\x03\0\0"),
    }
    event(EventType::TableMap, &body)
}

fn row(id: u8, said: Said) -> RawEvent {
    let columns = if said == Said::All { 1 } else { 2 };
    let mut body = vec![id, 0, 0, 0, 0, 0, 1, 0, 2, 0, columns, 0xff, 0];
    (0..columns).for_each(|_| body.extend_from_slice(&u32::MAX.to_le_bytes()));
    event(EventType::WriteRowsV2, &body)
}

fn payload(events: &[RawEvent]) -> RawEvent {
    let mut inner = Vec::new();
    for RawEvent { header, body } in events {
        inner.extend_from_slice(&header.timestamp.to_le_bytes());
        inner.push(header.type_code);
        inner.extend_from_slice(&header.server_id.to_le_bytes());
        inner.extend_from_slice(&header.size.to_le_bytes());
        inner.extend_from_slice(&[0; 6]);
        inner.extend_from_slice(body);
    }
    let packed = zstd::encode_all(&inner[..], 3).expect("memory");
    let size = (packed.len() as u16).to_le_bytes();
    // Size, as a number of two bytes; compressed with zstd; the end.
    let mut body = vec![1, 3, 0xfc, size[0], size[1], 2, 1, 0, 0];
    body.extend_from_slice(&packed);
    event(EventType::TransactionPayload, &body)
}

struct Log {
    events: Vec<RawEvent>,
    /// Where the compressed transaction's group begins, the event itself, and its end.
    group: u64,
    start: u64,
    end: u64,
}

/// A compressed transaction, and an empty one behind it. `before` stands before it.
fn log(said: Said, before: Vec<RawEvent>) -> Log {
    let begin = event(EventType::Query, b"\x07\0\0\0\0\0\0\0\x01\0\0\0\0d\0BEGIN");
    let commit = event(EventType::Xid, &77u64.to_le_bytes());
    let gtid = event(EventType::AnonymousGtid, &[0; 25]);
    let mut inner = vec![begin.clone()];
    inner.extend(MAPS.iter().flat_map(|(id, name)| [table_map(*id, name, said), row(*id, said)]));
    inner.push(commit.clone());
    let packed = payload(&inner);
    let group = before.iter().fold(4, |offset, event| offset + u64::from(event.header.size));
    let start = group + u64::from(gtid.header.size);
    let end = start + u64::from(packed.header.size);
    let events = before.into_iter().chain([gtid.clone(), packed, gtid, begin, commit]).collect();
    Log { events, group, start, end }
}

/// A life's store, and the places that it asked at.
struct Life {
    store: MemoryStore,
    asked: Vec<(String, u64)>,
    /// How far the server's log is when it is asked.
    reached: u64,
    messages: Vec<String>,
}

impl Hooks for Life {
    fn save_schema(&mut self, base: Option<SchemaId>, changes: &[SchemaChange], schema: &Schema, position: &Position) -> Result<SchemaId> {
        now(self.store.save_changes(base.expect("a version"), changes, schema, position))
    }

    fn fetch_tables(&mut self, request: &TableRequest, _: &Schema) -> Result<(Vec<Captured>, Bound)> {
        let name = request.tables[0].table.clone().expect("a table");
        if name == "z" {
            let captured = Captured {
                database: "d".into(),
                database_charset: None,
                table: name,
                def: Some(table("z", &["id", "w"], false)),
                hidden: 0,
            };
            return Ok((vec![captured], BinlogPosition::new(FILE, self.reached).into()));
        }
        self.asked.push((name, request.at.offset));
        Ok((Vec::new(), Bound::never()))
    }

    fn stored_version(&mut self, position: &Position) -> Result<Option<Schema>> {
        Ok(now(self.store.load_schema_at(position))?.map(|(_, schema)| schema))
    }

    fn emit(&mut self, batch: Batch) -> Result<()> {
        let value = |m: &binlogd::encode::batch::Message| String::from_utf8(m.value.of(&batch.arena).to_vec()).expect("UTF-8");
        self.messages.extend(batch.messages.iter().map(value));
        Ok(())
    }
}

/// How the compressed transaction is read.
#[derive(Debug, Clone, Copy)]
enum Reader {
    Whole,
    /// What is inside comes first, and the outer event without its body behind it.
    Streamed,
}

/// Reads the log from `from` on, with the definitions that are stored for there.
fn live(disk: &MemoryDisk, log: &Log, from: u64, reader: Reader, filter: &str) -> Life {
    let folder = tempfile::tempdir().expect("a folder");
    let filter = Arc::new(Filter::parse(filter).expect("a filter").0);
    let options = AssembleOptions {
        schema_database: "maxwell".into(),
        client_id: "maxwell".into(),
        filter: filter.clone(),
        row_queries: false,
        memory_bytes: 1 << 20,
        gtid_mode: false,
        event_bytes_max: 1 << 20,
    };
    let store = MemoryStore::open(disk.clone(), store_options());
    let (id, schema) = now(store.load_schema(&at(from))).expect("no error").expect("a version");
    let spill = SpillDir::open(folder.path(), 1 << 20).expect("a spill folder");
    let mut assembler = Assembler::new(options, spill, schema, Some(id), BinlogPosition::new(FILE, from), 0);
    assembler.quarantine_mut().turn_on(1 << 20);
    let encoder = Encoder::new(OutputOptions::default(), Arc::new(Topics::new()));
    let mut chain = Chain::new(assembler, encoder, filter, false, None);
    let mut life = Life { store, asked: Vec::new(), reached: log.end, messages: Vec::new() };
    let mut offset = 4;
    for event in &log.events {
        let mut given = vec![event.clone()];
        if let (Reader::Streamed, Some(EventType::TransactionPayload)) = (reader, event.event_type()) {
            let inner = TransactionPayload::parse(event).and_then(|p| p.events(PayloadLimits::from(1 << 20))).expect("a payload");
            given = inner.map(|e| e.expect("an event")).collect();
            given.push(RawEvent { body: bytes::Bytes::new(), ..event.clone() });
        }
        for event in given.into_iter().filter(|_| offset >= from) {
            assert_eq!(chain.event(event, &mut life).expect("taken"), Flow::On);
        }
        offset += u64::from(event.header.size);
    }
    chain.flush(&mut life).expect("taken");
    life
}

fn disk() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let store = MemoryStore::open(disk.clone(), store_options());
    now(store.save_snapshot(&schema(false, &["id"]), &at(4))).expect("stored");
    disk
}

#[test]
fn every_definition_that_is_mended_is_stored() {
    let log = log(Said::All, Vec::new());
    for reader in [Reader::Whole, Reader::Streamed] {
        let disk = disk();
        let life = live(&disk, &log, log.group, reader, "");
        assert_eq!(life.messages.len(), 4, "{reader:?}");
        assert!(life.messages.iter().all(|m| m.contains("\"id\":4294967295")), "{reader:?}: {:?}", life.messages);
        assert!(life.messages.iter().all(|m| m.contains("\"xid\":77")));
        let stored = |offset: u64| now(life.store.load_schema(&at(offset))).expect("no error").expect("a version").1;
        assert_eq!(stored(log.end), schema(true, &["id"]), "{reader:?}: behind it");
        assert_eq!((stored(log.group), stored(log.start)), (schema(false, &["id"]), schema(false, &["id"])), "{reader:?}: before it");
        let places = disk.schema_versions();
        assert_eq!(places, 4, "{reader:?}");
        // From before it, by either reader: the same places, so nothing is stored again.
        for again in [Reader::Whole, Reader::Streamed] {
            let life = live(&disk, &log, log.group, again, "");
            assert_eq!((life.messages.len(), disk.schema_versions()), (4, places), "{reader:?}, {again:?}");
        }
        live(&disk, &log, log.end, reader, "");
        assert_eq!(disk.schema_versions(), places, "{reader:?}: from behind it");
    }
}

/// What is proved by the place where the transaction ends has a version of its own too.
#[test]
fn a_definition_that_is_proved_at_the_commit_is_stored() {
    // Behind the place of the snapshot. ER_QUERY_INTERRUPTED: nobody knows what it did.
    let passed = event(EventType::Query, b"\x07\0\0\0\0\0\0\0\x01\0\0\0\0d\0CREATE USER x");
    let broken = event(EventType::Query, b"\x07\0\0\0\0\0\0\0\x01\x25\x05\0\0d\0ALTER TABLE z ADD w INT");
    let log = log(Said::All, vec![passed, broken]);
    for reader in [Reader::Whole, Reader::Streamed] {
        let disk = disk();
        let life = live(&disk, &log, 4, reader, "");
        let end = log.events.iter().fold(4, |offset, event| offset + u64::from(event.header.size));
        let stored = now(life.store.load_schema(&at(end))).expect("no error").expect("a version").1;
        assert_eq!(stored, schema(true, &["id", "w"]), "{reader:?}");
        assert_eq!(disk.schema_versions(), 5, "{reader:?}");
    }
}

/// Who looks for one table, as `binlogd schema resolve` does, asks at the place where the daemon will ask.
#[test]
fn places_do_not_depend_on_what_else_is_known() {
    let log = log(Said::Another, Vec::new());
    for reader in [Reader::Whole, Reader::Streamed] {
        let asked = live(&disk(), &log, log.group, reader, "").asked;
        let names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"], "{reader:?}");
        let (first, last) = (asked[0].1, asked[2].1);
        assert!(first >= log.start && last < log.end, "{reader:?}: {asked:?}");
        assert!(asked.windows(2).all(|pair| pair[0].1 < pair[1].1), "{reader:?}: {asked:?}");
        for one in &asked {
            let filter = format!("exclude: *.*, include: d.{}", one.0);
            assert_eq!(live(&disk(), &log, log.group, reader, &filter).asked, std::slice::from_ref(one), "{reader:?}");
        }
    }
}

/// `binlogd schema resolve`, told one table after the other: each version is made of what was stored before it was told, and
/// lacks the others. Whoever starts behind them has them all.
#[test]
fn definitions_that_are_told_one_by_one_are_all_kept() {
    let log = log(Said::Another, Vec::new());
    let told = |name: &str| table(name, &["id", "w"], true);
    for reader in [Reader::Whole, Reader::Streamed] {
        let asked = live(&disk(), &log, log.group, reader, "").asked;
        let disk = disk();
        let store = MemoryStore::open(disk.clone(), store_options());
        let (base, before) = now(store.load_schema(&at(4))).expect("no error").expect("a version");
        for (name, place) in &asked {
            let mut schema = before.clone();
            let change = SchemaChange::TableCreate { database: "d".into(), table: name.clone(), def: told(name) };
            binlogd::schema::delta::apply_changes(&mut schema, std::slice::from_ref(&change)).expect("applied");
            now(store.save_changes(base, &[change], &schema, &at(*place))).expect("stored");
        }
        for life in 1..=2 {
            let read = live(&disk, &log, log.group, reader, "");
            assert_eq!((read.messages.len(), read.asked.len()), (4, 0), "{reader:?}, life {life}");
            assert!(read.messages.iter().all(|m| m.contains("\"w\":4294967295")), "{reader:?}: {:?}", read.messages);
            let stored = now(read.store.load_schema(&at(log.end))).expect("no error").expect("a version").1;
            for name in ["a", "b", "c"] {
                assert_eq!(stored.table("d", name), Some(&told(name)), "{reader:?}, life {life}: {name}");
            }
        }
    }
}
