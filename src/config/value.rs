//! From the text of a value to its type, with Maxwell's error texts (contract §1.3).
//!
//! Blanks around numbers, booleans and words of a list are dropped. (Maxwell keeps blanks at a line's end, so that
//! `gtid_mode=true ` stops it.)

use super::options::{Kind, Opt};

/// Whether the text is a value of the option's kind.
pub(super) fn check(option: &Opt, text: &str) -> Result<(), String> {
    let name = option.name;
    match option.kind {
        Kind::Text | Kind::Secret => Ok(()),
        Kind::Bool => boolean(text).map(drop).ok_or_else(|| format!("Invalid value for {name}, true|false required")),
        Kind::Int { min, max } => {
            let n = integer(text).ok_or_else(|| format!("Invalid value for {name}, number required"))?;
            if (min..=max).contains(&n) {
                return Ok(());
            }
            let bound = if n < min { format!("at least {min}") } else { format!("at most {max}") };
            Err(format!("Invalid value for {name}, {bound} required"))
        }
        Kind::Float => float(text).map(drop).ok_or_else(|| format!("Invalid value for {name}, float required")),
        Kind::Millis => millis(text).map(drop).ok_or_else(|| format!("Invalid value for {name}, number required")),
        Kind::Size { min, max } => {
            let bytes = size(text).ok_or_else(|| format!("Invalid value for {name}, number of bytes required, such as 128M"))?;
            if (min..=max).contains(&bytes) {
                return Ok(());
            }
            let bound = if bytes < min { format!("at least {}", size_words(min)) } else { format!("at most {}", size_words(max)) };
            Err(format!("Invalid value for {name}, {bound} required"))
        }
        Kind::Choice { error, .. } => match choice(option, text) {
            Some(_) => Ok(()),
            None => Err(if error.contains("{}") { error.replace("{}", text) } else { format!("{error}, not {}", values_hint(text)) }),
        },
    }
}

fn values_hint(text: &str) -> String {
    if text.is_empty() { "nothing".into() } else { format!("'{text}'") }
}

/// The word of the option's list that the text names.
pub(super) fn choice(option: &Opt, text: &str) -> Option<&'static str> {
    let Kind::Choice { values, .. } = option.kind else { return None };
    let text = text.trim();
    // log4j takes its level names in any letter case; Maxwell's own words must be spelled exactly.
    let any_case = option.name == "log_level";
    values.iter().copied().find(|v| *v == text || (any_case && v.eq_ignore_ascii_case(text)))
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

pub(super) fn integer(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

pub(super) fn float(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|f: &f64| f.is_finite())
}

/// Splits `128M` into 128 and `m`.
fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim().to_ascii_lowercase()))
}

/// Bytes; units are powers of 1024.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

pub(super) fn millis(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit.as_str() {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn size_words(bytes: u64) -> String {
    for (unit, shift) in [("T", 40), ("G", 30), ("M", 20), ("K", 10)] {
        if bytes >= 1 << shift && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::options::find;
    use super::*;

    #[test]
    fn sizes_and_durations_have_units() {
        for (text, want) in [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("128M", Some(128 << 20)),
            ("128mb", Some(128 << 20)),
            (" 2 GiB ", Some(2 << 30)),
            ("1t", Some(1 << 40)),
            ("1.5G", None),
            ("M", None),
            ("", None),
            ("-1", None),
            ("1X", None),
            ("99999999999999999999", None),
            ("99999999999T", None),
        ] {
            assert_eq!(size(text), want, "{text}");
        }
        for (text, want) in [
            ("8000", Some(8000)),
            ("250ms", Some(250)),
            ("8s", Some(8000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("1d", None),
            ("s", None),
        ] {
            assert_eq!(millis(text), want, "{text}");
        }
    }

    #[test]
    fn checks_have_maxwells_texts() {
        for (name, text, want) in [
            ("output_ddl", "TRUE", ""),
            ("output_ddl", " true\t", ""),
            ("output_ddl", "yes", "Invalid value for output_ddl, true|false required"),
            ("output_ddl", "", "Invalid value for output_ddl, true|false required"),
            ("port", "3307 ", ""),
            ("port", "x", "Invalid value for port, number required"),
            ("port", "", "Invalid value for port, number required"),
            ("port", "0", "Invalid value for port, at least 1 required"),
            ("port", "70000", "Invalid value for port, at most 65535 required"),
            ("replica_server_id", "4294967295", ""),
            ("buffer_memory_usage", "0.5", ""),
            ("buffer_memory_usage", "half", "Invalid value for buffer_memory_usage, float required"),
            ("producer_ack_timeout", "5s", ""),
            ("producer_ack_timeout", "soon", "Invalid value for producer_ack_timeout, number required"),
            ("memory_limit", "1M", "Invalid value for memory_limit, at least 32M required"),
            ("memory_limit", "lots", "Invalid value for memory_limit, number of bytes required, such as 128M"),
            ("ssl", "REQUIRED ", ""),
            ("ssl", "required", "Invalid binlog SSL mode string: required"),
            ("log_level", "Info", ""),
            ("log_level", "loud", "Invalid value for log_level: loud"),
            ("producer", "carrier_pigeon", "Unknown producer type: carrier_pigeon"),
            ("bootstrapper", "maybe", "please specify --bootstrapper=async|sync|none, not 'maybe'"),
        ] {
            let option = find(name).expect(name);
            assert_eq!(check(option, text).err().unwrap_or_default(), want, "{name}={text}");
        }
    }
}
