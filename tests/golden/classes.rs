//! In what ways our values may differ from Maxwell's: its faults, class by class, by their names in `encode::quirks`. Each class knows what Maxwell makes
//! of a right value, as far as that can be said; that ours is the right one is proved by `truth.json` elsewhere.

use binlogd::binlog::codec::charset::Charset;

use super::json;

/// A column as DDL messages show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub ty: String,
    pub charset: Option<String>,
}

struct Class {
    name: &'static str,
    types: &'static [&'static str],
    /// Maxwell's value, ours.
    explains: fn(&str, &str) -> bool,
}

const INTS: &[&str] = &["tinyint", "smallint", "mediumint", "int", "bigint"];
const BINARY: &[&str] = &["binary", "char", "varchar"];
const GEOMETRIES: &[&str] =
    &["geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"];

const CLASSES: &[Class] = &[
    Class { name: "zerofill", types: INTS, explains: zerofill },
    Class { name: "bit", types: &["bit"], explains: |theirs, ours| ours.parse().is_ok_and(|bits| theirs == maxwell_bit(bits).to_string()) },
    Class { name: "binary padding", types: BINARY, explains: binary_padding },
    Class { name: "year 0000", types: &["year"], explains: |theirs, ours| (theirs, ours) == ("1900", "0") },
    Class { name: "partial zero date", types: &["date", "datetime"], explains: partial_zero_date },
    Class { name: "calendar gap of 1582", types: &["date", "datetime"], explains: calendar_gap },
    Class { name: "impossible day", types: &["date", "datetime"], explains: impossible_day },
    Class { name: "time", types: &["time"], explains: |theirs, ours| maxwell_time(ours).is_some_and(|text| theirs == text) },
    Class { name: "enum index 0", types: &["enum"], explains: |theirs, ours| (theirs, ours) == ("null", "\"\"") },
    Class { name: "label quotes", types: &["enum"], explains: label },
    Class { name: "label quotes", types: &["set"], explains: |theirs, ours| json::same_shape(theirs, ours, &|a, b| a == b || label(a, b)) },
    Class { name: "geometry digits", types: GEOMETRIES, explains: geometry_digits },
    Class {
        name: "json scalar",
        types: &["json"],
        explains: |theirs, ours| json::same_shape(theirs, ours, &|a, b| a == b || json_scalar(a, b)),
    },
    Class { name: "json text alias", types: &["json"], explains: |theirs, ours| json::text(theirs).is_some_and(|text| text == ours) },
    Class { name: "charset", types: &["char", "varchar", "tinytext", "text", "mediumtext", "longtext"], explains: charset },
];

/// The class that explains a difference of one value, if any does.
pub fn explain(column: &Column, theirs: &str, ours: &str) -> Option<&'static str> {
    let class = CLASSES.iter().find(|c| c.types.contains(&column.ty.as_str()) && (c.explains)(theirs, ours))?;
    let unicode = matches!(column.charset.as_deref(), Some("utf8mb4" | "utf8mb3" | "utf8"));
    match class.name {
        // Java reads UTF-8 as the servers do; only a column that it took for another charset's can differ.
        "charset" if matches!(column.charset.as_deref(), Some("ucs2" | "utf16" | "utf32")) => Some("byte order mark"),
        "charset" if unicode => taken_for_latin1(theirs, ours).then_some("column charset"),
        name => Some(name),
    }
}

fn zerofill(theirs: &str, ours: &str) -> bool {
    let (Ok(theirs), Ok(ours)) = (theirs.parse::<i128>(), ours.parse::<i128>()) else { return false };
    theirs < 0 && [8, 16, 24, 32, 64].iter().any(|bits| theirs + (1i128 << bits) == ours)
}

/// Contract §4.6: sums of 32-bit shifts, and exact only if the top bit of eight bytes is set.
fn maxwell_bit(bits: u64) -> i128 {
    if bits >> 63 == 1 {
        return i128::from(bits);
    }
    let bytes = bits.to_le_bytes().into_iter().enumerate();
    bytes.map(|(i, b)| i128::from((u32::from(b) << (8 * i as u32 % 32)) as i32)).sum()
}

fn binary_padding(theirs: &str, ours: &str) -> bool {
    let (Some(theirs), Some(ours)) = (base64(theirs), base64(ours)) else { return false };
    ours.len() > theirs.len() && ours.starts_with(&theirs) && ours[theirs.len()..].iter().all(|b| *b == 0)
}

pub fn base64(raw: &str) -> Option<Vec<u8>> {
    let text = json::text(raw)?;
    let mut bits = 0u32;
    let mut out = Vec::new();
    let digits = text.trim_end_matches('=');
    for (i, c) in digits.bytes().enumerate() {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        bits = bits << 6 | DIGITS.iter().position(|d| *d == c)? as u32;
        if i % 4 != 0 {
            out.push((bits >> (6 - 2 * (i % 4))) as u8);
        }
    }
    text.len().is_multiple_of(4).then_some(out)
}

fn partial_zero_date(theirs: &str, ours: &str) -> bool {
    let digits_gone = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    let zero = |range: std::ops::Range<usize>| ours.get(range).is_some_and(|part| part.bytes().all(|b| b == b'0'));
    theirs == digits_gone(ours) && (zero(1..5) || zero(6..8) || zero(9..11))
}

fn calendar_gap(theirs: &str, ours: &str) -> bool {
    let Some(day) = ours.get(9..11).and_then(|d| d.parse::<u8>().ok()) else { return false };
    ours.starts_with("\"1582-10-") && (5..=14).contains(&day) && theirs == format!("\"1582-10-{:02}{}", day + 10, &ours[11..])
}

/// Days that the month does not have roll over into the next one.
fn impossible_day(theirs: &str, ours: &str) -> bool {
    let date = |text: &str| -> Option<(u32, u32, u32)> {
        Some((text.get(1..5)?.parse().ok()?, text.get(6..8)?.parse().ok()?, text.get(9..11)?.parse().ok()?))
    };
    let (Some(theirs_date), Some((year, month, day))) = (date(theirs), date(ours)) else { return false };
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    day > days && theirs_date == (year, month + 1, day - days) && theirs.get(11..) == ours.get(11..)
}

/// Contract §4.6: fields of the stored number as if it had no sign, modulo a day.
fn maxwell_time(ours: &str) -> Option<String> {
    let text = ours.strip_prefix('"')?.strip_suffix('"')?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let parts: Vec<i64> = clock.split(':').map(|p| p.parse().ok()).collect::<Option<_>>()?;
    let &[hour, minute, second] = parts.as_slice() else { return None };
    let bytes = fraction.len().div_ceil(2);
    let stored: i64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<width$}", width = 2 * bytes).parse().ok()? };
    let magnitude = (hour << 12 | minute << 6 | second) << (8 * bytes) | stored;
    let packed = (0x80_0000i64 << (8 * bytes)) + if negative { -magnitude } else { magnitude };
    let (whole, part) = (packed >> (8 * bytes), packed & ((1 << (8 * bytes)) - 1));
    let micros = part * 100i64.pow(3 - bytes as u32);
    let total = (((whole >> 12 & 1023) * 60 + (whole >> 6 & 63)) * 60 + (whole & 63)) * 1_000_000 + micros;
    let seconds = total / 1_000_000 % 86_400;
    let shown = format!("{:06}", total % 1_000_000);
    let dot = if fraction.is_empty() { "" } else { "." };
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(format!("\"{hour:02}:{minute:02}:{second:02}{dot}{}\"", &shown[..fraction.len()]))
}

/// Maxwell keeps a label as the statement spells it between its quotes.
pub fn label(theirs: &str, ours: &str) -> bool {
    let (Some(theirs), Some(ours)) = (json::text(theirs), json::text(ours)) else { return false };
    let mut plain = String::new();
    let mut rest = theirs.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => plain.extend(rest.next().map(|c| match c {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'b' => '\u{8}',
                '0' => '\0',
                other => other,
            })),
            '\'' | '"' if rest.peek() == Some(&c) => {
                rest.next();
                plain.push(c);
            }
            c => plain.push(c),
        }
    }
    theirs != plain && ours == plain
}

/// Java prints at most 16 fraction digits and 17 in all.
fn geometry_digits(theirs: &str, ours: &str) -> bool {
    let words =
        |text: &str| -> Vec<String> { text.split(|c: char| " (),\"".contains(c)).filter(|w| !w.is_empty()).map(str::to_owned).collect() };
    let (theirs, ours) = (words(theirs), words(ours));
    theirs.len() == ours.len()
        && theirs.iter().zip(&ours).all(|(a, b)| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= (b.abs() * 1e-15).max(0.6e-16),
            _ => a == b,
        })
}

/// An unsigned number that Maxwell takes for a signed one, or a time whose fields it garbles.
fn json_scalar(theirs: &str, ours: &str) -> bool {
    if let (Ok(theirs), Ok(ours)) = (theirs.parse::<i64>(), ours.parse::<i64>()) {
        return theirs < 0 && theirs + (1 << 32) == ours;
    }
    let (Some(theirs), Some(ours)) = (json::text(theirs), json::text(ours)) else { return false };
    let temporal = |text: &str| text.contains(':') && text.bytes().all(|b| b.is_ascii_digit() || b" :-.".contains(&b));
    temporal(&theirs) && temporal(&ours) && (ours.starts_with('-') || theirs.contains("0-"))
}

/// UTF-8 that Maxwell read as latin1, because it lost track of the column's charset.
fn taken_for_latin1(theirs: &str, ours: &str) -> bool {
    let (Some(theirs), Some(ours)) = (json::text(theirs), json::text(ours)) else { return false };
    let mut misread = Vec::new();
    Charset::named("latin1").expect("known").write_text(ours.as_bytes(), &mut misread);
    theirs.as_bytes() == misread
}

/// Bytes that Java reads by another table than the server: some character is none to it, or another one.
fn charset(theirs: &str, ours: &str) -> bool {
    let (Some(theirs), Some(ours)) = (json::text(theirs), json::text(ours)) else { return false };
    !theirs.is_ascii() || !ours.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_maxwell_makes_of_right_values() {
        for (bits, want) in [
            (0x8000_0000, -0x8000_0000i128),
            (0xffff_ffff, -1),
            (1 << 32, 1),
            (0x0102_0304_0506_0708, 101_190_156),
            (0x7fff_ffff_ffff_ffff, 2_147_483_646),
            (1 << 63, 1 << 63),
        ] {
            assert_eq!(maxwell_bit(bits), want);
        }
        for (right, want) in [
            ("\"25:00:00\"", "\"01:00:00\""),
            ("\"-01:00:00\"", "\"15:00:00\""),
            ("\"-00:00:01\"", "\"16:04:03\""),
            ("\"-00:00:01.500000\"", "\"16:04:18.277216\""),
            ("\"-00:00:01.500\"", "\"16:04:08.053\""),
        ] {
            assert_eq!(maxwell_time(right).as_deref(), Some(want), "{right}");
        }
        let column = |ty: &str| Column { name: "c".into(), ty: ty.into(), charset: None };
        for (ty, theirs, ours, want) in [
            ("int", "-1", "255", Some("zerofill")),
            ("int", "1", "255", None),
            ("binary", "\"AAEC\"", "\"AAECAAAAAAAAAA==\"", Some("binary padding")),
            ("binary", "\"AAEC\"", "\"AAEDAAAAAAAAAA==\"", None),
            ("date", "\"0000-00-00\"", "\"2010-00-05\"", Some("partial zero date")),
            ("date", "\"0000-00-00\"", "\"2010-01-05\"", None),
            ("date", "\"2010-03-03\"", "\"2010-02-31\"", Some("impossible day")),
            ("date", "\"1582-10-20\"", "\"1582-10-10\"", Some("calendar gap of 1582")),
            ("enum", "\"it''s\"", "\"it's\"", Some("label quotes")),
            ("enum", "\"a\"", "\"b\"", None),
            ("json", "{\"a\":[1,-1294967296]}", "{\"a\":[1,3000000000]}", Some("json scalar")),
            ("json", "{\"a\":[2,-1294967296]}", "{\"a\":[1,3000000000]}", None),
            ("point", "\"POINT (0.3 1)\"", "\"POINT (0.30000000000000004 1)\"", Some("geometry digits")),
            ("point", "\"POINT (0.31 1)\"", "\"POINT (0.30000000000000004 1)\"", None),
        ] {
            assert_eq!(explain(&column(ty), theirs, ours), want, "{ty} {theirs} {ours}");
        }
    }
}
