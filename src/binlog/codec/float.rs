//! FLOAT and DOUBLE as Java (JDK 19 and later) prints them: the shortest digits that read back as the same number, in
//! Java's layout (contract §4.4; the rule is in the documentation of java.lang.Double.toString).

use std::io::Write;

use super::DecodeError;
use super::int;

/// FLOAT: four bytes, little-endian.
#[inline]
pub fn write_f32(value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let bytes = value.try_into().map_err(|_| wrong_size(4, value))?;
    let number = f32::from_le_bytes(bytes);
    if !number.is_finite() {
        write_nonfinite(f64::from(number), out);
        return Ok(());
    }
    let mut buffer = zmij::Buffer::new();
    let digits = Digits::of(buffer.format_finite(number), || two_digits(format_args!("{number:.1e}")));
    digits.write_java(f64::from(number), out);
    Ok(())
}

/// VECTOR: an array of numbers of four bytes each (MySQL 9 and MariaDB 11.7 store them alike).
pub fn write_f32_array(value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    if !value.len().is_multiple_of(4) {
        return Err(DecodeError::invalid("vector", format!("{} bytes", value.len())));
    }
    out.push(b'[');
    for (i, number) in value.chunks_exact(4).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_f32(number, out)?;
    }
    out.push(b']');
    Ok(())
}

/// DOUBLE: eight bytes, little-endian.
#[inline]
pub fn write_f64(value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    write_double(double(value)?, out);
    Ok(())
}

/// Reads a little-endian double.
pub fn double(value: &[u8]) -> Result<f64, DecodeError> {
    value.try_into().map(f64::from_le_bytes).map_err(|_| wrong_size(8, value))
}

/// Appends a double in Java's layout.
pub fn write_double(number: f64, out: &mut Vec<u8>) {
    if !number.is_finite() {
        return write_nonfinite(number, out);
    }
    let mut buffer = zmij::Buffer::new();
    Digits::of(buffer.format_finite(number), || two_digits(format_args!("{number:.1e}"))).write_java(number, out);
}

/// Appends a double as Maxwell does inside JSON documents: Java's text where that has no exponent, else the exact binary
/// value in plain digits (contract §4.8).
pub fn write_json_double(number: f64, out: &mut Vec<u8>) {
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) || !number.is_finite() {
        return write_double(number, out);
    }
    // number = mantissa × 2^exponent with an odd mantissa; it has -exponent decimal places, none if that is negative.
    let bits = magnitude.to_bits();
    let (fraction, biased) = (bits & ((1 << 52) - 1), (bits >> 52) as i32);
    let (mantissa, exponent) = if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    let exponent = exponent + mantissa.trailing_zeros() as i32;
    let places = usize::try_from(-exponent).unwrap_or(0);
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{number:.places$}");
}

/// Appends the shortest digits in plain notation, without an exponent and without a trailing `.0`; `false` (and nothing
/// written) for a number that is not finite.
pub fn write_plain(number: f64, out: &mut Vec<u8>) -> bool {
    if !number.is_finite() {
        return false;
    }
    let mut buffer = zmij::Buffer::new();
    let digits = Digits::of(buffer.format_finite(number), || None);
    if number.is_sign_negative() {
        out.push(b'-');
    }
    if number == 0.0 {
        out.push(b'0');
    } else {
        digits.write_positional(false, out);
    }
    true
}

/// A column cannot hold these; Maxwell would quote Java's names.
#[cold]
fn write_nonfinite(number: f64, out: &mut Vec<u8>) {
    let name: &[u8] = match (number.is_nan(), number > 0.0) {
        (true, _) => b"\"NaN\"",
        (_, true) => b"\"Infinity\"",
        _ => b"\"-Infinity\"",
    };
    out.extend_from_slice(name);
}

#[cold]
fn wrong_size(want: usize, value: &[u8]) -> DecodeError {
    DecodeError::Short { what: "floating point number", want, have: value.len() }
}

/// The significant digits of a number: d.ddd × 10^exponent.
struct Digits {
    text: [u8; 20],
    len: usize,
    exponent: i32,
}

impl Digits {
    /// Takes the digits from any decimal notation. A single digit is replaced by the closest two, if they are given,
    /// because Java never considers fewer than two.
    fn of(text: &str, closest_two: impl FnOnce() -> Option<Digits>) -> Digits {
        let mut digits = Digits { text: [b'0'; 20], len: 0, exponent: -1 };
        let mut bytes = text.bytes();
        let (mut seen_dot, mut shift) = (false, 0);
        for b in bytes.by_ref() {
            match b {
                b'0' if digits.len == 0 => digits.exponent -= i32::from(seen_dot),
                b'0'..=b'9' => {
                    digits.push(b);
                    digits.exponent += i32::from(!seen_dot);
                }
                b'.' => seen_dot = true,
                b'e' => {
                    shift = small_int(&mut bytes);
                    break;
                }
                _ => {}
            }
        }
        digits.exponent += shift;
        while digits.len > 1 && digits.text.get(digits.len - 1) == Some(&b'0') {
            digits.len -= 1;
        }
        // Only subnormal numbers are so coarse that another pair of digits than "d0" can be closer.
        if digits.len == 1 && digits.exponent < -36 {
            return closest_two().unwrap_or(digits);
        }
        digits
    }

    fn push(&mut self, digit: u8) {
        if let Some(slot) = self.text.get_mut(self.len) {
            *slot = digit;
            self.len += 1;
        }
    }

    fn significant(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }

    fn write_java(&self, number: f64, out: &mut Vec<u8>) {
        if number.is_sign_negative() {
            out.push(b'-');
        }
        if number == 0.0 {
            out.extend_from_slice(b"0.0");
        } else if (-3..7).contains(&self.exponent) {
            self.write_positional(true, out);
        } else {
            let (first, rest) = self.significant().split_at(self.len.min(1));
            out.extend_from_slice(first);
            out.push(b'.');
            out.extend_from_slice(if rest.is_empty() { b"0" } else { rest });
            out.push(b'E');
            int::write_i64(i64::from(self.exponent), out);
        }
    }

    fn write_positional(&self, fraction_always: bool, out: &mut Vec<u8>) {
        let digits = self.significant();
        let Ok(exponent) = usize::try_from(self.exponent) else {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-1 - self.exponent) as usize, b'0');
            out.extend_from_slice(digits);
            return;
        };
        let (whole, fraction) = digits.split_at((exponent + 1).min(digits.len()));
        out.extend_from_slice(whole);
        out.resize(out.len() + (exponent + 1 - whole.len()), b'0');
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        } else if fraction_always {
            out.extend_from_slice(b".0");
        }
    }
}

/// Reads `[+-]digits` to the end.
fn small_int(bytes: &mut std::str::Bytes<'_>) -> i32 {
    let (mut value, mut negative) = (0i32, false);
    for b in bytes {
        match b {
            b'-' => negative = true,
            b'0'..=b'9' => value = value.saturating_mul(10).saturating_add(i32::from(b - b'0')),
            _ => {}
        }
    }
    if negative { -value } else { value }
}

/// The digits of a number that was rounded, exactly, to two significant digits.
#[cold]
fn two_digits(text: std::fmt::Arguments<'_>) -> Option<Digits> {
    let mut buffer = [0u8; 32];
    let mut rest = &mut buffer[..];
    rest.write_fmt(text).ok()?;
    let unused = rest.len();
    let written = buffer.get(..buffer.len() - unused)?;
    Some(Digits::of(std::str::from_utf8(written).ok()?, || None))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn double(number: f64) -> String {
        let mut out = Vec::new();
        write_f64(&number.to_le_bytes(), &mut out).expect("valid");
        String::from_utf8(out).expect("ASCII")
    }

    fn float(number: f32) -> String {
        let mut out = Vec::new();
        write_f32(&number.to_le_bytes(), &mut out).expect("valid");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn java_layout() {
        for (number, want) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100.0, "100.0"),
            (-1.5, "-1.5"),
            (0.001, "0.001"),
            (0.00123, "0.00123"),
            (0.0009999, "9.999E-4"),
            (1e-4, "1.0E-4"),
            (9999999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12345678.9, "1.23456789E7"),
            (1.2345678901234568e17, "1.2345678901234568E17"),
            (2e23, "2.0E23"),
            (5e-324, "4.9E-324"),
            (1e-323, "9.9E-324"),
            (1.5e-323, "1.5E-323"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::INFINITY, "\"Infinity\""),
        ] {
            assert_eq!(double(number), want);
        }
        for (number, want) in [
            (3.4028235e38, "3.4028235E38"),
            (1.4e-45, "1.4E-45"),
            (2.8e-45, "2.8E-45"),
            (0.1, "0.1"),
            (1.1754944e-38, "1.1754944E-38"),
            (16777216.0, "1.6777216E7"),
        ] {
            assert_eq!(float(number), want);
        }
        assert!(write_f64(&[0; 4], &mut Vec::new()).is_err());
    }

    #[test]
    fn json_documents_never_use_exponents() {
        for (number, want) in [
            (1e7, "10000000"),
            (12345678.9, "12345678.90000000037252902984619140625"),
            (1e-5, "0.000010000000000000000818030539140313095458623138256371021270751953125"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1e22, "10000000000000000000000"),
            (123456789012345678.0, "123456789012345680"),
            (-1e100, "-10000000000000000159028911097599180468360808563945281389781327557747838772170381060813469985856815104"),
        ] {
            let mut out = Vec::new();
            write_json_double(number, &mut out);
            assert_eq!(String::from_utf8(out).expect("ASCII"), want);
        }
        let mut out = Vec::new();
        write_json_double(5e-324, &mut out);
        assert_eq!(out.len(), 1076);
        assert!(out.ends_with(b"447265625"));
    }

    #[test]
    fn plain_notation() {
        for (number, want) in [
            (3.0, "3"),
            (-0.0, "-0"),
            (0.5, "0.5"),
            (1e20, "100000000000000000000"),
            (1e-7, "0.0000001"),
            (-1234.25, "-1234.25"),
            (1e-17, "0.00000000000000001"),
        ] {
            let mut out = Vec::new();
            assert!(write_plain(number, &mut out));
            assert_eq!(String::from_utf8(out).expect("ASCII"), want);
        }
        assert!(!write_plain(f64::NAN, &mut Vec::new()));
    }

    /// The parts of the specification that a text can be checked against.
    fn check_java_text(text: &str, magnitude: f64) {
        let text = text.trim_start_matches('-');
        let (mantissa, exponent) = text.split_once('E').map_or((text, None), |(m, e)| (m, Some(e)));
        let (whole, fraction) = mantissa.split_once('.').expect("a fraction");
        assert!(!whole.is_empty() && !fraction.is_empty());
        let positional = magnitude == 0.0 || (1e-3..1e7).contains(&magnitude);
        assert_eq!(exponent.is_none(), positional, "{text}");
        assert!(positional || (whole.len() == 1 && whole != "0"), "{text}");
        assert!(fraction == "0" || !fraction.ends_with('0'), "{text}");
    }

    proptest! {
        #[test]
        fn double_text_reads_back(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let text = double(number);
            prop_assert_eq!(text.parse::<f64>().expect("a number").to_bits(), bits);
            check_java_text(&text, number.abs());
            let shortest = format!("{number:e}");
            let count = |text: &str| text.split(['e', 'E']).next().unwrap_or("").bytes().filter(u8::is_ascii_digit).count();
            if !(1e-3..1e7).contains(&number.abs()) && number != 0.0 {
                prop_assert_eq!(count(&text), count(&shortest).max(2));
            }
        }

        #[test]
        fn float_text_reads_back(bits: u32) {
            let number = f32::from_bits(bits);
            prop_assume!(number.is_finite());
            let text = float(number);
            prop_assert_eq!(text.parse::<f32>().expect("a number").to_bits(), bits);
            check_java_text(&text, f64::from(number).abs());
        }

        #[test]
        fn json_double_is_exact(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let mut out = Vec::new();
            write_json_double(number, &mut out);
            let text = String::from_utf8(out).expect("ASCII");
            prop_assert!(!text.contains('E'));
            prop_assert_eq!(text.parse::<f64>().expect("a number").to_bits(), bits);
        }
    }
}
