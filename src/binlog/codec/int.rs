//! Integers and BIT: plain decimal digits.

use super::DecodeError;

/// Width and sign of an integer column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Int {
    pub bytes: u8,
    pub unsigned: bool,
}

impl Int {
    /// Appends a little-endian two's complement integer of the column's width.
    #[inline]
    pub fn write(self, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let raw = little_endian(value)?;
        if self.unsigned {
            write_u64(raw, out);
        } else {
            // Moving the value's sign bit to bit 63 and back extends it, for MEDIUMINT's 24 bits too.
            let unused = 64 - 8 * u32::from(self.bytes.clamp(1, 8));
            write_i64((raw << unused) as i64 >> unused, out);
        }
        Ok(())
    }
}

/// BIT(n): big-endian bytes, exact and unsigned.
#[inline]
pub fn write_bit(value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    write_u64(big_endian(value)?, out);
    Ok(())
}

#[inline]
pub fn write_u64(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[inline]
pub fn write_i64(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Up to eight bytes, the lowest first.
#[inline]
pub fn little_endian(value: &[u8]) -> Result<u64, DecodeError> {
    if value.len() > 8 {
        return Err(too_wide(value));
    }
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
    Ok(u64::from_le_bytes(bytes))
}

/// Up to eight bytes, the highest first.
#[inline]
pub fn big_endian(value: &[u8]) -> Result<u64, DecodeError> {
    if value.len() > 8 {
        return Err(too_wide(value));
    }
    Ok(value.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
}

#[cold]
fn too_wide(value: &[u8]) -> DecodeError {
    DecodeError::invalid("integer", format!("{} bytes, at most 8 are possible", value.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(bytes: u8, unsigned: bool, value: &[u8]) -> String {
        let mut out = Vec::new();
        Int { bytes, unsigned }.write(value, &mut out).expect("valid");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn all_widths_and_signs() {
        for (value, signed, unsigned) in [
            (&[0xff][..], "-1", "255"),
            (&[0x80], "-128", "128"),
            (&[0xff, 0x7f], "32767", "32767"),
            (&[0, 0, 0x80], "-8388608", "8388608"),
            (&[0xff, 0xff, 0xff], "-1", "16777215"),
            (&[0xff, 0xff, 0x7f], "8388607", "8388607"),
            (&[0, 0, 0, 0x80], "-2147483648", "2147483648"),
            (&[0xff; 8], "-1", "18446744073709551615"),
            (&[0, 0, 0, 0, 0, 0, 0, 0x80], "-9223372036854775808", "9223372036854775808"),
        ] {
            assert_eq!(int(value.len() as u8, false, value), signed);
            assert_eq!(int(value.len() as u8, true, value), unsigned);
        }
    }

    #[test]
    fn bits_are_exact() {
        for (value, want) in [
            (&[0x05][..], "5"),
            (&[0x80, 0, 0, 0], "2147483648"),
            (&[1, 0, 0, 0, 0], "4294967296"),
            (&[1, 2, 3, 4, 5, 6, 7, 8], "72623859790382856"),
            (&[0x80, 0, 0, 0, 0, 0, 0, 0], "9223372036854775808"),
        ] {
            let mut out = Vec::new();
            write_bit(value, &mut out).expect("valid");
            assert_eq!(String::from_utf8(out).expect("ASCII"), want);
        }
        assert!(write_bit(&[0; 9], &mut Vec::new()).is_err());
    }
}
