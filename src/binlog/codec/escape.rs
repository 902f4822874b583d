//! JSON strings exactly as Maxwell's generator writes them (contract §4.3). Text comes in as UTF-8; what a column's
//! charset makes of its bytes is `charset`'s business.

use super::lossy;

/// Whether code points above U+FFFF are written as two `\uXXXX` escapes (row messages and keys) or raw (DDL messages
/// and JSON columns).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Astral {
    Escaped,
    Raw,
}

/// Appends `bytes` as a quoted JSON string. Malformed UTF-8 becomes U+FFFD by Java's rules; `true` says that there was some.
#[inline]
pub fn write_string(bytes: &[u8], astral: Astral, out: &mut Vec<u8>) -> bool {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let malformed = write_escaped(bytes, astral, out);
    out.push(b'"');
    malformed
}

/// Appends the inside of a JSON string.
#[inline]
pub fn write_escaped(bytes: &[u8], astral: Astral, out: &mut Vec<u8>) -> bool {
    let (head, rest) = bytes.split_at(plain_prefix(bytes));
    out.extend_from_slice(head);
    if rest.is_empty() {
        return false;
    }
    if simdutf8::basic::from_utf8(rest).is_ok() {
        escape_valid(rest, astral, out);
        return false;
    }
    lossy::pieces(rest, |piece| escape_valid(piece, astral, out))
}

/// Length of the longest prefix of ASCII that stands in a JSON string as it is.
#[inline]
pub fn plain_prefix(bytes: &[u8]) -> usize {
    prefix(bytes, |b| is_special(b) || b >= 0x80)
}

#[inline]
fn is_special(b: u8) -> bool {
    b < 0x20 || b == b'"' || b == b'\\'
}

/// Length of the longest prefix without a special byte. The inner loop has no branches, so that it becomes vector code.
#[inline]
fn prefix(bytes: &[u8], special: impl Fn(u8) -> bool + Copy) -> usize {
    let mut clean = 0;
    let mut chunks = bytes.chunks_exact(16);
    for chunk in &mut chunks {
        if chunk.iter().fold(false, |any, b| any | special(*b)) {
            return clean + chunk.iter().position(|b| special(*b)).unwrap_or(16);
        }
        clean += 16;
    }
    let tail = chunks.remainder();
    clean + tail.iter().position(|b| special(*b)).unwrap_or(tail.len())
}

/// Escapes valid UTF-8: long clean runs are copied whole.
fn escape_valid(mut text: &[u8], astral: Astral, out: &mut Vec<u8>) {
    loop {
        let clean = match astral {
            Astral::Escaped => prefix(text, |b| is_special(b) || b >= 0xf0),
            Astral::Raw => prefix(text, is_special),
        };
        let (head, rest) = text.split_at(clean);
        out.extend_from_slice(head);
        let Some((first, after)) = rest.split_first() else { return };
        text = match (first, rest.split_first_chunk::<4>()) {
            (0xf0.., Some((four, after))) => {
                write_astral(*four, out);
                after
            }
            _ => {
                write_control(*first, out);
                after
            }
        };
    }
}

/// Appends the escape of an ASCII character that may not stand raw in a JSON string; any other is appended as it is.
#[inline]
pub fn write_control(b: u8, out: &mut Vec<u8>) {
    let short = match b {
        b'"' | b'\\' => b,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        0x00..=0x1f => return write_unit(u16::from(b), out),
        _ => return out.push(b),
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn write_astral(utf8: [u8; 4], out: &mut Vec<u8>) {
    let [a, b, c, d] = utf8.map(u32::from);
    let code_point = (a & 0x07) << 18 | (b & 0x3f) << 12 | (c & 0x3f) << 6 | d & 0x3f;
    write_surrogates(code_point, out);
}

/// Appends a code point above U+FFFF as its two UTF-16 units.
pub fn write_surrogates(code_point: u32, out: &mut Vec<u8>) {
    let offset = code_point.wrapping_sub(0x1_0000);
    write_unit(0xd800 | (offset >> 10 & 0x3ff) as u16, out);
    write_unit(0xdc00 | (offset & 0x3ff) as u16, out);
}

/// Appends one UTF-16 unit as `\uXXXX` with upper-case digits.
pub fn write_unit(unit: u16, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |shift: u16| HEX[usize::from(unit >> shift & 0xf)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str, astral: Astral) -> String {
        let mut out = Vec::new();
        assert!(!write_string(text.as_bytes(), astral, &mut out));
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn escapes_as_maxwell_does() {
        for (text, want) in [
            ("", r#""""#),
            ("plain text of more than sixteen bytes", r#""plain text of more than sixteen bytes""#),
            ("a\"b\\c/d", r#""a\"b\\c/d""#),
            ("\u{8}\t\n\u{c}\r", r#""\b\t\n\f\r""#),
            ("\u{0}\u{b}\u{1f}\u{7f}", "\"\\u0000\\u000B\\u001F\u{7f}\""),
            ("\u{2028}é日", "\"\u{2028}é日\""),
            ("long prefix of ascii \u{10ffff}", r#""long prefix of ascii \uDBFF\uDFFF""#),
        ] {
            assert_eq!(json(text, Astral::Escaped), want);
        }
        assert_eq!(json("a😀b", Astral::Escaped), r#""a\uD83D\uDE00b""#);
        assert_eq!(json("a😀\n", Astral::Raw), "\"a😀\\n\"");
    }

    #[test]
    fn malformed_bytes_are_replaced_and_reported() {
        let mut out = Vec::new();
        assert!(write_string(b"a\xff\"\xf0\x9f\x98\x80", Astral::Escaped, &mut out));
        assert_eq!(String::from_utf8_lossy(&out), "\"a\u{fffd}\\\"\\uD83D\\uDE00\"");
    }

    /// The definition: one character at a time.
    fn slow(text: &str, astral: Astral) -> String {
        let mut out = String::from("\"");
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\u{8}' => out.push_str("\\b"),
                '\t' => out.push_str("\\t"),
                '\n' => out.push_str("\\n"),
                '\u{c}' => out.push_str("\\f"),
                '\r' => out.push_str("\\r"),
                c if c < ' ' => out.push_str(&format!("\\u{:04X}", c as u32)),
                c if c > '\u{ffff}' && astral == Astral::Escaped => {
                    let mut units = [0; 2];
                    c.encode_utf16(&mut units).iter().for_each(|u| out.push_str(&format!("\\u{u:04X}")));
                }
                c => out.push(c),
            }
        }
        out + "\""
    }

    proptest! {
        #[test]
        fn fast_equals_slow(text in "(\\PC|[\\x00-\\x20\"\\\\]|[a-z]{0,40}|😀){0,40}") {
            for astral in [Astral::Escaped, Astral::Raw] {
                prop_assert_eq!(json(&text, astral), slow(&text, astral));
            }
        }
    }
}
