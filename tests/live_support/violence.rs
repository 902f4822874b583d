//! The daemon's life in a kill test: who kills what and when, and the service manager that starts it again.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::clock::within;
use super::daemon::{Config, Daemon, Site, code};
use super::environment::variable;
use super::servers;

/// What is done to the daemon and to the servers while the load runs.
#[derive(Clone, Copy)]
pub struct Violence {
    pub seconds: u64,
    /// kill -9 of the daemon.
    pub kills: usize,
    /// How many of these kills come while the broker stands still: what is sent then is not acknowledged for a while.
    pub stalls: usize,
    /// SIGTERM, which must end it with exit code 0.
    pub stops: usize,
    /// kill -9 of this server of `scripts/servers.sh`, and its return after a while.
    pub server: Option<(&'static str, usize)>,
}

/// The daemon and its restarts, as a service manager does them.
pub struct Keeper<'a> {
    site: &'a Site,
    config: Config,
    daemon: Option<Daemon>,
    pub lives: usize,
    born: Instant,
    /// When a server was killed last, and when it was back.
    server_killed: Option<Instant>,
    server_back: Option<Instant>,
}

/// How long a daemon may take to start: one that finds no server meanwhile tells so and ends.
const STARTING: Duration = Duration::from_secs(5);
/// One that ended by itself is started again after this time at the earliest.
const RESTART_PAUSE: Duration = Duration::from_millis(700);

impl<'a> Keeper<'a> {
    pub fn new(site: &'a Site, config: Config) -> Self {
        let mut keeper = Keeper { site, config, daemon: None, lives: 0, born: Instant::now(), server_killed: None, server_back: None };
        keeper.start();
        keeper
    }

    fn start(&mut self) {
        self.daemon = Some(Daemon::start(self.site, "binlogd", &self.config, &[]));
        self.lives += 1;
        self.born = Instant::now();
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("a daemon was started")
    }

    /// A daemon does not end by itself; only one that was just starting while a server was away may, and is started again.
    pub fn keep_alive(&mut self) {
        let born = self.born;
        let starting = self.server_killed.is_some_and(|killed| {
            let back = self.server_back.filter(|back| *back > killed);
            born + STARTING > killed && back.is_none_or(|back| born < back)
        });
        let daemon = self.daemon();
        let Some(status) = daemon.ended() else { return };
        let code = code(status);
        assert!(starting && code == 1, "the daemon ended by itself with {code}\n{}", daemon.log_tail());
        if born.elapsed() > RESTART_PAUSE {
            self.start();
        }
    }

    pub async fn stop(&mut self) {
        let code = self.daemon().stop().await;
        assert_eq!(code, 0, "exit code after SIGTERM\n{}", self.daemon().log_tail());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Kill,
    Stalled,
    Stop,
    Server,
}

/// Positions are stored once a second; whoever stores one too early does so within this time.
const STALL: Duration = Duration::from_millis(1600);
/// What a killed daemon has left in the broker's socket is written before the next daemon sends anything.
const LEFTOVERS: Duration = Duration::from_millis(300);

/// Deals all blows at random moments within the time.
pub async fn harm(violence: Violence, seed: u64, keeper: &mut Keeper<'_>) {
    let Violence { seconds, kills, stalls, stops, server } = violence;
    let mut rng = StdRng::seed_from_u64(seed);
    // A broker in a container cannot be stopped by its pid.
    let broker = Broker::find();
    let stalls = if broker.is_some() { stalls } else { 0 };
    let mut blows = [vec![Blow::Kill; kills - stalls], vec![Blow::Stalled; stalls], vec![Blow::Stop; stops]].concat();
    blows.shuffle(&mut rng);
    spread(&mut blows, server.map_or(0, |(_, times)| times));
    let mut moments: Vec<u64> = (0..blows.len()).map(|_| rng.random_range(0..seconds * 1000)).collect();
    moments.sort_unstable();
    let begin = Instant::now();
    for (blow, moment) in blows.into_iter().zip(moments) {
        keep_until(keeper, begin + Duration::from_millis(moment)).await;
        match blow {
            Blow::Kill => {
                keeper.daemon().kill();
                keeper.start();
            }
            Blow::Stalled => {
                let broker = broker.as_ref().expect("the broker's pid is known");
                assert!(broker.signal("-STOP"), "the broker can be stopped");
                keep_until(keeper, Instant::now() + STALL).await;
                keeper.daemon().kill();
                broker.signal("-CONT");
                tokio::time::sleep(LEFTOVERS).await;
                keeper.start();
            }
            Blow::Stop => {
                keeper.stop().await;
                keeper.start();
            }
            Blow::Server => {
                let (name, _) = server.expect("only servers that are given are killed");
                keeper.server_killed = Some(Instant::now());
                servers::kill(name).await;
                // Long enough for the load and the daemon to notice.
                keep_until(keeper, Instant::now() + Duration::from_millis(rng.random_range(200..3000))).await;
                if rng.random_bool(0.5) {
                    keeper.daemon().kill();
                    keeper.start();
                }
                servers::start_again(name).await;
                keeper.server_back = Some(Instant::now());
                keeper.keep_alive();
            }
        }
    }
    keep_until(keeper, begin + Duration::from_secs(seconds)).await;
}

/// The broker's process; it runs again when this is dropped.
struct Broker {
    pid: String,
}

impl Broker {
    fn find() -> Option<Broker> {
        let pid = std::fs::read_to_string(variable("BINLOGD_TEST_KAFKA_PID_FILE")?).ok()?;
        Some(Broker { pid: pid.trim().to_owned() })
    }

    /// False if the broker is gone.
    fn signal(&self, signal: &str) -> bool {
        let status = std::process::Command::new("kill").args([signal, &self.pid]).stderr(std::process::Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

/// Waits for a moment, and keeps the daemon alive meanwhile.
async fn keep_until(keeper: &mut Keeper<'_>, moment: Instant) {
    within(moment.saturating_duration_since(Instant::now()), async || {
        keeper.keep_alive();
        None::<()>
    })
    .await;
}

/// Puts the server's kills between the others, evenly.
fn spread(blows: &mut Vec<Blow>, times: usize) {
    for n in (0..times).rev() {
        blows.insert((n + 1) * blows.len() / (times + 1), Blow::Server);
    }
}
