//! Where the daemon starts: gtid_mode switched over a stored position, places given by file, GTID set and time, a replaced
//! server, definitions captured anew, a replay that writes nothing, and `binlogd position`.

#[path = "live_support/mod.rs"]
mod live_support;

use std::time::Duration;

use live_support::bench::Bench;
use live_support::clock::eventually;
use live_support::environment::{need, one_at_a_time};
use live_support::proxy::Proxy;
use live_support::refusal::Refusal;
use live_support::servers::Scratch;
use live_support::sql::SqlServer;

const MYSQL: (&str, &str) = ("mysql97", "BINLOGD_TEST_MYSQL97_PORT");
const MYSQL_FILE: (&str, &str) = ("mysql97-file", "BINLOGD_TEST_MYSQL97_FILE_PORT");
const MARIADB: (&str, &str) = ("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT");
const GTID: &[(&str, &str)] = &[("gtid_mode", "true")];
const FILE: &[(&str, &str)] = &[("gtid_mode", "false")];
const CAPTURED: &str = "capturing the definitions";

async fn bench(name: &'static str, (server, variable): (&'static str, &str)) -> Option<Bench> {
    let [port] = need(&format!("{name} on {server}"), [variable])?;
    Some(Bench::new(name, SqlServer::new(server, &port)).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gtid_mode_is_switched() {
    let _alone = one_at_a_time().await;
    for server in [MYSQL, MARIADB] {
        let Some(bench) = bench("switch", server).await else { continue };
        bench.life(FILE, &[], &[]).await;
        bench.insert(1).await;
        bench.life(FILE, &[], &["1(word)"]).await;
        bench.insert(2).await;
        bench.run(&["ALTER TABLE DB.t ADD COLUMN more int", "FLUSH BINARY LOGS"]).await;
        bench.insert(3).await;
        let log = bench.life(GTID, &[], &["2(word)", "3(word,more)"]).await;
        assert!(
            log.contains("gtid_mode was switched on") && log.contains("took over the schema version") && !log.contains(CAPTURED),
            "{log}"
        );
        bench.insert(4).await;
        bench.run(&["ALTER TABLE DB.t DROP COLUMN word"]).await;
        bench.insert(5).await;
        let log = bench.life(FILE, &[], &["4(word,more)", "5(more)"]).await;
        assert!(log.contains("gtid_mode was switched off") && !log.contains(CAPTURED), "{log}");
        bench.insert(6).await;
        // The row of the first switch is stale now, and must not be used.
        let log = bench.life(GTID, &[], &["6(more)"]).await;
        assert!(!log.contains(CAPTURED), "{log}");
        let log = bench.life(GTID, &[], &[]).await;
        assert!(log.contains("restored the schema version") && !log.contains("switched"), "{log}");
        println!("gtid_mode switched on, off and on again on {}: nothing lost, nothing twice", bench.server.name);
        bench.clean().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_over_a_purged_position_is_refused() {
    let _alone = one_at_a_time().await;
    let Some(bench) = bench("purged", MYSQL).await else { return };
    bench.life(FILE, &[], &[]).await;
    bench.insert(1).await;
    bench.run(&["FLUSH BINARY LOGS", "FLUSH BINARY LOGS"]).await;
    bench.run(&[&format!("PURGE BINARY LOGS TO '{}'", bench.end().await.file)]).await;
    let config = bench.config.clone().with("gtid_mode", true);
    let words = ["purged", "gtid_mode was switched on", "--init_position"];
    Refusal { name: "switch-over-purged", code: 2, words: &words }.check(&bench.site, &config, &[]).await;
    let rows = bench.server.rows(&format!("SELECT server_id FROM {}.positions", bench.schema)).await;
    assert!(rows.len() == 1 && rows[0][0].as_deref() != Some("0"), "nothing is stored: {rows:?}");
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_are_given() {
    let _alone = one_at_a_time().await;
    for server in [MYSQL, MARIADB] {
        let Some(bench) = bench("places", server).await else { continue };
        for (mode, other) in [(FILE, GTID), (GTID, FILE)] {
            bench.server.run(&[&format!("DROP DATABASE IF EXISTS {}", bench.schema), &format!("DELETE FROM {}.t", bench.data)]).await;
            bench.life(mode, &[], &[]).await;
            bench.insert(1).await;
            let first = bench.end().await;
            bench.insert(2).await;
            bench.run(&["FLUSH BINARY LOGS", "ALTER TABLE DB.t ADD COLUMN more int"]).await;
            bench.insert(3).await;
            let second = bench.end().await;
            tokio::time::sleep(Duration::from_millis(1100)).await;
            let time =
                bench.server.rows("SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')").await.remove(0).remove(0).expect("a time");
            bench.insert(4).await;
            bench.life(mode, &[], &["1(word)", "2(word)", "3(word,more)", "4(word,more)"]).await;
            let file = format!("--init_position={}:{}", first.file, first.offset);
            for (what, place, rows) in [
                ("file", file.clone(), &["2(word)", "3(word,more)", "4(word,more)"][..]),
                ("GTID set", format!("--init_position={}", second.gtids), &["4(word,more)"]),
                ("time", format!("--init_position={time}"), &["4(word,more)"]),
            ] {
                if place.ends_with('=') {
                    continue;
                }
                let log = bench.life(mode, &[place.as_str()], rows).await;
                assert!(!log.contains(CAPTURED), "{what}: versions that a heartbeat hides\n{log}");
            }
            bench.insert(5).await;
            bench.life(mode, &[], &["5(word,more)"]).await;
            // Also where the other mode has a newer position.
            bench.life(other, &[file.as_str()], &["2(word)", "3(word,more)", "4(word,more)", "5(word,more)"]).await;
            bench.run(&["ALTER TABLE DB.t DROP COLUMN more"]).await;
        }
        println!("--init_position by file, GTID set and time in both modes on {}", bench.server.name);
        bench.clean().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_cannot_be() {
    let _alone = one_at_a_time().await;
    let Some(bench) = bench("nowhere", MYSQL).await else { return };
    for (name, place, words) in [
        ("time-to-come", "2999-01-01T00:00:00Z", &["still to come"][..]),
        ("time-too-early", "2001-01-01T00:00:00Z", &["does not reach back", "oldest file"]),
        ("unknown-gtids", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", &["has not executed"]),
    ] {
        let word = format!("--init_position={place}");
        Refusal { name, code: 2, words }.check(&bench.site, &bench.config, &[&word]).await;
    }
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_are_captured_anew() {
    let _alone = one_at_a_time().await;
    for mode in [FILE, GTID] {
        let Some(bench) = bench("recapture", MYSQL).await else { return };
        // Without names in the binlog the stored definition is all there is.
        bench.run(&["SET GLOBAL binlog_row_metadata = MINIMAL"]).await;
        bench.life(mode, &[], &[]).await;
        let wrong = format!("UPDATE {}.columns SET name = 'wrong' WHERE name = 'word'", bench.schema);
        // Without the compact copy, which would be read in place of the rows.
        bench.server.run(&[&wrong, &format!("DELETE FROM {}.binlogd_schemas", bench.schema)]).await;
        bench.insert(1).await;
        bench.life(mode, &[], &["1(wrong)"]).await;
        bench.insert(2).await;
        let log = bench.life(mode, &["--recapture_schema"], &["2(word)"]).await;
        assert!(log.contains(CAPTURED), "{log}");
        bench.run(&["ALTER TABLE DB.t ADD COLUMN more int"]).await;
        bench.insert(3).await;
        let log = bench.life(mode, &[], &["3(word,more)"]).await;
        assert!(log.contains("restored the schema version"), "it is there for later starts too\n{log}");
        bench.run(&["SET GLOBAL binlog_row_metadata = FULL"]).await;
        bench.clean().await;
    }
    println!("recapture_schema: used in the run and by later ones");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_writes_nothing() {
    let _alone = one_at_a_time().await;
    let Some(bench) = bench("replay", MYSQL).await else { return };
    bench.life(FILE, &[], &[]).await;
    let before = bench.end().await;
    bench.insert(1).await;
    bench.run(&["ALTER TABLE DB.t ADD COLUMN more int"]).await;
    bench.insert(2).await;
    let state = async || {
        let mut all = Vec::new();
        for table in ["positions", "heartbeats", "schemas", "binlogd_state", "binlogd_schemas"] {
            all.push(bench.server.rows(&format!("SELECT * FROM {}.`{table}`", bench.schema)).await);
        }
        all
    };
    let stored = state().await;
    let log = bench.life(FILE, &["--replay"], &["1(word)", "2(word,more)"]).await;
    assert!(log.contains("replay: nothing is written"), "{log}");
    bench.life(FILE, &["--replay"], &["1(word)", "2(word,more)"]).await;
    assert_eq!(state().await, stored, "the schema database was written");
    let end = bench.end().await;
    bench.insert(3).await;
    // The schema database itself is not needed.
    bench.run(&[&format!("DROP DATABASE {}", bench.schema)]).await;
    let place = format!("--init_position={}:{}", end.file, end.offset);
    bench.life(FILE, &["--replay", place.as_str()], &["3(word,more)"]).await;
    assert!(bench.server.rows(&format!("SHOW DATABASES LIKE '{}'", bench.schema)).await.is_empty(), "the schema database was made");
    println!("replay: twice the same from {}:{} to {}:{}, nothing written", before.file, before.offset, end.file, end.offset);
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_replaced() {
    let _alone = one_at_a_time().await;
    let variables = [MYSQL_FILE.1, "BINLOGD_TEST_SERVERS_SH", "BINLOGD_TEST_RUN_DIR"];
    if need("a replaced server", variables).is_none() {
        return;
    }
    let Some(bench) = bench("heir", MYSQL_FILE).await else { return };
    let scratch = Scratch::start("mysql97-heir-file", &["server-id=7707"]).await;
    let heir = SqlServer { name: "mysql97-heir-file", port: scratch.port };
    let end = bench.end().await;
    heir.run(&["STOP REPLICA", &format!("DROP DATABASE IF EXISTS {}", bench.schema), &format!("DROP DATABASE IF EXISTS {}", bench.data)])
        .await;
    heir.run(&[
        &format!("CREATE DATABASE {}", bench.data),
        &format!("CREATE TABLE {}.t (id int PRIMARY KEY, word varchar(20)) CHARACTER SET utf8mb4", bench.data),
        &format!("GRANT ALL ON {}.* TO maxwell@'%'", bench.schema),
        &format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={}, SOURCE_USER='root', GET_SOURCE_PUBLIC_KEY=1, \
             SOURCE_LOG_FILE='{}', SOURCE_LOG_POS={}",
            bench.server.port, end.file, end.offset
        ),
        "START REPLICA",
    ])
    .await;
    bench.life(&[], &[], &[]).await;
    bench.insert(1).await;
    bench.run(&["ALTER TABLE DB.t ADD COLUMN more int"]).await;
    bench.life(&[], &[], &["1(word)"]).await;
    bench.insert(2).await;
    eventually("the new server has it all", Duration::from_secs(60), async || {
        let rows = heir.try_rows(&format!("SELECT 1 FROM {}.t WHERE id = 2", bench.data)).await.ok()?;
        (!rows.is_empty()).then_some(())
    })
    .await;
    heir.run(&["STOP REPLICA"]).await;
    heir.run(&[&format!("INSERT INTO {}.t (id) VALUES (3)", bench.data)]).await;
    let port = heir.port.to_string();
    let there = [("port", port.as_str())];
    let config = bench.config.clone().with("port", &port);
    Refusal { name: "replaced", code: 1, words: &["under server id", "master_recovery=true", "--init_position"] }
        .check(&bench.site, &config, &[])
        .await;
    let schema = &bench.schema;
    heir.run(&[&format!("INSERT INTO {schema}.positions (server_id, client_id, binlog_file, binlog_position, last_heartbeat_read) VALUES (99, 'maxwell', 'x.000001', 4, 5)")]).await;
    let recover = [there[0], ("master_recovery", "true")];
    let words = ["several servers", "delete the stale rows"];
    Refusal { name: "two-origins", code: 1, words: &words }.check(&bench.site, &config.clone().with("master_recovery", true), &[]).await;
    heir.run(&[&format!("DELETE FROM {schema}.positions WHERE server_id = 99")]).await;
    let heartbeat = heir.rows(&format!("SELECT last_heartbeat_read FROM {schema}.positions")).await.remove(0).remove(0).expect("a value");
    // What was sent behind the last heartbeat comes again.
    let (mut daemon, _, before) = bench.start(&recover, &[]);
    eventually("the rows of both servers", Duration::from_secs(60), async || {
        assert!(daemon.ended().is_none(), "the daemon ended\n{}", daemon.log_tail());
        let lines = std::fs::read_to_string(bench.site.dir.join("lines.json")).unwrap_or_default();
        lines.lines().skip(before).any(|line| line.contains("\"id\":3")).then_some(())
    })
    .await;
    assert_eq!(daemon.stop().await, 0);
    let log = daemon.log_text();
    assert!(
        log.contains(&format!("heartbeat={heartbeat}"))
            && log.contains("found the heartbeat")
            && log.contains("took over the schema version"),
        "{log}"
    );
    let lines = std::fs::read_to_string(bench.site.dir.join("lines.json")).expect("lines");
    let new: Vec<&str> = lines.lines().skip(before).collect();
    assert!(new.iter().any(|line| line.contains("\"id\":2,") && line.contains("\"more\":null")), "{new:?}");
    let rows = heir.rows(&format!("SELECT server_id FROM {schema}.positions")).await;
    assert_eq!(rows, [[Some("7707".to_owned())]], "positions of other servers are deleted");
    bench.life(&there, &[], &[]).await;
    println!("master_recovery: went on behind heartbeat {heartbeat} on the new server");
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconnections_are_counted() {
    let _alone = one_at_a_time().await;
    let Some(bench) = bench("retries", MYSQL).await else { return };
    let proxy = Proxy::to(bench.server.port);
    let port = proxy.port.to_string();
    let through = [
        ("replication_host", "127.0.0.1"),
        ("replication_port", port.as_str()),
        ("replication_user", "maxwell"),
        ("replication_password", "maxwell"),
        ("replication_reconnection_retries", "2"),
    ];
    let (mut daemon, _, _) = bench.start(&through, &[]);
    bench.beating(&mut daemon).await;
    proxy.cut();
    let log = Refusal { name: "retries", code: 1, words: &["maximum reconnection attempts reached", "replication_reconnection_retries"] }
        .check_end(&mut daemon)
        .await;
    assert_eq!(log.matches("connecting again").count(), 2, "{log}");
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_position_command() {
    let _alone = one_at_a_time().await;
    for server in [MYSQL, MARIADB] {
        let Some(bench) = bench("command", server).await else { continue };
        for mode in [FILE, GTID] {
            bench.server.run(&[&format!("DROP DATABASE IF EXISTS {}", bench.schema), &format!("DELETE FROM {}.t", bench.data)]).await;
            let (code, text, log) = bench.command(mode, &["position", "show"]).await;
            assert!(code == 0 && text.contains("has no stored position"), "{text}{log}");
            assert!(bench.server.rows(&format!("SHOW DATABASES LIKE '{}'", bench.schema)).await.is_empty(), "show writes nothing");
            let (mut daemon, _, _) = bench.start(mode, &[]);
            bench.beating(&mut daemon).await;
            let (code, _, log) = bench.command(mode, &["position", "set", "now"]).await;
            assert!(code == 1 && log.contains("is running: its heartbeat moves"), "{log}");
            assert_eq!(daemon.stop().await, 0);
            let start = bench.end().await;
            bench.insert(1).await;
            bench.life(mode, &[], &["1(word)"]).await;
            let show = async || {
                let (code, text, log) = bench.command(mode, &["position", "show", "--json"]).await;
                assert_eq!(code, 0, "{log}");
                let all: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
                all["positions"].as_array().expect("a list").iter().find(|row| row["ours"] == true).expect("our row").clone()
            };
            let stored = show().await;
            assert_eq!((&stored["on_server"], stored["behind"]["files"].as_u64()), (&true.into(), Some(0)), "{stored}");
            assert_eq!(stored["gtid_set"].is_null(), mode == FILE, "{stored}");
            let place = format!("{}:{}", start.file, start.offset);
            let (code, text, log) = bench.command(mode, &["position", "set", &place, "--dry-run", "--force"]).await;
            assert!(code == 0 && text.contains("nothing was stored"), "{text}{log}");
            assert_eq!(show().await, stored, "a dry run changes nothing");
            let (code, _, log) =
                bench.command(mode, &["position", "set", &format!("{}:{}", start.file, start.offset + 1), "--force"]).await;
            assert!(code == 2 && log.contains("no event begins"), "{log}");
            let (code, text, log) = bench.command(mode, &["position", "set", &place, "--force"]).await;
            assert!(code == 0 && text.contains("old  ") && text.contains(&format!("{}:{}", start.file, start.offset)), "{text}{log}");
            bench.life(mode, &[], &["1(word)"]).await;
            bench.run(&["ALTER TABLE DB.t ADD COLUMN more int"]).await;
            bench.insert(2).await;
            // Nobody followed the ALTER: the stored version is not the one that is valid there.
            let (code, text, log) = bench.command(mode, &["position", "set", "now", "--force"]).await;
            assert!(code == 0 && text.contains("captured now"), "{text}{log}");
            bench.insert(3).await;
            bench.life(mode, &[], &["3(word,more)"]).await;
            bench.run(&["ALTER TABLE DB.t DROP COLUMN more"]).await;
        }
        let (code, _, log) = bench.command(&[], &["position", "put"]).await;
        assert!(code == 1 && log.contains("position show | set PLACE"), "{log}");
        println!("binlogd position on {}: shown, refused, set", bench.server.name);
        bench.clean().await;
    }
}
