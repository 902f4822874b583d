//! Servers that keep names in lower case (`lower_case_table_names=1`): statements in mixed case, on names in mixed case, and
//! after each the tracked definitions are information_schema's and messages have the names that the server keeps.

#[path = "ddl_oracle/mod.rs"]
mod ddl_oracle;
#[path = "live_support/mod.rs"]
mod live_support;

use binlogd::assemble::spill::SpillDir;
use binlogd::schema::CaseRule;
use ddl_oracle::model::{Model, TableKey, options};
use live_support::environment::one_at_a_time;
use live_support::servers::{Scratch, can_start};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// A message: database, table, `data`.
type Message = (&'static str, &'static str, &'static str);

/// Statements, and the messages that they make.
const STEPS: &[(&str, &[Message])] = &[
    ("CREATE DATABASE ShopÄ CHARACTER SET utf8mb4", &[]),
    ("CREATE DATABASE `Other` CHARACTER SET latin1", &[]),
    ("CREATE TABLE `ShopÄ`.Orders (Id INT PRIMARY KEY, `NAME` VARCHAR(9))", &[]),
    ("INSERT INTO SHOPÄ.ORDERS VALUES (1, 'a')", &[("shopä", "orders", r#"{"Id":1,"NAME":"a"}"#)]),
    ("CREATE TABLE IF NOT EXISTS shopä.orders (x INT)", &[]),
    ("ALTER TABLE SHOPä.oRDERS ADD Total BIGINT UNSIGNED FIRST, CHANGE id ID INT", &[]),
    (
        "INSERT INTO ShopÄ.Orders VALUES (18446744073709551615, 2, 'b')",
        &[("shopä", "orders", r#"{"Total":18446744073709551615,"ID":2,"NAME":"b"}"#)],
    ),
    ("CREATE TABLE Other.`Copy` LIKE ShopÄ.ORDERS", &[]),
    ("INSERT INTO oTHER.cOPY VALUES (3, 3, 'c')", &[("other", "copy", r#"{"Total":3,"ID":3,"NAME":"c"}"#)]),
    ("RENAME TABLE ShopÄ.Orders TO OTHER.Bestellungen, other.COPY TO shopä.ORDERS", &[]),
    ("INSERT INTO Other.bestellungen VALUES (4, 4, 'd')", &[("other", "bestellungen", r#"{"Total":4,"ID":4,"NAME":"d"}"#)]),
    ("ALTER TABLE ShopÄ.Orders RENAME TO SHOPÄ.ORDERS2, DROP total", &[]),
    ("INSERT INTO SHOPÄ.Orders2 VALUES (5, 'e')", &[("shopä", "orders2", r#"{"ID":5,"NAME":"e"}"#)]),
    ("RENAME TABLE shopä.ORDERS2 TO ShopÄ.Orders2X", &[]),
    ("CREATE TABLE Other.Made (\n  `A` INT) SELECT 7 AS a, 8 AS `B`", &[("other", "made", r#"{"a":7,"B":8}"#)]),
    ("ALTER DATABASE OTHER CHARACTER SET utf8mb4", &[]),
    ("CREATE TABLE OTHER.T (V CHAR(3))", &[]),
    ("TRUNCATE TABLE oTHER.t", &[]),
    ("DROP TABLE other.T, OTHER.Made", &[]),
    ("DROP DATABASE oThEr", &[]),
    ("UPDATE ShopÄ.ORDERS2x SET name = 'f' WHERE iD = 5", &[("shopä", "orders2x", r#"{"ID":5,"NAME":"f"}"#)]),
];

fn lower_case(kind: &str) {
    let rt = tokio::runtime::Runtime::new().expect("a runtime");
    let _one = rt.block_on(one_at_a_time());
    if !can_start() {
        println!("SKIPPED live_ddl_case {kind}: scripts/servers.sh env was not read");
        return;
    }
    // MySQL 8 and later take it for the data folder's first start only: the name is of this test alone.
    let server = rt.block_on(Scratch::start(&format!("{kind}-lowercase"), &["lower-case-table-names=1"]));
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let mut conn = rt.block_on(Conn::new(options(server.port))).expect("root can connect");
    for sql in ["SET NAMES utf8mb4", "DROP DATABASE IF EXISTS shopä", "DROP DATABASE IF EXISTS other"] {
        rt.block_on(conn.query_drop(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    let mut model = Model::open(&rt, server.port, SpillDir::open(folder.path(), 1 << 30).expect("a spill folder"));
    assert_eq!(model.schema().case, CaseRule::Lower);
    for (sql, expected) in STEPS {
        rt.block_on(conn.query_drop(*sql)).unwrap_or_else(|e| panic!("{kind}: {sql}: {e}"));
        model.catch_up().unwrap_or_else(|e| panic!("{kind}: {sql}: {e}"));
        let asked: Vec<String> = model.requests().into_iter().map(|request| request.why).collect();
        assert_eq!(asked, [""; 0], "{kind}: {sql}");
        let messages: Vec<serde_json::Value> = model
            .messages()
            .iter()
            .map(|m| serde_json::from_slice(m).expect("JSON"))
            .filter(|m: &serde_json::Value| m["type"] != "delete")
            .collect();
        let told: Vec<(&str, &str, String)> = messages
            .iter()
            .map(|m| (m["database"].as_str().expect("a name"), m["table"].as_str().expect("a name"), m["data"].to_string()))
            .collect();
        let expected: Vec<(&str, &str, String)> = expected.iter().map(|(d, t, data)| (*d, *t, (*data).to_owned())).collect();
        assert_eq!(told, expected, "{kind}: {sql}");
        let ours: Vec<String> = model.schema().databases.iter().map(|d| d.name.clone()).filter(|d| d == "shopä" || d == "other").collect();
        let (tables, mut differences) = model.list(&ours);
        differences.extend(model.databases("shopä"));
        differences.extend(model.databases("other"));
        differences.extend(model.compare(&tables).0);
        let left: Vec<TableKey> = tables;
        assert_eq!(differences, [""; 0], "{kind}: {sql}: {left:?}");
        assert_eq!(model.stored_differences(), [""; 0], "{kind}: {sql}: what is stored");
    }
    assert!(model.schema().database("OTHER").is_none() && model.schema().table("SHOPÄ", "Orders2X").is_some());
}

#[test]
fn mysql97() {
    lower_case("mysql97");
}

#[test]
fn mysql56() {
    lower_case("mysql56");
}

#[test]
fn mariadb1011() {
    lower_case("mariadb1011");
}
