//! Counting without a definition, and the texts that go beside held rows. How rows are held and let go is tested with the
//! whole chain in `tests/quarantine.rs`.

use super::record::{self, Mark};
use super::*;
use crate::binlog::EventHeader;
use crate::binlog::table_map::WireType;

fn rows(type_code: u8, body: &[u8]) -> RawEvent {
    let header = EventHeader { timestamp: 1, type_code, server_id: 1, size: 19 + body.len() as u32, next_position: 0, flags: 0 };
    RawEvent { header, body: Bytes::copy_from_slice(body) }
}

/// Two columns, INT and VARCHAR(20).
fn map() -> TableMap {
    TableMap { types: vec![WireType::Long, WireType::Varchar { bytes: 20 }], ..TableMap::default() }
}

#[test]
fn rows_are_counted_by_their_table_map_alone() {
    let head = [9, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2];
    let insert = [&head[..], &[0xff], &[0, 7, 0, 0, 0, 2, b'a', b'b'], &[2, 8, 0, 0, 0], &[3]].concat();
    assert_eq!(count_rows(&map(), &rows(30, &insert)), 3, "a whole row, one with a NULL, one of NULLs");
    let update = [&head[..], &[1, 2], &[0, 7, 0, 0, 0], &[0, 1, b'x'], &[0, 8, 0, 0, 0], &[1]].concat();
    assert_eq!(count_rows(&map(), &rows(31, &update)), 2, "minimal images");
    let nothing = [&head[..], &[0]].concat();
    assert_eq!(count_rows(&map(), &rows(30, &nothing)), 1, "an insert of defaults only");
    assert_eq!(count_rows(&map(), &rows(30, &insert[..insert.len() - 3])), 1, "what cannot be read is refused later");
}

#[test]
fn the_facts_of_a_transaction_come_back() {
    let meta = TxnMeta {
        rows_at: None,
        file: "b.000007".into(),
        gtid: Some(Gtid::parse("3e11fa47-71ca-11e1-9e33-c80aa9429562:23").expect("a GTID")),
        server_id: Some(7),
        thread_id: None,
        xid: Some(u64::MAX),
        schema_id: Some(-3),
        commit_us: 1_700_000_000_123_456,
        requests: Vec::new(),
        begun_s: 0,
        last_row_s: 0,
    };
    let Mark::Transaction(read) = record::read(&record::transaction(&meta)).expect("readable") else { panic!("another mark") };
    assert_eq!(format!("{read:?}"), format!("{meta:?}"));
    let Mark::Transaction(read) = record::read(&record::transaction(&TxnMeta::default())).expect("readable") else {
        panic!("another mark")
    };
    assert_eq!(format!("{read:?}"), format!("{:?}", TxnMeta::default()));
    assert!(matches!(record::read(&record::number(77)), Ok(Mark::Number(77))));
    assert!(matches!(record::read(&record::query(b"a\xff")), Ok(Mark::Query(text)) if *text == *b"a\xff"));
    assert!(matches!(record::read(&record::commit_mark()), Ok(Mark::Commit)));
    assert!(record::read(&Bytes::from_static(b"Z")).is_err());
}
