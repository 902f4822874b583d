//! Random labels, many of them with characters beyond U+FFFF, in many character sets, as text of clients and connections of
//! many character sets and as bytes: what we track by the statement, what a capture reads and what a row says, against SELECT.

use std::collections::BTreeMap;
use std::fmt::Write;

use binlogd::assemble::spill::SpillDir;
use binlogd::server::capture;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::runtime::Runtime;

use super::ddl_oracle::dice::Dice;
use super::ddl_oracle::model::{Model, options};

const DATABASE: &str = "labels_random";
const LABELS: usize = 4;
/// Of columns; those that a server does not have are left out.
const COLUMNS: [&str; 9] = ["utf8mb4", "utf8", "ucs2", "utf16", "utf16le", "utf32", "gb18030", "latin1", "sjis"];
/// Of statements, whose bytes are UTF-8 all the same: to the server of a latin1 client they are other letters.
const CLIENTS: [&str; 5] = ["utf8mb4", "utf8mb4", "utf8", "latin1", "binary"];
const CONNECTIONS: [&str; 8] = ["utf8mb4", "utf8", "latin1", "ucs2", "utf16", "utf32", "cp1251", "binary"];
const CHARACTERS: [char; 12] = ['a', 'Z', 'é', 'ß', 'Ж', '表', 'ｱ', '€', '😀', '𝄞', '𠮷', '\u{10ffff}'];

/// Columns of one server.
#[derive(Default, Debug)]
pub struct Outcome {
    pub columns: usize,
    pub values: usize,
    pub refused: usize,
    pub wrong: Vec<String>,
}

pub fn run(port: u16, tables: usize, seed: u64) -> Outcome {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let mut conn = rt.block_on(Conn::new(options(port))).expect("root can connect");
    let mut sql = |sql: &str| rt.block_on(conn.query_drop(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
    sql(&format!("DROP DATABASE IF EXISTS {DATABASE}"));
    sql(&format!("CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4"));
    let mut model = Model::open(&rt, port, SpillDir::open(folder.path(), 1 << 30).expect("a spill folder"));
    let known: Vec<String> = rt.block_on(conn.query("SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS")).expect("names");
    let there = |name: &str| known.iter().any(|k| k == name) || name == "utf8";
    let columns: Vec<&str> = COLUMNS.into_iter().filter(|name| there(name)).collect();
    let metadata: Option<String> = rt
        .block_on(conn.query_first("SHOW GLOBAL VARIABLES LIKE 'binlog_row_metadata'"))
        .expect("a setting")
        .map(|row: (String, String)| row.1);
    let (mut dice, mut outcome) = (Dice::new(seed), Outcome::default());
    for n in 0..tables {
        if metadata.is_some() {
            let word = if n % 2 == 0 { "FULL" } else { "MINIMAL" };
            rt.block_on(conn.query_drop(format!("SET GLOBAL binlog_row_metadata = {word}"))).expect("a setting");
        }
        one(&rt, &mut conn, &mut model, &columns, n, &mut dice, &mut outcome);
    }
    rt.block_on(conn.query_drop(format!("DROP DATABASE {DATABASE}"))).expect("the database is dropped");
    if let Some(before) = metadata {
        rt.block_on(conn.query_drop(format!("SET GLOBAL binlog_row_metadata = '{before}'"))).expect("a setting");
    }
    outcome
}

/// One table with an ENUM and a SET.
fn one(rt: &Runtime, conn: &mut Conn, model: &mut Model<'_>, columns: &[&str], n: usize, dice: &mut Dice, outcome: &mut Outcome) {
    let client = dice.pick(&CLIENTS);
    // What a client without a character set says to another connection is re-read from the server, and not known before.
    let connection = (client != "binary" && dice.percent(50)).then(|| dice.pick(&CONNECTIONS));
    let connection = connection.filter(|connection| *connection != "binary" || client.starts_with("utf8"));
    // Literals of bytes are taken as they are, and these have a meaning for all of them.
    let is_bytes = client == "binary" || connection == Some("binary");
    let mut column = || if is_bytes { dice.pick(&["utf8mb4", "utf8", "latin1"]) } else { dice.pick(columns) };
    let (first, second) = (column(), column());
    let table = format!("t{n}");
    let create = format!(
        "CREATE TABLE {DATABASE}.{table} (id INT PRIMARY KEY, e ENUM({}) CHARACTER SET {first}, s SET({}) CHARACTER SET {second})",
        labels(first, dice),
        labels(second, dice)
    );
    let mut session = |sql: &str| rt.block_on(conn.query_drop(sql));
    session(&format!("SET NAMES {client}")).expect("a client's character set");
    if let Some(connection) = connection {
        session(&format!("SET character_set_connection = {connection}")).expect("a connection's character set");
    }
    let made = session(&create);
    session("SET NAMES utf8mb4").expect("a client's character set");
    if made.is_err() {
        // Two labels that have become one.
        outcome.refused += 1;
        return;
    }
    let rows: Vec<String> = (0..LABELS).map(|i| format!("({0}, {0}, {1})", i + 1, 1 << i)).collect();
    session(&format!("INSERT INTO {DATABASE}.{table} VALUES {}", rows.join(", "))).expect("rows");
    let shown = format!(
        "SELECT CAST(CONVERT(e USING utf8mb4) AS BINARY), CAST(CONVERT(s USING utf8mb4) AS BINARY) FROM {DATABASE}.{table} ORDER BY id"
    );
    type Label = Option<Vec<u8>>;
    let truth: Vec<(Label, Label)> = rt.block_on(conn.query(shown)).expect("labels");
    let told = |label: Label| String::from_utf8_lossy(&label.unwrap_or_default()).into_owned();
    let truth: Vec<(String, String)> = truth.into_iter().map(|(e, s)| (told(e), told(s))).collect();
    let context = format!("{create} (client {client}, connection {connection:?})");
    let identity = model.identity().clone();
    if let Err(why) = model.catch_up() {
        outcome.wrong.push(format!("{why}: {context}"));
        model.restart();
        return;
    }
    let messages = model.messages();
    let tracked = model.table(&(DATABASE.into(), table.clone())).cloned();
    let captured = rt.block_on(capture::capture_tables(conn, &identity, &[(DATABASE, &table)])).expect("a capture").remove(0);
    let said = said(&messages, &table);
    for (column, name) in [(1, "e"), (2, "s")] {
        let theirs: Vec<&str> = truth.iter().map(|(e, s)| if column == 1 { e.as_str() } else { s.as_str() }).collect();
        let of = |table: &Option<std::sync::Arc<binlogd::schema::Table>>| {
            table.as_ref().and_then(|t| t.columns[column].ty.labels()).map(|labels| labels.to_vec()).unwrap_or_default()
        };
        let rows: Vec<String> = said.values().map(|row| row[column - 1].clone()).collect();
        outcome.columns += 1;
        outcome.values += rows.len();
        for (what, ours) in [("tracked", of(&tracked)), ("captured", of(&captured)), ("in rows", rows)] {
            let same = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(ours, theirs)| same(theirs, ours));
            if !same {
                outcome.wrong.push(format!("{what}: {name} {ours:?}, on the server {theirs:?}: {context}"));
            }
        }
    }
}

/// The server shows a question mark for bytes without a character, we U+FFFD, each in its own count.
fn same(theirs: &str, ours: &str) -> bool {
    let plain = |text: &str| text.chars().filter(|c| !matches!(c, '?' | '\u{fffd}')).collect::<String>();
    theirs == ours || ours.contains('\u{fffd}') && theirs.contains(['?', '\u{fffd}']) && plain(theirs) == plain(ours)
}

/// The labels in the rows of a table, by `id`.
fn said(messages: &[Vec<u8>], table: &str) -> BTreeMap<i64, [String; 2]> {
    let rows = messages.iter().filter_map(|m| serde_json::from_slice::<serde_json::Value>(m).ok()).filter(|m| m["table"] == table);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    rows.map(|m| (m["data"]["id"].as_i64().unwrap_or_default(), [text(&m["data"]["e"]), text(&m["data"]["s"][0])])).collect()
}

/// Labels with a number each, so that they differ whatever becomes of the rest.
fn labels(charset: &str, dice: &mut Dice) -> String {
    let mut list = String::new();
    for i in 0..LABELS {
        let mut label = format!("{i}");
        for _ in 0..dice.below(4) {
            label.push(*dice.of(&CHARACTERS).expect("characters"));
        }
        list.push_str(if i > 0 { ", " } else { "" });
        match encoded(&label, charset).filter(|_| dice.percent(25)) {
            Some(bytes) => {
                let hex: String = bytes.iter().map(|b| format!("{b:02X}")).collect();
                let _ = write!(list, "X'{hex}'");
            }
            None => {
                let _ = write!(list, "'{label}'");
            }
        }
    }
    list
}

/// The bytes in the character set, if it has all of it; in latin1 those of UTF-8, which are other letters. Bytes that are no text
/// are re-read from the server, and not known before.
fn encoded(label: &str, charset: &str) -> Option<Vec<u8>> {
    let units = label.encode_utf16();
    match charset {
        "ucs2" if label.chars().any(|c| c > '\u{ffff}') => None,
        "ucs2" | "utf16" => Some(units.flat_map(u16::to_be_bytes).collect()),
        "utf16le" => Some(units.flat_map(u16::to_le_bytes).collect()),
        "utf32" => Some(label.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()),
        "utf8" | "utf8mb4" | "latin1" => Some(label.as_bytes().to_vec()),
        _ if label.is_ascii() => Some(label.as_bytes().to_vec()),
        _ => None,
    }
}
