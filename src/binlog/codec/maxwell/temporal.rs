//! Dates and times through Java's clocks and calendars (contract §4.6): TIME wraps at a day and loses its sign, partial
//! zero dates collapse, days that a month does not have roll over, and before 15 October 1582 the calendar is Julian.

use crate::binlog::codec::DecodeError;
use crate::binlog::codec::int::{big_endian, little_endian};
use crate::binlog::codec::temporal::{Kind, Moment, Temporal, write_clock, write_date, write_fraction};

const DAY_SECONDS: u64 = 86_400;

/// Appends the text without quotes.
pub fn write(column: Temporal, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let digits = column.fraction();
    let Some(moment) = column.moment(value)? else {
        let micros = micros_of_time(column.kind, value)?;
        let second = micros / 1_000_000 % DAY_SECONDS;
        let clock = Moment {
            hour: (second / 3600) as u32,
            minute: (second / 60 % 60) as u32,
            second: (second % 60) as u32,
            micros: (micros % 1_000_000) as u32,
            ..Moment::default()
        };
        write_clock(&clock, out);
        write_fraction(clock.micros, digits, out);
        return Ok(());
    };
    let moment = if moment.is_zero_date() { Moment::default() } else { on_calendar(moment) };
    write_date(&moment, out);
    if column.kind != Kind::Date {
        out.push(b' ');
        write_clock(&moment, out);
        write_fraction(moment.micros, digits, out);
    }
    Ok(())
}

/// The stored bits as if they had no sign, in microseconds.
fn micros_of_time(kind: Kind, value: &[u8]) -> Result<u64, DecodeError> {
    let Kind::Time(digits) = kind else {
        // Before 5.6: HHMMSS as a decimal number of 24 bits.
        let n = little_endian(value)?;
        return Ok((n / 10_000 * 3600 + n / 100 % 100 * 60 + n % 100) * 1_000_000);
    };
    let width = usize::from(digits.div_ceil(2));
    let (whole, fraction) = value.split_at(value.len().saturating_sub(width));
    let (whole, fraction) = (big_endian(whole)?, big_endian(fraction)?);
    let unit = [0, 10_000, 100, 1].get(width).copied().unwrap_or(0);
    Ok((((whole >> 12 & 0x3ff) * 60 + (whole >> 6 & 63)) * 60 + (whole & 63)) * 1_000_000 + fraction * unit)
}

/// The date that Java's calendar makes of these parts and shows again.
fn on_calendar(moment: Moment) -> Moment {
    let (year, month, day) = julian_or_gregorian(moment.year, moment.month, moment.day);
    Moment { year, month, day, ..moment }
}

/// The same of year, month and day.
pub fn julian_or_gregorian(year: u32, month: u32, day: u32) -> (u32, u32, u32) {
    let (year, month, day) = date_of(day_number(i64::from(year), i64::from(month), i64::from(day)));
    (year as u32, month as u32, day as u32)
}

/// 15 October 1582 as a Julian day number.
const GREGORIAN: i64 = 2_299_161;

/// Julian day number of a date (E. G. Richards' algorithm), whose day may be one that the month does not have.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let before_march = (14 - month) / 12;
    let (y, m) = (year + 4800 - before_march, month + 12 * before_march - 3);
    let days = day + (153 * m + 2) / 5 + 365 * y + y / 4;
    if (year, month, day) >= (1582, 10, 15) { days - y / 100 + y / 400 - 32_045 } else { days - 32_083 }
}

fn date_of(day_number: i64) -> (i64, i64, i64) {
    let correction = if day_number >= GREGORIAN { (4 * day_number + 274_277) / 146_097 * 3 / 4 - 38 } else { 0 };
    let e = 4 * (day_number + 1401 + correction) + 3;
    let h = 5 * (e % 1461 / 4) + 2;
    let (day, month) = (h % 153 / 5 + 1, (h / 153 + 2) % 12 + 1);
    (e / 1461 - 4716 + (14 - month) / 12, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_are_exact_on_both_sides() {
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in [1, 28] {
                    let there = (year, month, day);
                    assert_eq!(date_of(day_number(year, month, day)), there);
                }
            }
        }
        assert_eq!(day_number(1582, 10, 15), GREGORIAN);
        for (from, to) in [
            ((2010, 2, 31), (2010, 3, 3)),
            ((1582, 10, 10), (1582, 10, 20)),
            ((1500, 2, 29), (1500, 2, 29)),
            ((1700, 2, 29), (1700, 3, 1)),
            ((9999, 12, 31), (9999, 12, 31)),
            ((2011, 11, 31), (2011, 12, 1)),
        ] {
            assert_eq!(date_of(day_number(from.0, from.1, from.2)), to, "{from:?}");
        }
    }
}
