//! Character sets of text columns, as the server maps them to Unicode. Every charset is one value of `Charset`; a
//! column's is chosen when its codec is compiled.

mod double_byte;
pub mod java;
mod java_tables;
mod single_byte;

use double_byte::DoubleByte;
use single_byte::High;

use super::Rendered;
use super::escape::{self, Astral};
use super::lossy;

/// How the bytes of a text column become characters.
#[derive(Debug, Clone, Copy)]
pub enum Charset {
    /// utf8mb3 and utf8mb4.
    Utf8,
    /// One byte a character: ASCII below 0x80, this table above. U+FFFD stands for bytes without a character.
    SingleByte(&'static High),
    /// Any other, read character by character.
    Other(Other),
}

/// Character sets whose characters are not one byte each, or that are not ASCII below 0x80.
#[derive(Debug, Clone, Copy)]
pub enum Other {
    /// Swedish ISO 646: seven bits, ten of them letters in the place of signs.
    Swe7,
    /// Two bytes a character, the higher one first.
    Ucs2,
    Utf16 {
        little_endian: bool,
    },
    Utf32,
    DoubleByte(&'static DoubleByte),
}

/// What a sequence of bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    Char(char),
    /// Half of a pair without the other half, which the servers store.
    Surrogate(u16),
    /// No character.
    Nothing,
}

impl Charset {
    /// The charset of this name (`SHOW CHARACTER SET`, any letter case), if it can be rendered.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let other = match name.as_str() {
            "utf8mb4" | "utf8mb3" | "utf8" => return Some(Charset::Utf8),
            "swe7" => Other::Swe7,
            "ucs2" => Other::Ucs2,
            "utf16" => Other::Utf16 { little_endian: false },
            "utf16le" => Other::Utf16 { little_endian: true },
            "utf32" => Other::Utf32,
            name => match single_byte::high(name) {
                Some(high) => return Some(Charset::SingleByte(high)),
                None => Other::DoubleByte(DoubleByte::named(name)?),
            },
        };
        Some(Charset::Other(other))
    }

    /// Gives every character to `sink`, one after another.
    pub fn decode(self, bytes: &[u8], sink: impl FnMut(Decoded)) -> Rendered {
        let Charset::Other(other) = self else {
            let mut text = Vec::with_capacity(bytes.len());
            let rendered = self.write_text(bytes, &mut text);
            String::from_utf8_lossy(&text).chars().map(Decoded::Char).for_each(sink);
            return rendered;
        };
        decode(bytes, |bytes| other.first(bytes), sink)
    }

    /// Appends the text as a JSON string.
    #[inline]
    pub fn write_json(self, bytes: &[u8], out: &mut Vec<u8>) -> Rendered {
        let high = match self {
            Charset::Utf8 => return Rendered::text(escape::write_string(bytes, Astral::Escaped, out)),
            Charset::SingleByte(high) => high,
            Charset::Other(other) => return json(bytes, out, |bytes| other.first(bytes)),
        };
        out.push(b'"');
        let rendered = single_byte(bytes, high, out, escape::write_control);
        out.push(b'"');
        rendered
    }

    /// Appends the text itself. Half a surrogate pair has no UTF-8; it becomes U+FFFD.
    #[inline]
    pub fn write_text(self, bytes: &[u8], out: &mut Vec<u8>) -> Rendered {
        match self {
            Charset::Utf8 => Rendered::text(lossy::write(bytes, out)),
            Charset::SingleByte(high) => single_byte(bytes, high, out, |b, out| out.push(b)),
            Charset::Other(other) => plain(bytes, out, |bytes| other.first(bytes)),
        }
    }
}

/// A label of ENUM or SET from its bytes, as the servers show it; `None` where the character set is not known.
///
/// Servers do not look at labels that are given in bytes, so that utf8mb3 may have sequences of four bytes there. They are no
/// characters of it: each byte is shown as a question mark (tried).
pub fn label(charset: &str, bytes: &[u8]) -> Option<String> {
    let mut text = Vec::with_capacity(bytes.len());
    Charset::named(charset)?.write_text(bytes, &mut text);
    let text = String::from_utf8(text).ok()?;
    let is_mb3 = charset.eq_ignore_ascii_case("utf8") || charset.eq_ignore_ascii_case("utf8mb3");
    Some(if is_mb3 { text.replace(|c| c > '\u{ffff}', "????") } else { text })
}

fn plain_char(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn json_char(c: char, out: &mut Vec<u8>) {
    match u32::from(c) {
        code @ 0..=0x7f => escape::write_control(code as u8, out),
        code @ 0x1_0000.. => escape::write_surrogates(code, out),
        _ => plain_char(c, out),
    }
}

fn single_byte(bytes: &[u8], high: &High, out: &mut Vec<u8>, ascii: impl Fn(u8, &mut Vec<u8>)) -> Rendered {
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
                plain_char(c, out);
            }
        }
    }
    Rendered::text(unmapped)
}

/// Appends text that `first` reads character by character, as a JSON string.
fn json(bytes: &[u8], out: &mut Vec<u8>, first: impl Fn(&[u8]) -> (Decoded, usize)) -> Rendered {
    out.push(b'"');
    let rendered = each(bytes, out, first, json_char, escape::write_unit);
    out.push(b'"');
    rendered
}

/// Appends it as it is.
fn plain(bytes: &[u8], out: &mut Vec<u8>, first: impl Fn(&[u8]) -> (Decoded, usize)) -> Rendered {
    each(bytes, out, first, plain_char, |_, out| out.extend_from_slice(lossy::REPLACEMENT))
}

#[inline]
fn each(
    bytes: &[u8],
    out: &mut Vec<u8>,
    first: impl Fn(&[u8]) -> (Decoded, usize),
    write_char: impl Fn(char, &mut Vec<u8>),
    write_surrogate: impl Fn(u16, &mut Vec<u8>),
) -> Rendered {
    decode(bytes, first, |decoded| match decoded {
        Decoded::Char(c) => write_char(c, out),
        Decoded::Surrogate(unit) => write_surrogate(unit, out),
        Decoded::Nothing => out.extend_from_slice(lossy::REPLACEMENT),
    })
}

#[inline]
fn decode(mut bytes: &[u8], first: impl Fn(&[u8]) -> (Decoded, usize), mut sink: impl FnMut(Decoded)) -> Rendered {
    let mut malformed = false;
    while !bytes.is_empty() {
        let (decoded, len) = first(bytes);
        malformed |= decoded == Decoded::Nothing;
        sink(decoded);
        bytes = bytes.get(len..).unwrap_or_default();
    }
    Rendered::text(malformed)
}

impl Other {
    /// The first character of bytes that are not empty, and how many of them it takes.
    #[inline]
    pub fn first(self, bytes: &[u8]) -> (Decoded, usize) {
        match self {
            Other::DoubleByte(charset) => match bytes.first() {
                Some(b @ 0..=0x7f) => (Decoded::Char(char::from(*b)), 1),
                _ => charset.first(bytes),
            },
            Other::Swe7 => (bytes.first().map_or(Decoded::Nothing, |b| swe7(*b)), 1),
            Other::Ucs2 => (unit(bytes, false).map_or(Decoded::Nothing, decoded), 2),
            Other::Utf16 { little_endian } => utf16(bytes, little_endian),
            Other::Utf32 => (bytes.first_chunk().map_or(Decoded::Nothing, |b| decoded(u32::from_be_bytes(*b))), 4),
        }
    }
}

/// A code point, which may be half of a pair.
fn decoded(code: u32) -> Decoded {
    match (char::from_u32(code), u16::try_from(code)) {
        (Some(c), _) => Decoded::Char(c),
        (None, Ok(unit)) => Decoded::Surrogate(unit),
        _ => Decoded::Nothing,
    }
}

fn unit(bytes: &[u8], little_endian: bool) -> Option<u32> {
    let bytes = *bytes.first_chunk()?;
    Some(u32::from(if little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }))
}

fn utf16(bytes: &[u8], little_endian: bool) -> (Decoded, usize) {
    let Some(first) = unit(bytes, little_endian) else { return (Decoded::Nothing, 2) };
    match (first, bytes.get(2..).and_then(|rest| unit(rest, little_endian))) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => (decoded(0x1_0000 + ((first & 0x3ff) << 10 | second & 0x3ff)), 4),
        _ => (decoded(first), 2),
    }
}

/// `strings/ctype-simple.cc` and its data: SEN 85 02 00 Annex C.
fn swe7(b: u8) -> Decoded {
    let c = match b {
        0x40 => 'É',
        0x5b => 'Ä',
        0x5c => 'Ö',
        0x5d => 'Å',
        0x5e => 'Ü',
        0x60 => 'é',
        0x7b => 'ä',
        0x7c => 'ö',
        0x7d => 'å',
        0x7e => 'ü',
        0x00..=0x7e => char::from(b),
        _ => return Decoded::Nothing,
    };
    Decoded::Char(c)
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
        assert!(Charset::named("latin9").is_none());
    }

    #[test]
    fn labels_beyond_their_character_set() {
        for (charset, want) in [("utf8mb4", "a😀"), ("UTF8MB3", "a????"), ("utf8", "a????"), ("latin1", "aðŸ˜€")] {
            assert_eq!(label(charset, "a😀".as_bytes()).as_deref(), Some(want), "{charset}");
        }
        assert_eq!(label("latin9", b"a"), None);
    }

    /// Every sequence of bytes against the servers' own conversion (`tests/fixtures/charsets.tsv`).
    #[test]
    fn every_sequence_is_the_servers() {
        let pairs = || (0x80..=0xffu8).flat_map(|a| (0..=0xffu8).map(move |b| vec![a, b]));
        let triples = || (0x80..=0xffu8).flat_map(|a| (0x80..=0xffu8).map(move |b| vec![0x8f, a, b]));
        let fours = || {
            let digits = |range: std::ops::RangeInclusive<u8>| range;
            digits(0x81..=0xfe).flat_map(move |a| {
                (0x30..=0x39u8).flat_map(move |b| (0x81..=0xfeu8).flat_map(move |c| (0x30..=0x39u8).map(move |d| vec![a, b, c, d])))
            })
        };
        let mut compared = 0;
        for line in include_str!("../../../tests/fixtures/charsets.tsv").lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [name, count, crc] = fields[..] else { panic!("{line}") };
            let charset = Charset::named(name).expect(name);
            let mut sequences: Box<dyn Iterator<Item = Vec<u8>>> = Box::new((0..=0xffu8).map(|b| vec![b]));
            if let Charset::Other(Other::DoubleByte(_)) = charset {
                sequences = Box::new(sequences.chain(pairs()));
            }
            if matches!(name, "ujis" | "eucjpms") {
                sequences = Box::new(sequences.chain(triples()));
            }
            if name == "gb18030" {
                sequences = Box::new(sequences.chain(fours()));
            }
            let (mut hasher, mut mapped) = (crc32fast::Hasher::new(), 0);
            let mut out = Vec::new();
            for sequence in sequences {
                out.clear();
                let rendered = charset.write_text(&sequence, &mut out);
                let text = std::str::from_utf8(&out).expect("UTF-8");
                let mut chars = text.chars();
                let (Some(c), None) = (chars.next(), chars.next()) else { continue };
                // The server shows `?` for what it cannot map, so a question mark of any kind says nothing.
                if rendered == Rendered::Faithful && !matches!(c, '?' | '\u{fffd}') {
                    let hex: String = sequence.iter().map(|b| format!("{b:02X}")).collect();
                    hasher.update(format!("{hex} {:X}\n", u32::from(c)).as_bytes());
                    mapped += 1;
                }
            }
            assert_eq!((mapped.to_string().as_str(), format!("{:08x}", hasher.finalize()).as_str()), (count, crc), "{name}");
            compared += mapped;
        }
        assert!(compared > 1_000_000, "{compared} sequences");
    }

    #[test]
    fn unicode_in_units() {
        for (name, bytes, want) in [
            ("ucs2", &b"\x00a\x65\xe5\xfe\xff"[..], "\"a\u{65e5}\u{feff}\""),
            ("utf16", b"\x00\"\xd8\x3d\xde\x00\x00\n", "\"\\\"\\uD83D\\uDE00\\n\""),
            ("utf16", b"\xd8\x00\x00a", "\"\\uD800a\""),
            ("utf16le", b"\x3d\xd8\x00\xdea\x00", "\"\\uD83D\\uDE00a\""),
            ("utf32", b"\x00\x01\xf6\x00\x00\x00\x00\xe9", "\"\\uD83D\\uDE00\u{e9}\""),
            ("utf32", b"\x00\x11\x00\x00\x00", "\"\u{fffd}\u{fffd}\""),
            ("sjis", b"\x93\xfa\xb1\\\x81", "\"\u{65e5}\u{ff71}\\\\\u{fffd}\""),
            ("gb18030", b"\x94\x39\xda\x33\x81\x30x", "\"\\uD83D\\uDCA9\u{fffd}0x\""),
            ("ujis", b"\x8e\xb1\x8f\xb0\xa1a", "\"\u{ff71}\u{4e02}a\""),
            ("swe7", b"[a]", "\"\u{c4}a\u{c5}\""),
        ] {
            assert_eq!(json(name, bytes).0, want, "{name}");
        }
    }
}
