//! What the load did: every change with its version, and how its transaction ended.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A row: its table, by the name it had when the change was made, and its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    pub table: Arc<str>,
    pub id: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Insert,
    Update,
    Delete,
}

/// One change of one row. An insert or update brings the version, a delete ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub key: RowKey,
    pub op: Op,
    pub version: u64,
}

impl Change {
    /// The place of the change among all changes of its key.
    pub fn rank(&self) -> u64 {
        rank(self.op, self.version)
    }
}

/// The end of a version stands behind its beginning and before the next version.
pub fn rank(op: Op, version: u64) -> u64 {
    version * 2 + u64::from(op == Op::Delete)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Committed,
    RolledBack,
    /// The connection was lost while the server committed, or did not.
    Unknown,
}

/// Changes that are committed together, or not at all.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub number: u64,
    pub changes: Vec<Change>,
    /// It has a row in the table of marks, by which an unknown outcome can be told later.
    pub marked: bool,
    pub outcome: Outcome,
}

/// Everything that was done, in no order but that of the version numbers.
#[derive(Default)]
pub struct Journal {
    transactions: Mutex<Vec<Transaction>>,
    numbers: AtomicU64,
    versions: AtomicU64,
}

impl Journal {
    pub fn next_version(&self) -> u64 {
        self.versions.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub fn next_transaction(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub fn write(&self, transaction: Transaction) {
        self.transactions.lock().expect("no writer panics").push(transaction);
    }

    /// All transactions, the unknown ones among them decided by the marks found in the table.
    pub fn settle(&self, marks: &HashSet<u64>) -> Vec<Transaction> {
        let mut all = self.transactions.lock().expect("no writer panics").clone();
        for transaction in &mut all {
            let found = marks.contains(&transaction.number);
            match transaction.outcome {
                Outcome::Unknown if transaction.marked => {
                    transaction.outcome = if found { Outcome::Committed } else { Outcome::RolledBack };
                }
                Outcome::Committed if transaction.marked => {
                    assert!(found, "the server lost transaction {}, whose commit it had confirmed", transaction.number);
                }
                _ => {}
            }
        }
        all
    }
}
