//! MariaDB's UUID, INET4 and INET6. The log has their bytes in reading order, without trailing zero bytes.

use std::io::Write;

use super::{DecodeError, int};

/// The whole value of N bytes.
fn padded<const N: usize>(value: &[u8], what: &'static str) -> Result<[u8; N], DecodeError> {
    let mut whole = [0; N];
    match whole.get_mut(..value.len()) {
        Some(head) => head.copy_from_slice(value),
        None => return Err(DecodeError::invalid(what, format!("{} bytes, at most {N} are possible", value.len()))),
    }
    Ok(whole)
}

/// Appends 36 characters with lower-case digits.
pub fn write_uuid(value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let uuid = uuid::Uuid::from_bytes(padded(value, "uuid")?);
    out.extend_from_slice(uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).as_bytes());
    Ok(())
}

/// Appends `192.0.2.1`.
pub fn write_inet4(value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    write_dotted(padded(value, "inet4")?, out);
    Ok(())
}

fn write_dotted(bytes: [u8; 4], out: &mut Vec<u8>) {
    for (i, byte) in bytes.into_iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        int::write_u64(u64::from(byte), out);
    }
}

/// Appends the address as MariaDB shows it (`Inet6::to_string` in `plugin/type_inet`): the first longest run of zero
/// words becomes `::`, even a run of one; the last four bytes are dotted where exactly the six words before them, or
/// five and 0xffff, are such a run at the beginning.
pub fn write_inet6(value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let bytes: [u8; 16] = padded(value, "inet6")?;
    let mut words = [0u16; 8];
    words.iter_mut().zip(bytes.chunks_exact(2)).for_each(|(word, pair)| *word = pair.iter().fold(0, |w, b| w << 8 | u16::from(*b)));
    let (gap, length) = longest_gap(&words);
    let dotted = gap == 0 && (length == 6 || length == 5 && words[5] == 0xffff);
    let end = if dotted { 6 } else { 8 };
    let mut at = 0;
    while at < end {
        if length > 0 && at == gap {
            out.extend_from_slice(b"::");
            at += length;
            continue;
        }
        if at > 0 && at != gap + length {
            out.push(b':');
        }
        // Writing to a vector cannot fail.
        let _ = write!(out, "{:x}", words[at]);
        at += 1;
    }
    if dotted {
        if length == 5 {
            out.push(b':');
        }
        let [.., a, b, c, d] = bytes;
        write_dotted([a, b, c, d], out);
    }
    Ok(())
}

/// Begin and length of the first longest run of zeros.
fn longest_gap(words: &[u16; 8]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut run = (0, 0);
    for (i, word) in words.iter().enumerate() {
        run = if *word != 0 { (i + 1, 0) } else { (run.0, run.1 + 1) };
        if run.1 > best.1 {
            best = run;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: fn(&[u8], &mut Vec<u8>) -> Result<(), DecodeError>, value: &[u8]) -> String {
        let mut out = Vec::new();
        write(value, &mut out).expect("valid");
        String::from_utf8(out).expect("ASCII")
    }

    fn words(words: [u16; 8]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    /// As MariaDB 10.11 shows them.
    #[test]
    fn addresses() {
        for (value, want) in [
            ([0; 8], "::"),
            ([1, 0, 0, 0, 0, 0, 0, 2], "1::2"),
            ([0, 0, 0, 0, 0, 0, 0, 1], "::1"),
            ([1, 0, 0, 2, 0, 0, 0, 3], "1:0:0:2::3"),
            ([0, 0, 0, 0, 0, 0, 0x102, 0x304], "::1.2.3.4"),
            ([0, 0, 0, 0, 0, 0xffff, 0x102, 0x304], "::ffff:1.2.3.4"),
            ([1, 0, 2, 3, 4, 5, 6, 7], "1::2:3:4:5:6:7"),
            ([0, 0, 0, 0, 0, 0, 1, 0], "::0.1.0.0"),
            ([0, 0, 0, 0, 0, 0, 0, 0xabcd], "::abcd"),
            ([0, 0, 1, 0, 0, 0, 0, 0], "0:0:1::"),
            ([0xfe80, 0, 0, 0, 1, 0, 0, 1], "fe80::1:0:0:1"),
            ([0, 0, 0, 0, 0, 0xffff, 0, 0], "::ffff:0.0.0.0"),
            ([1, 2, 3, 4, 5, 6, 7, 0], "1:2:3:4:5:6:7::"),
            ([1, 0, 0, 4, 5, 0, 0, 8], "1::4:5:0:0:8"),
            ([0, 2, 3, 4, 5, 6, 7, 8], "::2:3:4:5:6:7:8"),
            ([1, 2, 3, 4, 5, 6, 7, 8], "1:2:3:4:5:6:7:8"),
        ] {
            assert_eq!(text(write_inet6, &words(value)), want);
        }
        assert_eq!(text(write_inet6, b"\0\0\0\0\0\x01"), "0:0:1::");
        assert_eq!(text(write_inet4, &[192, 168]), "192.168.0.0");
        assert_eq!(
            text(write_uuid, b"\x00\x11\x22\x33\x44\x55\x66\x77\x08\x99\xaa\xbb\xcc\xdd\xee"),
            "00112233-4455-6677-0899-aabbccddee00"
        );
        assert!(write_inet4(&[0; 5], &mut Vec::new()).is_err());
        assert!(write_uuid(&[0; 17], &mut Vec::new()).is_err());
    }
}
