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

    #[inline]
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
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
}
