//! The check of the kill tests is checked itself: each sort of loss, disorder and invention must be found.

#[path = "live_support/ledger.rs"]
mod ledger;

#[path = "live_support/load"]
mod load {
    // The ledger needs the kinds of changes; writing them down is the load's work.
    #[allow(dead_code)]
    pub mod journal;
}

use ledger::{Seen, check};
use load::journal::{Change, Op, Outcome, RowKey, Transaction};

fn key(id: u64) -> RowKey {
    RowKey { table: "t".into(), id }
}

fn transaction(number: u64, outcome: Outcome, changes: &[(u64, Op, u64)]) -> Transaction {
    let changes = changes.iter().map(|(id, op, version)| Change { key: key(*id), op: *op, version: *version }).collect();
    Transaction { number, changes, marked: true, outcome }
}

/// Key 1 is inserted, updated twice, deleted and inserted anew; key 2 is inserted with it, and its update is rolled back.
fn done() -> Vec<Transaction> {
    use Outcome::*;
    vec![
        transaction(1, Committed, &[(1, Op::Insert, 1), (2, Op::Insert, 2)]),
        transaction(2, Committed, &[(1, Op::Update, 3)]),
        transaction(3, RolledBack, &[(2, Op::Update, 4)]),
        transaction(4, Committed, &[(1, Op::Update, 5)]),
        transaction(5, Committed, &[(1, Op::Delete, 5)]),
        transaction(6, Unknown, &[(1, Op::Insert, 6)]),
    ]
}

fn seen(id: u64, op: Op, version: u64, xid: u64, commit: bool) -> Seen {
    Seen { key: key(id), op, version, partition: id as i32, xid: Some(xid), commit }
}

fn all() -> Vec<Seen> {
    vec![
        seen(1, Op::Insert, 1, 10, false),
        seen(2, Op::Insert, 2, 10, true),
        seen(1, Op::Update, 3, 20, true),
        seen(1, Op::Update, 5, 40, true),
        seen(1, Op::Delete, 5, 50, true),
    ]
}

#[test]
fn complete_and_ordered_is_accepted() {
    let report = check(&done(), &all()).unwrap();
    assert_eq!((report.transactions, report.keys, report.versions, report.messages), (4, 2, 5, 5));
    assert_eq!(report.duplicates_percent(), 0.0);
}

#[test]
fn what_may_have_been_committed_may_arrive() {
    let mut messages = all();
    messages.push(seen(1, Op::Insert, 6, 60, true));
    assert_eq!(check(&done(), &messages).unwrap().versions, 6);
}

#[test]
fn a_replay_goes_back_and_on_without_a_gap() {
    let mut messages = all();
    messages.extend_from_slice(&all()[2..]);
    messages.extend_from_slice(&all()[3..]);
    let report = check(&done(), &messages).unwrap();
    assert_eq!((report.versions, report.messages, report.duplicates_percent()), (5, 10, 100.0));
}

#[test]
fn every_sort_of_fault_is_found() {
    let with = |change: &dyn Fn(&mut Vec<Seen>)| {
        let mut messages = all();
        change(&mut messages);
        check(&done(), &messages).unwrap_err()
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Vec<Seen>));
    let cases: [Case; 11] = [
        ("Update of version 3 is missing", &|m| drop(m.remove(2))),
        ("Insert of version 2 is missing", &|m| drop(m.remove(1))),
        ("Delete of version 5 is missing", &|m| drop(m.pop())),
        ("version 5 arrived before [3]", &|m| m.swap(2, 3)),
        // A replay that leaves a version out.
        ("version 5 arrived before [3]", &|m| {
            let again = [m[0].clone(), m[3].clone(), m[4].clone()];
            m.extend(again);
        }),
        ("is not its last version", &|m| m.push(m[2].clone())),
        ("was rolled back and arrived", &|m| m.push(seen(2, Op::Update, 4, 30, true))),
        ("arrived and was never written", &|m| m.push(seen(2, Op::Update, 77, 30, true))),
        ("arrived as Insert instead of Update", &|m| m[2].op = Op::Insert),
        ("is on several partitions", &|m| m[3].partition = 7),
        ("transaction 1 has the xids", &|m| m[1].xid = Some(11)),
    ];
    for (fault, change) in cases {
        let text = with(change);
        assert!(text.contains(fault), "{fault} not in: {text}");
    }
    assert!(with(&|m| m[0].commit = true).contains("2 different messages with a commit mark"));
    assert!(with(&|m| m[2].commit = false).contains("0 different messages with a commit mark"));
}
