//! Binary values as base64: standard alphabet, padded, no line breaks.

use base64_simd::STANDARD;

/// The most bytes that a BINARY column has.
const BINARY_MAX: usize = 255;

/// Appends the base64 text.
#[inline]
pub fn write(bytes: &[u8], out: &mut Vec<u8>) {
    // The encoder reserves exactly what it needs, so without this a growing buffer would be moved again and again.
    out.reserve(bytes.len().div_ceil(3) * 4);
    STANDARD.encode_append(bytes, out);
}

/// Appends a BINARY(width) value. The server logs it without its trailing 0x00 bytes; they are put back.
pub fn write_padded(bytes: &[u8], width: u16, out: &mut Vec<u8>) {
    let mut padded = [0; BINARY_MAX];
    let padded = padded.get_mut(..usize::from(width)).filter(|p| p.len() > bytes.len());
    match padded {
        Some(padded) => {
            padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            write(padded, out);
        }
        None => write(bytes, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_to_the_declared_width() {
        for (bytes, width, want) in [
            (&[0, 1, 2][..], 3, "AAEC"),
            (&[0, 1, 2], 10, "AAECAAAAAAAAAA=="),
            (&[], 2, "AAA="),
            (&[1, 2, 3, 4], 3, "AQIDBA=="),
            (&[1], 1000, "AQ=="),
        ] {
            let mut out = Vec::new();
            write_padded(bytes, width, &mut out);
            assert_eq!(String::from_utf8(out).expect("ASCII"), want);
        }
        let mut out = Vec::new();
        write(b"\xff\xfe\x00", &mut out);
        assert_eq!(out, b"//4A");
    }
}
