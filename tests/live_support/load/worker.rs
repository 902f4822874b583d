//! A connection that changes rows: statements on its own rows that commit by themselves, and transactions over several
//! tables, also on rows that all connections share.

use std::collections::HashMap;
use std::time::Duration;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::journal::{Change, Op, Outcome, RowKey};
use super::session::{Failure, Session};
use super::tables::{self, MARKS, OWNERS, TABLES};
use super::values;

/// Rows that all connections change.
const SHARED_ROWS: u64 = 40;
/// Rows of one connection; more are not inserted.
const OWN_ROWS: usize = 3_000;
/// Rows of a large transaction.
const MANY: u64 = 300;

pub struct Worker {
    owner: u64,
    session: Session,
    rng: StdRng,
    /// This connection's rows and their present versions.
    own: HashMap<RowKey, u64>,
    /// They must be read again, because the outcome of a statement is not known.
    stale: bool,
    next_row: u64,
}

impl Worker {
    pub fn new(number: u64, session: Session, seed: u64) -> Self {
        Worker { owner: number + 1, session, rng: StdRng::seed_from_u64(seed), own: HashMap::new(), stale: true, next_row: 0 }
    }

    /// Works until the load is stopped, at most `rate` actions a second.
    pub async fn run(mut self, rate: u32) {
        let mut clock = tokio::time::interval(Duration::from_secs(1) / rate);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.session.is_stopped() {
            clock.tick().await;
            if !self.session.connected().await {
                self.stale = true;
                self.session.pause(Duration::from_millis(300)).await;
                continue;
            }
            // A failure is in the journal already; the next action finds out how things stand.
            if self.stale && self.read_own().await.is_err() {
                continue;
            }
            self.act().await;
        }
    }

    async fn act(&mut self) {
        match self.rng.random_range(0..100) {
            0..30 => self.insert(1).await,
            30..52 => self.change_one(Op::Update).await,
            52..58 => self.change_one(Op::Delete).await,
            58..66 => {
                let rows = self.rng.random_range(2..30);
                self.insert(rows).await;
            }
            66..86 => self.transaction(End::Commit).await,
            86..94 => self.transaction(End::Rollback).await,
            94..99 => self.transaction(End::Savepoint).await,
            _ => self.insert_many().await,
        }
    }

    /// Reads the versions of this connection's rows.
    async fn read_own(&mut self) -> Result<(), Failure> {
        self.own.clear();
        for table in &TABLES {
            let sql = format!("SELECT id, v FROM {} WHERE id % {OWNERS} = {}", table.name, self.owner);
            let rows = self.session.numbers::<2>(&sql).await?;
            self.own.extend(rows.into_iter().map(|[id, version]| (RowKey { table: table.name.into(), id }, version)));
        }
        self.stale = false;
        Ok(())
    }

    /// A row number that was never used.
    fn fresh_row(&mut self) -> u64 {
        self.next_row += 1;
        self.next_row * OWNERS + self.owner
    }

    /// Takes over what a transaction did to this connection's rows.
    fn learn(&mut self, outcome: Outcome, changes: &[Change]) {
        match outcome {
            Outcome::RolledBack => {}
            Outcome::Unknown => self.stale = true,
            Outcome::Committed => {
                for change in changes.iter().filter(|c| c.key.id % OWNERS == self.owner && &*c.key.table != MARKS) {
                    if change.op == Op::Delete {
                        self.own.remove(&change.key);
                    } else {
                        self.own.insert(change.key.clone(), change.version);
                    }
                }
            }
        }
    }

    /// One insert of some rows that commits by itself.
    async fn insert(&mut self, rows: u64) {
        if self.own.len() > OWN_ROWS {
            return self.change_one(Op::Delete).await;
        }
        let number = self.session.journal.next_transaction();
        let (sql, changes) = self.draft_insert(number, rows);
        let outcome = self.session.commit_alone(number, &sql, changes.clone()).await;
        self.learn(outcome, &changes);
    }

    fn draft_insert(&mut self, number: u64, rows: u64) -> (String, Vec<Change>) {
        let table = TABLES.choose(&mut self.rng).expect("tables").name;
        let mut changes = Vec::new();
        let mut all = Vec::new();
        for _ in 0..rows {
            let (id, version) = (self.fresh_row(), self.session.journal.next_version());
            all.push(format!("({}, {})", tables::insert_head(id, version, number), values::all(&mut self.rng)));
            changes.push(Change { key: RowKey { table: table.into(), id }, op: Op::Insert, version });
        }
        (format!("INSERT INTO {table} ({}) VALUES {}", tables::insert_columns(), all.join(", ")), changes)
    }

    /// One update or delete of an own row that commits by itself.
    async fn change_one(&mut self, op: Op) {
        let Some(key) = self.any_own() else { return };
        let number = self.session.journal.next_transaction();
        let present = self.own.get(&key).copied();
        let (sql, change) = self.draft_change(number, key, present, op);
        let outcome = self.session.commit_alone(number, &sql, vec![change.clone()]).await;
        self.learn(outcome, &[change]);
    }

    fn any_own(&mut self) -> Option<RowKey> {
        let at = self.rng.random_range(0..self.own.len().max(1));
        self.own.keys().nth(at).cloned()
    }

    /// A statement that changes a row whose present version is known; a row that is not there is inserted.
    fn draft_change(&mut self, number: u64, key: RowKey, present: Option<u64>, op: Op) -> (String, Change) {
        let RowKey { table, id } = &key;
        let Some(present) = present else {
            let version = self.session.journal.next_version();
            let (head, values) = (tables::insert_head(*id, version, number), values::all(&mut self.rng));
            let sql = format!("INSERT INTO {table} ({}) VALUES ({head}, {values})", tables::insert_columns());
            return (sql, Change { key, op: Op::Insert, version });
        };
        if op == Op::Delete {
            return (format!("DELETE FROM {table} WHERE id = {id}"), Change { key, op, version: present });
        }
        let version = self.session.journal.next_version();
        let sql = format!("UPDATE {table} SET v = {version}, tx = {number}{} WHERE id = {id}", values::some(&mut self.rng));
        (sql, Change { key, op: Op::Update, version })
    }

    /// A transaction over several tables, with its mark.
    async fn transaction(&mut self, end: End) {
        let number = self.session.journal.next_transaction();
        let mut done = Vec::new();
        let mut undone = Vec::new();
        let result = self.fill(number, end, &mut done, &mut undone).await;
        self.finish(number, result, end, done, undone).await;
    }

    async fn fill(&mut self, number: u64, end: End, done: &mut Vec<Change>, undone: &mut Vec<Change>) -> Result<(), Failure> {
        self.session.run("START TRANSACTION").await?;
        self.mark(number, done).await?;
        for _ in 0..self.rng.random_range(2..7) {
            self.change_locked(number, done).await?;
        }
        if end == End::Savepoint {
            self.session.run("SAVEPOINT here").await?;
            for _ in 0..3 {
                self.change_locked(number, undone).await?;
            }
            self.session.run("ROLLBACK TO SAVEPOINT here").await?;
        }
        Ok(())
    }

    async fn mark(&mut self, number: u64, done: &mut Vec<Change>) -> Result<(), Failure> {
        let version = self.session.journal.next_version();
        done.push(Change { key: RowKey { table: MARKS.into(), id: number }, op: Op::Insert, version });
        self.session.run(&format!("INSERT INTO {MARKS} VALUES ({number}, {version}, {number})")).await
    }

    /// Changes one row after locking it: a shared one, or one of this connection's.
    async fn change_locked(&mut self, number: u64, done: &mut Vec<Change>) -> Result<(), Failure> {
        let shared = self.rng.random_bool(0.5);
        let key = if shared { None } else { self.any_own() };
        let key = key.unwrap_or_else(|| {
            let id = self.rng.random_range(1..=SHARED_ROWS) * OWNERS;
            RowKey { table: TABLES.choose(&mut self.rng).expect("tables").name.into(), id }
        });
        let found = self.session.numbers::<1>(&format!("SELECT v FROM {} WHERE id = {} FOR UPDATE", key.table, key.id)).await?;
        let op = if self.rng.random_bool(0.2) { Op::Delete } else { Op::Update };
        let (sql, change) = self.draft_change(number, key, found.first().map(|[v]| *v), op);
        // Written down before it is known to have succeeded: whatever happens, the transaction's end decides.
        done.push(change);
        self.session.run(&sql).await
    }

    /// A transaction of many rows.
    async fn insert_many(&mut self) {
        let number = self.session.journal.next_transaction();
        let mut done = Vec::new();
        let mut result = self.session.run("START TRANSACTION").await;
        if result.is_ok() {
            result = self.mark(number, &mut done).await;
        }
        for _ in 0..4 {
            if result.is_ok() {
                let (sql, changes) = self.draft_insert(number, MANY / 4);
                done.extend(changes);
                result = self.session.run(&sql).await;
            }
        }
        self.finish(number, result, End::Commit, done, Vec::new()).await;
    }

    async fn finish(&mut self, number: u64, result: Result<(), Failure>, end: End, done: Vec<Change>, undone: Vec<Change>) {
        if !undone.is_empty() {
            // A transaction of its own in the journal: nothing of it may ever arrive.
            let journal = &self.session.journal;
            journal.write(super::journal::Transaction { number, changes: undone, marked: false, outcome: Outcome::RolledBack });
        }
        if result.is_err() || end == End::Rollback {
            self.session.roll_back(number, done).await;
            self.stale |= result == Err(Failure::Lost);
            return;
        }
        let outcome = self.session.commit(number, done.clone()).await;
        self.learn(outcome, &done);
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Commit,
    Rollback,
    /// Committed, after the last part was rolled back to a savepoint.
    Savepoint,
}
