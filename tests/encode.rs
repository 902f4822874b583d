//! Rows, made by hand, through the encoder to messages.

#[path = "support/rows.rs"]
mod rows;

use std::sync::Arc;

use binlogd::assemble::{TableRole, TxnEvent, TxnMeta};
use binlogd::binlog::table_map::WireType;
use binlogd::binlog::{EventType, RowsEvent};
use binlogd::encode::hash::java_string_hash;
use binlogd::encode::{
    ColumnPattern, DdlMessage, HashFunction, KeyFormat, Naming, OutputOptions, PartitionBy, Partitioning, decode_columns,
};
use binlogd::filter::Filter;
use binlogd::position::Gtid;
use binlogd::position::gtid::MariadbGtid;
use binlogd::schema::ColumnType;
use rows::*;

const HEAD: &str = r#"{"database":"db","table":"t","type":"#;

fn row(id: i32, a: i32, s: &str) -> Vec<Value> {
    vec![int(id), int(a), text(s)]
}

#[test]
fn default_envelope_and_commit_row() {
    let t = simple(1);
    let got =
        encode(OutputOptions::default(), vec![insert(&t, &[row(1, 2, "x"), row(2, 3, "y")]), delete(&t, &[vec![int(3), null(), null()]])]);
    assert_eq!(
        got,
        [
            format!(r#"{HEAD}"insert","ts":1700000000,"xid":77,"xoffset":0,"data":{{"id":1,"a":2,"s":"x"}}}}"#),
            format!(r#"{HEAD}"insert","ts":1700000000,"xid":77,"xoffset":1,"data":{{"id":2,"a":3,"s":"y"}}}}"#),
            format!(r#"{HEAD}"delete","ts":1700000000,"xid":77,"commit":true,"data":{{"id":3,"a":null,"s":null}}}}"#),
        ]
    );
}

#[test]
fn every_field_in_order() {
    let options = OutputOptions {
        binlog_position: true,
        gtid_position: true,
        server_id: true,
        thread_id: true,
        schema_id: true,
        row_query: true,
        row_query_length_max: 8,
        primary_keys: true,
        primary_key_columns: true,
        push_timestamp: true,
        clock_us: || 1_700_000_001_120_000,
        ..OutputOptions::default()
    };
    let mut run = Run::new(options.clone());
    let gtid = Gtid::MariaDb(MariadbGtid { domain: 7, server_id: 104, sequence: 5016 });
    let of_maria = TxnMeta { gtid: Some(gtid), ..meta() };
    let t = simple(1);
    run.transaction_of(&of_maria, vec![TxnEvent::RowQuery("insert \"into\"".into()), insert(&t, &[row(1, 2, "x")])]).expect("encodes");
    assert_eq!(
        run.values(),
        [concat!(
            r#"{"database":"db","table":"t","query":"insert \"","type":"insert","ts":1700000000,"xid":77,"commit":true,"#,
            r#""position":"master.000001:1234","gtid":"7-104-5016","server_id":5,"thread_id":6,"schema_id":9,"push_ts":1700000001.12,"#,
            r#""primary_key":[1],"primary_key_columns":["id"],"data":{"id":1,"a":2,"s":"x"}}"#
        )]
    );
    let mut run = Run::new(OutputOptions { naming: Naming::UnderscoreToCamelcase, ..options });
    run.transaction_of(&TxnMeta { xid: None, thread_id: None, ..meta() }, vec![insert(&t, &[row(1, 2, "x")])]).expect("encodes");
    assert_eq!(
        run.values(),
        [concat!(
            r#"{"database":"db","table":"t","type":"insert","ts":1700000000,"commit":true,"position":"master.000001:1234","gtid":null,"#,
            r#""serverId":5,"schemaId":9,"pushTs":1700000001.12,"primaryKey":[1],"primaryKeyColumns":["id"],"data":{"id":1,"a":2,"s":"x"}}"#
        )]
    );
}

#[test]
fn commit_info_and_xoffset_can_be_off() {
    let t = simple(1);
    let events = || vec![insert(&t, &[row(1, 2, "x"), row(2, 3, "y")])];
    let data = |id, a, s| format!(r#""data":{{"id":{id},"a":{a},"s":"{s}"}}}}"#);
    assert_eq!(
        encode(OutputOptions { commit_info: false, ..OutputOptions::default() }, events()),
        [
            format!(r#"{HEAD}"insert","ts":1700000000,{}"#, data(1, 2, "x")),
            format!(r#"{HEAD}"insert","ts":1700000000,{}"#, data(2, 3, "y"))
        ]
    );
    assert_eq!(
        encode(OutputOptions { xoffset: false, ..OutputOptions::default() }, events()),
        [
            format!(r#"{HEAD}"insert","ts":1700000000,"xid":77,{}"#, data(1, 2, "x")),
            format!(r#"{HEAD}"insert","ts":1700000000,"xid":77,"commit":true,{}"#, data(2, 3, "y"))
        ]
    );
}

/// From `"data"` on, without the last brace.
fn data_of(values: &[String]) -> Vec<&str> {
    values.iter().map(|v| v.split_once(",\"data\":").and_then(|(_, d)| d.strip_suffix('}')).expect("data")).collect()
}

#[test]
fn old_holds_what_differs() {
    let t = simple(1);
    let before = [row(1, 2, "x"), row(1, 2, "x"), vec![int(1), null(), text("x")], row(1, 2, "x")];
    let after = [row(1, 3, "x"), row(1, 2, "x"), vec![int(1), int(5), null()], vec![int(9), null(), text("y")]];
    let images: Vec<_> = before.into_iter().zip(after).flat_map(|(b, a)| [b, a]).collect();
    let values = encode(OutputOptions::default(), vec![update(&t, &images)]);
    assert_eq!(
        data_of(&values),
        [
            r#"{"id":1,"a":3,"s":"x"},"old":{"a":2}"#,
            r#"{"id":1,"a":2,"s":"x"}"#,
            r#"{"id":1,"a":5,"s":null},"old":{"a":null,"s":"x"}"#,
            r#"{"id":9,"a":null,"s":"y"},"old":{"id":1,"a":2,"s":"x"}"#,
        ]
    );
    let values = encode(OutputOptions { nulls: false, ..OutputOptions::default() }, vec![update(&t, &images)]);
    assert_eq!(
        data_of(&values),
        [
            r#"{"id":1,"a":3,"s":"x"},"old":{"a":2}"#,
            r#"{"id":1,"a":2,"s":"x"}"#,
            r#"{"id":1,"a":5},"old":{"s":"x"}"#,
            r#"{"id":9,"s":"y"},"old":{"id":1,"a":2,"s":"x"}"#,
        ]
    );
    let only_null = [vec![int(1), null(), text("x")], vec![int(1), int(5), text("x")]];
    let values = encode(OutputOptions { nulls: false, ..OutputOptions::default() }, vec![update(&t, &only_null)]);
    assert_eq!(data_of(&values), [r#"{"id":1,"a":5,"s":"x"},"old":{}"#]);
}

#[test]
fn old_compares_what_is_printed() {
    let columns = vec![
        int_column("id"),
        text_column("s"),
        column("j", ColumnType::Json, WireType::Json { pack: 4 }),
        column("d", ColumnType::Date, WireType::Date),
    ];
    let t = Arc::new(slot(1, "t", columns, &["id"]));
    // Two malformed texts that print the same, an int16 and an int32 of the same value, and two dates that are nulled.
    let images = [
        vec![int(1), raw(b"\x01\xff"), long(&[5, 7, 0]), raw(&[5, 0, 0])],
        vec![int(1), raw(b"\x01\xfe"), long(&[7, 7, 0, 0, 0]), raw(&[0, 0, 0])],
    ];
    let mut run = Run::new(OutputOptions { null_zerodates: true, ..OutputOptions::default() });
    let stats = run.transaction(vec![update(&t, &images)]).expect("encodes");
    assert_eq!(data_of(&run.values()), ["{\"id\":1,\"s\":\"\u{fffd}\",\"j\":7,\"d\":null}"]);
    assert!(stats.oddities.invalid_text > 0);
    // A document that is `null` is not NULL.
    let before_and_after = [vec![int(1), null(), long(&[4, 0]), null()], vec![int(1), null(), null(), null()]];
    let values = encode(OutputOptions::default(), vec![update(&t, &before_and_after)]);
    assert_eq!(data_of(&values), [r#"{"id":1,"s":null,"j":null,"d":null},"old":{"j":null}"#]);
}

#[test]
fn minimal_images_append_what_only_the_before_image_has() {
    let t = simple(1);
    let images = [vec![int(1), absent(), absent()], vec![absent(), int(7), absent()]];
    let options = OutputOptions { primary_keys: true, keys: KeyFormat::Hash, ..OutputOptions::default() };
    let mut run = Run::new(options);
    run.transaction(vec![update(&t, &images)]).expect("encodes");
    let batches = run.finish();
    let (arena, message) = (&batches[0].arena, batches[0].messages[0]);
    assert!(String::from_utf8_lossy(message.value.of(arena)).ends_with(r#""primary_key":[1],"data":{"a":7,"id":1}}"#));
    assert_eq!(message.key.of(arena), br#"{"database":"db","table":"t","pk.id":1}"#);
    // A changed key: both images have it.
    let images = [vec![int(1), absent(), absent()], vec![int(2), absent(), absent()]];
    let values = encode(OutputOptions::default(), vec![update(&t, &images)]);
    assert_eq!(data_of(&values), [r#"{"id":2},"old":{"id":1}"#]);
    // An insert of defaults only has empty images.
    let values = encode(OutputOptions::default(), vec![insert(&t, &[vec![absent(), absent(), absent()]])]);
    assert_eq!(data_of(&values), ["{}"]);
}

#[test]
fn excluded_columns_stay_in_keys() {
    let t = simple(1);
    let options = OutputOptions {
        exclude_columns: ColumnPattern::parse_list("id,/a+/").expect("valid"),
        primary_keys: true,
        keys: KeyFormat::Array,
        partitioning: Some(Partitioning { columns: vec!["id".into()], by: PartitionBy::PrimaryKey, hash: HashFunction::Java }),
        ..OutputOptions::default()
    };
    let mut run = Run::new(options);
    run.transaction(vec![update(&t, &[row(1, 2, "x"), row(1, 3, "x")])]).expect("encodes");
    let batches = run.finish();
    let (arena, message) = (&batches[0].arena, batches[0].messages[0]);
    assert!(String::from_utf8_lossy(message.value.of(arena)).ends_with(r#""primary_key":[1],"data":{"s":"x"}}"#));
    assert_eq!(message.key.of(arena), br#"["db","t",[{"id":1}]]"#);
    // The column is not in `data`, so the fallback decides.
    assert_eq!(message.partition_hash, java_string_hash(b"1"));
}

#[test]
fn keys_of_all_kinds() {
    let two = Arc::new(slot(2, "t", vec![int_column("Id"), text_column("k\""), int_column("v")], &["k\"", "Id"]));
    let none = Arc::new(slot(3, "n", vec![int_column("v")], &[]));
    let keys = |format| {
        let mut run = Run::new(OutputOptions { keys: format, ..OutputOptions::default() });
        run.transaction(vec![
            insert(&two, &[vec![int(1), text("a😀"), int(0)], vec![int(1), null(), int(0)]]),
            insert(&none, &[vec![int(1)]]),
        ])
        .expect("encodes");
        run.keys()
    };
    let hash = keys(KeyFormat::Hash);
    assert_eq!(hash[0], r#"{"database":"db","table":"t","pk.k\"":"a\uD83D\uDE00","pk.id":1}"#);
    assert_eq!(hash[1], r#"{"database":"db","table":"t","pk.k\"":null,"pk.id":1}"#);
    let uuid = hash[2].strip_prefix(r#"{"database":"db","table":"n","_uuid":""#).and_then(|k| k.strip_suffix("\"}")).expect("a uuid");
    assert_eq!(uuid.len(), 36);
    assert_eq!(
        keys(KeyFormat::Array),
        [r#"["db","t",[{"k\"":"a\uD83D\uDE00"},{"id":1}]]"#, r#"["db","t",[{"k\"":null},{"id":1}]]"#, r#"["db","n",[]]"#]
    );
    assert_eq!(keys(KeyFormat::None), ["", "", ""]);
}

#[test]
fn partitions_of_all_kinds() {
    let t = Arc::new(slot(2, "t", vec![int_column("id"), text_column("k"), int_column("v")], &["id", "k"]));
    let rows = [vec![int(1), text("a"), int(5)], vec![null(), null(), null()]];
    let hashes = |by, columns: &[&str], meta: &TxnMeta| {
        let partitioning = Partitioning { columns: columns.iter().map(|c| (*c).to_owned()).collect(), by, hash: HashFunction::Java };
        let mut run = Run::new(OutputOptions { partitioning: Some(partitioning), ..OutputOptions::default() });
        run.transaction_of(meta, vec![insert(&t, &rows)]).expect("encodes");
        run.hashes()
    };
    let of = |texts: [&str; 2]| texts.map(|text| java_string_hash(text.as_bytes()));
    assert_eq!(hashes(PartitionBy::Database, &[], &meta()), of(["db", "db"]));
    assert_eq!(hashes(PartitionBy::Table, &[], &meta()), of(["t", "t"]));
    assert_eq!(hashes(PartitionBy::PrimaryKey, &[], &meta()), of(["1a", "None"]));
    assert_eq!(hashes(PartitionBy::TransactionId, &[], &meta()), of(["77", "77"]));
    assert_eq!(hashes(PartitionBy::ThreadId, &[], &TxnMeta { thread_id: None, ..meta() }), of(["null", "null"]));
    assert_eq!(hashes(PartitionBy::Table, &["v", "k"], &meta()), of(["5a", "t"]));
    assert_eq!(hashes(PartitionBy::Database, &["V"], &meta()), of(["db", "db"]));
    let random = hashes(PartitionBy::Random, &[], &meta());
    assert_ne!(random[0], random[1]);
}

#[test]
fn topics_by_template() {
    let t = simple(1);
    let mut run = Run::new(OutputOptions { topic: "%{database}_%{table}_%{type}".into(), ..OutputOptions::default() });
    run.transaction(vec![insert(&t, &[row(1, 2, "x")]), update(&t, &[row(1, 2, "x"), row(1, 2, "y")]), delete(&t, &[row(1, 2, "y")])])
        .expect("encodes");
    let batches = run.finish();
    let names: Vec<_> = batches[0].messages.iter().map(|m| run.topics.name(m.topic)).collect();
    assert_eq!(names.iter().map(|n| &**n).collect::<Vec<_>>(), ["db_t_insert", "db_t_update", "db_t_delete"]);
}

/// Keys, values (empty for a tombstone) and partition hashes of what a run made.
fn messages(run: &mut Run) -> Vec<(String, String, i32)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let batches = run.finish();
    batches
        .iter()
        .flat_map(|b| b.messages.iter().map(|m| (text(m.key.of(&b.arena)), text(m.value.of(&b.arena)), m.partition_hash)))
        .collect()
}

fn compacted(keys: KeyFormat, by: PartitionBy) -> OutputOptions {
    let partitioning = Some(Partitioning { by, ..Partitioning::default() });
    OutputOptions { keys, row_keys: true, tombstones: true, partitioning, ..OutputOptions::default() }
}

#[test]
fn a_row_without_primary_key_keeps_its_key_from_insert_to_delete() {
    for (format, head, tail) in [
        (KeyFormat::Hash, r#"{"database":"db","table":"nokey","_row":""#, "\"}"),
        (KeyFormat::Array, r#"["db","nokey",[{"_row":""#, "\"}]]"),
    ] {
        let t = Arc::new(slot(1, "nokey", vec![int_column("a"), text_column("s")], &[]));
        let (a, b) = (vec![int(1), text("x")], vec![int(1), text("y")]);
        let mut run = Run::new(compacted(format, PartitionBy::Table));
        run.transaction(vec![insert(&t, &[a.clone(), b.clone(), a.clone()])]).expect("encodes");
        run.transaction(vec![update(&t, &[a.clone(), a.clone(), a.clone(), b.clone()])]).expect("encodes");
        run.transaction(vec![delete(&t, std::slice::from_ref(&b))]).expect("encodes");
        let got = messages(&mut run);
        let keys: Vec<&str> = got.iter().map(|m| m.0.as_str()).collect();
        let (of_a, of_b) = (keys[0], keys[1]);
        assert!(of_a != of_b && of_a.starts_with(head) && of_a.ends_with(tail) && of_a.len() == head.len() + 32 + tail.len(), "{keys:?}");
        // Inserts; an update that changes nothing; one that makes `b` of `a`; the delete with its tombstone.
        assert_eq!(keys, [of_a, of_b, of_a, of_a, of_b, of_a, of_b, of_b]);
        let empty: Vec<usize> = got.iter().enumerate().filter(|(_, m)| m.1.is_empty()).map(|(i, _)| i).collect();
        assert_eq!(empty, [5, 7]);
    }
}

#[test]
fn tombstones_follow_deletes_and_changes_of_the_key() {
    let t = simple(1);
    let key = |id: i32| format!(r#"{{"database":"db","table":"t","pk.id":{id}}}"#);
    let hash = |id: i32| java_string_hash(id.to_string().as_bytes());
    let mut run = Run::new(compacted(KeyFormat::Hash, PartitionBy::PrimaryKey));
    run.transaction(vec![
        insert(&t, &[row(1, 0, "x")]),
        update(&t, &[row(1, 0, "x"), row(1, 5, "y")]),
        update(&t, &[row(1, 5, "y"), row(2, 5, "y")]),
        delete(&t, &[row(2, 5, "y")]),
    ])
    .expect("encodes");
    let got = messages(&mut run);
    let seen: Vec<(String, bool, i32)> = got.iter().map(|m| (m.0.clone(), m.1.is_empty(), m.2)).collect();
    let wanted = [(1, false), (1, false), (2, false), (1, true), (2, false), (2, true)];
    assert_eq!(seen, wanted.map(|(id, tombstone)| (key(id), tombstone, hash(id))));
    // The commit mark is on the last message that has a value, and moves none of the keys.
    let marked: Vec<usize> = got.iter().enumerate().filter(|(_, m)| m.1.contains(r#""commit":true"#)).map(|(i, _)| i).collect();
    assert_eq!(marked, [4]);
    assert!(got.iter().filter(|m| !m.1.is_empty()).all(|m| m.1.starts_with(HEAD) && m.1.ends_with("}")), "{got:?}");
    // The last message is an update with a tombstone, which stands behind it in the arena.
    run.transaction(vec![update(&t, &[row(7, 5, "y"), row(8, 5, "y")])]).expect("encodes");
    let got = messages(&mut run);
    assert_eq!((got[0].0.as_str(), got[1].0.as_str(), got[1].1.as_str(), got.len()), (&*key(8), &*key(7), "", 2));
    assert!(got[0].1.contains(r#""commit":true"#) && got[0].1.ends_with("}"), "{got:?}");
}

#[test]
fn batches_are_cut_before_a_row_and_its_tombstone_never_between() {
    let t = simple(1);
    let mut run = Run::new(OutputOptions { batch_bytes: 300, ..compacted(KeyFormat::Hash, PartitionBy::Table) });
    run.transaction(vec![insert(&t, &[row(0, 0, "small")])]).expect("encodes");
    let rows: Vec<_> = (0..20).flat_map(|i| [row(i, i, "some text"), row(i + 100, i, "some text")]).collect();
    run.transaction(vec![update(&t, &rows)]).expect("encodes");
    let batches = run.finish();
    assert!(batches.len() > 5);
    let mut rows = 0;
    for batch in &batches[1..] {
        assert_eq!(batch.messages.len() as u64, 2 * batch.rows, "tombstones are no rows");
        for pair in batch.messages.chunks(2) {
            let key = |m: &binlogd::encode::batch::Message| String::from_utf8_lossy(m.key.of(&batch.arena)).into_owned();
            assert_eq!(key(&pair[0]), format!(r#"{{"database":"db","table":"t","pk.id":{}}}"#, rows + 100));
            assert_eq!(key(&pair[1]), format!(r#"{{"database":"db","table":"t","pk.id":{rows}}}"#));
            assert!(pair[1].value.of(&batch.arena).is_empty());
            rows += 1;
        }
    }
    assert_eq!(rows, 20);
}

#[test]
fn without_a_lasting_key_there_are_no_tombstones_and_by_default_never() {
    let t = Arc::new(slot(1, "nokey", vec![int_column("a"), text_column("s")], &[]));
    let events = || vec![delete(&t, &[vec![int(1), text("x")]]), update(&t, &[vec![int(1), text("x")], vec![int(2), text("x")]])];
    for format in [KeyFormat::Hash, KeyFormat::Array] {
        let mut run = Run::new(OutputOptions { row_keys: false, ..compacted(format, PartitionBy::Table) });
        run.transaction(events()).expect("encodes");
        assert_eq!(messages(&mut run).len(), 2);
    }
    let mut run = Run::new(OutputOptions { keys: KeyFormat::Hash, ..OutputOptions::default() });
    run.transaction(vec![delete(&simple(2), &[row(1, 2, "x")])]).expect("encodes");
    assert_eq!(messages(&mut run).len(), 1);
}

#[test]
fn full_arenas_are_handed_over_and_the_last_row_commits() {
    let t = simple(1);
    let mut run = Run::new(OutputOptions { batch_bytes: 400, keys: KeyFormat::Hash, ..OutputOptions::default() });
    run.transaction(vec![insert(&t, &[row(0, 0, "small")])]).expect("encodes");
    let rows: Vec<_> = (0..20).map(|i| row(i, i, "some text")).collect();
    run.transaction(vec![insert(&t, &rows)]).expect("encodes");
    let batches = run.finish();
    assert!(batches.len() > 5);
    assert_eq!(batches[0].end, Some(point(1)));
    assert_eq!((batches[0].messages.len(), batches[0].rows, batches[0].transactions), (1, 1, 1));
    let (last, middle) = batches.split_last().expect("batches");
    assert!(middle[1..].iter().all(|b| b.end.is_none() && b.transactions == 0 && b.gtids.is_empty()));
    assert_eq!((last.end.clone(), last.transactions), (Some(point(2)), 1));
    let values: Vec<String> =
        batches.iter().flat_map(|b| b.messages.iter().map(|m| String::from_utf8_lossy(m.value.of(&b.arena)).into_owned())).collect();
    assert_eq!(values.len(), 21);
    for (i, value) in values[1..].iter().enumerate() {
        let field = if i == 19 { "\"commit\":true".to_owned() } else { format!("\"xoffset\":{i}") };
        assert_eq!(*value, format!(r#"{HEAD}"insert","ts":1700000000,"xid":77,{field},"data":{{"id":{i},"a":{i},"s":"some text"}}}}"#));
    }
    for batch in &batches {
        for m in &batch.messages {
            assert!(m.key.of(&batch.arena).starts_with(br#"{"database":"db","table":"t","pk.id":"#));
            assert_eq!(m.offset, 1234);
        }
    }
}

#[test]
fn small_transactions_share_a_batch_but_files_do_not() {
    let t = simple(1);
    let mut run = Run::new(OutputOptions::default());
    for i in 0..3 {
        run.transaction(vec![insert(&t, &[row(i, 0, "x")])]).expect("encodes");
    }
    run.transaction_of(&TxnMeta { file: "master.000002".into(), ..meta() }, vec![insert(&t, &[row(9, 0, "x")])]).expect("encodes");
    run.transaction_of(&TxnMeta { file: "master.000002".into(), ..meta() }, vec![]).expect("encodes");
    let batches = run.finish();
    assert_eq!(batches.len(), 2);
    assert_eq!((batches[0].rows, batches[0].transactions, batches[0].end.clone()), (3, 3, Some(point(3))));
    assert_eq!(
        (&*batches[1].file, batches[1].rows, batches[1].transactions, batches[1].end.clone()),
        ("master.000002", 1, 2, Some(point(5)))
    );
}

#[test]
fn column_rules_decide_row_by_row_and_removed_rows_take_no_number() {
    let filter = Filter::parse("exclude: *.*, include: db.t.s = /^keep/, exclude: db.t.a = null").expect("a filter").0;
    let mut t = slot(1, "t", vec![int_column("id"), int_column("a"), text_column("s")], &["id"]);
    t.verdict = filter.verdict("db", "t", &["id", "a", "s"]);
    let t = Arc::new(t);
    let mut run = Run::new(OutputOptions::default());
    let rows = [row(1, 1, "keep"), row(2, 1, "drop"), row(3, 1, "keep too"), vec![int(4), null(), text("keep")], row(5, 1, "x")];
    let stats = run.transaction(vec![insert(&t, &rows)]).expect("encodes");
    assert_eq!((stats.rows, stats.filtered), (2, 3));
    let values = run.values();
    assert!(values[0].contains(r#""xoffset":0,"data":{"id":1,"#), "{}", values[0]);
    assert!(values[1].contains(r#""commit":true,"data":{"id":3,"#), "{}", values[1]);
}

#[test]
fn our_own_tables() {
    let mut bootstrap = slot(1, "bootstrap", vec![int_column("id")], &["id"]);
    bootstrap.role = TableRole::Bootstrap;
    let bootstrap = Arc::new(bootstrap);
    let mut heartbeats = slot(2, "heartbeats", vec![int_column("id"), text_column("client_id")], &["id"]);
    heartbeats.role = TableRole::Heartbeats;
    let heartbeats = Arc::new(heartbeats);
    let values = encode(
        OutputOptions::default(),
        vec![
            insert(&bootstrap, &[vec![int(1)]]),
            update(&bootstrap, &[vec![int(1)], vec![int(2)]]),
            delete(&bootstrap, &[vec![int(2)]]),
            insert(&heartbeats, &[vec![int(1), text("c")]]),
        ],
    );
    assert_eq!(values, [r#"{"database":"db","table":"bootstrap","type":"insert","ts":1700000000,"xid":77,"commit":true,"data":{"id":1}}"#]);
}

#[test]
fn what_cannot_be_rendered_stops_only_when_it_would_be_output() {
    let columns = || vec![int_column("id"), text_column_in("c", "latin9"), int_column("b")];
    let t = Arc::new(slot(1, "t", columns(), &["id"]));
    let values = encode(OutputOptions::default(), vec![insert(&t, &[vec![int(1), null(), int(2)]])]);
    assert_eq!(data_of(&values), [r#"{"id":1,"c":null,"b":2}"#]);
    let options = OutputOptions { exclude_columns: ColumnPattern::parse_list("c").expect("valid"), ..OutputOptions::default() };
    let values = encode(options, vec![insert(&t, &[vec![int(1), text("x"), int(2)]])]);
    assert_eq!(data_of(&values), [r#"{"id":1,"b":2}"#]);
    let mut run = Run::new(OutputOptions::default());
    let error = run.transaction(vec![insert(&t, &[vec![int(1), text("x"), int(2)]])]).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "text in the character set 'latin9' cannot be rendered yet (column db.t.c of type varchar (Varchar { bytes: 200 }, \
         wire type 15 metadata c8 00), master.000001:1234); hint: leave the table out by the filter, or the column by exclude_columns"
    );
    assert!(!error.is_transient());
}

#[test]
fn damaged_rows_are_errors_with_their_place() {
    let t = simple(1);
    let good = rows_event(EventType::WriteRowsV2, &[row(1, 2, "text")]);
    for cut in 1..good.body.len() {
        let mut event = good.clone();
        event.body.truncate(cut);
        let mut run = Run::new(OutputOptions::default());
        let result = run.transaction(vec![TxnEvent::Rows { slot: t.clone(), event, start: 7 }]);
        // A cut right behind the head leaves an event without rows.
        let Err(error) = result else {
            assert!(run.values().is_empty());
            continue;
        };
        assert!(error.to_string().contains("db.t") && error.to_string().contains("master.000001:7"), "{error}");
    }
    let narrow = TxnEvent::Rows { slot: t.clone(), event: rows_event(EventType::WriteRowsV2, &[vec![int(1)]]), start: 7 };
    let error = Run::new(OutputOptions::default()).transaction(vec![narrow]).expect_err("too few columns");
    assert!(error.to_string().contains("1 columns under a table map of 3"), "{error}");
    let partial = TxnEvent::Rows { slot: t, event: rows_event_partial(), start: 7 };
    let error = Run::new(OutputOptions::default()).transaction(vec![partial]).expect_err("partial");
    assert!(error.to_string().contains("db.t"), "{error}");
}

fn rows_event_partial() -> binlogd::binlog::RawEvent {
    let plain = rows_event(EventType::UpdateRowsV2, &[row(1, 2, "x"), row(1, 3, "x")]);
    event(EventType::PartialUpdateRows, plain.body.to_vec())
}

#[test]
fn ddl_messages() {
    let file: Arc<str> = "master.000001".into();
    let message = DdlMessage {
        fields: br#""type":"table-drop","database":"db","table":"t""#,
        database: "db",
        table: Some("t"),
        sql: "drop table `t` -- \"😀\"",
        ts: 1_700_000_000,
        file: &file,
        offset: 500,
        gtid: None,
        schema_id: Some(3),
    };
    let options = OutputOptions {
        ddl: true,
        binlog_position: true,
        gtid_position: true,
        schema_id: true,
        naming: Naming::UnderscoreToCamelcase,
        topic: "x_%{table}".into(),
        keys: KeyFormat::Hash,
        partitioning: Some(Partitioning { by: PartitionBy::Table, ..Partitioning::default() }),
        ..OutputOptions::default()
    };
    let mut run = Run::new(options);
    let mut sink = |_| Ok(());
    run.encoder.ddl(&message, Some(point(1)), &mut sink).expect("encodes");
    let batch = run.encoder.finish().expect("a message");
    let m = batch.messages[0];
    assert_eq!(
        String::from_utf8_lossy(m.value.of(&batch.arena)),
        r#"{"type":"table-drop","database":"db","table":"t","ts":1700000000000,"sql":"drop table `t` -- \"😀\"","position":"master.000001:500","gtid":null,"schema_id":3}"#
    );
    assert_eq!((m.key.len, m.partition_hash, m.offset), (36, java_string_hash(b"t"), 500));
    assert_eq!(&*run.topics.name(m.topic), "x_%{table}");
    assert_eq!((batch.end, batch.rows), (Some(point(1)), 0));

    let mut run = Run::new(OutputOptions { ddl_topic: Some("ddl".into()), ..OutputOptions::default() });
    run.encoder.ddl(&message, Some(point(2)), &mut sink).expect("encodes");
    let batch = run.encoder.finish().expect("an end");
    assert!(batch.messages.is_empty() && batch.end == Some(point(2)));
}

#[test]
fn ends_without_messages() {
    let mut run = Run::new(OutputOptions::default());
    assert!(run.encoder.finish().is_none());
    run.encoder.mark_end(point(8), 5, &mut |_| Ok(())).expect("marked");
    let batch = run.encoder.finish().expect("an end");
    assert_eq!((batch.end, batch.commit_us, batch.transactions), (Some(point(8)), 5, 0));
    assert!(run.encoder.finish().is_none());
}

#[test]
fn single_columns_for_our_own_tables() {
    let t = simple(1);
    let event = rows_event(EventType::UpdateRowsV2, &[row(1, 2, "x"), row(1, 3, "é"), row(4, 5, "y"), vec![int(4), null(), text("z")]]);
    let rows = RowsEvent::parse(&event).expect("valid");
    let got = decode_columns(&t, &rows, &[2, 1, 99]).expect("valid");
    assert_eq!(got, [[Some("é".into()), Some("3".into()), None], [Some("z".into()), None, None]]);
}
