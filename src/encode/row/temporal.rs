//! Dates and times out of their stored forms (the server's `my_time.cc`), and as Maxwell's clocks and calendars turn them.

use crate::binlog::DecodeError;
use crate::binlog::codec::julian_or_gregorian;

use super::number::{big_endian, little_endian};
use super::value::{Clock, Date};

/// What a column stores; the number is that of the declared fractional digits. The old formats, those before 5.6, have
/// fractions on MariaDB only (since 5.3; `Field_datetime_hires` and its like in its `sql/field.cc`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    Date,
    Datetime(u8),
    Timestamp(u8),
    OldDatetime(u8),
    OldTimestamp(u8),
}

impl Stored {
    pub fn digits(self) -> u8 {
        match self {
            Stored::Datetime(digits) | Stored::Timestamp(digits) | Stored::OldDatetime(digits) | Stored::OldTimestamp(digits) => digits,
            Stored::Date => 0,
        }
    }

    /// Date and time as stored.
    pub fn read(self, value: &[u8]) -> Result<(Date, Clock), DecodeError> {
        match self {
            Stored::Date => {
                let n = little_endian(exactly(value, 3)?)? as u32;
                Ok((Date { year: n >> 9, month: n >> 5 & 15, day: n & 31 }, Clock::default()))
            }
            Stored::Datetime(digits) => {
                let (head, tail) = halves(value, 5, digits)?;
                let Some(packed) = big_endian(head)?.checked_sub(1 << 39) else {
                    return Err(DecodeError::invalid("datetime", "a negative value"));
                };
                let (date, clock) = unpacked(packed);
                Ok((date, Clock { micros: micros(big_endian(tail)?, digits), ..clock }))
            }
            Stored::Timestamp(digits) => {
                let (head, tail) = halves(value, 4, digits)?;
                Ok(since_1970(big_endian(head)?, micros(big_endian(tail)?, digits)))
            }
            Stored::OldTimestamp(0) => Ok(since_1970(little_endian(exactly(value, 4)?)?, 0)),
            Stored::OldTimestamp(digits) => {
                let (seconds, fraction) = exactly(value, 4 + fraction_width(digits))?.split_at(4);
                Ok(since_1970(big_endian(seconds)?, big_endian(fraction)? as u32 * unit_micros(digits)))
            }
            Stored::OldDatetime(0) => {
                // YYYYMMDDHHMMSS in decimal.
                let n = little_endian(exactly(value, 8)?)?;
                let (date, time) = ((n / 1_000_000) as u32, (n % 1_000_000) as u32);
                Ok((
                    Date { year: date / 10_000, month: date / 100 % 100, day: date % 100 },
                    Clock { hour: time / 10_000, minute: time / 100 % 100, second: time % 100, micros: 0 },
                ))
            }
            Stored::OldDatetime(digits) => {
                // Units of the last digit, with 32 days a month and 13 months a year.
                let units = big_endian(exactly(value, old_size([6, 6, 7, 7, 7, 8], digits))?)?;
                let per_second = u64::from(1_000_000 / unit_micros(digits));
                let (seconds, fraction) = (units / per_second, (units % per_second) as u32);
                let (days, second) = (seconds / 86_400, (seconds % 86_400) as u32);
                Ok((
                    Date { year: (days / 32 / 13) as u32, month: (days / 32 % 13) as u32, day: (days % 32) as u32 },
                    Clock { micros: fraction * unit_micros(digits), ..clock_of(second) },
                ))
            }
        }
    }
}

/// TIME of the old format.
pub fn old_time(value: &[u8], digits: u8) -> Result<(bool, Clock), DecodeError> {
    if digits == 0 {
        let raw = little_endian(exactly(value, 3)?)? as i64;
        let n = if raw >= 1 << 23 { raw - (1 << 24) } else { raw };
        let hhmmss = n.unsigned_abs() as u32;
        return Ok((n < 0, Clock { hour: hhmmss / 10_000, minute: hhmmss / 100 % 100, second: hhmmss % 100, micros: 0 }));
    }
    // Units of the last digit, counted from 839 hours before midnight.
    let units = big_endian(exactly(value, old_size([4, 4, 5, 5, 5, 6], digits))?)? as i64;
    let per_second = i64::from(1_000_000 / unit_micros(digits));
    let signed = units - 839 * 3600 * per_second;
    let (seconds, fraction) = (signed.abs() / per_second, (signed.abs() % per_second) as u32);
    let clock = Clock { hour: (seconds / 3600) as u32, ..clock_of((seconds % 3600) as u32) };
    Ok((signed < 0, Clock { micros: fraction * unit_micros(digits), ..clock }))
}

/// TIME with so many declared digits.
pub fn time(value: &[u8], digits: u8) -> Result<(bool, Clock), DecodeError> {
    let width = fraction_width(digits);
    let all = big_endian(exactly(value, 3 + width)?)? as i64;
    let scale = 1i64 << (8 * width);
    let signed = all - 0x80_0000 * scale;
    let (whole, fraction) = (signed.abs() / scale, signed.abs() % scale);
    Ok((signed < 0, Clock { micros: micros(fraction as u64, digits), ..clock(whole as u64) }))
}

/// TIME as Maxwell's clock shows it: the stored bits without their sign, wrapped at a day. `None`: the old format.
pub fn time_as_maxwell(value: &[u8], digits: Option<u8>) -> Result<Clock, DecodeError> {
    let micros = match digits {
        None => {
            let n = little_endian(exactly(value, 3)?)?;
            (n / 10_000 * 3600 + n / 100 % 100 * 60 + n % 100) * 1_000_000
        }
        Some(digits) => {
            let (head, tail) = halves(value, 3, digits)?;
            let whole = clock(big_endian(head)?);
            let seconds = (u64::from(whole.hour) * 60 + u64::from(whole.minute)) * 60 + u64::from(whole.second);
            seconds * 1_000_000 + u64::from(micros(big_endian(tail)?, digits))
        }
    };
    Ok(Clock { micros: (micros % 1_000_000) as u32, ..clock_of((micros / 1_000_000 % 86_400) as u32) })
}

/// A moment as Maxwell's calendar shows it: all zero if a part of the date is, days that the month does not have rolled over.
pub fn moment_as_maxwell(date: Date, clock: Clock) -> (Date, Clock) {
    if date.is_zero() {
        return (Date::default(), Clock::default());
    }
    let (year, month, day) = julian_or_gregorian(date.year, date.month, date.day);
    (Date { year, month, day }, clock)
}

/// The packed form inside of JSON documents: date and time.
pub fn json_datetime(packed: i64) -> (Date, Clock) {
    let magnitude = packed.unsigned_abs();
    let (date, clock) = unpacked(magnitude >> 24);
    (date, Clock { micros: (magnitude & 0xff_ffff) as u32, ..clock })
}

/// The same of a time.
pub fn json_time(packed: i64) -> (bool, Clock) {
    let magnitude = packed.unsigned_abs();
    (packed < 0, Clock { micros: (magnitude & 0xff_ffff) as u32, ..clock(magnitude >> 24) })
}

fn fraction_width(digits: u8) -> usize {
    usize::from(digits.div_ceil(2))
}

fn exactly(value: &[u8], size: usize) -> Result<&[u8], DecodeError> {
    if value.len() == size { Ok(value) } else { Err(DecodeError::Short { what: "temporal value", want: size, have: value.len() }) }
}

/// The whole part and the fraction.
fn halves(value: &[u8], size: usize, digits: u8) -> Result<(&[u8], &[u8]), DecodeError> {
    let value = exactly(value, size + fraction_width(digits))?;
    Ok(value.split_at(size))
}

/// Fractions are stored in hundredths, ten-thousandths or millionths, by their declared digits.
fn micros(stored: u64, digits: u8) -> u32 {
    let unit = [0, 10_000, 100, 1].get(fraction_width(digits)).copied().unwrap_or(0);
    (stored * unit) as u32
}

/// Bytes of an old value with one to six digits.
fn old_size(sizes: [usize; 6], digits: u8) -> usize {
    usize::from(digits).checked_sub(1).and_then(|i| sizes.get(i)).copied().unwrap_or(0)
}

/// A unit of the last digit, in microseconds.
fn unit_micros(digits: u8) -> u32 {
    10u32.pow(u32::from(6u8.saturating_sub(digits)))
}

/// Of a second of the day.
fn clock_of(second: u32) -> Clock {
    Clock { hour: second / 3600, minute: second / 60 % 60, second: second % 60, micros: 0 }
}

/// Hours in ten bits, minutes and seconds in six.
fn clock(bits: u64) -> Clock {
    let part = |shift: u32, mask: u64| (bits >> shift & mask) as u32;
    Clock { hour: part(12, 0x3ff), minute: part(6, 0x3f), second: part(0, 0x3f), micros: 0 }
}

/// 13 · year + month, five bits of day, 17 bits of clock.
fn unpacked(bits: u64) -> (Date, Clock) {
    let months = (bits >> 22) as u32;
    (Date { year: months / 13, month: months % 13, day: (bits >> 17 & 31) as u32 }, clock(bits & 0x1_ffff))
}

/// UTC; 0 without a fraction is the zero date.
fn since_1970(seconds: u64, micros: u32) -> (Date, Clock) {
    if seconds == 0 && micros == 0 {
        return (Date::default(), Clock::default());
    }
    let is_leap = |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut days, second) = ((seconds / 86_400) as u32, (seconds % 86_400) as u32);
    let mut year = 1970;
    while days >= 365 + u32::from(is_leap(year)) {
        days -= 365 + u32::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u32::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (Date { year, month, day: days + 1 }, Clock { micros, ..clock_of(second) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_epoch() {
        for (seconds, want) in [(1, (1970, 1, 1)), (951_782_400, (2000, 2, 29)), (1_709_251_199, (2024, 2, 29)), (u32::MAX, (2106, 2, 7))] {
            let (date, _) = since_1970(u64::from(seconds), 0);
            assert_eq!((date.year, date.month, date.day), want);
        }
    }

    /// Packed as MariaDB's `Field_*_hires` do.
    #[test]
    fn old_formats_with_fractions() {
        let clock = Clock { hour: 23, minute: 59, second: 58, micros: 120_000 };
        let days = (2024u64 * 13 + 12) * 32 + 31;
        let datetime = (days * 86_400 + 86_398) * 100 + 12;
        let read = Stored::OldDatetime(2).read(&datetime.to_be_bytes()[2..]).expect("valid");
        assert_eq!(read, (Date { year: 2024, month: 12, day: 31 }, clock));
        let read = Stored::OldTimestamp(3).read(&[0, 0, 0, 1, 0x01, 0xf4]).expect("valid");
        assert_eq!(read.1, Clock { second: 1, micros: 500_000, ..Clock::default() });
        let zero = 839i64 * 3600;
        let time = (zero - 90_061) * 1_000_000 - 7;
        let read = old_time(&time.to_be_bytes()[2..], 6).expect("valid");
        assert_eq!(read, (true, Clock { hour: 25, minute: 1, second: 1, micros: 7 }));
        assert!(old_time(&[0; 3], 6).is_err());
    }

    #[test]
    fn times_keep_their_sign_and_maxwell_loses_it() {
        // -00:00:01.5 with one digit.
        let value = ((0x80_0000i64 << 8) - (1 << 8 | 50)).to_be_bytes();
        let value = &value[4..];
        assert_eq!(time(value, 1).expect("valid"), (true, Clock { second: 1, micros: 500_000, ..Clock::default() }));
        let seen = time_as_maxwell(value, Some(1)).expect("valid");
        assert_ne!(seen.second, 1);
        let old = &(-8_385_959i32).to_le_bytes()[..3];
        assert_eq!(old_time(old, 0).expect("valid"), (true, Clock { hour: 838, minute: 59, second: 59, micros: 0 }));
    }
}
