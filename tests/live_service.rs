//! The daemon as a service: what it tells the service manager over a real socket, SIGHUP, its log file, and its life in
//! the background.

#[path = "live_support/mod.rs"]
mod live_support;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use live_support::clock::{eventually, within};
use live_support::daemon::{Config, Daemon, Site, binary};
use live_support::environment::{need, one_at_a_time};
use live_support::sql::SqlServer;

const DATA: &str = "service_data";
const SCHEMA: &str = "maxwell_service";
const LIMIT: Duration = Duration::from_secs(60);
const WATCHDOG: Duration = Duration::from_secs(2);

/// The manager's end of the socket, and all that was said and not yet asked for. A thread listens: the socket holds a few
/// messages only.
struct Manager {
    said: Arc<Mutex<Vec<String>>>,
    heard: Vec<String>,
}

impl Manager {
    fn new(path: &Path) -> Manager {
        let socket = UnixDatagram::bind(path).expect("a socket");
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                heard.lock().expect("nobody panics with it").push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
        });
        Manager { said, heard: Vec::new() }
    }

    fn listen(&mut self) -> &[String] {
        self.heard.append(&mut self.said.lock().expect("nobody panics with it"));
        &self.heard
    }

    /// Waits for a message with this line; what came up to it is forgotten.
    async fn hear(&mut self, line: &str, daemon: &mut Daemon) -> String {
        eventually(&format!("the message {line}"), LIMIT, async || {
            assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
            let at = self.listen().iter().position(|m| m.lines().any(|l| l.starts_with(line)))?;
            self.heard.drain(..=at).next_back()
        })
        .await
    }

    /// Signs of life within this time.
    async fn beats(&mut self, time: Duration) -> usize {
        self.listen();
        self.heard.clear();
        tokio::time::sleep(time).await;
        self.listen().iter().filter(|m| m.contains("WATCHDOG=1\n")).count()
    }
}

async fn server() -> Option<SqlServer> {
    let [port] = need("service on mysql97", ["BINLOGD_TEST_MYSQL97_PORT"])?;
    let server = SqlServer::new("mysql97", &port);
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY, word varchar(2000))")]).await;
    Some(server)
}

fn config(server: &SqlServer) -> Config {
    Config::for_server(server, SCHEMA).with("filter", format!("exclude: *.*, include: {DATA}.*"))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

async fn logged(log: &Path, words: &str) {
    eventually(&format!("{words:?} in the log"), LIMIT, async || text(log).contains(words).then_some(())).await;
}

/// Starts the daemon as a service manager would.
fn start(site: &Site, config: &Config, manager: &Path) -> (Daemon, std::path::PathBuf) {
    let file = site.dir.join("service.properties");
    config.write(&file);
    let mut command = Command::new(binary());
    command.arg(format!("--config={}", file.display())).env_remove("GTID_MODE");
    command.env("NOTIFY_SOCKET", manager).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    (Daemon::spawn(site, "service", command), file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_managers_view() {
    let _alone = one_at_a_time().await;
    let Some(server) = server().await else { return };
    let site = Site::new("service-notify");
    let (socket, log) = (site.dir.join("notify"), site.dir.join("log"));
    let mut manager = Manager::new(&socket);
    let config = config(&server).with("log_file", log.display());
    let (mut daemon, file) = start(&site, &config, &socket);

    let ready = manager.hear("READY=1", &mut daemon).await;
    assert!(ready.contains("STATUS=streaming"), "{ready}");
    logged(&log, "following the binlog").await;
    let beats = manager.beats(WATCHDOG * 2).await;
    assert!((3..=5).contains(&beats), "{beats} signs of life in two intervals");

    // The level changes at once; what cannot is said.
    assert!(!text(&log).contains("DEBUG"));
    config.clone().with("log_level", "debug").with("filter", "exclude: *.*").write(&file);
    let signalled = Instant::now();
    daemon.signal("-HUP");
    let reloading = manager.hear("RELOADING=1", &mut daemon).await;
    let micros: u64 = reloading.lines().find_map(|l| l.strip_prefix("MONOTONIC_USEC=")).expect("a time").parse().expect("a number");
    assert!(micros > 0);
    manager.hear("READY=1", &mut daemon).await;
    println!("reloaded {} ms after SIGHUP", signalled.elapsed().as_millis());
    logged(&log, "log_level is debug").await;
    logged(&log, "filter has changed, and waits for a restart").await;
    logged(&log, "DEBUG").await;

    // logrotate moves the file away and signals.
    let moved = site.dir.join("log.1");
    fs::rename(&log, &moved).expect("the log can be moved");
    config.write(&file);
    daemon.signal("-HUP");
    logged(&log, "log_level is info").await;
    let old = text(&moved);
    assert!(old.contains("log_level is debug") && !old.contains("log_level is info"), "{old}");

    // A configuration with faults changes nothing, and hides no secrets' neighbours: the password is not shown.
    config.clone().with("port", "hunter2").with("log_level", "trace").write(&file);
    daemon.signal("-HUP");
    logged(&log, "the configuration has faults; nothing was changed").await;
    assert!(text(&log).contains("Invalid value for port, number required"), "{}", text(&log));
    assert!(!text(&log).contains("TRACE") && daemon.ended().is_none());
    assert_eq!(daemon.log_text(), "", "with a log file nothing goes to standard error");

    assert_eq!(daemon.stop().await, 0, "exit code after SIGTERM\n{}", text(&log));
    let stopping = within(LIMIT, async || manager.listen().iter().any(|m| m.starts_with("STOPPING=1\n")).then_some(())).await;
    assert!(stopping.is_some(), "{:?}", manager.heard);
    println!("service: ready, {beats} signs of life in {} s, reloads, log file opened anew, stop announced", WATCHDOG.as_secs() * 2);
    server.drop_databases(DATA, SCHEMA).await;
}

/// A sink that takes nothing holds everything back; that is no hang, and the manager must not start the daemon again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_no_hang() {
    let _alone = one_at_a_time().await;
    let Some(server) = server().await else { return };
    let site = Site::new("service-outage");
    let (socket, pipe) = (site.dir.join("notify"), site.dir.join("pipe"));
    let mut manager = Manager::new(&socket);
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    // Open in both directions the pipe has a reader that reads nothing yet.
    let reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).expect("the pipe can be opened");
    let config = config(&server).with("producer", "file").with("output_file", pipe.display()).with("memory_limit", "32M");
    let (mut daemon, _) = start(&site, &config, &socket);
    manager.hear("READY=1", &mut daemon).await;
    // More than the pipe and all queues hold.
    let rows: Vec<String> = (0..500).map(|i| format!("({i}, REPEAT('x', 2000))")).collect();
    server.run(&[&format!("INSERT INTO {DATA}.t VALUES {}", rows.join(","))]).await;
    for _ in 0..6 {
        server.run(&[&format!("UPDATE {DATA}.t SET word = CONCAT(LEFT(word, 1900), RAND())")]).await;
    }
    let beats = manager.beats(WATCHDOG * 4).await;
    assert!((7..=9).contains(&beats), "{beats} signs of life in four intervals of an outage\n{}", daemon.log_tail());
    // Now somebody reads: everything goes through.
    let taken = site.dir.join("taken");
    let mut cat = Command::new("cat").stdin(reader).stdout(fs::File::create(&taken).expect("a file")).spawn().expect("cat runs");
    let all = within(LIMIT, async || (text(&taken).lines().count() >= 3500).then_some(())).await;
    assert!(all.is_some(), "{} lines after the outage\n{}", text(&taken).lines().count(), daemon.log_tail());
    assert_eq!(daemon.stop().await, 0, "exit code after SIGTERM\n{}", daemon.log_tail());
    println!("service: {beats} signs of life in {} s of an outage", WATCHDOG.as_secs() * 4);
    cat.kill().expect("cat can be ended");
    cat.wait().expect("cat can be waited for");
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_background() {
    let _alone = one_at_a_time().await;
    let Some(server) = server().await else { return };
    let site = Site::new("service-background");
    let file = site.dir.join("background.properties");
    config(&server).write(&file);
    let logs = site.dir.join("logs of it");
    let mut command = Command::new(binary());
    command.args([format!("--config={}", file.display()), "--daemon".into()]).env_remove("GTID_MODE").env("LOG_DIR", &logs);
    let output = command.current_dir(&site.dir).output().expect("the daemon can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let pid = said.split("process ").nth(1).and_then(|rest| rest.split(';').next()).expect("a process number").to_owned();
    let out = logs.join("MaxwellDaemon.out");
    assert!(said.contains(&out.display().to_string()), "{said}");

    let alive = || Path::new(&format!("/proc/{pid}/stat")).exists();
    logged(&out, "following the binlog").await;
    // It has a session of its own (proc(5): process, state, parent, group, session), and no terminal to wait for.
    let stat = text(Path::new(&format!("/proc/{pid}/stat")));
    let session = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(3)).unwrap_or_default().to_owned();
    assert_eq!(session, pid);
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).expect("its standard input"), Path::new("/dev/null"));
    server.run(&[&format!("INSERT INTO {DATA}.t VALUES (1, 'one')")]).await;
    // As with Maxwell's launcher, messages of the stdout producer go to the same file.
    logged(&out, r#""type":"insert""#).await;
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    eventually("its end", LIMIT, async || {
        // Nobody but init waits for it; where that is slow, a zombie is as good as gone.
        (!alive() || text(Path::new(&format!("/proc/{pid}/stat"))).contains(") Z ")).then_some(())
    })
    .await;
    println!("background: process {pid} with its own session, output in {}", out.display());
    server.drop_databases(DATA, SCHEMA).await;
}
