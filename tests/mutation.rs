//! A robust decoder: whatever bytes come, there is no panic, no memory without bound and no endless loop, what is printed is
//! JSON, and an error says where it is and what to do.
//!
//! Recorded binlogs are mutated by what is known of their form and go through the whole chain as `binlogd read` takes them;
//! the codecs, GTID sets, character sets and the DDL parser are fed by themselves too. `mutations` tries a fixed number of
//! inputs from a printed seed; `fuzz` (`make fuzz`) goes on until it is stopped:
//!
//! - BINLOGD_FUZZ_TARGETS=rows,json: only these (all of them otherwise)
//! - BINLOGD_FUZZ_SECONDS=N: so long; BINLOGD_FUZZ_SEED=N: that seed; BINLOGD_FUZZ_WORKERS=N: threads
//! - BINLOGD_FUZZ_INPUT=FILE with one target: one saved input again

#[path = "mutation/allocator.rs"]
mod allocator;
#[path = "mutation/bytes.rs"]
mod bytes;
#[path = "mutation/chain.rs"]
mod chain;
#[path = "mutation/codecs.rs"]
mod codecs;
#[path = "mutation/corpus.rs"]
mod corpus;
#[path = "mutation/damaged.rs"]
mod damaged;
#[path = "mutation/ddl.rs"]
mod ddl;
#[path = "ddl_oracle/dice.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod dice;
#[path = "mutation/documents.rs"]
mod documents;
#[path = "mutation/events.rs"]
mod events;
#[path = "mutation/gtids.rs"]
mod gtids;
#[path = "mutation/payloads.rs"]
mod payloads;
#[path = "mutation/run.rs"]
mod run;
#[path = "mutation/statement.rs"]
mod statement;
#[path = "mutation/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use run::Run;
use targets::{ALL, Corpus, Target};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

fn target_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target")
}

fn corpus() -> Corpus {
    Corpus::load(&variable("BINLOGD_FIXTURES").map_or_else(|| target_folder().join("fixtures/golden"), PathBuf::from))
}

fn seed_of(usual: u64) -> u64 {
    number("BINLOGD_FUZZ_SEED").unwrap_or_else(|| dice::seed(usual))
}

#[test]
fn mutations() {
    let (corpus, seed) = (corpus(), seed_of(6));
    run::quiet_panics();
    println!("seed {seed}");
    let mut failures = Vec::new();
    for (target, name, count) in ALL {
        let started = Instant::now();
        let run =
            Run { corpus: &corpus, target, seed, first: 0, last: count, until: None, workers: 2, folder: target_folder().join("fuzz") };
        let (tried, held, found) = run.go();
        println!("{name}: {tried} inputs, at most {held} bytes held, {} kinds of failures, {:.1?}", found.len(), started.elapsed());
        failures.extend(found);
    }
    let list: Vec<String> =
        failures.iter().map(|f| format!("{} input {}: {} ({})", f.target.name(), f.number, f.why, f.path.display())).collect();
    assert!(list.is_empty(), "seed {seed}:\n{}", list.join("\n"));
}

/// Without limit; `make fuzz` builds it for release and names what to do.
#[test]
#[ignore = "runs until it is stopped: make fuzz"]
fn fuzz() {
    let named = variable("BINLOGD_FUZZ_TARGETS");
    let targets: Vec<Target> = match &named {
        Some(names) => names.split(',').map(|n| Target::named(n).unwrap_or_else(|| panic!("no target is called {n}"))).collect(),
        None => ALL.iter().map(|(target, ..)| *target).collect(),
    };
    run::quiet_panics();
    if let Some(path) = variable("BINLOGD_FUZZ_INPUT") {
        let [target] = targets[..] else { panic!("BINLOGD_FUZZ_INPUT needs one target in BINLOGD_FUZZ_TARGETS") };
        match run::again(target, Path::new(&path)) {
            Ok(held) => println!("{path}: as it should be, {held} bytes held"),
            Err(why) => panic!("{path}: {why}"),
        }
        return;
    }
    let (corpus, seed) = (corpus(), seed_of(std::process::id().into()));
    let until = number("BINLOGD_FUZZ_SECONDS").map(|s| Instant::now() + Duration::from_secs(s));
    let workers = number("BINLOGD_FUZZ_WORKERS").unwrap_or(1) as usize;
    println!("seed {seed}");
    let (mut first, mut found) = (vec![0u64; targets.len()], 0);
    let (mut all, mut failed) = (0, Vec::new());
    while until.is_none_or(|until| Instant::now() < until) {
        for (i, target) in targets.iter().enumerate() {
            let round = Instant::now() + Duration::from_secs(10);
            let until = Some(until.map_or(round, |until| until.min(round)));
            let folder = target_folder().join("fuzz");
            let run = Run { corpus: &corpus, target: *target, seed, first: first[i], last: u64::MAX, until, workers, folder };
            let (tried, held, failures) = run.go();
            first[i] += tried;
            all += tried;
            found += failures.len();
            failed.extend(failures.into_iter().map(|f| f.path.display().to_string()));
            println!("{}: {} inputs, at most {held} bytes held; {all} in all, {found} failures", target.name(), first[i]);
        }
    }
    assert!(failed.is_empty(), "seed {seed}: {all} inputs, failures: {}", failed.join(", "));
}

/// What was found once, and mended.
#[test]
fn found_before() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutation/found");
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    run::quiet_panics();
    for path in entries.map(|e| e.expect("an entry").path()) {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let target = ALL.iter().map(|(target, name, _)| (*target, *name)).find(|(_, target)| name.starts_with(target));
        let (target, _) = target.unwrap_or_else(|| panic!("{name} begins with no target's name"));
        if let Err(why) = run::again(target, &path) {
            panic!("{name}: {why}");
        }
    }
}

#[test]
fn the_allocator_counts() {
    let (_, held) = allocator::peak_during(|| {
        drop(std::hint::black_box(vec![1u8; 100_000]));
        drop(std::hint::black_box(vec![1u8; 50_000]));
    });
    assert!((100_000..101_000).contains(&held), "{held}");
}
