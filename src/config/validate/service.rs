//! How the process itself runs: start position, memory, logs, and limits of the Java original.

use std::path::PathBuf;

use tracing::level_filters::LevelFilter;

use crate::position::Place;

use super::super::settings::{Bootstrapper, LogFormat, LogSettings, MemorySettings};
use super::super::value;
use super::Reader;

pub(super) fn bootstrapper(reader: &mut Reader) -> Bootstrapper {
    match reader.choice("bootstrapper") {
        Some("sync") => Bootstrapper::Sync,
        Some("none") => Bootstrapper::None,
        _ => Bootstrapper::Async,
    }
}

/// `FILE:POSITION[:HEARTBEAT]`, a GTID set or a time
pub(super) fn init_position(reader: &mut Reader) -> Option<Place> {
    let text = reader.given("init_position")?;
    let place = Place::of_option(text);
    if place.is_none() {
        let hint = "write FILE:POSITION or FILE:POSITION:HEARTBEAT, a GTID set, or a time with its zone such as 2026-01-31T12:00:00Z";
        reader.fault("init_position", format!("Invalid init_position: {text}"), hint);
    }
    place
}

/// Limits that have no effect here but that Maxwell checks.
pub(super) fn check_java_limits(reader: &mut Reader) {
    if reader.given("buffer_memory_usage").and_then(value::float).is_some_and(|share| share > 1.0) {
        reader.fault("buffer_memory_usage", "--buffer_memory_usage must be <= 1.0", "remove it: see memory_limit");
    }
    if reader.given("max_schemas").and_then(value::integer).is_some_and(|n| !(2..=i64::from(i32::MAX)).contains(&n)) {
        reader.fault("max_schemas", "--max_schemas must a number between 1 and 2**31", "give a number from 2 on, or remove it");
    }
}

pub(super) fn memory(reader: &mut Reader, client_id: &str) -> MemorySettings {
    let limit_bytes = reader.size("memory_limit");
    let parent = reader.path("spill_dir").unwrap_or_else(std::env::temp_dir);
    if reader.is_given("spill_dir") && parent.exists() && !parent.is_dir() {
        reader.fault("spill_dir", format!("spill_dir is not a folder: {}", parent.display()), "give the path of a folder");
    }
    MemorySettings {
        limit_bytes,
        spill_dir: parent.join(spill_folder(client_id)),
        spill_bytes_max: reader.size("spill_limit"),
        row_bytes_max: reader.size("row_size_max"),
    }
}

/// Two instances in one folder must not wipe each other's files, so each has a folder of its own.
fn spill_folder(client_id: &str) -> PathBuf {
    let plain: String = client_id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    PathBuf::from(format!("binlogd-{plain}"))
}

pub(super) fn logging(reader: &mut Reader) -> LogSettings {
    let level = match reader.choice("log_level") {
        Some("off") => LevelFilter::OFF,
        Some("fatal" | "error") => LevelFilter::ERROR,
        Some("warn") => LevelFilter::WARN,
        Some("debug") => LevelFilter::DEBUG,
        Some("trace" | "all") => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    };
    let format = match reader.choice("log_format") {
        Some("json") => LogFormat::Json,
        _ => LogFormat::Text,
    };
    LogSettings { level, format, file: reader.path("log_file") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spill_folders_are_safe_names() {
        assert_eq!(spill_folder("../a b"), PathBuf::from("binlogd-___a_b"));
    }
}
