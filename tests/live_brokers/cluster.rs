//! Three brokers of the test's own, each with an unruly connection in front of it for the daemon; the test itself talks to them
//! directly.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::unruly::Unruly;
use crate::live_support::clock::eventually;
use crate::live_support::environment::{run_number, variable};
use crate::live_support::http::free_port;
use crate::live_support::servers;

pub const NAMES: [&str; 3] = ["kafka3-1", "kafka3-2", "kafka3-3"];
/// The broker whose log is on a small disk, where one can be mounted.
pub const ON_SMALL_DISK: usize = 2;
const SMALL_DISK: &str = "size=400m";
/// Only a bound for what hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// What every broker is set to: time-outs of seconds, and leaders that go back to where they belong.
const SETTINGS: [&str; 8] = [
    "min.insync.replicas=2",
    "leader.imbalance.check.interval.seconds=5",
    "replica.lag.time.max.ms=4000",
    "transaction.state.log.num.partitions=6",
    "offsets.topic.num.partitions=3",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
    "controlled.shutdown.enable=false",
    "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,DAEMON:PLAINTEXT",
];

pub struct Cluster {
    run: PathBuf,
    pub proxies: Vec<Unruly>,
    /// For the test's own clients.
    pub brokers: String,
    /// For the daemon.
    pub proxied: String,
    small_disk: Option<SmallDisk>,
    pub leaders: Leaders,
}

impl Cluster {
    /// Starts three brokers with nothing on them.
    pub async fn start(topic: &str) -> Cluster {
        let run = PathBuf::from(variable("BINLOGD_TEST_RUN_DIR").expect("servers can be started"));
        stop_all().await;
        let proxies: Vec<Unruly> = NAMES.iter().map(|_| Unruly::listen()).collect();
        let small_disk = SmallDisk::mount();
        let mut brokers = Vec::new();
        for (n, (name, proxy)) in NAMES.iter().zip(&proxies).enumerate() {
            // `servers.sh` takes ports and flags from a server's folder, where it finds some.
            let dir = run.join(name);
            let [port, controller, proxied] = [free_port(), free_port(), free_port()];
            proxy.lead_to(proxied);
            let mut flags = SETTINGS.map(str::to_owned).to_vec();
            flags.push(format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},DAEMON://127.0.0.1:{proxied}"));
            flags.push(format!("advertised.listeners=PLAINTEXT://127.0.0.1:{port},DAEMON://127.0.0.1:{}", proxy.port));
            if let Some(disk) = small_disk.as_ref().filter(|_| n == ON_SMALL_DISK) {
                flags.push(format!("log.dirs={}", disk.path.join("data").display()));
                // The quorum's own log stays where there is room.
                flags.push(format!("metadata.log.dir={}", dir.join("metadata").display()));
            }
            if dir.exists() {
                std::fs::remove_dir_all(&dir).expect("an earlier cluster can be removed");
            }
            std::fs::create_dir_all(&dir).expect("a folder can be made");
            let write = |file: &str, text: String| std::fs::write(dir.join(file), text).expect("a file can be written");
            write("port", port.to_string());
            write("port.controller", controller.to_string());
            write("flags", flags.join("\n") + "\n");
            brokers.push(format!("127.0.0.1:{port}"));
        }
        servers::start_again("kafka3").await;
        let brokers = brokers.join(",");
        let proxied: Vec<String> = proxies.iter().map(|p| format!("127.0.0.1:{}", p.port)).collect();
        let leaders = Leaders::watch(&brokers, topic);
        Cluster { run, proxies, brokers, proxied: proxied.join(","), small_disk, leaders }
    }

    pub async fn kill(&self, broker: usize) {
        servers::kill(NAMES[broker]).await;
    }

    pub async fn start_again(&self, broker: usize) {
        servers::start_again(NAMES[broker]).await;
    }

    /// Sends a signal to a broker's process.
    pub fn signal(&self, broker: usize, signal: &str) {
        let pid = std::fs::read_to_string(self.run.join(NAMES[broker]).join("pid")).expect("a broker's pid");
        let status = Command::new("kill").args([signal, pid.trim()]).status().expect("kill runs");
        assert!(status.success(), "kill {signal} {}", NAMES[broker]);
    }

    pub fn small_disk(&self) -> Option<&SmallDisk> {
        self.small_disk.as_ref()
    }

    /// Waits until every partition has its leader and all three replicas.
    pub async fn whole(&self) {
        eventually("every partition has all its replicas", LIMIT, async || self.leaders.whole.load(Ordering::SeqCst).then_some(())).await;
    }

    /// Where the brokers keep the partitions of a topic.
    pub fn logs_of(&self, broker: usize, topic: &str, partition: i32) -> PathBuf {
        let data = match self.small_disk.as_ref().filter(|_| broker == ON_SMALL_DISK) {
            Some(disk) => disk.path.join("data"),
            None => self.run.join(NAMES[broker]).join("data"),
        };
        data.join(format!("{topic}-{partition}"))
    }

    pub async fn stop(&self) {
        stop_all().await;
    }
}

/// Also brokers that are held still.
async fn stop_all() {
    for name in NAMES {
        servers::kill(name).await;
    }
}

impl Drop for Cluster {
    /// After a failed test nothing is left that cannot be stopped.
    fn drop(&mut self) {
        for name in NAMES {
            if let Ok(pid) = std::fs::read_to_string(self.run.join(name).join("pid")) {
                let _ = Command::new("kill").args(["-CONT", pid.trim()]).stderr(Stdio::null()).status();
            }
        }
        for proxy in &self.proxies {
            proxy.close(true);
        }
    }
}

/// A small file system in memory, unmounted when this is dropped.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn mount() -> Option<SmallDisk> {
        let path = std::env::temp_dir().join(format!("binlogd-small-disk-{}", run_number()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SMALL_DISK, "tmpfs"]).arg(&path).stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(SmallDisk { path });
        }
        println!("SKIPPED the full disk: a small file system cannot be mounted here");
        let _ = std::fs::remove_dir(&path);
        None
    }

    /// Fills it up to the last byte.
    pub fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.path.join("filler")).expect("a file can be made");
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    pub fn free(&self) {
        std::fs::remove_file(self.path.join("filler")).expect("a file can be removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a broker that is just ending may still hold it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// Looks at a topic's leaders all the time.
pub struct Leaders {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    pub moves: Arc<AtomicUsize>,
    whole: Arc<AtomicBool>,
    seen: Arc<Mutex<HashMap<i32, i32>>>,
}

impl Leaders {
    fn watch(brokers: &str, topic: &str) -> Leaders {
        let (stop, moves, whole, seen) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default(), Arc::default());
        let mut leaders = Leaders { stop: stop.clone(), thread: None, moves: moves.clone(), whole: whole.clone(), seen: Arc::clone(&seen) };
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("log_level", "0").set("broker.address.family", "v4");
        let client: BaseConsumer = config.create().expect("a client");
        let topic = topic.to_owned();
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = client.poll(Duration::from_millis(200));
                let answer = client.fetch_metadata(Some(&topic), Duration::from_secs(2));
                let partitions =
                    answer.as_ref().ok().and_then(|all| all.topics().first()).map(|topic| topic.partitions()).unwrap_or_default();
                whole.store(
                    !partitions.is_empty() && partitions.iter().all(|p| p.leader() >= 0 && p.isr().len() == NAMES.len()),
                    Ordering::SeqCst,
                );
                let mut seen: std::sync::MutexGuard<'_, HashMap<i32, i32>> = seen.lock().expect("nobody panics");
                for partition in partitions.iter().filter(|p| p.leader() >= 0) {
                    let before = seen.insert(partition.id(), partition.leader());
                    moves.fetch_add(usize::from(before.is_some_and(|before| before != partition.leader())), Ordering::Relaxed);
                }
            }
        });
        leaders.thread = Some(thread);
        leaders
    }

    /// The broker (from 0) that leads a partition, as far as is known.
    pub fn of(&self, partition: i32) -> usize {
        let id = self.seen.lock().expect("nobody panics").get(&partition).copied().unwrap_or(1);
        usize::try_from(id - 1).unwrap_or(0)
    }
}

impl Drop for Leaders {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it was shown already.
            let _ = thread.join();
        }
    }
}
