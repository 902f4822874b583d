//! Rows of tables whose definition is not proved: never a wrong name, nothing lost, each table's rows in their order, and
//! the stored position never past a row that is held. No server is needed; how far it is ahead is the test's choice.

#[path = "support/replay.rs"]
mod replay;

#[path = "support/made.rs"]
mod made;

use std::collections::BTreeMap;

use binlogd::assemble::spill::SpillDir;
use binlogd::position::Position;
use binlogd::store::Store;
use made::{BROKEN, Expected, Made, table};
use replay::*;

const MANNER: Manner = Manner { gtid_mode: false, batch_bytes: 1, acks: Acks::AtOnce, idle_every: 1, save_every: 1 };

fn spill() -> (tempfile::TempDir, SpillDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), 1 << 30).expect("a spill folder");
    (folder, spill)
}

/// A daemon with a quarantine before a server that is so far ahead.
fn world<'a>(made: &Made, recording: &'a Recording, spill: SpillDir, lead: Lead) -> World<'a> {
    let world = World::with(recording, MANNER, spill, Some(made.initial()));
    World { definitions: made.definitions(), lead, quarantine: Some(1 << 20), ..world }
}

/// A row message as the test knows it.
fn row(message: &Taken) -> Option<Expected> {
    let json: serde_json::Value = serde_json::from_slice(&message.value).expect("JSON");
    let number = |name: &str| json[name].as_u64();
    let data = json["data"].as_object()?;
    let position = json["position"].as_str().expect("a position");
    Some(Expected {
        table: json["table"].as_str().expect("a table").to_owned(),
        data: data.iter().map(|(name, value)| (name.clone(), value.as_i64().expect("a number") as i32)).collect(),
        // Those of XA transactions have none.
        xid: number("xid").unwrap_or_default(),
        xoffset: number("xoffset").unwrap_or(u64::MAX),
        commit: json["commit"].as_bool().unwrap_or(false),
        offset: position.rsplit_once(':').and_then(|(_, o)| o.parse().ok()).expect("an offset"),
    })
}

fn rows(life: &Life) -> Vec<Expected> {
    life.taken.iter().filter_map(row).collect()
}

/// The commit row has its mark in the place of its number.
fn shown(expected: &[Expected]) -> Vec<Expected> {
    let one = |e: &Expected| Expected { xoffset: if e.commit { u64::MAX } else { e.xoffset }, ..e.clone() };
    expected.iter().map(one).collect()
}

fn by_table(rows: &[Expected]) -> BTreeMap<&str, Vec<&Expected>> {
    let mut tables: BTreeMap<&str, Vec<&Expected>> = BTreeMap::new();
    for row in rows {
        tables.entry(&row.table).or_default().push(row);
    }
    tables
}

fn live(world: &World<'_>, death: Death) -> Life {
    world.live(death).unwrap_or_else(|e| panic!("{}: {e}", world.recording.name))
}

/// A run in which everything comes out, whatever waits for a while.
fn check_whole(made: &Made, world: &World<'_>, life: &Life) {
    assert!(life.held.is_empty(), "{}: {:?}", world.recording.name, life.held);
    assert_eq!(by_table(&rows(life)), by_table(&shown(&made.expected)), "{}", world.recording.name);
    assert_eq!(world.stored().at.offset, made.offset(), "{}: the stored end", world.recording.name);
}

/// Nothing wrong came out, and the stored position lies before everything that did not.
fn check_part(made: &Made, world: &World<'_>, life: &Life) -> usize {
    let (expected, seen) = (shown(&made.expected), rows(life));
    let (expected, seen) = (by_table(&expected), by_table(&seen));
    let mut missing: Vec<&Expected> = Vec::new();
    for (table, wanted) in &expected {
        let got = seen.get(table).map_or(&[][..], Vec::as_slice);
        assert!(got.len() <= wanted.len() && *got == wanted[..got.len()], "{}: {table}: {got:?}\nof {wanted:?}", world.recording.name);
        missing.extend(&wanted[got.len()..]);
    }
    let stored = world.stored().at.offset;
    let first = missing.iter().map(|e| e.offset).min();
    assert!(first.is_none_or(|offset| stored < offset), "{}: {stored} is stored, but {first:?} did not come out", world.recording.name);
    missing.len()
}

/// An ALTER that nobody understands, and rows of its table and of another one before and behind it, in mixed transactions.
fn one_doubt() -> Made {
    let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x", "y"])]);
    made.rows(&[("t", 2), ("u", 1)]);
    made.statement("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", "t", Some(&["b", "a"]), BROKEN);
    made.rows(&[("u", 1), ("t", 2), ("u", 2)]);
    made.rows(&[("u", 1), ("t", 3)]);
    made.rows(&[("t", 1)]);
    made.rows(&[("u", 2)]);
    made.rows(&[("t", 2), ("u", 1)]);
    made.rows(&[("u", 1)]);
    made
}

/// The same with an XA transaction that is prepared behind the doubt and committed before or behind its proof. `columns` are
/// those that the ALTER left; two of them look like the tracked ones, one does not.
fn xa_in_doubt(columns: &[&str]) -> Made {
    let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x", "y"])]);
    made.rows(&[("t", 2), ("u", 1)]);
    made.statement("ALTER TABLE t and something that nobody understands", "t", Some(columns), BROKEN);
    made.rows(&[("u", 1)]);
    made.prepare_xa(&[("u", 1), ("t", 2), ("u", 1), ("t", 1)]);
    made.rows(&[("u", 1)]);
    made.commit_xa();
    made.rows(&[("u", 2), ("t", 1)]);
    made.rows(&[("u", 1)]);
    made.rows(&[("t", 2), ("u", 1)]);
    made
}

#[test]
fn rows_of_xa_transactions_are_held_too() {
    let (_folder, spill) = spill();
    let mut waited = 0;
    for columns in [&["b", "a"][..], &["b"]] {
        let made = xa_in_doubt(columns);
        let recording = made.recording(&format!("an XA transaction in doubt, {columns:?}"));
        for events in 2..30 {
            for (bytes, memory_bytes) in [(0, 2000), (1 << 20, 2000), (1 << 20, 0)] {
                let world =
                    World { quarantine: Some(bytes), memory_bytes, ..world(&made, &recording, spill.clone(), Lead::Events(events)) };
                let life = live(&world, Death::Never);
                check_whole(&made, &world, &life);
                waited += usize::from(rows(&life) != shown(&made.expected));
            }
        }
    }
    assert!(waited > 30, "only {waited} runs had anything to hold back");
}

#[test]
fn held_rows_come_out_as_they_would_have() {
    let (_folder, spill) = spill();
    let made = one_doubt();
    let recording = made.recording("one doubt");
    let mut waited = 0;
    // As far ahead as one likes: behind the doubt no other statement stands.
    for events in 2..26 {
        for bytes in [0, 300, 1 << 20] {
            let world = World { quarantine: Some(bytes), ..world(&made, &recording, spill.clone(), Lead::Events(events)) };
            let life = live(&world, Death::Never);
            check_whole(&made, &world, &life);
            waited += usize::from(rows(&life) != shown(&made.expected));
        }
    }
    assert!(waited > 30, "only {waited} runs had anything to hold back");
}

#[test]
fn killed_while_rows_are_held() {
    let mut kills = 0;
    for (name, made) in [("one doubt", one_doubt()), ("XA, swapped", xa_in_doubt(&["b", "a"])), ("XA, dropped", xa_in_doubt(&["b"]))] {
        kills += kill_everywhere(&made, name);
    }
    println!("{kills} kills");
    assert!(kills > 600);
}

fn kill_everywhere(made: &Made, name: &str) -> usize {
    let (_folder, spill) = spill();
    let recording = made.recording(&format!("{name}, killed"));
    let expected = shown(&made.expected);
    let mut kills = 0;
    for events in [3, 9, 14, 20] {
        let world = |spill| world(made, &recording, spill, Lead::Events(events));
        let whole = live(&world(spill.clone()), Death::Never);
        let after = (0..whole.events).map(Death::AfterEvents);
        let at = (1..=whole.calls).flat_map(|number| [false, true].map(|done| Death::AtCall { number, done }));
        for death in after.chain(at) {
            let world = world(spill.clone());
            let first = live(&world, death);
            assert!(first.died);
            let stored = world.stored().at.offset;
            let second = live(&world, Death::Never);
            assert!(second.held.is_empty());
            assert_eq!(world.stored().at.offset, made.offset());
            // Both lives together: what the stored position had passed is acknowledged, and the rest comes again.
            let (first, second) = (rows(&first), rows(&second));
            for (table, wanted) in by_table(&expected) {
                let passed = wanted.iter().filter(|e| e.offset < stored).count();
                let of = |seen: &[Expected]| seen.iter().filter(|e| e.table == table).cloned().collect::<Vec<_>>();
                let (before, behind) = (of(&first), of(&second));
                assert!(before.len() >= passed, "{death:?}: {table} lost a row before the stored position {stored}");
                assert_eq!(before.iter().collect::<Vec<_>>(), wanted[..before.len()], "{death:?}: {table}, first life");
                assert_eq!(behind.iter().collect::<Vec<_>>(), wanted[passed..], "{death:?}: {table}, second life");
            }
            kills += 1;
        }
    }
    kills
}

/// The connection is lost once at every place: what is held stays held, and is not held twice.
#[test]
fn disconnected_while_rows_are_held() {
    let (_folder, spill) = spill();
    let made = one_doubt();
    let recording = made.recording("one doubt, disconnected");
    let events = live(&world(&made, &recording, spill.clone(), Lead::Events(17)), Death::Never).events;
    for after in 0..events {
        let world = world(&made, &recording, spill.clone(), Lead::Events(17));
        check_whole(&made, &world, &live(&world, Death::OnlyTheConnection(after)));
    }
}

#[test]
fn names_in_the_table_map_prove_at_once() {
    let (_folder, spill) = spill();
    let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x"])]);
    made.names = true;
    made.statement("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", "t", Some(&["b", "a"]), BROKEN);
    made.rows(&[("t", 2), ("u", 1)]);
    made.rows(&[("u", 1), ("t", 1)]);
    let recording = made.recording("names");
    let world = world(&made, &recording, spill, Lead::End);
    let life = live(&world, Death::Never);
    check_whole(&made, &world, &life);
    assert_eq!(rows(&life), shown(&made.expected), "nothing had to wait");
}

/// Rows without names, then a table map with names: what proves the later rows proves the earlier ones.
#[test]
fn names_prove_what_came_before_them() {
    let (_folder, spill) = spill();
    let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x"])]);
    made.statement("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", "t", Some(&["b", "a"]), BROKEN);
    made.rows(&[("t", 2), ("u", 1)]);
    made.rows(&[("u", 1)]);
    made.names = true;
    made.rows(&[("u", 1), ("t", 1)]);
    made.names = false;
    made.rows(&[("t", 1)]);
    let recording = made.recording("names later");
    // Far ahead, so that the place alone proves nothing within this file.
    let world = world(&made, &recording, spill, Lead::End);
    let life = live(&world, Death::Never);
    check_whole(&made, &world, &life);
    let order: Vec<(String, u64)> = rows(&life).into_iter().map(|r| (r.table, r.xid)).collect();
    let at = |table: &str, xid: u64| order.iter().position(|o| *o == (table.to_owned(), xid)).expect("it came");
    assert!(at("u", 102) < at("t", 101) && at("t", 101) < at("u", 103), "{order:?}");
}

/// Two swaps of columns of equal type while the daemon is down: in the end the table looks as before, and in between its
/// rows have the names the other way round.
#[test]
fn two_swaps_while_the_daemon_is_down() {
    let (_folder, spill) = spill();
    const SWAP: &str = "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a";
    for (first, second) in [(0, 0), (BROKEN, 0), (0, BROKEN), (BROKEN, BROKEN)] {
        for with_names in [false, true] {
            let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x"])]);
            made.names = with_names;
            made.rows(&[("t", 1), ("u", 1)]);
            let at_first = made.statement(SWAP, "t", Some(&["b", "a"]), first);
            made.rows(&[("t", 2), ("u", 1)]);
            let at_second = made.statement(SWAP, "t", Some(&["a", "b"]), second);
            made.rows(&[("u", 1), ("t", 1)]);
            made.rows(&[("u", 1)]);
            let recording = made.recording(&format!("two swaps, {first} and {second}, names {with_names}"));
            let world = world(&made, &recording, spill.clone(), Lead::End);
            let life = live(&world, Death::Never);
            let missing = check_part(&made, &world, &life);
            // Rows under a swap that nobody understood, read when the server had swapped back, cannot be named unless they
            // carry names; all that is behind them of that table waits too. A swap that is understood, or the last one, is no
            // trouble.
            let is_lost = first == BROKEN && !with_names;
            assert_eq!(missing, if is_lost { 3 } else { 0 }, "{}", recording.name);
            assert_eq!(by_table(&rows(&life))["u"].len(), 4, "the other table flows on");
            if !is_lost {
                check_whole(&made, &world, &life);
                continue;
            }
            assert!(life.held.len() == 1 && life.held[0].stuck && life.held[0].cause.statement == SWAP, "{:?}", life.held);
            // Told what the first swap did, the daemon goes on.
            let swapped = made.definitions().iter().rev().find(|(at, _)| *at == at_first).expect("it").1.clone();
            let store = world.store();
            let place = Position::new(binlogd::position::BinlogPosition::new(recording.file.clone(), at_first));
            let (base, _) = now(store.load_schema(&world.stored())).expect("readable").expect("a version");
            let change = binlogd::schema::delta::SchemaChange::TableCreate {
                database: "d".into(),
                table: "t".into(),
                def: swapped.table("d", "t").expect("t").clone(),
            };
            now(store.save_changes(base, &[change], &swapped, &place)).expect("stored");
            let from = world.stored().at.offset;
            let life = live(&world, Death::Never);
            assert!(life.held.is_empty(), "{}: {:?}", recording.name, life.held);
            let behind: Vec<Expected> = shown(&made.expected).into_iter().filter(|e| e.offset >= from).collect();
            assert_eq!(by_table(&rows(&life)), by_table(&behind));
            assert_eq!(world.stored().at.offset, made.offset());
            assert!(at_second > at_first);
        }
    }
}

/// Told late, a definition must also be in the versions that an earlier life has stored behind its place.
#[test]
fn what_was_told_is_in_later_versions_too() {
    let (_folder, spill) = spill();
    const SWAP: &str = "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a";
    for statements in [1, 2] {
        let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x"])]);
        let place = made.statement(SWAP, "t", Some(&["b", "a"]), BROKEN);
        made.rows(&[("t", 1), ("u", 1)]);
        for n in 0..statements {
            let columns: Vec<String> = std::iter::once("x".to_owned()).chain((0..=n).map(|i| format!("y{i}"))).collect();
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            made.statement(&format!("ALTER TABLE u ADD COLUMN y{n} int"), "u", Some(&columns), 0);
            made.rows(&[("u", 1), ("t", 1)]);
        }
        made.rows(&[("u", 1)]);
        let recording = made.recording("told late");
        // Beyond the file's end, so that nothing is proved by the place.
        let world = world(&made, &recording, spill.clone(), Lead::End);
        let cut = made_events(&recording) - 2;
        live(&world, Death::AfterEvents(cut));
        assert_eq!(world.disk.schema_versions(), 1 + statements, "the other table's statements are stored");
        let swapped = made.definitions().iter().find(|(at, _)| *at == place).expect("it").1.clone();
        let store = world.store();
        let at = Position::new(binlogd::position::BinlogPosition::new(recording.file.clone(), place));
        let (base, _) = now(store.load_schema(&world.stored())).expect("readable").expect("a version");
        let def = swapped.table("d", "t").expect("t").clone();
        let change = binlogd::schema::delta::SchemaChange::TableCreate { database: "d".into(), table: "t".into(), def };
        now(store.save_changes(base, &[change], &swapped, &at)).expect("stored");
        let life = live(&world, Death::Never);
        assert!(life.held.is_empty());
        let (_, found) = now(world.store().load_schema(&world.stored())).expect("readable").expect("a version");
        let last = &made.definitions().last().expect("definitions").1.clone();
        for name in ["t", "u"] {
            assert_eq!(found.table("d", name), last.table("d", name), "{name} as a restart at the end finds it");
        }
    }
}

/// A definition from the future: the server is two statements further when it is asked.
#[test]
fn a_server_two_statements_further() {
    let (_folder, spill) = spill();
    let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x"])]);
    made.statement("ALTER TABLE t RENAME COLUMN a TO c", "t", Some(&["c", "b"]), BROKEN);
    made.rows(&[("t", 1), ("u", 1)]);
    made.statement("ALTER TABLE t RENAME COLUMN c TO d", "t", Some(&["d", "b"]), 0);
    made.rows(&[("t", 1), ("u", 1)]);
    made.statement("ALTER TABLE t RENAME COLUMN b TO e", "t", Some(&["d", "e"]), 0);
    made.rows(&[("t", 1), ("u", 1)]);
    made.rows(&[("u", 1)]);
    let recording = made.recording("from the future");
    for events in 1..=made_events(&recording) {
        let world = world(&made, &recording, spill.clone(), Lead::Events(events));
        let life = live(&world, Death::Never);
        let missing = check_part(&made, &world, &life);
        // Before the second statement the answer is the right one; from then on the first rows have no name for certain.
        assert_eq!(missing, if events < 8 { 0 } else { 3 }, "{events} events ahead");
    }
}

fn made_events(recording: &Recording) -> usize {
    recording.offsets().len()
}

/// Statements right before, inside and right behind the window of the first capture. The capture may have seen them or not.
#[test]
fn statements_around_the_capture_window() {
    let (_folder, spill) = spill();
    let mut runs = 0;
    for swaps in 1..=3 {
        for captured_after in 0..=swaps {
            let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x"])]);
            let mut columns = ["a", "b"];
            let mut ends = vec![made.offset()];
            for _ in 0..swaps {
                columns.reverse();
                made.statement("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", "t", Some(&columns), 0);
                ends.push(made.offset());
                made.rows(&[("u", 1), ("t", 2)]);
                made.rows(&[("t", 1)]);
                made.rows(&[("u", 1)]);
            }
            made.rows(&[("u", 1)]);
            let recording = made.recording(&format!("captured behind statement {captured_after} of {swaps}"));
            // The position was taken before the statements; the definitions after some of them; then the log's end.
            for until in ends[captured_after..].iter().copied().chain([made.offset()]) {
                let captured = made.definitions()[captured_after].1.clone();
                let world = World::with(&recording, MANNER, spill.clone(), Some(captured));
                for lead in [Lead::Near, Lead::Events(7), Lead::End] {
                    let world = World {
                        definitions: made.definitions(),
                        lead,
                        quarantine: Some(1 << 20),
                        captured_until: Some(until),
                        disk: World::with(&recording, MANNER, spill.clone(), Some(world.initial.clone().expect("given"))).disk,
                        initial: world.initial.clone(),
                        ..World::new(&recording, MANNER, spill.clone())
                    };
                    // A server cannot be behind what it showed.
                    if lead == Lead::Near && until > ends[1] {
                        continue;
                    }
                    let life = live(&world, Death::Never);
                    check_part(&made, &world, &life);
                    runs += 1;
                }
            }
        }
    }
    println!("{runs} runs");
    assert!(runs > 20);
}

/// `DROP TABLE t, missing` fails with 1051 and t is gone; one that a foreign key refuses fails with 1217 and t is still
/// there. The event's text is the same, so only the server knows (contract §15.14).
#[test]
fn a_statement_that_failed_half_way() {
    let (_folder, spill) = spill();
    for gone in [false, true] {
        for lead in [Lead::Near, Lead::Events(9)] {
            let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x"])]);
            made.rows(&[("t", 1), ("u", 1)]);
            let columns = (!gone).then_some(&["a", "b"][..]);
            made.statement("DROP TABLE t, missing", "t", columns, if gone { 1051 } else { 1217 });
            made.rows(&[("u", 1)]);
            if gone {
                made.statement("CREATE TABLE t (b int, a int)", "t", Some(&["b", "a"]), 0);
            }
            made.rows(&[("t", 2), ("u", 1)]);
            made.rows(&[("u", 1)]);
            made.rows(&[("t", 1)]);
            made.rows(&[("u", 1)]);
            let recording = made.recording(&format!("half failed, gone {gone}, {lead:?}"));
            let world = world(&made, &recording, spill.clone(), lead);
            check_whole(&made, &world, &live(&world, Death::Never));
        }
    }
}

/// Without a quarantine the daemon stops before the first row that it cannot name, and a restart finds it again.
#[test]
fn without_a_quarantine_the_first_such_row_stops() {
    let (_folder, spill) = spill();
    let made = one_doubt();
    let recording = made.recording("stop");
    let world = World { quarantine: None, ..world(&made, &recording, spill, Lead::End) };
    for _ in 0..2 {
        let Err(error) = world.live(Death::Never) else { panic!("it went on") };
        assert!(error.to_string().contains("d.t is not proved") && !error.is_transient(), "{error}");
        assert!(error.to_string().contains("schema resolve"), "{error}");
    }
}

/// What is held has a bound.
#[test]
fn a_full_quarantine_stops_with_the_position_in_front() {
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), 2000).expect("a spill folder");
    let mut made = Made::new(&[table("t", &["a", "b"]), table("u", &["x"])]);
    let doubt = made.statement("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", "t", Some(&["b", "a"]), BROKEN);
    for _ in 0..100 {
        made.rows(&[("t", 1), ("u", 1)]);
    }
    let recording = made.recording("full");
    let world = World { quarantine: Some(2000), ..world(&made, &recording, spill, Lead::End) };
    let Err(error) = world.live(Death::Never) else { panic!("it went on") };
    assert!(error.to_string().contains("d.t are held back") && error.to_string().contains("spill_limit"), "{error}");
    assert!(world.stored().at.offset <= doubt, "{}", world.stored());
}

/// Every ALTER of a recorded file in turn is one that nobody understands; the daemon is killed at every event.
#[test]
fn killed_with_any_alter_in_doubt() {
    let (_folder, spill) = spill();
    let mut kills = 0;
    for (server, case) in [("mysql-9.7-minimal", "ddl_alters"), ("mysql-9.7", "ddl_alters"), ("mysql-5.6", "ddl_alters")] {
        let whole = Recording::open(server, case);
        let plain = World { quarantine: Some(0), ..World::new(&whole, MANNER, spill.clone()) }.live(Death::Never).expect("whole");
        let definitions = Definitions::new(plain.versions.clone());
        let expected: Vec<serde_json::Value> = rows_of(&plain);
        for number in 0.. {
            let mut recording = Recording::open(server, case);
            if !recording.break_alter(number) {
                assert!(number > 5);
                break;
            }
            for lead in [Lead::Near, Lead::Events(6), Lead::Events(14)] {
                let new = || World {
                    definitions: definitions.clone(),
                    lead,
                    quarantine: Some(600),
                    ..World::new(&recording, MANNER, spill.clone())
                };
                let unbroken = new();
                let life = unbroken.live(Death::Never).unwrap_or_else(|e| panic!("{server}/{case} ALTER {number}: {e}"));
                check_json(&expected, &rows_of(&life), 0, life.held.is_empty(), &format!("{server}/{case} ALTER {number} {lead:?}"));
                for after in (number % 9..life.events).step_by(9) {
                    let what = format!("{server}/{case} ALTER {number} {lead:?}, killed after {after}");
                    let world = new();
                    live(&world, Death::AfterEvents(after));
                    let stored = world.stored().at.offset;
                    let second = live(&world, Death::Never);
                    check_json(&expected, &rows_of(&second), stored, second.held.is_empty(), &what);
                    kills += 1;
                }
            }
        }
    }
    println!("{kills} kills");
    assert!(kills > 300);
}

fn rows_of(life: &Life) -> Vec<serde_json::Value> {
    let json = life.taken.iter().map(|t| serde_json::from_slice::<serde_json::Value>(&t.value).expect("JSON"));
    json.filter(|j| j.get("data").is_some()).collect()
}

/// From a place on, each table's rows are the expected ones: all of them, or if rows are still held the first ones.
fn check_json(expected: &[serde_json::Value], seen: &[serde_json::Value], from: u64, whole: bool, what: &str) {
    let offset = |j: &serde_json::Value| {
        j["position"].as_str().and_then(|p| p.rsplit_once(':')).and_then(|(_, o)| o.parse::<u64>().ok()).expect("an offset")
    };
    let tables: std::collections::BTreeSet<&str> = expected.iter().filter_map(|j| j["table"].as_str()).collect();
    for table in tables {
        let wanted: Vec<_> = expected.iter().filter(|j| j["table"] == table && offset(j) >= from).collect();
        let got: Vec<_> = seen.iter().filter(|j| j["table"] == table).collect();
        assert!(got.len() <= wanted.len() && got == wanted[..got.len()], "{what}: {table}");
        assert!(!whole || got.len() == wanted.len(), "{what}: {table} lacks rows");
    }
}
