//! Dates and times as the server prints them (contract §4.6; formats: the server's `sql-common/my_time.cc`).
//!
//! DATE and DATETIME print the stored wall clock, TIMESTAMP prints UTC. Partial zero dates and days that no calendar has
//! are printed as stored. Under `output_null_zerodates` every date that Maxwell takes for a zero date becomes null: one
//! whose year, month or day is zero.

use super::int::{big_endian, little_endian};
use super::{DecodeError, hires};

/// A temporal column type; `u8` is the declared number of fractional digits, 0 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Date,
    Time(u8),
    Datetime(u8),
    Timestamp(u8),
    /// Before MySQL 5.6; with digits only MariaDB has them.
    OldTime(u8),
    OldDatetime(u8),
    OldTimestamp(u8),
}

/// The parts of a date and time, not checked against any calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    pub year: u32,
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub micros: u32,
}

impl Moment {
    pub fn is_zero_date(&self) -> bool {
        self.year == 0 || self.month == 0 || self.day == 0
    }
}

/// A temporal column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temporal {
    pub kind: Kind,
    pub null_zerodates: bool,
}

impl Temporal {
    /// Size of a value in bytes.
    pub fn size(kind: Kind) -> usize {
        let fraction_bytes = |digits: u8| usize::from(digits.div_ceil(2));
        match kind {
            Kind::Date => 3,
            Kind::OldTime(_) | Kind::OldDatetime(_) | Kind::OldTimestamp(_) => hires::size(kind),
            Kind::Time(f) => 3 + fraction_bytes(f),
            Kind::Timestamp(f) => 4 + fraction_bytes(f),
            Kind::Datetime(f) => 5 + fraction_bytes(f),
        }
    }

    /// Whether the value is rendered as null although it is not NULL.
    pub fn is_null(self, value: &[u8]) -> bool {
        self.null_zerodates
            && match self.moment(value) {
                Ok(Some(moment)) => moment.is_zero_date(),
                _ => false,
            }
    }

    /// Appends the text without quotes.
    #[inline]
    pub fn write(self, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let Some(moment) = self.moment(value)? else {
            return self.write_time(value, out);
        };
        write_date(&moment, out);
        if self.kind != Kind::Date {
            out.push(b' ');
            write_clock(&moment, out);
            write_fraction(moment.micros, self.fraction(), out);
        }
        Ok(())
    }

    pub fn fraction(self) -> u8 {
        match self.kind {
            Kind::Time(f) | Kind::Datetime(f) | Kind::Timestamp(f) => f,
            Kind::OldTime(f) | Kind::OldDatetime(f) | Kind::OldTimestamp(f) => f,
            Kind::Date => 0,
        }
    }

    /// The date in the value; `None` for TIME, which has none.
    #[inline]
    pub fn moment(self, value: &[u8]) -> Result<Option<Moment>, DecodeError> {
        let size = Self::size(self.kind);
        if value.len() != size {
            return Err(DecodeError::Short { what: "temporal value", want: size, have: value.len() });
        }
        Ok(Some(match self.kind {
            Kind::Time(_) | Kind::OldTime(_) => return Ok(None),
            Kind::Date => {
                let n = little_endian(value)? as u32;
                Moment { year: n >> 9, month: n >> 5 & 15, day: n & 31, ..Moment::default() }
            }
            Kind::Datetime(digits) => {
                let (head, tail) = value.split_at(5);
                let packed = big_endian(head)?.checked_sub(1 << 39).ok_or_else(|| DecodeError::invalid("datetime", "a negative value"))?;
                Moment { micros: micros(tail, digits)?, ..unpack_datetime(packed) }
            }
            Kind::Timestamp(digits) => {
                let (head, tail) = value.split_at(4);
                from_epoch(big_endian(head)?, micros(tail, digits)?)
            }
            Kind::OldTimestamp(0) => from_epoch(little_endian(value)?, 0),
            Kind::OldTimestamp(digits) => hires::timestamp(value, digits)?,
            Kind::OldDatetime(digits) if digits > 0 => hires::datetime(value, digits)?,
            Kind::OldDatetime(_) => {
                let n = little_endian(value)?;
                let (date, clock) = ((n / 1_000_000) as u32, (n % 1_000_000) as u32);
                Moment {
                    year: date / 10_000,
                    month: date / 100 % 100,
                    day: date % 100,
                    hour: clock / 10_000,
                    minute: clock / 100 % 100,
                    second: clock % 100,
                    micros: 0,
                }
            }
        }))
    }

    fn write_time(self, value: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let Kind::Time(digits) = self.kind else {
            let (negative, clock) = hires::time(value, self.fraction())?;
            return write_signed_clock(negative, &clock, self.fraction(), out);
        };
        // Whole and fraction together are one offset-binary number, so that negative fractions need no borrowing.
        let bits = 8 * u32::from(digits.div_ceil(2));
        let packed = big_endian(value)? as i64 - (0x80_0000 << bits);
        let magnitude = packed.unsigned_abs();
        let whole = (magnitude >> bits) as u32;
        let fraction = scale_fraction(magnitude & ((1 << bits) - 1), digits);
        write_signed_clock(packed < 0, &Moment { micros: fraction, ..unpack_clock(whole) }, digits, out)
    }
}

fn write_signed_clock(negative: bool, clock: &Moment, digits: u8, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    if negative {
        out.push(b'-');
    }
    write_clock(clock, out);
    write_fraction(clock.micros, digits, out);
    Ok(())
}

/// Microseconds of a fraction as stored with this many declared digits.
fn micros(bytes: &[u8], digits: u8) -> Result<u32, DecodeError> {
    Ok(scale_fraction(big_endian(bytes)?, digits))
}

fn scale_fraction(stored: u64, digits: u8) -> u32 {
    let unit = match digits.div_ceil(2) {
        1 => 10_000,
        2 => 100,
        _ => 1,
    };
    (stored as u32).saturating_mul(unit)
}

/// Hour 10 bits, minute 6, second 6.
fn unpack_clock(packed: u32) -> Moment {
    Moment { hour: packed >> 12 & 0x3ff, minute: packed >> 6 & 63, second: packed & 63, ..Moment::default() }
}

/// Year and month as 13 · year + month, day 5 bits, clock 17 bits.
fn unpack_datetime(packed: u64) -> Moment {
    let (date, clock) = ((packed >> 17) as u32, (packed & 0x1_ffff) as u32);
    let year_month = date >> 5;
    Moment { year: year_month / 13, month: year_month % 13, day: date & 31, hour: clock >> 12, ..unpack_clock(clock) }
}

/// The server's packed 64-bit form of JSON documents: a date and time, or (below) a signed time; the low 24 bits are
/// microseconds.
pub fn unpack_json_datetime(packed: i64) -> Moment {
    let magnitude = packed.unsigned_abs();
    Moment { micros: (magnitude & 0xff_ffff) as u32, ..unpack_datetime(magnitude >> 24) }
}

/// See `unpack_json_datetime`; `true` for a negative time.
pub fn unpack_json_time(packed: i64) -> (bool, Moment) {
    let magnitude = packed.unsigned_abs();
    let clock = unpack_clock((magnitude >> 24 & 0xffff_ffff) as u32);
    (packed < 0, Moment { micros: (magnitude & 0xff_ffff) as u32, ..clock })
}

/// A Unix time in UTC; 0 without a fraction is the zero date.
pub(super) fn from_epoch(seconds: u64, micros: u32) -> Moment {
    if seconds == 0 && micros == 0 {
        return Moment::default();
    }
    let (days, rest) = ((seconds / 86_400) as u32, (seconds % 86_400) as u32);
    let (year, month, day) = civil(days);
    Moment { year, month, day, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60, micros }
}

/// The Gregorian date of a day counted from 1970-01-01, by counting in eras of 400 years from 0000-03-01.
fn civil(days: u32) -> (u32, u32, u32) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

/// `YYYY-MM-DD`
pub fn write_date(moment: &Moment, out: &mut Vec<u8>) {
    let year = moment.year;
    if year > 9999 {
        super::int::write_u64(u64::from(year), out);
    } else {
        two(year / 100, out);
        two(year % 100, out);
    }
    out.push(b'-');
    two(moment.month, out);
    out.push(b'-');
    two(moment.day, out);
}

/// `HH:MM:SS`, with three digits for hours above 99.
pub fn write_clock(moment: &Moment, out: &mut Vec<u8>) {
    two(moment.hour, out);
    out.push(b':');
    two(moment.minute, out);
    out.push(b':');
    two(moment.second, out);
}

/// `.` and exactly this many digits of the fraction; nothing for none.
pub fn write_fraction(micros: u32, digits: u8, out: &mut Vec<u8>) {
    if digits == 0 {
        return;
    }
    let text = six_digits(micros);
    out.push(b'.');
    out.extend_from_slice(text.get(..usize::from(digits)).unwrap_or(&text));
}

/// `.` and the fraction without trailing zeros; nothing for a fraction of zero.
pub fn write_trimmed_fraction(micros: u32, out: &mut Vec<u8>) {
    if micros == 0 {
        return;
    }
    let text = six_digits(micros);
    let zeros = text.iter().rev().take_while(|d| **d == b'0').count();
    out.push(b'.');
    out.extend_from_slice(text.get(..6 - zeros).unwrap_or_default());
}

fn six_digits(micros: u32) -> [u8; 6] {
    let mut text = [b'0'; 6];
    let mut rest = micros;
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text
}

/// At least two digits.
#[inline]
fn two(n: u32, out: &mut Vec<u8>) {
    if n > 99 {
        return super::int::write_u64(u64::from(n), out);
    }
    out.extend_from_slice(&[b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(kind: Kind, value: &[u8]) -> String {
        let mut out = Vec::new();
        Temporal { kind, null_zerodates: false }.write(value, &mut out).expect("valid");
        String::from_utf8(out).expect("ASCII")
    }

    fn date(year: u32, month: u32, day: u32) -> Vec<u8> {
        (year << 9 | month << 5 | day).to_le_bytes()[..3].to_vec()
    }

    fn datetime(moment: Moment, digits: u8) -> Vec<u8> {
        let day = u64::from((moment.year * 13 + moment.month) << 5 | moment.day);
        let clock = u64::from(moment.hour << 12 | moment.minute << 6 | moment.second);
        let mut bytes = ((1u64 << 39) + (day << 17 | clock)).to_be_bytes()[3..].to_vec();
        bytes.extend(fraction(moment.micros, digits));
        bytes
    }

    fn fraction(micros: u32, digits: u8) -> Vec<u8> {
        let size = usize::from(digits.div_ceil(2));
        (micros / 100u32.pow(3 - size as u32)).to_be_bytes()[4 - size..].to_vec()
    }

    fn time(negative: bool, hms: (i64, i64, i64), micros: i64, digits: u8) -> Vec<u8> {
        let size = usize::from(digits.div_ceil(2));
        let bits = 8 * size;
        let stored = micros / 100i64.pow(3 - size as u32);
        let magnitude = (hms.0 << 12 | hms.1 << 6 | hms.2) << bits | if size == 0 { 0 } else { stored };
        let packed = (0x80_0000 << bits) + if negative { -magnitude } else { magnitude };
        packed.to_be_bytes()[8 - 3 - size..].to_vec()
    }

    #[test]
    fn dates_print_as_stored() {
        for (y, m, d, want) in [
            (2024, 2, 29, "2024-02-29"),
            (1000, 1, 1, "1000-01-01"),
            (0, 0, 0, "0000-00-00"),
            (2010, 0, 5, "2010-00-05"),
            (1582, 10, 10, "1582-10-10"),
            (2023, 2, 31, "2023-02-31"),
            (9999, 12, 31, "9999-12-31"),
        ] {
            assert_eq!(render(Kind::Date, &date(y, m, d)), want);
        }
    }

    #[test]
    fn datetimes_with_fractions() {
        let moment = Moment { year: 2010, month: 5, day: 12, hour: 1, minute: 2, second: 3, micros: 123_456 };
        for (digits, want) in [
            (0, "2010-05-12 01:02:03"),
            (1, "2010-05-12 01:02:03.1"),
            (2, "2010-05-12 01:02:03.12"),
            (3, "2010-05-12 01:02:03.123"),
            (4, "2010-05-12 01:02:03.1234"),
            (5, "2010-05-12 01:02:03.12345"),
            (6, "2010-05-12 01:02:03.123456"),
        ] {
            assert_eq!(render(Kind::Datetime(digits), &datetime(moment, digits)), want);
        }
        assert_eq!(render(Kind::Datetime(3), &datetime(Moment { year: 3, second: 1, ..Moment::default() }, 3)), "0003-00-00 00:00:01.000");
        assert_eq!(render(Kind::OldDatetime(0), &20_101_112_131_415u64.to_le_bytes()), "2010-11-12 13:14:15");
    }

    #[test]
    fn timestamps_are_utc() {
        for (seconds, want) in [
            (0u32, "0000-00-00 00:00:00"),
            (1, "1970-01-01 00:00:01"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_700_000_000, "2023-11-14 22:13:20"),
            (2_147_483_647, "2038-01-19 03:14:07"),
            (4_294_967_295, "2106-02-07 06:28:15"),
        ] {
            assert_eq!(render(Kind::Timestamp(0), &seconds.to_be_bytes()), want);
            assert_eq!(render(Kind::OldTimestamp(0), &seconds.to_le_bytes()), want);
        }
        let mut value = 0u32.to_be_bytes().to_vec();
        value.push(50);
        assert_eq!(render(Kind::Timestamp(2), &value), "1970-01-01 00:00:00.50");
    }

    #[test]
    fn times_keep_sign_and_days() {
        for (negative, hms, micros, digits, want) in [
            (false, (12, 23, 33), 0, 0, "12:23:33"),
            (false, (838, 59, 59), 0, 0, "838:59:59"),
            (true, (838, 59, 59), 0, 0, "-838:59:59"),
            (true, (0, 0, 1), 0, 0, "-00:00:01"),
            (true, (0, 0, 1), 500_000, 1, "-00:00:01.5"),
            (true, (1, 2, 3), 450_000, 2, "-01:02:03.45"),
            (true, (0, 0, 0), 500_000, 3, "-00:00:00.500"),
            (true, (23, 59, 59), 999_900, 4, "-23:59:59.9999"),
            (true, (25, 0, 0), 1, 6, "-25:00:00.000001"),
            (false, (500, 30, 30), 303_030, 5, "500:30:30.30303"),
        ] {
            assert_eq!(render(Kind::Time(digits), &time(negative, hms, micros, digits)), want);
        }
        assert_eq!(render(Kind::OldTime(0), &(-8_385_959i32).to_le_bytes()[..3]), "-838:59:59");
        assert_eq!(render(Kind::OldTime(0), &123_456i32.to_le_bytes()[..3]), "12:34:56");
    }

    /// As MariaDB 10.11 wrote them with mysql56_temporal_format=OFF.
    #[test]
    fn old_times_of_mariadb_with_fractions() {
        for (kind, value, want) in [
            (Kind::OldTime(0), &b"\x25\xd8\xff"[..], "-01:02:03"),
            (Kind::OldTime(1), b"\x01\xcc\x4e\xee", "-01:02:03.4"),
            (Kind::OldTime(2), b"\x11\xfb\x15\x47", "-01:02:03.45"),
            (Kind::OldTime(3), b"\x00\xb3\xce\xd4\xc0", "-01:02:03.456"),
            (Kind::OldTime(4), b"\x00\x00\x00\x00\x01", "-838:59:59.9999"),
            (Kind::OldTime(5), b"\x8c\xa5\xf7\xf5\x99", "838:59:59.12345"),
            (Kind::OldTime(6), b"\x02\xbf\x3d\xde\x7b\xff", "-00:00:00.000001"),
            (Kind::OldDatetime(1), b"\x00\xa8\x47\xaf\xd9\x87", "2010-11-12 13:14:15.1"),
            (Kind::OldDatetime(2), b"\x06\x92\xcc\xde\x7f\x48", "2010-11-12 13:14:15.12"),
            (Kind::OldDatetime(3), b"\x01\x46\xe4\xeb\xd7\xff\xff", "9999-12-31 23:59:59.999"),
            (Kind::OldDatetime(4), b"\x02\x91\x0e\xcd\x7d\x98\x42", "2010-00-00 13:14:15.1234"),
            (Kind::OldDatetime(5), b"\x00\x00\x00\x00\x00\x00\x00", "0000-00-00 00:00:00.00000"),
            (Kind::OldDatetime(6), b"\x01\x00\xc6\x62\xb3\x4b\xfa\x00", "2010-11-12 13:14:15.123456"),
            (Kind::OldTimestamp(1), b"\x4c\xdd\x3d\xa7\x01", "2010-11-12 13:14:15.1"),
            (Kind::OldTimestamp(2), b"\x4c\xdd\x3d\xa7\x0c", "2010-11-12 13:14:15.12"),
            (Kind::OldTimestamp(3), b"\x7f\xff\xff\xff\x03\xe7", "2038-01-19 03:14:07.999"),
            (Kind::OldTimestamp(4), b"\x4c\xdd\x3d\xa7\x04\xd2", "2010-11-12 13:14:15.1234"),
            (Kind::OldTimestamp(5), b"\x00\x00\x00\x00\x00\x00\x00", "0000-00-00 00:00:00.00000"),
            (Kind::OldTimestamp(6), b"\x00\x00\x00\x01\x00\x00\x01", "1970-01-01 00:00:01.000001"),
        ] {
            assert_eq!(render(kind, value), want, "{kind:?}");
        }
    }

    #[test]
    fn zero_dates_can_be_null() {
        let null = |kind, value: &[u8]| Temporal { kind, null_zerodates: true }.is_null(value);
        assert!(null(Kind::Date, &date(0, 0, 0)));
        assert!(null(Kind::Date, &date(2010, 0, 5)));
        assert!(!null(Kind::Date, &date(2010, 1, 5)));
        assert!(null(Kind::Timestamp(0), &[0; 4]));
        assert!(!null(Kind::Time(0), &time(false, (0, 0, 0), 0, 0)));
        assert!(!Temporal { kind: Kind::Date, null_zerodates: false }.is_null(&date(0, 0, 0)));
    }

    #[test]
    fn wrong_sizes_are_errors() {
        for kind in [
            Kind::Date,
            Kind::Time(6),
            Kind::Datetime(0),
            Kind::Timestamp(3),
            Kind::OldTime(0),
            Kind::OldDatetime(0),
            Kind::OldTimestamp(0),
        ] {
            let temporal = Temporal { kind, null_zerodates: false };
            assert!(temporal.write(&[], &mut Vec::new()).is_err());
            assert!(temporal.write(&[0; 9], &mut Vec::new()).is_err());
        }
    }
}
