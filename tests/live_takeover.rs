//! Maxwell and the daemon take over from each other under load, ten times in each mode.
//!
//! Skipped unless MAXWELL_RUN names a command that starts Maxwell (COMMAND --config=FILE).

#[path = "live_takeover/definitions.rs"]
mod definitions;
#[path = "live_support/mod.rs"]
mod live_support;

use live_support::environment::{need, one_at_a_time, variable};
use live_support::sql::SqlServer;
use live_support::takeover::{Case, run};

async fn take_turns(name: &'static str, server: &'static str, port: &str, gtid_mode: bool) {
    let _alone = one_at_a_time().await;
    let Some(maxwell) = variable("MAXWELL_RUN") else {
        println!("SKIPPED {name}: MAXWELL_RUN is not set");
        return;
    };
    let Some([port, brokers]) = need(name, [port, "BINLOGD_TEST_KAFKA"]) else { return };
    run(Case { name, server: SqlServer::new(server, &port), brokers, maxwell, gtid_mode }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_file() {
    take_turns("takeover_file", "mysql97-file", "BINLOGD_TEST_MYSQL97_FILE_PORT", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_gtid() {
    take_turns("takeover_gtid", "mysql97", "BINLOGD_TEST_MYSQL97_PORT", true).await;
}

/// Definitions that Maxwell read or followed wrongly are put right when the daemon takes over, on servers whose binlog does not
/// tell them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_that_maxwell_has_wrong() {
    let _alone = one_at_a_time().await;
    let Some(maxwell) = variable("MAXWELL_RUN") else {
        println!("SKIPPED definitions: MAXWELL_RUN is not set");
        return;
    };
    let one = async |variable: &'static str, name: &'static str| {
        if let Some([port]) = need(&format!("definitions on {name}"), [variable]) {
            definitions::run(SqlServer::new(name, &port), &maxwell).await;
        }
    };
    // Each waits for heartbeats most of its time.
    tokio::join!(
        one("BINLOGD_TEST_MYSQL56_PORT", "mysql56"),
        one("BINLOGD_TEST_MYSQL97_PORT", "mysql97"),
        one("BINLOGD_TEST_MARIADB1011_PORT", "mariadb1011")
    );
}
