//! Values and definitions as the server showed them (`truth.json`; its README says in which forms) against ours.

use std::collections::BTreeMap;

use serde_json::Value;

use super::classes;
use super::json::{self, Members};

/// The declared types of a table's columns, without attributes.
pub fn types(table: &Value) -> BTreeMap<&str, String> {
    let columns = table["columns"].as_array().expect("columns").iter();
    columns.map(|c| (c["name"].as_str().expect("a name"), c["type"].as_str().expect("a type").to_ascii_lowercase())).collect()
}

fn base(ty: &str) -> &str {
    ty.split(['(', ' ']).next().unwrap_or(ty)
}

/// Differences of a definition (as DDL messages show it) from the server's.
pub fn definition(def: &str, table: &Value) -> Vec<String> {
    let Some(def) = Members::of(def) else { return vec!["no definition".into()] };
    let ours: Vec<Members<'_>> =
        json::elements(def.get("columns").unwrap_or_default()).unwrap_or_default().into_iter().filter_map(Members::of).collect();
    let theirs = table["columns"].as_array().expect("columns");
    let mut wrong = Vec::new();
    if ours.len() != theirs.len() {
        return vec![format!("{} columns, on the server {}", ours.len(), theirs.len())];
    }
    for (ours, theirs) in ours.iter().zip(theirs) {
        let (name, ty) = (theirs["name"].as_str().expect("a name"), theirs["type"].as_str().expect("a type"));
        if ours.text("name").as_deref() != Some(name) {
            wrong.push(format!("column {:?} stands where the server has {name}", ours.text("name")));
            continue;
        }
        if !same_type(&ours.text("type").unwrap_or_default(), ty, ours.get("signed") == Some("true")) {
            wrong.push(format!("{name}: {:?} signed {:?}, on the server {ty}", ours.text("type"), ours.get("signed")));
        }
        let charset = |name: &str| if name == "utf8" { "utf8mb3".to_owned() } else { name.to_owned() };
        let is_text = matches!(base(ty), "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext");
        let (mine, real) = (ours.text("charset").map(|c| charset(&c)), theirs["charset"].as_str().map(charset));
        if is_text && ours.text("type").as_deref() != Some("json") && mine != real {
            wrong.push(format!("{name}: charset {mine:?}, on the server {real:?}"));
        }
    }
    let key = |value: &Value| value.as_array().map(|a| a.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect::<Vec<_>>());
    let mine: Option<Vec<String>> =
        json::elements(def.get("primary-key").unwrap_or_default()).map(|k| k.iter().filter_map(|n| json::text(n)).collect());
    if mine != key(&table["primary_key"]) {
        wrong.push(format!("primary key {mine:?}, on the server {}", table["primary_key"]));
    }
    wrong
}

fn same_type(ours: &str, declared: &str, signed: bool) -> bool {
    let declared = declared.to_ascii_lowercase();
    let unsigned = declared.contains("unsigned") || declared.contains("zerofill");
    match base(&declared) {
        ty @ ("tinyint" | "smallint" | "mediumint" | "int" | "bigint") => ours == ty && signed != unsigned,
        "geomcollection" => ours == "geometrycollection",
        // A column that was declared as JSON on MariaDB.
        "longtext" if ours == "json" => true,
        // BINARY columns that were declared as text of the character set `binary`.
        "binary" => matches!(ours, "binary" | "char"),
        "varbinary" => matches!(ours, "varbinary" | "varchar"),
        "tinyblob" | "blob" | "mediumblob" | "longblob" => ours == base(&declared) || ours.replace("text", "blob") == base(&declared),
        ty => ours == ty,
    }
}

/// Whether our JSON value is what the server showed.
pub fn same(ty: &str, truth: &Value, ours: &str) -> bool {
    match truth {
        Value::Null => ours == "null",
        Value::String(text) => same_text(ty, text, ours),
        Value::Object(forms) => {
            let form = |name: &str| forms.get(name).and_then(Value::as_str);
            match (base(ty), form("hex")) {
                ("float", _) => forms.get("double").and_then(number).is_some_and(|d| ours.parse::<f32>() == Ok(d as f32)),
                ("vector", Some(hex)) => bytes(hex).is_some_and(|stored| {
                    let stored = stored.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                    json::elements(ours).is_some_and(|numbers| numbers.iter().map(|n| n.parse()).eq(stored.map(Ok)))
                }),
                (_, Some(hex)) if forms.contains_key("wkt") => same_geometry(hex, ours),
                // Halves of surrogate pairs, which the server cannot convert.
                (_, Some(hex)) if forms.contains_key("text") && form("text").is_none_or(|text| text.starts_with("\\x")) => {
                    surrogates(hex) == json::text(ours)
                }
                ("set", Some(_)) => same_text(ty, form("text").unwrap_or_default(), ours),
                (_, Some(_)) if forms.contains_key("text") => {
                    json::text(ours).is_some_and(|mine| same_characters(form("text").unwrap_or_default(), &mine))
                }
                (_, Some(hex)) => classes::base64(ours) == bytes(hex),
                _ => false,
            }
        }
        _ => false,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn same_text(ty: &str, truth: &str, ours: &str) -> bool {
    match base(ty) {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" | "bit" => {
            truth.parse::<i128>().is_ok_and(|n| ours.parse() == Ok(n))
        }
        "decimal" => decimal(truth).is_some_and(|d| decimal(ours) == Some(d)),
        // DOUBLE(m,d) is shown with d digits; the stored value has more.
        "double" if ty.contains(',') => {
            let scale: i32 = ty.trim_end_matches(')').rsplit(',').next().and_then(|d| d.split(')').next()?.parse().ok()).unwrap_or(0);
            matches!((truth.parse::<f64>(), ours.parse::<f64>()), (Ok(a), Ok(b)) if (a - b).abs() <= 0.500_001 * 10f64.powi(-scale))
        }
        "double" => truth.parse::<f64>().is_ok_and(|n| ours.parse() == Ok(n)),
        "set" => json::elements(ours).is_some_and(|labels| {
            let labels: Vec<String> = labels.iter().filter_map(|l| json::text(l)).collect();
            labels.join(",") == truth
        }),
        "json" => json::same_shape(truth, ours, &same_json),
        // A JSON column of MariaDB stands in the line as it is.
        "longtext" if json::text(ours).as_deref() != Some(truth) => ours == truth.trim(),
        _ => json::text(ours).as_deref() == Some(truth),
    }
}

/// Digits without leading and trailing zeros, and the exponent of the first: whatever the notation.
fn decimal(text: &str) -> Option<(bool, String, i32)> {
    let (mantissa, exponent) = text.split_once(['E', 'e']).unwrap_or((text, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let exponent = exponent.parse::<i32>().ok()? + whole.len() as i32 - (digits.len() - digits.trim_start_matches('0').len()) as i32;
    match digits.trim_matches('0') {
        "" => Some((false, String::new(), 0)),
        digits => Some((negative, digits.to_owned(), exponent)),
    }
}

/// The server shows `?` for bytes without a character, we U+FFFD, each in its own count.
pub fn same_characters(truth: &str, ours: &str) -> bool {
    let joined = |text: &str| {
        let mut out = String::new();
        for c in text.chars().map(|c| if c == '\u{fffd}' { '?' } else { c }) {
            if !(c == '?' && out.ends_with('?')) {
                out.push(c);
            }
        }
        out
    };
    truth == ours || (ours.contains('\u{fffd}') && truth.contains('?') && joined(truth) == joined(ours))
}

/// JSON scalars: numbers by value; times without the zeros and opaque values without the prefix that the server adds.
fn same_json(truth: &str, ours: &str) -> bool {
    if truth == ours {
        return true;
    }
    if let (Some(truth), Some(ours)) = (json::text(truth), json::text(ours)) {
        // Long ones are broken into lines.
        let without_type = truth.strip_prefix("base64:type").and_then(|rest| rest.split_once(':')).map(|(_, data)| data.replace('\n', ""));
        let trimmed = truth.trim_end_matches('0').trim_end_matches('.');
        return truth == ours || without_type.as_ref() == Some(&ours) || (truth.contains(':') && truth.contains('.') && trimmed == ours);
    }
    // The server prints doubles with 17 digits, we (as Maxwell) exactly.
    decimal(truth).is_some_and(|d| decimal(ours) == Some(d))
        || matches!((truth.parse::<f64>(), ours.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

/// UTF-16 units as text, if they are that.
fn surrogates(hex: &str) -> Option<String> {
    let units: Vec<u16> = bytes(hex)?.chunks(2).map(|b| b.iter().fold(0, |unit, b| unit << 8 | u16::from(*b))).collect();
    String::from_utf16(&units).ok()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(hex.get(i..i + 2)?, 16).ok()).collect()
}

/// The coordinates of the stored WKB against the numbers in the text, and the kind of the geometry.
fn same_geometry(hex: &str, ours: &str) -> bool {
    const KINDS: [&str; 8] = ["", "POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"];
    let (Some(stored), Some(text)) = (bytes(hex), json::text(ours)) else { return false };
    let mut numbers = Vec::new();
    let Some(kind) = wkb(&mut &stored[4..], &mut numbers) else { return false };
    let shown = text.split([' ', '(', ')', ',']).filter_map(|word| word.parse::<f64>().ok());
    text.starts_with(KINDS[kind]) && shown.eq(numbers)
}

/// Reads one geometry and collects its coordinates.
fn wkb(bytes: &mut &[u8], numbers: &mut Vec<f64>) -> Option<usize> {
    fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
        let (head, rest) = bytes.split_first_chunk::<N>()?;
        *bytes = rest;
        Some(*head)
    }
    fn points(count: u32, bytes: &mut &[u8], numbers: &mut Vec<f64>) -> Option<()> {
        for _ in 0..2 * count {
            numbers.push(f64::from_le_bytes(take(bytes)?));
        }
        Some(())
    }
    let [1] = take(bytes)? else { return None };
    let kind = u32::from_le_bytes(take(bytes)?);
    let mut count = || take(bytes).map(u32::from_le_bytes);
    match kind {
        1 => points(1, bytes, numbers)?,
        2 => {
            let n = count()?;
            points(n, bytes, numbers)?;
        }
        3 => {
            for _ in 0..count()? {
                let n = take(bytes).map(u32::from_le_bytes)?;
                points(n, bytes, numbers)?;
            }
        }
        _ => {
            for _ in 0..count()? {
                wkb(bytes, numbers)?;
            }
        }
    }
    Some(kind as usize)
}
