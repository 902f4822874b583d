//! What the definitions of 10,000 tables of 20 columns take in memory: as they are restored, and beside them in compact form.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use binlogd::schema::{CaseRule, Column, ColumnType, Database, IntWidth, Schema, Table, TextKind, compact};

/// Counts the bytes that are allocated, as the allocator hands them out: in steps of 16, with 8 of its own.
struct Counting;

static NOW: AtomicU64 = AtomicU64::new(0);

fn taken(layout: Layout) -> u64 {
    (layout.size() as u64 + 8).max(32).next_multiple_of(16)
}

// SAFETY: every call is passed on unchanged to the system's allocator, whose contract it is; counting touches only
// atomics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        NOW.fetch_add(taken(layout), Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(taken(layout), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TABLES: usize = 10_000;
const COLUMNS: usize = 20;
/// Design §1: "restart in a second with 10,000 tables", within the default `memory_limit`.
const MODEL_BYTES_MAX: u64 = 60 << 20;

/// As tables are: the same few names in most of them, and some of their own.
fn schema() -> Schema {
    let types = [
        ColumnType::Int { width: IntWidth::Big, unsigned: true },
        ColumnType::Text { kind: TextKind::Varchar, charset: Some("utf8mb4".into()) },
        ColumnType::Datetime { fraction: 6 },
        ColumnType::Decimal,
        ColumnType::Enum { labels: Arc::from(["new".to_owned(), "paid".to_owned(), "sent".to_owned()]), charset: None },
    ];
    let table = |n: usize| {
        let columns = (0..COLUMNS).map(|c| {
            let name = if c % 4 == 3 { format!("attribute_{n}_{c}") } else { format!("common_attribute_{c}") };
            Column { name, ty: types[c % types.len()].clone() }
        });
        Arc::new(Table {
            database: "application".into(),
            name: format!("some_table_name_{n}"),
            charset: Some("utf8mb4".into()),
            columns: columns.collect(),
            primary_key: vec!["common_attribute_0".into()],
        })
    };
    let database = Database { name: "application".into(), charset: "utf8mb4".into(), tables: (0..TABLES).map(table).collect() };
    Schema { databases: vec![database], charset: "utf8mb4".into(), case: CaseRule::Sensitive, as_maxwell: None }
}

#[test]
fn ten_thousand_tables_fit() {
    let built = schema();
    let bytes = compact::encode(&built);
    let before = NOW.load(Relaxed);
    let start = Instant::now();
    let restored = compact::decode(&bytes, CaseRule::Sensitive).unwrap();
    let model = NOW.load(Relaxed) - before;
    println!(
        "{TABLES} tables of {COLUMNS} columns: {:.1} MB in memory, {:.1} MB in compact form, read in {:?}",
        model as f64 / 1e6,
        bytes.len() as f64 / 1e6,
        start.elapsed()
    );
    assert!(restored == built);
    assert!(model <= MODEL_BYTES_MAX, "{model} bytes");
}
