//! Statement text from the client's character set to UTF-8.
//!
//! Only what is certain is decoded: UTF-8, MySQL's latin1, and ASCII in every other character set.

use std::borrow::Cow;

use crate::schema::collation;

/// MySQL's latin1 from 0x80 to 0x9f: windows-1252, with the five bytes that it lacks as control characters
/// (MySQL manual, "West European Character Sets").
const LATIN1_HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// A statement as text.
pub struct DecodedSql<'a> {
    pub text: Cow<'a, str>,
    /// Some bytes were no characters: U+FFFD stands in their place, and must not get into a name or label.
    pub damaged: bool,
}

/// Decodes a statement; the error says why it cannot be.
pub fn statement(sql: &[u8], client_collation: Option<u16>) -> Result<DecodedSql<'_>, String> {
    let charset = client_collation.and_then(collation::charset_of_id).unwrap_or("utf8mb4");
    match charset {
        "utf8" | "utf8mb4" | "ascii" | "binary" => Ok(match simdutf8::basic::from_utf8(sql) {
            Ok(text) => DecodedSql { text: Cow::Borrowed(text), damaged: false },
            Err(_) => DecodedSql { text: String::from_utf8_lossy(sql), damaged: true },
        }),
        _ if sql.is_ascii() && !is_wide(charset) => {
            let text = simdutf8::basic::from_utf8(sql).map_err(|e| e.to_string())?;
            Ok(DecodedSql { text: Cow::Borrowed(text), damaged: false })
        }
        "latin1" => Ok(DecodedSql { text: Cow::Owned(latin1(sql)), damaged: false }),
        _ => Err(format!("the statement has characters of the character set {charset}")),
    }
}

/// Character sets in which an ASCII byte is no character of its own; no client can have them, for the server refuses.
pub(super) fn is_wide(charset: &str) -> bool {
    matches!(charset, "ucs2" | "utf16" | "utf16le" | "utf32")
}

/// A label's bytes as text, in the column's character set.
pub fn label(bytes: &[u8], charset: Option<&str>) -> Result<String, String> {
    let charset = charset.unwrap_or("an unknown character set");
    if charset.eq_ignore_ascii_case("latin1") {
        return Ok(latin1(bytes));
    }
    let is_utf8 = ["utf8", "utf8mb3", "utf8mb4", "ascii"].iter().any(|c| charset.eq_ignore_ascii_case(c));
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) if is_utf8 || (text.is_ascii() && !is_wide(charset)) => Ok(text.into()),
        _ => Err(format!("a label is given as bytes in {charset}")),
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| match byte {
            0x80..=0x9f => LATIN1_HIGH.get(usize::from(byte - 0x80)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
            _ => char::from(byte),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_character_sets() {
        let cases: [(&[u8], Option<u16>, Option<&str>); 6] = [
            ("é😀".as_bytes(), Some(255), Some("é😀")),
            ("é".as_bytes(), None, Some("é")),
            (b"caf\xe9 \x80", Some(8), Some("café €")),
            (b"plain", Some(13), Some("plain")),
            (b"\x83\x5c", Some(13), None),
            (b"bad \xff", Some(33), Some("bad \u{fffd}")),
        ];
        for (sql, collation, expected) in cases {
            assert_eq!(statement(sql, collation).ok().map(|d| d.text.into_owned()).as_deref(), expected, "{sql:?}");
        }
    }
}
