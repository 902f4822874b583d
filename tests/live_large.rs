//! Large rows and large compressed transactions on a real server: what comes out, and how much memory it takes.

#[path = "live_support/mod.rs"]
mod live_support;

use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site, code};
use live_support::environment::{need, one_at_a_time};
use live_support::sql::SqlServer;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

const DATA: &str = "large_data";
const SCHEMA: &str = "maxwell_large";
const LIMIT: Duration = Duration::from_secs(120);
const MIB: u64 = 1 << 20;
/// `memory_limit` and `row_size_max` as they are by default.
const MEMORY: u64 = 128 * MIB;
const ROW: u64 = 64 * MIB;

async fn run(conn: &mut Conn, statements: &[String]) {
    for sql in statements {
        conn.query_drop(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

/// The most memory so far, in bytes.
fn peak(daemon: &Daemon) -> u64 {
    let text = daemon.memory_peak();
    text.trim_end_matches("kB").trim().parse::<u64>().expect("a number of kB") * 1024
}

/// Output is looked at by its length, because it is large.
fn written(daemon: &Daemon) -> u64 {
    std::fs::metadata(&daemon.stdout).map_or(0, |m| m.len())
}

/// Whether the output ends so.
fn ends_with(daemon: &Daemon, words: &str) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    let mut tail = Vec::new();
    let read = std::fs::File::open(&daemon.stdout).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(words.len() as u64)))?;
        file.read_to_end(&mut tail)
    });
    read.is_ok() && tail == words.as_bytes()
}

async fn start(site: &Site, name: &str, server: &SqlServer) -> Daemon {
    start_with(site, name, server, &[]).await
}

async fn start_with(site: &Site, name: &str, server: &SqlServer, options: &[(&str, &str)]) -> Daemon {
    let mut config = Config::for_server(server, SCHEMA)
        .with("producer", "stdout")
        .with("filter", format!("exclude: *.*, include: {DATA}.*"))
        .with("spill_dir", site.dir.display());
    for (name, value) in options {
        config = config.with(name, value);
    }
    let daemon = Daemon::start(site, name, &config, &[]);
    eventually("the daemon follows", LIMIT, async || daemon.log_text().contains("following the binlog").then_some(())).await;
    daemon
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_rows_and_compressed_transactions() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("large", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    let server = SqlServer::new("mysql97", &port);
    let site = Site::new("large");
    server.fresh_databases(DATA, SCHEMA).await;
    let packet = server.rows("SELECT @@GLOBAL.max_allowed_packet").await.remove(0).remove(0).expect("a number");
    server
        .run(&[
            "FLUSH BINARY LOGS",
            "SET GLOBAL max_allowed_packet = 1073741824",
            &format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY, v longblob)"),
            &format!("CREATE TABLE {DATA}.z (id int PRIMARY KEY, v mediumtext)"),
        ])
        .await;
    let mut conn = server.connect_in(DATA).await.expect("root can connect");

    // A row of exactly row_size_max: id, the length before the value, the byte of NULL bits.
    let value = ROW - 9;
    let mut daemon = start(&site, "row", &server).await;
    let before = peak(&daemon);
    run(&mut conn, &[format!("INSERT INTO t VALUES (1, repeat('x', {value}))")]).await;
    eventually("the large row", LIMIT, async || (written(&daemon) > ROW).then_some(())).await;
    run(&mut conn, &["INSERT INTO t VALUES (2, 'small')".into()]).await;
    let at = written(&daemon);
    eventually("the next row", LIMIT, async || (written(&daemon) > at.max(value * 4 / 3)).then_some(())).await;
    let row_peak = peak(&daemon);
    println!("a row of 64 MiB: {} MiB at most, {} MiB before", row_peak / MIB, before / MIB);
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let first = std::fs::read(&daemon.stdout).expect("the output");
    let line = first.split(|b| *b == b'\n').next().expect("a line");
    assert!(line.len() as u64 > value * 4 / 3 && line.ends_with(b"\"}}"), "{} bytes", line.len());
    drop(first);
    std::fs::remove_file(&daemon.stdout).expect("removed");
    assert!(row_peak < MEMORY + 4 * ROW, "{} MiB", row_peak / MIB);

    // 300 MiB in one compressed transaction.
    let mut daemon = start(&site, "payload", &server).await;
    let mut rows = vec!["SET SESSION binlog_transaction_compression = ON".to_owned(), "BEGIN".into()];
    rows.extend((0..300).map(|id| format!("INSERT INTO z SELECT {id}, repeat(concat(sha2('{id}', 512), repeat('y', 896)), 1024)")));
    rows.push("COMMIT".into());
    run(&mut conn, &rows).await;
    let file = server.rows("SHOW BINARY LOGS").await.last().cloned().expect("a file");
    let in_file: u64 = file[1].as_deref().and_then(|n| n.parse().ok()).expect("a size");
    eventually("all rows", LIMIT, async || (written(&daemon) > 300 * MIB).then_some(())).await;
    let payload_peak = peak(&daemon);
    println!("300 MiB in a compressed transaction: {} MiB at most; the binlog file has {} MiB", payload_peak / MIB, in_file / MIB);
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
    let lines = std::fs::read(&daemon.stdout).expect("the output").split(|b| *b == b'\n').filter(|l| l.len() as u64 > MIB).count();
    std::fs::remove_file(&daemon.stdout).expect("removed");
    assert_eq!(lines, 300);
    assert!(payload_peak < MEMORY + 4 * MIB, "{} MiB", payload_peak / MIB);

    // A row beyond row_size_max stops with its place, table and size, and what stood before it is out.
    let mut daemon = start(&site, "beyond", &server).await;
    run(&mut conn, &["SET SESSION binlog_transaction_compression = OFF".into(), "INSERT INTO t VALUES (3, 'before')".into()]).await;
    run(&mut conn, &[format!("INSERT INTO t VALUES (4, repeat('x', {}))", value + 1)]).await;
    let status = daemon.end(LIMIT).await.unwrap_or_else(|| panic!("it goes on\n{}", daemon.log_tail()));
    let log = daemon.log_tail();
    assert_eq!(code(status), 1, "{log}");
    for words in [&format!("a row of {} bytes", ROW + 1), &format!("table {DATA}.t"), "raise row_size_max"] {
        assert!(log.contains(words), "no {words} in\n{log}");
    }
    let place = log.lines().find(|l| l.contains("larger than row_size_max")).expect("the sentence");
    assert!(place.contains(file[0].as_deref().expect("a name")) || place.contains("master."), "{place}");
    assert!(daemon.stdout_text().contains("\"id\":3"));
    drop(daemon);
    drop(conn);
    server.run(&[&format!("SET GLOBAL max_allowed_packet = {packet}")]).await;
    server.drop_databases(DATA, SCHEMA).await;
    server.run(&["FLUSH BINARY LOGS"]).await;
    let file = server.rows("SHOW BINARY LOGS").await.last().and_then(|r| r[0].clone()).expect("a file");
    server.run(&[&format!("PURGE BINARY LOGS TO '{file}'")]).await;
}

/// One transaction of 120 MiB where memory and spill folder hold 24, and a compressed one of 40 MiB where an event may have
/// 9 and the other's share of the spill is as small. Both come whole and in order, and memory stays where it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_beyond_the_spill_and_compressed_ones_beyond_any_event() {
    let _alone = one_at_a_time().await;
    let Some([port]) = need("large transactions", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    let server = SqlServer::new("mysql97", &port);
    let site = Site::new("large-transactions");
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&["FLUSH BINARY LOGS", &format!("CREATE TABLE {DATA}.b (id int PRIMARY KEY, v mediumblob)")]).await;
    let mut conn = server.connect_in(DATA).await.expect("root can connect");
    let options = [("spill_limit", "8M"), ("row_size_max", "4M"), ("output_xoffset", "true")];
    let mut daemon = start_with(&site, "transactions", &server, &options).await;

    let mut rows = vec!["BEGIN".to_owned()];
    rows.extend((0..120).map(|id| format!("INSERT INTO b VALUES ({id}, repeat('x', 1048576))")));
    rows.push("COMMIT".into());
    run(&mut conn, &rows).await;
    // Base64 takes a third more.
    eventually("all rows of the large transaction", LIMIT, async || (written(&daemon) > 160 * MIB).then_some(())).await;
    let large_peak = peak(&daemon);
    assert!(daemon.log_text().contains("its rows are read a second time"), "{}", daemon.log_tail());

    run(&mut conn, &["SET SESSION binlog_transaction_compression = ON".into(), "BEGIN".into()]).await;
    let mut state = 1u32;
    for id in 1000..1040 {
        // Nothing that could be compressed.
        let value: Vec<u8> = (0..MIB)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        conn.exec_drop("INSERT INTO b VALUES (?, ?)", (id, value)).await.expect("inserted");
    }
    run(&mut conn, &["COMMIT".into(), "SET SESSION binlog_transaction_compression = OFF".into()]).await;
    run(&mut conn, &["INSERT INTO b VALUES (2000, 'last')".into()]).await;
    let total = (120 + 40) * MIB * 4 / 3;
    eventually("all rows of the compressed one", LIMIT, async || (written(&daemon) > total).then_some(())).await;
    eventually("the row behind it", LIMIT, async || ends_with(&daemon, "\"id\":2000,\"v\":\"bGFzdA==\"}}\n").then_some(())).await;
    let payload_peak = peak(&daemon);
    println!("120 MiB beyond the spill: {} MiB at most; a compressed event of 40 MiB: {} MiB", large_peak / MIB, payload_peak / MIB);
    assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());

    let output = std::fs::read(&daemon.stdout).expect("the output");
    let ids = (0..120).chain(1000..1040).chain(2000..2001);
    let mut lines = output.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    for id in ids {
        let line = lines.next().unwrap_or_else(|| panic!("no line for {id}"));
        let head = String::from_utf8_lossy(&line[..line.len().min(200)]).into_owned();
        assert!(head.contains(&format!("\"id\":{id},")), "{id}: {head}");
        let (number, last) = match id {
            0..120 => (id, id == 119),
            1000..1040 => (id - 1000, id == 1039),
            _ => (0, true),
        };
        let mark = if last { "\"commit\":true".to_owned() } else { format!("\"xoffset\":{number},") };
        assert!(head.contains(&mark), "{id}: {head}");
    }
    assert!(lines.next().is_none());
    drop(output);
    std::fs::remove_file(&daemon.stdout).expect("removed");
    assert!(payload_peak < MEMORY, "{} MiB", payload_peak / MIB);
    drop(daemon);
    drop(conn);
    server.drop_databases(DATA, SCHEMA).await;
    server.run(&["FLUSH BINARY LOGS"]).await;
    let file = server.rows("SHOW BINARY LOGS").await.last().and_then(|r| r[0].clone()).expect("a file");
    server.run(&[&format!("PURGE BINARY LOGS TO '{file}'")]).await;
}
