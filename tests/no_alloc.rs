//! Encoding a row allocates nothing: a transaction of any number of rows costs as many allocations as one of few.

#[path = "support/rows.rs"]
mod rows;
#[path = "support/workloads.rs"]
mod workloads;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use binlogd::assemble::TxnEvent;
use binlogd::encode::{KeyFormat, OutputOptions, PartitionBy, Partitioning};

/// Counts the allocations of the thread that asks.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator, whose contract it is. Counting touches only a
// thread-local that needs neither allocation nor a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn options() -> OutputOptions {
    OutputOptions {
        binlog_position: true,
        primary_keys: true,
        push_timestamp: true,
        clock_us: || 1_700_000_000_123_456,
        keys: KeyFormat::Hash,
        partitioning: Some(Partitioning { by: PartitionBy::PrimaryKey, ..Partitioning::default() }),
        // Never full, so that no batch is handed over while we count.
        batch_bytes: usize::MAX,
        ..OutputOptions::default()
    }
}

/// Allocations of a transaction after one of the same size has made the buffers large enough.
fn allocations(make: impl Fn() -> Vec<TxnEvent>) -> u64 {
    let mut run = rows::Run::new(options());
    run.transaction(make()).expect("encodes");
    let messages = run.finish()[0].messages.len();
    let events = make();
    let before = COUNT.get();
    let stats = run.transaction(events).expect("encodes");
    let after = COUNT.get();
    assert_eq!(stats.rows as usize, messages);
    after - before
}

#[test]
fn rows_cost_no_allocations() {
    for (name, make) in workloads::ALL {
        let (few, many) = (allocations(|| make(100)), allocations(|| make(600)));
        assert!(few <= 4, "{name}: {few} allocations for a transaction of one event");
        assert!(many <= few, "{name}: {few} allocations for 100 rows, {many} for 600");
    }
}

#[test]
fn the_counter_counts() {
    let before = COUNT.get();
    drop(std::hint::black_box(vec![1u8; 10]));
    assert_eq!(COUNT.get() - before, 1);
}
