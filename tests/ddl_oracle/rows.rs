//! Rows in tables of any shape: written through SQL, read back by SELECT, and compared with the messages.

use binlogd::schema::{ColumnType, Table};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use tokio::runtime::Runtime;

use super::dice::Dice;
use super::model::{Model, TableKey, is_wide, text};

/// The writer's session: lenient, in UTC and UTF-8, whatever the statements' session has.
pub struct Writer<'a> {
    rt: &'a Runtime,
    conn: Conn,
}

/// A row's values by SELECT, in the table's order.
type Values = Vec<Option<Vec<u8>>>;

pub fn quoted(key: &TableKey) -> String {
    format!("`{}`.`{}`", key.0.replace('`', "``"), key.1.replace('`', "``"))
}

impl<'a> Writer<'a> {
    pub fn open(rt: &'a Runtime, port: u16) -> Self {
        let mut conn = rt.block_on(Conn::new(super::model::options(port))).expect("root can connect");
        for sql in ["SET NAMES utf8mb4", "SET SESSION sql_mode = ''", "SET SESSION time_zone = '+00:00'"] {
            rt.block_on(conn.query_drop(sql)).expect("a session setting");
        }
        Writer { rt, conn }
    }

    /// Empties the table and writes one row; compares both with the messages. The number of rows compared.
    pub fn exchange(&mut self, dice: &mut Dice, model: &mut Model<'_>, key: &TableKey) -> Result<usize, String> {
        let Some(table) = model.table(key).cloned() else { return Ok(0) };
        // What no codec renders stops a row, and that is another test's matter.
        if table.columns.iter().any(|c| matches!(c.ty, ColumnType::Other { .. })) {
            return Ok(0);
        }
        let name = quoted(key);
        // Labels in wide character sets are misread by the servers themselves.
        let has_wide_labels = |ty: &ColumnType| ty.labels().is_some() && is_wide(ty.charset());
        if table.columns.iter().any(|c| has_wide_labels(&c.ty)) {
            return Ok(0);
        }
        // information_schema cuts labels at bytes that are no characters, and no capture has them all then.
        let may_be_cut = |ty: &ColumnType| {
            ty.labels().is_some_and(|labels| labels.is_empty() || ty.charset().is_none_or(|c| c.eq_ignore_ascii_case("binary")))
        };
        if table.columns.iter().any(|c| may_be_cut(&c.ty)) {
            return Ok(0);
        }
        if table.columns.iter().any(|c| c.ty.labels().is_some()) && self.has_cut_labels(key) {
            return Ok(0);
        }
        let Ok(before) = self.select(&table, &name) else { return Ok(0) };
        if self.rt.block_on(self.conn.query_drop(format!("DELETE FROM {name}"))).is_err() {
            return Ok(0);
        }
        let (insert, generated) = self.insert(dice, &table, &name);
        let inserted = self.rt.block_on(self.conn.query_drop(insert.as_str())).is_ok();
        let after = if inserted { self.select(&table, &name).unwrap_or_default() } else { Vec::new() };
        model.messages();
        model.catch_up().map_err(|e| format!("stopped at rows: {e}"))?;
        let messages = model.messages();
        let mut compared = 0;
        for (kind, rows) in [("delete", &before), ("insert", &after)] {
            if let [row] = rows.as_slice() {
                let found = messages.iter().rev().find_map(|m| data(m, key, kind));
                // History of versioned tables is an update, and engines may log a DELETE of all rows otherwise.
                let Some(found) = found else {
                    if kind == "insert" {
                        return Err(format!("no message of the row that was written by {insert}"));
                    }
                    continue;
                };
                compare(&table, row, &found, &generated).map_err(|e| format!("{kind}: {e}\n      {insert}"))?;
                compared += 1;
            }
        }
        Ok(compared)
    }

    /// Whether information_schema shows labels up to bytes that are no characters only, so that no capture has them all.
    fn has_cut_labels(&mut self, key: &TableKey) -> bool {
        let sql = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? \
                   AND DATA_TYPE IN ('enum', 'set') AND RIGHT(COLUMN_TYPE, 1) <> ')'";
        self.rt.block_on(self.conn.exec_first::<u64, _, _>(sql, key)).expect("information_schema answers") != Some(0)
    }

    fn select(&mut self, table: &Table, name: &str) -> Result<Vec<Values>, mysql_async::Error> {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|c| {
                let quoted = format!("`{}`", c.name.replace('`', "``"));
                match c.ty {
                    ColumnType::Bit => format!("{quoted}+0"),
                    ColumnType::Geometry { .. } => "NULL".into(),
                    _ => quoted,
                }
            })
            .collect();
        let sql = format!("SELECT {} FROM {name} LIMIT 2", columns.join(", "));
        let rows: Vec<Row> = self.rt.block_on(self.conn.query(sql))?;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }

    /// INSERT of values that the types take, and the generated columns, which are left out.
    fn insert(&mut self, dice: &mut Dice, table: &Table, name: &str) -> (String, Vec<String>) {
        let sql = "SELECT COLUMN_NAME, EXTRA, COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
        let facts: Vec<(String, String, String)> =
            self.rt.block_on(self.conn.exec(sql, (&table.database, &table.name))).expect("information_schema answers");
        let generated = |extra: &str| {
            let extra = extra.to_ascii_uppercase();
            extra.contains("VIRTUAL") || extra.contains("PERSISTENT") || extra.contains("STORED GENERATED")
        };
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for column in &table.columns {
            let Some((_, extra, full)) = facts.iter().find(|(name, _, _)| *name == column.name) else { continue };
            if generated(extra) || dice.percent(8) && !matches!(column.ty, ColumnType::Geometry { .. }) {
                continue;
            }
            names.push(format!("`{}`", column.name.replace('`', "``")));
            values.push(value(dice, &column.ty, full));
        }
        let left_out = facts.iter().filter(|(_, extra, _)| generated(extra)).map(|(name, _, _)| name.clone()).collect();
        (format!("INSERT IGNORE INTO {name} ({}) VALUES ({})", names.join(", "), values.join(", ")), left_out)
    }
}

/// A literal for a column.
fn value(dice: &mut Dice, ty: &ColumnType, full: &str) -> String {
    let choices: &[&str] = match ty {
        ColumnType::Int { .. } => {
            &["0", "1", "-1", "200", "-100", "40000", "9000000", "3000000000", "-3000000000", "18446744073709551615", "127"]
        }
        ColumnType::Float | ColumnType::Double => &["0", "1.5", "-2.25", "1024", "0.125"],
        ColumnType::Decimal => &["0", "1", "-3", "7.25", "12"],
        ColumnType::Bit => &["b'1'", "b'0'"],
        ColumnType::Year => &["2020", "1999"],
        ColumnType::Date => &["'2020-02-03'", "'1999-12-31'"],
        ColumnType::Time { .. } => &["'10:11:12'", "'01:02:03.123456'", "'23:59:59'"],
        ColumnType::Datetime { .. } | ColumnType::Timestamp { .. } => &["'2020-02-03 04:05:06'", "'2010-10-11 12:13:14.123456'"],
        ColumnType::Text { .. } => &["'a'", "''", "'xyz'", "'é'", "'Ж'", "'表'", "'A b'"],
        ColumnType::Binary { .. } => &["'a'", "0x00FF10", "''"],
        ColumnType::Enum { .. } => &["1", "2", "1", "3"],
        ColumnType::Set { .. } => &["0", "1", "2", "3"],
        ColumnType::Json => &["'{\"a\": [1, \"x\"]}'", "'[]'", "'7'", "'\"s\"'"],
        ColumnType::Geometry { name } => return geometry(name, full).into(),
        ColumnType::Other { .. } => &["NULL"],
    };
    dice.pick(choices).to_owned()
}

fn geometry(name: &str, full: &str) -> &'static str {
    let _ = full;
    match name {
        "linestring" => "ST_GeomFromText('LINESTRING(0 0,1 1)')",
        "polygon" => "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')",
        "multipoint" => "ST_GeomFromText('MULTIPOINT(0 0,1 1)')",
        "multilinestring" => "ST_GeomFromText('MULTILINESTRING((0 0,1 1))')",
        "multipolygon" => "ST_GeomFromText('MULTIPOLYGON(((0 0,1 0,1 1,0 0)))')",
        "geometrycollection" => "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))')",
        _ => "ST_GeomFromText('POINT(1 1)')",
    }
}

/// `data` of a message, if it is of this table and kind.
fn data(message: &[u8], key: &TableKey, kind: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    #[derive(serde::Deserialize)]
    struct Message {
        database: String,
        table: String,
        #[serde(rename = "type")]
        kind: String,
        data: Fields,
    }
    let read: Message = serde_json::from_slice(message).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(message)));
    (read.database == key.0 && read.table == key.1 && read.kind == kind).then_some(read.data.0)
}

struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: serde::de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Fields;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Fields(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn compare(table: &Table, row: &Values, data: &[(String, Box<RawValue>)], generated: &[String]) -> Result<(), String> {
    // MariaDB 11 leaves generated columns out of the image of a deleted row.
    let left_out = |name: &String| generated.contains(name) && !data.iter().any(|(n, _)| n == name);
    let there: Vec<_> = table.columns.iter().zip(row).filter(|(c, _)| !left_out(&c.name)).collect();
    let (ours, theirs): (Vec<&str>, Vec<&str>) =
        (data.iter().map(|(n, _)| n.as_str()).collect(), there.iter().map(|(c, _)| c.name.as_str()).collect());
    if ours != theirs {
        return Err(format!("the message has the columns {ours:?}, the table {theirs:?}"));
    }
    for ((column, value), (_, raw)) in there.into_iter().zip(data) {
        // MariaDB computes a virtual value anew for SELECT, and not always as it logged it.
        if !generated.contains(&column.name) && !same(&column.ty, value.as_deref(), raw.get()) {
            let value = value.as_deref().map(String::from_utf8_lossy);
            return Err(format!("{} ({}) is {} in the message, {value:?} in the table", column.name, column.ty.type_name(), raw.get()));
        }
    }
    Ok(())
}

/// Bytes of a label that are no characters are question marks to a client, and U+FFFD here.
pub fn seen(label: &str) -> String {
    label.replace('\u{fffd}', "?")
}

/// Whether a message's value is what SELECT says. How zero dates and the like are written is for the values' own tests.
fn same(ty: &ColumnType, value: Option<&[u8]>, raw: &str) -> bool {
    let is_geometry = matches!(ty, ColumnType::Geometry { .. });
    let Some(value) = value.filter(|_| !is_geometry) else { return is_geometry || raw == "null" };
    let json: Json = serde_json::from_str(raw).unwrap_or(Json::Null);
    let text = std::str::from_utf8(value).unwrap_or_default();
    let string = json.as_str().unwrap_or_default();
    let number = || raw.trim_matches('"').parse::<f64>().ok().zip(text.parse::<f64>().ok()).is_some_and(|(a, b)| a == b);
    match ty {
        ColumnType::Int { .. } => raw == text.trim_start_matches('0') || raw == text || number(),
        // SELECT prints six digits of a FLOAT.
        ColumnType::Float => raw.parse::<f64>().ok().zip(text.parse::<f64>().ok()).is_some_and(|(a, b)| (a - b).abs() <= a.abs() * 1e-5),
        ColumnType::Double | ColumnType::Decimal | ColumnType::Year => number(),
        ColumnType::Bit => number() || raw == "null",
        ColumnType::Date | ColumnType::Datetime { .. } | ColumnType::Timestamp { .. } | ColumnType::Time { .. } => {
            text.starts_with("0000") || text == "00:00:00" || string.trim_end_matches(['0', '.']) == text.trim_end_matches(['0', '.'])
        }
        // Bytes that are no characters are question marks there and U+FFFD here.
        ColumnType::Text { charset, .. } if charset.as_deref() != Some("binary") => {
            string.contains('\u{fffd}') || string.trim_end() == text.trim_end()
        }
        ColumnType::Text { .. } | ColumnType::Binary { .. } => {
            let bytes = base64_simd::STANDARD.decode_to_vec(string.as_bytes()).unwrap_or_default();
            let cut = |b: &[u8]| b.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
            bytes.get(..cut(&bytes)) == value.get(..cut(value))
        }
        ColumnType::Enum { charset, .. } | ColumnType::Set { charset, .. }
            if is_wide(charset.as_deref()) || charset.as_deref().is_none_or(|c| c == "binary") =>
        {
            true
        }
        // SELECT shows a label up to bytes that are no characters.
        ColumnType::Enum { .. } | ColumnType::Set { .. } if raw.contains('\u{fffd}') || std::str::from_utf8(value).is_err() => true,
        ColumnType::Enum { .. } => seen(string) == text,
        ColumnType::Set { .. } => {
            let labels: Vec<&str> = json.as_array().into_iter().flatten().filter_map(Json::as_str).filter(|l| !l.is_empty()).collect();
            seen(&labels.join(",")) == text.trim_matches(',')
        }
        // MariaDB fills a new column with text that is no JSON.
        ColumnType::Json if text.is_empty() => true,
        ColumnType::Json => serde_json::from_slice::<Json>(value).map_or(string == text, |theirs| theirs == json),
        ColumnType::Geometry { .. } | ColumnType::Other { .. } => true,
    }
}
