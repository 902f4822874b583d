//! Malformed UTF-8 as Java's decoder reads it: one U+FFFD for each malformed piece. The pieces are those of the Unicode
//! recommendation ("maximal subparts") except that an encoded surrogate is one piece of three bytes.

/// U+FFFD in UTF-8.
pub const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Calls `sink` with pieces of valid UTF-8 that together are the text of `bytes`; `true` if a byte was malformed.
pub fn pieces(mut bytes: &[u8], mut sink: impl FnMut(&[u8])) -> bool {
    let mut malformed = false;
    loop {
        let valid = match std::str::from_utf8(bytes) {
            Ok(_) => bytes.len(),
            Err(e) => e.valid_up_to(),
        };
        let (head, rest) = bytes.split_at(valid);
        if !head.is_empty() {
            sink(head);
        }
        if rest.is_empty() {
            return malformed;
        }
        malformed = true;
        sink(REPLACEMENT);
        bytes = rest.get(malformed_len(rest)..).unwrap_or_default();
    }
}

/// Appends the text of `bytes`; `true` if a byte was malformed.
pub fn write(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    if simdutf8::basic::from_utf8(bytes).is_ok() {
        out.extend_from_slice(bytes);
        return false;
    }
    pieces(bytes, |piece| out.extend_from_slice(piece))
}

/// How many bytes Java replaces by one U+FFFD where `bytes` begins with a malformed sequence.
fn malformed_len(bytes: &[u8]) -> usize {
    let continues = |i: usize| bytes.get(i).is_some_and(|b| b & 0xc0 == 0x80);
    let first = bytes.first().copied().unwrap_or(0);
    let second = bytes.get(1).copied().unwrap_or(0);
    let second_fits = continues(1)
        && match first {
            0xe0 => second >= 0xa0,
            0xf0 => second >= 0x90,
            0xf4 => second < 0x90,
            _ => true,
        };
    match first {
        0xe0..=0xef if second_fits && continues(2) => 3,
        0xe0..=0xef if second_fits => 2,
        0xf0..=0xf4 if second_fits && continues(2) => 3,
        0xf0..=0xf4 if second_fits => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_replacements_as_java_does() {
        for (bytes, want) in [
            (&b"\x80"[..], "\u{fffd}"),
            (b"\xc3", "\u{fffd}"),
            (b"\xe2\x82,", "\u{fffd},"),
            (b"\xf0\x28\x8c\xbc", "\u{fffd}(\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}"),
            (b"\xed\xa0", "\u{fffd}"),
            (b"\xed\xa0A", "\u{fffd}A"),
            (b"\xc0\x80", "\u{fffd}\u{fffd}"),
            (b"\xe0\x80\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf8\xa1\xa1\xa1\xa0", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf5\x80\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf0\x9f\x98", "\u{fffd}"),
            (b"\xf0\x9f\x98A", "\u{fffd}A"),
            (b"a\xffb", "a\u{fffd}b"),
            (b"\xed\xa0\xbd\xed\xb8\x80", "\u{fffd}\u{fffd}"),
            (b"\xe6\x97\xa5\xe6\x9c", "\u{65e5}\u{fffd}"),
        ] {
            let mut out = Vec::new();
            assert!(write(bytes, &mut out));
            assert_eq!(String::from_utf8(out).expect("UTF-8"), want, "{bytes:02x?}");
        }
    }
}
