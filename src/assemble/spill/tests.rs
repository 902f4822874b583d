//! Every way of crossing the border between memory and file, and the faults of a disk.

use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Mutex;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::assemble::TableRole;
use crate::binlog::{EventHeader, RawEvent, TableMap};
use crate::filter::Verdict;
use crate::schema::Table;

fn slot(id: u64) -> Arc<TableSlot> {
    let map = TableMap {
        flavor: Default::default(),
        table_id: id,
        flags: 0,
        database: "d".into(),
        table: "t".into(),
        types: vec![],
        nullable: vec![],
        unsigned: None,
        names: None,
        collations: None,
        labels: None,
        primary_key: None,
        visible: None,
        geometry_types: None,
        vector_dimensions: None,
        hidden: 0,
    };
    let table = Arc::new(Table { database: "d".into(), name: "t".into(), charset: None, columns: vec![], primary_key: vec![] });
    Arc::new(TableSlot { id, map, table, as_maxwell: None, verdict: Verdict::Keep, role: TableRole::User })
}

fn rows(slot: &Arc<TableSlot>, n: u32, body: Vec<u8>) -> TxnEvent {
    let header = EventHeader {
        timestamp: n,
        type_code: (n % 250) as u8,
        server_id: n ^ 7,
        size: body.len() as u32 + 19,
        next_position: !n,
        flags: n as u16,
    };
    TxnEvent::Rows { slot: Arc::clone(slot), event: RawEvent { header, body: body.into() }, start: u64::from(n) << 20 }
}

/// What must come back: slot, header fields, start, bytes.
fn facts(event: &TxnEvent) -> (Option<u64>, String, Vec<u8>) {
    match event {
        TxnEvent::Rows { slot, event, start } => (Some(slot.id), format!("{:?} {start}", event.header), event.body.to_vec()),
        TxnEvent::RowQuery(text) => (None, String::new(), text.to_vec()),
        TxnEvent::LeftOut(rows) => (None, rows.to_string(), Vec::new()),
    }
}

fn drain(buffer: &mut SpillBuffer) -> Vec<(Option<u64>, String, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(event) = buffer.next().unwrap() {
        all.push(facts(&event));
    }
    all
}

#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    /// Writes fail with "no space left" once this many bytes are in the file.
    full_at: Option<usize>,
    /// This byte is changed when it is read back.
    flipped: Option<usize>,
    /// The file ends here when it is read back.
    cut_at: Option<usize>,
}

#[derive(Debug)]
struct FakeFiles(Mutex<Faults>);

impl SpillFiles for FakeFiles {
    fn create(&self) -> io::Result<Box<dyn SpillFile>> {
        Ok(Box::new(FakeFile { bytes: io::Cursor::new(Vec::new()), faults: *self.0.lock().unwrap() }))
    }
}

#[derive(Debug)]
struct FakeFile {
    bytes: io::Cursor<Vec<u8>>,
    faults: Faults,
}

impl Read for FakeFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // Short reads are allowed, so they happen.
        let len = buf.len().min(1000);
        self.bytes.read(&mut buf[..len])
    }
}

impl Write for FakeFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.faults.full_at.is_some_and(|max| self.bytes.get_ref().len() + buf.len() > max) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.bytes.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for FakeFile {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        let bytes = self.bytes.get_mut();
        if let Some(cut) = self.faults.cut_at {
            bytes.truncate(cut);
        }
        if let Some(byte) = self.faults.flipped.and_then(|i| bytes.get_mut(i)) {
            *byte ^= 0x10;
        }
        self.bytes.seek(pos)
    }
}

fn fake_dir(faults: Faults, bytes_max: u64) -> SpillDir {
    SpillDir::with_files(Box::new(FakeFiles(Mutex::new(faults))), Path::new("fake"), bytes_max)
}

#[test]
fn memory_first_then_file_and_bytes_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SpillDir::open(folder.path(), 1 << 20).unwrap();
    let table = slot(1);
    let mut buffer = SpillBuffer::new(dir.clone(), 100 + EVENT_OVERHEAD_BYTES);
    assert_eq!(buffer.push(rows(&table, 1, vec![1; 100])).unwrap(), Pushed::Memory);
    assert_eq!(buffer.push(rows(&table, 2, vec![2; 300])).unwrap(), Pushed::File);
    assert_eq!(buffer.push(TxnEvent::RowQuery(Bytes::new())).unwrap(), Pushed::File, "order holds even if it would fit");
    assert_eq!(buffer.len(), 3);
    assert_eq!(buffer.bytes(), buffer.memory_bytes() + buffer.spilled_bytes());
    assert_eq!(dir.bytes(), buffer.spilled_bytes());
    let thread = std::thread::spawn(move || drain(&mut buffer).len());
    assert_eq!(thread.join().unwrap(), 3, "and it moved to another thread");
    assert_eq!(dir.bytes(), 0);
}

#[test]
fn what_is_taken_back_is_not_given_wherever_it_lies() {
    let table = slot(1);
    for memory in [0, 3 * (10 + EVENT_OVERHEAD_BYTES), u64::MAX] {
        let mut buffer = SpillBuffer::new(fake_dir(Faults::default(), u64::MAX), memory);
        let push = |buffer: &mut SpillBuffer, numbers: std::ops::Range<u32>| {
            for n in numbers {
                assert_ne!(buffer.push(rows(&table, n, vec![n as u8; 10])).unwrap(), Pushed::Full);
            }
            buffer.mark()
        };
        let first = push(&mut buffer, 0..2);
        let second = push(&mut buffer, 2..4);
        push(&mut buffer, 4..6);
        buffer.undo_since(second);
        push(&mut buffer, 6..7);
        buffer.undo_since(first);
        buffer.undo_since(first);
        let third = push(&mut buffer, 7..9);
        push(&mut buffer, 9..10);
        buffer.undo_since(third);
        push(&mut buffer, 10..11);
        assert_eq!(buffer.len(), 5, "{memory}");
        let given: Vec<u8> = drain(&mut buffer).iter().map(|(_, _, body)| body[0]).collect();
        assert_eq!(given, [0, 1, 7, 8, 10], "{memory}");
        assert!(buffer.is_empty());
    }
}

#[test]
fn a_full_folder_is_told_and_nothing_is_half_taken() {
    let dir = fake_dir(Faults::default(), 400);
    let table = slot(1);
    let mut buffer = SpillBuffer::new(dir.clone(), 0);
    assert_eq!(buffer.push(rows(&table, 1, vec![1; 300])).unwrap(), Pushed::File);
    let before = dir.bytes();
    assert_eq!(buffer.push(rows(&table, 2, vec![2; 300])).unwrap(), Pushed::Full);
    assert_eq!((dir.bytes(), buffer.len()), (before, 1));
    assert_eq!(drain(&mut buffer).len(), 1);
    buffer.clear();
    assert_eq!((dir.bytes(), buffer.bytes(), buffer.is_empty()), (0, 0, true));
    assert_eq!(SpillBuffer::in_memory().push(rows(&table, 1, vec![0; 9])).unwrap(), Pushed::Memory);
    let mut bounded = SpillBuffer::in_memory();
    bounded.set_memory_bytes_max(10);
    assert_eq!(bounded.push(rows(&table, 1, vec![0; 9])).unwrap(), Pushed::Full);
}

#[test]
fn a_full_disk_is_a_transient_error_with_a_hint() {
    let dir = fake_dir(Faults { full_at: Some(100_000), ..Faults::default() }, u64::MAX);
    let table = slot(1);
    let mut buffer = SpillBuffer::new(dir.clone(), 0);
    let error = (0..100).find_map(|n| buffer.push(rows(&table, n, vec![0; 10_000])).err()).unwrap();
    assert!(error.is_transient());
    assert!(error.to_string().contains("is full"), "{error}");
    assert!(error.hint_text().is_some());
    drop(buffer);
    assert_eq!(dir.bytes(), 0);
}

#[test]
fn events_after_reading_began_are_a_bug() {
    let table = slot(1);
    let mut buffer = SpillBuffer::new(fake_dir(Faults::default(), u64::MAX), 0);
    for n in 0..2 {
        assert_eq!(buffer.push(rows(&table, n, vec![])).unwrap(), Pushed::File);
    }
    assert!(buffer.next().unwrap().is_some());
    assert_eq!(buffer.push(rows(&table, 3, vec![])).unwrap_err().class(), crate::error::Class::Bug);
}

/// Reads until the end or an error; never panics, never gives an event that was not pushed.
fn read_damaged(faults: Faults, sizes: &[usize]) -> Result<Vec<Vec<u8>>> {
    let table = slot(1);
    let mut buffer = SpillBuffer::new(fake_dir(faults, u64::MAX), 0);
    for (n, size) in sizes.iter().enumerate() {
        assert_eq!(buffer.push(rows(&table, n as u32, vec![n as u8; *size])).unwrap(), Pushed::File);
    }
    let mut bodies = Vec::new();
    while let Some(event) = buffer.next()? {
        bodies.push(facts(&event).2);
    }
    Ok(bodies)
}

fn any_events() -> impl Strategy<Value = Vec<(bool, u64, usize)>> {
    let size =
        prop_oneof![6 => 0..300usize, 2 => 1000..20_000usize, 1 => (CHUNK_BYTES - 60)..(CHUNK_BYTES + 60), 1 => 100_000..200_000usize];
    prop::collection::vec((prop::bool::weighted(0.2), 0..4u64, size), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn everything_comes_back_in_order(events in any_events(), memory in prop_oneof![Just(0), 0..2_000u64, 0..200_000u64], real in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let dir = if real { SpillDir::open(folder.path(), u64::MAX).unwrap() } else { fake_dir(Faults::default(), u64::MAX) };
        let slots: Vec<_> = (0..4).map(slot).collect();
        let mut buffer = SpillBuffer::new(dir.clone(), memory);
        let mut pushed = Vec::new();
        for (n, (query, table, size)) in events.into_iter().enumerate() {
            let body: Vec<u8> = (0..size).map(|i| (i * 31 + n) as u8).collect();
            let event = match (query, table) {
                (true, 0) => TxnEvent::LeftOut(size as u64),
                (true, _) => TxnEvent::RowQuery(body.into()),
                (false, table) => rows(&slots[table as usize], n as u32, body),
            };
            pushed.push(facts(&event));
            let in_memory = buffer.memory_bytes() + memory_cost(&event) <= memory && buffer.spilled_bytes() == 0;
            let place = buffer.push(event).unwrap();
            prop_assert_eq!(place, if in_memory { Pushed::Memory } else { Pushed::File });
        }
        prop_assert_eq!(buffer.len(), pushed.len());
        prop_assert_eq!(drain(&mut buffer), pushed);
        prop_assert_eq!(buffer.len(), 0);
        prop_assert!(buffer.next().unwrap().is_none());
        drop(buffer);
        prop_assert_eq!(dir.bytes(), 0);
    }

    #[test]
    fn a_changed_byte_never_passes(sizes in prop::collection::vec(0..500usize, 1..8), at in any::<prop::sample::Index>()) {
        let total: usize = sizes.iter().map(|s| s + record::FRAME_BYTES + 32).sum();
        let error = read_damaged(Faults { flipped: Some(at.index(total)), ..Faults::default() }, &sizes).unwrap_err();
        prop_assert!(error.is_transient());
        prop_assert!(error.to_string().contains("damaged"));
    }

    #[test]
    fn a_cut_file_never_passes(sizes in prop::collection::vec(0..500usize, 1..8), at in any::<prop::sample::Index>()) {
        let total: usize = sizes.iter().map(|s| s + record::FRAME_BYTES + 32).sum();
        let result = read_damaged(Faults { cut_at: Some(at.index(total)), ..Faults::default() }, &sizes);
        prop_assert!(result.unwrap_err().to_string().contains("damaged"));
    }
}
