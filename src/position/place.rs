//! A place in the stream as a user names it: a file and offset, a GTID set, a time, or a word. Pure: whether a server has
//! such a place is for others to find out.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

use super::{BinlogPosition, GtidSet, Gtids, Position};

/// The first event of a binlog file stands behind four magic bytes.
pub const FIRST_EVENT: u64 = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `FILE:OFFSET[:HEARTBEAT]`. Without a heartbeat it is taken from the stored schema versions.
    File { at: BinlogPosition, heartbeat: Option<i64> },
    /// Behind these transactions.
    Gtids(Gtids),
    /// Before the first transaction that was committed at this time or later.
    Time(Moment),
    /// The end of the log.
    Now,
    /// The oldest file that the server still has.
    Earliest,
}

/// Seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Place {
    /// What `--init_position` takes: no words, because a start at the end that is given again at every start leaves out
    /// whatever happened while the daemon was down.
    pub fn of_option(text: &str) -> Option<Place> {
        text.parse().ok().filter(|place| !matches!(place, Place::Now | Place::Earliest))
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        match text {
            "now" => return Ok(Place::Now),
            "earliest" => return Ok(Place::Earliest),
            _ => {}
        }
        if let Some(moment) = Moment::parse(text) {
            return Ok(Place::Time(moment));
        }
        // A uuid is no file name: files end in a number behind a dot.
        if let Some(gtids) = gtids(text) {
            return Ok(Place::Gtids(gtids));
        }
        file(text).ok_or_else(|| {
            Error::definite(format!("{text:?} is no place in a binlog"))
                .hint("write FILE:POSITION or FILE:POSITION:HEARTBEAT, a GTID set, or a time with its zone such as 2026-01-31T12:00:00Z")
        })
    }
}

fn gtids(text: &str) -> Option<Gtids> {
    if text.is_empty() {
        return None;
    }
    if text.contains(':') {
        return text.parse::<GtidSet>().ok().filter(|set| !set.is_empty()).map(Gtids::MySql);
    }
    Gtids::parse(text).ok().filter(|set| matches!(set, Gtids::MariaDb(_)))
}

fn file(text: &str) -> Option<Place> {
    let mut pieces = text.split(':');
    let file = pieces.next().filter(|f| !f.is_empty())?;
    let offset: u64 = pieces.next()?.parse().ok().filter(|o| *o >= FIRST_EVENT)?;
    let heartbeat: Option<i64> = pieces.next().map(|h| h.parse()).transpose().ok()?;
    match pieces.next() {
        Some(_) => None,
        None => Some(Place::File { at: BinlogPosition::new(file, offset), heartbeat }),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { at, heartbeat } => Position { heartbeat: heartbeat.unwrap_or(0), ..Position::new(at.clone()) }.fmt(f),
            Place::Gtids(gtids) => gtids.fmt(f),
            Place::Time(moment) => moment.fmt(f),
            Place::Now => f.write_str("now"),
            Place::Earliest => f.write_str("earliest"),
        }
    }
}

const DAY: u64 = 86_400;

impl Moment {
    /// RFC 3339 with a zone: `2026-01-31T12:00:00Z`, `2026-01-31 12:00:00.5+02:00`. A fraction is cut off, which starts
    /// earlier, never later. No time before 1970.
    fn parse(text: &str) -> Option<Moment> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<u64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let mark = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|b| wanted.contains(b));
        if !(mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":")) {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let mut zone = text.get(19..)?;
        if let Some(fraction) = zone.strip_prefix('.') {
            let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if rest.len() == fraction.len() {
                return None;
            }
            zone = rest;
        }
        let offset = zone_seconds(zone)?;
        if year < 1970 || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let local = days_since_epoch(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
        u64::try_from(i64::try_from(local).ok()? - offset).ok().map(Moment)
    }
}

/// `Z`, `+02:00`: seconds east of Greenwich.
fn zone_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |digits: &str| (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse::<i64>().ok())?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let years: u64 = (1970..year).map(|y| if is_leap(y) { 366 } else { 365 }).sum();
    let months: u64 = (1..month).map(|m| days_in(year, m)).sum();
    years + months + day - 1
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, rest) = (self.0 / DAY, self.0 % DAY);
        let mut year = 1970;
        while days >= if is_leap(year) { 366 } else { 365 } {
            days -= if is_leap(year) { 366 } else { 365 };
            year += 1;
        }
        let mut month = 1;
        while days >= days_in(year, month) {
            days -= days_in(year, month);
            month += 1;
        }
        write!(f, "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}Z", days + 1, rest / 3600, rest / 60 % 60, rest % 60)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_told_apart() {
        for (text, want) in [
            ("mysql-bin.000001:4", Some("Position[BinlogPosition[mysql-bin.000001:4], lastHeartbeat=0]")),
            ("a:99999999999:123", Some("Position[BinlogPosition[a:99999999999], lastHeartbeat=123]")),
            ("3e11fa47-71ca-11e1-9e33-c80aa9429562:23", Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:23")),
            ("0-1-5,7-104-9", Some("0-1-5,7-104-9")),
            ("2026-01-31T12:00:00Z", Some("2026-01-31T12:00:00Z")),
            ("2026-01-31 12:00:00.999+02:00", Some("2026-01-31T10:00:00Z")),
            ("2024-02-29T23:59:59-01:30", Some("2024-03-01T01:29:59Z")),
            ("now", Some("now")),
            ("earliest", Some("earliest")),
            ("2026-01-31T12:00:00", None),
            ("2026-02-29T12:00:00Z", None),
            ("2026-13-01T12:00:00Z", None),
            ("a", None),
            ("a:", None),
            ("a:x", None),
            ("a:3", None),
            ("a:4:x", None),
            ("a:4:5:6", None),
            (":4", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Place>().ok().map(|p| p.to_string()).as_deref(), want, "{text}");
        }
        assert!(matches!("a.000001:4".parse().unwrap(), Place::File { heartbeat: None, .. }));
        assert!(matches!("a.000001:4:0".parse().unwrap(), Place::File { heartbeat: Some(0), .. }));
        assert!(Place::of_option("now").is_none() && Place::of_option("a.000001:4").is_some());
    }

    #[test]
    fn known_moments() {
        for (text, seconds) in [("1970-01-01T00:00:00Z", 0), ("2000-03-01T00:00:00Z", 951_868_800), ("2026-11-25T22:28:26Z", 1_795_645_706)]
        {
            assert_eq!(Moment::parse(text), Some(Moment(seconds)), "{text}");
            assert_eq!(Moment(seconds).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn moments_come_back(seconds in 0u64..200_000_000_000) {
            prop_assume!(seconds < 253_402_300_800);
            prop_assert_eq!(Moment::parse(&Moment(seconds).to_string()), Some(Moment(seconds)));
        }

        #[test]
        fn any_text_is_a_place_or_an_error(text in "\\PC{0,40}") {
            let _ = text.parse::<Place>();
        }
    }
}
