//! MariaDB's compressed columns (`storage_format=COMPRESSED` of a TEXT, BLOB, VARCHAR or VARBINARY; not to be confused with
//! compressed events). Form: `sql/field_comp.cc` and `Field_longstr::uncompress`.

use std::io::Read;

use super::DecodeError;

const WHAT: &str = "compressed value";

/// Deflate cannot make data smaller than this many times.
const RATIO_MAX: usize = 1032;

/// Calls `write` with the plain value. One byte tells the method: 0, and the value follows as it is; or 8 in the upper
/// half, the size of the length in the lower three bits, and in bit 3 whether the deflate stream has no zlib head. An
/// empty value has no such byte.
pub fn inflated<T>(value: &[u8], write: impl FnOnce(&[u8]) -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    let Some((method, rest)) = value.split_first() else { return write(&[]) };
    match method >> 4 {
        0 => write(rest),
        8 => {
            let size = usize::from(method & 0x07);
            let (length, stream) = rest
                .split_at_checked(size)
                .filter(|_| (1..=4).contains(&size))
                .ok_or_else(|| DecodeError::invalid(WHAT, format!("a length of {size} bytes in {}", rest.len())))?;
            let length = length.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
            write(&inflate(stream, length, method & 0x08 != 0)?)
        }
        _ => Err(DecodeError::invalid(WHAT, format!("unknown method 0x{method:02x}"))),
    }
}

fn inflate(stream: &[u8], length: usize, bare: bool) -> Result<Vec<u8>, DecodeError> {
    // A false length reserves no more than the stream could become.
    let mut plain = Vec::with_capacity(length.min(stream.len().saturating_mul(RATIO_MAX)));
    let limit = length as u64 + 1;
    let read = if bare {
        flate2::read::DeflateDecoder::new(stream).take(limit).read_to_end(&mut plain)
    } else {
        flate2::read::ZlibDecoder::new(stream).take(limit).read_to_end(&mut plain)
    };
    let read = read.map_err(|e| DecodeError::invalid(WHAT, e.to_string()))?;
    if read != length {
        return Err(DecodeError::invalid(WHAT, format!("the stream does not have the {length} bytes that were announced")));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn plain(value: &[u8]) -> Result<Vec<u8>, DecodeError> {
        inflated(value, |plain| Ok(plain.to_vec()))
    }

    #[test]
    fn all_forms() {
        let text = vec![b'x'; 0x1234];
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(&text).expect("memory");
        let zlib = zlib.finish().expect("memory");
        let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        deflate.write_all(&text).expect("memory");
        let deflate = deflate.finish().expect("memory");
        for (value, want) in [
            (vec![], &b""[..]),
            (vec![0], b""),
            (b"\0abc".to_vec(), b"abc"),
            ([&[0x82, 0x12, 0x34], &zlib[..]].concat(), &text),
            ([&[0x8b, 0, 0x12, 0x34], &deflate[..]].concat(), &text),
        ] {
            assert_eq!(plain(&value).expect("valid"), want);
        }
        for damaged in [
            vec![0x10, 1],
            vec![0x80],
            vec![0x82, 1],
            vec![0x87, 0, 0, 0, 0, 0, 0, 1],
            [&[0x82, 0x12, 0x33], &zlib[..]].concat(),
            [&[0x84, 0xff, 0xff, 0xff, 0xff], &zlib[..]].concat(),
            [&[0x8a, 0x12, 0x34], &zlib[..]].concat(),
            [&[0x82, 0x12, 0x34], &zlib[..zlib.len() / 2]].concat(),
        ] {
            assert!(plain(&damaged).is_err(), "{damaged:x?}");
        }
    }
}
