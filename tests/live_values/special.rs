//! Tables that hold more than their rows show: system versioning, sequences, columns that are hidden, generated or both. Each
//! has statements of its own; the rows that our messages make are compared with all that the server has.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::columns::Server;
use super::ddl_oracle::model::{Model, text};

pub struct Special {
    pub table: &'static str,
    pub statements: &'static [&'static str],
    /// Names every column; the place of the first is the row's number.
    pub select: &'static str,
    /// A sequence is one row, which every message writes anew.
    pub is_sequence: bool,
}

const PLAIN: Special = Special { table: "", statements: &[], select: "", is_sequence: false };

pub fn all(server: &Server) -> Vec<Special> {
    if !server.mariadb && server.version < 50_700 {
        return Vec::new();
    }
    let mut all = vec![Special {
        table: "made",
        statements: &[
            "CREATE TABLE made (id INT PRIMARY KEY, v VARCHAR(20), a INT AS (id * 2) VIRTUAL, b VARCHAR(40) AS (CONCAT(v, '!')) STORED, t TEXT)",
            "INSERT INTO made (id, v, t) VALUES (1, 'a', 'x'), (2, NULL, 'y'), (3, 'c', NULL)",
            "UPDATE made SET v = 'new' WHERE id < 3",
            "UPDATE made SET id = 30 WHERE id = 3",
            "DELETE FROM made WHERE id = 2",
        ],
        select: "SELECT id, v, a, b, t FROM made",
        ..PLAIN
    }];
    if server.mariadb || server.version >= 80_023 {
        all.push(Special {
            table: "hidden",
            statements: &[
                "CREATE TABLE hidden (id INT PRIMARY KEY, i INT INVISIBLE DEFAULT 7, v VARCHAR(20), j DATETIME(3) DEFAULT '2001-02-03 04:05:06.789' INVISIBLE)",
                "INSERT INTO hidden VALUES (1, 'a'), (2, 'b')",
                "INSERT INTO hidden (id, v, i) VALUES (3, 'c', 8)",
                "UPDATE hidden SET i = NULL WHERE id = 1",
                "DELETE FROM hidden WHERE id = 2",
            ],
            select: "SELECT id, i, v, j FROM hidden",
            ..PLAIN
        });
    }
    if !server.mariadb && server.version >= 80_030 {
        all.push(Special {
            table: "keyed",
            statements: &[
                "SET SESSION sql_generate_invisible_primary_key = ON",
                "CREATE TABLE keyed (v VARCHAR(20), n INT, KEY ((LOWER(v))), KEY ((n * 2), (UPPER(v))))",
                "SET SESSION sql_generate_invisible_primary_key = OFF",
                "INSERT INTO keyed VALUES ('A', 1), ('B', 2), ('C', NULL)",
                "UPDATE keyed SET v = 'Z' WHERE n = 2",
                "DELETE FROM keyed WHERE n = 1",
            ],
            select: "SELECT my_row_id, v, n FROM keyed",
            ..PLAIN
        });
    }
    if server.mariadb {
        all.push(Special {
            table: "versioned",
            statements: &[
                "CREATE TABLE versioned (id INT, v VARCHAR(20)) WITH SYSTEM VERSIONING",
                "INSERT INTO versioned VALUES (1, 'a'), (2, 'b'), (3, 'c')",
                "UPDATE versioned SET v = 'new' WHERE id < 3",
                "UPDATE versioned SET v = 'newer' WHERE id = 1",
                "DELETE FROM versioned WHERE id = 2",
            ],
            select: "SELECT id, v, row_start, row_end FROM versioned FOR SYSTEM_TIME ALL",
            ..PLAIN
        });
        all.push(Special {
            table: "period",
            statements: &[
                "CREATE TABLE period (s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, id INT PRIMARY KEY, v INT, \
                 e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
                "INSERT INTO period (id, v) VALUES (1, 1), (2, 2)",
                "UPDATE period SET v = v + 1",
                "DELETE FROM period WHERE id = 1",
            ],
            select: "SELECT id, v, s, e FROM period FOR SYSTEM_TIME ALL",
            ..PLAIN
        });
        // What is JSON for the server may be in any character set.
        all.push(Special {
            table: "checked",
            statements: &[
                "CREATE TABLE checked (id INT PRIMARY KEY, l TEXT CHARSET latin1 CHECK (JSON_VALID(l)), c VARCHAR(50) CHARSET cp1251 CHECK (JSON_VALID(c)), \
                 s TEXT CHARSET sjis CHECK ((JSON_VALID(s))), u TEXT CHARSET utf8mb3 CHECK (JSON_VALID(u)), t TEXT CHARSET latin1, \
                 j JSON COLLATE latin1_bin, CHECK (JSON_VALID(t)))",
                "INSERT INTO checked VALUES (1, '{\"a\":\"é\"}', '{\"a\":\"Ж\"}', '{\"a\":\"表\"}', '{\"a\":\"é表\"}', '[\"ü\"]', '[\"ß\"]')",
                "INSERT INTO checked VALUES (2, NULL, '[1]', '\"ソ\"', '[]', NULL, '{}')",
                "ALTER TABLE checked MODIFY c VARCHAR(60) CHARSET cp1251 CHECK (JSON_VALID(c))",
                "UPDATE checked SET l = '[\"öé\"]', c = '[\"Щ\"]', s = '[\"ソ表\"]' WHERE id = 2",
            ],
            select: "SELECT id, l, c, s, u, t, j FROM checked",
            ..PLAIN
        });
        all.push(Special {
            table: "numbers",
            statements: &[
                "CREATE SEQUENCE numbers START WITH 10 INCREMENT BY 5 MINVALUE -100 MAXVALUE 1000000 CACHE 2",
                "SELECT NEXTVAL(numbers)",
                "SELECT NEXTVAL(numbers)",
                "SELECT NEXTVAL(numbers)",
                "SELECT SETVAL(numbers, 5000)",
            ],
            select: "SELECT * FROM numbers",
            is_sequence: true,
        });
    }
    all
}

/// Runs the statements and compares; the values that were compared, or what differs.
pub fn compare(rt: &Runtime, conn: &mut Conn, model: &mut Model<'_>, special: &Special) -> Result<usize, String> {
    for sql in special.statements {
        rt.block_on(conn.query_drop(*sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    model.catch_up().map_err(|e| format!("{}: {e}", special.table))?;
    let mut rows: Vec<BTreeMap<String, Value>> = Vec::new();
    for message in model.messages() {
        let message: Value = serde_json::from_slice(&message).map_err(|e| e.to_string())?;
        if message["table"] != special.table {
            continue;
        }
        let members = |name: &str| -> BTreeMap<String, Value> {
            message[name].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        let (data, old) = (members("data"), members("old"));
        // The row as it was: what the message says of it, as far as it says it.
        let mut before = data.clone();
        before.extend(old);
        let is_it = |row: &BTreeMap<String, Value>| row.iter().all(|(k, v)| before.get(k).is_none_or(|b| b == v));
        match message["type"].as_str() {
            Some("insert") if special.is_sequence => rows = vec![data],
            Some("insert") => rows.push(data),
            kind => {
                let at = rows.iter().position(is_it).ok_or_else(|| format!("a row that was never there: {message}"))?;
                rows.remove(at);
                if kind == Some("update") {
                    rows.push(data);
                }
            }
        }
    }
    let theirs: Vec<Row> = rt.block_on(conn.query(special.select)).map_err(|e| format!("{}: {e}", special.select))?;
    let mut values = 0;
    for row in &theirs {
        let names: Vec<String> = row.columns_ref().iter().map(|c| c.name_str().into_owned()).collect();
        let shown: Vec<Option<String>> =
            row.clone().unwrap().into_iter().map(|v| text(v).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())).collect();
        let same = |ours: &BTreeMap<String, Value>| {
            names.iter().zip(&shown).all(|(name, theirs)| match (ours.get(name), theirs) {
                // Not in the last image.
                (None, _) => true,
                (Some(Value::Null), theirs) => theirs.is_none(),
                (Some(Value::String(text)), theirs) => theirs.as_ref() == Some(text),
                (Some(other), theirs) => theirs.as_ref() == Some(&other.to_string()),
            })
        };
        let Some(at) = rows.iter().position(same) else {
            return Err(format!("{}: {names:?} {shown:?} is none of ours: {rows:?}", special.table));
        };
        values += rows.remove(at).len();
    }
    if rows.is_empty() { Ok(values) } else { Err(format!("{}: not on the server: {rows:?}", special.table)) }
}
