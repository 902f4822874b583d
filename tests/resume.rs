//! Kills at every place of recorded binlogs, and starts at every place that can have been stored. No server is needed.
//!
//! The rule that all tests check: messages have one order, that of the uninterrupted run. Every life emits an unbroken
//! stretch of it, equal to the byte, that begins at or before the first message that is not acknowledged yet.

#[path = "support/replay.rs"]
mod replay;

use std::collections::HashMap;

use binlogd::assemble::spill::SpillDir;
use binlogd::position::{BinlogPosition, Position};
use binlogd::store::Store;
use replay::*;

/// Server, case, and whether it is also followed by GTIDs.
const CASES: &[(&str, &str, bool)] = &[
    ("mysql-9.7", "transactions", true),
    ("mysql-9.7", "create_select", true),
    ("mysql-9.7", "ddl_tables", true),
    ("mysql-9.7", "ddl_alters", true),
    ("mysql-9.7", "compression", true),
    ("mysql-9.7", "fail_xa", true),
    ("mysql-9.7-minimal", "ddl_databases", false),
    ("mysql-9.7-minimal", "tx_mixed_engines", false),
    ("mysql-9.7-minimal", "multi_table", false),
    ("mysql-5.6", "transactions", false),
    ("mysql-5.6", "create_select", false),
    ("mysql-5.6", "ddl_tables", false),
    ("mysql-5.6", "triggers", false),
    ("mysql-5.6", "fail_xa", false),
    ("mariadb-10.11", "transactions", true),
    ("mariadb-10.11", "fail_xa", true),
    ("mariadb-10.11", "create_select", true),
    ("mariadb-10.11", "ddl_tables", true),
    ("mariadb-10.11", "maria_domains", true),
    ("mariadb-10.11", "maria_compress_events", true),
    ("mariadb-10.11", "tx_mixed_engines", true),
];

/// Every case in each mode it is followed in, each in another manner: plenty in one batch, every row alone; answered at
/// once, late and out of order.
fn each(mut test: impl FnMut(&Recording, Manner, SpillDir)) {
    let manners = [(1, Acks::AtOnce, 1, 1), (700, Acks::Crosswise, 5, 2), (1 << 20, Acks::OneBehind, 11, 7)];
    let mut next = manners.into_iter().cycle();
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), 1 << 30).expect("a spill folder");
    for (server, case, gtids) in CASES {
        let recording = Recording::open(server, case);
        for gtid_mode in [false, true].into_iter().take(if *gtids { 2 } else { 1 }) {
            let (batch_bytes, acks, idle_every, save_every) = next.next().expect("a cycle");
            test(&recording, Manner { gtid_mode, batch_bytes, acks, idle_every, save_every }, spill.clone());
        }
    }
}

/// The uninterrupted run.
struct Whole {
    name: String,
    messages: Vec<Taken>,
    index: HashMap<Vec<u8>, usize>,
    versions: usize,
    end: Position,
    events: usize,
    calls: usize,
    /// XA transactions that are still prepared at the end.
    undecided: usize,
}

impl Whole {
    fn of(recording: &Recording, manner: Manner, spill: &SpillDir) -> Self {
        Self::of_world(recording, World::new(recording, manner, spill.clone()))
    }

    fn of_world(recording: &Recording, world: World<'_>) -> Self {
        let manner = world.manner;
        let life = world.live(Death::Never).unwrap_or_else(|e| panic!("{}: {e}", recording.name));
        let index: HashMap<_, _> = life.taken.iter().enumerate().map(|(i, t)| (t.value.clone(), i)).collect();
        assert!(index.len() == life.taken.len() && index.len() > 2, "{}: messages that cannot be told apart", recording.name);
        assert!(life.taken.iter().all(|t| t.acknowledged));
        Whole {
            name: format!("{} {manner:?}", recording.name),
            messages: life.taken,
            index,
            versions: world.disk.schema_versions(),
            end: world.stored(),
            events: life.events,
            calls: life.calls,
            undecided: 0,
        }
    }

    /// The stretch that a life emitted.
    fn stretch(&self, life: &Life, what: &str) -> std::ops::Range<usize> {
        let place = |t: &Taken| match self.index.get(&t.value) {
            Some(i) => *i,
            None => panic!("{}, {what}: the uninterrupted run has no {}", self.name, String::from_utf8_lossy(&t.value)),
        };
        let places: Vec<usize> = life.taken.iter().map(place).collect();
        for (t, i) in life.taken.iter().zip(&places) {
            let random = self.messages[*i].key.windows(6).any(|w| w == b"\"_uuid") || self.messages[*i].kind != t.kind || t.key.len() == 36;
            assert!(random || self.messages[*i].key == t.key, "{}, {what}: another key", self.name);
        }
        for pair in places.windows(2) {
            assert_eq!(pair[0] + 1, pair[1], "{}, {what}: not in order", self.name);
        }
        let first = places.first().copied().unwrap_or(self.messages.len());
        first..first + places.len()
    }

    /// Lives after each other on one disk, the last until the end.
    fn check(&self, world: &World<'_>, lives: &[Life], what: &str) {
        let mut acknowledged = vec![false; self.messages.len()];
        let mut emitted = 0;
        for life in lives {
            let stretch = self.stretch(life, what);
            let open = acknowledged.iter().position(|a| !a).unwrap_or(acknowledged.len());
            assert!(life.taken.is_empty() || stretch.start <= open, "{}, {what}: message {open} is passed over", self.name);
            for (i, t) in stretch.clone().zip(&life.taken) {
                acknowledged[i] |= t.acknowledged;
            }
            emitted = emitted.max(stretch.end);
        }
        let lost = acknowledged.iter().position(|a| !a);
        assert_eq!(lost, None, "{}, {what}: a message is lost", self.name);
        assert_eq!(world.disk.schema_versions(), self.versions, "{}, {what}: schema versions", self.name);
        let stored = world.stored();
        assert_eq!(world.disk.prepared(), self.undecided, "{}, {what}: notes of XA transactions that are decided", self.name);
        assert_eq!((&stored.at, &stored.gtids), (&self.end.at, &self.end.gtids), "{}, {what}: the stored end", self.name);
    }
}

fn live(world: &World<'_>, death: Death, what: &str) -> Life {
    world.live(death).unwrap_or_else(|e| panic!("{}, {what}: {e}", world.recording.name))
}

#[test]
fn killed_after_every_event() {
    let mut kills = 0;
    each(|recording, manner, spill| {
        let whole = Whole::of(recording, manner, &spill);
        for after in 0..whole.events {
            let what = format!("killed after {after} events");
            let world = World::new(recording, manner, spill.clone());
            let lives = [live(&world, Death::AfterEvents(after), &what), live(&world, Death::Never, &what)];
            assert!(lives[0].died);
            whole.check(&world, &lives, &what);
            kills += 1;
        }
    });
    println!("{kills} kills");
}

#[test]
fn killed_at_every_call() {
    let mut kills = 0;
    each(|recording, manner, spill| {
        let whole = Whole::of(recording, manner, &spill);
        for (number, done) in (1..=whole.calls).flat_map(|n| [(n, false), (n, true)]) {
            let what = format!("killed at call {number}, {}", if done { "done" } else { "not done" });
            let world = World::new(recording, manner, spill.clone());
            let lives = [live(&world, Death::AtCall { number, done }, &what), live(&world, Death::Never, &what)];
            assert!(lives[0].died);
            whole.check(&world, &lives, &what);
            kills += 1;
        }
    });
    println!("{kills} kills");
}

/// Groups of `fail_xa`: 0 and 1 make database and table, 2 prepares a branch and 4 commits it, 3 is an ordinary transaction,
/// 5 prepares a branch and 6 rolls it back, 7 is one in one phase, 8 an ordinary one. Where the GTIDs come in another order
/// or twice, it is followed by file only.
const XA_ORDERS: &[(&[usize], bool)] = &[
    (&[0, 1, 2, 3, 4, 5, 6, 7, 8], true),
    // Both at once, and other transactions between.
    (&[0, 1, 2, 5, 3, 6, 7, 4, 8], false),
    (&[0, 1, 5, 3, 2, 8, 4, 7, 6], false),
    // The same name again and again.
    (&[0, 1, 2, 4, 3, 2, 8, 4, 5, 6, 5, 6], false),
    // Nobody decides.
    (&[0, 1, 3, 2, 8, 5, 7], false),
];

#[test]
fn xa_transactions_are_whole_through_kills_between_prepare_and_commit() {
    let (mut kills, mut read_again) = (0, 0);
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), 1 << 30).expect("a spill folder");
    let manners = [(1, Acks::AtOnce, 1, 1), (1, Acks::OneBehind, 2, 3), (700, Acks::Crosswise, 5, 2), (1 << 20, Acks::OneBehind, 11, 7)];
    for server in ["mysql-9.7", "mariadb-10.11"] {
        for (order, by_gtid) in XA_ORDERS {
            let recording = Recording::reordered(server, "fail_xa", order);
            let gtid_modes = if *by_gtid { &[false, true][..] } else { &[false] };
            for (&gtid_mode, (batch_bytes, acks, idle_every, save_every)) in gtid_modes.iter().flat_map(|m| manners.map(|n| (m, n))) {
                let manner = Manner { gtid_mode, batch_bytes, acks, idle_every, save_every };
                let undecided = usize::from(order.len() == 7) * 2;
                let mut whole = Whole::of(&recording, manner, &spill);
                whole.undecided = undecided;
                for keep_prepared in [0, 1 << 20] {
                    let world = || World { keep_prepared, ..World::new(&recording, manner, spill.clone()) };
                    let calls = whole.calls + 2;
                    let deaths = (0..whole.events).map(Death::AfterEvents);
                    let at_calls = (1..=calls).flat_map(|number| [false, true].map(|done| Death::AtCall { number, done }));
                    for death in deaths.chain(at_calls) {
                        let what = format!("{death:?}, {keep_prepared} bytes kept");
                        let world = world();
                        let lives = [live(&world, death, &what), live(&world, Death::Never, &what)];
                        whole.check(&world, &lives, &what);
                        read_again += lives.iter().map(|l| l.read_again).sum::<usize>();
                        kills += 1;
                    }
                    // The rows must be behind the statement that commits them.
                    let world = world();
                    let mut lives: Vec<Life> = (0..40).map(|_| live(&world, Death::AfterEvents(9), "short lives")).collect();
                    lives.push(live(&world, Death::Never, "short lives"));
                    read_again += lives.iter().map(|l| l.read_again).sum::<usize>();
                    whole.check(&world, &lives, "short lives");
                }
            }
        }
    }
    assert!(read_again > 1000, "{read_again}");
    println!("{kills} kills, {read_again} XA transactions read again");
}

/// A statement whose effect has to be read from the server: what is in doubt is forgotten by a kill, so a restart must
/// meet the statement again until its proof is stored.
#[test]
fn killed_while_a_definition_is_in_doubt() {
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), 1 << 30).expect("a spill folder");
    let mut kills = 0;
    for (server, case, gtid_mode) in [
        ("mysql-9.7", "ddl_alters", false),
        ("mysql-9.7", "ddl_alters", true),
        ("mariadb-10.11", "ddl_alters", false),
        ("mariadb-10.11", "ddl_alters", true),
    ] {
        let manner = Manner { gtid_mode, batch_bytes: 1, acks: Acks::AtOnce, idle_every: 1, save_every: 1 };
        let recording = Recording::open(server, case);
        let definitions = Definitions::new(World::new(&recording, manner, spill.clone()).live(Death::Never).expect("whole").versions);
        for number in 0.. {
            let mut recording = Recording::open(server, case);
            if !recording.break_alter(number) {
                assert!(number > 5);
                break;
            }
            let world = || World { definitions: definitions.clone(), ..World::new(&recording, manner, spill.clone()) };
            let whole = Whole::of_world(&recording, world());
            // A third of the places for each; together they cover all.
            for after in (number % 3..whole.events).step_by(3) {
                let what = format!("ALTER {number} broken off, killed after {after} events");
                let world = world();
                let lives = [live(&world, Death::AfterEvents(after), &what), live(&world, Death::Never, &what)];
                whole.check(&world, &lives, &what);
                kills += 1;
            }
        }
    }
    println!("{kills} kills");
}

/// Many short lives: each a few events longer than what the one before has stored, or it would never get on.
#[test]
fn killed_again_and_again() {
    let mut kills = 0;
    each(|recording, manner, spill| {
        let whole = Whole::of(recording, manner, &spill);
        let world = World::new(recording, manner, spill.clone());
        let mut lives = Vec::new();
        for length in [9, 13, 21, 34, 55, 89, usize::MAX] {
            lives.push(live(&world, Death::AfterEvents(length), "short lives"));
            kills += 1;
        }
        assert!(!lives[6].died);
        whole.check(&world, &lives, "short lives");
    });
    println!("{kills} lives");
}

#[test]
fn disconnected_after_every_event() {
    let mut cuts = 0;
    each(|recording, manner, spill| {
        let whole = Whole::of(recording, manner, &spill);
        for after in 0..whole.events {
            let what = format!("disconnected after {after} events");
            let world = World::new(recording, manner, spill.clone());
            let mut life = live(&world, Death::OnlyTheConnection(after), &what);
            // A message of a statement inside the transaction that was cut is the only one that may come twice.
            life.taken.dedup_by(|a, b| a.value == b.value);
            whole.check(&world, &[life], &what);
            cuts += 1;
        }
    });
    println!("{cuts} cuts");
}

/// Maxwell stores the end of the last surviving rows event, and the place of an event that it was given by hand.
#[test]
fn started_at_every_offset() {
    let mut starts = 0;
    each(|recording, manner, spill| {
        if manner.gtid_mode {
            return;
        }
        let manner = Manner { batch_bytes: 1, acks: Acks::AtOnce, idle_every: 1, save_every: 1, ..manner };
        let whole = Whole::of(recording, manner, &spill);
        let ends = recording.ends_of_rows();
        for offset in recording.offsets() {
            let what = format!("started at {offset}{}", if ends.contains(offset) { ", the end of rows" } else { "" });
            let world = World::new(recording, manner, spill.clone());
            // What the daemon before us had read and stored there, schema versions included.
            let seen = recording.offsets().iter().filter(|o| *o < offset).count();
            live(&world, Death::AfterEvents(seen + 1), &what);
            let at = BinlogPosition::new(recording.file.clone(), *offset);
            now(world.store().save_position(&Position::new(at))).expect("stored");
            let mut life = live(&world, Death::Never, &what);
            // As above: a statement inside the transaction was told of before its beginning was looked for.
            life.taken.dedup_by(|a, b| a.value == b.value);
            let stretch = whole.stretch(&life, &what);
            assert_eq!(stretch.end, whole.messages.len(), "{}, {what}", whole.name);
            // Everything from there on comes, and a transaction that it lies in comes whole.
            let before = whole.messages.iter().filter(|m| offset_of(m) < *offset).count();
            assert!(stretch.start <= before, "{}, {what}: {} messages are passed over", whole.name, stretch.start - before);
            if let Some(previous) = stretch.start.checked_sub(1).and_then(|i| whole.messages.get(i)) {
                let text = String::from_utf8_lossy(&previous.value);
                assert!(!text.contains("\"xoffset\":"), "{}, {what}: a transaction was cut behind {text}", whole.name);
            }
            assert_eq!(world.disk.schema_versions(), whole.versions, "{}, {what}: schema versions", whole.name);
            starts += 1;
        }
    });
    println!("{starts} starts");
}

/// `"position":"master.000001:123"`
fn offset_of(message: &Taken) -> u64 {
    let json: serde_json::Value = serde_json::from_slice(&message.value).expect("JSON");
    let position = json["position"].as_str().expect("a position");
    position.rsplit_once(':').and_then(|(_, offset)| offset.parse().ok()).expect("an offset")
}
