//! Rows per second from image bytes to message bytes, with keys and partitions as for Kafka, one thread.

#[path = "../tests/support/rows.rs"]
mod rows;
#[path = "../tests/support/workloads.rs"]
mod workloads;

use std::hint::black_box;

use binlogd::assemble::TxnEvent;
use binlogd::encode::{Encoder, KeyFormat, OutputOptions, Partitioning};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Rows of one transaction.
const ROWS: usize = 2000;

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, make) in workloads::ALL {
        let options = OutputOptions { keys: KeyFormat::Hash, partitioning: Some(Partitioning::default()), ..OutputOptions::default() };
        let mut encoder = Encoder::new(options, Default::default());
        let events = make(ROWS);
        let meta = rows::meta();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || events.iter().map(again).collect::<Vec<_>>().into_iter(),
                |mut events| {
                    let mut sink = |batch| {
                        black_box(&batch);
                        Ok(())
                    };
                    encoder.transaction_from(&meta, rows::point(1), &mut || Ok(events.next()), &mut sink).expect("encodes")
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// The same event once more; only reference counts move.
fn again(event: &TxnEvent) -> TxnEvent {
    match event {
        TxnEvent::Rows { slot, event, start } => TxnEvent::Rows { slot: slot.clone(), event: event.clone(), start: *start },
        TxnEvent::RowQuery(sql) => TxnEvent::RowQuery(sql.clone()),
        TxnEvent::LeftOut(rows) => TxnEvent::LeftOut(*rows),
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
