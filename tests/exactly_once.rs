//! Delivery exactly once over recorded binlogs: messages and record are committed together, and the process dies between two
//! commits. No server and no broker is needed.
//!
//! The rule: what is committed over all lives is what an uninterrupted run sends, to the byte and once each.

#[path = "support/replay.rs"]
mod replay;

use std::collections::HashMap;
use std::sync::Arc;

use binlogd::assemble::spill::SpillDir;
use binlogd::assemble::{Bound, Captured, TableRequest};
use binlogd::daemon::chain::{Flow, Hooks};
use binlogd::encode::batch::Batch;
use binlogd::error::{Error, Result};
use binlogd::filter::{Filter, LiveFilter};
use binlogd::position::Position;
use binlogd::producer::kafka::book::Book;
use binlogd::schema::delta::SchemaChange;
use binlogd::schema::{Schema, SchemaId};
use binlogd::store::{MemoryStore, Store};
use replay::*;

const KILLED: &str = "killed by the test";

/// Server, case, and whether it is followed by GTIDs.
const CASES: &[(&str, &str, bool)] = &[
    ("mysql-9.7", "transactions", true),
    ("mysql-9.7", "create_select", false),
    ("mysql-9.7", "ddl_tables", true),
    ("mysql-9.7", "compression", true),
    ("mysql-9.7-minimal", "tx_mixed_engines", false),
    ("mysql-9.7-minimal", "multi_table", false),
    ("mysql-5.6", "triggers", false),
    ("mariadb-10.11", "transactions", true),
    ("mariadb-10.11", "create_select", true),
    ("mariadb-10.11", "maria_compress_events", false),
    ("mariadb-10.11", "tx_mixed_engines", true),
];

/// The topic and the last record.
struct Committed {
    values: Vec<Vec<u8>>,
    position: Position,
    rows_done: u64,
}

/// One life's producer: every so many batches are a transaction.
struct Once<'a> {
    store: MemoryStore,
    committed: &'a mut Committed,
    book: Book,
    open: Vec<Vec<u8>>,
    batches: usize,
    per_transaction: usize,
    /// Commits that are still to come before the process dies.
    left: usize,
}

impl Hooks for Once<'_> {
    fn save_schema(&mut self, base: Option<SchemaId>, changes: &[SchemaChange], schema: &Schema, at: &Position) -> Result<SchemaId> {
        match base {
            Some(base) => now(self.store.save_changes(base, changes, schema, at)),
            None => now(self.store.save_snapshot(schema, at)),
        }
    }

    fn fetch_tables(&mut self, request: &TableRequest, _: &Schema) -> Result<(Vec<Captured>, Bound)> {
        Err(Error::definite(format!("there is no server to ask: {}", request.why)))
    }

    fn emit(&mut self, batch: Batch) -> Result<()> {
        self.open.extend(batch.messages.iter().map(|m| m.value.of(&batch.arena).to_vec()));
        self.book.take(batch.end, batch.gtids, batch.raw)?;
        self.batches += 1;
        if self.batches.is_multiple_of(self.per_transaction) {
            if self.left == 0 {
                return Err(Error::bug(KILLED));
            }
            self.left -= 1;
            self.commit();
        }
        Ok(())
    }
}

impl Once<'_> {
    fn commit(&mut self) {
        self.committed.values.append(&mut self.open);
        self.committed.position = self.book.position.clone();
        self.committed.rows_done = self.book.rows_done;
    }
}

/// A life of so many commits; whether it came to the end of the binlog.
fn live(world: &World<'_>, committed: &mut Committed, commits: usize, per_transaction: usize, filter: Option<&str>) -> bool {
    let from = committed.position.clone();
    let store = world.store();
    let mut chain = world.chain(&store, &from);
    chain.assembler.count_left_out();
    if let Some(filter) = filter {
        chain.follow(Arc::new(LiveFilter::new(Filter::parse(filter).expect("a filter").0)));
    }
    chain.skip_rows(committed.rows_done);
    let book = Book::new(from, committed.rows_done);
    let mut once = Once { store, committed, book, open: Vec::new(), batches: 0, per_transaction, left: commits };
    let mut events = 0;
    let mut run = || -> Result<()> {
        for event in world.recording.dump(&chain.resume_position(), world.manner.gtid_mode) {
            assert_eq!(chain.event(event, &mut once)?, Flow::On, "{}: a record lies inside a transaction", world.recording.name);
            events += 1;
            if events % world.manner.idle_every == 0 {
                chain.assembler.end_of_block();
                chain.flush(&mut once)?;
            }
        }
        chain.flush(&mut once)
    };
    match run() {
        Ok(()) => {
            once.commit();
            true
        }
        Err(e) if e.message() == KILLED => false,
        Err(e) => panic!("{}: {e}", world.recording.name),
    }
}

fn fresh(world: &World<'_>) -> Committed {
    Committed { values: Vec::new(), position: world.stored(), rows_done: 0 }
}

fn each(mut test: impl FnMut(&Recording, Manner, usize, SpillDir)) {
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), 1 << 30).expect("a spill folder");
    // Every row alone, several in a batch, several batches in a transaction.
    let manners = [(1, 1, 1), (600, 7, 1), (1, 3, 4)];
    for (number, (server, case, gtid_mode)) in CASES.iter().enumerate() {
        let recording = Recording::open(server, case);
        for (i, (batch_bytes, idle_every, per_transaction)) in manners.into_iter().enumerate() {
            let gtid_mode = *gtid_mode && (number + i).is_multiple_of(2);
            let manner = Manner { gtid_mode, batch_bytes, acks: Acks::AtOnce, idle_every, save_every: 1 };
            test(&recording, manner, per_transaction, spill.clone());
        }
    }
}

#[test]
fn killed_after_every_commit() {
    let (mut kills, mut inside) = (0, 0);
    each(|recording, manner, per_transaction, spill| {
        let world = World::new(recording, manner, spill.clone());
        let mut whole = fresh(&world);
        assert!(live(&world, &mut whole, usize::MAX, per_transaction, None));
        assert!(whole.values.len() > 2);
        for commits in 0.. {
            let world = World::new(recording, manner, spill.clone());
            let mut committed = fresh(&world);
            let ended = live(&world, &mut committed, commits, per_transaction, None);
            inside += usize::from(committed.rows_done > 0);
            if ended {
                break;
            }
            assert!(live(&world, &mut committed, usize::MAX, per_transaction, None));
            assert!(
                committed.values == whole.values,
                "{} {manner:?} killed after {commits} commits: {} messages instead of {}",
                recording.name,
                committed.values.len(),
                whole.values.len()
            );
            assert_eq!(committed.position.at, whole.position.at);
            kills += 1;
        }
        // Each life gets one commit further.
        let world = World::new(recording, manner, spill.clone());
        let mut committed = fresh(&world);
        let mut lives = 0;
        while !live(&world, &mut committed, 1, per_transaction, None) {
            lives += 1;
            assert!(lives < 10_000, "{}: it does not get on", recording.name);
        }
        assert!(committed.values == whole.values, "{} {manner:?}: {lives} lives of one commit each", recording.name);
        assert_eq!((&committed.position.at, &committed.position.gtids), (&whole.position.at, &whole.position.gtids));
    });
    println!("{kills} kills, {inside} of them inside a transaction");
    assert!(inside > 50);
}

/// The same message whatever the filter: the numbers of rows within a transaction depend on it.
fn without_numbers(value: &[u8]) -> String {
    let mut json: serde_json::Value = serde_json::from_slice(value).expect("JSON");
    let fields = json.as_object_mut().expect("an object");
    for name in ["xoffset", "commit"] {
        fields.remove(name);
    }
    json.to_string()
}

fn is_row(text: &str) -> bool {
    let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
    matches!(json["type"].as_str(), Some("insert" | "update" | "delete"))
}

/// A table goes in and out of the filter between the lives: messages of the others come once each and in order, and its own
/// at most once.
#[test]
fn a_filter_that_changes_moves_nothing() {
    const STEP: usize = 11;
    let (mut changes, mut number) = (0, 0);
    each(|recording, manner, per_transaction, spill| {
        let world = World::new(recording, manner, spill.clone());
        let mut whole = fresh(&world);
        assert!(live(&world, &mut whole, usize::MAX, per_transaction, None));
        let whole: Vec<String> = whole.values.iter().map(|v| without_numbers(v)).collect();
        let table_of = |text: &str| -> String {
            let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
            json["table"].as_str().unwrap_or_default().to_owned()
        };
        let mut tables: Vec<String> = whole.iter().map(|text| table_of(text)).filter(|t| !t.is_empty()).collect();
        tables.sort();
        tables.dedup();
        tables.retain(|t| !t.contains(['`', '\\']));
        for table in tables {
            let filter = format!("exclude: *.`{table}`");
            // Each table at other places; together they cover most.
            let first = number % STEP + 1;
            number += 1;
            for commits in (first..).step_by(STEP) {
                let world = World::new(recording, manner, spill.clone());
                let mut committed = fresh(&world);
                let (first, second) = if commits % 2 == 0 { (Some(&*filter), None) } else { (None, Some(&*filter)) };
                if live(&world, &mut committed, commits, per_transaction, first) {
                    break;
                }
                live(&world, &mut committed, 1, per_transaction, second);
                assert!(live(&world, &mut committed, usize::MAX, per_transaction, first));
                let came: Vec<String> = committed.values.iter().map(|v| without_numbers(v)).collect();
                let mut counts: HashMap<&str, i64> = HashMap::new();
                whole.iter().for_each(|text| *counts.entry(text).or_default() += 1);
                came.iter().for_each(|text| *counts.entry(text).or_default() -= 1);
                let extra: Vec<_> = counts.iter().filter(|(_, n)| **n < 0).collect();
                let what = format!("{} {manner:?} {filter}, {commits} commits", recording.name);
                assert!(extra.is_empty(), "{what}: came too often: {extra:?}");
                // A statement that renames a table concerns two.
                let others =
                    |all: &[String]| all.iter().filter(|text| table_of(text) != table && is_row(text)).cloned().collect::<Vec<_>>();
                assert!(
                    others(&came) == others(&whole),
                    "{what}: {} messages of other tables instead of {}",
                    others(&came).len(),
                    others(&whole).len()
                );
                changes += 1;
            }
        }
    });
    println!("{changes} changes of the filter");
    assert!(changes > 50);
}
