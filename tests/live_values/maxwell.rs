//! The same random workload through the real Maxwell and the daemon with `maxwell_quirks=true`: both write a file, and every
//! line has to be the same.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use binlogd::server::status;
use mysql_async::Conn;

use super::ddl_oracle::model::options;
use super::live_support::clock::eventually;
use super::live_support::daemon::{Config, Daemon, Site};
use super::live_support::sql::SqlServer;
use super::workload::Workload;

const SCHEMA: &str = "maxwell_values";
const END: &str = "values_end";
/// A Java machine takes its time to start on a busy machine.
const START: Duration = Duration::from_secs(120);
const ARRIVE: Duration = Duration::from_secs(180);

/// Runs one round on a server and compares.
///
/// # Panics
/// With the first differences.
pub async fn compare(name: &'static str, port: u16, command: String, seed: u64) {
    let server = SqlServer { name, port };
    let site = Site::new(&format!("values-{name}"));
    for database in [SCHEMA, END] {
        server.run(&[&format!("DROP DATABASE IF EXISTS {database}")]).await;
    }
    server.run(&[&format!("GRANT ALL ON {SCHEMA}.* TO maxwell@'%'"), &format!("CREATE DATABASE {END}")]).await;
    server.run(&[&format!("CREATE TABLE {END}.t (id INT PRIMARY KEY)")]).await;
    let config = |who: &str, replica: u32| {
        Config::for_server(&server, SCHEMA)
            .with("producer", "file")
            .with("output_file", site.dir.join(format!("{who}.jsonl")).display())
            .with("jdbc_options", "useSSL=false&allowPublicKeyRetrieval=true")
            .with("client_id", who)
            .with("replica_server_id", replica)
    };
    let file = site.dir.join("maxwell.properties");
    config("maxwell", 7_100).write(&file);
    let mut start = Command::new(&command);
    start.arg(format!("--config={}", file.display())).env_remove("GTID_MODE");
    if std::env::var_os("MAXWELL_JAVA_OPTS").is_none() {
        start.env("MAXWELL_JAVA_OPTS", "-Xmx512m");
    }
    let mut theirs = Daemon::spawn(&site, "maxwell", start);
    eventually("Maxwell is connected to the binlog", START, async || {
        let log = theirs.log_text() + &theirs.stdout_text();
        assert!(theirs.ended().is_none(), "Maxwell ended:\n{log}");
        log.contains("Binlog connected").then_some(())
    })
    .await;
    let mut ours = Daemon::start(&site, "binlogd", &config("binlogd", 8_100).with("maxwell_quirks", "true"), &[]);
    let stored = format!("SELECT 1 FROM {SCHEMA}.positions WHERE client_id = 'binlogd' AND last_heartbeat_read > 0");
    eventually("the daemon reads its own heartbeat", START, async || {
        assert!(ours.ended().is_none(), "the daemon ended:\n{}", ours.log_tail());
        server.try_rows(&stored).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
    tokio::task::spawn_blocking(move || work(name, port, seed)).await.expect("the workload runs");
    server.run(&[&format!("INSERT INTO {END}.t VALUES (1)")]).await;
    let (their_lines, our_lines) = (lines(&site.dir, "maxwell", &mut theirs).await, lines(&site.dir, "binlogd", &mut ours).await);
    theirs.kill();
    ours.kill();
    for database in [SCHEMA, END] {
        server.run(&[&format!("DROP DATABASE IF EXISTS {database}")]).await;
    }
    let (same, wrong) = judge(&their_lines, &our_lines);
    println!("{name} (seed {seed}), maxwell_quirks: {same} of {} lines are identical", their_lines.len());
    assert!(wrong.is_empty(), "{name} (seed {seed}): {} differences:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert_eq!(their_lines.len(), our_lines.len(), "{name} (seed {seed}): the number of lines");
}

fn work(name: &'static str, port: u16, seed: u64) {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut conn = rt.block_on(Conn::new(options(port))).expect("root can connect");
    let identity = rt.block_on(status::identity(&mut conn)).expect("the server says who it is");
    let mut workload = Workload::open(&rt, name, port, &identity, seed);
    workload.for_maxwell();
    workload.drive(0);
    workload.clean_up();
}

/// The lines up to that of the last row.
async fn lines(folder: &Path, who: &str, process: &mut Daemon) -> Vec<String> {
    let path = folder.join(format!("{who}.jsonl"));
    let end = format!("\"database\":\"{END}\"");
    eventually(&format!("the last row arrives at {who}"), ARRIVE, async || {
        let text = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        assert!(process.ended().is_none() || text.contains(&end), "{who} ended:\n{}\n{}", process.log_tail(), process.stdout_text());
        (text.contains(&end) && text.ends_with('\n')).then(|| text.lines().map(str::to_owned).collect())
    })
    .await
}

/// How many lines are the same, and those that are not.
fn judge(theirs: &[String], ours: &[String]) -> (usize, Vec<String>) {
    let differ = |(their, our): (&String, &String)| (their != our).then(|| format!("Maxwell {their}\n  ours    {our}"));
    let wrong: Vec<String> = theirs.iter().zip(ours).filter_map(differ).collect();
    (theirs.len().min(ours.len()) - wrong.len(), wrong)
}
