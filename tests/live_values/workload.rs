//! The random workload: tables, statements that change them, and the comparison of a round.

use std::collections::HashMap;
use std::fmt::Write;

use binlogd::server::ServerIdentity;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use tokio::runtime::Runtime;

use super::columns::{self, Charset, Column, Server, Table};
use super::corners::{self, Corner, Suite};
use super::ddl_oracle::model::{Model, options};
use super::dice::Dice;
use super::json::Members;
use super::literals::CHARACTERS;
use super::live_support::environment::run_number;
use super::replay::{Counts, Rows};
use super::sessions::Sessions;
use super::special;

/// Columns of a table beside `rid`.
const COLUMNS: usize = 9;
/// Rows that a table gets by its first statements.
const INSERTS: usize = 1_300;
/// Corners that stand in one table.
const CORNERS: usize = 40;
/// A statement is sent when it has become so long.
const STATEMENT_BYTES: usize = 256 << 10;

pub struct Workload<'a> {
    /// The server's `binlog_row_metadata`, where it has one.
    metadata_before: Option<String>,
    rt: &'a Runtime,
    /// It makes tables and reads them; the others write.
    conn: Conn,
    sessions: Sessions,
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
        let metadata: Option<(String, String)> =
            rt.block_on(conn.query_first("SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'")).expect("a variable");
        Workload {
            metadata_before: metadata.map(|(_, word)| word),
            rt,
            conn,
            sessions: Sessions::open(rt, port),
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
        let done = self.rt.block_on(self.conn.query_drop(sql));
        self.judge(sql, done)
    }

    /// The same by the session whose turn it is.
    fn write(&mut self, sql: &str) -> bool {
        let done = self.rt.block_on(self.sessions.current().query_drop(sql));
        self.judge(sql, done)
    }

    fn judge(&mut self, sql: &str, done: Result<(), mysql_async::Error>) -> bool {
        match done {
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
            self.shuffle(i + round);
            self.change(table);
            let partial = self.sessions.are_partial();
            self.follow(model, table, partial, known.entry(table.name.clone()).or_default());
        }
        if self.wrong.is_empty() {
            self.forget_logs();
        }
    }

    /// Takes the messages of what was written to a table, and compares the table.
    fn follow(&mut self, model: &mut Model<'_>, table: &Table, partial: bool, rows: &mut Rows) {
        let images = self.sessions.images();
        if let Err(why) = model.catch_up() {
            let asked: Vec<String> = model.requests().into_iter().map(|r| r.why).collect();
            self.wrong.push(format!(
                "{} under {images} stops the chain: {why}; asked: {asked:?}\n    {}",
                table.name,
                shown(&table.create)
            ));
            model.restart();
            model.messages();
            return;
        }
        let messages = model.messages();
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
            self.wrong.push(format!("{} under {images}: {why}\n    {}", table.name, shown(&table.create)));
        }
    }

    /// Corner values, each in a row of its own.
    pub fn corners(&mut self, model: &mut Model<'_>) {
        let server = self.server.clone();
        for suite in corners::suites(&server) {
            self.metadata("FULL");
            let database = self.database.clone();
            self.sql(&format!("DROP DATABASE IF EXISTS {database}"));
            self.sql(&format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"));
            self.sql(&format!("USE {database}"));
            self.sql("SET SESSION sql_mode = ''");
            if suite.old_times {
                self.sql("SET GLOBAL mysql56_temporal_format = OFF");
            }
            let tables: Vec<(Table, &[Corner])> = suite
                .corners
                .chunks(CORNERS)
                .enumerate()
                .map(|(i, corners)| (corners::table(&format!("{}{i}", suite.name), corners), corners))
                .filter(|(table, _)| {
                    let made = self.attempt(&table.create);
                    if !made {
                        self.wrong.push(format!("{}: is refused\n    {}", table.name, shown(&table.create)));
                    }
                    made
                })
                .collect();
            if suite.old_times {
                self.sql("SET GLOBAL mysql56_temporal_format = ON");
            }
            self.tables += tables.len();
            for (table, corners) in &tables {
                self.corner_rows(model, &suite, table, corners);
            }
        }
    }

    fn corner_rows(&mut self, model: &mut Model<'_>, suite: &Suite, table: &Table, corners: &[Corner]) {
        let mut rid = 0;
        for mode in suite.modes {
            self.sql(&format!("SET SESSION sql_mode = '{mode}'"));
            self.sql("BEGIN");
            for corner in corners {
                let head = format!("INSERT INTO `{}` (`rid`, `{}`) VALUES", table.name, corner.column.name);
                let rows: Vec<String> = corner.values.iter().zip(rid..).map(|(value, rid)| format!("({rid}, {value})")).collect();
                rid += rows.len();
                // All at once, or the many labels of one table would be logged with every row; where one is refused, each alone.
                if !self.attempt(&format!("{head} {}", rows.join(", "))) {
                    for row in rows {
                        self.attempt(&format!("{head} {row}"));
                    }
                }
            }
            self.sql("COMMIT");
        }
        let mut rows = Rows::default();
        self.follow(model, table, false, &mut rows);
        // Once more without row metadata, and with what information_schema says.
        self.metadata("MINIMAL");
        let mut rows = Rows::default();
        model.restart();
        self.sql("SET SESSION sql_mode = ''");
        self.sql(&format!("CREATE TABLE `{0} again` LIKE `{0}`", table.name));
        let again = Table { name: format!("{} again", table.name), ..table.clone() };
        self.sql(&format!("INSERT INTO `{}` SELECT * FROM `{}`", again.name, table.name));
        self.sql(&format!("UPDATE `{}` SET `turn` = 1 WHERE `rid` % 2 = 0", again.name));
        self.follow(model, &again, false, &mut rows);
        self.metadata("FULL");
    }

    /// Versioned tables, sequences, hidden and generated columns, with both kinds of row metadata.
    pub fn special(&mut self, model: &mut Model<'_>) {
        for word in ["FULL", "MINIMAL"] {
            self.metadata(word);
            let database = self.database.clone();
            self.sql(&format!("DROP DATABASE IF EXISTS {database}"));
            self.sql(&format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"));
            self.sql(&format!("USE {database}"));
            for special in special::all(&self.server) {
                match special::compare(self.rt, &mut self.conn, model, &special) {
                    Ok(values) => self.counts.values += values as u64,
                    Err(why) => {
                        self.wrong.push(format!("{word}: {why}"));
                        model.restart();
                        model.messages();
                    }
                }
            }
        }
    }

    fn metadata(&mut self, word: &str) {
        if self.server.mariadb || self.server.version >= 80_001 {
            self.sql(&format!("SET GLOBAL binlog_row_metadata = {word}"));
        }
    }

    /// The characters of every character set.
    pub fn charsets(&mut self) -> super::charsets::Checked {
        super::charsets::check(self.rt, &mut self.conn)
    }

    /// Settings of the writing sessions for the next table.
    fn shuffle(&mut self, number: usize) {
        let (server, database) = (self.server.clone(), self.database.clone());
        self.sessions.shuffle(self.rt, &server, &database, number, &mut self.dice);
    }

    /// Makes a database with tables of all kinds.
    fn begin_round(&mut self, round: usize) -> Vec<Table> {
        self.metadata(if round.is_multiple_of(2) { "FULL" } else { "MINIMAL" });
        let database_charset = self.dice.of(&self.server.charsets).expect("character sets").clone();
        let database = self.database.clone();
        self.sql(&format!("DROP DATABASE IF EXISTS {database}"));
        self.sql(&format!("CREATE DATABASE {database} CHARACTER SET {}", database_charset.name));
        self.sql(&format!("USE {database}"));
        // Maxwell does not know how long old times with fractions are.
        let old_times = self.server.mariadb && !self.server.for_maxwell && round % 3 == 1;
        if old_times {
            self.sql("SET GLOBAL mysql56_temporal_format = OFF");
        }
        let tables = self.make_tables(&database_charset);
        if old_times {
            self.sql("SET GLOBAL mysql56_temporal_format = ON");
        }
        self.tables += tables.len();
        tables
    }

    /// A round without a comparison: the tables that were made.
    pub fn drive(&mut self, round: usize) -> Vec<Table> {
        let tables = self.begin_round(round);
        for (i, table) in tables.iter().enumerate() {
            self.shuffle(i + round);
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
        let writable: Vec<&Column> = table.columns.iter().filter(|c| !c.generated).collect();
        self.insert(table, &writable, "INSERT", 0, INSERTS);
        // Some columns get their defaults.
        let some: Vec<&Column> = writable.iter().enumerate().filter(|(i, _)| *i == 0 || self.dice.percent(60)).map(|(_, c)| *c).collect();
        self.insert(table, &some, "INSERT", INSERTS, 100);
        if table.keyed {
            self.insert(table, &writable, "REPLACE", INSERTS / 2, 200);
        }
        self.sessions.turn(&mut self.dice);
        self.write("BEGIN");
        for _ in 0..5 {
            let mut sql = format!("UPDATE `{}` SET ", table.name);
            for n in 0..1 + self.dice.below(3) {
                let column = writable[1 + self.dice.below(writable.len() - 1)];
                let _ = write!(sql, "{}`{}` = ", if n > 0 { ", " } else { "" }, column.name);
                column.literal.write(column.nullable, &mut self.dice, &mut sql);
            }
            let (modulus, rest) = (5 + self.dice.below(8), self.dice.below(5));
            let _ = write!(sql, " WHERE `rid` % {modulus} = {rest}");
            self.write(&sql);
        }
        let end = if self.dice.percent(80) { "COMMIT" } else { "ROLLBACK" };
        self.write(end);
        self.sessions.turn(&mut self.dice);
        let delete = format!("DELETE FROM `{}` WHERE `rid` % {} = 1", table.name, 6 + self.dice.below(8));
        self.write(&delete);
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
                self.sessions.turn(&mut self.dice);
                self.write(&sql);
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
        if let Some(word) = self.metadata_before.take() {
            self.sql(&format!("SET GLOBAL binlog_row_metadata = '{word}'"));
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
