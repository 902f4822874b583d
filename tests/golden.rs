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

use binlogd::encode::quirks::{self, ShownBy};
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
    let (full, ended) = case.ours(true, false, &truth);
    match (&ended, not_yet) {
        (Err(why), None) => outcome.wrong.push(format!("stopped: {why}")),
        (Err(why), Some(reason)) if !why.contains(reason) => outcome.wrong.push(format!("stopped for another reason: {why}")),
        (Ok(()), Some(_)) => outcome.wrong.push("works: take it off the list of what is not there yet".into()),
        _ => {}
    }
    let columns = compare::columns_of_rows(&full);
    compare_mode(case, "full", &case.maxwell(true), &full, &columns, not_yet.is_some(), &mut outcome);
    let (plain, _) = case.ours(false, false, &truth);
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
    failures.extend(against_the_table(&outcomes));
    print_counts(&outcomes);
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Every class of difference is an entry of `encode::quirks` that names its cases, and every entry has the cases that it
/// names.
fn against_the_table(outcomes: &BTreeMap<(&'static str, String), Outcome>) -> Vec<String> {
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for ((_, case), outcome) in outcomes {
        seen.extend(outcome.classes.iter().map(|class| (*class, case.as_str())));
    }
    let named: BTreeSet<(&str, &str)> = quirks::QUIRKS
        .iter()
        .flat_map(|quirk| match quirk.shown_by {
            ShownBy::Recordings(topics) => topics.iter().map(|topic| (quirk.name, *topic)).collect(),
            ShownBy::Test(..) => Vec::new(),
        })
        .collect();
    let unnamed = seen.difference(&named).map(|(class, case)| format!("{case} differs by {class:?}, and the table does not say so"));
    let unseen = named.difference(&seen).map(|(class, case)| format!("the table says that {case} shows {class:?}, and it does not"));
    unnamed.chain(unseen).collect()
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

/// What Maxwell lost is printed as by default, but for values in which it is wrong elsewhere too.
fn same_but_for_quirks(ours: &str, default: &str, case: &Case, wrong: &mut dyn FnMut(String)) {
    if ours.lines().count() != default.lines().count() {
        wrong("other lines than by default".into());
    }
    let (full, _) = case.ours(true, false, &case.truth());
    let columns = compare::columns_of_rows(&full);
    let mut columns = columns.iter();
    for (mine, default) in ours.lines().zip(default.lines()) {
        let columns = if default.contains(",\"data\":{") { columns.next() } else { None };
        if let Verdict::Wrong(why) = compare::lines(mine, default, columns) {
            wrong(why);
        }
    }
}

/// With `maxwell_quirks` every line that Maxwell printed is ours, byte for byte (but for the order of two keys in DDL
/// messages). Where it lost whole changes, what is ours alone is what the default prints, which `truth.json` has judged.
#[test]
fn with_quirks_every_line_is_maxwells() {
    let (mut lines, mut beyond, mut failures) = (0, 0, Vec::new());
    for case in case::all() {
        let truth = case.truth();
        for (mode, full) in [("full", true), ("plain", false)] {
            let mut wrong = |why: String| failures.push(format!("{}/{} {mode}: {why}", case.server.name, case.name));
            let (ours, ended) = case.ours(full, true, &truth);
            let (default, default_ended) = case.ours(full, false, &truth);
            if ended != default_ended {
                wrong(format!("ends with {ended:?}, by default with {default_ended:?}"));
            }
            let lost = lists::lost_changes(case.server.name, &case.name);
            if lost {
                same_but_for_quirks(&ours, &default, &case, &mut wrong);
            }
            let stopped_early = ended.is_err();
            let mut mine = ours.lines();
            let premature = |line: &str| lists::premature(case.server.name, &case.name, line);
            for (number, theirs) in case.maxwell(full).lines().enumerate().filter(|(_, line)| !premature(line)) {
                let found = mine.by_ref().find(|ours| {
                    let same = *ours == theirs || json::ddl_in_one_order(ours) == json::ddl_in_one_order(theirs);
                    beyond += usize::from(lost && !same);
                    same || !lost
                });
                match found {
                    Some(ours) if *ours == *theirs || json::ddl_in_one_order(ours) == json::ddl_in_one_order(theirs) => lines += 1,
                    Some(ours) => wrong(format!("line {}\n    Maxwell {theirs}\n    ours    {ours}", number + 1)),
                    None if stopped_early => break,
                    None => {
                        wrong(format!("line {} is missing: {theirs}", number + 1));
                        break;
                    }
                }
            }
            let rest = mine.count();
            beyond += rest;
            if rest > 0 && !lost && !case.maxwell_stopped() {
                wrong(format!("{rest} lines that Maxwell did not print"));
            }
        }
    }
    println!("with maxwell_quirks: {lines} lines are Maxwell's, {beyond} lines of ours are beyond what it printed");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(lines > 14_000, "{lines} lines");
}
