//! The same random workload through the real Maxwell and the daemon: both write a file, and the files are compared line by
//! line. With `maxwell_quirks=true` every byte has to be the same; a build without that option is compared too, and then a
//! value may differ if one of the known classes of differences explains it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use binlogd::server::status;
use mysql_async::Conn;

use super::classes;
use super::columns::Table;
use super::ddl_oracle::model::options;
use super::json::{self, Members};
use super::live_support::clock::eventually;
use super::live_support::daemon::{Config, Daemon, Site, binary};
use super::live_support::sql::SqlServer;
use super::workload::Workload;

const SCHEMA: &str = "maxwell_values";
const END: &str = "values_end";
/// A Java machine takes its time to start on a busy machine.
const START: Duration = Duration::from_secs(120);
const ARRIVE: Duration = Duration::from_secs(180);

fn knows_quirks() -> bool {
    let help = Command::new(binary()).arg("--help").output().expect("binlogd --help runs");
    String::from_utf8_lossy(&help.stdout).contains("maxwell_quirks")
}

/// Runs one round on a server and compares.
///
/// # Panics
/// With the first differences.
pub async fn compare(name: &'static str, port: u16, command: String, seed: u64) {
    let server = SqlServer { name, port };
    let site = Site::new(&format!("values-{name}"));
    let quirks = knows_quirks();
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
    let mut own = config("binlogd", 8_100);
    if quirks {
        own = own.with("maxwell_quirks", "true");
    }
    let mut ours = Daemon::start(&site, "binlogd", &own, &[]);
    let stored = format!("SELECT 1 FROM {SCHEMA}.positions WHERE client_id = 'binlogd' AND last_heartbeat_read > 0");
    eventually("the daemon reads its own heartbeat", START, async || {
        assert!(ours.ended().is_none(), "the daemon ended:\n{}", ours.log_tail());
        server.try_rows(&stored).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
    let tables = tokio::task::spawn_blocking(move || work(name, port, seed)).await.expect("the workload runs");
    server.run(&[&format!("INSERT INTO {END}.t VALUES (1)")]).await;
    let (their_lines, our_lines) = (lines(&site.dir, "maxwell", &mut theirs).await, lines(&site.dir, "binlogd", &mut ours).await);
    theirs.kill();
    ours.kill();
    for database in [SCHEMA, END] {
        server.run(&[&format!("DROP DATABASE IF EXISTS {database}")]).await;
    }
    let (same, explained, wrong) = judge(&their_lines, &our_lines, &tables, quirks);
    println!(
        "{name} (seed {seed}), maxwell_quirks {}: {same} of {} lines are identical; values that differ in known ways: {explained:?}",
        if quirks { "on" } else { "not there" },
        their_lines.len()
    );
    assert!(wrong.is_empty(), "{name} (seed {seed}): {} differences:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert_eq!(their_lines.len(), our_lines.len(), "{name} (seed {seed}): the number of lines");
}

fn work(name: &'static str, port: u16, seed: u64) -> Vec<Table> {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut conn = rt.block_on(Conn::new(options(port))).expect("root can connect");
    let identity = rt.block_on(status::identity(&mut conn)).expect("the server says who it is");
    let mut workload = Workload::open(&rt, name, port, &identity, seed);
    workload.for_maxwell();
    let tables = workload.drive(0);
    workload.clean_up();
    tables
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

type Explained = BTreeMap<&'static str, usize>;

fn judge(theirs: &[String], ours: &[String], tables: &[Table], quirks: bool) -> (usize, Explained, Vec<String>) {
    let (mut same, mut explained, mut wrong) = (0, Explained::new(), Vec::new());
    for (their, our) in theirs.iter().zip(ours) {
        if their == our {
            same += 1;
        } else if quirks {
            wrong.push(format!("Maxwell {their}\n  ours    {our}"));
        } else if let Err(why) = differences(their, our, tables, &mut explained)
            && !wrong.iter().any(|w| w.starts_with(&why))
        {
            wrong.push(format!("{why}\n  Maxwell {their}\n  ours    {our}"));
        }
    }
    (same, explained, wrong)
}

/// Whether all differences of two lines are explained.
fn differences(their: &str, our: &str, tables: &[Table], explained: &mut Explained) -> Result<(), String> {
    let (Some(their), Some(our)) = (Members::of(their), Members::of(our)) else { return Err("no JSON".into()) };
    let name = our.text("table").unwrap_or_default();
    let table = tables.iter().find(|t| t.name == name).ok_or("a line of another table")?;
    for field in ["database", "table", "type", "ts", "xid", "commit", "xoffset"] {
        if their.get(field) != our.get(field) {
            return Err(format!("{field} differs"));
        }
    }
    for part in ["data", "old"] {
        let values = |line: &Members<'_>| line.get(part).map(str::to_owned).unwrap_or_else(|| "{}".into());
        let (theirs, ours) = (values(&their), values(&our));
        let (Some(theirs), Some(ours)) = (Members::of(&theirs), Members::of(&ours)) else { return Err(format!("{part} is no object")) };
        for (column, value) in &ours.0 {
            match theirs.get(column) {
                Some(their) if their == *value => {}
                Some(their) => *explained.entry(explain(table, column, their, value)?).or_default() += 1,
                // Two values that look alike to Maxwell are no change to it.
                None if part == "old" => *explained.entry("no change to Maxwell").or_default() += 1,
                None => return Err(format!("{column} is missing in Maxwell's {part}")),
            }
        }
        if let Some((column, _)) = theirs.0.iter().find(|(column, _)| ours.get(column).is_none()) {
            return Err(format!("{column} is missing in our {part}"));
        }
    }
    Ok(())
}

fn explain(table: &Table, name: &str, theirs: &str, ours: &str) -> Result<&'static str, String> {
    let column = table.columns.iter().find(|c| c.name == name).ok_or_else(|| format!("{name} is no column"))?;
    let charset = column.definition.split("CHARACTER SET ").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    let known = classes::Column { name: name.to_owned(), ty: column.ty.clone(), charset };
    if column.ty == "enum" && unquoted_twice(theirs, ours) {
        return Ok("label without its first and last character");
    }
    let definition: String = column.definition.chars().take(120).collect();
    classes::explain(&known, theirs, ours).ok_or_else(|| format!("{name} ({definition}): Maxwell {theirs}, ours {ours}"))
}

/// Maxwell takes the quotes off a label that has none any more but begins with one of its own.
fn unquoted_twice(theirs: &str, ours: &str) -> bool {
    let (Some(theirs), Some(ours)) = (json::text(theirs), json::text(ours)) else { return false };
    let mut characters = ours.chars();
    characters.next().is_some_and(|c| "\"'`".contains(c)) && characters.next_back().is_some() && characters.as_str() == theirs
}
