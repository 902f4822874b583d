//! Live differential test of values: random tables of all types, widths, settings, character sets and keys with random rows,
//! under every row image and both kinds of row metadata, on every server. What the chain prints for the server's binlog is
//! replayed into tables and compared with SELECT of every value.
//!
//! BINLOGD_TEST_ROWS=N sets the number of row changes per server (`make test-long`: ten million), BINLOGD_TEST_SEED=N another
//! run than the usual one.

#[path = "live_values/charsets.rs"]
mod charsets;
#[path = "golden/classes.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod classes;
#[path = "live_values/columns.rs"]
mod columns;
#[path = "live_values/corners.rs"]
mod corners;
#[path = "ddl_oracle/mod.rs"]
mod ddl_oracle;
#[path = "golden/json.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod json;
#[path = "live_values/literals.rs"]
mod literals;
#[path = "live_support/mod.rs"]
mod live_support;
#[path = "live_values/maxwell.rs"]
mod maxwell;
#[path = "live_values/progress.rs"]
mod progress;
#[path = "live_values/replay.rs"]
mod replay;
#[path = "live_values/sessions.rs"]
mod sessions;
#[path = "live_values/special.rs"]
mod special;
#[path = "golden/truth.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod truth;
#[path = "live_values/workload.rs"]
mod workload;

use std::time::Instant;

use binlogd::assemble::spill::SpillDir;
use ddl_oracle::dice;
use ddl_oracle::model::Model;
use live_support::environment::{need, number, one_at_a_time, variable};
use progress::Progress;
use workload::Workload;

const SERVERS: [(&str, &str); 4] = [
    ("mysql97", "BINLOGD_TEST_MYSQL97_PORT"),
    ("mysql56", "BINLOGD_TEST_MYSQL56_PORT"),
    ("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT"),
    ("mariadb118", "BINLOGD_TEST_MARIADB118_PORT"),
];

/// Row changes per server.
const ROWS: u64 = 100_000;

fn run(name: &'static str, port: u16) {
    let (rows, seed) = (number("BINLOGD_TEST_ROWS", ROWS), dice::seed(66));
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let spill = SpillDir::open(folder.path(), 1 << 30).expect("a spill folder");
    let mut progress = Progress::new(name, rows, seed);
    let mut model = Model::open(&rt, port, spill);
    let mut workload = Workload::open(&rt, name, port, model.identity(), seed);
    let mut round = 0;
    while workload.counts.messages < rows && workload.wrong.is_empty() {
        workload.round(&mut model, round, rows);
        round += 1;
        progress.tell(&workload.counts, round);
    }
    if !workload.wrong.is_empty() {
        println!("{name}: all of it in {}", progress::keep_evidence(name, seed, round, &workload.wrong).display());
    }
    workload.clean_up();
    let (counts, refused) = (workload.counts, workload.refused);
    println!(
        "{name}: {} row changes in {} tables of {round} rounds (seed {seed}): {} values against SELECT, {} against earlier messages, {} in no \
         image; {refused} statements refused; {:.1?}",
        counts.messages,
        workload.tables,
        counts.values,
        counts.repeated,
        counts.absent,
        progress.elapsed()
    );
    let wrong = &workload.wrong;
    assert!(wrong.is_empty(), "{name} (seed {seed}): {} differences:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

async fn on(name: &'static str, variable: &'static str) {
    let Some([port]) = need("live_values", [variable]) else { return };
    let _alone = one_at_a_time().await;
    let port = port.parse().expect("a port");
    tokio::task::spawn_blocking(move || run(name, port)).await.expect("all values are right");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_on_mysql97() {
    on("mysql97", "BINLOGD_TEST_MYSQL97_PORT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_on_mysql56() {
    on("mysql56", "BINLOGD_TEST_MYSQL56_PORT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_on_mariadb1011() {
    on("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_on_mariadb118() {
    on("mariadb118", "BINLOGD_TEST_MARIADB118_PORT").await;
}

/// Corner values and all characters, server by server.
#[tokio::test(flavor = "multi_thread")]
async fn corner_values_and_every_character() {
    for (name, variable) in SERVERS {
        let Some([port]) = need("corner values", [variable]) else { continue };
        let _alone = one_at_a_time().await;
        let port = port.parse().expect("a port");
        tokio::task::spawn_blocking(move || corners_and_charsets(name, port)).await.expect("all corners are right");
    }
}

fn corners_and_charsets(name: &'static str, port: u16) {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let started = Instant::now();
    let mut model = Model::open(&rt, port, SpillDir::open(folder.path(), 1 << 30).expect("a spill folder"));
    let mut workload = Workload::open(&rt, name, port, model.identity(), 0);
    workload.corners(&mut model);
    workload.special(&mut model);
    println!(
        "{name}: corner values in {} tables: {} row changes, {} values against SELECT; {} statements refused; {:.1?}",
        workload.tables,
        workload.counts.messages,
        workload.counts.values,
        workload.refused,
        started.elapsed()
    );
    let started = Instant::now();
    let mut checked = workload.charsets();
    println!("{name}: {} character sets, {} sequences of bytes; {:.1?}", checked.charsets, checked.sequences, started.elapsed());
    workload.clean_up();
    let mut wrong = std::mem::take(&mut workload.wrong);
    wrong.append(&mut checked.wrong);
    assert!(wrong.is_empty(), "{name}: {} differences:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

async fn beside_maxwell(name: &'static str, variable_of_port: &'static str) {
    let test = format!("values beside Maxwell on {name}");
    let Some(command) = variable("MAXWELL_RUN") else {
        println!("SKIPPED {test}: MAXWELL_RUN is not set");
        return;
    };
    let Some([port]) = need(&test, [variable_of_port]) else { return };
    let _alone = one_at_a_time().await;
    maxwell::compare(name, port.parse().expect("a port"), command, dice::seed(67)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_maxwell_on_mysql97() {
    beside_maxwell("mysql97", "BINLOGD_TEST_MYSQL97_PORT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_maxwell_on_mysql56() {
    beside_maxwell("mysql56", "BINLOGD_TEST_MYSQL56_PORT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_maxwell_on_mariadb1011() {
    beside_maxwell("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT").await;
}
