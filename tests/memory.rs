//! A transaction far larger than the memory it may take: it spills, and goes through the encoder in pieces.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use binlogd::assemble::spill::SpillDir;
use binlogd::assemble::{AssembleOptions, Assembler, Bound, Captured, TableRequest};
use binlogd::binlog::{EventHeader, EventType, RawEvent};
use binlogd::daemon::chain::{Chain, Flow, Hooks};
use binlogd::daemon::log_from::LogFrom;
use binlogd::encode::batch::{Batch, Topics};
use binlogd::encode::{Encoder, OutputOptions};
use binlogd::error::Result;
use binlogd::filter::Filter;
use binlogd::position::{BinlogPosition, Position};
use binlogd::schema::delta::SchemaChange;
use binlogd::schema::{Column, ColumnType, Database, IntWidth, Schema, SchemaId, Table, TextKind};

/// Watches how many bytes are allocated at once.
struct Watching;

static NOW: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

fn grown(bytes: usize) {
    PEAK.fetch_max(NOW.fetch_add(bytes as u64, Relaxed) + bytes as u64, Relaxed);
}

// SAFETY: every call is passed on unchanged to the system's allocator, whose contract it is; counting touches only
// atomics.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

const MEMORY_BYTES: u64 = 1 << 20;
const BATCH_BYTES: usize = 256 << 10;

/// Counts what comes and keeps nothing.
#[derive(Default)]
struct Counted {
    messages: u64,
    bytes: u64,
    batches: u64,
    ends: u64,
    largest: usize,
    commits: u64,
    /// What the log has, for a second reading.
    log: Option<Log>,
}

/// One transaction, made again each time.
#[derive(Clone, Copy)]
struct Log {
    events: u32,
    rows_each: u32,
    bytes: usize,
    next: u32,
}

impl Log {
    fn event(&mut self) -> Option<RawEvent> {
        let number = self.next;
        self.next += 1;
        match number.checked_sub(2) {
            None if number == 0 => Some(begin()),
            None => Some(table_map()),
            Some(i) if i < self.events => Some(rows(i * self.rows_each, self.rows_each, self.bytes)),
            Some(i) if i == self.events => Some(event(EventType::Xid, 77u64.to_le_bytes().to_vec())),
            Some(_) => None,
        }
    }
}

impl LogFrom for Log {
    fn next_event(&mut self) -> Result<Option<RawEvent>> {
        Ok(self.event())
    }
}

impl Hooks for Counted {
    fn save_schema(&mut self, _: Option<SchemaId>, _: &[SchemaChange], _: &Schema, _: &Position) -> Result<SchemaId> {
        unreachable!("no statement changes the schema")
    }

    fn fetch_tables(&mut self, request: &TableRequest, _: &Schema) -> Result<(Vec<Captured>, Bound)> {
        unreachable!("{}", request.why)
    }

    fn log_from(&mut self, start: &BinlogPosition) -> Result<Option<Box<dyn LogFrom>>> {
        assert_eq!(start.offset, 4);
        Ok(self.log.map(|log| Box::new(log) as Box<dyn LogFrom>))
    }

    fn emit(&mut self, batch: Batch) -> Result<()> {
        self.messages += batch.messages.len() as u64;
        self.bytes += batch.arena.len() as u64;
        self.batches += 1;
        self.ends += u64::from(batch.end.is_some());
        self.largest = self.largest.max(batch.arena.len());
        let commit = |value: &[u8]| {
            value.starts_with(b"{\"database\"") && value[..120.min(value.len())].windows(13).any(|w| w == b"\"commit\":true")
        };
        self.commits += batch.messages.iter().filter(|m| commit(m.value.of(&batch.arena))).count() as u64;
        Ok(())
    }
}

fn event(kind: EventType, body: Vec<u8>) -> RawEvent {
    let size = 19 + body.len() as u32;
    let header = EventHeader { timestamp: 1_700_000_000, type_code: kind as u8, server_id: 1, size, next_position: 0, flags: 0 };
    RawEvent { header, body: body.into() }
}

/// `t (id int, s text)` in database `d`.
fn chain(spill: SpillDir, filter: &str) -> Chain {
    let columns = vec![
        Column { name: "id".into(), ty: ColumnType::Int { width: IntWidth::Int, unsigned: false } },
        Column { name: "s".into(), ty: ColumnType::Text { kind: TextKind::Long, charset: Some("utf8mb4".into()) } },
    ];
    let table = Table { database: "d".into(), name: "t".into(), charset: Some("utf8mb4".into()), columns, primary_key: vec!["id".into()] };
    let schema = Schema {
        databases: vec![Database { name: "d".into(), charset: "utf8mb4".into(), tables: vec![Arc::new(table)] }],
        charset: "utf8mb4".into(),
        ..Schema::default()
    };
    let filter = Arc::new(Filter::parse(filter).expect("a filter").0);
    let options = AssembleOptions {
        schema_database: "maxwell".into(),
        client_id: "me".into(),
        filter: filter.clone(),
        row_queries: false,
        memory_bytes: MEMORY_BYTES,
        gtid_mode: false,
        event_bytes_max: 1 << 30,
    };
    let at = BinlogPosition::new("b.000001", 4);
    let assembler = Assembler::new(options, spill, schema, Some(1), at, 0);
    let output = OutputOptions { batch_bytes: BATCH_BYTES, ..OutputOptions::default() };
    Chain::new(assembler, Encoder::new(output, Arc::new(Topics::new())), filter, false, None)
}

fn begin() -> RawEvent {
    let mut body = vec![7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    body.extend_from_slice(b"d\0BEGIN");
    event(EventType::Query, body)
}

fn table_map() -> RawEvent {
    table_map_of(9, b't')
}

fn table_map_of(id: u8, name: u8) -> RawEvent {
    let mut body = vec![id, 0, 0, 0, 0, 0, 1, 0];
    body.extend_from_slice(&[1, b'd', 0, 1, name, 0]);
    // int, and a blob with lengths of 4 bytes
    body.extend_from_slice(&[2, 3, 252, 1, 4, 0b10]);
    event(EventType::TableMap, body)
}

/// Rows with texts of `bytes` each.
fn rows(first: u32, count: u32, bytes: usize) -> RawEvent {
    rows_of(9, first, count, bytes)
}

fn rows_of(table_id: u8, first: u32, count: u32, bytes: usize) -> RawEvent {
    let mut body = vec![table_id, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 0xff];
    for id in first..first + count {
        body.push(0);
        body.extend_from_slice(&id.to_le_bytes());
        body.extend_from_slice(&(bytes as u32).to_le_bytes());
        body.resize(body.len() + bytes, b'x');
    }
    event(EventType::WriteRowsV2, body)
}

/// One transaction of `events` rows events; what came out, the peak of memory in bytes and that of the spill folder.
fn run(events: u32, rows_each: u32, bytes: usize, spill_bytes: u64) -> (Counted, u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), spill_bytes).expect("a spill folder");
    let mut chain = chain(spill.clone(), "");
    let mut log = Log { events, rows_each, bytes, next: 0 };
    let mut counted = Counted { log: Some(log), ..Counted::default() };
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut spilled = 0;
    while let Some(event) = log.event() {
        assert_eq!(chain.event(event, &mut counted).expect("taken"), Flow::On);
        chain.assembler.end_of_block();
        spilled = spilled.max(spill.bytes());
    }
    chain.flush(&mut counted).expect("taken");
    let peak = PEAK.load(Relaxed) - before;
    println!("{events} events of {rows_each} rows of {bytes} bytes: {peak} bytes at once, {spilled} spilled");
    assert_eq!(spill.bytes(), 0, "the spill folder is given back");
    (counted, peak, spilled)
}

/// A compressed transaction of so many times a large row that is not output and a small one that is.
fn payload(times: u32) -> RawEvent {
    let mut packer = zstd::Encoder::new(Vec::new(), 1).expect("memory");
    let mut pack = |RawEvent { header, body }: RawEvent| {
        let mut head = header.timestamp.to_le_bytes().to_vec();
        head.push(header.type_code);
        head.extend_from_slice(&header.server_id.to_le_bytes());
        head.extend_from_slice(&header.size.to_le_bytes());
        head.extend_from_slice(&[0; 6]);
        packer.write_all(&head).and_then(|()| packer.write_all(&body)).expect("memory");
    };
    pack(begin());
    for i in 0..times {
        pack(table_map_of(8, b'x'));
        pack(rows_of(8, i, 1, 16_000));
        pack(table_map_of(9, b't'));
        pack(rows_of(9, i, 1, 8));
    }
    pack(event(EventType::Xid, 77u64.to_le_bytes().to_vec()));
    let packed = packer.finish().expect("memory");
    // Size, as a number of four bytes less one; compressed with zstd; the end.
    let mut body = vec![1, 4, 0xfd];
    body.extend_from_slice(&(packed.len() as u32).to_le_bytes()[..3]);
    body.extend_from_slice(&[2, 1, 0, 0]);
    body.extend_from_slice(&packed);
    event(EventType::TransactionPayload, body)
}

/// What is kept of a compressed transaction that comes within one read block does not keep alive what is not.
fn a_compressed_transaction(times: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), 0).expect("a spill folder");
    let mut chain = chain(spill, "exclude: d.x");
    let packed = payload(times);
    assert!(packed.body.len() < 16 << 20, "it is received whole");
    let mut counted = Counted::default();
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    assert_eq!(chain.event(packed, &mut counted).expect("taken"), Flow::On);
    chain.flush(&mut counted).expect("taken");
    let peak = PEAK.load(Relaxed) - before;
    let unpacked = u64::from(times) * 16_000;
    println!("{unpacked} bytes compressed into one event: {peak} bytes at once");
    assert_eq!((counted.messages, counted.ends, counted.commits), (u64::from(times), 1, 1));
    let bound = MEMORY_BYTES + 4 * BATCH_BYTES as u64;
    assert!(peak < bound, "{peak} bytes at once for a compressed transaction of {unpacked}, more than {bound}");
}

/// One test, because the allocator counts what all threads allocate.
#[test]
fn memory_stays_flat_however_large_a_transaction_is() {
    for events in [200, 3000] {
        let (counted, peak, spilled) = run(events, 4, 8000, 1 << 30);
        let total = u64::from(events) * 4 * 8000;
        assert_eq!((counted.messages, counted.ends, counted.commits), (u64::from(events) * 4, 1, 1));
        assert!(counted.bytes > total && spilled > total - MEMORY_BYTES, "{spilled} bytes were spilled");
        assert!(counted.largest < 2 * BATCH_BYTES && counted.batches > total / BATCH_BYTES as u64 / 2);
        let bound = 2 * MEMORY_BYTES + 4 * BATCH_BYTES as u64;
        assert!(peak < bound, "{peak} bytes at once for a transaction of {total}, more than {bound}");
    }
    // Beyond what the spill folder holds: read twice.
    let (counted, peak, spilled) = run(3000, 4, 8000, 1 << 20);
    assert_eq!((counted.messages, counted.ends, counted.commits), (12_000, 1, 1));
    assert!(spilled <= 1 << 20 && counted.largest < 2 * BATCH_BYTES);
    let bound = 2 * MEMORY_BYTES + 4 * BATCH_BYTES as u64;
    assert!(peak < bound, "{peak} bytes at once for a transaction that is read twice, more than {bound}");
    a_compressed_transaction(2000);
    // A row that is larger than all shares goes alone: the event, its message, and the arena as it grew.
    let row = 8 << 20;
    let (counted, peak, _) = run(3, 1, row, 1 << 30);
    assert_eq!((counted.messages, counted.ends), (3, 1));
    let bound = 2 * MEMORY_BYTES + 4 * row as u64;
    assert!(peak < bound, "{peak} bytes at once for rows of {row}, more than {bound}");
}
