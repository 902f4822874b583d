//! The daemon as a process: its configuration file, its start, its signals, its end.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::clock::within;
use super::environment::{run_number, variable};
use super::sql::SqlServer;

/// A folder for one test's configuration and logs; removed when the test succeeds, kept and named when it fails.
pub struct Site {
    pub dir: PathBuf,
}

impl Site {
    pub fn new(test: &str) -> Site {
        let parent = variable("BINLOGD_TEST_RUN_DIR").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
        let dir = parent.join("live-tests").join(format!("{test}-{}", run_number()));
        fs::remove_dir_all(&dir).or_else(absent).expect("an earlier folder can be removed");
        fs::create_dir_all(&dir).expect("a folder for the test can be made");
        Site { dir }
    }
}

fn absent(e: std::io::Error) -> std::io::Result<()> {
    if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("logs of this test: {}", self.dir.display());
        } else if let Err(e) = fs::remove_dir_all(&self.dir) {
            eprintln!("{}: {e}", self.dir.display());
        }
    }
}

/// A configuration in the making; later values win.
#[derive(Clone, Default)]
pub struct Config(Vec<(String, String)>);

impl Config {
    /// The options that every live test needs: server, user, schema database.
    pub fn for_server(server: &SqlServer, schema: &str) -> Config {
        Config::default()
            .with("host", "127.0.0.1")
            .with("port", server.port)
            .with("user", "maxwell")
            .with("password", "maxwell")
            .with("schema_database", schema)
    }

    /// Adds the Kafka producer.
    pub fn into_topic(self, brokers: &str, topic: &str) -> Config {
        self.with("producer", "kafka").with("kafka.bootstrap.servers", brokers).with("kafka_topic", topic)
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Config {
        self.0.retain(|(n, _)| n != name);
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The text of a properties file. Values of the tests hold nothing but a backslash that would need an escape.
    pub fn text(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={}\n", value.replace('\\', "\\\\"))).collect()
    }

    pub fn write(&self, path: &Path) {
        fs::write(path, self.text()).expect("the configuration can be written");
    }
}

/// A running daemon; killed when this is dropped.
pub struct Daemon {
    child: Child,
    pub log: PathBuf,
    pub stdout: PathBuf,
}

/// The daemon under test: the release build that `make test` made, else the one that these tests were built with.
pub fn binary() -> PathBuf {
    std::env::var_os("BINLOGD_TEST_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_binlogd")), PathBuf::from)
}

impl Daemon {
    /// Starts the daemon with this configuration and further words; logs are appended to `NAME.log`, so that all lives
    /// of one daemon are in one file.
    pub fn start(site: &Site, name: &str, config: &Config, words: &[&str]) -> Daemon {
        let file = site.dir.join(format!("{name}.properties"));
        config.write(&file);
        let mut all = vec![format!("--config={}", file.display())];
        all.extend(words.iter().map(|w| (*w).to_owned()));
        Daemon::start_with_words(site, name, &all)
    }

    /// Starts the daemon with these words only.
    pub fn start_with_words(site: &Site, name: &str, words: &[String]) -> Daemon {
        let mut command = Command::new(binary());
        command.args(words).env_remove("GTID_MODE");
        Daemon::spawn(site, name, command)
    }

    /// Starts any command that takes the daemon's place (the real Maxwell).
    pub fn spawn(site: &Site, name: &str, mut command: Command) -> Daemon {
        let (log, stdout) = (site.dir.join(format!("{name}.log")), site.dir.join(format!("{name}.out")));
        command.current_dir(&site.dir).stdin(Stdio::null()).stdout(append(&stdout)).stderr(append(&log));
        Daemon { child: command.spawn().expect("the daemon can be started"), log, stdout }
    }

    /// The exit status, if it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// kill -9, and waits for the end.
    pub fn kill(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        self.child.wait().expect("a child can be waited for");
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(status.success(), "kill {signal} {}", self.child.id());
    }

    /// Waits for the end; `None` when the time is over.
    pub async fn end(&mut self, limit: Duration) -> Option<ExitStatus> {
        within(limit, async || self.ended()).await
    }

    /// SIGTERM, and the exit code. A daemon that does not end is killed and fails the test.
    ///
    /// In the first moments of a process a signal finds no handler yet and ends it as any process; that is waited for.
    pub async fn stop(&mut self) -> i32 {
        within(Duration::from_secs(10), async || (self.handles_sigterm() || self.ended().is_some()).then_some(())).await;
        self.signal("-TERM");
        match self.end(Duration::from_secs(30)).await {
            Some(status) => code(status),
            None => panic!("SIGTERM did not end the daemon within 30 s\n{}", self.log_tail()),
        }
    }

    /// Whether SIGTERM is caught (proc(5), field SigCgt: a bit mask in which signal 1 is the lowest bit).
    fn handles_sigterm(&self) -> bool {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        mask.is_some_and(|mask| mask & (1 << 14) != 0)
    }

    /// The end of its log, for messages of failed tests.
    pub fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    pub fn log_text(&self) -> String {
        read(&self.log)
    }

    pub fn stdout_text(&self) -> String {
        read(&self.stdout)
    }

    /// The most memory that the process has had at once (proc(5), VmHWM), as the kernel writes it.
    pub fn memory_peak(&self) -> String {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned()
    }

    /// Seconds of CPU that the process has used (proc(5), fields utime and stime, in ticks of 1/100 s on Linux).
    pub fn cpu_seconds(&self) -> f64 {
        let stat = read(Path::new(&format!("/proc/{}/stat", self.child.id())));
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let ticks: f64 = after_name.split(' ').skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
        ticks / 100.0
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The exit code; minus the signal if one ended the process.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a log can be opened")
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path) {
        file.read_to_end(&mut bytes).expect("a log can be read");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
