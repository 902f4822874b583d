//! Workers that try inputs, a watchdog that ends the process when one takes too long, and what is kept of a failure.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::allocator;
use super::chain::Player;
use super::corpus;
use super::targets::{Corpus, Target};
use crate::dice::Dice;

/// An input for which a thread holds more than this and so many bytes per byte of it is a failure. Events of up to 1 MiB may
/// come out of a compressed one, and a value's text may be six times as long as its bytes, in three places of a message.
const HELD_BYTES_MAX: u64 = 48 << 20;
const HELD_BYTES_PER_BYTE: u64 = 200;
/// No input is anywhere near as slow, in any build on any machine: whoever takes longer does not end.
const HANG: Duration = Duration::from_secs(120);
/// Attempts at making a failing input smaller.
const ATTEMPTS_MAX: usize = 3_000;

/// An input and what was wrong with it.
pub struct Failure {
    pub target: Target,
    pub number: u64,
    pub why: String,
    pub path: PathBuf,
}

/// The seed of one input, from the run's.
fn input_seed(seed: u64, target: Target, number: u64) -> u64 {
    let mut dice = Dice::new(seed ^ (target as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    dice.next() ^ number.wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

pub fn input(corpus: &Corpus, seed: u64, target: Target, number: u64) -> Vec<u8> {
    target.make(corpus, &mut Dice::new(input_seed(seed, target, number)))
}

thread_local! {
    static PANIC: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// Panics of the workers are kept for the report instead of being printed.
pub fn quiet_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name().is_some_and(|name| name.starts_with("mutation")) {
            PANIC.set(Some(info.to_string()));
        } else {
            usual(info);
        }
    }));
}

/// Feeds one input; what was wrong, if anything was.
pub fn attempt(target: Target, input: &[u8], player: &mut Player) -> Result<u64, String> {
    let (outcome, held) = allocator::peak_during(|| catch_unwind(AssertUnwindSafe(|| target.run(input, player))));
    match outcome {
        Err(_) => {
            // What the panic has left half done is not used again.
            *player = Player::new();
            Err(format!("panic: {}", PANIC.take().unwrap_or_default()))
        }
        Ok(Err(why)) => Err(why),
        Ok(Ok(())) if held > HELD_BYTES_MAX + HELD_BYTES_PER_BYTE * input.len() as u64 => {
            Err(format!("memory: {held} bytes were held for an input of {}", input.len()))
        }
        Ok(Ok(())) => Ok(held),
    }
}

/// What makes two failures the same: the beginning of the text, without its numbers.
fn kind(why: &str) -> String {
    let line = why.lines().next().unwrap_or_default();
    let parts: Vec<&str> = line.splitn(4, ": ").take(if line.starts_with("panic") { 4 } else { 2 }).collect();
    parts.join(": ").chars().filter(|c| !c.is_ascii_digit()).take(90).collect()
}

/// What one worker does now, for the watchdog.
#[derive(Default)]
struct Desk {
    /// Number of the input, plus one; 0 when there is none.
    number: AtomicU64,
    /// Milliseconds since the start when it began.
    since: AtomicU64,
    /// The same is in this file, for when the process ends by itself.
    file: Mutex<Option<std::fs::File>>,
}

/// One target's inputs from `first` on until `last`, or until the time is over, by several workers.
pub struct Run<'a> {
    pub corpus: &'a Corpus,
    pub target: Target,
    pub seed: u64,
    pub first: u64,
    pub last: u64,
    pub until: Option<Instant>,
    pub workers: usize,
    pub folder: PathBuf,
}

impl Run<'_> {
    /// Tries all inputs; how many, the most memory one held, and the failures, each kind once.
    pub fn go(&self) -> (u64, u64, Vec<Failure>) {
        std::fs::create_dir_all(&self.folder).expect("a folder for failures");
        let desks: Vec<Desk> = (0..self.workers).map(|i| self.desk(i)).collect();
        let (next, tried, most) = (AtomicU64::new(self.first), AtomicU64::new(0), AtomicU64::new(0));
        let (failures, done) = (Mutex::new(Vec::<Failure>::new()), AtomicBool::new(false));
        let start = Instant::now();
        std::thread::scope(|scope| {
            let watched = &desks;
            let done = &done;
            let watchdog = scope.spawn(move || self.watch(watched, start, done));
            let workers: Vec<_> = desks
                .iter()
                .map(|desk| {
                    let (next, tried, most, failures) = (&next, &tried, &most, &failures);
                    let builder = std::thread::Builder::new().name("mutation".into());
                    builder.spawn_scoped(scope, move || self.work(desk, start, next, tried, most, failures)).expect("a thread")
                })
                .collect();
            for worker in workers {
                worker.join().expect("a worker catches panics");
            }
            done.store(true, Ordering::Relaxed);
            watchdog.thread().unpark();
        });
        (tried.into_inner(), most.into_inner(), failures.into_inner().expect("no worker panicked"))
    }

    fn desk(&self, index: usize) -> Desk {
        let path = self.folder.join(format!("at-{}-{index}", self.target.name()));
        let file = std::fs::File::create(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Desk { file: Mutex::new(Some(file)), ..Desk::default() }
    }

    fn work(&self, desk: &Desk, start: Instant, next: &AtomicU64, tried: &AtomicU64, most: &AtomicU64, failures: &Mutex<Vec<Failure>>) {
        let mut player = Player::new();
        let file = desk.file.lock().expect("no one else").take();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let over = self.until.is_some_and(|until| Instant::now() >= until);
            if number >= self.last || over {
                break;
            }
            desk.since.store(start.elapsed().as_millis() as u64, Ordering::Relaxed);
            desk.number.store(number + 1, Ordering::Relaxed);
            if let Some(file) = &file {
                let _ = file.write_all_at(format!("seed {} input {number:<12}\n", self.seed).as_bytes(), 0);
            }
            let made = catch_unwind(AssertUnwindSafe(|| input(self.corpus, self.seed, self.target, number)));
            let Ok(bytes) = made else {
                eprintln!("the harness itself failed at {} input {number} of seed {}: {:?}", self.target.name(), self.seed, PANIC.take());
                std::process::exit(1);
            };
            match attempt(self.target, &bytes, &mut player) {
                Ok(held) => {
                    most.fetch_max(held, Ordering::Relaxed);
                }
                Err(why) => {
                    let known = failures.lock().expect("no panics").iter().any(|f| kind(&f.why) == kind(&why));
                    if !known {
                        let failure = self.keep(number, bytes, why, &mut player, desk, start);
                        failures.lock().expect("no panics").push(failure);
                    }
                }
            }
            desk.number.store(0, Ordering::Relaxed);
            tried.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes the input smaller as long as it fails in the same way, and saves it.
    fn keep(&self, number: u64, bytes: Vec<u8>, why: String, player: &mut Player, desk: &Desk, start: Instant) -> Failure {
        let name = format!("{}-{}-{number}", self.target.name(), self.seed);
        let whole = self.folder.join(format!("{name}.bin"));
        std::fs::write(&whole, &bytes).expect("a failing input can be saved");
        let same = kind(&why);
        let mut fails = |candidate: &[u8]| {
            desk.since.store(start.elapsed().as_millis() as u64, Ordering::Relaxed);
            attempt(self.target, candidate, player).is_err_and(|w| kind(&w) == same)
        };
        let small = smaller(self.target, bytes, &mut fails);
        let path = self.folder.join(format!("{name}.min"));
        std::fs::write(&path, &small).expect("a failing input can be saved");
        let mut out = std::io::stderr().lock();
        let _ = writeln!(
            out,
            "{} input {number} (seed {}): {why}\n  saved: {}, {} bytes",
            self.target.name(),
            self.seed,
            path.display(),
            small.len()
        );
        Failure { target: self.target, number, why, path }
    }

    fn watch(&self, desks: &[Desk], start: Instant, done: &AtomicBool) {
        while !done.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_secs(1));
            for desk in desks {
                let (number, since) = (desk.number.load(Ordering::Relaxed), desk.since.load(Ordering::Relaxed));
                let now = start.elapsed().as_millis() as u64;
                if number > 0 && now.saturating_sub(since) > HANG.as_millis() as u64 {
                    let number = number - 1;
                    let bytes = input(self.corpus, self.seed, self.target, number);
                    let path = self.folder.join(format!("{}-{}-{number}.hang", self.target.name(), self.seed));
                    let _ = std::fs::write(&path, bytes);
                    eprintln!("{} input {number} (seed {}) does not end; saved: {}", self.target.name(), self.seed, path.display());
                    std::process::exit(1);
                }
            }
        }
    }
}

/// Whole events first, then runs of bytes, each as long as it still fails.
fn smaller(target: Target, bytes: Vec<u8>, fails: &mut dyn FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = bytes;
    let mut attempts = 0;
    if target.is_file()
        && let Some((mark, Some(mut events))) = best.split_first().map(|(mark, file)| (*mark, corpus::split(file)))
    {
        let whole = |events: &[corpus::Event]| {
            let mut out = vec![mark];
            out.extend(corpus::file(events.iter(), false));
            out
        };
        let mut width = events.len();
        while width > 0 && attempts < ATTEMPTS_MAX {
            let mut at = 0;
            while at < events.len() {
                let mut fewer = events.clone();
                fewer.drain(at..(at + width).min(events.len()));
                attempts += 1;
                let candidate = whole(&fewer);
                if fails(&candidate) {
                    best = candidate;
                    events = fewer;
                } else {
                    at += width;
                }
            }
            width /= 2;
        }
        return best;
    }
    let mut width = best.len() / 2;
    while width > 0 && attempts < ATTEMPTS_MAX {
        let mut at = 1;
        while at < best.len() {
            let mut fewer = best.clone();
            fewer.drain(at..(at + width).min(best.len()));
            attempts += 1;
            if fails(&fewer) {
                best = fewer;
            } else {
                at += width;
            }
        }
        width /= 2;
    }
    best
}

/// Feeds one saved input again.
pub fn again(target: Target, path: &Path) -> Result<u64, String> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let worker = std::thread::Builder::new().name("mutation".into());
    let worker = worker.spawn(move || attempt(target, &bytes, &mut Player::new())).expect("a thread");
    worker.join().expect("panics are caught")
}
