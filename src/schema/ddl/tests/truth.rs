//! The statements of every recorded case against what the server itself had at the end (`truth.json`).

use serde_json::Value;

use super::golden::{SERVERS, cases, fixtures};
use super::*;
use crate::schema::collation::same_charset;

/// Cases whose statements the server logs otherwise than they were sent: definitions from queries, generated keys.
/// `golden` has them as they stand in the binlog.
const REWRITTEN: &[&str] = &["compression", "create_select", "gipk", "fail_gipk_first"];

/// Statements that the case's session ran, in order. Bodies of stored programs end at their delimiter.
fn statements(sql: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut open = String::new();
    let mut delimiter = ";";
    for line in sql.lines().filter(|l| !l.starts_with("-- ")) {
        if let Some(new) = line.strip_prefix("DELIMITER ") {
            delimiter = if new == ";" { ";" } else { "$$" };
            continue;
        }
        open.push_str(line);
        match open.strip_suffix(delimiter) {
            Some(statement) => {
                out.push(statement.to_string());
                open.clear();
            }
            None => open.push('\n'),
        }
    }
    out
}

/// Our type as `COLUMN_TYPE` without lengths.
fn server_type(ty: &ColumnType) -> String {
    let binary = ty.charset().is_some_and(|c| c == "binary") && matches!(ty, ColumnType::Text { .. });
    match (ty, ty.type_name()) {
        (_, "char") if binary => "binary".into(),
        (_, "varchar") if binary => "varbinary".into(),
        (_, name) if binary => name.replace("text", "blob"),
        (ColumnType::Int { unsigned: true, .. }, name) => format!("{name} unsigned"),
        (ColumnType::Datetime { fraction } | ColumnType::Timestamp { fraction } | ColumnType::Time { fraction }, name) if *fraction > 0 => {
            format!("{name}({fraction})")
        }
        (ty, name) => match ty.labels() {
            Some(labels) => {
                // `COLUMN_TYPE` doubles backslashes, and has no characters beyond U+FFFF.
                let shown = |l: &String| l.replace('\\', "\\\\").replace('\'', "''").replace(|c| c > '\u{ffff}', "?");
                let labels: Vec<String> = labels.iter().map(|l| format!("'{}'", shown(l))).collect();
                format!("{name}({})", labels.join(","))
            }
            None => name.into(),
        },
    }
}

/// `COLUMN_TYPE` without lengths, in Maxwell's names.
fn plain(column_type: &str) -> String {
    let keep = ["enum(", "set(", "datetime(", "timestamp(", "time("].iter().any(|k| column_type.starts_with(k));
    let base = column_type.split('(').next().unwrap_or_default().trim();
    if keep {
        return column_type.to_string();
    }
    let base = base.split(' ').next().unwrap_or_default().replace("geomcollection", "geometrycollection");
    let is_int = base.ends_with("int");
    if is_int && column_type.contains("unsigned") { format!("{base} unsigned") } else { base }
}

fn check(place: &str, table: &Table, truth: &Value, wrong: &mut Vec<String>) -> usize {
    let columns = truth["columns"].as_array().expect("columns");
    let shown: Vec<_> = table.columns.iter().filter(|c| !matches!(c.name.as_str(), "row_start" | "row_end")).collect();
    if columns.len() != shown.len() {
        wrong.push(format!("{place}: {} columns", shown.len()));
        return 0;
    }
    for (ours, theirs) in shown.iter().zip(columns) {
        let (name, ty) = (theirs["name"].as_str().expect("name"), theirs["type"].as_str().expect("type"));
        let (mine, right) = (server_type(&ours.ty), plain(ty));
        let is_json = ours.ty == ColumnType::Json && matches!(right.as_str(), "longtext" | "json");
        if ours.name != name || (mine != right && !is_json) {
            wrong.push(format!("{place}.{name}: {} {mine}, not {right}", ours.name));
        }
        let charset = theirs["charset"].as_str();
        let charset_of_ours = ours.ty.charset().filter(|c| *c != "binary" && !is_json);
        let agrees = match (charset_of_ours, charset) {
            (Some(a), Some(b)) => same_charset(a, b),
            (None, b) => b.is_none() || is_json || ours.ty.charset().is_some(),
            (Some(_), None) => false,
        };
        if !agrees {
            wrong.push(format!("{place}.{name}: {charset_of_ours:?}, not {charset:?}"));
        }
    }
    let key: Vec<_> = truth["primary_key"].as_array().expect("key").iter().filter_map(Value::as_str).collect();
    if key != table.primary_key {
        wrong.push(format!("{place}: key {:?}, not {key:?}", table.primary_key));
    }
    columns.len()
}

#[test]
fn definitions_are_the_servers() {
    let root = fixtures();
    let (mut wrong, mut columns) = (Vec::new(), 0_usize);
    for (server, charset, ctx) in SERVERS {
        for path in cases(&root, server) {
            let case = path.file_name().and_then(|n| n.to_str()).expect("a name").to_string();
            if REWRITTEN.contains(&case.as_str()) {
                continue;
            }
            let truth = std::fs::read_to_string(path.join("truth.json")).expect("truth.json");
            let Ok(truth) = serde_json::from_str::<Value>(&truth) else { continue };
            let sql = std::fs::read(path.join("case.sql")).expect("case.sql");
            let mut schema = Schema { charset: charset.into(), ..Schema::default() };
            let mut database = String::new();
            for statement in statements(&String::from_utf8_lossy(&sql)) {
                if let Some(name) = statement.strip_prefix("USE ") {
                    database = name.trim_matches('`').to_string();
                    continue;
                }
                let ctx = StatementContext { default_database: Some(&database), ..ctx };
                if let Outcome::Unproved { why, .. } = interpret(statement.as_bytes(), &ctx, &mut schema, &no_skip) {
                    wrong.push(format!("{server}/{case}: {statement}: {why}"));
                }
            }
            for (database, tables) in truth["databases"].as_object().expect("databases") {
                let tables = tables["tables"].as_object().expect("tables");
                let ours = schema.database(database).map_or(0, |d| d.tables.len());
                if ours != tables.len() {
                    wrong.push(format!("{server}/{case}: {database} has {ours} tables, not {}", tables.len()));
                }
                for (name, table) in tables {
                    let place = format!("{server}/{case}: {database}.{name}");
                    match schema.table(database, name) {
                        Some(ours) => columns += check(&place, ours, table, &mut wrong),
                        None => wrong.push(format!("{place} is missing")),
                    }
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "definitions that the server does not have");
    assert!(columns > 2000, "only {columns} columns compared");
}
