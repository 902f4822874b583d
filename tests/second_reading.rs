//! Transactions that memory and spill folder cannot hold are read twice: what comes out is what one reading would give,
//! to the byte, whatever stands in them and wherever the process is killed. No server is needed.

#[path = "golden/case.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod case;
#[path = "support/made.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod made;
#[path = "support/replay.rs"]
mod replay;

use binlogd::assemble::spill::SpillDir;
use made::{Made, table};
use replay::{Acks, Death, Manner, Recording, World};

/// Every recorded case, with nothing kept of any transaction.
#[test]
fn every_recorded_case_comes_out_the_same() {
    let (mut lines, mut stopped) = (0, 0);
    for case in case::all() {
        let truth = case.truth();
        for full in [false, true] {
            let once = case.ours(full, false, &truth);
            // Compressed transactions whole, and unpacked while they are read.
            for unpack_above in [None, Some(0)] {
                let twice = case.ours_within(full, false, &truth, 0, 0, unpack_above);
                assert!(once == twice, "{case:?}, full {full}, {unpack_above:?}:\n{:?}\n{:?}\n{}\n{}", once.1, twice.1, once.0, twice.0);
            }
            let unpacked = case.ours_within(full, false, &truth, 16 << 10, 1 << 30, Some(0));
            assert!(
                once == unpacked,
                "{case:?}, full {full}, unpacked while read:\n{:?}\n{:?}\n{}\n{}",
                once.1,
                unpacked.1,
                once.0,
                unpacked.0
            );
            lines += once.0.lines().count();
            stopped += usize::from(once.1.is_err());
        }
    }
    println!("{lines} lines, {stopped} runs that end in an error");
    assert!(lines > 3000, "{lines}");
}

/// Server, case, and whether it is also followed by GTIDs.
const CASES: &[(&str, &str, bool)] = &[
    ("mysql-9.7", "transactions", true),
    ("mysql-9.7", "create_select", true),
    ("mysql-9.7", "compression", true),
    ("mysql-9.7", "fail_xa", true),
    ("mysql-9.7-minimal", "multi_table", false),
    ("mysql-5.6", "transactions", false),
    ("mariadb-10.11", "transactions", true),
    ("mariadb-10.11", "fail_xa", true),
    ("mariadb-10.11", "tx_mixed_engines", true),
];

/// Kills after every event and at every call, so in the middle of second readings too.
#[test]
fn a_kill_anywhere_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let roomy = SpillDir::open(&folder.path().join("roomy"), 1 << 30).expect("a spill folder");
    let none = SpillDir::open(&folder.path().join("none"), 0).expect("a spill folder");
    let (mut kills, mut read_twice) = (0, 0);
    for (server, name, gtids) in CASES {
        let recording = Recording::open(server, name);
        for gtid_mode in [false, true].into_iter().take(if *gtids { 2 } else { 1 }) {
            let manner = Manner { gtid_mode, batch_bytes: 1, acks: Acks::OneBehind, idle_every: 5, save_every: 2 };
            let whole = World::new(&recording, manner, roomy.clone()).live(Death::Never).expect("whole");
            let world = || World { memory_bytes: 0, ..World::new(&recording, manner, none.clone()) };
            let again = world().live(Death::Never).expect("whole");
            let values = |life: &replay::Life| life.taken.iter().map(|t| t.value.clone()).collect::<Vec<_>>();
            let expected = values(&whole);
            assert_eq!(values(&again), expected, "{}", recording.name);
            assert!(again.read_twice > 2, "{}: {}", recording.name, again.read_twice);
            read_twice += again.read_twice;
            let deaths = (0..again.events).map(Death::AfterEvents);
            let at_calls = (1..=again.calls).flat_map(|number| [false, true].map(|done| Death::AtCall { number, done }));
            for death in deaths.chain(at_calls) {
                let world = world();
                let first = world.live(death).unwrap_or_else(|e| panic!("{}, {death:?}: {e}", recording.name));
                let second = world.live(Death::Never).unwrap_or_else(|e| panic!("{}, {death:?}: {e}", recording.name));
                let open = first.taken.iter().position(|t| !t.acknowledged).unwrap_or(first.taken.len());
                let (first, second) = (values(&first), values(&second));
                assert!(expected.starts_with(&first) && expected.ends_with(&second), "{}, {death:?}", recording.name);
                assert!(expected.len() - second.len() <= open, "{}, {death:?}: something is lost", recording.name);
                assert_eq!(world.stored().at, again.reached.at, "{}, {death:?}", recording.name);
                kills += 1;
            }
        }
    }
    println!("{kills} kills, {read_twice} transactions read twice");
}

/// What is held back for want of a definition is held back in the second reading, with its numbers and marks.
#[test]
fn rows_in_doubt_are_held_back() {
    let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x"])]);
    made.rows(&[("t", 2), ("u", 1)]);
    made.statement("ALTER TABLE t DROP COLUMN b", "t", Some(&["b"]), made::BROKEN);
    made.rows(&[("u", 1), ("t", 3), ("u", 2), ("t", 1)]);
    made.rows(&[("t", 1), ("u", 3)]);
    made.rows(&[("u", 1)]);
    let recording = made.recording("doubt");
    let manner = Manner { gtid_mode: false, batch_bytes: 1, acks: Acks::AtOnce, idle_every: 1, save_every: 1 };
    let folder = tempfile::tempdir().expect("a folder");
    let values = |memory_bytes: u64, spill: u64| {
        let spill = SpillDir::open(&folder.path().join(spill.to_string()), spill).expect("a spill folder");
        let world = World {
            definitions: made.definitions(),
            quarantine: Some(1 << 20),
            memory_bytes,
            ..World::with(&recording, manner, spill, Some(made.initial()))
        };
        let life = world.live(Death::Never).expect("whole");
        assert!(life.held.is_empty());
        (life.taken.into_iter().map(|t| t.value).collect::<Vec<_>>(), life.read_twice)
    };
    let (once, none) = values(2000, 1 << 20);
    let (twice, all) = values(0, 0);
    assert_eq!((none, all), (0, 4));
    assert_eq!(once, twice);
}
