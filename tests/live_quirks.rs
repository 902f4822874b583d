//! What Maxwell has wrong of a table (`maxwell_quirks`) is known again after a restart: both of tables that were captured and
//! of those whose statements were followed. That it is wrong in Maxwell's way is compared in `live_maxwell.rs`.

#[path = "live_support/mod.rs"]
mod live_support;

use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site};
use live_support::environment::{need, one_at_a_time};
use live_support::sql::SqlServer;

const DATA: &str = "quirks_data";
const SCHEMA: &str = "quirks_maxwell";
const LIMIT: Duration = Duration::from_secs(30);

async fn restart(server: &'static str, variable: &str) {
    let _alone = one_at_a_time().await;
    let test = format!("Maxwell's view over a restart on {server}");
    let Some([port]) = need(&test, [variable]) else { return };
    let server = SqlServer::new(server, &port);
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&[&format!("CREATE TABLE {DATA}.captured (id INT PRIMARY KEY, z INT(5) UNSIGNED ZEROFILL)")]).await;
    let site = Site::new(&format!("quirks-{}", server.name));
    let file = site.dir.join("lines");
    let config = Config::for_server(&server, SCHEMA)
        .with("producer", "file")
        .with("output_file", file.display())
        .with("output_ddl", "true")
        .with("maxwell_quirks", "true");
    let lines = |number: usize| {
        let file = file.clone();
        async move {
            eventually(&format!("{number} lines"), LIMIT, async || {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                let found: Vec<String> = text.lines().filter(|l| l.contains(DATA)).map(str::to_owned).collect();
                (found.len() >= number && text.ends_with('\n')).then_some(found)
            })
            .await
        }
    };

    let mut daemon = Daemon::start(&site, "before", &config, &[]);
    eventually("the daemon reads its own heartbeat", LIMIT, async || {
        let sql = format!("SELECT 1 FROM {SCHEMA}.positions WHERE last_heartbeat_read > 0");
        server.try_rows(&sql).await.ok().filter(|rows| !rows.is_empty())
    })
    .await;
    server
        .run(&[
            &format!("CREATE TABLE {DATA}.followed (id INT PRIMARY KEY, z INT ZEROFILL, e ENUM('it''s')) CHARSET=LATIN1"),
            &format!("INSERT INTO {DATA}.followed VALUES (1, 4000000000, 1)"),
            &format!("INSERT INTO {DATA}.captured VALUES (1, 4000000000)"),
        ])
        .await;
    let before = lines(3).await;
    assert_eq!(daemon.stop().await, 0);

    let mut daemon = Daemon::start(&site, "after", &config, &[]);
    server
        .run(&[
            &format!("INSERT INTO {DATA}.followed VALUES (1 + 1, 4000000000, 1)"),
            &format!("INSERT INTO {DATA}.captured VALUES (1 + 1, 4000000000)"),
            &format!("ALTER TABLE {DATA}.followed ADD more INT"),
        ])
        .await;
    let after = lines(6).await;
    assert_eq!(daemon.stop().await, 0);
    for (of, row) in [(&before, 1), (&after[3..].to_vec(), 0)] {
        assert!(of[row].contains(r#""z":-294967296,"e":"it''s"}"#), "{}", of[row]);
        assert!(of[row + 1].contains(r#""z":-294967296}"#), "{}", of[row + 1]);
    }
    let old = r#""old":{"database":"quirks_data","charset":"LATIN1","table":"followed","columns":[{"type":"int","name":"id","signed":true},{"type":"int","name":"z","signed":true},{"type":"enum","name":"e","enum-values":["it''s"]}]"#;
    assert!(after[5].contains(old), "{}", after[5]);
    server.drop_databases(DATA, SCHEMA).await;
    println!("{test}: {} lines", after.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql97() {
    restart("mysql97", "BINLOGD_TEST_MYSQL97_PORT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql56() {
    restart("mysql56", "BINLOGD_TEST_MYSQL56_PORT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb1011() {
    restart("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT").await;
}
