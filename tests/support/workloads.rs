//! Tables and rows whose encoding is measured: narrow, wide, text and JSON.

use std::sync::Arc;

use binlogd::assemble::TxnEvent;
use binlogd::binlog::table_map::WireType;
use binlogd::schema::{BinaryKind, ColumnType};

use crate::rows::{Value, column, double, insert, int, int_column, long, null, raw, slot, text, text_column, text_column_in, update};

/// A name and a transaction of so many rows.
pub type Workload = (&'static str, fn(usize) -> Vec<TxnEvent>);

pub const ALL: [Workload; 5] = [("narrow", narrow), ("wide", wide), ("text", texts), ("json", json), ("update", updates)];

/// Rows of one event, as a server's 8 KB events have them.
const EVENT_ROWS: usize = 100;

fn in_events(rows: usize, mut row: impl FnMut(usize) -> Vec<Value>, mut event: impl FnMut(&[Vec<Value>]) -> TxnEvent) -> Vec<TxnEvent> {
    let all: Vec<_> = (0..rows).map(&mut row).collect();
    all.chunks(EVENT_ROWS).map(&mut event).collect()
}

/// Three integers and a short text.
fn narrow(rows: usize) -> Vec<TxnEvent> {
    let t = Arc::new(slot(1, "narrow", vec![int_column("id"), int_column("a"), int_column("b"), text_column("s")], &["id"]));
    in_events(rows, |i| vec![int(i as i32), int(17), int(-5), text("short text")], |images| insert(&t, images))
}

/// Fifty columns of all ordinary types.
fn wide(rows: usize) -> Vec<TxnEvent> {
    let mut columns = vec![int_column("id")];
    for i in 0..7 {
        let name = |what: &str| format!("{what}_{i}");
        columns.push(int_column(&name("int")));
        columns.push(column(&name("double"), ColumnType::Double, WireType::Double));
        columns.push(column(&name("decimal"), ColumnType::Decimal, WireType::Decimal { precision: 12, scale: 2 }));
        columns.push(column(&name("date"), ColumnType::Datetime { fraction: 6 }, WireType::Datetime { fraction: 6 }));
        columns.push(text_column_in(&name("latin1"), "latin1"));
        columns.push(column(&name("blob"), ColumnType::Binary { kind: BinaryKind::Blob }, WireType::Blob { pack: 4 }));
        columns.push(text_column(&name("null")));
    }
    let t = Arc::new(slot(2, "wide", columns, &["id"]));
    let row = |i: usize| {
        let mut row = vec![int(i as i32)];
        for _ in 0..7 {
            row.extend([
                int(123_456),
                double(1234.5678),
                raw(&[0x80, 0, 0x04, 0xd2, 56, 0]),
                raw(&[0x99, 0xb2, 0xc8, 0x30, 0x83, 0x01, 0xe2, 0x40]),
                text("caf\u{65}"),
                long(&[0, 1, 2, 0xff]),
                null(),
            ]);
        }
        row
    };
    in_events(rows, row, |images| insert(&t, images))
}

/// Long texts with some characters to escape.
fn texts(rows: usize) -> Vec<TxnEvent> {
    let body =
        "Lorem ipsum dolor sit amet, \"consectetur\" adipiscing elit.\nZwölf Boxkämpfer jagen Viktor quer über den Sylter Deich 😀. "
            .repeat(8);
    let ty = text_column("body").0.ty;
    let t =
        Arc::new(slot(3, "texts", vec![int_column("id"), text_column("title"), column("body", ty, WireType::Blob { pack: 4 })], &["id"]));
    in_events(rows, |i| vec![int(i as i32), text("A title of ordinary length"), long(body.as_bytes())], |images| insert(&t, images))
}

/// A document of three members, one an array.
fn json(rows: usize) -> Vec<TxnEvent> {
    // {"a":1,"bb":"text","ccc":[true,1.5]}
    let mut document = vec![0x00, 3, 0, 58, 0];
    document.extend([25, 0, 1, 0, 26, 0, 2, 0, 28, 0, 3, 0]);
    document.extend([0x05, 1, 0, 0x0c, 31, 0, 0x02, 36, 0]);
    document.resize(1 + 25, 0);
    document.extend(b"abbccc");
    document.extend(b"\x04text");
    document.extend([2, 0, 18, 0, 0x04, 1, 0, 0x0b, 10, 0]);
    document.extend(1.5f64.to_le_bytes());
    document.resize(1 + 58, 0);
    let t = Arc::new(slot(4, "json", vec![int_column("id"), column("d", ColumnType::Json, WireType::Json { pack: 4 })], &["id"]));
    in_events(rows, |i| vec![int(i as i32), long(&document)], |images| insert(&t, images))
}

/// Updates of one column of four.
fn updates(rows: usize) -> Vec<TxnEvent> {
    let t = Arc::new(slot(5, "updates", vec![int_column("id"), int_column("a"), int_column("b"), text_column("s")], &["id"]));
    let row = |i: usize| vec![int(i as i32 / 2), int(17 + i as i32 % 2), int(-5), text("short text")];
    in_events(rows * 2, row, |images| update(&t, images))
}
