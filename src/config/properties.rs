//! A properties file, as `java.util.Properties` reads it through a UTF-8 reader.
//!
//! The `java-properties` crate does the work. Three of its faults are kept away from it by `prepare`: it reads escapes
//! in comments too (a comment with `C:\users` would stop us), it drops a last line that ends in a backslash, and it
//! refuses the surrogate pairs by which Java writes characters beyond U+FFFF.

use java_properties::{LineContent, PropertiesIter};

/// A key and its value, with the number of the line where they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    pub key: String,
    pub value: String,
    pub line: usize,
}

/// What cannot be read, and the line if it is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub line: Option<usize>,
    pub why: String,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Property>, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|e| Unreadable {
        line: Some(1 + bytes.iter().take(e.valid_up_to()).filter(|b| **b == b'\n').count()),
        why: "it is not UTF-8 text".into(),
    })?;
    let prepared = prepare(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut properties = Vec::new();
    for line in PropertiesIter::new_with_encoding(prepared.as_bytes(), encoding_rs::UTF_8) {
        let line = line.map_err(|e| Unreadable { line: e.line_number(), why: "it has a malformed \\uXXXX escape".into() })?;
        let number = line.line_number();
        if let LineContent::KVPair(key, value) = line.consume_content() {
            properties.push(Property { key, value, line: number });
        }
    }
    Ok(properties)
}

/// The same properties on the same lines, without comments and surrogate escapes, and with a line break at the end.
fn prepare(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    let mut continues = false;
    for line in text.split_inclusive(['\n', '\r']) {
        let content = line.trim_end_matches(['\n', '\r']);
        let starts = content.trim_start_matches([' ', '\t', '\u{c}']);
        // The line feed of a CR LF pair comes as a line of its own, and does not end a continuation.
        let lone_feed = line == "\n" && out.ends_with('\r');
        if !lone_feed {
            let comment = !continues && starts.starts_with(['#', '!']);
            continues = !comment && content.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
            if !comment {
                join_surrogates(content, &mut out);
            }
        }
        out.push_str(&line[content.len()..]);
    }
    out.push('\n');
    out
}

/// Copies a line; `\uD83D\uDE00` becomes the one character that the two stand for.
fn join_surrogates(line: &str, out: &mut String) {
    let mut rest = line;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let pair = unit(escape).zip(escape.get(6..).and_then(unit));
        let joined = pair.and_then(|(high, low)| char::decode_utf16([high, low]).next()?.ok().filter(|c| *c > '\u{ffff}'));
        let (copied, taken) = match joined {
            Some(c) => (c.to_string(), 12),
            // The escaped character goes along, so that the second of two backslashes begins no escape.
            None => {
                let end = escape.char_indices().nth(2).map_or(escape.len(), |(i, _)| i);
                (escape[..end].to_string(), end)
            }
        };
        out.push_str(&copied);
        rest = &escape[taken..];
    }
    out.push_str(rest);
}

/// The UTF-16 unit of a `\uXXXX` at the beginning of the text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        let properties = parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        properties.into_iter().map(|p| (p.key, p.value, p.line)).collect()
    }

    #[test]
    fn reads_as_java_does() {
        for (text, want) in [
            ("", vec![]),
            ("a=b", vec![("a", "b", 1)]),
            ("a: b\nc d\n", vec![("a", "b", 1), ("c", "d", 2)]),
            ("  a = b \t", vec![("a", "b \t", 1)]),
            ("a", vec![("a", "", 1)]),
            ("a=", vec![("a", "", 1)]),
            ("# c\n ! d\na=b#c", vec![("a", "b#c", 3)]),
            ("# C:\\users \\u12\na=b", vec![("a", "b", 2)]),
            ("# c\\\na=b", vec![("a", "b", 2)]),
            ("a=b,\\\n   c,\\\r\n\td\r\ne=f", vec![("a", "b,c,d", 1), ("e", "f", 4)]),
            ("a=b\\\n#c\nd=e", vec![("a", "b#c", 1), ("d", "e", 3)]),
            ("a=b\\", vec![("a", "b", 1)]),
            ("a=b\\\\", vec![("a", "b\\", 1)]),
            ("a\\ b\\=c=d\\te", vec![("a b=c", "d\te", 1)]),
            ("a=\\u00e9é", vec![("a", "éé", 1)]),
            ("a=\\uD83D\\uDE00x", vec![("a", "😀x", 1)]),
            ("a=\\\\uD83D", vec![("a", "\\uD83D", 1)]),
            ("a=x\\q", vec![("a", "xq", 1)]),
            ("a=1\na=2", vec![("a", "1", 1), ("a", "2", 2)]),
            ("\u{feff}a=b", vec![("a", "b", 1)]),
            ("a=数据湖", vec![("a", "数据湖", 1)]),
            ("a=b\rc=d", vec![("a", "b", 1), ("c", "d", 2)]),
        ] {
            let want: Vec<_> = want.into_iter().map(|(k, v, n)| (k.to_string(), v.to_string(), n)).collect();
            assert_eq!(pairs(text), want, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_names_the_line() {
        assert_eq!(parse(b"a=b\nc=\xff").map_err(|e| e.line), Err(Some(2)));
        assert_eq!(parse(b"a=b\nc=\\u12").map_err(|e| e.line), Err(Some(2)));
        assert_eq!(parse(b"c=\\uD83D").map_err(|e| e.line), Err(Some(1)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_text_is_answered(text in r"([ab=:#! \t\\\r\n]|\\u|D83D|00e9|\PC){0,40}") {
            let _ = parse(text.as_bytes());
        }
    }
}
