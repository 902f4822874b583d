//! Whole numbers and decimals out of their stored bytes.

use crate::binlog::DecodeError;

use super::value::{Decimal, Value};

/// Up to eight bytes, the lowest first.
pub fn little_endian(bytes: &[u8]) -> Result<u64, DecodeError> {
    bounded(bytes)?;
    Ok(bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

/// Up to eight bytes, the highest first.
pub fn big_endian(bytes: &[u8]) -> Result<u64, DecodeError> {
    bounded(bytes)?;
    Ok(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

fn bounded(bytes: &[u8]) -> Result<(), DecodeError> {
    match bytes.len() {
        0..=8 => Ok(()),
        n => Err(DecodeError::invalid("integer", format!("{n} bytes, at most 8 are possible"))),
    }
}

/// An integer column of this many bytes.
pub fn int(value: &[u8], bytes: u32, unsigned: bool) -> Result<Value, DecodeError> {
    let raw = little_endian(value)?;
    if unsigned {
        return Ok(Value::Unsigned(raw));
    }
    let values = 1i128 << (8 * bytes);
    let number = i128::from(raw);
    Ok(Value::Int(if number >= values / 2 { number - values } else { number } as i64))
}

/// Maxwell's BIT (trap 11): the bytes shifted as 32-bit numbers and summed; exact only if the top bit of eight bytes is set.
pub fn bit_as_maxwell(value: &[u8]) -> Result<Value, DecodeError> {
    let bits = big_endian(value)?;
    if bits >= 1 << 63 {
        return Ok(Value::Unsigned(bits));
    }
    let byte = |i: u32| (bits >> (8 * i) & 0xff) as i32;
    Ok(Value::Int((0..8).map(|i| i64::from(byte(i).wrapping_shl(8 * i))).sum()))
}

/// Bytes of so many digits of a decimal.
fn size_of(digits: u8) -> usize {
    usize::from(digits / 9) * 4 + usize::from(digits % 9).div_ceil(2)
}

/// Whether a server can have such a column.
pub fn is_decimal(precision: u8, scale: u8) -> bool {
    scale <= precision && (1..=81).contains(&precision)
}

/// DECIMAL(precision, scale): groups of nine digits in four bytes, the incomplete ones at the outer ends, positive numbers
/// with the first bit set, negative ones inverted as a whole.
pub fn decimal(value: &[u8], precision: u8, scale: u8) -> Result<Decimal, DecodeError> {
    let whole = precision.saturating_sub(scale);
    let size = size_of(whole) + size_of(scale);
    if value.len() != size {
        return Err(DecodeError::Short { what: "decimal", want: size, have: value.len() });
    }
    let negative = value.first().is_some_and(|byte| *byte < 0x80);
    let mut bytes: Vec<u8> = value.iter().map(|byte| if negative { !byte } else { *byte }).collect();
    if let Some(first) = bytes.first_mut() {
        *first ^= 0x80;
    }
    let groups = [whole % 9].into_iter().chain(std::iter::repeat_n(9, usize::from(whole / 9 + scale / 9))).chain([scale % 9]);
    let (mut rest, mut digits) = (&bytes[..], String::new());
    for count in groups.filter(|count| *count > 0) {
        let (group, tail) = rest.split_at_checked(size_of(count)).unwrap_or_default();
        let number = big_endian(group)?;
        let text = format!("{number:0width$}", width = usize::from(count));
        if text.len() > usize::from(count) {
            return Err(DecodeError::invalid("decimal", format!("{number} in a group of {count} digits")));
        }
        digits.push_str(&text);
        rest = tail;
    }
    let significant = digits.trim_start_matches('0');
    let zero = significant.is_empty();
    Ok(Decimal { negative: negative && !zero, digits: if zero { "0" } else { significant }.to_owned(), scale })
}
