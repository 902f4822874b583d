//! Character sets of text columns, as the server maps them to Unicode. Every charset is one value of `Charset`; a
//! column's is chosen when its codec is compiled.

use super::Rendered;
use super::escape::{self, Astral};
use super::lossy;

/// How the bytes of a text column become characters.
#[derive(Debug, Clone, Copy)]
pub enum Charset {
    /// utf8mb3 and utf8mb4.
    Utf8,
    /// One byte a character: ASCII below 0x80, this table above. U+FFFD stands for bytes without a character.
    SingleByte(&'static [char; 128]),
}

impl Charset {
    /// The charset of this name (`SHOW CHARACTER SET`, any letter case), if it can be rendered.
    pub fn named(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("utf8mb4") || is("utf8mb3") || is("utf8") {
            Some(Charset::Utf8)
        } else if is("latin1") {
            Some(Charset::SingleByte(&LATIN1))
        } else if is("ascii") {
            Some(Charset::SingleByte(&ASCII))
        } else {
            None
        }
    }

    /// Appends the text as a JSON string.
    #[inline]
    pub fn write_json(self, bytes: &[u8], out: &mut Vec<u8>) -> Rendered {
        match self {
            Charset::Utf8 => Rendered::text(escape::write_string(bytes, Astral::Escaped, out)),
            Charset::SingleByte(high) => {
                out.push(b'"');
                let rendered = single_byte(bytes, high, out, escape::write_control);
                out.push(b'"');
                rendered
            }
        }
    }

    /// Appends the text itself.
    #[inline]
    pub fn write_text(self, bytes: &[u8], out: &mut Vec<u8>) -> Rendered {
        match self {
            Charset::Utf8 => Rendered::text(lossy::write(bytes, out)),
            Charset::SingleByte(high) => single_byte(bytes, high, out, |b, out| out.push(b)),
        }
    }
}

fn single_byte(bytes: &[u8], high: &[char; 128], out: &mut Vec<u8>, ascii: impl Fn(u8, &mut Vec<u8>)) -> Rendered {
    let (plain, rest) = bytes.split_at(escape::plain_prefix(bytes));
    out.extend_from_slice(plain);
    out.reserve(rest.len());
    let mut unmapped = false;
    for &b in rest {
        match b {
            0x00..=0x7f => ascii(b, out),
            _ => {
                let c = high[usize::from(b & 0x7f)];
                unmapped |= c == char::REPLACEMENT_CHARACTER;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    Rendered::text(unmapped)
}

/// ascii: the server maps no byte above 0x7F.
static ASCII: [char; 128] = [char::REPLACEMENT_CHARACTER; 128];

/// latin1: windows-1252, its five undefined bytes as the C1 controls of the same number (`strings/ctype-latin1.cc`).
static LATIN1: [char; 128] = latin1();

const fn latin1() -> [char; 128] {
    const C1: [char; 32] = [
        '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}', '\u{2030}', '\u{160}',
        '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}',
        '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
    ];
    let mut table = ['\0'; 128];
    let mut i = 0;
    while i < 128 {
        table[i] = if i < 32 { C1[i] } else { (0x80 + i as u8) as char };
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(charset: &str, bytes: &[u8]) -> (String, Rendered) {
        let mut out = Vec::new();
        let rendered = Charset::named(charset).expect("known").write_json(bytes, &mut out);
        (String::from_utf8(out).expect("UTF-8"), rendered)
    }

    #[test]
    fn latin1_is_windows_1252_with_controls() {
        let (text, rendered) = json("latin1", b"a\"\x01\x80\x81\x8d\x8f\x90\x9d\x9f\xa0\xe9\xff");
        assert_eq!(text, "\"a\\\"\\u0001\u{20ac}\u{81}\u{8d}\u{8f}\u{90}\u{9d}\u{178}\u{a0}\u{e9}\u{ff}\"");
        assert_eq!(rendered, Rendered::Faithful);
    }

    #[test]
    fn ascii_has_no_high_half() {
        assert_eq!(json("ASCII", b"a\xe9"), ("\"a\u{fffd}\"".into(), Rendered::InvalidText));
    }

    #[test]
    fn utf8_by_any_name() {
        for name in ["utf8", "utf8mb3", "UTF8MB4"] {
            assert_eq!(json(name, "é😀".as_bytes()).0, "\"é\\uD83D\\uDE00\"");
        }
        assert!(Charset::named("koi8r").is_none());
    }
}
