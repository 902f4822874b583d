//! Dates and times out of their stored forms (the server's `my_time.cc`), and as Maxwell's clocks and calendars turn them.

use crate::binlog::DecodeError;
use crate::binlog::codec::julian_or_gregorian;

use super::number::{big_endian, little_endian};
use super::value::{Clock, Date};

/// What a column stores; the number is that of the declared fractional digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    Date,
    Datetime(u8),
    Timestamp(u8),
    OldDatetime,
    OldTimestamp,
}

impl Stored {
    pub fn digits(self) -> u8 {
        match self {
            Stored::Datetime(digits) | Stored::Timestamp(digits) => digits,
            Stored::Date | Stored::OldDatetime | Stored::OldTimestamp => 0,
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
            Stored::OldTimestamp => Ok(since_1970(little_endian(exactly(value, 4)?)?, 0)),
            Stored::OldDatetime => {
                // YYYYMMDDHHMMSS in decimal.
                let n = little_endian(exactly(value, 8)?)?;
                let (date, time) = ((n / 1_000_000) as u32, (n % 1_000_000) as u32);
                Ok((
                    Date { year: date / 10_000, month: date / 100 % 100, day: date % 100 },
                    Clock { hour: time / 10_000, minute: time / 100 % 100, second: time % 100, micros: 0 },
                ))
            }
        }
    }
}

/// TIME with so many declared digits; `None` for the format before 5.6, which has none.
pub fn time(value: &[u8], digits: Option<u8>) -> Result<(bool, Clock), DecodeError> {
    let Some(digits) = digits else {
        let raw = little_endian(exactly(value, 3)?)? as i64;
        let n = if raw >= 1 << 23 { raw - (1 << 24) } else { raw };
        let hhmmss = n.unsigned_abs() as u32;
        return Ok((n < 0, Clock { hour: hhmmss / 10_000, minute: hhmmss / 100 % 100, second: hhmmss % 100, micros: 0 }));
    };
    let width = fraction_width(digits);
    let all = big_endian(exactly(value, 3 + width)?)? as i64;
    let scale = 1i64 << (8 * width);
    let signed = all - 0x80_0000 * scale;
    let (whole, fraction) = (signed.abs() / scale, signed.abs() % scale);
    Ok((signed < 0, Clock { micros: micros(fraction as u64, digits), ..clock(whole as u64) }))
}

/// TIME as Maxwell's clock shows it: the stored bits without their sign, wrapped at a day.
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
    let second = (micros / 1_000_000 % 86_400) as u32;
    Ok(Clock { hour: second / 3600, minute: second / 60 % 60, second: second % 60, micros: (micros % 1_000_000) as u32 })
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
    (Date { year, month, day: days + 1 }, Clock { hour: second / 3600, minute: second / 60 % 60, second: second % 60, micros })
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

    #[test]
    fn times_keep_their_sign_and_maxwell_loses_it() {
        // -00:00:01.5 with one digit.
        let value = ((0x80_0000i64 << 8) - (1 << 8 | 50)).to_be_bytes();
        let value = &value[4..];
        assert_eq!(time(value, Some(1)).expect("valid"), (true, Clock { second: 1, micros: 500_000, ..Clock::default() }));
        let seen = time_as_maxwell(value, Some(1)).expect("valid");
        assert_ne!(seen.second, 1);
        let old = &(-8_385_959i32).to_le_bytes()[..3];
        assert_eq!(time(old, None).expect("valid"), (true, Clock { hour: 838, minute: 59, second: 59, micros: 0 }));
    }
}
