//! The random workload: tables, statements that change them, and the comparison of a round.

use std::collections::HashMap;
use std::fmt::Write;

use binlogd::server::ServerIdentity;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use tokio::runtime::Runtime;

use super::columns::{self, Charset, Column, Server, Table};
use super::ddl_oracle::model::{Model, options};
use super::dice::Dice;
use super::json::Members;
use super::literals::CHARACTERS;
use super::live_support::environment::run_number;
use super::replay::{Counts, Rows};

/// Columns of a table beside `rid`.
const COLUMNS: usize = 9;
/// Rows that a table gets by its first statements.
const INSERTS: usize = 1_300;
/// A statement is sent when it has become so long.
const STATEMENT_BYTES: usize = 256 << 10;

pub struct Workload<'a> {
    rt: &'a Runtime,
    conn: Conn,
    server: Server,
    dice: Dice,
    seed: u64,
    database: String,
    pub counts: Counts,
    pub tables: usize,
    pub refused: usize,
    pub wrong: Vec<String>,
}

impl<'a> Workload<'a> {
    pub fn open(rt: &'a Runtime, name: &'static str, port: u16, identity: &ServerIdentity, seed: u64) -> Self {
        let mut conn = rt.block_on(Conn::new(options(port))).expect("root can connect");
        let v = &identity.version;
        let version = u32::from(v.major) * 10_000 + u32::from(v.minor) * 100 + u32::from(v.patch);
        for sql in ["SET NAMES utf8mb4", "SET SESSION time_zone = '+00:00'", "SET SESSION group_concat_max_len = 1000000"] {
            rt.block_on(conn.query_drop(sql)).expect("a session setting");
        }
        // What a failed run has left: its types would stop Maxwell's capture.
        let left: Vec<String> = rt
            .block_on(conn.query("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'values\\_%'"))
            .expect("databases");
        for database in left.iter().filter(|name| *name != "values_end") {
            rt.block_on(conn.query_drop(format!("DROP DATABASE {database}"))).expect("an old database is dropped");
        }
        let charsets = rt.block_on(charsets(&mut conn));
        let server = Server { name, mariadb: v.is_mariadb(), version, charsets, for_maxwell: false };
        Workload {
            rt,
            conn,
            server,
            dice: Dice::new(seed),
            seed,
            database: format!("values_{}", run_number()),
            counts: Counts::default(),
            tables: 0,
            refused: 0,
            wrong: Vec::new(),
        }
    }

    /// Leaves out what the real Maxwell stops at.
    pub fn for_maxwell(&mut self) {
        const DEADLY: [&str; 13] =
            ["armscii8", "dec8", "eucjpms", "geostd8", "hp8", "keybcs2", "koi8r", "koi8u", "latin7", "macce", "swe7", "utf16le", "binary"];
        self.server.for_maxwell = true;
        self.server.charsets.retain(|c| !DEADLY.contains(&c.name.as_str()));
    }

    fn sql(&mut self, sql: &str) {
        self.rt.block_on(self.conn.query_drop(sql)).unwrap_or_else(|e| panic!("{}: {}: {e}", self.server.name, shown(sql)));
    }

    /// A statement that may be refused.
    fn attempt(&mut self, sql: &str) -> bool {
        match self.rt.block_on(self.conn.query_drop(sql)) {
            Ok(()) => true,
            Err(mysql_async::Error::Server(e)) => {
                self.refused += 1;
                if std::env::var_os("BINLOGD_TEST_VERBOSE").is_some() {
                    println!("  refused: {} {}: {}", e.code, e.message, shown(sql));
                }
                false
            }
            Err(e) => panic!("{}: the connection broke: {e}: {}", self.server.name, shown(sql)),
        }
    }

    /// Tables of all kinds of columns, each with rows, until `rows` changes are reached; and the comparison.
    pub fn round(&mut self, model: &mut Model<'_>, round: usize, rows: u64) {
        let (seed, name) = (self.seed, self.server.name);
        let started = self.counts.messages;
        let tables = self.begin_round(round);
        model.catch_up().unwrap_or_else(|e| panic!("{name} (seed {seed}): the tables: {e}"));
        if round % 4 >= 2 {
            // The definitions of information_schema instead of those of the parser.
            model.restart();
        }
        let mut known: HashMap<String, Rows> = HashMap::new();
        for (i, table) in tables.iter().enumerate() {
            if self.counts.messages >= rows && self.counts.messages > started {
                break;
            }
            let image = self.image(i + round);
            self.change(table);
            if let Err(why) = model.catch_up() {
                let asked: Vec<String> = model.requests().into_iter().map(|r| r.why).collect();
                self.wrong.push(format!(
                    "{} under {image} stops the chain: {why}; asked: {asked:?}\n    {}",
                    table.name,
                    shown(&table.create)
                ));
                model.restart();
                model.messages();
                continue;
            }
            let messages = model.messages();
            let rows = known.entry(table.name.clone()).or_default();
            let partial = image != "FULL" && image != "FULL_NODUP";
            let mut taken = Ok(());
            for message in &messages {
                let text = std::str::from_utf8(message).expect("UTF-8");
                let Some(members) = Members::of(text) else {
                    taken = Err(format!("no JSON: {text}"));
                    break;
                };
                if members.text("table").as_deref() == Some(&table.name) {
                    taken = rows.take(table, &members, partial, &mut self.counts).map_err(|why| format!("{why}\n    {}", shown(text)));
                    if taken.is_err() {
                        break;
                    }
                }
            }
            let compared = taken.and_then(|()| self.compare(table, rows));
            if let Err(why) = compared {
                self.wrong.push(format!("{} under {image}: {why}\n    {}", table.name, shown(&table.create)));
            }
        }
        self.forget_logs();
    }

    /// Makes a database with tables of all kinds.
    fn begin_round(&mut self, round: usize) -> Vec<Table> {
        if self.server.mariadb || self.server.version >= 80_001 {
            self.sql(&format!("SET GLOBAL binlog_row_metadata = {}", if round.is_multiple_of(2) { "FULL" } else { "MINIMAL" }));
        }
        let database_charset = self.dice.of(&self.server.charsets).expect("character sets").clone();
        let database = self.database.clone();
        self.sql(&format!("DROP DATABASE IF EXISTS {database}"));
        self.sql(&format!("CREATE DATABASE {database} CHARACTER SET {}", database_charset.name));
        self.sql(&format!("USE {database}"));
        let tables = self.make_tables(&database_charset);
        self.tables += tables.len();
        tables
    }

    /// Sets the session's row image: each in turn.
    fn image(&mut self, number: usize) -> &'static str {
        let images: &[&'static str] = match (self.server.mariadb, self.server.version) {
            (true, 110_500..) if !self.server.for_maxwell => &["FULL", "MINIMAL", "NOBLOB", "FULL_NODUP"],
            _ => &["FULL", "MINIMAL", "NOBLOB"],
        };
        let image = images[number % images.len()];
        self.sql(&format!("SET SESSION binlog_row_image = {image}"));
        image
    }

    /// A round without a comparison: the tables that were made.
    pub fn drive(&mut self, round: usize) -> Vec<Table> {
        let tables = self.begin_round(round);
        for (i, table) in tables.iter().enumerate() {
            self.image(i + round);
            self.change(table);
        }
        tables
    }

    fn make_tables(&mut self, database_charset: &Charset) -> Vec<Table> {
        let mut kinds = columns::kinds(&self.server);
        // Every kind once, in an order of this round.
        for i in (1..kinds.len()).rev() {
            kinds.swap(i, self.dice.below(i + 1));
        }
        let mut tables = Vec::new();
        self.sql("SET SESSION sql_mode = ''");
        for (i, kinds) in kinds.chunks(COLUMNS).enumerate() {
            let table = columns::table(&self.server, database_charset, &format!("t{i}"), kinds, &mut self.dice);
            if self.attempt(&table.create) {
                tables.push(table);
            }
        }
        tables
    }

    /// Inserts, updates, replaces and deletes.
    fn change(&mut self, table: &Table) {
        let mode = self.dice.pick(&["", "ALLOW_INVALID_DATES", "NO_ZERO_DATE,ALLOW_INVALID_DATES", "NO_ZERO_IN_DATE"]);
        self.sql(&format!("SET SESSION sql_mode = '{mode}'"));
        let writable: Vec<&Column> = table.columns.iter().filter(|c| !c.generated).collect();
        self.insert(table, &writable, "INSERT", 0, INSERTS);
        // Some columns get their defaults.
        let some: Vec<&Column> = writable.iter().enumerate().filter(|(i, _)| *i == 0 || self.dice.percent(60)).map(|(_, c)| *c).collect();
        self.insert(table, &some, "INSERT", INSERTS, 100);
        if table.keyed {
            self.insert(table, &writable, "REPLACE", INSERTS / 2, 200);
        }
        self.sql("BEGIN");
        for _ in 0..5 {
            let mut sql = format!("UPDATE `{}` SET ", table.name);
            for n in 0..1 + self.dice.below(3) {
                let column = writable[1 + self.dice.below(writable.len() - 1)];
                let _ = write!(sql, "{}`{}` = ", if n > 0 { ", " } else { "" }, column.name);
                column.literal.write(column.nullable, &mut self.dice, &mut sql);
            }
            let (modulus, rest) = (5 + self.dice.below(8), self.dice.below(5));
            let _ = write!(sql, " WHERE `rid` % {modulus} = {rest}");
            self.attempt(&sql);
        }
        let end = if self.dice.percent(80) { "COMMIT" } else { "ROLLBACK" };
        self.sql(end);
        let delete = format!("DELETE FROM `{}` WHERE `rid` % {} = 1", table.name, 6 + self.dice.below(8));
        self.attempt(&delete);
        self.sql("SET SESSION sql_mode = ''");
    }

    fn insert(&mut self, table: &Table, columns: &[&Column], verb: &str, first: usize, count: usize) {
        let names: Vec<String> = columns.iter().map(|c| format!("`{}`", c.name)).collect();
        let head = format!("{verb} INTO `{}` ({}) VALUES ", table.name, names.join(", "));
        let mut sql = head.clone();
        for i in first..first + count {
            if sql.len() > head.len() {
                sql.push(',');
            }
            let _ = write!(sql, "({i}");
            for column in &columns[1..] {
                sql.push(',');
                column.literal.write(column.nullable, &mut self.dice, &mut sql);
            }
            sql.push(')');
            if sql.len() > STATEMENT_BYTES || i + 1 == first + count {
                self.attempt(&sql);
                sql.clone_from(&head);
            }
        }
    }

    fn compare(&mut self, table: &Table, rows: &mut Rows) -> Result<(), String> {
        let columns: Vec<String> = table.columns.iter().map(Column::select).collect();
        let sql = format!("SELECT {} FROM `{}`", columns.join(", "), table.name);
        let selected: Vec<Row> = self.rt.block_on(self.conn.query(&sql)).unwrap_or_else(|e| panic!("{}: {sql}: {e}", self.server.name));
        for row in selected {
            let values = row.unwrap().into_iter().map(text).collect();
            rows.compare(table, values, &mut self.counts)?;
        }
        rows.rest().map_or(Ok(()), Err)
    }

    /// A long run does not fill the disk with logs that were compared.
    fn forget_logs(&mut self) {
        self.sql("FLUSH BINARY LOGS");
        let status = if self.server.mariadb || self.server.version < 80_400 { "SHOW MASTER STATUS" } else { "SHOW BINARY LOG STATUS" };
        let row: Option<Row> = self.rt.block_on(self.conn.query_first(status)).expect("the log's end");
        if let Some(file) = row.and_then(|r| r.get::<String, _>(0)) {
            // Refused where the last file is still being read.
            let _ = self.rt.block_on(self.conn.query_drop(format!("PURGE BINARY LOGS TO '{file}'")));
        }
    }

    pub fn clean_up(&mut self) {
        let database = self.database.clone();
        self.sql(&format!("DROP DATABASE IF EXISTS {database}"));
        if self.server.mariadb {
            self.sql("SET GLOBAL binlog_row_metadata = NO_LOG");
        } else if self.server.version >= 80_001 {
            self.sql("SET GLOBAL binlog_row_metadata = MINIMAL");
        }
    }
}

fn shown(sql: &str) -> String {
    sql.chars().take(1_500).collect()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())),
        other => Some(other.as_sql(true)),
    }
}

/// The server's character sets, each with those of our characters that it has.
async fn charsets(conn: &mut Conn) -> Vec<Charset> {
    let sql = "SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary' ORDER BY 1";
    let names: Vec<(String, u64)> = conn.query(sql).await.expect("character sets");
    let mut charsets = Vec::new();
    for (name, most) in names {
        let there = |c: char| {
            let hex: String = c.to_string().bytes().map(|b| format!("{b:02X}")).collect();
            format!("CONVERT(CONVERT(_utf8mb4 X'{hex}' USING {name}) USING utf8mb4)")
        };
        let all: Vec<char> = CHARACTERS.chars().collect();
        let mut characters = Vec::new();
        for some in all.chunks(40) {
            let sql = format!("SELECT {}", some.iter().map(|c| there(*c)).collect::<Vec<_>>().join(", "));
            let row: Row = conn.query_first(sql).await.expect("conversions").expect("a row");
            let back = row.unwrap().into_iter().map(text);
            characters.extend(some.iter().zip(back).filter(|(c, back)| back.as_deref() == Some(&c.to_string())).map(|(c, _)| *c));
        }
        let wide = matches!(name.as_str(), "ucs2" | "utf16" | "utf16le" | "utf32");
        charsets.push(Charset { single: most == 1, wide, characters, name });
    }
    charsets
}
