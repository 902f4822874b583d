//! Kill tests: whatever is killed and whenever, everything committed is on the topic, in order along each key, and the
//! last image of each row is the row.
//!
//! BINLOGD_KILL_SECONDS and BINLOGD_KILL_SEED change the duration of the long ones and repeat a schedule.

#[path = "live_support/mod.rs"]
mod live_support;

use live_support::delivery::{self, Case};
use live_support::environment::{need, number, one_at_a_time};
use live_support::servers;
use live_support::sql::SqlServer;
use live_support::violence::Violence;

const KAFKA: &str = "BINLOGD_TEST_KAFKA";
const MYSQL: (&str, &str) = ("mysql97", "BINLOGD_TEST_MYSQL97_PORT");
const MYSQL_FILE: (&str, &str) = ("mysql97-file", "BINLOGD_TEST_MYSQL97_FILE_PORT");
const MARIADB: (&str, &str) = ("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT");

async fn deliver(
    name: &'static str,
    (server, variable): (&'static str, &str),
    gtid_mode: bool,
    metadata: Option<&'static str>,
    violence: Violence,
) {
    let _alone = one_at_a_time().await;
    let Some([port, brokers]) = need(name, [variable, KAFKA]) else { return };
    if violence.server.is_some() && !servers::can_start() && need(name, ["BINLOGD_TEST_SERVERS_SH", "BINLOGD_TEST_RUN_DIR"]).is_none() {
        return;
    }
    delivery::run(Case { name, server: SqlServer::new(server, &port), brokers, gtid_mode, metadata, violence }).await;
}

/// 40 ends of the daemon in 90 s.
fn forty() -> Violence {
    Violence { seconds: number("BINLOGD_KILL_SECONDS", 90), kills: 30, stalls: 4, stops: 10, server: None }
}

/// Fewer ends of the daemon, and two of a server, in a third of the time.
fn server_twice(name: &'static str) -> Violence {
    Violence { seconds: number("BINLOGD_KILL_SECONDS", 90) / 3, kills: 3, stalls: 0, stops: 1, server: Some((name, 2)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_by_gtid() {
    deliver("kill_mysql_gtid", MYSQL, true, None, forty()).await;
}

/// With as little metadata in the binlog as the server writes by default.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_by_file() {
    deliver("kill_mysql_file", MYSQL_FILE, false, Some("MINIMAL"), forty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_by_gtid() {
    deliver("kill_mariadb_gtid", MARIADB, true, None, forty()).await;
}

/// With as little metadata in the binlog as the server writes by default.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_by_file() {
    deliver("kill_mariadb_file", MARIADB, false, Some("NO_LOG"), forty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_killed() {
    deliver("kill_broker", MYSQL, true, None, server_twice("kafka")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysqld_killed() {
    deliver("kill_mysqld", MYSQL_FILE, false, None, server_twice("mysql97-file")).await;
}
