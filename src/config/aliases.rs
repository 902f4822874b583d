//! Spellings that guides print and Maxwell ignores (design §9). They are understood, with a warning that names the real
//! option; a real option that is set as well wins.

use super::options;

/// What a guide's key stands for.
pub(super) enum Meaning {
    /// The option or pass-through key of this name, with the same value.
    Key(&'static str),
    /// Nothing: the value names what is done anyway.
    Nothing(&'static str),
    /// A value that cannot be honoured, and why.
    Refused(String),
}

/// Guides' keys that are none of Maxwell's, and the real ones.
const KEYS: &[(&str, &str)] = &[
    ("include_binlog_position", "output_binlog_position"),
    ("include_commit_info", "output_commit_info"),
    ("kafka_request_timeout_ms", "kafka.request.timeout.ms"),
    ("kafka_retries", "kafka.retries"),
    ("kafka_acks", "kafka.acks"),
];

/// What the key means with this value; `None` for keys that are no alias, or stand for themselves.
pub(super) fn meaning(key: &str, value: &str) -> Option<Meaning> {
    let value = value.trim();
    match key {
        "output_format" if value.eq_ignore_ascii_case("json") => Some(Meaning::Nothing("messages are JSON in any case")),
        "output_format" => Some(Meaning::Refused(format!("output_format={value} is not supported: messages are Maxwell's JSON"))),
        // Two hash functions are this option's values; a way to partition belongs to another option.
        "kafka_partition_hash" => partition_by(value).then_some(Meaning::Key("producer_partition_by")),
        _ => KEYS.iter().find(|(alias, _)| *alias == key).map(|(_, real)| Meaning::Key(real)),
    }
}

fn partition_by(value: &str) -> bool {
    let Some(option) = options::find("producer_partition_by") else { return false };
    super::value::choice(option, value).is_some()
}

/// The real name of a guide's or an earlier release's option, for hints.
pub(super) fn real_name(name: &str) -> Option<&'static str> {
    KEYS.iter().chain(options::REMOVED).find(|(old, _)| *old == name).map(|(_, real)| *real)
}
