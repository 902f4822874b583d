//! Character sets as Java reads them for Maxwell (contract §4.7), for `maxwell_quirks`: other tables than the servers' at
//! some bytes, byte order marks that vanish, and other lengths of what is malformed.
//!
//! Twelve character sets end Maxwell's process; they have no entry here, and are read as the server does.

use std::sync::OnceLock;

use super::double_byte::{DoubleByte, HALFWIDTH, Run};
use super::java_tables as tables;
use super::single_byte::{self, High};
use super::{Charset, Decoded, Rendered, decode, decoded, json, plain, unit};

/// How Java turns the bytes of a column into characters.
#[derive(Debug, Clone, Copy)]
pub enum Java {
    /// By the same rules as the server, or by one table.
    Plain(Charset),
    Multi(Multi),
}

#[derive(Debug, Clone, Copy)]
pub enum Multi {
    Double(&'static Double),
    EucJp(&'static Double),
    Gb18030(&'static Double),
    /// Also for `ucs2`.
    Utf16,
    Utf32,
}

impl Java {
    /// The charset that Maxwell takes for this stored name, if it knows one.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let patched = match name.as_str() {
            "utf8mb4" | "utf8mb3" | "utf8" | "cp1250" | "cp1251" | "cp1257" | "cp850" | "cp852" | "latin2" | "latin5" | "macroman" => {
                return Charset::named(&name).map(Java::Plain);
            }
            "ucs2" | "utf16" => return Some(Java::Multi(Multi::Utf16)),
            "utf32" => return Some(Java::Multi(Multi::Utf32)),
            "ujis" => return Double::named(&name).map(|d| Java::Multi(Multi::EucJp(d))),
            "gb18030" => return Double::named(&name).map(|d| Java::Multi(Multi::Gb18030(d))),
            "big5" | "cp932" | "euckr" | "gb2312" | "gbk" | "sjis" => return Double::named(&name).map(|d| Java::Multi(Multi::Double(d))),
            _ => patched(&name)?,
        };
        Some(Java::Plain(Charset::SingleByte(patched)))
    }

    /// Gives every character to `sink`, one after another.
    pub fn decode(self, bytes: &[u8], sink: impl FnMut(Decoded)) -> Rendered {
        match self {
            Java::Plain(charset) => charset.decode(bytes, sink),
            Java::Multi(multi) => {
                let (bytes, first) = multi.opened(bytes);
                decode(bytes, first, sink)
            }
        }
    }

    /// Appends the text as a JSON string.
    pub fn write_json(self, bytes: &[u8], out: &mut Vec<u8>) -> Rendered {
        match self {
            Java::Plain(charset) => charset.write_json(bytes, out),
            Java::Multi(multi) => {
                let (bytes, first) = multi.opened(bytes);
                json(bytes, out, first)
            }
        }
    }

    /// Appends the text itself.
    pub fn write_text(self, bytes: &[u8], out: &mut Vec<u8>) -> Rendered {
        match self {
            Java::Plain(charset) => charset.write_text(bytes, out),
            Java::Multi(multi) => {
                let (bytes, first) = multi.opened(bytes);
                plain(bytes, out, first)
            }
        }
    }
}

/// Tables of one byte a character that are not the servers'.
fn patched(name: &str) -> Option<&'static High> {
    static PATCHES: [(&str, &str, tables::Patch); 7] = [
        ("latin1", "latin1", tables::WINDOWS_1252),
        ("ascii", "latin1", tables::WINDOWS_1252),
        ("cp1256", "cp1256", tables::WINDOWS_1256),
        ("cp866", "cp866", tables::IBM866),
        ("greek", "greek", tables::ISO_8859_7),
        ("hebrew", "hebrew", tables::ISO_8859_8),
        ("tis620", "tis620", tables::TIS_620),
    ];
    static MADE: [OnceLock<High>; 7] = [const { OnceLock::new() }; 7];
    let ((_, base, patch), made) = PATCHES.iter().zip(&MADE).find(|((known, ..), _)| *known == name)?;
    let base = single_byte::high(base)?;
    Some(made.get_or_init(|| {
        let mut high = *base;
        if name == "tis620" {
            high.iter_mut().take(0x20).for_each(|c| *c = char::REPLACEMENT_CHARACTER);
        }
        for (byte, c) in *patch {
            if let Some(slot) = high.get_mut(usize::from(byte & 0x7f)) {
                *slot = *c;
            }
        }
        high
    }))
}

impl Multi {
    /// The bytes behind a byte order mark, and how the first of them are read.
    fn opened(self, bytes: &[u8]) -> (&[u8], impl Fn(&[u8]) -> (Decoded, usize)) {
        let (skipped, little_endian) = match (self, bytes) {
            (Multi::Utf16, [0xfe, 0xff, ..]) => (2, false),
            (Multi::Utf16, [0xff, 0xfe, ..]) => (2, true),
            (Multi::Utf32, [0, 0, 0xfe, 0xff, ..]) => (4, false),
            (Multi::Utf32, [0xff, 0xfe, 0, 0, ..]) => (4, true),
            _ => (0, false),
        };
        (bytes.get(skipped..).unwrap_or_default(), move |bytes: &[u8]| self.first(bytes, little_endian))
    }

    /// The first character of bytes that are not empty, and how many of them it takes.
    fn first(self, bytes: &[u8], little_endian: bool) -> (Decoded, usize) {
        match (self, bytes) {
            (Multi::Utf16, _) => utf16(bytes, little_endian),
            (Multi::Utf32, _) => utf32(bytes, little_endian),
            (_, [b @ 0..=0x7f, ..]) => (Decoded::Char(char::from(*b)), 1),
            (Multi::Double(double), _) => double.first(bytes),
            (Multi::EucJp(double), _) => double.first_euc_jp(bytes),
            (Multi::Gb18030(double), _) => double.first_gb18030(bytes),
        }
    }
}

/// What is cut off at the end is malformed as a whole; half a pair takes the unit behind it along.
fn utf16(bytes: &[u8], little_endian: bool) -> (Decoded, usize) {
    match (unit(bytes, little_endian), bytes.get(2..).and_then(|rest| unit(rest, little_endian))) {
        (None, _) | (Some(0xd800..=0xdbff), None) => (Decoded::Nothing, bytes.len()),
        (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => (decoded(0x1_0000 + ((high & 0x3ff) << 10 | low & 0x3ff)), 4),
        (Some(0xd800..=0xdbff), Some(_)) => (Decoded::Nothing, 4),
        (Some(0xdc00..=0xdfff), _) => (Decoded::Nothing, 2),
        (Some(code), _) => (decoded(code), 2),
    }
}

fn utf32(bytes: &[u8], little_endian: bool) -> (Decoded, usize) {
    match bytes.first_chunk() {
        Some(four) => (decoded(if little_endian { u32::from_le_bytes(*four) } else { u32::from_be_bytes(*four) }), 4),
        None => (Decoded::Nothing, bytes.len()),
    }
}

/// Java's tables of one charset of double bytes; 0 is no character.
#[derive(Debug)]
pub struct Double {
    base: &'static DoubleByte,
    pairs: Box<[u16]>,
    after_8f: Box<[u16]>,
    singles: Singles,
    /// First bytes that have characters behind them.
    rows: Box<[bool]>,
}

/// Which double bytes a charset has.
type Allowed = fn(u8, u8) -> bool;
/// The character of one byte, 0 for none.
type Singles = fn(u8) -> u16;

impl Double {
    fn named(name: &str) -> Option<&'static Double> {
        let any: Allowed = |_, _| true;
        let none = |_| 0;
        static MADE: [OnceLock<Double>; 8] = [const { OnceLock::new() }; 8];
        let (index, runs, allowed, singles): (usize, &[Run], Allowed, Singles) = match name {
            "big5" => (0, tables::BIG5, any, none),
            "cp932" => (1, tables::IBM942C, any, |b| match b {
                0x80 => 0xa2,
                0xa0 => 0xa3,
                0xfd => 0xac,
                0xfe => 0x5c,
                0xff => 0x7e,
                b => katakana(b),
            }),
            // Without the extension by which the server reads it (UHC).
            "euckr" => (2, tables::EUC_KR, |a, b| a >= 0xa1 && b >= 0xa1, none),
            "gb18030" => (3, tables::GB18030, any, none),
            "gb2312" => (4, &[], any, none),
            "gbk" => (5, tables::GBK, any, none),
            "sjis" => (6, tables::SHIFT_JIS, any, katakana),
            // Without the characters that users define.
            "ujis" => (7, tables::EUC_JP, |a, _| a < 0xf5, none),
            _ => return None,
        };
        let base = DoubleByte::named(name)?;
        Some(MADE.get(index)?.get_or_init(|| {
            let after_8f: Box<[u16]> = match name {
                "ujis" => table(|a, b| base.pair_after_8f(a, b), allowed, tables::EUC_JP_AFTER_8F),
                _ => Box::default(),
            };
            let mut pairs = table(|a, b| base.pair(a, b), allowed, runs);
            // Behind a byte that is a character nothing begins.
            for (a, row) in (0x80..=0xff).zip(pairs.chunks_mut(256)) {
                if singles(a) != 0 {
                    row.fill(0);
                }
            }
            let rows = pairs.chunks(256).map(|row| row.iter().any(|unit| *unit != 0)).collect();
            Double { base, pairs, after_8f, singles, rows }
        }))
    }

    /// Where no character is, the second byte is part of what is malformed only if it could not begin another.
    fn first(&self, bytes: &[u8]) -> (Decoded, usize) {
        let (a, b) = match *bytes {
            [a, b, ..] => (a, Some(b)),
            [a] => (a, None),
            [] => return (Decoded::Nothing, 1),
        };
        let single = (self.singles)(a);
        if single != 0 {
            return (decoded(u32::from(single)), 1);
        }
        let Some(b) = b else { return (Decoded::Nothing, 1) };
        let row = |b: u8| b.checked_sub(0x80).and_then(|row| self.rows.get(usize::from(row))).copied().unwrap_or(false);
        match at(&self.pairs, a, b) {
            0 if !row(a) || row(b) || b < 0x80 || (self.singles)(b) != 0 => (Decoded::Nothing, 1),
            0 => (Decoded::Nothing, 2),
            unit => (decoded(u32::from(unit)), 2),
        }
    }

    /// Two bytes, or three after 0x8F, whatever they are.
    fn first_euc_jp(&self, bytes: &[u8]) -> (Decoded, usize) {
        let (unit, len) = match *bytes {
            [0x8f, a, b, ..] => (at(&self.after_8f, a, b), 3),
            [0x8f, ..] | [_] | [] => return (Decoded::Nothing, bytes.len()),
            [0x8e, b, ..] => (katakana(b), 2),
            [a, b, ..] => (at(&self.pairs, a, b), 2),
        };
        (if unit == 0 { Decoded::Nothing } else { decoded(u32::from(unit)) }, len)
    }

    /// As the server reads it, but for what is malformed and some characters of the edition of 2022.
    fn first_gb18030(&self, bytes: &[u8]) -> (Decoded, usize) {
        match *bytes {
            [0x80 | 0xff, ..] => (Decoded::Nothing, 1),
            [_] => (Decoded::Nothing, 1),
            [_, 0x30..=0x39, c, d, ..] => match (c, d) {
                (0x81..=0xfe, 0x30..=0x39) => match self.base.first(bytes) {
                    (Decoded::Char(c), _) => (Decoded::Char(edition_of_2022(c)), 4),
                    other => other,
                },
                (0x81..=0xfe, _) => (Decoded::Nothing, 4),
                _ => (Decoded::Nothing, 3),
            },
            [_, 0x30..=0x39, ..] => (Decoded::Nothing, bytes.len()),
            [_, 0..=0x2f, ..] => (Decoded::Nothing, 1),
            [a, b, ..] => match at(&self.pairs, a, b) {
                0 => (Decoded::Nothing, 2),
                unit => (decoded(u32::from(unit)), 2),
            },
            [] => (Decoded::Nothing, 1),
        }
    }
}

/// Sequences of four bytes that changed places with double bytes.
fn edition_of_2022(c: char) -> char {
    const SWAPPED: [(char, char); 18] = [
        ('\u{9fb4}', '\u{e81e}'),
        ('\u{9fb5}', '\u{e826}'),
        ('\u{9fb6}', '\u{e82b}'),
        ('\u{9fb7}', '\u{e82c}'),
        ('\u{9fb8}', '\u{e832}'),
        ('\u{9fb9}', '\u{e843}'),
        ('\u{9fba}', '\u{e854}'),
        ('\u{9fbb}', '\u{e864}'),
        ('\u{fe10}', '\u{e78d}'),
        ('\u{fe11}', '\u{e78f}'),
        ('\u{fe12}', '\u{e78e}'),
        ('\u{fe13}', '\u{e790}'),
        ('\u{fe14}', '\u{e791}'),
        ('\u{fe15}', '\u{e792}'),
        ('\u{fe16}', '\u{e793}'),
        ('\u{fe17}', '\u{e794}'),
        ('\u{fe18}', '\u{e795}'),
        ('\u{fe19}', '\u{e796}'),
    ];
    SWAPPED.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to)
}

/// Half-width katakana of one byte.
fn katakana(b: u8) -> u16 {
    match b {
        0xa1..=0xdf => HALFWIDTH + u16::from(b - 0xa1),
        _ => 0,
    }
}

/// By first byte minus 0x80 and second byte.
fn table(base: impl Fn(u8, u8) -> u16, allowed: Allowed, runs: &[Run]) -> Box<[u16]> {
    let pairs = (0x80..=0xffu8).flat_map(|a| (0..=0xffu8).map(move |b| (a, b)));
    let mapped = |(a, b)| match base(a, b) {
        0xfffd => 0,
        unit if allowed(a, b) => unit,
        _ => 0,
    };
    let mut table: Box<[u16]> = pairs.map(mapped).collect();
    for run in runs {
        for n in 0..run.count {
            let place = (run.first + n).checked_sub(0x8000).and_then(|i| table.get_mut(usize::from(i)));
            if let Some(slot) = place {
                *slot = if run.to == 0 { 0 } else { run.to + n };
            }
        }
    }
    table
}

fn at(table: &[u16], a: u8, b: u8) -> u16 {
    let index = a.checked_sub(0x80).map(|row| usize::from(row) << 8 | usize::from(b));
    index.and_then(|i| table.get(i)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All short sequences and 40,000 longer ones against what Java 25 makes of them (`tests/fixtures/java-charsets.tsv`).
    #[test]
    fn every_sequence_is_javas() {
        for line in include_str!("../../../../tests/fixtures/java-charsets.tsv").lines().skip(1) {
            let (name, want) = line.split_once('\t').expect("two fields");
            let java = Java::named(name).expect(name);
            let mut hasher = crc32fast::Hasher::new();
            let mut out = Vec::new();
            let mut put = |bytes: &[u8]| {
                out.clear();
                java.write_json(bytes, &mut out);
                out.push(b'\n');
                hasher.update(&out);
            };
            (0..=0xffu8).for_each(|a| put(&[a]));
            (0x80..=0xffu8).for_each(|a| (0..=0xffu8).for_each(|b| put(&[a, b])));
            let mut state = 42u64;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u32
            };
            for _ in 0..40_000 {
                let len = 1 + next() % 9;
                let bytes: Vec<u8> = (0..len)
                    .map(|_| {
                        let v = next();
                        let k = v as u8;
                        match v >> 8 & 7 {
                            0..=2 => k | 0x80,
                            3 => 0x30 + k % 10,
                            4 => 0x8e + (k & 1),
                            5 => 0xd8 + (k & 7),
                            6 => (k & 1) * 0xff,
                            _ => k,
                        }
                    })
                    .collect();
                put(&bytes);
            }
            assert_eq!(format!("{:08x}", hasher.finalize()), want, "{name}");
        }
    }

    #[test]
    fn twelve_charsets_end_maxwell() {
        for name in
            ["armscii8", "dec8", "eucjpms", "geostd8", "hp8", "keybcs2", "koi8r", "koi8u", "latin7", "macce", "swe7", "utf16le", "default"]
        {
            assert!(Java::named(name).is_none(), "{name}");
        }
    }
}
