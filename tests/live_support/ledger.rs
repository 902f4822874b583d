//! What arrived against what was committed. Pure: the tests of this check itself are in `tests/delivery_ledger.rs`.
//!
//! Along a key, everything committed must be there, in the order of the commits. A daemon that is killed sends a part
//! again: then the key's sequence goes back to an earlier version and on from there, without a gap. So the rule for two
//! messages that follow each other is: the next version, or any earlier one, but never a later one.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::load::journal::{Op, Outcome, RowKey, Transaction, rank};

/// A row message, reduced to what the rules need.
#[derive(Clone, Debug)]
pub struct Seen {
    pub key: RowKey,
    pub op: Op,
    pub version: u64,
    pub partition: i32,
    pub xid: Option<u64>,
    pub commit: bool,
}

/// The figures of a check that found no fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub transactions: usize,
    pub keys: usize,
    pub versions: usize,
    pub messages: usize,
}

impl Report {
    pub fn duplicates_percent(&self) -> f64 {
        (self.messages as f64 / self.versions.max(1) as f64 - 1.0) * 100.0
    }
}

/// A change that is expected.
#[derive(Clone, Copy)]
struct Entry {
    rank: u64,
    op: Op,
    transaction: u64,
    /// False if nobody knows whether it was committed.
    certain: bool,
}

/// Checks everything; the faults in words if there are any (the first ones, and how many there are).
pub fn check(transactions: &[Transaction], seen: &[Seen]) -> Result<Report, String> {
    let mut faults = Faults::default();
    let expected = expected(transactions);
    let arrived = by_key(seen);
    check_nothing_undone(transactions, &expected, &arrived, &mut faults);
    let mut versions = 0;
    for (key, entries) in &expected {
        let messages = arrived.get(key).map_or(&[][..], Vec::as_slice);
        versions += check_key(key, entries, messages, &mut faults);
    }
    check_commit_marks(&expected, &arrived, &mut faults);
    faults.into_result()?;
    let committed = transactions.iter().filter(|t| t.outcome == Outcome::Committed).count();
    Ok(Report { transactions: committed, keys: expected.len(), versions, messages: seen.len() })
}

fn expected(transactions: &[Transaction]) -> HashMap<&RowKey, Vec<Entry>> {
    let mut expected: HashMap<&RowKey, Vec<Entry>> = HashMap::new();
    for transaction in transactions.iter().filter(|t| t.outcome != Outcome::RolledBack) {
        let certain = transaction.outcome == Outcome::Committed;
        for change in &transaction.changes {
            let entry = Entry { rank: change.rank(), op: change.op, transaction: transaction.number, certain };
            expected.entry(&change.key).or_default().push(entry);
        }
    }
    for entries in expected.values_mut() {
        entries.sort_by_key(|e| e.rank);
        // A delete without an answer is tried again under another transaction; either may be the one that happened.
        entries.dedup_by(|later, earlier| {
            let same = later.rank == earlier.rank;
            if same {
                earlier.certain |= later.certain;
            }
            same
        });
    }
    expected
}

fn by_key(seen: &[Seen]) -> HashMap<&RowKey, Vec<&Seen>> {
    let mut arrived: HashMap<&RowKey, Vec<&Seen>> = HashMap::new();
    for message in seen {
        arrived.entry(&message.key).or_default().push(message);
    }
    arrived
}

/// Nothing arrived that was rolled back, or that nobody ever wrote.
fn check_nothing_undone(
    transactions: &[Transaction],
    expected: &HashMap<&RowKey, Vec<Entry>>,
    arrived: &HashMap<&RowKey, Vec<&Seen>>,
    faults: &mut Faults,
) {
    let undone: HashSet<u64> = transactions
        .iter()
        .filter(|t| t.outcome == Outcome::RolledBack)
        .flat_map(|t| &t.changes)
        .filter(|c| c.op != Op::Delete)
        .map(|c| c.version)
        .collect();
    for (key, messages) in arrived {
        let known: HashSet<u64> = expected.get(key).into_iter().flatten().map(|e| e.rank).collect();
        for message in messages.iter().filter(|m| !known.contains(&rank(m.op, m.version))) {
            let what = if undone.contains(&message.version) { "was rolled back and arrived" } else { "arrived and was never written" };
            faults.add(format!("{key:?} {:?} of version {} {what}", message.op, message.version));
        }
    }
}

/// The rule of the module's comment; gives the number of versions that had to arrive.
fn check_key(key: &RowKey, entries: &[Entry], messages: &[&Seen], faults: &mut Faults) -> usize {
    let ranks: HashSet<u64> = messages.iter().map(|m| rank(m.op, m.version)).collect();
    let entries: Vec<Entry> = entries.iter().copied().filter(|e| e.certain || ranks.contains(&e.rank)).collect();
    let partitions: BTreeSet<i32> = messages.iter().map(|m| m.partition).collect();
    if partitions.len() > 1 {
        faults.add(format!("{key:?} is on several partitions: {partitions:?}"));
    }
    for missing in entries.iter().filter(|e| !ranks.contains(&e.rank)) {
        faults.add(format!("{key:?} {:?} of version {} is missing", missing.op, missing.rank / 2));
    }
    let mut next = 0;
    for message in messages {
        let Ok(at) = entries.binary_search_by_key(&rank(message.op, message.version), |e| e.rank) else { continue };
        if entries[at].op != message.op {
            faults.add(format!("{key:?} version {} arrived as {:?} instead of {:?}", message.version, message.op, entries[at].op));
        }
        if at > next {
            let skipped: Vec<u64> = entries[next..at].iter().map(|e| e.rank / 2).collect();
            faults.add(format!("{key:?} version {} arrived before {skipped:?}", message.version));
        }
        next = at + 1;
    }
    if next != entries.len() && !messages.is_empty() {
        faults.add(format!("the last message of {key:?} is not its last version"));
    }
    entries.len()
}

/// The changes of a transaction have one xid, and exactly one of them has the commit mark.
fn check_commit_marks(expected: &HashMap<&RowKey, Vec<Entry>>, arrived: &HashMap<&RowKey, Vec<&Seen>>, faults: &mut Faults) {
    #[derive(Default)]
    struct Group<'a> {
        xids: BTreeSet<Option<u64>>,
        last: HashSet<(&'a RowKey, u64)>,
    }
    let mut groups: HashMap<u64, Group> = HashMap::new();
    for (key, messages) in arrived {
        let Some(entries) = expected.get(key) else { continue };
        for message in messages {
            let Ok(at) = entries.binary_search_by_key(&rank(message.op, message.version), |e| e.rank) else { continue };
            let group = groups.entry(entries[at].transaction).or_default();
            group.xids.insert(message.xid);
            if message.commit {
                group.last.insert((key, entries[at].rank));
            }
        }
    }
    for (number, group) in groups {
        if group.xids.len() != 1 || group.xids.contains(&None) {
            faults.add(format!("transaction {number} has the xids {:?}", group.xids));
        }
        if group.last.len() != 1 {
            faults.add(format!("transaction {number} has {} different messages with a commit mark", group.last.len()));
        }
    }
}

/// The first faults in words, and how many there were.
#[derive(Default)]
struct Faults {
    first: Vec<String>,
    count: usize,
}

impl Faults {
    fn add(&mut self, text: String) {
        self.count += 1;
        if self.first.len() < 20 {
            self.first.push(text);
        }
    }

    fn into_result(self) -> Result<(), String> {
        if self.count == 0 { Ok(()) } else { Err(format!("{} faults, the first ones:\n{}", self.count, self.first.join("\n"))) }
    }
}
