//! The body of `/healthcheck`, in the shape of Maxwell's (contract §10.2). Never here: deciding what health is; `Status` says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::status::{Cause, Status};

/// The JSON of one health check, made at `now`.
pub fn body(status: &Status, now: SystemTime, took: Duration) -> String {
    let mut check = Map::new();
    check.insert("healthy".into(), Value::Bool(status.is_healthy()));
    if !status.is_healthy() {
        let sentences: Vec<String> = status.causes().iter().map(sentence).collect();
        check.insert("message".into(), Value::String(sentences.join("; ")));
    }
    let now_ms = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    check.insert("duration".into(), json!(took.as_millis() as u64));
    check.insert("timestamp".into(), Value::String(timestamp(now_ms, true)));
    json!({ "MaxwellHealth": check }).to_string()
}

/// What is wrong, since when, and what to do; the last one unless the sentence has a hint of its own.
fn sentence(cause: &Cause) -> String {
    let told = format!("{} (since {})", cause.sentence, timestamp(cause.since_ms, false));
    if cause.sentence.contains("; hint: ") { told } else { format!("{told}: {}", cause.kind.advice()) }
}

/// Milliseconds since the epoch as ISO 8601 in UTC.
fn timestamp(ms: u64, with_ms: bool) -> String {
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = date(days);
    let (h, m, s) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    let fraction = if with_ms { format!(".{:03}", rest % 1000) } else { String::new() };
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}{fraction}Z")
}

/// Days since 1970 to a date of the Gregorian calendar, counted in eras of 400 years that begin on 1 March.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::CauseKind;

    #[test]
    fn timestamps() {
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (ms, text) in rows {
            assert_eq!(timestamp(ms, true), text);
        }
    }

    #[test]
    fn maxwells_shape() {
        let now = UNIX_EPOCH + Duration::from_millis(1_735_689_600_005);
        let mut status = Status::default();
        assert_eq!(
            body(&status, now, Duration::ZERO),
            r#"{"MaxwellHealth":{"healthy":true,"duration":0,"timestamp":"2025-01-01T00:00:00.005Z"}}"#
        );
        status.set_cause(CauseKind::Producer, "no Kafka broker can be reached", 0);
        status.set_cause(CauseKind::Store, "positions cannot be stored; hint: start the server", 1000);
        let advice = CauseKind::Producer.advice();
        assert_eq!(
            body(&status, now, Duration::ZERO),
            format!(
                r#"{{"MaxwellHealth":{{"healthy":false,"message":"no Kafka broker can be reached (since 1970-01-01T00:00:00Z): {advice}; positions cannot be stored; hint: start the server (since 1970-01-01T00:00:01Z)","duration":0,"timestamp":"2025-01-01T00:00:00.005Z"}}}}"#
            )
        );
    }
}
