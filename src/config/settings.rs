//! The typed configuration: plain structs, which `daemon::wire` turns into each module's own options.
//!
//! Every value here is checked, and everything here is honoured: what is not supported was refused before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tracing::level_filters::LevelFilter;

use crate::encode::{ColumnPattern, Path};
use crate::filter::Filter;
use crate::position::{Place, Position};
use crate::producer::kafka::TopicCreation;
use crate::secret::Secret;
pub use crate::server::connect::KeyStore;

use super::fault::{Fault, Note};
use super::layers::Origin;

/// Everything the daemon needs to start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of this instance in `positions`, `heartbeats` and `bootstrap`.
    pub client_id: String,
    /// Name of the database with Maxwell's tables.
    pub schema_database: String,
    /// Server id under which we register as a replica.
    pub replica_server_id: u32,
    pub gtid_mode: bool,
    /// Start here, whatever is stored.
    pub init_position: Option<Place>,
    /// Write nothing to the schema database.
    pub replay: bool,
    /// Capture the definitions anew at the start.
    pub recapture_schema: bool,
    /// On a new server look for our last heartbeat.
    pub master_recovery: bool,
    /// The server with the schema database.
    pub store: MysqlSettings,
    /// The server whose binlog is followed; a copy of `store` if it is the same.
    pub replication: MysqlSettings,
    /// The server from which definitions are captured; `None`: the replication server.
    pub capture: Option<MysqlSettings>,
    /// Give up after so many failed reconnections; `None`: never.
    pub reconnection_retries: Option<u32>,
    /// From so many stored schema versions on, those that nobody needs are removed; `None`: all are kept.
    pub max_schemas: Option<u32>,
    pub bootstrapper: Bootstrapper,
    pub on_schema_error: OnSchemaError,
    pub filter: Filter,
    pub output: OutputSettings,
    pub producer: ProducerSettings,
    pub memory: MemorySettings,
    /// Threads that make messages; 0: the reading thread.
    pub encode_workers: usize,
    /// How long an orderly stop may take.
    pub shutdown_timeout_ms: u64,
    /// `None`: no HTTP server.
    pub http: Option<HttpSettings>,
    pub metrics: MetricsSettings,
    pub logging: LogSettings,
    /// `--daemon`
    pub background: bool,
    pub given: Given,
    /// What to log once logging is set up.
    pub notes: Vec<Note>,
}

/// Every value that was given, by its option, so that a reload can say what has changed. Any of them may be a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given(BTreeMap<String, Secret>);

impl Given {
    /// Names of options that are given with another value, or in one of the two only.
    pub fn differences<'a>(&'a self, other: &'a Given) -> Vec<&'a str> {
        let names: BTreeSet<&str> = self.0.keys().chain(other.0.keys()).map(String::as_str).collect();
        names.into_iter().filter(|name| self.0.get(*name) != other.0.get(*name)).collect()
    }
}

impl Config {
    /// Set with `delivery=exactly_once`.
    pub fn exactly_once(&self) -> Option<&ExactlyOnceSettings> {
        match &self.producer.kind {
            ProducerKind::Kafka(kafka) => kafka.exactly_once.as_ref(),
            _ => None,
        }
    }
}

impl FromIterator<(String, Secret)> for Given {
    fn from_iter<I: IntoIterator<Item = (String, Secret)>>(values: I) -> Self {
        Given(values.into_iter().collect())
    }
}

/// What `binlogd position` needs.
#[derive(Debug, Clone)]
pub struct PositionConfig {
    /// The daemon's, whose position it is about.
    pub daemon: Config,
    /// The place to store; `None`: show what is stored.
    pub set: Option<Place>,
    pub json: bool,
    pub dry_run: bool,
    /// Even if a daemon seems to be running.
    pub force: bool,
}

/// What `binlogd read` needs.
#[derive(Debug, Clone)]
pub struct ReadConfig {
    /// Binlog files, in order; at least one.
    pub files: Vec<PathBuf>,
    /// The file name shown in positions; `None`: the file's own.
    pub binlog_name: Option<String>,
    pub client_id: String,
    pub schema_database: String,
    pub gtid_mode: bool,
    pub filter: Filter,
    pub output: OutputSettings,
    pub path: Path,
    pub memory: MemorySettings,
    pub logging: LogSettings,
    pub notes: Vec<Note>,
}

/// What `binlogd schema` needs: the daemon's own configuration, and what is asked of it.
#[derive(Debug, Clone)]
pub struct SchemaConfig {
    pub config: Config,
    pub action: SchemaAction,
}

/// `None` for a database or table: all of them.
#[derive(Debug, Clone)]
pub enum SchemaAction {
    /// The definitions that are valid at a place; `None`: at the stored position.
    Show { database: Option<String>, table: Option<String>, at: Option<Position>, json: bool },
    /// What differs from the server's definitions of now.
    Diff { database: Option<String>, table: Option<String> },
    /// Stores the definition of a table for the place at which it came in doubt: that of a file, or the server's of now.
    Resolve { database: String, table: String, definition: Option<PathBuf>, yes: bool },
}

/// What `binlogd check` needs.
#[derive(Debug, Clone)]
pub struct CheckConfig {
    /// The daemon's configuration, or all that is wrong with it.
    pub config: Result<Box<Config>, Vec<Fault>>,
    /// The report as one JSON object.
    pub json: bool,
    pub notes: Vec<Note>,
}

/// One MySQL or MariaDB server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlSettings {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// Empty: log in without one.
    pub password: Secret,
    pub tls: TlsSettings,
    pub connect_timeout_ms: u64,
    /// For one statement.
    pub statement_timeout_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    pub mode: TlsMode,
    /// PEM file of trusted issuers; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// Client certificate and its key, both PEM files.
    pub identity: Option<TlsIdentity>,
    /// In place of `ca`: a key store of Maxwell's Java driver.
    pub trust_store: Option<KeyStore>,
    /// In place of `identity`.
    pub client_store: Option<KeyStore>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Maxwell's `ssl` modes, the same as the mysql client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    Disabled,
    /// With TLS if the server has it.
    Preferred,
    Required,
    /// The certificate's issuer is checked.
    VerifyCa,
    /// And the host name.
    VerifyIdentity,
}

/// How rows of the `bootstrap` table are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bootstrapper {
    Async,
    Sync,
    None,
}

/// What happens at a row whose table's definition cannot be proved (design §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSchemaError {
    /// The daemon stops before the first row that it cannot read.
    Stop,
    /// Rows of that table are held back, and the others flow on.
    Quarantine,
}

/// What is in a message (contract §4.1); the fields are named as the options, without `output_`.
#[derive(Debug, Clone)]
pub struct OutputSettings {
    pub binlog_position: bool,
    pub gtid_position: bool,
    pub commit_info: bool,
    pub xoffset: bool,
    pub nulls: bool,
    pub server_id: bool,
    pub thread_id: bool,
    pub schema_id: bool,
    pub row_query: bool,
    /// UTF-16 units; 0: no limit.
    pub row_query_max_length: usize,
    pub primary_keys: bool,
    pub primary_key_columns: bool,
    pub null_zerodates: bool,
    pub maxwell_quirks: bool,
    /// `partial_json=omit`
    pub omits_partial_json: bool,
    pub ddl: bool,
    pub push_timestamp: bool,
    pub naming_strategy: NamingStrategy,
    /// Columns left out of `data` and `old`.
    pub exclude_columns: Vec<ColumnPattern>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NamingStrategy {
    #[default]
    AsIs,
    UnderscoreToCamelcase,
}

#[derive(Debug, Clone)]
pub struct ProducerSettings {
    pub kind: ProducerKind,
    pub partition: PartitionSettings,
    /// Drop what the producer fails to deliver and go on.
    pub ignore_error: bool,
    /// Stop if the oldest message waits longer for its acknowledgement; `None`: wait for ever.
    pub ack_timeout_ms: Option<u64>,
}

#[derive(Debug, Clone)]
pub enum ProducerKind {
    Stdout,
    File { path: PathBuf },
    Kafka(Box<KafkaSettings>),
}

/// What decides a message's partition (contract §5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSettings {
    pub by: PartitionBy,
    /// For `Column`: the columns, in order; never empty then.
    pub columns: Vec<String>,
    /// For `Column`: what decides when no such column has a value. Never `Column`.
    pub fallback: PartitionBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionBy {
    Database,
    Table,
    PrimaryKey,
    TransactionId,
    ThreadId,
    Column,
    Random,
}

#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// Topic of rows; may hold `%{database}`, `%{table}`, `%{type}`.
    pub topic: String,
    /// Topic of DDL messages, never replaced in.
    pub ddl_topic: String,
    pub key_format: KeyFormat,
    pub partition_hash: PartitionHash,
    /// Rows of tables without a primary key have a hash of their values for a key.
    pub row_keys: bool,
    /// A message without a value follows for a key that no row has any more.
    pub tombstones: bool,
    /// Topic of dead letters; may hold `%{database}` and `%{table}`.
    pub dead_letter_topic: Option<String>,
    /// The refused message itself instead of a record about it.
    pub dead_letter_full: bool,
    /// How topics that do not exist are made; `None` leaves that to the brokers.
    pub creation: Option<TopicCreation>,
    /// `kafka.*` keys with the prefix removed, in alphabetical order, under their Java names; `bootstrap.servers` is
    /// always among them.
    pub properties: Vec<KafkaProperty>,
    /// `delivery=exactly_once`; `None`: at least once.
    pub exactly_once: Option<ExactlyOnceSettings>,
}

/// How messages are delivered exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactlyOnceSettings {
    /// Topic of position records.
    pub position_topic: String,
    /// While more keeps coming, a transaction is committed so often.
    pub interval_ms: u64,
    /// Bytes of messages in one transaction.
    pub bytes: u64,
    /// Whether positions and heartbeats are written to the schema database too.
    pub writes_positions: bool,
}

/// One property of the Kafka client. Its value may be a password, so it is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaProperty {
    /// The Java client's name.
    pub name: String,
    pub value: Secret,
    pub origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    Hash,
    Array,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionHash {
    /// Java's `String.hashCode`.
    Java,
    Murmur3,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemorySettings {
    /// Bound of the whole process, bytes.
    pub limit_bytes: u64,
    /// Folder of this instance alone, made when needed and wiped at the start.
    pub spill_dir: PathBuf,
    pub spill_bytes_max: u64,
    /// Largest row, bytes.
    pub row_bytes_max: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    pub port: u16,
    /// Begins with `/`.
    pub path_prefix: String,
    /// `None`: all addresses.
    pub bind_address: Option<String>,
    /// Metrics and health are served.
    pub metrics: bool,
    /// `/config` is served.
    pub config: bool,
    /// `/diagnostic` is served, and its checks may take so long.
    pub diagnostic_ms: Option<u64>,
}

/// What is counted and judged, and who is told beside HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSettings {
    /// First part of Maxwell's names.
    pub prefix: String,
    /// A message older than this counts as late.
    pub age_slo_s: u64,
    /// Metrics are logged this often; `None`: never.
    pub log_interval_s: Option<u64>,
    pub datadog: Option<DatadogSettings>,
    /// Health turns red beyond this; `None`: never.
    pub lag_limit_ms: Option<u64>,
    /// Health turns red when the stored position's file will be removed sooner than this.
    pub purge_warning_ms: u64,
}

/// A DogStatsD agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatadogSettings {
    pub host: String,
    pub port: u16,
    pub tags: Vec<String>,
    pub interval_s: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    pub level: LevelFilter,
    pub format: LogFormat,
    /// Appended to; `None`: standard error.
    pub file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}
