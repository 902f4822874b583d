//! Owned values as Maxwell's JSON (contract §4.3–4.9), and as the text that partition strings are made of (§5.4).

use std::io::Write;

use crate::binlog::codec::{float, write_coordinate};

use super::value::{Clock, Date, Decimal, Json, Point, Shape, Value};

/// How coordinates are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordinates {
    /// As many digits as the number needs.
    Shortest,
    /// At most 16 behind the point (`maxwell_quirks`).
    Maxwell,
}

/// Writing into a vector cannot fail.
macro_rules! put {
    ($out:expr, $($format:tt)+) => {{ let _ = write!($out, $($format)+); }};
}

impl Value {
    /// Appends the value as JSON.
    pub fn write_json(&self, coordinates: Coordinates, out: &mut Vec<u8>) {
        match self {
            Value::Text(text) | Value::Enum(text) => quoted(text, out),
            Value::CodePoints(points) => {
                out.push(b'"');
                for point in points {
                    match char::from_u32(*point) {
                        Some(c) => escaped(c, true, out),
                        None => put!(out, "\\u{point:04X}"),
                    }
                }
                out.push(b'"');
            }
            Value::Set(labels) => list(out, b'[', b']', labels, |label, out| quoted(label, out)),
            Value::Bytes(_) | Value::Date(_) | Value::Time { .. } | Value::Datetime { .. } | Value::Geometry { .. } => {
                out.push(b'"');
                self.write_text(coordinates, out);
                out.push(b'"');
            }
            Value::Null => out.extend_from_slice(b"null"),
            _ => self.write_text(coordinates, out),
        }
    }

    /// Appends the value's text; nothing for NULL.
    pub fn write_text(&self, coordinates: Coordinates, out: &mut Vec<u8>) {
        match self {
            Value::Null => {}
            Value::Int(n) => put!(out, "{n}"),
            Value::Unsigned(n) => put!(out, "{n}"),
            Value::Float(n) => write_float(*n, out),
            Value::Double(n) => float::write_double(*n, out),
            Value::Decimal(decimal) => decimal.write(true, out),
            Value::Text(text) | Value::Enum(text) | Value::JsonText(text) => out.extend_from_slice(text.as_bytes()),
            Value::CodePoints(points) => {
                let text = points.iter().map(|point| char::from_u32(*point).unwrap_or(char::REPLACEMENT_CHARACTER));
                text.for_each(|c| put!(out, "{c}"));
            }
            Value::Bytes(bytes) => base64(bytes, out),
            Value::Date(date) => date.write(out),
            Value::Time { negative, clock, digits } => {
                sign(*negative, out);
                clock.write(out);
                clock.write_fraction(*digits, out);
            }
            Value::Datetime { date, clock, digits } => {
                date.write(out);
                out.push(b' ');
                clock.write(out);
                clock.write_fraction(*digits, out);
            }
            // As Java prints a list.
            Value::Set(labels) => put!(out, "[{}]", labels.join(", ")),
            Value::Json(json) => json.write(out),
            Value::Geometry { shape, .. } => shape.write(coordinates, out),
            Value::Vector(numbers) => list(out, b'[', b']', numbers, |number, out| write_float(*number, out)),
        }
    }
}

/// Appends text as a JSON string in which characters above U+FFFF are two escapes.
pub fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    text.chars().for_each(|c| escaped(c, true, out));
    out.push(b'"');
}

fn escaped(c: char, astral: bool, out: &mut Vec<u8>) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\0'..'\u{20}' => put!(out, "\\u{:04X}", u32::from(c)),
        '\u{1_0000}'.. if astral => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| put!(out, "\\u{unit:04X}")),
        _ => put!(out, "{c}"),
    }
}

/// Items between marks, with commas.
fn list<T>(out: &mut Vec<u8>, open: u8, close: u8, items: &[T], mut item: impl FnMut(&T, &mut Vec<u8>)) {
    out.push(open);
    for (i, each) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        item(each, out);
    }
    out.push(close);
}

fn sign(negative: bool, out: &mut Vec<u8>) {
    if negative {
        out.push(b'-');
    }
}

fn write_float(number: f32, out: &mut Vec<u8>) {
    // Four bytes are always right.
    let _ = float::write_f32(&number.to_le_bytes(), out);
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            out.push(if place <= three.len() { DIGITS[bits >> (18 - 6 * place) & 63] } else { b'=' });
        }
    }
}

impl Decimal {
    /// As java.math.BigDecimal prints it: with an exponent below 1e-6, if that is wanted.
    fn write(&self, exponents: bool, out: &mut Vec<u8>) {
        sign(self.negative, out);
        let (digits, scale) = (self.digits.as_str(), usize::from(self.scale));
        let exponent = digits.len() as i32 - 1 - i32::from(self.scale);
        if exponents && scale > 0 && exponent < -6 {
            let (first, rest) = digits.split_at(digits.len().min(1));
            put!(out, "{first}{}{rest}E{exponent}", if rest.is_empty() { "" } else { "." });
            return;
        }
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        put!(out, "{whole}{}{fraction}", if scale > 0 { "." } else { "" });
    }
}

impl Date {
    fn write(self, out: &mut Vec<u8>) {
        put!(out, "{:04}-{:02}-{:02}", self.year, self.month, self.day);
    }
}

impl Clock {
    fn write(self, out: &mut Vec<u8>) {
        put!(out, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second);
    }

    /// Exactly so many digits.
    fn write_fraction(self, digits: u8, out: &mut Vec<u8>) {
        if digits > 0 {
            let text = format!("{:06}", self.micros % 1_000_000);
            put!(out, ".{}", text.get(..usize::from(digits)).unwrap_or(&text));
        }
    }

    /// Without zeros at the end.
    fn write_trimmed(self, out: &mut Vec<u8>) {
        if self.micros > 0 {
            put!(out, ".{}", format!("{:06}", self.micros % 1_000_000).trim_end_matches('0'));
        }
    }
}

impl Json {
    fn write(&self, out: &mut Vec<u8>) {
        let string = |text: &str, out: &mut Vec<u8>| {
            out.push(b'"');
            text.chars().for_each(|c| escaped(c, false, out));
            out.push(b'"');
        };
        match self {
            Json::Null => out.extend_from_slice(b"null"),
            Json::Bool(value) => put!(out, "{value}"),
            Json::Int(n) => put!(out, "{n}"),
            Json::Unsigned(n) => put!(out, "{n}"),
            Json::Double(n) => float::write_json_double(*n, out),
            Json::Decimal(decimal) => decimal.write(false, out),
            Json::Text(text) => string(text, out),
            Json::Opaque(bytes) => {
                out.push(b'"');
                base64(bytes, out);
                out.push(b'"');
            }
            Json::Date(date) => {
                out.push(b'"');
                date.write(out);
                out.push(b'"');
            }
            Json::Time { negative, clock } => {
                out.push(b'"');
                sign(*negative, out);
                clock.write(out);
                clock.write_trimmed(out);
                out.push(b'"');
            }
            Json::Datetime { date, clock } => {
                out.push(b'"');
                date.write(out);
                out.push(b' ');
                clock.write(out);
                clock.write_trimmed(out);
                out.push(b'"');
            }
            Json::Array(elements) => list(out, b'[', b']', elements, Json::write),
            Json::Object(members) => list(out, b'{', b'}', members, |(key, value), out| {
                string(key, out);
                out.push(b':');
                value.write(out);
            }),
        }
    }
}

impl Shape {
    /// Well-known text in Maxwell's layout.
    fn write(&self, coordinates: Coordinates, out: &mut Vec<u8>) {
        let point = |point: &Point, out: &mut Vec<u8>| {
            number(point.x, coordinates, out);
            out.push(b' ');
            number(point.y, coordinates, out);
        };
        let alone = |each: &Point, out: &mut Vec<u8>| {
            out.push(b'(');
            point(each, out);
            out.push(b')');
        };
        let line = |points: &Vec<Point>, out: &mut Vec<u8>| parts(points, out, point);
        let polygon = |rings: &Vec<Vec<Point>>, out: &mut Vec<u8>| parts(rings, out, line);
        let mut tag = |name: &str| put!(out, "{name} ");
        match self {
            Shape::Point(..) => tag("POINT"),
            Shape::LineString(..) => tag("LINESTRING"),
            Shape::Polygon(..) => tag("POLYGON"),
            Shape::MultiPoint(..) => tag("MULTIPOINT"),
            Shape::MultiLineString(..) => tag("MULTILINESTRING"),
            Shape::MultiPolygon(..) => tag("MULTIPOLYGON"),
            Shape::Collection(..) => tag("GEOMETRYCOLLECTION"),
        }
        match self {
            Shape::Point(point) => alone(point, out),
            Shape::LineString(points) => line(points, out),
            Shape::Polygon(rings) => polygon(rings, out),
            Shape::MultiPoint(points) => parts(points, out, alone),
            Shape::MultiLineString(lines) => parts(lines, out, line),
            Shape::MultiPolygon(polygons) => parts(polygons, out, polygon),
            Shape::Collection(shapes) => parts(shapes, out, |shape, out| shape.write(coordinates, out)),
        }
    }
}

/// `(a, b)`, or `EMPTY`.
fn parts<T>(items: &[T], out: &mut Vec<u8>, mut item: impl FnMut(&T, &mut Vec<u8>)) {
    if items.is_empty() {
        return out.extend_from_slice(b"EMPTY");
    }
    for (i, each) in items.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"(" } else { b", " });
        item(each, out);
    }
    out.push(b')');
}

/// Coordinates are finite.
fn number(number: f64, coordinates: Coordinates, out: &mut Vec<u8>) {
    match coordinates {
        Coordinates::Shortest => float::write_plain(number, out),
        Coordinates::Maxwell => write_coordinate(number, out),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value) -> String {
        let mut out = Vec::new();
        value.write_json(Coordinates::Shortest, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn values_that_no_column_made() {
        let decimal = |digits: &str, scale| Value::Decimal(Decimal { negative: true, digits: digits.into(), scale });
        for (value, want) in [
            (Value::Null, "null"),
            (Value::Int(-5), "-5"),
            (decimal("5", 0), "-5"),
            (decimal("5", 2), "-0.05"),
            (decimal("12345", 12), "-1.2345E-8"),
            (decimal("1", 7), "-1E-7"),
            (Value::Text("a\"\u{1}😀".into()), r#""a\"\u0001\uD83D\uDE00""#),
            (Value::CodePoints(vec![0x61, 0xd800]), r#""a\uD800""#),
            (Value::Bytes(vec![0xff]), r#""/w==""#),
            (Value::Bytes(vec![1, 2, 3, 4]), r#""AQIDBA==""#),
            (Value::Set(vec!["a".into(), "b,c".into()]), r#"["a","b,c"]"#),
            (Value::Json(Json::Object(vec![("k".into(), Json::Array(vec![Json::Null, Json::Text("😀".into())]))])), r#"{"k":[null,"😀"]}"#),
            (Value::Geometry { srid: 0, shape: Shape::MultiPoint(vec![Point { x: 1.0, y: -0.5 }]) }, r#""MULTIPOINT ((1 -0.5))""#),
            (Value::Geometry { srid: 0, shape: Shape::Collection(Vec::new()) }, r#""GEOMETRYCOLLECTION EMPTY""#),
        ] {
            assert_eq!(json(&value), want);
        }
    }
}
