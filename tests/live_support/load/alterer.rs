//! The connection that alters the tables under the load: columns are added, dropped, renamed, moved and widened, tables
//! are made, renamed and dropped. It changes rows too, so that the columns it made hold values.

use std::collections::HashMap;
use std::time::Duration;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::journal::{Change, Op, Outcome, RowKey};
use super::session::{Failure, Session};
use super::tables::{self, OWNERS, TABLES};
use super::values;

/// Its rows, by the rest of the division of their number.
const OWNER: u64 = OWNERS - 1;
/// No column is added beyond these.
const COLUMNS_MAX: usize = 8;
const PAUSE: Duration = Duration::from_millis(400);

/// A kind of column: prefix of its names, first and wider definition (a widened value reads the same), values.
struct Kind {
    prefix: &'static str,
    definition: &'static str,
    wider: &'static str,
    values: [&'static str; 3],
}

const KINDS: [Kind; 8] = [
    Kind { prefix: "i", definition: "int NOT NULL DEFAULT 7", wider: "bigint NOT NULL DEFAULT 7", values: ["-2147483648", "0", "5"] },
    Kind {
        prefix: "u",
        definition: "int unsigned NOT NULL DEFAULT 4000000000",
        wider: "bigint unsigned NOT NULL DEFAULT 18446744073709551615",
        values: ["4294967295", "0", "2147483648"],
    },
    Kind {
        prefix: "s",
        definition: "varchar(20) CHARACTER SET utf8mb4 NOT NULL DEFAULT 'Öl, 東'",
        wider: "varchar(300) CHARACTER SET utf8mb4 NOT NULL DEFAULT 'more'",
        values: ["'été 😀'", "''", "'x'"],
    },
    Kind {
        prefix: "l",
        definition: "varchar(20) CHARACTER SET latin1 NULL",
        wider: "varchar(20) CHARACTER SET utf8mb4 NULL",
        values: ["'naïve'", "NULL", "'plain'"],
    },
    Kind { prefix: "e", definition: "enum('a','b') NULL", wider: "enum('a','b','ç') NULL", values: ["'a'", "NULL", "'b'"] },
    Kind { prefix: "d", definition: "decimal(8,2) NULL", wider: "decimal(18,2) NULL", values: ["-0.05", "NULL", "123456.78"] },
    Kind {
        prefix: "t",
        definition: "datetime(3) NULL",
        wider: "datetime(3) NULL",
        values: ["'2026-02-03 04:05:06.789'", "NULL", "'1999-12-31 23:59:59'"],
    },
    Kind { prefix: "j", definition: "json NULL", wider: "json NULL", values: ["'{\"k\": [1, \"ß\"]}'", "NULL", "'[]'"] },
];

fn kind_of(column: &str) -> Option<&'static Kind> {
    let (prefix, _) = column.split_once('_')?;
    KINDS.iter().find(|kind| kind.prefix == prefix)
}

pub struct Alterer {
    session: Session,
    rng: StdRng,
    /// The added columns of each table.
    columns: HashMap<&'static str, Vec<String>>,
    stale: bool,
    /// Names are never used twice, so that an old row image and the table agree on every name they share.
    serial: u64,
}

impl Alterer {
    pub fn new(session: Session, seed: u64) -> Self {
        Alterer { session, rng: StdRng::seed_from_u64(seed), columns: HashMap::new(), stale: true, serial: 0 }
    }

    /// Works until the load is stopped.
    pub async fn run(mut self) {
        while !self.session.pause(PAUSE).await {
            if !self.session.connected().await || (self.stale && self.read_columns().await.is_err()) {
                self.stale = true;
                continue;
            }
            let result = if self.rng.random_bool(0.2) { self.new_table().await } else { self.alter().await };
            // A statement that got no lock has changed nothing; one without an answer may have.
            self.stale |= result == Err(Failure::Lost);
        }
    }

    async fn read_columns(&mut self) -> Result<(), Failure> {
        for table in &TABLES {
            let sql = format!(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = '{}' AND table_name = '{}'",
                self.session.database, table.name
            );
            let names = self.session.texts(&sql).await?;
            self.columns.insert(table.name, names.into_iter().filter(|n| kind_of(n).is_some()).collect());
        }
        self.stale = false;
        Ok(())
    }

    /// One ALTER of a table that is in use, then a row that uses it.
    async fn alter(&mut self) -> Result<(), Failure> {
        let table = TABLES.choose(&mut self.rng).expect("tables").name;
        let mut columns = self.columns.get(table).cloned().unwrap_or_default();
        let mut clauses = Vec::new();
        for _ in 0..self.rng.random_range(1..=2) {
            clauses.push(self.clause(&mut columns, &clauses));
        }
        clauses.retain(|c| !c.is_empty());
        self.session.run(&format!("ALTER TABLE {table} {}", clauses.join(", "))).await?;
        self.columns.insert(table, columns);
        self.insert_or_update(table).await
    }

    /// A clause, and what becomes of the columns by it. Only the first clause of a statement names an existing column.
    fn clause(&mut self, columns: &mut Vec<String>, before: &[String]) -> String {
        let first = before.is_empty();
        let existing = if first { columns.choose(&mut self.rng).cloned() } else { None };
        let choice = if columns.len() >= COLUMNS_MAX { 50 } else { self.rng.random_range(0..100) };
        match (existing, choice) {
            (Some(name), 40..62) => {
                columns.retain(|c| *c != name);
                format!("DROP COLUMN {name}")
            }
            (Some(name), 62..80) => self.rename(columns, &name),
            (Some(name), 80..) => {
                let wider = kind_of(&name).map_or("", |kind| kind.wider);
                format!("MODIFY COLUMN {name} {wider}{}", self.place())
            }
            _ => {
                let kind = KINDS.choose(&mut self.rng).expect("kinds");
                let name = self.name(kind.prefix);
                columns.push(name.clone());
                format!("ADD COLUMN {name} {}{}", kind.definition, self.place())
            }
        }
    }

    fn rename(&mut self, columns: &mut Vec<String>, name: &str) -> String {
        let kind = kind_of(name).expect("a column that was added");
        let new = self.name(kind.prefix);
        columns.retain(|c| c != name);
        columns.push(new.clone());
        if self.rng.random_bool(0.5) {
            format!("RENAME COLUMN {name} TO {new}")
        } else {
            format!("CHANGE COLUMN {name} {new} {}", kind.wider)
        }
    }

    fn name(&mut self, prefix: &str) -> String {
        self.serial += 1;
        format!("{prefix}_{}", self.serial)
    }

    fn place(&mut self) -> &'static str {
        ["", "", " FIRST", " AFTER txt"].choose(&mut self.rng).copied().unwrap_or_default()
    }

    /// Changes or inserts a row of its own, with values in the added columns.
    async fn insert_or_update(&mut self, table: &'static str) -> Result<(), Failure> {
        let id = self.rng.random_range(0..30) * OWNERS + OWNER;
        let found = self.session.numbers::<1>(&format!("SELECT v FROM {table} WHERE id = {id}")).await?;
        let (number, version) = (self.session.journal.next_transaction(), self.session.journal.next_version());
        let added = self.columns.get(table).cloned().unwrap_or_default();
        let pairs: Vec<(String, &str)> = added
            .into_iter()
            .filter_map(|name| kind_of(&name).map(|kind| (name, *kind.values.choose(&mut self.rng).expect("values"))))
            .collect();
        let (op, sql) = if found.is_empty() {
            let names: String = pairs.iter().map(|(name, _)| format!(", {name}")).collect();
            let literals: String = pairs.iter().map(|(_, value)| format!(", {value}")).collect();
            let head = tables::insert_head(id, version, number);
            let values = values::all(&mut self.rng);
            (Op::Insert, format!("INSERT INTO {table} ({}{names}) VALUES ({head}, {values}{literals})", tables::insert_columns()))
        } else {
            let assignments: String = pairs.iter().map(|(name, value)| format!(", {name} = {value}")).collect();
            (Op::Update, format!("UPDATE {table} SET v = {version}, tx = {number}{assignments} WHERE id = {id}"))
        };
        let change = Change { key: RowKey { table: table.into(), id }, op, version };
        ended(self.session.commit_alone(number, &sql, vec![change]).await)
    }

    /// Makes a table, fills it, alters it, renames it, fills it again; every third is emptied and dropped.
    async fn new_table(&mut self) -> Result<(), Failure> {
        self.serial += 1;
        let serial = self.serial;
        let (made, kept) = (format!("made_{serial}"), format!("kept_{serial}"));
        let body =
            "id bigint unsigned NOT NULL PRIMARY KEY, v bigint unsigned NOT NULL, tx bigint unsigned NOT NULL, note varchar(40) NULL";
        self.session.run(&format!("CREATE TABLE {made} ({body}) CHARACTER SET utf8mb4")).await?;
        self.small_row(&made, 1).await?;
        self.session.run(&format!("ALTER TABLE {made} ADD COLUMN extra int NOT NULL DEFAULT {serial} AFTER id")).await?;
        self.small_row(&made, 2).await?;
        self.session.run(&format!("RENAME TABLE {made} TO {kept}")).await?;
        let version = self.small_row(&kept, 3).await?;
        if serial.is_multiple_of(3) {
            let number = self.session.journal.next_transaction();
            let change = Change { key: RowKey { table: kept.as_str().into(), id: 3 }, op: Op::Delete, version };
            ended(self.session.commit_alone(number, &format!("DELETE FROM {kept} WHERE id = 3"), vec![change]).await)?;
            self.session.run(&format!("DROP TABLE {kept}")).await?;
        }
        Ok(())
    }

    async fn small_row(&mut self, table: &str, id: u64) -> Result<u64, Failure> {
        let (number, version) = (self.session.journal.next_transaction(), self.session.journal.next_version());
        let change = Change { key: RowKey { table: table.into(), id }, op: Op::Insert, version };
        let sql = format!("INSERT INTO {table} (id, v, tx, note) VALUES ({id}, {version}, {number}, 'größe {id}')");
        ended(self.session.commit_alone(number, &sql, vec![change]).await)?;
        Ok(version)
    }
}

fn ended(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Committed => Ok(()),
        Outcome::RolledBack => Err(Failure::Refused),
        Outcome::Unknown => Err(Failure::Lost),
    }
}
