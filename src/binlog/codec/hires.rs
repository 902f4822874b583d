//! Dates and times with fractions as MariaDB stores them since 5.3 in tables of the old format (`mysql56_temporal_format=OFF`,
//! and all that were made before 10.1): `Field_time_hires`, `Field_datetime_hires` and `Field_timestamp_hires` in its
//! `sql/field.cc`. The type codes are those of the times without a fraction, and no metadata says how many digits there are:
//! that stands in the definition only.
//!
//! DATETIME and TIME are one number, of units as small as the declared digits, with months of 32 days and years of 13 months;
//! TIME has the largest time added, so that negative ones sort before.

use super::DecodeError;
use super::int::{big_endian, little_endian};
use super::temporal::{self, Kind, Moment};

/// Bytes of a value by the number of digits.
const TIME: [usize; 7] = [3, 4, 4, 5, 5, 5, 6];
const DATETIME: [usize; 7] = [8, 6, 6, 7, 7, 7, 8];
const TIMESTAMP: [usize; 7] = [4, 5, 5, 6, 6, 7, 7];
/// One second more than 838:59:59.
const TIME_ZERO_SECONDS: u64 = 838 * 3600 + 59 * 60 + 59 + 1;

pub fn size(kind: Kind) -> usize {
    let of = |sizes: [usize; 7], digits: u8| sizes.get(usize::from(digits)).copied().unwrap_or_default();
    match kind {
        Kind::OldTime(digits) => of(TIME, digits),
        Kind::OldDatetime(digits) => of(DATETIME, digits),
        Kind::OldTimestamp(digits) => of(TIMESTAMP, digits),
        _ => 0,
    }
}

/// So many units are a second.
fn units(digits: u8) -> u64 {
    10_u64.pow(u32::from(digits.min(6)))
}

pub fn datetime(value: &[u8], digits: u8) -> Result<Moment, DecodeError> {
    let mut rest = big_endian(value)?;
    let mut next = |base: u64| {
        let digit = rest % base;
        rest /= base;
        digit as u32
    };
    let fraction = next(units(digits));
    let (second, minute, hour) = (next(60), next(60), next(24));
    let (day, month) = (next(32), next(13));
    Ok(Moment { year: rest as u32, month, day, hour, minute, second, micros: micros(fraction, digits) })
}

pub fn timestamp(value: &[u8], digits: u8) -> Result<Moment, DecodeError> {
    let (seconds, fraction) = value.split_at(value.len().min(4));
    Ok(temporal::from_epoch(big_endian(seconds)?, micros(big_endian(fraction)? as u32, digits)))
}

/// A time, and whether it is negative.
pub fn time(value: &[u8], digits: u8) -> Result<(bool, Moment), DecodeError> {
    if digits == 0 {
        // ±HHMMSS as a signed 24-bit decimal number, as before.
        let n = ((little_endian(value)? << 40) as i64) >> 40;
        let magnitude = n.unsigned_abs() as u32;
        let clock = Moment { hour: magnitude / 10_000, minute: magnitude / 100 % 100, second: magnitude % 100, ..Moment::default() };
        return Ok((n < 0, clock));
    }
    let units = units(digits);
    let packed = big_endian(value)? as i64 - (TIME_ZERO_SECONDS * units) as i64;
    let magnitude = packed.unsigned_abs();
    let (seconds, fraction) = (magnitude / units, (magnitude % units) as u32);
    let clock = Moment {
        hour: (seconds / 3600) as u32,
        minute: (seconds / 60 % 60) as u32,
        second: (seconds % 60) as u32,
        micros: micros(fraction, digits),
        ..Moment::default()
    };
    Ok((packed < 0, clock))
}

fn micros(fraction: u32, digits: u8) -> u32 {
    fraction.saturating_mul(10_u32.pow(u32::from(6_u8.saturating_sub(digits))))
}
