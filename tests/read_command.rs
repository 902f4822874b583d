//! `binlogd read` as a process, over every recorded case of mysql-9.7: its lines against what the real Maxwell printed
//! (the ordinary types, byte for byte) and against the same code run inside the test, whose rightness `golden.rs` shows.

// Parts of these files serve `golden.rs` only.
#[allow(dead_code)]
#[path = "golden/case.rs"]
mod case;
#[allow(dead_code)]
#[path = "golden/classes.rs"]
mod classes;
#[allow(dead_code)]
#[path = "golden/compare.rs"]
mod compare;
#[allow(dead_code)]
#[path = "golden/json.rs"]
mod json;
#[allow(dead_code)]
#[path = "golden/lists.rs"]
mod lists;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::Case;
use compare::Verdict;

const SERVER: &str = "mysql-9.7";

fn binlogd(words: &[&str]) -> Output {
    command(words).output().expect("binlogd runs")
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_binlogd"));
    command.arg("read").args(words).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The options under which the fixtures' `full.jsonl` was recorded (README of the fixtures).
const FULL: &[&str] = &[
    "--gtid_mode",
    "--output_binlog_position",
    "--output_gtid_position",
    "--output_commit_info",
    "--output_xoffset",
    "--output_nulls",
    "--output_server_id",
    "--output_thread_id",
    "--output_row_query",
    "--output_primary_keys",
    "--output_primary_key_columns",
    "--output_ddl",
];

struct Counts {
    cases: AtomicUsize,
    recorded: AtomicUsize,
    lines: AtomicUsize,
    stopped: AtomicUsize,
}

fn file_of(case: &Case) -> String {
    case::fixtures().join(SERVER).join(&case.name).join("binlog").to_string_lossy().into_owned()
}

/// Differences of one case, in one mode.
fn check(case: &Case, full: bool, counts: &Counts) -> Vec<String> {
    let truth = case.truth();
    let (file, name) = (file_of(case), format!("--binlog_name={}", truth["binlog_file"].as_str().expect("a name")));
    let words = [if full { FULL } else { &[] }, &["--log_level=error", "--partial_json=omit", name.as_str(), file.as_str()]].concat();
    let output = binlogd(&words);
    let (ours, told) = (text(&output.stdout), text(&output.stderr));
    let (expected, ended) = case.ours(full, false, &truth);
    let mut wrong = Vec::new();
    match &ended {
        Ok(()) if output.status.code() == Some(0) && told.is_empty() => {}
        Err(why)
            if output.status.code() == Some(1) && told.contains(why.as_str()) && told.contains(truth["binlog_file"].as_str().unwrap()) =>
        {
            counts.stopped.fetch_add(1, Ordering::Relaxed);
        }
        other => wrong.push(format!("{:?} {told}, in the test: {other:?}", output.status)),
    }
    if ours != expected {
        wrong.push("the process prints other lines than the same code inside the test".into());
    }
    counts.lines.fetch_add(ours.lines().count(), Ordering::Relaxed);
    if lists::ORDINARY.contains(&case.name.as_str()) {
        let theirs = case.maxwell(full);
        if theirs.lines().count() != ours.lines().count() {
            wrong.push(format!("{} lines, Maxwell {}", ours.lines().count(), theirs.lines().count()));
        }
        // Members of DDL messages stand in an order of their own on either side.
        for (theirs, ours) in theirs.lines().zip(ours.lines()) {
            let is_row = theirs.contains(",\"data\":{");
            if theirs == ours || (!is_row && compare::lines(theirs, ours, None) == Verdict::Identical) {
                counts.recorded.fetch_add(1, Ordering::Relaxed);
            } else {
                wrong.push(format!("Maxwell {theirs}\n    ours    {ours}"));
            }
        }
    }
    wrong.into_iter().map(|why| format!("{} {}: {why}", case.name, if full { "full" } else { "plain" })).collect()
}

/// The last but one update of the case has a minimal image and the changes of a document only.
#[test]
fn a_partial_update_without_its_document_stops() {
    let case = case::all().into_iter().find(|c| c.server.name == SERVER && c.name == "json_partial").expect("the case");
    let output = binlogd(&["--output_ddl", &file_of(&case)]);
    let (lines, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), lines.lines().count()), (Some(1), 15), "{told}{lines}");
    for words in ["lacks the document", "g_json_partial.j.e", "binlog:12411", "partial_json=omit"] {
        assert!(told.contains(words), "no {words} in {told}");
    }
}

#[test]
fn every_case_as_a_process() {
    let cases: Vec<Case> = case::all().into_iter().filter(|c| c.server.name == SERVER).collect();
    assert!(cases.len() > 80, "only {} cases", cases.len());
    let counts =
        Counts { cases: AtomicUsize::new(0), recorded: AtomicUsize::new(0), lines: AtomicUsize::new(0), stopped: AtomicUsize::new(0) };
    let wrong = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(counts.cases.fetch_add(1, Ordering::Relaxed)) {
                    let found = [check(case, true, &counts), check(case, false, &counts)].concat();
                    wrong.lock().expect("no panic").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    println!(
        "binlogd read: {} cases of {SERVER} in two modes, {} lines; {} lines of the {} cases of ordinary types equal Maxwell's; {} runs stop as known",
        cases.len(),
        counts.lines.load(Ordering::Relaxed),
        counts.recorded.load(Ordering::Relaxed),
        lists::ORDINARY.len(),
        counts.stopped.load(Ordering::Relaxed),
    );
    assert!(wrong.is_empty(), "{} failures:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts.recorded.load(Ordering::Relaxed) > 1000, "the recorded lines were not compared");
}

/// Any case with a table, rows and a transaction.
fn some_case() -> (Case, String) {
    let case = case::all().into_iter().find(|c| c.server.name == SERVER && c.name == "ints").expect("the case");
    let file = file_of(&case);
    (case, file)
}

#[test]
fn names_order_and_standard_input() {
    let (case, file) = some_case();
    let plain = case.maxwell(false);
    assert_eq!(text(&binlogd(&[&file]).stdout), plain);

    // Without --binlog_name the file's own name is shown.
    let shown = text(&binlogd(&["--output_binlog_position", &file]).stdout);
    assert!(!shown.is_empty() && shown.lines().all(|l| l.contains(r#""position":"binlog:"#)), "{shown}");
    let shown = text(&binlogd(&["--output_binlog_position", "--binlog_name=m.000007", &file]).stdout);
    assert!(shown.lines().all(|l| l.contains(r#""position":"m.000007:"#)), "{shown}");

    // Files in the order in which they are named; what the first one made is known in the second.
    let twice = binlogd(&["--filter=exclude: *.*, include: g_ints.*", &file, &file]);
    assert!(text(&twice.stdout).starts_with(&plain), "{}", text(&twice.stderr));

    let mut child = command(&["-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("binlogd runs");
    child.stdin.take().expect("a pipe").write_all(&std::fs::read(&file).expect("the file")).expect("it reads all");
    let output = child.wait_with_output().expect("its end");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), plain));
}

#[test]
fn options_change_the_lines() {
    let (case, file) = some_case();
    let lines = case.maxwell(false).lines().count();
    assert_eq!(text(&binlogd(&["--filter=exclude: *.*", &file]).stdout), "", "the filter counts");
    let ddl = text(&binlogd(&["--output_ddl", &file]).stdout);
    assert!(ddl.lines().count() > lines && ddl.contains(r#""type":"table-create""#), "{ddl}");
    let gtids = text(&binlogd(&["--gtid_mode", "--output_gtid_position", &file]).stdout);
    assert!(gtids.lines().all(|l| l.contains(r#""gtid":""#)), "{gtids}");
    let output = binlogd(&["--host=x", &file]);
    assert!(output.status.code() == Some(1) && text(&output.stderr).contains("host has no use in `binlogd read`"));
}

/// The exit code, and what is said; what stands whole before the error is shown all the same.
fn of_bytes(name: &str, bytes: &[u8]) -> (Option<i32>, String, String) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("a file");
    // As the recorded cases are read by `Case::ours`: one has updates whose documents nobody knows.
    let output = binlogd(&["--partial_json=omit", path.to_str().expect("UTF-8")]);
    std::fs::remove_file(&path).expect("it goes");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Ends of all events: the running sum of their sizes.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![4];
    while let Some(size) = bytes.get(ends[ends.len() - 1] + 9..ends[ends.len() - 1] + 13) {
        ends.push(ends[ends.len() - 1] + u32::from_le_bytes([size[0], size[1], size[2], size[3]]) as usize);
    }
    ends
}

#[test]
fn errors_name_file_and_offset() {
    let (case, file) = some_case();
    let bytes = std::fs::read(&file).expect("the file");
    let plain = case.maxwell(false);
    let ends = ends(&bytes);
    assert_eq!(ends.last(), Some(&bytes.len()));
    let (mut inside, mut whole) = (0, 0);
    // Cut behind every tenth event: either between two transactions, or the place is told.
    for end in ends.iter().skip(1).step_by(10) {
        let (code, out, told) = of_bytes("cut-between", &bytes[..*end]);
        assert!(plain.starts_with(&out), "{out}");
        match code {
            Some(0) => whole += 1,
            Some(1) => {
                inside += 1;
                assert!(told.contains("ends inside a transaction") && told.contains(&format!(":{end}")), "{told}");
            }
            other => panic!("{other:?} {told}"),
        }
    }
    assert!(inside > 0 && whole > 0, "{inside} inside, {whole} whole");

    let last = ends[ends.len() - 2];
    let (code, out, told) = of_bytes("cut-event", &bytes[..last + 7]);
    assert_eq!(code, Some(1));
    assert!(plain.starts_with(&out) && told.contains("ends inside an event") && told.contains(&format!(":{last}")), "{told}");

    let mut damaged = bytes.clone();
    damaged[last + 20] ^= 1;
    let (code, _, told) = of_bytes("damaged", &damaged);
    assert!(code == Some(1) && told.contains("damaged") && told.contains(&format!(":{last}")), "{told}");

    let (code, out, told) = of_bytes("no-binlog", b"hello, world");
    assert!(code == Some(1) && out.is_empty() && told.contains("not a binlog file"), "{told}");
    let output = binlogd(&["/nonexistent/binlog"]);
    assert!(output.status.code() == Some(1) && text(&output.stderr).contains("/nonexistent/binlog"));
}

/// Where the text of a statement begins in its event: behind thread, time, name length, error code and status variables.
fn sql_at(event: &[u8]) -> usize {
    let body = &event[19..];
    32 + usize::from(u16::from_le_bytes([body[11], body[12]])) + usize::from(body[8]) + 1
}

/// Without the statements that made the tables, row metadata tells what they are: the rows are the same. What is left are
/// statements on tables that nobody knows.
#[test]
fn tables_that_were_made_before_the_file() {
    const QUERY: u8 = 2;
    const TABLE_MAP: u8 = 19;
    let (mut cases, mut gone, mut rows, mut wrong) = (0, 0, 0, Vec::new());
    for case in case::all().into_iter().filter(|c| c.server.name == SERVER && lists::not_yet(SERVER, &c.name).is_none()) {
        let mut bytes = std::fs::read(file_of(&case)).expect("the file");
        let ends = ends(&bytes);
        for place in ends.windows(2) {
            let next = bytes.get(place[1] + 4).copied();
            let event = &mut bytes[place[0]..place[1]];
            // One that selects has its rows in its transaction.
            if event[4] != QUERY || next == Some(TABLE_MAP) {
                continue;
            }
            let (from, to) = (sql_at(event), event.len() - 4);
            if event[from..to].to_ascii_uppercase().starts_with(b"CREATE TABLE") {
                event[from..to].fill(b' ');
                event[from..from + 4].copy_from_slice(b"DO 0");
                let crc = crc32fast::hash(&event[..to]);
                event[to..].copy_from_slice(&crc.to_le_bytes());
                gone += 1;
            }
        }
        let (expected, ended) = case.ours(false, false, &case.truth());
        ended.unwrap_or_else(|why| panic!("{}: {why}", case.name));
        let (code, ours, told) = of_bytes("made-before", &bytes);
        if code != Some(0) || ours != expected {
            let first = expected.lines().zip(ours.lines()).find(|(expected, ours)| expected != ours);
            wrong.push(format!("{}: {code:?} {told}\n    {first:?}", case.name));
        }
        cases += 1;
        rows += ours.lines().count();
    }
    println!("{cases} cases without their {gone} CREATE TABLE: {rows} rows");
    assert!(wrong.is_empty(), "{} cases: {}", wrong.len(), wrong.join("\n"));
    assert!(gone > 100 && rows > 1000);
}

/// `binlogd read … | head -1`
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let case = case::all().into_iter().find(|c| c.server.name == SERVER && c.name == "tx_many_rows").expect("the case");
    let file = file_of(&case);
    let mut child = command(&[&file, &file]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("binlogd runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("its end");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

/// `--path` chooses how messages are made, and not what they are.
#[test]
fn both_paths_print_the_same() {
    let case = case::all().into_iter().find(|c| c.server.name == SERVER && c.name == "enums").expect("the case");
    let file = file_of(&case);
    let on = |path: &str| {
        let output = binlogd(&["--output_ddl", path, file.as_str()]);
        assert!(output.status.success(), "{path}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let fast = on("--path=fast");
    assert!(fast.lines().count() > 10);
    assert_eq!(on("--path=slow"), fast);
    assert_eq!(on("--path=both"), fast);
}

/// With `--maxwell_quirks` every line of the cases in which Maxwell is wrong is Maxwell's.
#[test]
fn quirks_as_a_process() {
    let topics = binlogd::encode::quirks::QUIRKS.iter().filter_map(|quirk| match quirk.shown_by {
        binlogd::encode::quirks::ShownBy::Recordings(topics) => Some(topics),
        binlogd::encode::quirks::ShownBy::Test(..) => None,
    });
    let topics: std::collections::BTreeSet<&str> = topics.flatten().copied().collect();
    let cases: Vec<Case> = case::all().into_iter().filter(|c| c.server.name == SERVER && topics.contains(c.name.as_str())).collect();
    assert!(cases.len() > 15, "{} cases", cases.len());
    let mut lines = 0;
    for case in &cases {
        let truth = case.truth();
        let (file, name) = (file_of(case), format!("--binlog_name={}", truth["binlog_file"].as_str().expect("a name")));
        let output = binlogd(&[FULL, &["--maxwell_quirks", "--log_level=error", name.as_str(), file.as_str()]].concat());
        assert!(output.status.success(), "{}: {}", case.name, text(&output.stderr));
        let (ours, theirs) = (text(&output.stdout), case.maxwell(true));
        for (theirs, ours) in theirs.lines().zip(ours.lines()) {
            let same = theirs == ours || json::ddl_in_one_order(theirs) == json::ddl_in_one_order(ours);
            assert!(same, "{}\n    Maxwell {theirs}\n    ours    {ours}", case.name);
            lines += 1;
        }
        assert!(ours.lines().count() >= theirs.lines().count(), "{}: lines are missing", case.name);
    }
    println!("with --maxwell_quirks: {} cases, {lines} lines are Maxwell's", cases.len());
}
