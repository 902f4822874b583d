//! Values of every type as SQL literals: boundaries, oddities and whatever the dice say. The sessions are lenient, so what
//! does not fit is bent by the server, and that is a value too.

use std::fmt::Write;

use super::columns::Charset;
use super::dice::Dice;

#[derive(Debug, Clone)]
pub enum Literal {
    Int { bits: u32, unsigned: bool },
    Decimal { precision: usize, scale: usize },
    Float,
    Double,
    Bit { bits: u32 },
    Year,
    Date,
    Time { fraction: usize },
    Datetime { fraction: usize },
    Timestamp { fraction: usize, year_max: u32 },
    Bytes { most: usize },
    Geometry { shape: &'static str },
    Json { large: bool },
    Uuid,
    Inet4,
    Inet6,
    Vector { dimensions: usize },
    Text { most: usize },
    TextOf { charset: Charset, most: usize },
    Enum { count: usize },
    Set { count: usize },
}

/// Characters of many scripts; each character set has some of them.
pub const CHARACTERS: &str = "aZ09 ~!\"'\\/,.;%_<&\t\n\r\u{8}\u{1}\u{7f}\u{a0}éÉüßñøÅæ¿£¥§ŁłŽžČčőŰİışğЖжЯёЂЄΩωΆλ€„“”–…™אבגشعپกขฃАԱაあいアイｱｶﾞ漢字表ソ能中国鷗髙①Ⅳ㈱纊한글각뷁臺灣的■─╬√≠∞ﬁ\u{feff}\u{2028}\u{fffd}😀𝄞𠮷\u{10ffff}";

impl Literal {
    pub fn most(&self) -> usize {
        match self {
            Literal::Text { most } => *most,
            _ => 0,
        }
    }

    /// One value; `NULL` in some cases where that is allowed.
    pub fn write(&self, nullable: bool, dice: &mut Dice, out: &mut String) {
        if nullable && dice.percent(8) {
            out.push_str("NULL");
            return;
        }
        match self {
            Literal::Int { bits, unsigned } => int(*bits, *unsigned, dice, out),
            Literal::Decimal { precision, scale } => decimal(*precision, *scale, dice, out),
            Literal::Float => {
                let value = match dice.below(6) {
                    0 => f32::from_bits(dice.next() as u32),
                    1 => [0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1.0e-3, 1.0e7, 16_777_216.0][dice.below(8)],
                    _ => (dice.next() as i32 >> dice.below(31)) as f32 / [1.0, 10.0, 100.0, 1000.0][dice.below(4)],
                };
                let _ = write!(out, "{:e}", if value.is_finite() { value } else { 1.5 });
            }
            Literal::Double => {
                let value = match dice.below(6) {
                    0 => f64::from_bits(dice.next()),
                    1 => [0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 1.0e-3, 1.0e7, 9_007_199_254_740_993.0, 1e23][dice.below(9)],
                    _ => (dice.next() as i64 >> dice.below(63)) as f64 / [1.0, 10.0, 100.0, 1e6][dice.below(4)],
                };
                // Numbers beyond what the server reads become errors even in lenient sessions.
                let ok = value.is_finite() && (value == 0.0 || value.abs() >= f64::MIN_POSITIVE);
                let _ = write!(out, "{:e}", if ok { value } else { 1.5 });
            }
            Literal::Bit { bits } => {
                let value = if dice.percent(30) { u64::MAX } else { dice.next() }
                    >> (64 - bits)
                    >> if dice.percent(30) { dice.below(8) } else { 0 };
                let _ = write!(out, "b'{value:b}'");
            }
            Literal::Year => out.push_str(dice.pick(&["0", "1901", "1970", "1999", "2000", "2024", "2155", "'0000'"])),
            Literal::Date => {
                let _ = write!(out, "'{}'", date(dice));
            }
            Literal::Time { fraction } => {
                let hour = [0, dice.below(24), dice.below(839), 838][dice.below(4)];
                let sign = if dice.percent(40) { "-" } else { "" };
                let _ = write!(out, "'{sign}{hour:02}:{:02}:{:02}{}'", dice.below(60), dice.below(60), micros(*fraction, dice));
            }
            Literal::Datetime { fraction } => {
                let _ = write!(
                    out,
                    "'{} {:02}:{:02}:{:02}{}'",
                    date(dice),
                    dice.below(24),
                    dice.below(60),
                    dice.below(60),
                    micros(*fraction, dice)
                );
            }
            Literal::Timestamp { fraction, year_max } => match dice.below(8) {
                0 => out.push_str("'0000-00-00 00:00:00'"),
                1 => out.push_str("'1970-01-01 00:00:01'"),
                2 if *year_max == 2106 => out.push_str("'2106-02-07 06:28:15'"),
                2 => out.push_str("'2038-01-19 03:14:07'"),
                _ => {
                    let year = 1971 + dice.below(*year_max as usize - 1971);
                    let (month, day) = (1 + dice.below(12), 1 + dice.below(28));
                    let (hour, minute, second) = (dice.below(24), dice.below(60), dice.below(60));
                    let _ = write!(out, "'{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{}'", micros(*fraction, dice));
                }
            },
            Literal::Bytes { most } => {
                let count = if dice.percent(10) { *most } else { dice.below(*most + 1) >> dice.below(4) };
                hex((0..count).map(|_| if dice.percent(20) { 0 } else { dice.next() as u8 }), out);
            }
            Literal::Geometry { shape } => {
                out.push_str("ST_GeomFromText('");
                let shape = if *shape == "geometry" { dice.pick(&["point", "linestring", "multipolygon"]) } else { shape };
                wkt(shape, dice, out);
                out.push_str("')");
            }
            Literal::Json { large } => {
                let mut text = String::new();
                if *large && dice.percent(2) {
                    large_json(dice, &mut text);
                } else {
                    json(dice, 0, &mut text);
                }
                out.push_str(&quoted(&text));
            }
            Literal::Uuid => {
                let _ = write!(
                    out,
                    "'{:08x}-{:04x}-{:04x}-{:04x}-{:012x}'",
                    dice.next() as u32,
                    dice.next() as u16,
                    dice.next() as u16,
                    dice.next() as u16,
                    dice.next() >> 16
                );
            }
            Literal::Inet4 => {
                let b = dice.next().to_le_bytes();
                let _ = write!(out, "'{}.{}.{}.{}'", b[0], b[1], b[2], b[3]);
            }
            Literal::Inet6 => match dice.below(4) {
                0 => out.push_str(dice.pick(&["'::'", "'::1'", "'::ffff:192.0.2.1'", "'::192.0.2.1'", "'ff02::1:0:0'", "'1:0:0:2::'"])),
                _ => {
                    let group = |dice: &mut Dice| if dice.percent(50) { 0 } else { dice.next() as u16 };
                    let groups: Vec<String> = (0..8).map(|_| format!("{:x}", group(dice))).collect();
                    let _ = write!(out, "'{}'", groups.join(":"));
                }
            },
            Literal::Vector { dimensions } => {
                let numbers = (0..*dimensions).flat_map(|_| {
                    let value = dice.next() as i32 as f32 / [1.0f32, 1e3, 1e9, 7.0][dice.below(4)];
                    value.to_le_bytes()
                });
                let numbers: Vec<u8> = numbers.collect();
                hex(numbers.into_iter(), out);
            }
            Literal::Text { .. } => out.push_str("''"),
            Literal::TextOf { charset, most } => text(charset, *most, dice, out),
            Literal::Enum { count } => {
                let _ = write!(out, "{}", dice.below(count + 1));
            }
            Literal::Set { count } => {
                let _ = write!(out, "{}", dice.next() >> (64 - count) & if dice.percent(50) { dice.next() } else { u64::MAX });
            }
        }
    }
}

fn int(bits: u32, unsigned: bool, dice: &mut Dice, out: &mut String) {
    let max = if unsigned { (1i128 << bits) - 1 } else { (1i128 << (bits - 1)) - 1 };
    let min = if unsigned { 0 } else { -max - 1 };
    let value = match dice.below(4) {
        0 => [min, max, 0, 1, min + 1, max - 1, max / 2, 127, 128, 255, 256, 32_768, 65_535][dice.below(13)],
        _ => (i128::from(dice.next() as i64) >> dice.below(bits as usize)).rem_euclid(max - min + 1) + min,
    };
    let _ = write!(out, "{}", value.clamp(min, max));
}

fn decimal(precision: usize, scale: usize, dice: &mut Dice, out: &mut String) {
    if dice.percent(40) {
        out.push('-');
    }
    let mut digits = |count: usize, dice: &mut Dice| {
        let used = if dice.percent(20) { count } else { dice.below(count + 1) };
        let nines = dice.percent(15);
        (0..used).for_each(|_| out.push(if nines { '9' } else { char::from(b'0' + dice.below(10) as u8) }));
        if used == 0 {
            out.push('0');
        }
    };
    digits(precision - scale, dice);
    if scale > 0 {
        let mut fraction = String::from(".");
        (0..dice.below(scale + 1)).for_each(|_| fraction.push(char::from(b'0' + dice.below(10) as u8)));
        fraction.push('0');
        out.push_str(&fraction);
    }
}

fn date(dice: &mut Dice) -> String {
    match dice.below(10) {
        0 => dice.pick(&["0000-00-00", "2011-00-05", "2010-05-00", "0000-00-01", "0000-01-01", "2010-02-31", "1900-02-29"]).to_owned(),
        1 => dice
            .pick(&["9999-12-31", "1000-01-01", "0001-01-01", "1582-10-04", "1582-10-10", "1582-10-15", "2000-02-29", "1969-12-31"])
            .to_owned(),
        _ => format!("{:04}-{:02}-{:02}", dice.below(10_000), 1 + dice.below(12), 1 + dice.below(28)),
    }
}

fn micros(fraction: usize, dice: &mut Dice) -> String {
    if fraction == 0 || dice.percent(20) {
        return String::new();
    }
    let value = format!("{:06}", if dice.percent(20) { 999_999 } else { dice.below(1_000_000) });
    format!(".{}", &value[..fraction])
}

fn hex(bytes: impl Iterator<Item = u8>, out: &mut String) {
    out.push_str("X'");
    for byte in bytes {
        let _ = write!(out, "{byte:02X}");
    }
    out.push('\'');
}

/// Text as bytes of UTF-8, or raw bytes of the column's own character set.
fn text(charset: &Charset, most: usize, dice: &mut Dice, out: &mut String) {
    let count = if dice.percent(10) { most } else { dice.below(most + 1) >> dice.below(4) };
    if charset.single && dice.percent(25) {
        return hex((0..count).map(|_| if dice.percent(50) { dice.next() as u8 | 0x80 } else { b' ' + dice.below(95) as u8 }), out);
    }
    let ascii = dice.percent(40);
    let mut value = String::new();
    for _ in 0..count {
        let c = if ascii { char::from(b' ' + dice.below(95) as u8) } else { *dice.of(&charset.characters).unwrap_or(&'a') };
        value.push(c);
    }
    out.push_str("_utf8mb4 ");
    hex(value.bytes(), out);
}

/// Labels that the character set has, each once.
pub fn labels(count: usize, set: bool, charset: &Charset, dice: &mut Dice) -> Vec<String> {
    let odd = ["it's", "say \"hi\"", "back\\slash", "a b", "tab\tx", "%_", "", "(x)", "a,b", "é1", "0", "NULL"];
    let mut list: Vec<String> = Vec::new();
    for i in 0..count {
        let mut label = if dice.percent(30) { odd[dice.below(odd.len())].to_owned() } else { format!("l{i}") };
        if dice.percent(30) {
            label.push(*dice.of(&charset.characters).unwrap_or(&'a'));
        }
        let fits = label.chars().all(|c| charset.characters.contains(&c) || c.is_ascii_alphanumeric());
        let awkward = label.ends_with([' ', '\u{a0}']) || label.contains(['\u{1}', '\u{7f}', '\u{8}', '\r', '\n']);
        let plain = !(awkward || set && label.contains(','));
        // Collations hold many letters for the same: the number makes it another label.
        let label = if fits && plain && !label.is_empty() { format!("{label}{i}") } else { format!("l{i}") };
        list.push(label);
    }
    list
}

fn wkt(shape: &str, dice: &mut Dice, out: &mut String) {
    let number = |dice: &mut Dice| match dice.below(5) {
        0 => "0".to_owned(),
        1 => format!("{}", dice.next() as i32),
        2 => format!("{:e}", dice.next() as i64 as f64 / 1e3),
        3 => "-0.5".to_owned(),
        _ => format!("{}", dice.next() as i32 as f64 / 1e6),
    };
    let point = |dice: &mut Dice| format!("{} {}", number(dice), number(dice));
    let points = |least: usize, dice: &mut Dice| {
        let count = least + dice.below(4);
        (0..count).map(|_| point(dice)).collect::<Vec<_>>().join(",")
    };
    let ring = |dice: &mut Dice| {
        let (x, y) = (dice.below(100), dice.below(100));
        format!("({x} {y},{} {y},{} {},{x} {y})", x + 10, x + 10, y + 7)
    };
    let text = match shape {
        "point" => format!("POINT({})", point(dice)),
        "linestring" => format!("LINESTRING({})", points(2, dice)),
        "polygon" => format!("POLYGON({})", ring(dice)),
        "multipoint" => format!("MULTIPOINT({})", points(1, dice)),
        "multilinestring" => format!("MULTILINESTRING(({}),({}))", points(2, dice), points(2, dice)),
        "multipolygon" => format!("MULTIPOLYGON(({}),({}))", ring(dice), ring(dice)),
        _ => format!("GEOMETRYCOLLECTION(POINT({}),LINESTRING({}))", point(dice), points(2, dice)),
    };
    out.push_str(&text);
}

fn json(dice: &mut Dice, depth: usize, out: &mut String) {
    match dice.below(if depth < 5 { 12 } else { 8 }) {
        0 => out.push_str(dice.pick(&["null", "true", "false"])),
        1 => {
            let _ = write!(out, "{}", dice.next() as i64 >> dice.below(63));
        }
        2 => out.push_str(dice.pick(&[
            "0",
            "-1",
            "32767",
            "32768",
            "65536",
            "2147483648",
            "4294967295",
            "18446744073709551615",
            "-9223372036854775808",
        ])),
        3 => {
            let _ = write!(out, "{:?}", dice.next() as i32 as f64 / [7.0, 100.0, 1e9][dice.below(3)]);
        }
        4 => out.push_str(dice.pick(&["1e20", "1.5e-7", "123456789012345.6", "0.1", "-0.0", "1e300"])),
        5..=7 => json_string(dice, out),
        8 | 9 => {
            out.push('[');
            for i in 0..dice.below(6) {
                out.push_str(if i > 0 { "," } else { "" });
                json(dice, depth + 1, out);
            }
            out.push(']');
        }
        _ => {
            out.push('{');
            for i in 0..dice.below(6) {
                out.push_str(if i > 0 { "," } else { "" });
                let _ = write!(out, "\"k{}{i}\":", "x".repeat(dice.below(4)));
                json(dice, depth + 1, out);
            }
            out.push('}');
        }
    }
}

fn json_string(dice: &mut Dice, out: &mut String) {
    out.push('"');
    for _ in 0..dice.below(12) {
        match dice.below(8) {
            0 => out.push_str(dice.pick(&["\\n", "\\\"", "\\\\", "\\u0001", "\\u00e9", "\\ud83d\\ude00", "\\/"])),
            1 => out.push_str(dice.pick(&["é", "表", "😀", "\u{2028}"])),
            _ => out.push(char::from(b'a' + dice.below(26) as u8)),
        }
    }
    out.push('"');
}

/// Deep, or wide enough for the large form of containers.
fn large_json(dice: &mut Dice, out: &mut String) {
    if dice.percent(50) {
        let depth = 90;
        out.push_str(&"[".repeat(depth));
        out.push_str(&"]".repeat(depth));
        return;
    }
    out.push('[');
    for i in 0..5000 {
        out.push_str(if i > 0 { "," } else { "" });
        let _ = write!(out, "{{\"id\":{i},\"v\":\"{}\"}}", dice.next());
    }
    out.push(']');
}

/// A string literal for a session with backslash escapes.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('\'');
    out
}
