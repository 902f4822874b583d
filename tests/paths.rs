//! The slow path makes the messages of the fast path, byte for byte, and fails where that fails: on every recorded binlog, on
//! recorded binlogs that were mutated, and on random rows of random tables. The encoder itself compares (`Path::Both`).

#[path = "mutation/bytes.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod bytes;
#[path = "mutation/chain.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod chain;
#[path = "mutation/codecs.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod codecs;
#[path = "mutation/corpus.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod corpus;
#[path = "mutation/ddl.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod ddl;
#[path = "ddl_oracle/dice.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod dice;
#[path = "mutation/documents.rs"]
mod documents;
#[path = "mutation/events.rs"]
mod events;
#[path = "paths/files.rs"]
mod files;
#[path = "mutation/gtids.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod gtids;
#[path = "paths/options.rs"]
mod options;
#[path = "mutation/payloads.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod payloads;
#[path = "support/rows.rs"]
mod rows;
#[path = "mutation/statement.rs"]
mod statement;
#[path = "paths/tables.rs"]
mod tables;
#[path = "mutation/targets.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod targets;
#[path = "paths/values.rs"]
mod values;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use binlogd::encode::path::DIFFERENCE;
use binlogd::encode::{OutputOptions, Path};
use binlogd::error::{Class, Error};
use dice::Dice;
use files::Player;
use targets::{Corpus, Target};

const MUTATED_FILES: usize = 2_500;
const RANDOM_TABLES: usize = 3_000;

/// The difference that an error tells of, if it does. Any other error both paths have met.
fn difference(error: &Error) -> Option<String> {
    let found = error.message() == DIFFERENCE;
    assert!(found || error.class() != Class::Bug, "{error}");
    found.then(|| error.to_string())
}

/// Does every job on two threads; a job's text is a failure.
fn all(jobs: usize, what: &str, job: impl Fn(usize) -> Vec<String> + Sync) {
    let started = Instant::now();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= jobs {
                        return;
                    }
                    let found = job(number);
                    failures.lock().expect("no panic").extend(found.into_iter().map(|text| format!("{what} {number}: {text}")));
                }
            });
        }
    });
    println!("{jobs} times {what}: {:.1?}", started.elapsed());
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures[..failures.len().min(20)].join("\n"));
}

/// Every recorded case with Maxwell's defaults, with everything on, and with everything else, in both modes.
#[test]
fn recorded() {
    let (cases, messages) = (files::cases(), AtomicU64::new(0));
    all(cases.len(), "case", |number| {
        let (case, mut failures) = (&cases[number], Vec::new());
        for output in options::sets() {
            let (lines, ended) = Player::new().read(&case.path, case.charset, OutputOptions { path: Path::Both, ..output });
            messages.fetch_add(lines, Ordering::Relaxed);
            failures.extend(ended.err().as_ref().and_then(difference));
        }
        failures
    });
    let messages = messages.into_inner();
    println!("{} cases, {messages} messages alike on both paths", cases.len());
    assert!(cases.len() > 300 && messages > 45_000, "{} cases, {messages} messages", cases.len());
}

#[test]
fn mutated() {
    let (corpus, seed) = (Corpus::load(&files::folder()), dice::seed(61));
    println!("seed {seed}");
    let (messages, errors) = (AtomicU64::new(0), AtomicU64::new(0));
    all(MUTATED_FILES, "mutated file", |number| {
        let mut dice = Dice::new(seed.wrapping_add(number as u64 * 0x1000_0001));
        let target = [Target::Rows, Target::Rows, Target::TableMap, Target::Event, Target::Payload][number % 5];
        let input = target.make(&corpus, &mut dice);
        let output = OutputOptions { path: Path::Both, ..options::random(&mut dice) };
        let (lines, ended) = Player::new().read_bytes(&input[1..], output);
        messages.fetch_add(lines, Ordering::Relaxed);
        errors.fetch_add(u64::from(ended.is_err()), Ordering::Relaxed);
        ended.err().as_ref().and_then(difference).into_iter().collect()
    });
    let (messages, errors) = (messages.into_inner(), errors.into_inner());
    println!("{MUTATED_FILES} mutated files: {messages} messages alike, {errors} files end with an error");
    // Inputs that are all refused, or all harmless, would prove nothing.
    assert!(messages > 2_000 && errors > 200, "{messages} messages, {errors} errors");
}

#[test]
fn random_tables() {
    let seed = dice::seed(62);
    println!("seed {seed}");
    let (messages, errors) = (AtomicU64::new(0), AtomicU64::new(0));
    all(RANDOM_TABLES, "random table", |number| {
        let mut dice = Dice::new(seed.wrapping_add(number as u64 * 0x1000_0001));
        let table = tables::Made::roll(&mut dice);
        let output = options::random(&mut dice);
        let outcome = table.compare(&output);
        messages.fetch_add(outcome.messages, Ordering::Relaxed);
        errors.fetch_add(outcome.errors, Ordering::Relaxed);
        outcome.differences
    });
    let (messages, errors) = (messages.into_inner(), errors.into_inner());
    println!("{RANDOM_TABLES} random tables: {messages} messages alike, {errors} transactions end with an error");
    assert!(messages > 10_000 && errors > 100, "{messages} messages, {errors} errors");
}
