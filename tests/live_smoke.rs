//! The small producers and the HTTP server, live: lines on standard output and in a file, and what the daemon says of itself.

#[path = "live_support/mod.rs"]
mod live_support;

use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time};
use live_support::http::{free_port, get};
use live_support::message::Message;
use live_support::sql::SqlServer;

const DATA: &str = "smoke_data";
const SCHEMA: &str = "maxwell_smoke";
const LIMIT: Duration = Duration::from_secs(60);

async fn set_up(variable: &str, name: &'static str) -> Option<SqlServer> {
    let [port] = need(&format!("producers on {name}"), [variable])?;
    let server = SqlServer::new(name, &port);
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY, word varchar(20)) CHARACTER SET utf8mb4")]).await;
    Some(server)
}

fn config(server: &SqlServer) -> Config {
    Config::for_server(server, SCHEMA).with("filter", format!("exclude: *.*, include: {DATA}.*"))
}

async fn started(server: &SqlServer, daemon: &mut Daemon) {
    let sql = format!("SELECT 1 FROM {SCHEMA}.positions WHERE last_heartbeat_read > 0");
    eventually("the daemon reads its own heartbeat", LIMIT, async || {
        assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
}

/// An insert of two rows, an update and a delete.
async fn change_rows(server: &SqlServer) {
    server
        .run(&[
            &format!("INSERT INTO {DATA}.t VALUES (1, 'one'), (2, 'zwölf')"),
            &format!("UPDATE {DATA}.t SET word = NULL WHERE id = 1"),
            &format!("DELETE FROM {DATA}.t"),
        ])
        .await;
}

/// The lines without `ts` and `xid`, which differ from run to run.
fn shapes(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            let message = Message::read(line.as_bytes());
            let fields = |f: &live_support::message::Fields| f.0.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ");
            let old = message.old.as_ref().map(|old| format!(" old {}", fields(old))).unwrap_or_default();
            format!("{} {}{}{old}", message.kind, fields(&message.data), if message.commit { " commit" } else { "" })
        })
        .collect()
}

const SHAPES: [&str; 5] = [
    "insert id=1 word=\"one\"",
    "insert id=2 word=\"zwölf\" commit",
    "update id=1 word=null commit old word=\"one\"",
    "delete id=1 word=null",
    "delete id=2 word=\"zwölf\" commit",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stdout() {
    let _alone = one_at_a_time().await;
    for (variable, name) in [
        ("BINLOGD_TEST_MYSQL97_PORT", "mysql97"),
        ("BINLOGD_TEST_MARIADB1011_PORT", "mariadb1011"),
        ("BINLOGD_TEST_MYSQL56_PORT", "mysql56"),
    ] {
        let Some(server) = set_up(variable, name).await else { continue };
        let site = Site::new(&format!("smoke-stdout-{name}"));
        // stdout is the default, as in Maxwell.
        let mut daemon = Daemon::start(&site, "binlogd", &config(&server), &[]);
        started(&server, &mut daemon).await;
        change_rows(&server).await;
        let text = eventually("five lines on standard output", LIMIT, async || {
            assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
            Some(daemon.stdout_text()).filter(|text| text.lines().count() >= SHAPES.len())
        })
        .await;
        assert_eq!(daemon.stop().await, 0, "exit code after SIGTERM\n{}", daemon.log_tail());
        assert_eq!(shapes(&text), SHAPES, "{name}");
        assert_eq!(daemon.stdout_text(), text, "nothing is sent again at a stop");
        println!("stdout on {name}: {} lines", SHAPES.len());
        server.drop_databases(DATA, SCHEMA).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_and_restart() {
    let _alone = one_at_a_time().await;
    let Some(server) = set_up("BINLOGD_TEST_MYSQL97_PORT", "mysql97").await else { return };
    let site = Site::new("smoke-file");
    let file = site.dir.join("lines.json");
    let config = config(&server).with("producer", "file").with("output_file", file.display());
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    for round in 1..=2 {
        let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
        started(&server, &mut daemon).await;
        change_rows(&server).await;
        eventually("the lines are in the file", LIMIT, async || {
            assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
            (read().lines().count() >= round * SHAPES.len()).then_some(())
        })
        .await;
        assert_eq!(daemon.stop().await, 0, "exit code after SIGTERM\n{}", daemon.log_tail());
        assert_eq!(daemon.stdout_text(), "", "the file producer prints nothing");
    }
    // The second life appends, and sends nothing again after an orderly stop.
    assert_eq!(shapes(&read()), [SHAPES, SHAPES].concat());
    println!("file: {} lines from two lives", 2 * SHAPES.len());
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http() {
    let _alone = one_at_a_time().await;
    let Some(server) = set_up("BINLOGD_TEST_MYSQL97_PORT", "mysql97").await else { return };
    let site = Site::new("smoke-http");
    let port = free_port();
    let config = config(&server).with("http_port", port).with("http_bind_address", "127.0.0.1").with("http_path_prefix", "/cdc");
    let mut daemon = Daemon::start(&site, "binlogd", &config, &[]);
    started(&server, &mut daemon).await;
    change_rows(&server).await;
    let page = async |path: &str, accept: &str| {
        let (path, accept) = (path.to_owned(), accept.to_owned());
        let answer = tokio::task::spawn_blocking(move || get(port, &path, &accept)).await.expect("asking does not panic");
        answer.expect("the HTTP server answers")
    };
    assert_eq!(page("/cdc/ping", "*/*").await, (200, "pong\n".to_owned()));
    let (status, health) = page("/cdc/healthcheck", "*/*").await;
    let parsed: serde_json::Value = serde_json::from_str(&health).expect("health is JSON");
    assert_eq!((status, &parsed["MaxwellHealth"]["healthy"]), (200, &serde_json::Value::Bool(true)), "{health}");
    let metrics = eventually("five rows are counted", LIMIT, async || {
        let (status, text) = page("/cdc/metrics", "text/plain").await;
        assert_eq!(status, 200);
        text.lines().any(|line| line == "binlogd_rows_total 5").then_some(text)
    })
    .await;
    for family in ["binlogd_transactions_total ", "binlogd_healthy 1", "binlogd_lag_seconds", "binlogd_in_flight_messages 0"] {
        assert!(metrics.lines().any(|line| line.starts_with(family)), "no {family} in\n{metrics}");
    }
    let (status, json) = page("/cdc/metrics", "application/json").await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("metrics are JSON for who asks for it");
    assert_eq!((status, &json["counters"]["binlogd_rows_total"]["count"]), (200, &serde_json::json!(5)), "{json}");
    assert_eq!(daemon.stop().await, 0, "exit code after SIGTERM\n{}", daemon.log_tail());
    println!("http: ping, health and metrics answer under a prefix");
    server.drop_databases(DATA, SCHEMA).await;
}
