//! DECIMAL: the server's packed form (`strings/decimal.cc`, `decimal2bin`) to the text of java.math.BigDecimal.

use super::DecodeError;
use super::int;

/// Bytes that hold 0 to 9 decimal digits.
const BYTES_OF_DIGITS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// The most digits that a decimal can have: nine groups of nine (`DECIMAL_MAX_PRECISION` is lower, 65).
const DIGITS_MAX: usize = 81;

/// Declared digits of a column, and the size of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    integer: u8,
    scale: u8,
    size: u8,
}

/// When small numbers get an exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// BigDecimal's canonical text: an exponent below 1e-6 (`0E-10`, `1.000E-7`).
    Canonical,
    /// Never an exponent.
    Plain,
}

impl Decimal {
    /// `None` if no server can have such a column.
    pub fn new(precision: u8, scale: u8) -> Option<Self> {
        let integer = precision.checked_sub(scale)?;
        if usize::from(precision) > DIGITS_MAX || precision == 0 {
            return None;
        }
        let bytes = |digits: u8| usize::from(digits / 9) * 4 + BYTES_OF_DIGITS[usize::from(digits % 9)];
        Some(Decimal { integer, scale, size: u8::try_from(bytes(integer) + bytes(scale)).ok()? })
    }

    /// Size of a value in bytes.
    pub fn size(self) -> usize {
        usize::from(self.size)
    }

    /// Appends the number with exactly the declared scale.
    pub fn write(self, value: &[u8], notation: Notation, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let mut digits = Digits { text: [b'0'; DIGITS_MAX], len: 0 };
        let negative = self.unpack(value, &mut digits)?;
        let all = digits.text.get(..digits.len).unwrap_or_default();
        let zeros = all.iter().take_while(|d| **d == b'0').count();
        // A zero keeps one digit and has no sign.
        let is_zero = zeros == all.len();
        let significant = if is_zero { b"0" } else { all.get(zeros..).unwrap_or_default() };
        if negative && !is_zero {
            out.push(b'-');
        }
        let exponent = significant.len() as i32 - 1 - i32::from(self.scale);
        if self.scale == 0 || exponent >= -6 || notation == Notation::Plain {
            let (whole, fraction) = all.split_at(usize::from(self.integer).min(all.len()));
            let whole = whole.get(zeros.min(whole.len())..).unwrap_or_default();
            out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
            if !fraction.is_empty() {
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
        } else {
            let (first, rest) = significant.split_at(1);
            out.extend_from_slice(first);
            if !rest.is_empty() {
                out.push(b'.');
                out.extend_from_slice(rest);
            }
            out.push(b'E');
            int::write_i64(i64::from(exponent), out);
        }
        Ok(())
    }

    /// Unpacks all declared digits; `true` for a negative number.
    fn unpack(self, value: &[u8], digits: &mut Digits) -> Result<bool, DecodeError> {
        if value.len() != self.size() {
            return Err(DecodeError::Short { what: "decimal", want: self.size(), have: value.len() });
        }
        // The highest bit is set for positive numbers; all bits of negative ones are inverted.
        let negative = value.first().is_some_and(|b| b & 0x80 == 0);
        let invert = if negative { 0xff } else { 0 };
        let mut bytes = value.iter().enumerate().map(|(i, b)| b ^ invert ^ if i == 0 { 0x80 } else { 0 });
        let mut group = |count: u8| {
            let size = BYTES_OF_DIGITS[usize::from(count)];
            let number = bytes.by_ref().take(size).fold(0u32, |n, b| n << 8 | u32::from(b));
            digits.push(number, usize::from(count))
        };
        if !self.integer.is_multiple_of(9) {
            group(self.integer % 9)?;
        }
        for _ in 0..self.integer / 9 + self.scale / 9 {
            group(9)?;
        }
        if !self.scale.is_multiple_of(9) {
            group(self.scale % 9)?;
        }
        Ok(negative)
    }
}

/// Decimal digits as ASCII text.
struct Digits {
    text: [u8; DIGITS_MAX],
    len: usize,
}

impl Digits {
    fn push(&mut self, number: u32, count: usize) -> Result<(), DecodeError> {
        if number >= 10u32.pow(count as u32) {
            return Err(DecodeError::invalid("decimal", format!("{number} in a group of {count} digits")));
        }
        let mut rest = number;
        for slot in self.text.iter_mut().skip(self.len).take(count).rev() {
            *slot = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.len += count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The server's packing of a digit string, written independently of the reader.
    fn pack(negative: bool, digits: &str, scale: usize) -> Vec<u8> {
        let integer = digits.len() - scale;
        let (whole, fraction) = digits.split_at(integer);
        let mut bytes = Vec::new();
        let mut group = |text: &str| {
            if !text.is_empty() {
                let size = BYTES_OF_DIGITS[text.len()];
                bytes.extend_from_slice(&text.parse::<u32>().expect("digits").to_be_bytes()[4 - size..]);
            }
        };
        let (partial, full) = whole.split_at(integer % 9);
        group(partial);
        full.as_bytes().chunks(9).for_each(|g| group(std::str::from_utf8(g).expect("ASCII")));
        fraction.as_bytes().chunks(9).for_each(|g| group(std::str::from_utf8(g).expect("ASCII")));
        bytes[0] ^= 0x80;
        if negative {
            bytes.iter_mut().for_each(|b| *b = !*b);
        }
        bytes
    }

    fn text(precision: u8, scale: u8, bytes: &[u8], notation: Notation) -> String {
        let mut out = Vec::new();
        Decimal::new(precision, scale).expect("legal").write(bytes, notation, &mut out).expect("valid");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn prints_as_big_decimal_does() {
        for (negative, digits, scale, want) in [
            (false, "0000000500", 2, "5.00"),
            (false, "00000000000000000000", 10, "0E-10"),
            (true, "00000000000000000000", 10, "0E-10"),
            (false, "00000000000000001000", 10, "1.000E-7"),
            (true, "00000000000000012345", 12, "-1.2345E-8"),
            (false, "00000000000000000001", 7, "1E-7"),
            (false, "000000000000", 7, "0E-7"),
            (false, "00000000", 6, "0.000000"),
            (false, "00000001", 6, "0.000001"),
            (true, "0000000000", 0, "0"),
            (true, "1234567890123456789012345678901234567890", 0, "-1234567890123456789012345678901234567890"),
            (true, "123456789", 9, "-0.123456789"),
        ] {
            let bytes = pack(negative, digits, scale);
            assert_eq!(text(digits.len() as u8, scale as u8, &bytes, Notation::Canonical), want, "{digits} scale {scale}");
        }
        assert_eq!(text(20, 10, &pack(false, "00000000000000001000", 10), Notation::Plain), "0.0000001000");
    }

    #[test]
    fn refuses_what_no_server_writes() {
        assert!(Decimal::new(5, 6).is_none());
        assert!(Decimal::new(82, 0).is_none());
        let decimal = Decimal::new(9, 0).expect("legal");
        assert!(decimal.write(&[0xff, 0xff, 0xff, 0xff], Notation::Plain, &mut Vec::new()).is_err());
        assert!(decimal.write(&[0x80], Notation::Plain, &mut Vec::new()).is_err());
    }

    /// BigDecimal's text rule over the digit string, by arithmetic on text only.
    fn oracle(negative: bool, digits: &str, scale: usize) -> String {
        let unscaled = digits.trim_start_matches('0');
        let unscaled = if unscaled.is_empty() { "0" } else { unscaled };
        let sign = if negative && unscaled != "0" { "-" } else { "" };
        let exponent = unscaled.len() as i64 - 1 - scale as i64;
        if scale == 0 {
            return format!("{sign}{unscaled}");
        }
        if exponent >= -6 {
            let padded = format!("{unscaled:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            return format!("{sign}{whole}.{fraction}");
        }
        let (first, rest) = unscaled.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{dot}{rest}E{exponent}")
    }

    proptest! {
        #[test]
        fn agrees_with_the_oracle(digits in "0{0,20}[0-9]{1,45}", scale in 0usize..=30, negative: bool) {
            let scale = scale.min(digits.len());
            let bytes = pack(negative, &digits, scale);
            prop_assert_eq!(text(digits.len() as u8, scale as u8, &bytes, Notation::Canonical), oracle(negative, &digits, scale));
        }

        #[test]
        fn never_panics(precision: u8, scale: u8, bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(decimal) = Decimal::new(precision, scale) {
                let _ = decimal.write(&bytes, Notation::Canonical, &mut Vec::new());
                let mut exact = bytes.clone();
                exact.resize(decimal.size(), 0x7f);
                let _ = decimal.write(&exact, Notation::Canonical, &mut Vec::new());
            }
        }
    }
}
