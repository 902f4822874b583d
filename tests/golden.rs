//! Every recorded case through the whole chain, compared line by line and byte for byte with what the real Maxwell
//! printed, and the tables that result with what the server itself showed afterwards.

#[path = "golden/case.rs"]
mod case;
#[path = "golden/classes.rs"]
mod classes;
#[path = "golden/compare.rs"]
mod compare;
#[path = "golden/json.rs"]
mod json;
#[path = "golden/lists.rs"]
mod lists;
#[path = "golden/replay.rs"]
mod replay;
#[path = "golden/truth.rs"]
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::Case;
use compare::{Columns, Verdict};

/// What one case showed.
#[derive(Debug, Default)]
struct Outcome {
    lines: usize,
    identical: usize,
    /// Lines that differ in known ways.
    allowed: usize,
    /// Lines of ours that Maxwell did not print.
    beyond: usize,
    values: usize,
    classes: BTreeSet<&'static str>,
    wrong: Vec<String>,
}

impl Outcome {
    fn is_identical(&self) -> bool {
        self.wrong.is_empty() && self.allowed == 0 && self.beyond == 0
    }
}

fn run(case: &Case) -> Outcome {
    let mut outcome = Outcome::default();
    let truth = case.truth();
    let not_yet = lists::not_yet(case.server.name, &case.name);
    let (full, ended) = case.ours(true, &truth);
    match (&ended, not_yet) {
        (Err(why), None) => outcome.wrong.push(format!("stopped: {why}")),
        (Err(why), Some(reason)) if !why.contains(reason) => outcome.wrong.push(format!("stopped for another reason: {why}")),
        (Ok(()), Some(_)) => outcome.wrong.push("works: take it off the list of what is not there yet".into()),
        _ => {}
    }
    let columns = compare::columns_of_rows(&full);
    compare_mode(case, "full", &case.maxwell(true), &full, &columns, not_yet.is_some(), &mut outcome);
    let (plain, _) = case.ours(false, &truth);
    compare_mode(case, "plain", &case.maxwell(false), &plain, &columns, not_yet.is_some(), &mut outcome);
    if not_yet.is_none() {
        let skipped = lists::silent_changes(case.server.name, &case.name);
        match replay::Replay::of(&full, &skipped) {
            Ok(replay) => {
                let report = replay.compare(&truth, &skipped, case.name.starts_with("row_image_"));
                outcome.values = report.values;
                outcome.wrong.extend(report.wrong);
            }
            Err(why) => outcome.wrong.push(why),
        }
    }
    outcome
}

/// Maxwell's lines are the first of ours, or (where it lost whole changes) ours without some.
fn compare_mode(case: &Case, mode: &str, theirs: &str, ours: &str, columns: &[Columns], stopped_early: bool, outcome: &mut Outcome) {
    let lost = lists::lost_changes(case.server.name, &case.name);
    let mut rows = columns.iter();
    let mut ours = ours.lines().map(|line| (line, if line.contains(",\"data\":{") { rows.next() } else { None })).peekable();
    for (number, line) in theirs.lines().enumerate().filter(|(_, line)| !lists::premature(case.server.name, &case.name, line)) {
        outcome.lines += 1;
        let verdict = loop {
            let Some((mine, columns)) = ours.next() else {
                if stopped_early {
                    return;
                }
                break Verdict::Wrong(format!("no such line\n    Maxwell {line}"));
            };
            match compare_lines(case, line, mine, columns) {
                Verdict::Wrong(_) if lost && ours.peek().is_some() => outcome.beyond += 1,
                verdict => break verdict,
            }
        };
        match verdict {
            Verdict::Identical => outcome.identical += 1,
            Verdict::Allowed(classes) => {
                outcome.allowed += 1;
                outcome.classes.extend(classes);
            }
            Verdict::Wrong(why) => outcome.wrong.push(format!("{mode}.jsonl line {}: {why}", number + 1)),
        }
    }
    let rest = ours.count();
    outcome.beyond += rest;
    if rest > 0 && !lost && !case.maxwell_stopped() {
        outcome.wrong.push(format!("{mode}: {rest} lines that Maxwell did not print"));
    }
}

/// The release that printed the lines keeps doubled quotes in names as they are, which is a fault of that release only.
fn compare_lines(case: &Case, theirs: &str, ours: &str, columns: Option<&Columns>) -> Verdict {
    if !lists::doubled_quotes(&case.name) {
        return compare::lines(theirs, ours, columns);
    }
    match compare::lines(&theirs.replace("``", "`"), &ours.replace("``", "`"), columns) {
        Verdict::Identical if theirs != ours => Verdict::Allowed(vec!["doubled quotes in names"]),
        verdict => verdict,
    }
}

fn run_all() -> BTreeMap<(&'static str, String), Outcome> {
    let cases = case::all();
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(case);
                    outcomes.lock().expect("no panic").insert((case.server.name, case.name.clone()), outcome);
                }
            });
        }
    });
    outcomes.into_inner().expect("no panic")
}

#[test]
fn every_case_is_maxwells_or_differs_in_known_ways() {
    let outcomes = run_all();
    assert!(outcomes.len() > 300, "only {} cases", outcomes.len());
    let mut failures = Vec::new();
    for ((server, case), outcome) in &outcomes {
        let expected: BTreeSet<&str> = lists::classes_of(server, case).collect();
        if outcome.wrong.is_empty() && expected != outcome.classes && lists::not_yet(server, case).is_none() {
            failures.push(format!("{server}/{case}: differs by {:?}, the list says {expected:?}", outcome.classes));
        }
        failures.extend(outcome.wrong.iter().map(|why| format!("{server}/{case}: {why}")));
    }
    for name in lists::ORDINARY {
        match outcomes.get(&("mysql-9.7", (*name).to_owned())) {
            Some(outcome) if outcome.is_identical() => {}
            other => failures.push(format!("mysql-9.7/{name} has to be identical: {:?}", other.map(|o| &o.classes))),
        }
    }
    print_counts(&outcomes);
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn print_counts(outcomes: &BTreeMap<(&'static str, String), Outcome>) {
    for server in case::SERVERS {
        let of: Vec<_> = outcomes.iter().filter(|((s, _), _)| *s == server.name).collect();
        let sum = |count: fn(&Outcome) -> usize| of.iter().map(|(_, o)| count(o)).sum::<usize>();
        println!(
            "{}: {} cases, {} of them identical, {} not there yet; {} lines: {} identical, {} differ by class; {} lines of ours beyond Maxwell's; \
             {} values as on the server",
            server.name,
            of.len(),
            of.iter().filter(|(_, o)| o.is_identical()).count(),
            of.iter().filter(|((s, c), _)| lists::not_yet(s, c).is_some()).count(),
            sum(|o| o.lines),
            sum(|o| o.identical),
            sum(|o| o.allowed),
            sum(|o| o.beyond),
            sum(|o| o.values),
        );
    }
}
