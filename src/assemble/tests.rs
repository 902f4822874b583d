//! The assembler on events made by hand: boundaries, offsets, doubt and proof.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::binlog::{EventHeader, RawEvent};
use crate::filter::Filter;
use crate::position::BinlogPosition;
use crate::schema::{Column, ColumnType, Database, IntWidth, Schema, Table};

use super::spill::SpillDir;
use super::{AgainReader, AssembleOptions, Assembler, Captured, SchemaStep, Step, Transaction, TxnEvent};

const QUERY: u8 = 2;
const XID: u8 = 16;
const TABLE_MAP: u8 = 19;
const WRITE_ROWS: u8 = 30;

/// Feeds events one behind the other, as a file has them.
struct Feed {
    assembler: Assembler,
    offset: u64,
    /// All events so far, and where each begins.
    log: Vec<(u64, RawEvent)>,
    /// Kept until the test ends, because the spill folder lies in it.
    _dir: tempfile::TempDir,
}

fn column(name: &str) -> Column {
    Column { name: name.into(), ty: ColumnType::Int { width: IntWidth::Int, unsigned: false } }
}

fn table(columns: &[&str]) -> Arc<Table> {
    Arc::new(Table {
        database: "d".into(),
        name: "t".into(),
        charset: Some("utf8mb4".into()),
        columns: columns.iter().map(|c| column(c)).collect(),
        primary_key: Vec::new(),
    })
}

impl Feed {
    fn new(filter: &str) -> Self {
        Self::within(filter, 1 << 20)
    }

    /// With so many bytes for a transaction in memory, and as many in the spill folder.
    fn within(filter: &str, memory_bytes: u64) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let spill = SpillDir::open(dir.path(), memory_bytes).expect("spill folder");
        let schema = Schema {
            databases: vec![Database { name: "d".into(), charset: "utf8mb4".into(), tables: vec![table(&["a", "b"])] }],
            charset: "utf8mb4".into(),
            ..Schema::default()
        };
        let options = AssembleOptions {
            schema_database: "maxwell".into(),
            client_id: "me".into(),
            filter: Arc::new(Filter::parse(filter).expect("a filter").0),
            row_queries: false,
            memory_bytes,
            gtid_mode: false,
            event_bytes_max: 1 << 20,
        };
        let at = BinlogPosition::new("b.000001", 4);
        Feed { assembler: Assembler::new(options, spill, schema, Some(1), at, 0), offset: 4, log: Vec::new(), _dir: dir }
    }

    fn event(&mut self, type_code: u8, body: &[u8]) -> RawEvent {
        let size = 19 + body.len() as u32;
        self.offset += u64::from(size);
        let header = EventHeader { timestamp: 1_700_000_000, type_code, server_id: 1, size, next_position: self.offset as u32, flags: 0 };
        let event = RawEvent { header, body: Bytes::copy_from_slice(body) };
        self.log.push((self.offset - u64::from(size), event.clone()));
        event
    }

    fn push(&mut self, type_code: u8, body: &[u8]) -> crate::error::Result<Step> {
        let event = self.event(type_code, body);
        self.assembler.push(event)
    }

    fn query(&mut self, sql: &str, error_code: u16) -> crate::error::Result<Step> {
        let mut body = BytesMut::new();
        body.put_u32_le(7);
        body.put_u32_le(0);
        body.put_u8(1);
        body.put_u16_le(error_code);
        body.put_u16_le(0);
        body.put_slice(b"d\0");
        body.put_slice(sql.as_bytes());
        self.push(QUERY, &body)
    }

    fn map(&mut self, names: Option<&[&str]>, columns: usize) -> crate::error::Result<Step> {
        let mut body = BytesMut::new();
        body.put_slice(&[9, 0, 0, 0, 0, 0, 1, 0]);
        body.put_slice(b"\x01d\0\x01t\0");
        body.put_u8(columns as u8);
        body.put_bytes(3, columns);
        body.put_u8(0);
        body.put_bytes(0xff, columns.div_ceil(8));
        if let Some(names) = names {
            let mut field = BytesMut::new();
            for name in names {
                field.put_u8(name.len() as u8);
                field.put_slice(name.as_bytes());
            }
            body.put_u8(4);
            body.put_u8(field.len() as u8);
            body.put_slice(&field);
        }
        self.push(TABLE_MAP, &body)
    }

    fn rows(&mut self) -> crate::error::Result<Step> {
        // No two are alike.
        let value = self.log.len() as u8;
        self.push(WRITE_ROWS, &[9, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 0xff, 0, value, 0, 0, 0, 2, 0, 0, 0])
    }

    fn xid(&mut self) -> crate::error::Result<Step> {
        self.push(XID, &77u64.to_le_bytes())
    }

    fn captured(columns: &[&str]) -> Vec<Captured> {
        vec![Captured { database: "d".into(), database_charset: None, table: "t".into(), def: Some(table(columns)), hidden: 0 }]
    }

    /// The rows of a transaction: from what was kept, or from a second reading of all events. Table, bytes and place of each.
    fn given(&self, mut transaction: Transaction) -> Vec<(u64, Bytes, u64)> {
        let from = transaction.again.as_ref().map_or(0, |again| again.start.offset);
        let mut reader = transaction.again.take().map(|again| AgainReader::new(*again));
        let mut log = self.log.iter().filter(|(start, _)| *start >= from).map(|(_, event)| event.clone());
        let mut given = Vec::new();
        loop {
            let event = match &mut reader {
                Some(reader) => reader.next(&mut || Ok(log.next())),
                None => transaction.next_event(),
            };
            match event.unwrap() {
                Some(TxnEvent::Rows { slot, event, start }) => given.push((slot.id, event.body, start)),
                Some(_) => {}
                None => return given,
            }
        }
    }

    fn here(&self) -> BinlogPosition {
        BinlogPosition::new("b.000001", self.offset)
    }
}

#[test]
fn a_jump_to_another_file_ends_what_was_open() {
    let mut feed = Feed::new("");
    feed.query("BEGIN", 0).unwrap();
    feed.map(None, 2).unwrap();
    feed.rows().unwrap();
    let rotate = |offset: u64, file: &str| {
        let body = [&offset.to_le_bytes()[..], file.as_bytes()].concat();
        let header = EventHeader { timestamp: 0, type_code: 4, server_id: 1, size: 19 + body.len() as u32, next_position: 0, flags: 0x20 };
        RawEvent { header, body: Bytes::from(body) }
    };
    feed.assembler.push(rotate(4, "b.000002")).unwrap();
    feed.offset = 4;
    assert!(matches!(feed.query("BEGIN", 0).unwrap(), Step::More), "the crashed server's transaction is gone");
    assert!(matches!(feed.xid().unwrap(), Step::Transaction(t) if t.events.is_empty() && &*t.meta.file == "b.000002"));
    feed.assembler.push(rotate(u64::MAX, "b.000003")).unwrap();
    assert!(feed.query("BEGIN", 0).unwrap_err().to_string().contains("beyond the end"));
}

#[test]
fn a_transaction_ends_behind_its_commit_event() {
    let mut feed = Feed::new("");
    assert!(matches!(feed.query("BEGIN", 0).unwrap(), Step::More));
    assert!(matches!(feed.map(None, 2).unwrap(), Step::More));
    assert!(matches!(feed.rows().unwrap(), Step::More));
    let Step::Transaction(transaction) = feed.xid().unwrap() else { panic!("no transaction") };
    assert_eq!((transaction.end.at.clone(), transaction.meta.xid, transaction.events.len()), (feed.here(), Some(77), 1));
    assert!(transaction.end.saves);
}

#[test]
fn a_rollback_leaves_nothing_but_moves_the_boundary() {
    let mut feed = Feed::new("");
    feed.query("BEGIN", 0).unwrap();
    feed.map(None, 2).unwrap();
    feed.rows().unwrap();
    let Step::Boundary(end) = feed.query("ROLLBACK", 0).unwrap() else { panic!("no boundary") };
    assert_eq!(end.at, feed.here());
    assert_eq!(*feed.assembler.boundary(), feed.here());
}

#[test]
fn rows_behind_a_savepoint_that_is_gone_back_to_are_not_output() {
    let cases: &[(&[&str], usize)] = &[
        (&["row", "SAVEPOINT `a`", "row", "ROLLBACK TO `a`", "row"], 2),
        (&["SAVEPOINT a", "row", "row", "SAVEPOINT b", "row", "ROLLBACK TO `A`", "row", "ROLLBACK TO a"], 0),
        (&["row", "SAVEPOINT a", "row", "SAVEPOINT b", "row", "ROLLBACK TO b", "row", "RELEASE SAVEPOINT b"], 3),
        (&["SAVEPOINT a", "row", "SAVEPOINT a", "row", "ROLLBACK TO a"], 1),
        (&["SAVEPOINT a", "row", "ROLLBACK TO a", "row", "SAVEPOINT b", "row", "ROLLBACK TO b", "row"], 2),
    ];
    let run = |feed: &mut Feed, steps: &[&str]| {
        feed.query("BEGIN", 0).unwrap();
        feed.map(None, 2).unwrap();
        for step in steps {
            match *step {
                "row" => feed.rows().unwrap(),
                sql => feed.query(sql, 0).unwrap(),
            };
        }
    };
    for (steps, rows) in cases {
        // Nothing, one event, two: so the room ends before, between and behind the savepoints.
        let mut once = Feed::new("");
        run(&mut once, steps);
        let Step::Transaction(transaction) = once.xid().unwrap() else { panic!("no transaction") };
        let expected = once.given(transaction);
        for memory_bytes in [0, 100, 200] {
            let mut twice = Feed::within("", memory_bytes);
            run(&mut twice, steps);
            let Step::Transaction(transaction) = twice.xid().unwrap() else { panic!("no transaction") };
            assert!(memory_bytes > 0 || transaction.again.is_some(), "{steps:?}");
            assert_eq!(twice.given(transaction), expected, "{steps:?}");
        }
        let mut feed = Feed::new("");
        run(&mut feed, steps);
        let Step::Transaction(mut transaction) = feed.xid().unwrap() else { panic!("no transaction") };
        assert_eq!(transaction.events.len(), *rows, "{steps:?}");
        let given = std::iter::from_fn(|| transaction.next_event().unwrap()).count();
        assert_eq!(given, *rows, "{steps:?}");
        assert!(transaction.events.is_empty());
    }
    let mut feed = Feed::new("");
    feed.query("BEGIN", 0).unwrap();
    assert!(feed.query("ROLLBACK TO `x`", 0).unwrap_err().to_string().contains("did not mark"));
}

/// A batch of 200,000 rows, each behind a savepoint of its own (Django's nested `atomic()`): no end of them is logged.
#[test]
fn savepoints_without_number() {
    const ROWS: usize = 200_000;
    for memory_bytes in [1 << 30, 0] {
        let mut feed = Feed::within("", memory_bytes);
        feed.query("BEGIN", 0).unwrap();
        feed.map(None, 2).unwrap();
        for i in 0..ROWS {
            feed.query(&format!("SAVEPOINT s{i}"), 0).unwrap();
            feed.rows().unwrap();
        }
        feed.query(&format!("ROLLBACK TO s{}", ROWS - 1), 0).unwrap();
        feed.query(&format!("ROLLBACK TO S{}", ROWS - 3), 0).unwrap();
        feed.rows().unwrap();
        let error = feed.query(&format!("ROLLBACK TO s{}", ROWS - 2), 0).unwrap_err().to_string();
        assert!(error.contains("did not mark"), "it went with what it stood in: {error}");
        let error = feed.query("ROLLBACK TO s0", 0).unwrap_err().to_string();
        assert!(error.contains("did not mark"), "the oldest are forgotten: {error}");
        let Step::Transaction(transaction) = feed.xid().unwrap() else { panic!("no transaction") };
        assert_eq!(transaction.again.is_some(), memory_bytes == 0);
        let given = feed.given(transaction);
        let rows: Vec<u64> = feed.log.iter().filter(|(_, e)| e.header.type_code == WRITE_ROWS).map(|(start, _)| *start).collect();
        let places: Vec<u64> = given.into_iter().map(|(_, _, start)| start).collect();
        assert!(places == [&rows[..ROWS - 3], &rows[ROWS..]].concat(), "{} rows", places.len());
    }
}

/// As MySQL 5.6, 5.7 and MariaDB log it inside a transaction.
#[test]
fn a_statement_that_changes_nothing_leaves_table_ids_as_they_are() {
    let mut feed = Feed::new("");
    feed.query("BEGIN", 0).unwrap();
    for _ in 0..1_000 {
        feed.map(None, 2).unwrap();
        feed.rows().unwrap();
        let step = feed.query("DROP TEMPORARY TABLE IF EXISTS `d`.`x` /* generated by server */", 0).unwrap();
        assert!(matches!(step, Step::More));
    }
    let kept = feed.assembler.tables.meanings();
    assert_eq!((kept.past.len(), kept.last.len()), (0, 1), "nothing piles up until the commit");
    let Step::Transaction(transaction) = feed.xid().unwrap() else { panic!("no transaction") };
    let given = feed.given(transaction);
    assert_eq!(given.len(), 1_000);
    assert!(given.iter().all(|(slot, ..)| *slot == given[0].0), "one slot for all");
}

#[test]
fn a_second_reading_knows_what_table_ids_stood_for() {
    let run = |memory_bytes| {
        let mut feed = Feed::within("", memory_bytes);
        feed.query("BEGIN", 0).unwrap();
        for names in [None, Some(&["a", "b"][..]), None] {
            // The same id with another text: a slot of its own.
            feed.map(names, 2).unwrap();
            feed.rows().unwrap();
            feed.rows().unwrap();
        }
        let Step::Transaction(transaction) = feed.xid().unwrap() else { panic!("no transaction") };
        assert_eq!(transaction.again.is_some(), memory_bytes == 0);
        feed.given(transaction)
    };
    let expected = run(1 << 20);
    assert_eq!(expected.iter().map(|(slot, ..)| *slot).collect::<std::collections::BTreeSet<_>>().len(), 3);
    assert_eq!(run(0), expected);
}

#[test]
fn a_second_reading_of_something_else_is_an_error() {
    let mut feed = Feed::within("", 0);
    feed.query("BEGIN", 0).unwrap();
    feed.map(None, 2).unwrap();
    feed.rows().unwrap();
    let Step::Transaction(transaction) = feed.xid().unwrap() else { panic!("no transaction") };
    let again = *transaction.again.expect("nothing was kept");
    assert_eq!((again.start.offset, again.end), (4, feed.offset));
    let mut reader = AgainReader::new(again);
    // The rows are gone, and a statement of their size stands there.
    let mut other: Vec<RawEvent> = feed.log.iter().map(|(_, event)| event.clone()).collect();
    other[2].header.type_code = QUERY;
    let mut log = other.into_iter();
    let error = reader.next(&mut || Ok(log.next())).unwrap_err().to_string();
    assert!(error.contains("finds another one than the first") && error.contains("b.000001:4") && error.contains("spill_limit"), "{error}");
}

#[test]
fn places_beyond_4_gib_are_counted_on() {
    const FOUR_GIB: u64 = 1 << 32;
    for memory_bytes in [1 << 20, 0] {
        let mut feed = Feed::within("", memory_bytes);
        feed.offset = FOUR_GIB - 100;
        feed.assembler.rewind(feed.here());
        // The first stands around the place where 32 bits end, the second behind it.
        for _ in 0..2 {
            feed.query("BEGIN", 0).unwrap();
            feed.map(None, 2).unwrap();
            let mut places = Vec::new();
            for _ in 0..2 {
                places.push(feed.offset);
                feed.rows().unwrap();
            }
            let Step::Transaction(transaction) = feed.xid().unwrap() else { panic!("no transaction") };
            assert_eq!((&transaction.end.at, transaction.again.is_some()), (&feed.here(), memory_bytes == 0));
            assert!(feed.offset > FOUR_GIB && places[1] > FOUR_GIB);
            assert_eq!(feed.given(transaction).into_iter().map(|(_, _, start)| start).collect::<Vec<_>>(), places);
        }
    }
}

#[test]
fn a_gap_inside_a_transaction_is_an_error_and_between_two_is_not() {
    let mut feed = Feed::new("");
    feed.offset += 100;
    feed.query("BEGIN", 0).expect("a jump ahead between transactions");
    feed.offset += 1;
    let error = feed.map(None, 2).unwrap_err();
    assert!(error.to_string().contains("the sum of sizes says"), "{error}");
}

/// Its GTID event ends where it begins. Unpacked while it is received, its transaction is open already when its place is known.
#[test]
fn a_gap_before_a_compressed_transaction_is_an_error() {
    let mut feed = Feed::new("");
    feed.offset += 100;
    let error = feed.push(40, &[]).unwrap_err();
    assert!(error.to_string().contains("the sum of sizes says"), "{error}");
}

/// MariaDB tells how a file is encrypted also where a dump begins inside of it, as it repeats the format description.
#[test]
fn an_event_about_encryption_that_is_sent_again_takes_no_room() {
    let mut feed = Feed::new("");
    let mut again = feed.event(164, &[1; 17]);
    feed.offset = 4;
    again.header.next_position = 0;
    feed.assembler.push(again).unwrap();
    feed.query("BEGIN", 0).expect("the next event begins where the dump was asked for");
    assert!(matches!(feed.xid().unwrap(), Step::Transaction(t) if t.end.at == feed.here()));
}

#[test]
fn rows_at_the_start_mean_that_it_lies_inside_a_transaction() {
    let mut feed = Feed::new("");
    assert!(matches!(feed.map(None, 2).unwrap(), Step::StartedInside(_)));
    let mut feed = Feed::new("");
    assert!(matches!(feed.xid().unwrap(), Step::Boundary(_)), "Maxwell's stored position lies before the commit event");
}

#[test]
fn a_row_change_in_statement_format_stops_with_its_place() {
    let mut feed = Feed::new("");
    feed.query("BEGIN", 0).unwrap();
    let error = feed.query("update t set a=1", 0).unwrap_err();
    assert!(error.to_string().contains("UPDATE statement") && error.to_string().contains("b.000001:"), "{error}");
}

#[test]
fn row_changes_of_excluded_databases_are_no_stop() {
    // Default database, databases that the statement tells, text; whether it stops.
    let cases: &[(&str, &[&str], &str, bool)] = &[
        ("d", &["d"], "update t set a=1", true),
        ("x", &["x"], "update t set a=1", false),
        ("d", &["x", "y"], "update x.t, y.t set a=1", false),
        ("x", &["x", "d"], "update t, d.t set a=1", true),
        ("x", &[], "update t set a=1", false),
        ("x", &[], "update d.t set a=1", true),
        ("", &[], "update t set a=1", true),
    ];
    for (database, told, sql, stops) in cases {
        for load in [false, true] {
            let mut feed = Feed::new("exclude: x.*, blacklist: y.*");
            feed.query("BEGIN", 0).unwrap();
            let mut status = Vec::new();
            if !told.is_empty() {
                status.extend([12, told.len() as u8]);
                told.iter().for_each(|name| status.extend([name.as_bytes(), b"\0"].concat()));
            }
            let mut body = BytesMut::new();
            body.put_bytes(0, 8);
            body.put_u8(database.len() as u8);
            body.put_u16_le(0);
            body.put_u16_le(status.len() as u16);
            if load {
                body.put_bytes(0, 13);
            }
            body.put_slice(&status);
            body.put_slice(database.as_bytes());
            body.put_u8(0);
            body.put_slice(if load { sql.replacen("update", "load data infile 'f' into table", 1) } else { (*sql).to_owned() }.as_bytes());
            if load {
                assert!(matches!(feed.push(17, &[1, 0, 0, 0, b'1', b'\n']).unwrap(), Step::More), "the file's lines");
            }
            match feed.push(if load { 18 } else { QUERY }, &body) {
                Ok(Step::More) => assert!(!stops, "{database} {told:?} {sql}"),
                Err(e) => assert!(*stops && e.to_string().contains("instead of its rows") && e.to_string().contains("b.000001:"), "{e}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_failed_statement_is_proved_where_the_server_stands_still() {
    let mut feed = Feed::new("");
    let Step::NeedsTables(request) = feed.query("alter table t add c int", 1317).unwrap() else { panic!("taken at its word") };
    assert_eq!(request.tables.len(), 1);
    let reached = feed.here();
    let statement = request.at.clone();
    assert!(request.end.is_some_and(|end| end.held && end.at == feed.here()), "its GTID is executed, but a restart must meet it again");
    assert!(matches!(feed.assembler.provide(Feed::captured(&["a", "b", "c"]), reached).unwrap(), Step::More));
    let Some(Step::Schema(step)) = feed.assembler.more(None).unwrap() else { panic!("not proved") };
    assert!(step.repair && step.changes.len() == 1);
    assert_eq!(step.at, statement, "behind the statement this version must be found");
    assert!(step.end.is_some_and(|end| !end.held && end.saves && end.at == feed.here()));
    assert!(feed.assembler.more(None).unwrap().is_none());
    assert_eq!(feed.assembler.schema().table("d", "t").expect("table").columns.len(), 3);
}

#[test]
fn a_definition_from_the_future_waits_until_the_stream_reaches_it() {
    let mut feed = Feed::new("");
    feed.query("alter table t add c int", 1317).unwrap();
    let later = BinlogPosition::new("b.000001", feed.offset + 500);
    assert!(matches!(feed.assembler.provide(Feed::captured(&["a", "b", "c"]), later).unwrap(), Step::More));
    assert_eq!(feed.assembler.schema().table("d", "t").expect("table").columns.len(), 2);
    feed.offset += 500;
    let Step::Boundary(end) = feed.query("create user x", 0).unwrap() else { panic!("no boundary") };
    assert!(end.held);
    assert!(matches!(feed.assembler.more(None).unwrap(), Some(Step::Schema(_))), "proved behind the next statement");
    assert_eq!(feed.assembler.schema().table("d", "t").expect("table").columns.len(), 3);
}

#[test]
fn a_stream_of_nothing_but_transactions_proves_too() {
    let mut feed = Feed::new("exclude: d.other");
    feed.query("alter table t add c int", 1317).unwrap();
    let later = BinlogPosition::new("b.000001", feed.offset + 10);
    feed.assembler.provide(Feed::captured(&["a", "b", "c"]), later).unwrap();
    assert!(feed.assembler.more(None).unwrap().is_none());
    feed.query("BEGIN", 0).unwrap();
    let commit = feed.here();
    let Step::Transaction(transaction) = feed.xid().unwrap() else { panic!("no transaction") };
    assert!(transaction.end.held);
    let Some(Step::Schema(step)) = feed.assembler.more(None).unwrap() else { panic!("not proved") };
    assert_eq!(step.at, commit, "between the boundary before and this one");
    assert!(step.end.is_some_and(|end| !end.held && end.seq > transaction.end.seq));
    feed.query("BEGIN", 0).unwrap();
    let Step::Transaction(transaction) = feed.xid().unwrap() else { panic!("no transaction") };
    assert!(!transaction.end.held);
}

#[test]
fn rows_of_a_doubted_table_need_names_that_agree() {
    let doubted_of = |captured| {
        let mut feed = Feed::new("");
        feed.query("alter table t add c int", 1317).unwrap();
        let later = BinlogPosition::new("b.000001", 1 << 20);
        feed.assembler.provide(captured, later).unwrap();
        feed.query("BEGIN", 0).unwrap();
        feed
    };
    let doubted = || doubted_of(Feed::captured(&["a", "b"]));
    let reached = BinlogPosition::new("b.000001", 1 << 20);

    let mut feed = doubted();
    assert!(matches!(feed.map(Some(&["a", "b"]), 2).unwrap(), Step::NeedsTables(_)));
    assert!(matches!(feed.assembler.provide(Feed::captured(&["a", "b"]), reached.clone()).unwrap(), Step::More), "nothing to store");
    feed.rows().unwrap();
    assert!(matches!(feed.xid().unwrap(), Step::Transaction(_)));

    // Swapped columns of equal type: the shape fits, the server's names do not, and those of the rows are the right ones.
    let mut feed = doubted();
    feed.map(Some(&["b", "a"]), 2).unwrap();
    let step = feed.assembler.provide(Feed::captured(&["a", "b"]), reached.clone()).unwrap();
    let Step::Schema(SchemaStep { changes, repair: true, .. }) = step else { panic!("{step:?}") };
    let names = |def: &Table| def.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    assert_eq!(changes.iter().filter_map(|c| c.def()).map(|def| names(def)).collect::<Vec<_>>(), [["b", "a"]]);

    // The table map carries no signs here, and nobody else tells them: the table is gone.
    let mut feed = doubted_of(Vec::new());
    feed.map(Some(&["b", "a"]), 2).unwrap();
    let error = feed.assembler.provide(Vec::new(), reached.clone()).unwrap_err();
    assert!(error.to_string().contains("does not say of column b whether it is unsigned"), "{error}");

    // Without names nothing is proved, though the shape fits.
    let mut feed = doubted();
    feed.map(None, 2).unwrap();
    let error = feed.assembler.provide(Feed::captured(&["a", "b"]), reached).unwrap_err();
    assert!(error.to_string().contains("binlog_row_metadata=FULL"), "{error}");
}

/// A statement on a database leaves all its tables in doubt; one whose table map tells enough is out of it, until it is made anew.
#[test]
fn a_table_of_a_doubted_database_is_proved_by_its_own_map() {
    let mut feed = Feed::new("");
    let Step::NeedsTables(_) = feed.query("alter database d default character set latin1", 1).unwrap() else { panic!("not in doubt") };
    let later = BinlogPosition::new("b.000001", 1 << 20);
    feed.assembler.provide(Feed::captured(&["a", "b"]), later.clone()).unwrap();
    feed.query("BEGIN", 0).unwrap();
    assert!(matches!(feed.map(Some(&["a", "b"]), 2).unwrap(), Step::NeedsTables(_)));
    assert!(matches!(feed.assembler.provide(Feed::captured(&["a", "b"]), later.clone()).unwrap(), Step::More));
    feed.rows().unwrap();
    assert!(matches!(feed.xid().unwrap(), Step::Transaction(_)));
    feed.query("drop table t", 0).unwrap();
    feed.query("create table t (a int, b int)", 0).unwrap();
    feed.query("BEGIN", 0).unwrap();
    assert!(matches!(feed.map(Some(&["a", "b"]), 2).unwrap(), Step::NeedsTables(_)), "its character set is that of the database");
}
#[test]
fn a_statement_inside_the_capture_window_is_not_applied_blindly() {
    let mut feed = Feed::new("");
    feed.assembler.captured_until(BinlogPosition::new("b.000001", 10_000).into());
    assert!(matches!(feed.query("alter table t rename column a to x", 0).unwrap(), Step::NeedsTables(_)));
}

#[test]
fn an_excluded_table_never_stops_the_stream() {
    let mut feed = Feed::new("exclude: d.*");
    feed.query("alter table t add c int", 1317).unwrap();
    feed.assembler.provide(Vec::new(), BinlogPosition::new("b.000001", 1 << 20)).unwrap();
    feed.query("BEGIN", 0).unwrap();
    assert!(matches!(feed.map(None, 2).unwrap(), Step::More));
    feed.rows().unwrap();
    let Step::Transaction(transaction) = feed.xid().unwrap() else { panic!("no transaction") };
    assert!(transaction.events.is_empty());
}

#[test]
fn a_map_that_contradicts_the_definition_asks_for_the_table() {
    let mut feed = Feed::new("");
    feed.query("BEGIN", 0).unwrap();
    let Step::NeedsTables(request) = feed.map(Some(&["a", "b", "c"]), 3).unwrap() else { panic!("not noticed") };
    assert!(request.why.contains("contradicts"), "{}", request.why);
}

impl Feed {
    /// A transaction of one insert, or only its begin and end; whether it has rows to output, and whether its end is held.
    fn transaction(&mut self, with_row: bool) -> (bool, bool) {
        self.query("BEGIN", 0).unwrap();
        assert!(!self.assembler.is_between_transactions());
        if with_row {
            self.map(None, 2).unwrap();
            self.rows().unwrap();
        }
        let Step::Transaction(t) = self.xid().unwrap() else { panic!("no transaction") };
        (!t.events.is_empty(), t.end.held)
    }
}

fn filter(text: &str) -> Arc<Filter> {
    Arc::new(Filter::parse(text).expect("a filter").0)
}

#[test]
fn another_filter_judges_known_tables_anew() {
    let mut feed = Feed::new("");
    assert_eq!(feed.transaction(true), (true, false));
    assert!(feed.assembler.set_filter(filter("exclude: d.t")).is_none());
    assert_eq!(feed.transaction(true), (false, false));
    assert!(feed.assembler.set_filter(filter("")).is_none());
    assert_eq!(feed.transaction(true), (true, false));
}

#[test]
fn a_table_that_leaves_the_blacklist_is_believed_once_the_stream_has_passed_its_new_definition() {
    let mut feed = Feed::new("blacklist: d.t");
    assert_eq!(feed.transaction(true), (false, false));
    let request = feed.assembler.set_filter(filter("")).expect("a request");
    assert_eq!(request.tables, [super::TableName::new("d", "t")]);
    let reached = BinlogPosition::new("b.000001", feed.offset + 40);
    assert!(matches!(feed.assembler.provide(Feed::captured(&["x", "y"]), reached).unwrap(), Step::More));
    assert!(feed.transaction(false).1, "nothing behind the doubt may be stored");
    assert!(matches!(feed.assembler.more(None).unwrap(), Some(Step::Schema(step)) if step.repair && step.changes.len() == 1));
    assert_eq!(feed.transaction(true), (true, false));
    assert_eq!(feed.assembler.schema().table("d", "t").unwrap().columns[0].name, "x");
}
