//! The DDL lines that the real Maxwell printed, replayed: `sql` in, `def` and `old` compared as JSON values.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::*;

/// Where Maxwell's definition is wrong and ours is what the server has: case, column key, Maxwell's value, ours, reason.
const KNOWN: &[(&str, &str, &str)] = &[];

fn fixtures() -> PathBuf {
    let root = std::env::var_os("BINLOGD_FIXTURES").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/fixtures/golden"));
    assert!(root.join("mysql-9.7").is_dir(), "no fixtures in {}: run scripts/fixtures.sh, or set BINLOGD_FIXTURES", root.display());
    root
}

const SERVERS: [(&str, &str, StatementContext<'static>); 4] = [
    ("mysql-9.7", "utf8mb4", MYSQL),
    ("mysql-9.7-minimal", "utf8mb4", MYSQL),
    ("mysql-5.6", "latin1", StatementContext { server_version: 50_624, ..MYSQL }),
    ("mariadb-10.11", "latin1", MARIADB),
];

/// Consecutive DDL lines of one statement: its text and the payloads.
fn statements(jsonl: &str) -> Vec<(String, Vec<Map<String, Value>>)> {
    let mut out: Vec<(String, String, Vec<Map<String, Value>>)> = Vec::new();
    // Rows may hold numbers that serde_json does not read.
    for line in jsonl.lines().filter(|l| l.starts_with("{\"type\":")) {
        let Value::Object(mut line) = serde_json::from_str(line).expect("a line of JSON") else { panic!("no object") };
        let Some(Value::String(sql)) = line.remove("sql") else { continue };
        let Some(Value::String(position)) = line.remove("position") else { panic!("no position") };
        line.retain(|key, _| !matches!(key.as_str(), "ts" | "gtid"));
        match out.last_mut() {
            Some((last, _, lines)) if *last == position => lines.push(line),
            _ => out.push((position, sql, vec![line])),
        }
    }
    out.into_iter().map(|(_, sql, lines)| (sql, lines)).collect()
}

/// The differences of two payloads, each in words; definitions column by column.
fn differences(case: &str, theirs: &Value, ours: &Value, found: &mut BTreeSet<String>) {
    let (Value::Object(a), Value::Object(b)) = (theirs, ours) else {
        if theirs != ours {
            found.insert(format!("{case}: {theirs} → {ours}"));
        }
        return;
    };
    for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        let place = match (key.as_str(), a.get("name").or(a.get("table")).and_then(Value::as_str)) {
            ("old" | "def" | "columns", _) | (_, None) => case.to_string(),
            (_, Some(name)) => format!("{case} {name}.{key}"),
        };
        match (a.get(key), b.get(key)) {
            (Some(Value::Array(x)), Some(Value::Array(y))) if x.len() == y.len() && key == "columns" => {
                x.iter().zip(y).for_each(|(x, y)| differences(&place, x, y, found));
            }
            (Some(x), Some(y)) => differences(&place, x, y, found),
            (x, y) => drop(found.insert(format!("{place}: {x:?} → {y:?}"))),
        }
    }
}

#[test]
fn definitions_are_maxwells_where_maxwell_is_right() {
    let root = fixtures();
    let mut found = BTreeSet::new();
    let mut compared = 0_usize;
    for (server, charset, ctx) in SERVERS {
        let mut cases: Vec<_> = std::fs::read_dir(root.join(server)).expect("a folder").map(|e| e.expect("an entry").path()).collect();
        cases.sort();
        for path in cases {
            let case = path.file_name().and_then(|n| n.to_str()).expect("a name").to_string();
            let Ok(jsonl) = std::fs::read_to_string(path.join("full.jsonl")) else { continue };
            let database = format!("g_{case}");
            let ctx = StatementContext { default_database: Some(&database), ..ctx };
            let mut schema = Schema { charset: charset.into(), ..Schema::default() };
            for (sql, lines) in statements(&jsonl) {
                let changes = match interpret(sql.as_bytes(), &ctx, &mut schema, &no_skip) {
                    Outcome::Changes(changes) => changes,
                    other => panic!("{server}/{case}: {sql}: {other:?}"),
                };
                assert_eq!(changes.len(), lines.len(), "{server}/{case}: {sql}");
                for (change, line) in changes.iter().zip(lines) {
                    let mut ours = vec![b'{'];
                    change.write_fields(&mut ours);
                    ours.push(b'}');
                    let ours: Value = serde_json::from_slice(&ours).expect("our JSON");
                    differences(&case, &Value::Object(line), &ours, &mut found);
                    compared += 1;
                }
            }
        }
    }
    let known: BTreeSet<String> = KNOWN.iter().map(|(place, values, _)| format!("{place}: {values}")).collect();
    assert!(compared > 900, "only {compared} lines compared");
    assert_eq!(found, known, "differences found and known differ");
}
