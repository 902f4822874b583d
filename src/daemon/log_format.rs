//! Log lines in the shape of Maxwell's (contract §10.5): date, level, last part of the module's name, ` - `, message, and
//! behind it the fields. The time is UTC: a line means the same wherever the daemon runs.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `2026-01-31 12:00:00 INFO  pipeline - following the binlog server=9.7.0`
pub struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let metadata = event.metadata();
        let name = metadata.target().rsplit("::").next().unwrap_or_default();
        write!(writer, "{} {:<5} {name} - ", Date(seconds), metadata.level().as_str())?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Seconds since the epoch, shown as a date of the Gregorian calendar.
struct Date(u64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        // Years are counted from March of the year 0, so that the leap day is a year's last day; 719468 days lie between
        // that and 1970. 400 years have 146097 days.
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = era * 400 + year_of_era + next_year;
        write!(f, "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, want) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_704_067_199, "2023-12-31 23:59:59"),
            (1_795_225_973, "2026-11-21 01:52:53"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(Date(seconds).to_string(), want);
        }
    }
}
