//! Definitions that are wrong, on recorded binlogs with full row metadata: right before the first row of every definition of
//! every recorded case the tracked definition is spoiled. The rows must come out as they do with the right one, whether the
//! server has an answer or not; only where MariaDB's metadata does not say what a column means may they be held back.
//! (`tests/golden.rs` holds the right ones against the real Maxwell and the server.)

#[path = "golden/json.rs"]
#[allow(dead_code, reason = "written for another test, which uses more of it")]
mod json;
#[path = "support/replay.rs"]
mod replay;
#[path = "repair/spoil.rs"]
mod spoil;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use binlogd::assemble::spill::SpillDir;
use binlogd::assemble::{AssembleOptions, Assembler, Bound, Captured, TableRequest};
use binlogd::binlog::query::Query;
use binlogd::binlog::table_map::WireType;
use binlogd::binlog::{EventType, Flavor, RawEvent, TableMap, payload};
use binlogd::daemon::chain::{Chain, Flow, Hooks};
use binlogd::encode::batch::{Batch, Topics};
use binlogd::encode::{Encoder, OutputOptions};
use binlogd::error::Result;
use binlogd::filter::Filter;
use binlogd::position::Position;
use binlogd::schema::delta::SchemaChange;
use binlogd::schema::{Column, ColumnType, Schema, SchemaId};
use json::Members;
use replay::Recording;
use spoil::Spoil;

const SERVERS: [&str; 2] = ["mysql-9.7", "mariadb-10.11"];

/// Tables without a primary key whose first unique key has no NULLs: where nobody knows the table, or not a column of that
/// key, the key is taken for a primary key. And one that lost its primary key later (`keys comp`), where the server's
/// definition of then agrees in all that a table map tells for certain.
const KEY_TAKEN: &[&str] = &[
    "mariadb-10.11/ints aliases",
    "mariadb-10.11/keys comp",
    "mariadb-10.11/keys uniq",
    "mariadb-10.11/row_image_minimal uk",
    "mysql-9.7/ints aliases",
    "mysql-9.7/keys comp",
    "mysql-9.7/keys uniq",
    "mysql-9.7/row_image_minimal uk",
];

/// What the server answers when it is asked for a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It has no such table.
    Gone,
    /// The definition of the time.
    Right,
    /// What the table is at the end of the case, if it is there.
    Final,
}

/// One run over a case.
struct Run<'a> {
    server: &'a str,
    answer: Answer,
    /// The definitions of the right run, and at its end.
    right: &'a Schema,
    last: &'a Schema,
    lines: Vec<String>,
    asked: usize,
    repairs: usize,
}

impl Hooks for Run<'_> {
    fn save_schema(&mut self, _: Option<SchemaId>, changes: &[SchemaChange], _: &Schema, _: &Position) -> Result<SchemaId> {
        self.repairs += changes.len();
        Ok(1)
    }

    fn fetch_tables(&mut self, request: &TableRequest, _: &Schema) -> Result<(Vec<Captured>, Bound)> {
        self.asked += 1;
        let of = match self.answer {
            Answer::Gone => None,
            Answer::Right => Some(self.right),
            Answer::Final => Some(self.last),
        };
        let captured = request.tables.iter().filter_map(|name| {
            let table = name.table.clone()?;
            let def = of.and_then(|schema| schema.table(&name.database, &table)).cloned();
            Some(Captured { database: name.database.clone(), database_charset: None, table, def, hidden: 0 })
        });
        Ok((captured.collect(), Bound::never()))
    }

    fn emit(&mut self, batch: Batch) -> Result<()> {
        let lines = batch.messages.iter().map(|m| String::from_utf8(m.value.of(&batch.arena).to_vec()).expect("UTF-8"));
        self.lines.extend(lines);
        Ok(())
    }
}

/// What a run over a whole case gave.
#[derive(Default)]
struct Outcome {
    /// Row messages of each table, in order.
    rows: BTreeMap<(String, String), Vec<String>>,
    /// How it ended, if not at the file's end.
    error: Option<String>,
    /// The definitions before each event.
    schemas: Vec<Schema>,
    spoiled: usize,
    repairs: usize,
    asked: usize,
    held: BTreeSet<(String, String)>,
    /// Spoiled tables, whether they had to be held, and whether they were.
    judged: Vec<(String, bool, bool)>,
}

/// The table maps of a group of events, those in a compressed transaction too.
fn maps(events: &[RawEvent], flavor: Flavor) -> Vec<TableMap> {
    let mut found = Vec::new();
    for event in events {
        match event.event_type() {
            Some(EventType::TableMap) => found.push(TableMap::parse(event, flavor).expect("a table map")),
            Some(EventType::TransactionPayload) => {
                let inner = payload::TransactionPayload::parse(event).and_then(|p| p.events(1 << 30)).expect("a payload");
                let inner: Vec<RawEvent> = inner.map(|e| e.expect("an event")).collect();
                found.extend(maps(&inner, flavor));
            }
            _ => {}
        }
    }
    found
}

/// Whether nothing comes of a group.
fn is_rolled_back(group: &[RawEvent]) -> bool {
    let is_rollback = |e: &RawEvent| e.event_type() == Some(EventType::Query) && Query::parse(e).expect("a statement").sql == b"ROLLBACK";
    group.iter().any(is_rollback)
}

/// Where each group begins: the events up to the next one belong to it.
fn group_ends(events: &[RawEvent]) -> Vec<usize> {
    let begins = |e: &RawEvent| matches!(e.event_type(), Some(EventType::Gtid | EventType::GtidTagged | EventType::MariaGtid));
    let mut ends = vec![0; events.len()];
    let mut end = events.len();
    for (i, event) in events.iter().enumerate().rev() {
        ends[i] = end;
        if begins(event) {
            end = i;
        }
    }
    let is_begin: Vec<bool> = events.iter().map(begins).collect();
    ends.iter().zip(is_begin).map(|(end, begin)| if begin { *end } else { 0 }).collect()
}

fn chain(recording: &Recording, spill: SpillDir) -> Chain {
    let filter = Arc::new(Filter::default());
    let options = AssembleOptions {
        schema_database: "maxwell".into(),
        client_id: "maxwell".into(),
        filter: filter.clone(),
        row_queries: true,
        memory_bytes: 1 << 20,
        gtid_mode: false,
        event_bytes_max: 1 << 30,
    };
    let schema = Schema { charset: recording.charset.into(), ..Schema::default() };
    let mut assembler = Assembler::new(options, spill, schema, None, recording.start(), 0);
    assembler.quarantine_mut().turn_on(64 << 20);
    let output = OutputOptions {
        binlog_position: true,
        commit_info: true,
        xoffset: true,
        nulls: true,
        server_id: true,
        row_query: true,
        primary_keys: true,
        primary_key_columns: true,
        batch_bytes: 1,
        ..OutputOptions::default()
    };
    Chain::new(assembler, Encoder::new(output, Arc::new(Topics::new())), filter, false, None)
}

/// Whether a column may mean several things when only the table map tells of it: the list, in the words of the definitions.
fn is_open(flavor: Flavor, column: &Column, wire: WireType) -> bool {
    let is_utf8 = |charset: Option<&str>| charset.is_none_or(|c| matches!(c, "utf8" | "utf8mb3" | "utf8mb4" | "ascii"));
    flavor == Flavor::MariaDb
        && match &column.ty {
            // Any text in UTF-8 may have a CHECK of json_valid.
            ColumnType::Text { charset, .. } if is_utf8(charset.as_deref()) => true,
            ColumnType::Json => true,
            ColumnType::Other { name, .. } => matches!(name.as_str(), "uuid" | "inet4" | "inet6"),
            ColumnType::Text { .. } | ColumnType::Binary { .. } => matches!(wire, WireType::String { bytes: 4 | 16 }),
            _ => false,
        }
}

/// Where the group ends that has a spoiled table's rows, the table, and whether a column of it is open.
type Judged = (usize, String, String, bool);

fn run(recording: &Recording, events: &[RawEvent], spoil: Option<(Spoil, Answer, &Outcome)>, spill: SpillDir) -> Outcome {
    let mut chain = chain(recording, spill);
    let mut outcome = Outcome::default();
    let ends = group_ends(events);
    let mut done: BTreeSet<(String, String, String)> = BTreeSet::new();
    let (mut lines, mut judged_at) = (Vec::<String>::new(), Vec::<Judged>::new());
    let empty = Schema::default();
    for (i, event) in events.iter().enumerate() {
        if let Some(spoil) = spoil
            && ends[i] > 0
        {
            let mut schema = chain.assembler.schema().clone();
            let group = &events[i..ends[i]];
            for map in maps(group, recording.flavor).into_iter().filter(|_| !is_rolled_back(group)) {
                let Some(def) = schema.table(&map.database, &map.table).cloned() else { continue };
                let (_, _, right) = spoil;
                if right.schemas[i].table(&map.database, &map.table) != Some(&def) {
                    // A copy of a spoiled one.
                    continue;
                }
                let name = (map.database.clone(), map.table.clone());
                let is_held = chain.assembler.quarantine().report().iter().any(|h| h.database == name.0 && h.table == name.1);
                if is_held || def.columns.len() != map.types.len() || !done.insert((name.0.clone(), name.1.clone(), format!("{def:?}"))) {
                    continue;
                }
                let Some(unknown) = spoil.0.table(&mut schema, &def) else { continue };
                outcome.spoiled += 1;
                let open = unknown.iter().any(|at| is_open(recording.flavor, &def.columns[*at], map.types[*at]));
                judged_at.push((ends[i], name.0, name.1, open));
            }
            let id = chain.assembler.schema_id().unwrap_or(1);
            chain.assembler.restore(id, schema);
        }
        let right = spoil.map_or(&empty, |(_, _, right)| &right.schemas[i]);
        let last = spoil.and_then(|(_, _, right)| right.schemas.last()).unwrap_or(&empty);
        let answer = spoil.map_or(Answer::Gone, |(_, answer, _)| answer);
        let mut hooks = Run { server: &recording.name, answer, right, last, lines: Vec::new(), asked: 0, repairs: 0 };
        outcome.schemas.push(chain.assembler.schema().clone());
        let flow = chain.event(event.clone(), &mut hooks);
        let ended = match flow {
            Ok(Flow::On) => chain.flush(&mut hooks),
            Ok(other) => panic!("{}: {other:?}", hooks.server),
            Err(error) => chain.hand_on_complete(&mut hooks).and(Err(error)),
        };
        lines.append(&mut hooks.lines);
        outcome.asked += hooks.asked;
        outcome.repairs += hooks.repairs;
        let held: BTreeSet<(String, String)> = chain.assembler.quarantine().report().into_iter().map(|h| (h.database, h.table)).collect();
        let (now, later) = judged_at.into_iter().partition(|(end, ..)| *end == i + 1);
        judged_at = later;
        for (_, database, table, open) in now {
            let is_held = held.contains(&(database.clone(), table.clone()));
            outcome.judged.push((format!("{database}.{table}"), open, is_held));
        }
        outcome.held = held;
        if let Err(error) = ended {
            outcome.error = Some(error.to_string());
            break;
        }
    }
    for line in lines {
        let members = Members::of(&line).expect("JSON");
        let name = |field: &str| members.text(field).unwrap_or_default();
        outcome.rows.entry((name("database"), name("table"))).or_default().push(line);
    }
    outcome
}

/// Names and values as they are written.
type RawMembers<'a> = Vec<(String, &'a str)>;

/// A row message without the key's members, and these.
fn without_key(row: &str) -> (RawMembers<'_>, RawMembers<'_>) {
    let members = Members::of(row).expect("an object").0;
    members.into_iter().partition(|(name, _)| !name.starts_with("primary_key"))
}

#[derive(Debug, Default)]
struct Totals {
    cases: usize,
    runs: usize,
    spoiled: usize,
    rows: usize,
    repairs: usize,
    asked: usize,
    held: usize,
    rows_held: usize,
}

/// What a server's cases gave.
#[derive(Debug, Default)]
struct Report {
    totals: Totals,
    keys_taken: BTreeSet<String>,
    wrong: Vec<String>,
}

fn all_cases(server: &str) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), 1 << 30).expect("a spill folder");
    let folders = std::fs::read_dir(replay::fixtures().join(server)).expect("a server's folder");
    let cases = folders.map(|e| e.expect("an entry")).filter(|e| e.path().join("binlog").is_file());
    let mut cases: Vec<String> = cases.map(|e| e.file_name().into_string().expect("a name")).collect();
    cases.sort();
    let mut report = Report::default();
    for case in &cases {
        let recording = Recording::open(server, case);
        let events = recording.dump(&Position::new(recording.start()), false);
        let right = run(&recording, &events, None, spill.clone());
        assert!(right.held.is_empty() && right.asked == 0, "{}", recording.name);
        report.totals.cases += 1;
        for spoil in Spoil::all() {
            for answer in [Answer::Gone, Answer::Right, Answer::Final] {
                let spoiled = run(&recording, &events, Some((spoil, answer, &right)), spill.clone());
                let what = format!("{}, {spoil:?}, server {answer:?}", recording.name);
                report.judge(&spoiled, answer, &what);
                if spoiled.error != right.error {
                    report.wrong.push(format!("{what}: ended with {:?} instead of {:?}", spoiled.error, right.error));
                }
                report.compare(&right, &spoiled, &what, &recording.name);
            }
        }
    }
    report
}

#[test]
fn rows_come_out_right_whatever_is_tracked() {
    let (mut keys_taken, mut wrong) = (BTreeSet::new(), Vec::new());
    let reports = std::thread::scope(|scope| {
        let threads = SERVERS.map(|server| scope.spawn(move || all_cases(server)));
        threads.map(|thread| thread.join().expect("a report"))
    });
    for (server, report) in SERVERS.iter().zip(reports) {
        println!("{server}: {:?}", report.totals);
        assert!(report.totals.spoiled > 5000 && report.totals.rows > 50_000);
        assert_eq!(report.totals.held > 300, *server == "mariadb-10.11");
        keys_taken.extend(report.keys_taken);
        wrong.extend(report.wrong);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    assert_eq!(keys_taken, KEY_TAKEN.iter().map(|k| (*k).to_owned()).collect());
}

impl Report {
    /// What was held is what the list says.
    fn judge(&mut self, spoiled: &Outcome, answer: Answer, what: &str) {
        self.totals.runs += 1;
        self.totals.spoiled += spoiled.spoiled;
        self.totals.repairs += spoiled.repairs;
        self.totals.asked += spoiled.asked;
        for (table, open, held) in &spoiled.judged {
            self.totals.held += usize::from(*held);
            let allowed = match answer {
                Answer::Gone => open == held,
                Answer::Right => !held,
                Answer::Final => *open || !held,
            };
            if !allowed {
                self.wrong.push(format!("{what}: {table} is {}held", if *held { "" } else { "not " }));
            }
        }
    }

    /// Every row as in the right run; of a table with rows that are held, the first ones.
    fn compare(&mut self, right: &Outcome, spoiled: &Outcome, what: &str, case: &str) {
        let Report { totals, keys_taken, wrong } = self;
        for (name, expected) in &right.rows {
            let got = spoiled.rows.get(name).map_or(&[][..], Vec::as_slice);
            totals.rows += got.len();
            // Statements may carry a doubt on to another name, so any table may wait once one does.
            if got.len() != expected.len() {
                if spoiled.held.is_empty() || got.len() > expected.len() {
                    wrong.push(format!("{what}: {name:?} has {} rows instead of {}", got.len(), expected.len()));
                }
                totals.rows_held += expected.len().saturating_sub(got.len());
            }
            for (expected, got) in expected.iter().zip(got).filter(|(expected, got)| expected != got) {
                let ((expected, key), (got, taken)) = (without_key(expected), without_key(got));
                if expected != got {
                    wrong.push(format!("{what}: {got:?}\n    instead of {expected:?}"));
                    break;
                }
                if key != taken {
                    keys_taken.insert(format!("{case} {}", name.1));
                }
            }
        }
        let unknown = spoiled.rows.keys().filter(|name| !right.rows.contains_key(*name));
        wrong.extend(unknown.map(|name| format!("{what}: rows of {name:?}")));
    }
}
