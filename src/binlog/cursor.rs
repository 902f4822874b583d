//! Checked reading; the only place that slices foreign bytes.

use std::fmt;

/// A read beyond the end, or a value that the format does not allow. `what` names what was being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    Short { what: &'static str, want: usize, have: usize },
    Invalid { what: &'static str, why: String },
}

impl DecodeError {
    pub fn invalid(what: &'static str, why: impl Into<String>) -> Self {
        DecodeError::Invalid { what, why: why.into() }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Short { what, want, have } => write!(f, "{what} needs {want} bytes, {have} are left"),
            DecodeError::Invalid { what, why } => write!(f, "bad {what}: {why}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A place in a byte slice. Every read is checked; a failed read leaves the cursor where it was.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    /// Bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn len(&self) -> usize {
        self.rest.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some((head, tail)) = self.rest.split_at_checked(n) else {
            return Err(DecodeError::Short { what, want: n, have: self.rest.len() });
        };
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes by value.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(*head)
            }
            None => Err(DecodeError::Short { what, want: N, have: self.rest.len() }),
        }
    }

    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(self.array::<1>(what)?[0])
    }

    #[inline]
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    #[inline]
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    #[inline]
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// Little-endian unsigned integer of `n` ≤ 8 bytes.
    #[inline]
    pub fn uint(&mut self, n: usize, what: &'static str) -> Result<u64, DecodeError> {
        debug_assert!(n <= 8);
        let bytes = self.take(n, what)?;
        Ok(bytes.iter().rev().fold(0, |value, b| value << 8 | u64::from(*b)))
    }

    /// MySQL's length-encoded integer (protocol manual, "Integer Types"); NULL (0xFB) and the error mark (0xFF) are refused.
    pub fn lenenc(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let saved = self.rest;
        let value = match self.u8(what)? {
            n @ 0..=0xfa => return Ok(u64::from(n)),
            0xfc => self.uint(2, what),
            0xfd => self.uint(3, what),
            0xfe => self.uint(8, what),
            n => Err(DecodeError::invalid(what, format!("length byte 0x{n:02x}"))),
        };
        if value.is_err() {
            self.rest = saved;
        }
        value
    }

    /// A length-encoded integer and as many bytes.
    pub fn lenenc_bytes(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let saved = self.rest;
        let taken = self.lenenc(what).and_then(|n| {
            let n = usize::try_from(n).map_err(|_| DecodeError::invalid(what, format!("length {n}")))?;
            self.take(n, what)
        });
        if taken.is_err() {
            self.rest = saved;
        }
        taken
    }

    /// Passes over `n` bytes.
    #[inline]
    pub fn skip(&mut self, n: usize, what: &'static str) -> Result<(), DecodeError> {
        self.take(n, what).map(|_| ())
    }

    /// All bytes that are left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Bytes up to a NUL, which is passed over.
    pub fn until_nul(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some(n) = memchr::memchr(0, self.rest) else {
            return Err(DecodeError::invalid(what, "no NUL ends it"));
        };
        let text = self.take(n, what)?;
        self.skip(1, what)?;
        Ok(text)
    }

    /// A length-encoded integer that must fit `usize`, as lengths and counts do.
    pub fn lenenc_len(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let saved = *self;
        let n = self.lenenc(what)?;
        usize::try_from(n).map_err(|_| {
            *self = saved;
            DecodeError::invalid(what, format!("length {n}"))
        })
    }

    /// An unsigned integer of MySQL's serialization library (`libs/mysql/serialization`): the number of trailing one bits
    /// of the first byte says how many bytes follow it; the value is what stands above the zero bit behind them.
    pub fn varlen(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let saved = *self;
        let first = self.u8(what)?;
        let more = first.trailing_ones() as usize;
        let value = match more {
            8 => self.u64(what),
            7 => self.uint(7, what),
            _ => self.uint(more, what).map(|high| high << (7 - more) | u64::from(first >> (more + 1))),
        };
        if value.is_err() {
            *self = saved;
        }
        value
    }

    /// A signed integer of the same library: the lowest bit is the sign, a negative number is stored as `-(n + 1)`.
    pub fn varlen_signed(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let raw = self.varlen(what)?;
        // `raw >> 1` is below 2^63, so neither form can overflow.
        let magnitude = (raw >> 1) as i64;
        Ok(if raw & 1 == 0 { magnitude } else { -magnitude - 1 })
    }
}

/// Text that the format defines as UTF-8 (server identifiers, file names).
pub fn utf8<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|e| DecodeError::invalid(what, format!("not UTF-8 from byte {}", e.valid_up_to())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_encoded_integers() {
        let cases: [(&[u8], u64); 4] =
            [(&[250], 250), (&[0xfc, 1, 2], 0x201), (&[0xfd, 1, 2, 3], 0x03_0201), (&[0xfe, 1, 0, 0, 0, 0, 0, 0, 0x80], 1 << 63 | 1)];
        for (bytes, want) in cases {
            assert_eq!(Cursor::new(bytes).lenenc("n").unwrap(), want);
        }
        for bad in [&[0xfb][..], &[0xff], &[0xfc, 1], &[0xfe, 1, 2, 3]] {
            let mut c = Cursor::new(bad);
            c.lenenc("n").unwrap_err();
            assert_eq!(c.rest(), bad, "a failed read moves nothing");
        }
    }

    #[test]
    fn serialization_library_integers() {
        // Each length from one to nine bytes has its own rule for the bits of the first byte.
        let cases: [(&[u8], u64); 9] = [
            // The example of the library's readme.
            (&[0xfb, 0xff, 0x07], 65535),
            (&[0], 0),
            (&[0x02], 1),
            (&[0xfe], 127),
            (&[0x01, 0x02], 128),
            (&[0xfd, 0xff], 16383),
            (&[0x7f, 1, 0, 0, 0, 0, 0, 0], 1),
            (&[0xff, 1, 0, 0, 0, 0, 0, 0, 0x80], 1 << 63 | 1),
            (&[0x03, 0, 2], 1 << 14),
        ];
        for (bytes, want) in cases {
            let mut c = Cursor::new(bytes);
            assert_eq!(c.varlen("n").unwrap(), want, "{bytes:?}");
            assert!(c.is_empty());
        }
        Cursor::new(&[0x01]).varlen("n").unwrap_err();
        let signed: [(&[u8], i64); 6] =
            [(&[0], 0), (&[4], 1), (&[2], -1), (&[0xf3, 0xff, 0x0f], 65535), (&[0xeb, 0xff, 0x0f], -65535), (&[0xfb, 0xff, 0x0f], -65536)];
        for (bytes, want) in signed {
            assert_eq!(Cursor::new(bytes).varlen_signed("n").unwrap(), want);
        }
    }

    #[test]
    fn text_up_to_nul() {
        let mut c = Cursor::new(b"ab\0c");
        assert_eq!(c.until_nul("name").unwrap(), b"ab");
        assert_eq!(c.rest(), b"c");
        c.until_nul("name").unwrap_err();
    }
}
