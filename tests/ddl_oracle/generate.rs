//! Statements made by chance: what a session does next, in which manner, on which tables.

use binlogd::schema::{ColumnType, Schema, Table};

use super::clauses;
use super::dice::Dice;
use super::model::TableKey;
use super::style::{Style, Text, encode};

/// Table names; some need quotes, some differ in case only, some have characters of several bytes.
const TABLES: &[&str] = &[
    "t1", "t2", "t3", "T1", "Orders", "orders", "order", "x y", "tick`s", "dq\"s", "täbel", "Ж", "表", "1t", "a$b", "select", "t-1",
    "dot.ted", "#hash", "ソ",
];
/// Tables of one database; beyond it more are dropped.
const TABLES_MAX: usize = 14;

const MODES: &[&str] = &[
    "",
    "",
    "STRICT_ALL_TABLES",
    "ANSI_QUOTES",
    "NO_BACKSLASH_ESCAPES",
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
    "REAL_AS_FLOAT",
    "ANSI",
    "STRICT_TRANS_TABLES,NO_ZERO_DATE",
    "PIPES_AS_CONCAT,IGNORE_SPACE",
];

/// One step of the session under test.
pub struct Step {
    pub sql: String,
    /// As sent.
    pub bytes: Vec<u8>,
    /// Tables that the statement names.
    pub named: Vec<TableKey>,
    /// Sets the session up, and reaches no binlog.
    pub is_setting: bool,
}

pub struct Generator {
    pub dice: Dice,
    pub style: Style,
    /// What all databases' names begin with.
    pub prefix: String,
    default_database: String,
    clients: &'static [&'static str],
    /// Names that may belong to a temporary table of the session. Of LIKE such a table, and of renaming it, MySQL 5.6 and
    /// MariaDB write something into the binlog that is not what they did; their own replicas go wrong there too.
    temporaries: Vec<TableKey>,
    /// Servers leave options out of definitions that they log.
    loses_options: bool,
    /// How the session was before the last setting.
    before: Option<(Style, String, bool)>,
}

impl Generator {
    pub fn new(seed: u64, prefix: String, mariadb: bool, version: u32) -> Self {
        let style = Style { ansi_quotes: false, no_backslash_escapes: false, mariadb, version, minimal: true, client: "utf8mb4" };
        let clients: &[&str] = &["utf8mb4", "utf8mb4", "utf8mb4", "latin1", "utf8", "cp1251", "sjis", "gbk", "big5", "cp932", "binary"];
        Generator {
            dice: Dice::new(seed),
            style,
            default_database: format!("{prefix}a"),
            prefix,
            clients,
            temporaries: Vec::new(),
            loses_options: false,
            before: None,
        }
    }

    pub fn databases(&self) -> Vec<String> {
        ["a", "b", "C", "d"].iter().map(|d| format!("{}{d}", self.prefix)).collect()
    }

    /// Statements that make the databases, to run first.
    pub fn preparation(&self) -> Vec<String> {
        let charsets = ["latin1", "utf8mb4", "cp1251 COLLATE cp1251_bin", "utf8"];
        let mut all: Vec<String> =
            self.databases().iter().zip(charsets).map(|(d, c)| format!("CREATE DATABASE `{d}` CHARACTER SET {c}")).collect();
        if self.style.mariadb {
            // Else the server refuses nearly every change of a versioned table.
            all.push("SET SESSION system_versioning_alter_history = KEEP".into());
        }
        all.push(format!("USE `{}`", self.default_database));
        all
    }

    fn step(&self, sql: String, named: Vec<TableKey>) -> Option<Step> {
        let bytes = encode(self.style.client, &sql)?;
        Some(Step { sql, bytes, named, is_setting: false })
    }

    fn setting(&self, sql: String) -> Step {
        Step { bytes: sql.clone().into_bytes(), sql, named: Vec::new(), is_setting: true }
    }

    /// The next step, given what there is.
    pub fn next(&mut self, schema: &Schema) -> Step {
        loop {
            let made = match self.dice.below(100) {
                0..=4 => Some(self.session()),
                5..=33 => self.create_table(schema),
                34..=76 => self.alter_table(schema),
                77..=82 => self.rename(schema),
                83..=89 => self.drop_tables(schema),
                90..=93 => self.database(schema),
                _ => self.other(schema),
            };
            if let Some(step) = made {
                return step;
            }
        }
    }

    /// The last setting was refused.
    pub fn refused(&mut self) {
        if let Some((style, database, loses_options)) = self.before.take() {
            (self.style, self.default_database, self.loses_options) = (style, database, loses_options);
        }
    }

    fn session(&mut self) -> Step {
        self.before = Some((self.style.clone(), self.default_database.clone(), self.loses_options));
        match self.dice.below(6) {
            0 | 1 => {
                let mode = self.dice.pick(MODES).to_owned();
                self.loses_options = mode == "ANSI";
                self.style.ansi_quotes = mode.contains("ANSI");
                self.style.no_backslash_escapes = mode.contains("NO_BACKSLASH");
                self.setting(format!("SET SESSION sql_mode = '{mode}'"))
            }
            2 => {
                let client = self.dice.pick(self.clients);
                self.style.client = client;
                self.setting(format!("SET NAMES {client}"))
            }
            3 => {
                let charset = self.dice.pick(&["latin1", "utf8mb4", "utf8", "cp1251", "sjis"]).to_owned();
                self.setting(format!("SET SESSION character_set_server = {charset}"))
            }
            4 if !self.style.mariadb && self.style.version >= 80_030 => {
                let on = u8::from(self.dice.percent(50));
                self.setting(format!("SET SESSION sql_generate_invisible_primary_key = {on}"))
            }
            4 if self.style.mariadb && self.style.version >= 110_200 => {
                let maps = self.dice.pick(&["''", "'utf8mb4=utf8mb4_bin'", "'latin1=latin1_bin,utf8mb3=utf8mb3_uca1400_ai_ci'"]).to_owned();
                self.setting(format!("SET SESSION character_set_collations = {maps}"))
            }
            _ => {
                let all = self.databases();
                self.default_database = self.dice.of(&all).cloned().unwrap_or_default();
                // It may be dropped just now; then the last one stays.
                self.setting(format!("USE `{}`", self.default_database))
            }
        }
    }

    fn any_database(&mut self) -> String {
        let all = self.databases();
        if self.dice.percent(70) { self.default_database.clone() } else { self.dice.of(&all).cloned().unwrap_or_default() }
    }

    fn tables(&self, schema: &Schema) -> Vec<TableKey> {
        let ours = schema.databases.iter().filter(|d| d.name.starts_with(&self.prefix));
        let all = ours.flat_map(|d| d.tables.iter().map(|t| (d.name.clone(), t.name.clone())));
        all.filter(|(_, name)| self.style.can_send(name) && !name.starts_with("v_") && !name.starts_with("tmp")).collect()
    }

    fn existing(&mut self, schema: &Schema) -> Option<TableKey> {
        let tables = self.tables(schema);
        self.dice.of(&tables).cloned()
    }

    /// A name that may be taken or free.
    fn new_name(&mut self) -> TableKey {
        let database = self.any_database();
        loop {
            let name = self.dice.pick(TABLES).to_owned();
            if self.style.can_send(&name) {
                return (database, if self.dice.percent(40) { format!("{name}{}", self.dice.below(5)) } else { name });
            }
        }
    }

    /// The database to write before the table's name, if it is to be written.
    fn qualifier(&mut self, key: &TableKey) -> Option<String> {
        (key.0 != self.default_database || self.dice.percent(30)).then(|| key.0.clone())
    }

    fn write(&mut self, f: impl FnOnce(&mut Text<'_>) -> Option<()>) -> Option<String> {
        let style = self.style.clone();
        let mut text = Text::new(&style, &mut self.dice);
        f(&mut text)?;
        Some(text.finish().trim_start().to_owned())
    }

    fn create_table(&mut self, schema: &Schema) -> Option<Step> {
        let key = self.new_name();
        let known = self.tables(schema);
        if known.iter().filter(|k| k.0 == key.0).count() > TABLES_MAX {
            return self.drop_tables(schema);
        }
        let qualifier = self.qualifier(&key);
        let source = self.dice.of(&known).cloned().filter(|s| !self.temporaries.contains(s));
        let has_odd_labels = source.as_ref().and_then(|s| schema.table(&s.0, &s.1)).is_some_and(|table| {
            let is_binary = |ty: &ColumnType| ty.charset().is_none_or(|c| c.eq_ignore_ascii_case("binary"));
            table.columns.iter().any(|c| is_binary(&c.ty) && c.ty.labels().is_some_and(|labels| labels.iter().any(|l| !l.is_ascii())))
        });
        let source_database = source.as_ref().and_then(|s| self.qualifier(s));
        let kind = self.dice.below(20);
        // What is in doubt there is proved by nothing before its rows come, in the same transaction.
        if matches!(kind, 2 | 3) && (has_odd_labels || self.loses_options || self.style.no_backslash_escapes) {
            return None;
        }
        let mariadb = self.style.mariadb;
        let wait = mariadb && self.dice.percent(4);
        let sql = self.write(|t| {
            if wait {
                t.kw("SET STATEMENT").maybe(100, &["max_statement_time=100 FOR", "lock_wait_timeout=5, sort_buffer_size=100000 FOR"]);
            }
            t.kw("CREATE");
            let replaced = mariadb && t.dice.percent(15);
            if replaced {
                t.kw("OR REPLACE");
            }
            t.kw("TABLE");
            if !replaced {
                t.maybe(30, &["IF NOT EXISTS"]);
            }
            t.table(qualifier.as_deref(), &key.1);
            match (kind, &source) {
                (0 | 1, Some(source)) => {
                    if t.dice.percent(50) {
                        t.kw("LIKE").table(source_database.as_deref(), &source.1);
                    } else {
                        t.open().kw("LIKE").table(source_database.as_deref(), &source.1).close();
                    }
                }
                (2, Some(source)) => {
                    clauses::charset_maybe(t, 40);
                    t.maybe(50, &["AS", "IGNORE", "REPLACE AS"]).kw("SELECT * FROM").table(source_database.as_deref(), &source.1);
                }
                (3, Some(source)) => {
                    t.open().kw("z INT").close();
                    clauses::table_options(t);
                    t.kw("SELECT 1 AS one, 'x' AS two, NOW() AS three, CAST(NULL AS UNSIGNED) AS four FROM");
                    t.table(source_database.as_deref(), &source.1);
                }
                (4, _) if mariadb => {
                    clauses::table_elements(t);
                    t.kw("WITH SYSTEM VERSIONING");
                }
                (5, _) if mariadb => {
                    t.raw("(`id` INT, s DATE, e DATE, PERIOD FOR p (s, e), PRIMARY KEY (id, p WITHOUT OVERLAPS), v VARCHAR(9))");
                    clauses::charset_maybe(t, 50);
                }
                (6, _) if mariadb => {
                    t.raw("(x INT, rs TIMESTAMP(6) GENERATED ALWAYS AS ROW START, re TIMESTAMP(6) GENERATED ALWAYS AS ROW END");
                    t.out_maybe(50, ", PRIMARY KEY (x)").out_maybe(100, ", PERIOD FOR SYSTEM_TIME (rs, re)) WITH SYSTEM VERSIONING");
                }
                _ => {
                    clauses::table_elements(t);
                    clauses::table_options(t);
                }
            }
            Some(())
        })?;
        self.step(sql, vec![key])
    }

    fn alter_table(&mut self, schema: &Schema) -> Option<Step> {
        let key = self.existing(schema)?;
        let table: Table = Table::clone(schema.table(&key.0, &key.1)?);
        let qualifier = self.qualifier(&key);
        // MariaDB leaves a dead name behind when such a table is altered and renamed at once.
        let is_plain = key.1.chars().all(|c| c.is_ascii_alphanumeric()) || !self.style.mariadb;
        let target = (self.dice.percent(5) && is_plain && !self.temporaries.contains(&key)).then(|| self.new_name());
        let target_database = target.as_ref().and_then(|k| self.qualifier(k));
        let mariadb = self.style.mariadb;
        let old = self.style.version < 50_700;
        let sql = self.write(|t| {
            t.kw("ALTER");
            if mariadb || old {
                t.maybe(6, &["ONLINE", "IGNORE"].map(|w| if old && w == "ONLINE" { "IGNORE" } else { w }));
            }
            t.kw("TABLE");
            if mariadb {
                t.maybe(10, &["IF EXISTS"]);
            }
            t.table(qualifier.as_deref(), &key.1);
            if mariadb {
                t.maybe(6, &["NOWAIT", "WAIT 3"]);
            }
            let count = [1, 1, 1, 2, 2, 3, 4][t.dice.below(7)];
            let mut new = Vec::new();
            for i in 0..count {
                if i > 0 {
                    t.comma();
                }
                clauses::alter_clause(t, &table, &mut new)?;
            }
            if let Some(target) = &target {
                t.comma().kw("RENAME").maybe(60, &["TO", "AS"]).table(target_database.as_deref(), &target.1);
            }
            Some(())
        })?;
        let named = [Some(key), target].into_iter().flatten().collect();
        self.step(sql, named)
    }

    fn rename(&mut self, schema: &Schema) -> Option<Step> {
        let (first, second) = (self.existing(schema)?, self.existing(schema)?);
        let (new, third) = (self.new_name(), self.new_name());
        if [&first, &second, &new, &third].iter().any(|k| self.temporaries.contains(k)) {
            return None;
        }
        let pairs = match self.dice.below(5) {
            // A swap over a third name.
            0 => vec![(first.clone(), third.clone()), (second.clone(), first.clone()), (third, second)],
            1 => vec![(first.clone(), new.clone()), (new, third)],
            // The second half may fail.
            2 => vec![(first, new), (second, third)],
            _ => vec![(first, new)],
        };
        let written: Vec<(Option<String>, String, Option<String>, String)> =
            pairs.iter().map(|(a, b)| (self.qualifier(a), a.1.clone(), self.qualifier(b), b.1.clone())).collect();
        let mariadb = self.style.mariadb;
        let sql = self.write(|t| {
            t.kw("RENAME").maybe(100, &["TABLE", "TABLE", "TABLES"]);
            if mariadb {
                t.maybe(15, &["IF EXISTS"]);
            }
            for (i, (from_database, from, to_database, to)) in written.iter().enumerate() {
                if i > 0 {
                    t.comma();
                }
                t.table(from_database.as_deref(), from);
                if mariadb {
                    t.maybe(8, &["WAIT 2", "NOWAIT"]);
                }
                t.kw("TO").table(to_database.as_deref(), to);
            }
            Some(())
        })?;
        let named = pairs.into_iter().flat_map(|(a, b)| [a, b]).collect();
        self.step(sql, named)
    }

    fn drop_tables(&mut self, schema: &Schema) -> Option<Step> {
        let mut named = vec![self.existing(schema)?];
        while self.dice.percent(40) {
            // Some are missing, and the statement fails half-way.
            let key = if self.dice.percent(60) { self.existing(schema)? } else { self.new_name() };
            if !named.contains(&key) {
                named.push(key);
            }
        }
        let written: Vec<(Option<String>, String)> = named.iter().map(|k| (self.qualifier(k), k.1.clone())).collect();
        let mariadb = self.style.mariadb;
        let sql = self.write(|t| {
            t.kw("DROP").maybe(100, &["TABLE", "TABLE", "TABLES"]).maybe(50, &["IF EXISTS"]);
            for (i, (database, table)) in written.iter().enumerate() {
                if i > 0 {
                    t.comma();
                }
                t.table(database.as_deref(), table);
            }
            if mariadb {
                t.maybe(10, &["WAIT 3", "NOWAIT"]);
            }
            t.maybe(10, &["RESTRICT", "CASCADE"]);
            Some(())
        })?;
        self.step(sql, named)
    }

    fn database(&mut self, schema: &Schema) -> Option<Step> {
        let name = self.any_database();
        let own = name == self.default_database;
        let (mariadb, roll) = (self.style.mariadb, self.dice.below(10));
        let inside = self.tables(schema).into_iter().filter(|k| k.0 == name).count();
        let sql = self.write(|t| {
            match roll {
                0..=5 => {
                    t.kw("ALTER").maybe(100, &["DATABASE", "SCHEMA"]);
                    if !own || t.dice.percent(50) {
                        t.name(&name);
                    }
                    clauses::charset_option(t);
                    clauses::charset_maybe(t, 20);
                    if mariadb {
                        t.maybe(10, &["COMMENT 'charset = latin1'", "COMMENT = 'x'"]);
                    }
                }
                6 if inside < 6 && !own => {
                    t.kw("DROP").maybe(100, &["DATABASE", "SCHEMA"]).maybe(50, &["IF EXISTS"]).name(&name);
                }
                6 => return None,
                _ => {
                    t.kw("CREATE");
                    // Replacing it leaves the session without a default database.
                    let replaced = mariadb && !own && inside < 4 && t.dice.percent(20);
                    if replaced {
                        t.kw("OR REPLACE");
                    }
                    t.maybe(100, &["DATABASE", "SCHEMA"]);
                    if !replaced {
                        t.maybe(70, &["IF NOT EXISTS"]);
                    }
                    t.name(&name);
                    clauses::charset_maybe(t, 70);
                }
            }
            Some(())
        })?;
        self.step(sql, Vec::new())
    }

    /// What changes no definition, or only those of temporary tables, and sequences.
    fn other(&mut self, schema: &Schema) -> Option<Step> {
        let key = self.existing(schema)?;
        let qualifier = self.qualifier(&key);
        let table: Table = Table::clone(schema.table(&key.0, &key.1)?);
        let (mariadb, roll) = (self.style.mariadb, self.dice.below(13));
        let column = table.columns.first()?.name.clone();
        if !self.style.can_send(&column) {
            return None;
        }
        let temporary = (self.any_database(), key.1.clone());
        let temporary_database = self.qualifier(&temporary);
        let sql = self.write(|t| {
            let named = |t: &mut Text<'_>| {
                t.table(qualifier.as_deref(), &key.1);
            };
            match roll {
                0 => {
                    t.kw("CREATE").maybe(30, &["UNIQUE"]).kw("INDEX i1 ON");
                    named(t);
                    t.open().name(&column).close();
                }
                1 => {
                    t.kw("DROP INDEX").maybe(100, &["`PRIMARY`", "i1", "`primary`"]).kw("ON");
                    named(t);
                }
                2 => {
                    t.kw("TRUNCATE").maybe(50, &["TABLE"]);
                    named(t);
                }
                3 => {
                    t.maybe(100, &["ANALYZE TABLE", "OPTIMIZE TABLE", "CHECK TABLE", "REPAIR NO_WRITE_TO_BINLOG TABLE"]);
                    named(t);
                }
                4 => {
                    t.kw("CREATE").maybe(50, &["OR REPLACE", "ALGORITHM=MERGE"]).kw("VIEW v_1 AS SELECT * FROM");
                    named(t);
                }
                5 => drop(t.kw("DROP VIEW IF EXISTS v_1")),
                6 => {
                    t.kw("CREATE TRIGGER tr1 BEFORE INSERT ON");
                    named(t);
                    t.raw("FOR EACH ROW BEGIN SET @x = 'DROP TABLE y'; END");
                }
                7 => drop(t.kw("DROP TRIGGER IF EXISTS tr1")),
                // A temporary table in front of a real one of the same name.
                8 | 9 => {
                    t.kw("CREATE TEMPORARY TABLE").maybe(50, &["IF NOT EXISTS"]).table(temporary_database.as_deref(), &temporary.1);
                    t.raw("(tmp INT, other VARCHAR(3))");
                }
                10 => drop(t.kw("DROP TEMPORARY TABLE IF EXISTS").table(temporary_database.as_deref(), &temporary.1)),
                11 if mariadb => {
                    t.kw("CREATE")
                        .maybe(40, &["OR REPLACE"])
                        .kw("SEQUENCE s1")
                        .maybe(50, &["START WITH 5 INCREMENT BY 2", "CACHE 10 CYCLE", "MINVALUE 1"]);
                }
                12 if mariadb => {
                    t.maybe(100, &["DROP SEQUENCE IF EXISTS s1", "ALTER SEQUENCE s1 RESTART 7", "DROP TABLE IF EXISTS s1"]);
                }
                _ => return None,
            }
            Some(())
        })?;
        if matches!(roll, 8 | 9) {
            self.temporaries.push(temporary.clone());
        }
        let sequence = (self.default_database.clone(), "s1".to_owned());
        self.step(sql, vec![key, temporary, sequence])
    }
}
