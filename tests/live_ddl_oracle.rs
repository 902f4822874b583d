//! Generated DDL on real servers: after every statement the tracked definitions are information_schema's, without a re-read
//! from the server, and rows are what SELECT says. With row metadata FULL, and with MINIMAL, where only the parser can know.
//!
//! BINLOGD_TEST_SEED=N is another run than the usual one, `clock` one that nobody tried; BINLOGD_TEST_DDL=N sets the number of
//! statements that each server has to accept.

#[path = "ddl_oracle/mod.rs"]
mod ddl_oracle;
#[path = "live_support/mod.rs"]
mod live_support;

use std::time::Instant;

use binlogd::assemble::spill::SpillDir;
use ddl_oracle::dice;
use ddl_oracle::generate::Generator;
use ddl_oracle::model::{Model, TableKey, options};
use ddl_oracle::rows::Writer;
use ddl_oracle::tally::{Kind, Tally};
use live_support::environment::{need, number, one_at_a_time, run_number};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::runtime::Runtime;

/// Statements that a server has to accept.
const STATEMENTS: u64 = 2_000;
/// Why a definition may be read again: what servers do there is their own secret, or is not in the binlog. All else is the
/// parser's fault.
const DOUBTFUL: &[&str] = &[
    // CONVERT TO, with a column that the same statement makes a TEXT, or labels in UTF-16.
    "what the server makes of the column",
    // CREATE TABLE … SELECT in an old sql_mode.
    "without its character set, because of the session's sql_mode",
    // FIRST beside a generated invisible primary key.
    "whether the generated primary key stays the first column",
    // A TIMESTAMP(6) beside MariaDB's hidden ones.
    "before or behind the versioning columns",
    "which columns were the versioning columns",
    "whether hidden columns take the place of the versioning columns",
    "whether the key's last columns are a period's",
    // Servers escape them where the session does not.
    "whether a backslash in a label is escaped",
    // A key of MariaDB's with a period.
    "whether the key is left when its period is all that remains",
    "where the end of a row stands in a key with a period",
    // A label as bytes that are half a character.
    "a label is given as",
];
/// After so many everything is compared, not only what a statement names.
const ALL_EVERY: usize = 100;

fn run(name: &str, port: u16, statements: usize, seed: u64) -> Tally {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), 1 << 30).expect("a spill folder");
    let mut model = Model::open(&rt, port, spill);
    let version = model.identity().version.clone();
    let number = u32::from(version.major) * 10_000 + u32::from(version.minor) * 100 + u32::from(version.patch);
    let mut generator = Generator::new(seed, format!("ddl{}_", run_number()), version.is_mariadb(), number);
    let mut conn = rt.block_on(Conn::new(options(port))).expect("root can connect");
    let mut writer = Writer::open(&rt, port);
    // Statements of one session fail at once where they would wait for another's locks.
    rt.block_on(conn.query_drop("SET SESSION lock_wait_timeout = 3")).expect("a setting");
    if !version.is_mariadb() && number < 50_700 {
        rt.block_on(conn.query_drop("SET GLOBAL innodb_file_format = Barracuda")).ok();
    }
    for sql in generator.preparation() {
        rt.block_on(conn.query_drop(&sql)).unwrap_or_else(|e| panic!("{name}: {sql}: {e}"));
    }
    model.catch_up().expect("databases are created");
    let has_metadata = version.is_mariadb() || number >= 80_001;
    let started = Instant::now();
    let mut tally = Tally::default();
    while tally.accepted < statements && tally.tried < statements * 3 {
        let minimal = tally.accepted < statements / 2;
        if has_metadata && (tally.tried == 0 || minimal != generator.style.minimal) {
            generator.style.minimal = minimal;
            let metadata = if minimal { "MINIMAL" } else { "FULL" };
            rt.block_on(conn.query_drop(format!("SET GLOBAL binlog_row_metadata = {metadata}"))).expect("row metadata can be set");
        }
        let step = generator.next(model.schema());
        if step.is_setting {
            let done = rt.block_on(conn.query_drop(step.bytes));
            if std::env::var_os("BINLOGD_TEST_VERBOSE").is_some() {
                println!("  setting: {} {done:?}", step.sql);
            }
            if done.is_err() {
                generator.refused();
            }
            continue;
        }
        tally.tried += 1;
        let accepted = match rt.block_on(conn.query_drop(step.bytes)) {
            Ok(()) => true,
            Err(mysql_async::Error::Server(e)) => {
                if std::env::var_os("BINLOGD_TEST_VERBOSE").is_some() {
                    println!("  refused: {} {}\n      {}", e.code, e.message, step.sql);
                }
                false
            }
            Err(e) => panic!("{name}: the connection broke: {e}\n{}\n(seed {seed})", step.sql),
        };
        tally.accepted += usize::from(accepted);
        if accepted && std::env::var_os("BINLOGD_TEST_VERBOSE").is_some() {
            println!("  ran: {}", step.sql);
        }
        check(&mut tally, &mut model, &generator, &step.sql, &step.named, accepted);
        if accepted && let Some(key) = step.named.first().filter(|k| !k.1.starts_with("tmp")) {
            rows(&mut tally, &mut model, &mut writer, &mut generator, &step.sql, key);
        }
    }
    tally.seconds = started.elapsed().as_secs_f64();
    if has_metadata {
        rt.block_on(conn.query_drop("SET GLOBAL binlog_row_metadata = FULL")).expect("row metadata can be set");
    }
    for database in generator.databases() {
        rt.block_on(conn.query_drop(format!("DROP DATABASE IF EXISTS `{database}`"))).ok();
    }
    tally
}

/// Reads the log to its end and compares what the statement may have changed.
fn check(tally: &mut Tally, model: &mut Model<'_>, generator: &Generator, sql: &str, named: &[TableKey], accepted: bool) {
    let (before, doubtful) = (tally.findings.len(), tally.doubtful);
    let caught_up = model.catch_up();
    let requests = model.requests();
    match caught_up {
        Ok(any) if !any && !accepted => return,
        Ok(_) => {}
        Err(e) => tally.add(Kind::Stopped, sql, format!("{e}")),
    }
    for request in requests {
        if !accepted && request.why.contains("failed on the server") {
            tally.failed_but_logged += 1;
        } else if DOUBTFUL.iter().any(|why| request.why.contains(why)) {
            tally.doubtful += 1;
        } else {
            tally.add(Kind::Reread, sql, request.why);
        }
    }
    if tally.findings.len() == before {
        let (all, mut differences) = model.list(&generator.databases());
        differences.extend(model.databases(&generator.prefix));
        let everything = tally.tried.is_multiple_of(ALL_EVERY);
        let wanted: Vec<TableKey> = if everything { all } else { all.into_iter().filter(|k| named.contains(k)).collect() };
        let (found, compared) = model.compare(&wanted);
        tally.compared += compared;
        differences.extend(found);
        // A table in doubt is not wrong: none of its rows would be output before it is proved.
        if tally.doubtful > doubtful && !differences.is_empty() {
            return model.restart();
        }
        for difference in differences {
            tally.add(Kind::Wrong, sql, difference);
        }
        if everything {
            for difference in model.stored_differences() {
                tally.add(Kind::Store, sql, difference);
            }
        }
    }
    if tally.findings.len() > before {
        model.restart();
    }
}

fn rows(tally: &mut Tally, model: &mut Model<'_>, writer: &mut Writer<'_>, generator: &mut Generator, sql: &str, key: &TableKey) {
    let before = tally.findings.len();
    let tracked = model.table(key).cloned();
    match writer.exchange(&mut generator.dice, model, key) {
        Ok(count) => tally.rows += count,
        Err(e) if e.starts_with("stopped") => tally.add(Kind::Stopped, sql, e),
        Err(e) => tally.add(Kind::Row, sql, e),
    }
    for request in model.requests() {
        // MariaDB's hidden columns are asked for where the log has no names; the definition stays what it was.
        if request.why.contains("columns tracked,")
            && generator.style.mariadb
            && generator.style.minimal
            && model.table(key) == tracked.as_ref()
        {
            tally.doubtful += 1;
        } else {
            tally.add(Kind::Reread, sql, request.why);
        }
    }
    if tally.findings.len() > before {
        model.restart();
    }
}

fn oracle(name: &'static str, variable: &'static str, usual: u64) {
    let Some([port]) = need(&format!("live_ddl_oracle {name}"), [variable]) else { return };
    let rt = Runtime::new().expect("a runtime");
    let _one = rt.block_on(one_at_a_time());
    let (statements, seed) = (number("BINLOGD_TEST_DDL", STATEMENTS) as usize, dice::seed(usual));
    println!("{name}: BINLOGD_TEST_SEED={seed}");
    let tally = run(name, port.parse().expect("a port"), statements, seed);
    println!("{name}: {tally}");
    tally.report(40);
    assert!(tally.findings.is_empty(), "{name}: {} findings with BINLOGD_TEST_SEED={seed}", tally.findings.len());
    assert!(tally.doubtful * 20 < tally.accepted, "{name}: {} statements in doubt", tally.doubtful);
    // A generator whose statements are all refused would prove nothing.
    assert!(tally.accepted >= statements, "{name}: the server refused most statements");
    assert!(tally.rows * 8 > tally.accepted, "{name}: hardly any row was compared");
}

#[test]
fn mysql97() {
    oracle("mysql97", "BINLOGD_TEST_MYSQL97_PORT", 146_991_186);
}

#[test]
fn mysql56() {
    oracle("mysql56", "BINLOGD_TEST_MYSQL56_PORT", 923_147_276);
}

#[test]
fn mariadb1011() {
    oracle("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT", 445_822_517);
}

#[test]
fn mariadb118() {
    oracle("mariadb118", "BINLOGD_TEST_MARIADB118_PORT", 270_276_585);
}

/// A server of this test with row metadata FULL, and a database.
fn with_metadata(name: &str, variable: &'static str, test: impl FnOnce(&Runtime, u16, &str, &mut Model<'_>)) {
    let Some([port]) = need(&format!("live_ddl_oracle {name}"), [variable]) else { return };
    let rt = Runtime::new().expect("a runtime");
    let _one = rt.block_on(one_at_a_time());
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let port = port.parse().expect("a port");
    let database = format!("ddl{}_m", run_number());
    let mut conn = rt.block_on(Conn::new(options(port))).expect("root can connect");
    for sql in ["SET GLOBAL binlog_row_metadata = FULL".to_owned(), format!("CREATE DATABASE {database} CHARACTER SET utf8mb4")] {
        rt.block_on(conn.query_drop(&sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    let mut model = Model::open(&rt, port, SpillDir::open(folder.path(), 1 << 30).expect("a spill folder"));
    test(&rt, port, &database, &mut model);
    rt.block_on(conn.query_drop(format!("DROP DATABASE {database}"))).expect("the database goes");
}

fn sql(rt: &Runtime, port: u16, statements: &[String]) {
    let mut conn = rt.block_on(Conn::new(options(port))).expect("root can connect");
    for sql in statements {
        rt.block_on(conn.query_drop(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

/// information_schema shows such labels as question marks; only the binlog knows them.
#[test]
fn labels_that_only_the_binlog_knows() {
    with_metadata("labels", "BINLOGD_TEST_MYSQL97_PORT", |rt, port, d, model| {
        sql(rt, port, &["SET NAMES utf8mb4".into(), format!("CREATE TABLE {d}.t (id INT PRIMARY KEY, e ENUM('😀','x'))")]);
        model.restart();
        sql(rt, port, &[format!("INSERT INTO {d}.t VALUES (1, 1)")]);
        model.catch_up().expect("rows are read");
        let message = String::from_utf8(model.messages().pop().expect("a row")).expect("text");
        let value: serde_json::Value = serde_json::from_str(&message).expect("JSON");
        assert_eq!(value["data"]["e"], "😀");
        assert!(model.requests().is_empty(), "nobody was asked");
        assert_eq!(model.stored_differences(), [""; 0], "what was mended is stored");
    });
}

/// MariaDB keeps long values unique by a column that nothing but the binlog shows.
#[test]
fn hidden_columns_are_passed_over() {
    with_metadata("hidden", "BINLOGD_TEST_MARIADB1011_PORT", |rt, port, d, model| {
        sql(
            rt,
            port,
            &[
                format!("CREATE TABLE {d}.t (id INT PRIMARY KEY, b TEXT UNIQUE)"),
                format!("INSERT INTO {d}.t VALUES (1, 'one'), (2, 'two')"),
                format!("UPDATE {d}.t SET b = 'three' WHERE id = 2"),
                format!("ALTER TABLE {d}.t ADD c INT FIRST"),
                format!("DELETE FROM {d}.t WHERE id = 1"),
            ],
        );
        model.catch_up().expect("rows are read");
        let messages: Vec<String> = model.messages().into_iter().map(|m| String::from_utf8(m).expect("text")).collect();
        let data: Vec<&str> = messages.iter().filter_map(|m| m.split_once("\"data\":")).map(|(_, data)| data).collect();
        let expected = [
            r#"{"id":1,"b":"one"}}"#,
            r#"{"id":2,"b":"two"}}"#,
            r#"{"id":2,"b":"three"},"old":{"b":"two"}}"#,
            r#"{"c":null,"id":1,"b":"one"}}"#,
        ];
        assert_eq!(data, expected);
        assert!(model.requests().is_empty(), "nobody was asked");
    });
}

/// Without names in the log the server is asked, once, when such a column is met.
#[test]
fn hidden_columns_without_names() {
    with_metadata("hidden without names", "BINLOGD_TEST_MARIADB1011_PORT", |rt, port, d, model| {
        sql(rt, port, &["SET GLOBAL binlog_row_metadata = NO_LOG".into()]);
        let mut step = |statement: String, row: &str, data: &str, asked: usize| {
            sql(rt, port, &[statement.clone(), format!("REPLACE INTO {d}.t {row}")]);
            model.catch_up().unwrap_or_else(|e| panic!("{statement}: {e}"));
            let messages: Vec<String> = model.messages().into_iter().map(|m| String::from_utf8(m).expect("text")).collect();
            let last = messages.last().and_then(|m| m.split_once("\"data\":")).map(|(_, data)| data).expect("a row");
            assert_eq!((last, model.requests().len()), (data, asked), "{statement}");
        };
        step(format!("CREATE TABLE {d}.t (id INT PRIMARY KEY, b VARCHAR(9) UNIQUE)"), "VALUES (1, 'one')", r#"{"id":1,"b":"one"}}"#, 0);
        // The value becomes long, stays so, gets a column beside it, and becomes short again.
        step(format!("ALTER TABLE {d}.t MODIFY b TEXT"), "VALUES (2, 'two')", r#"{"id":2,"b":"two"}}"#, 1);
        step(format!("FLUSH TABLE {d}.t"), "VALUES (3, 'three')", r#"{"id":3,"b":"three"}}"#, 0);
        step(format!("ALTER TABLE {d}.t ADD c BIGINT UNSIGNED"), "VALUES (4, 'four', 4)", r#"{"id":4,"b":"four","c":4}}"#, 1);
        step(format!("CREATE UNIQUE INDEX u ON {d}.t (b, c)"), "VALUES (5, 'five', 5)", r#"{"id":5,"b":"five","c":5}}"#, 1);
        step(format!("ALTER TABLE {d}.t MODIFY b VARCHAR(9)"), "VALUES (6, 'six', 6)", r#"{"id":6,"b":"six","c":6}}"#, 0);
        sql(rt, port, &["SET GLOBAL binlog_row_metadata = FULL".into()]);
    });
}
