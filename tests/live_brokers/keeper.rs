//! The daemon's lives: killed at set moments, and started again as a service manager does it.

use std::time::{Duration, Instant};

use crate::live_support::daemon::{Config, Daemon, Site, code};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// One that ended by itself is started again after this time at the earliest.
const RESTART_PAUSE: Duration = Duration::from_millis(700);
/// In the daemon's log, once a run stands.
const FOLLOWS: &str = "following the binlog";

pub struct Keeper<'a> {
    site: &'a Site,
    config: Config,
    daemon: Daemon,
    born: Instant,
    /// How often the log said `FOLLOWS` before this life.
    followed: usize,
    pub lives: usize,
    pub killed: usize,
    /// How often it ended because it found no brokers at its start.
    pub given_up: usize,
    kills: Vec<Instant>,
    /// The most memory that one life has had, in kB.
    pub peak: u64,
}

impl<'a> Keeper<'a> {
    pub fn new(site: &'a Site, config: Config) -> Self {
        let daemon = Daemon::start(site, "binlogd", &config, &[]);
        Keeper { site, config, daemon, born: Instant::now(), followed: 0, lives: 1, killed: 0, given_up: 0, kills: Vec::new(), peak: 0 }
    }

    /// The daemon shall be killed at these times from now.
    pub fn kill_at(&mut self, delays: &[Duration]) {
        self.kills = delays.iter().rev().map(|delay| Instant::now() + *delay).collect();
    }

    pub fn kill_now(&mut self) {
        self.note_peak();
        self.daemon.kill();
        self.killed += 1;
        self.start();
    }

    fn start(&mut self) {
        self.followed = self.follows();
        self.daemon = Daemon::start(self.site, "binlogd", &self.config, &[]);
        self.born = Instant::now();
        self.lives += 1;
    }

    fn follows(&self) -> usize {
        self.daemon.log_text().matches(FOLLOWS).count()
    }

    /// A daemon does not end by itself; only one that never got further than its start may, when it found no brokers, and is
    /// started again.
    pub fn look(&mut self) {
        if self.kills.last().is_some_and(|at| *at <= Instant::now()) {
            self.kills.pop();
            self.kill_now();
        }
        let Some(status) = self.daemon.ended() else { return };
        let code = code(status);
        let starting = self.follows() == self.followed;
        assert!(starting && code == 1, "the daemon ended by itself with {code}\n{}", self.daemon.log_tail());
        if self.born.elapsed() > RESTART_PAUSE {
            self.given_up += 1;
            self.start();
        }
    }

    /// Lets a time pass.
    pub async fn pass(&mut self, time: Duration) {
        self.along(tokio::time::sleep(time)).await;
    }

    /// Lets the time pass until the daemon was killed as often as it was to be.
    pub async fn pass_kills(&mut self) {
        while !self.kills.is_empty() {
            self.pass(LOOK).await;
        }
    }

    /// Keeps the daemon while something else goes on.
    pub async fn along<T>(&mut self, other: impl Future<Output = T>) -> T {
        tokio::pin!(other);
        loop {
            tokio::select! {
                done = &mut other => return done,
                () = tokio::time::sleep(LOOK) => self.look(),
            }
        }
    }

    /// The most memory that this life has had.
    pub fn memory_peak_kb(&self) -> u64 {
        self.daemon.memory_peak().trim_end_matches(" kB").parse().unwrap_or(0)
    }

    fn note_peak(&mut self) {
        self.peak = self.peak.max(self.memory_peak_kb());
    }

    pub async fn stop(&mut self) {
        self.note_peak();
        let code = self.daemon.stop().await;
        assert_eq!(code, 0, "exit code after SIGTERM\n{}", self.daemon.log_tail());
    }
}
