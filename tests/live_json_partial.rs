//! Partial JSON updates of a real server: random changes of random documents, and the documents that come out are those
//! that the server has.

#[path = "live_support/mod.rs"]
mod live_support;

use std::collections::BTreeMap;
use std::time::Duration;

use live_support::clock::eventually;
use live_support::daemon::{Config, Daemon, Site, code};
use live_support::environment::{need, number, one_at_a_time};
use live_support::sql::{SqlServer, quote};
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

const DATA: &str = "json_partial_data";
const SCHEMA: &str = "maxwell_json_partial";
const SOON: Duration = Duration::from_secs(60);
const ROWS: u32 = 10;

fn document(rng: &mut StdRng, depth: u32) -> Value {
    match rng.random_range(0..if depth == 0 { 6 } else { 10 }) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random_range(-40_000i64..40_000)),
        3 => json!(rng.random::<i64>()),
        4 => json!("é\"\\😀".repeat(rng.random_range(0..60))),
        5 => json!(f64::from(rng.random_range(-1000i32..1000)) / 8.0),
        6 | 7 => Value::Array((0..rng.random_range(0..5)).map(|_| document(rng, depth - 1)).collect()),
        _ => Value::Object(
            (0..rng.random_range(0..6)).map(|_| (NAMES[rng.random_range(0..NAMES.len())].into(), document(rng, depth - 1))).collect(),
        ),
    }
}

const NAMES: &[&str] = &["a", "b", "cc", "odd name", "ünï", "q\"u\\o", "", "x.y[0]", "a_rather_long_name_of_a_member"];

/// A path that may or may not lead somewhere.
fn path(rng: &mut StdRng) -> String {
    let mut path = "$".to_owned();
    for _ in 0..rng.random_range(1..4) {
        match rng.random_range(0..5) {
            0 => path.push_str(&format!("[{}]", rng.random_range(0..4))),
            1 => path.push_str("[last]"),
            _ => path.push_str(&format!(".{}", Value::from(NAMES[rng.random_range(0..NAMES.len())]))),
        }
    }
    path
}

/// One change of a column, of those that servers log as a list of changes; or one that they do not.
fn change(rng: &mut StdRng, column: &str) -> String {
    let mut steps = String::new();
    let name = ["JSON_SET", "JSON_SET", "JSON_REPLACE", "JSON_REMOVE"][rng.random_range(0..4)];
    for _ in 0..rng.random_range(1..4) {
        let path = path(rng);
        // The whole document cannot be removed.
        let path = if name == "JSON_REMOVE" && path.ends_with("[last]") { format!("{path}.a") } else { path };
        steps.push_str(&format!(", {}", quote(&path)));
        if name != "JSON_REMOVE" {
            steps.push_str(&format!(", CAST({} AS JSON)", quote(&document(rng, 1).to_string())));
        }
    }
    format!("{column} = {name}({column}{steps})")
}

async fn partial(image: &str, updates: u64) {
    let Some([port]) = need("json_partial", ["BINLOGD_TEST_MYSQL97_PORT"]) else { return };
    let server = SqlServer::new("mysql97", &port);
    let site = Site::new(&format!("json_partial_{image}"));
    let seed = number("BINLOGD_TEST_SEED", 6);
    println!("seed {seed}, {image}");
    let mut rng = StdRng::seed_from_u64(seed);
    server.fresh_databases(DATA, SCHEMA).await;
    server.run(&["FLUSH BINARY LOGS"]).await;
    server.run(&[&format!("CREATE TABLE {DATA}.t (id int PRIMARY KEY, j json, n int, k json, b blob)")]).await;
    let config = Config::for_server(&server, SCHEMA).with("producer", "stdout").with("filter", format!("exclude: *.*, include: {DATA}.*"));
    let with_omit = if image == "FULL" { config.clone() } else { config.clone().with("partial_json", "omit") };
    let mut daemon = Daemon::start(&site, "binlogd", &with_omit, &[]);
    eventually("the daemon follows", SOON, async || daemon.log_text().contains("following the binlog").then_some(())).await;

    let mut conn = server.connect_in(DATA).await.expect("root can connect");
    conn.query_drop(format!("SET SESSION binlog_row_value_options = 'PARTIAL_JSON', binlog_row_image = '{image}'")).await.expect("set");
    for id in 0..ROWS {
        let documents =
            [document(&mut rng, 4), document(&mut rng, 4)].map(|d| if d.is_null() { "NULL".into() } else { quote(&d.to_string()) });
        conn.query_drop(format!("INSERT INTO t VALUES ({id}, {}, 0, {}, repeat('b', {id}))", documents[0], documents[1]))
            .await
            .expect("insert");
    }
    // What the server has after each update: the updates' number is in `n`.
    let mut truth: BTreeMap<(u64, u64), (Value, Value)> = BTreeMap::new();
    let (mut n, mut refused) = (0, 0);
    while n < updates {
        let id = rng.random_range(0..ROWS);
        let set = match rng.random_range(0..10) {
            0 => format!("{}, {}", change(&mut rng, "j"), change(&mut rng, "k")),
            1 => format!("k = {}", quote(&document(&mut rng, 3).to_string())),
            2 => change(&mut rng, "k"),
            3 => format!("{}, b = repeat('c', {id})", change(&mut rng, "j")),
            _ => change(&mut rng, "j"),
        };
        // Two rows in one event now and then, each with its own changes.
        let rows = if rng.random_range(0..4) == 0 { format!("{id}, {}", (id + 1) % ROWS) } else { id.to_string() };
        if conn.query_drop(format!("UPDATE t SET n = {}, {set} WHERE id IN ({rows})", n + 1)).await.is_err() {
            // A path that no document can have.
            refused += 1;
            continue;
        }
        n += 1;
        let after: Vec<(u64, Option<String>, Option<String>)> =
            conn.query(format!("SELECT id, j, k FROM t WHERE id IN ({rows})")).await.expect("select");
        let value = |text: Option<String>| text.map_or(Value::Null, |t| serde_json::from_str(&t).expect("JSON"));
        for (id, j, k) in after {
            truth.insert((n, id), (value(j), value(k)));
        }
        if rng.random_range(0..40) == 0 {
            // Documents that shrank to nothing, or are NULL, are no longer changed in part.
            conn.query_drop(format!("UPDATE t SET j = {} WHERE id = {id}", quote(&document(&mut rng, 4).to_string())))
                .await
                .expect("update");
        }
    }
    let last = format!("\"n\":{n},");
    eventually("all updates arrive", SOON, async || daemon.stdout_text().lines().last().is_some_and(|l| l.contains(&last)).then_some(()))
        .await;
    let (mut compared, mut lacking) = (0, 0);
    let mut seen = std::collections::BTreeSet::new();
    for line in daemon.stdout_text().lines() {
        let message: Value = serde_json::from_str(line).expect("JSON");
        let data = &message["data"];
        let (Some(n), Some(id)) = (data["n"].as_u64(), data["id"].as_u64()) else { continue };
        // The first message of a number is the update's own.
        if message["type"] != "update" || !seen.insert((n, id)) {
            continue;
        }
        let Some((j, k)) = truth.get(&(n, id)) else { continue };
        for (column, want) in [("j", j), ("k", k)] {
            match data.get(column) {
                Some(got) => {
                    assert_eq!(got, want, "{column} of row {id} after update {n}: {line}");
                    compared += 1;
                }
                None => lacking += 1,
            }
        }
    }
    let file = server.rows("SHOW BINARY LOGS").await.last().and_then(|row| row[0].clone()).expect("a file");
    let events = server.rows(&format!("SHOW BINLOG EVENTS IN '{file}'")).await;
    let partial = events.iter().filter(|event| event[2].as_deref() == Some("Update_rows_partial")).count();
    assert!(partial as u64 > updates / 3, "only {partial} partial updates are in {file}");
    println!("{partial} events with partial updates");
    println!("{image}: {updates} updates, {refused} refused by the server; {compared} documents are the server's, {lacking} were left out");
    assert!(compared > if image == "MINIMAL" { 50 } else { updates as usize });
    // Of columns that change a NOBLOB image has the documents before.
    assert_eq!(lacking > 0, image == "MINIMAL");
    // Every row that was changed has its message, or nothing can have been compared.
    let missing = truth.keys().filter(|key| !seen.contains(*key)).count();
    assert!(missing * 10 < truth.len(), "{missing} of {} updates have no message", truth.len());
    if image == "MINIMAL" {
        // Without the option such an update stops the daemon, and says where.
        assert_eq!(daemon.stop().await, 0, "{}", daemon.log_tail());
        let mut strict = Daemon::start(&site, "strict", &config, &[]);
        eventually("the daemon follows", SOON, async || strict.log_text().contains("following the binlog").then_some(())).await;
        let big = format!(r#"{{"a": 1, "filler": "{}"}}"#, "x".repeat(500));
        conn.query_drop(format!("UPDATE t SET j = '{big}' WHERE id = 1")).await.expect("update");
        conn.query_drop("UPDATE t SET j = JSON_SET(j, '$.a', 2) WHERE id = 1").await.expect("update");
        let status = strict.end(SOON).await.unwrap_or_else(|| panic!("it goes on\n{}", strict.log_tail()));
        let log = strict.log_text();
        assert_eq!(code(status), 1, "{log}");
        for words in ["lacks the document", "json_partial_data.t.j", "partial_json=omit", "binlog_row_image=FULL"] {
            assert!(log.contains(words), "no {words} in\n{log}");
        }
    }
    drop(daemon);
    server.drop_databases(DATA, SCHEMA).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_full_images() {
    let _alone = one_at_a_time().await;
    partial("FULL", 2000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_minimal_images() {
    let _alone = one_at_a_time().await;
    partial("MINIMAL", 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_blobs() {
    let _alone = one_at_a_time().await;
    partial("NOBLOB", 300).await;
}
