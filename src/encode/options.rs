//! What messages contain and where they go. `config` fills this from the options whose names stand at the fields.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::filter::java_regex;

use super::hash::HashFunction;
use super::names::Naming;
use super::path::Path;

/// Options of encoding. The default is Maxwell's default, for a producer that uses neither keys nor partitions.
#[derive(Debug, Clone)]
pub struct OutputOptions {
    /// `output_binlog_position`
    pub binlog_position: bool,
    /// `output_gtid_position`
    pub gtid_position: bool,
    /// `output_commit_info`
    pub commit_info: bool,
    /// `output_xoffset`; has effect only with `commit_info`.
    pub xoffset: bool,
    /// `output_nulls`
    pub nulls: bool,
    /// `output_server_id`
    pub server_id: bool,
    /// `output_thread_id`
    pub thread_id: bool,
    /// `output_schema_id`
    pub schema_id: bool,
    /// `output_row_query`
    pub row_query: bool,
    /// `row_query_max_length` in UTF-16 units; 0 is no limit.
    pub row_query_length_max: usize,
    /// `output_primary_keys`
    pub primary_keys: bool,
    /// `output_primary_key_columns`
    pub primary_key_columns: bool,
    /// `output_null_zerodates`
    pub null_zerodates: bool,
    /// `maxwell_quirks`
    pub maxwell_quirks: bool,
    /// `partial_json=omit`: a JSON column of which only changes are known is left out of the message; otherwise it is an error.
    pub omits_partial_json: bool,
    /// `row_size_max`: an image of more bytes is an error.
    pub row_bytes_max: u64,
    /// `output_ddl`
    pub ddl: bool,
    /// `output_push_timestamp`
    pub push_timestamp: bool,
    /// `output_naming_strategy`
    pub naming: Naming,
    /// `exclude_columns`
    pub exclude_columns: Vec<ColumnPattern>,
    /// `kafka_key_format`, if the producer uses keys.
    pub keys: KeyFormat,
    /// `kafka_key_without_primary_key=row`: such tables have a hash of the row for a key, not a random one.
    pub row_keys: bool,
    /// `kafka_tombstones`: a message without a value for a key whose row is gone.
    pub tombstones: bool,
    /// `producer_partition_by` and what belongs to it, if the producer uses partitions.
    pub partitioning: Option<Partitioning>,
    /// `kafka_topic`: a name, or a template with `%{database}`, `%{table}`, `%{type}`.
    pub topic: String,
    /// `ddl_kafka_topic`; without it DDL messages go to the topic that is literally named as `topic` says.
    pub ddl_topic: Option<String>,
    /// `--path` of `binlogd read`; the daemon's is always the fast one.
    pub path: Path,
    /// An arena of this many bytes or more is handed to the sink.
    pub batch_bytes: usize,
    /// Microseconds since the epoch, for `push_timestamp`. Asked only when that is on.
    pub clock_us: fn() -> u64,
}

impl Default for OutputOptions {
    fn default() -> Self {
        OutputOptions {
            binlog_position: false,
            gtid_position: false,
            commit_info: true,
            xoffset: true,
            nulls: true,
            server_id: false,
            thread_id: false,
            schema_id: false,
            row_query: false,
            row_query_length_max: 0,
            primary_keys: false,
            primary_key_columns: false,
            null_zerodates: false,
            maxwell_quirks: false,
            omits_partial_json: false,
            row_bytes_max: u64::MAX,
            ddl: false,
            push_timestamp: false,
            naming: Naming::AsIs,
            exclude_columns: Vec::new(),
            keys: KeyFormat::None,
            row_keys: false,
            tombstones: false,
            partitioning: None,
            topic: "maxwell".into(),
            ddl_topic: None,
            path: Path::Fast,
            batch_bytes: 256 * 1024,
            clock_us: system_clock_us,
        }
    }
}

fn system_clock_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// `kafka_key_format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyFormat {
    /// The producer takes no keys; none are written.
    #[default]
    None,
    Hash,
    Array,
}

/// `producer_partition_by` but for `column`, which needs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartitionBy {
    #[default]
    Database,
    Table,
    PrimaryKey,
    TransactionId,
    ThreadId,
    Random,
}

impl PartitionBy {
    /// `None` for `column` and for unknown names.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "database" => PartitionBy::Database,
            "table" => PartitionBy::Table,
            "primary_key" => PartitionBy::PrimaryKey,
            "transaction_id" => PartitionBy::TransactionId,
            "thread_id" => PartitionBy::ThreadId,
            "random" => PartitionBy::Random,
            _ => return None,
        })
    }
}

/// How the partition string of a message is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partitioning {
    /// `producer_partition_columns` if `producer_partition_by` is `column`, else empty.
    pub columns: Vec<String>,
    /// `producer_partition_by`; with `columns`, `producer_partition_by_fallback`.
    pub by: PartitionBy,
    /// `kafka_partition_hash`
    pub hash: HashFunction,
}

/// One element of `exclude_columns`: a column's whole name, or `/a pattern/` that must match the whole name. Letter case
/// counts.
#[derive(Debug, Clone)]
pub struct ColumnPattern(Pattern);

#[derive(Debug, Clone)]
enum Pattern {
    Name(String),
    Regex(java_regex::Compiled),
}

impl ColumnPattern {
    /// The error is the text that follows `Invalid regular expression: `.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let regex = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        Ok(ColumnPattern(match regex {
            Some(regex) => Pattern::Regex(java_regex::compile(&format!("^(?:{regex})$"))?),
            None => Pattern::Name(text.to_owned()),
        }))
    }

    /// A whole `exclude_columns` value, separated by commas. On an error also the element that is wrong.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, (String, String)> {
        let elements = text.split(',').map(str::trim).filter(|e| !e.is_empty());
        elements.map(|e| Self::parse(e).map_err(|why| (e.to_owned(), why))).collect()
    }

    /// A pattern that gives up (it took too many steps) does not match.
    pub fn matches(&self, column: &str) -> bool {
        match &self.0 {
            Pattern::Name(name) => name == column,
            Pattern::Regex(regex) => regex.find(column.as_bytes()).unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excluded_columns_match_whole_names() {
        let patterns = ColumnPattern::parse_list("secret, a.b ,/pass.*/,").expect("valid");
        let excluded = |name: &str| patterns.iter().any(|p| p.matches(name));
        for (name, want) in [
            ("secret", true),
            ("Secret", false),
            ("secrets", false),
            ("a.b", true),
            ("axb", false),
            ("password", true),
            ("my_password", false),
        ] {
            assert_eq!(excluded(name), want, "{name}");
        }
        assert_eq!(ColumnPattern::parse_list("a,/(/").expect_err("unclosed").0, "/(/");
    }

    #[test]
    fn partition_modes() {
        assert_eq!(PartitionBy::named("primary_key"), Some(PartitionBy::PrimaryKey));
        assert_eq!(PartitionBy::named("column"), None);
    }
}
