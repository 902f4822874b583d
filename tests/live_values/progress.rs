//! What a long run says while it goes, and what it leaves when it finds a difference.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::live_support::environment::variable;
use super::replay::Counts;

const EVERY: Duration = Duration::from_secs(60);

pub struct Progress {
    name: &'static str,
    rows: u64,
    seed: u64,
    started: Instant,
    told: Instant,
}

impl Progress {
    pub fn new(name: &'static str, rows: u64, seed: u64) -> Self {
        Progress { name, rows, seed, started: Instant::now(), told: Instant::now() }
    }

    /// A line every minute.
    pub fn tell(&mut self, counts: &Counts, round: usize) {
        if self.told.elapsed() < EVERY {
            return;
        }
        self.told = Instant::now();
        let seconds = self.started.elapsed().as_secs_f64();
        println!(
            "{}: {:.2} of {:.2} million row changes after {:.0} min, {:.0} a second; round {round}, seed {}; {}",
            self.name,
            counts.messages as f64 / 1e6,
            self.rows as f64 / 1e6,
            seconds / 60.0,
            counts.messages as f64 / seconds,
            self.seed,
            memory()
        );
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// This process's memory now and at most (proc(5), VmRSS and VmHWM).
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim().to_owned();
    format!("{} of memory, at most {}", of("VmRSS:"), of("VmHWM:"))
}

/// Writes the differences to a file, whole; the server's binlog of the round is still there.
pub fn keep_evidence(name: &str, seed: u64, round: usize, wrong: &[String]) -> PathBuf {
    let folder = variable("BINLOGD_TEST_RUN_DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let path = folder.join(format!("values-{name}-{seed}.txt"));
    let text = format!("{name}, seed {seed}, round {round}\n\n{}\n", wrong.join("\n\n"));
    std::fs::write(&path, text).unwrap_or_else(|e| println!("{}: {e}", path.display()));
    path
}
