//! The DDL lines that the real Maxwell printed, replayed: `sql` in, `def` and `old` compared as JSON values.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::*;

/// Where Maxwell's definition is wrong and ours is what the server has: the reason, and every value that follows from
/// it, as `case name.key: Maxwell's → ours`.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "COLLATE implies the character set",
        &[
            r#"charset_collate a.charset: "utf8mb4" → "latin1""#,
            r#"charset_collate d.charset: "utf8mb4" → "latin1""#,
            r#"charset_collate t.charset: "latin1" → "sjis""#,
            r#"charset_collate t.charset: "utf8mb4" → "cp1251""#,
            r#"charset_collate t.charset: "utf8mb4" → "sjis""#,
            r#"charset_collate v.charset: "latin1" → "sjis""#,
            r#"charset_collate v.charset: "utf8mb4" → "cp1251""#,
            r#"charset_collate v.charset: "utf8mb4" → "latin1""#,
            r#"charset_collate v.charset: "utf8mb4" → "sjis""#,
            r#"charset_collate: "latin1" → "sjis""#,
            r#"charset_collate: "utf8mb4" → "sjis""#,
            r#"ddl_databases c.charset: "latin1" → "utf8""#,
            r#"ddl_databases c.charset: "utf8mb4" → "utf8""#,
            r#"ddl_databases t.charset: "utf8mb4" → "latin1""#,
            r#"ddl_databases v.charset: "utf8mb4" → "latin1""#,
            r#"ddl_databases: "utf8mb4" → "latin1""#,
            r#"ddl_databases: null → "latin1""#,
        ],
    ),
    (
        "CONVERT TO changes the table's default, and TEXT grows so that as many characters fit",
        &[
            r#"charset_convert b.type: "text" → "mediumtext""#,
            r#"charset_convert late.charset: "latin1" → "utf8mb4""#,
            r#"charset_convert t.charset: "latin1" → "utf8""#,
            r#"charset_convert t.charset: "latin1" → "utf8mb4""#,
        ],
    ),
    ("CHANGE a b, CHANGE b a: the key follows its column", &[r#"ddl_alters t.primary-key: ["a"] → ["b"]"#]),
    (
        "labels are strings: quotes are un-doubled and escapes resolved",
        &[
            r#"enum_quotes e.enum-values: ["it''s","say \"hi\"","back\\\\slash","tab\\tx","dq\"\"in","sq'in","per%cent"] → ["it's","say \"hi\"","back\\slash","tab\tx","dq\"in","sq'in","per%cent"]"#,
            r#"enum_quotes s.enum-values: ["a''b","c\"d","e\\\\f"] → ["a'b","c\"d","e\\f"]"#,
            r#"enums l.enum-values: ["caf\\xe9","é"] → ["cafxe9","é"]"#,
        ],
    ),
    (
        "doubled quotes in names are one (a fault of this Maxwell release only)",
        &[r#"fail_backtick_names a``b.name: "a``b" → "a`b""#, r#"fail_backtick_names x``y.table: "x``y" → "x`y""#],
    ),
    (
        "DEFAULT is no character set but what contains the object has",
        &[
            r#"fail_charset_default_word t.charset: "DEFAULT" → "latin1""#,
            r#"fail_charset_default_word v.charset: "DEFAULT" → "latin1""#,
            r#"fail_charset_default_word: "DEFAULT" → "latin1""#,
        ],
    ),
    ("names of character sets are kept in lower case", &[r#"fail_charset_upper_binary v.charset: "BINARY" → "binary""#]),
    (
        "a generated invisible primary key stays the first column",
        &[
            r#"fail_gipk_first c.name: "c" → "my_row_id""#,
            r#"fail_gipk_first c.signed: true → false"#,
            r#"fail_gipk_first c.type: "int" → "bigint""#,
            r#"fail_gipk_first my_row_id.name: "my_row_id" → "c""#,
            r#"fail_gipk_first my_row_id.signed: false → true"#,
            r#"fail_gipk_first my_row_id.type: "bigint" → "int""#,
        ],
    ),
    ("FLOAT(40) is a double", &[r#"floats f40.type: "float" → "double""#]),
    ("a bare KEY is the primary key", &[r#"keys barekey.primary-key: [] → ["id"]"#]),
    (
        "LONGTEXT CHECK (JSON_VALID(c)) is what MariaDB calls JSON",
        &[r#"maria_json b.charset: Some(String("utf8mb4")) → None"#, r#"maria_json b.type: "longtext" → "json""#],
    ),
    ("the length of TEXT counts characters", &[r#"texts_blobs t1.type: "tinytext" → "text""#]),
    (
        "ZEROFILL is unsigned",
        &[
            r#"zerofill id.signed: true → false"#,
            r#"zerofill z5.signed: true → false"#,
            r#"zerofill zb.signed: true → false"#,
            r#"zerofill zm.signed: true → false"#,
            r#"zerofill zt.signed: true → false"#,
        ],
    ),
];

pub(super) fn fixtures() -> PathBuf {
    let root = std::env::var_os("BINLOGD_FIXTURES").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/fixtures/golden"));
    assert!(root.join("mysql-9.7").is_dir(), "no fixtures in {}: run scripts/fixtures.sh, or set BINLOGD_FIXTURES", root.display());
    root
}

pub(super) const SERVERS: [(&str, &str, StatementContext<'static>); 4] = [
    ("mysql-9.7", "utf8mb4", MYSQL),
    ("mysql-9.7-minimal", "utf8mb4", MYSQL),
    ("mysql-5.6", "latin1", StatementContext { server_version: 50_624, ..MYSQL }),
    ("mariadb-10.11", "latin1", MARIADB),
];

pub(super) fn cases(root: &std::path::Path, server: &str) -> Vec<PathBuf> {
    let mut cases: Vec<_> = std::fs::read_dir(root.join(server)).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    cases.sort();
    cases
}

/// Payload of one line of output.
type Payload = Map<String, Value>;

/// Consecutive DDL lines of one statement: its text and the payloads.
fn statements(jsonl: &str) -> Vec<(String, Vec<Payload>)> {
    let mut out: Vec<(String, String, Vec<Payload>)> = Vec::new();
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
        for path in cases(&root, server) {
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
    let known: BTreeSet<String> = KNOWN.iter().flat_map(|(_, values)| values.iter().map(|v| v.to_string())).collect();
    assert!(compared > 900, "only {compared} lines compared");
    assert_eq!(found, known, "differences found and known differ");
}
