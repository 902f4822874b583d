//! The one table of options. Parser, `--help`, the documentation page, refusals and the warnings about unknown names
//! are made from it; an option that is not here does not exist.

mod filtering;
mod general;
mod kafka;
mod monitoring;
mod mysql;
mod operation;
mod output;
mod sinks;

/// Sections of `--help` and of the documentation page, named as Maxwell names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Shown by a bare `--help`; has no section name.
    General,
    Mysql,
    Output,
    Filtering,
    Operation,
    CustomProducer,
    FileProducer,
    Kafka,
    Kinesis,
    Sqs,
    Sns,
    Nats,
    BigQuery,
    PubSub,
    RabbitMq,
    Redis,
    Monitoring,
}

impl Group {
    pub const ALL: [Group; 17] = [
        Group::General,
        Group::Mysql,
        Group::Output,
        Group::Filtering,
        Group::Operation,
        Group::CustomProducer,
        Group::FileProducer,
        Group::Kafka,
        Group::Kinesis,
        Group::Sqs,
        Group::Sns,
        Group::Nats,
        Group::BigQuery,
        Group::PubSub,
        Group::RabbitMq,
        Group::Redis,
        Group::Monitoring,
    ];

    /// The word after `--help`.
    pub fn section(self) -> &'static str {
        match self {
            Group::General => "general",
            Group::Mysql => "mysql",
            Group::Output => "output",
            Group::Filtering => "filtering",
            Group::Operation => "operation",
            Group::CustomProducer => "custom_producer",
            Group::FileProducer => "file_producer",
            Group::Kafka => "kafka",
            Group::Kinesis => "kinesis",
            Group::Sqs => "sqs",
            Group::Sns => "sns",
            Group::Nats => "nats",
            Group::BigQuery => "bigquery",
            Group::PubSub => "pubsub",
            Group::RabbitMq => "rabbitmq",
            Group::Redis => "redis",
            Group::Monitoring => "monitoring",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Group::General => "General",
            Group::Mysql => "MySQL and MariaDB connections",
            Group::Output => "What is in a message",
            Group::Filtering => "What is sent",
            Group::Operation => "Operation",
            Group::CustomProducer => "Custom producer",
            Group::FileProducer => "File producer",
            Group::Kafka => "Kafka",
            Group::Kinesis => "Kinesis",
            Group::Sqs => "SQS",
            Group::Sns => "SNS",
            Group::Nats => "NATS",
            Group::BigQuery => "BigQuery",
            Group::PubSub => "Google Pub/Sub",
            Group::RabbitMq => "RabbitMQ",
            Group::Redis => "Redis",
            Group::Monitoring => "Monitoring",
        }
    }
}

/// What a value is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Text,
    /// Text that is never printed.
    Secret,
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    Float,
    /// Bytes, with an optional unit: `64K`, `128M`, `10G`.
    Size {
        min: u64,
        max: u64,
    },
    /// Milliseconds, or a number with a unit: `250ms`, `8s`, `5m`.
    Millis,
    /// One of these words. `error` is Maxwell's text for any other; `{}` stands for the value.
    Choice {
        values: &'static [&'static str],
        error: &'static str,
    },
}

/// Where an option may be given. "File" stands for everything that ends in the map: the properties file, the JSON
/// variable and prefixed variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Both,
    CommandLine,
    File,
}

/// Whether the command line needs an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    Required,
    Optional,
}

/// Whose option it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Maxwell,
    Ours,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what its help says.
    Full,
    /// Accepted, and said to have no effect, with the reason.
    NoEffect(&'static str),
    /// Known, but refused with this sentence when it is set to anything but its default or one of `unless`.
    Refused { unless: &'static [&'static str], why: &'static str },
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opt {
    pub name: &'static str,
    pub group: Group,
    pub kind: Kind,
    /// As it would stand in a file; `None`: not set.
    pub default: Option<&'static str>,
    /// The default in words, where it is not a fixed text.
    pub default_words: Option<&'static str>,
    /// Maxwell's, where it is another one.
    pub maxwell_default: Option<&'static str>,
    pub scope: Scope,
    pub argument: Argument,
    pub owner: Owner,
    pub support: Support,
    /// The option has an effect only while this other option has this value.
    pub only_with: Option<(&'static str, &'static str)>,
    /// Also an option of `binlogd read`.
    pub read: bool,
    /// The only commands that have this option; empty: the daemon and all that take its options.
    pub commands: &'static [&'static str],
    pub help: &'static str,
}

impl Opt {
    const fn new(group: Group, name: &'static str, kind: Kind, help: &'static str) -> Opt {
        let argument = if matches!(kind, Kind::Bool) { Argument::Optional } else { Argument::Required };
        Opt {
            name,
            group,
            kind,
            default: None,
            default_words: None,
            maxwell_default: None,
            scope: Scope::Both,
            argument,
            owner: Owner::Maxwell,
            support: Support::Full,
            only_with: None,
            read: false,
            commands: &[],
            help,
        }
    }

    const fn text(group: Group, name: &'static str, help: &'static str) -> Opt {
        Self::new(group, name, Kind::Text, help)
    }

    const fn secret(group: Group, name: &'static str, help: &'static str) -> Opt {
        Self::new(group, name, Kind::Secret, help)
    }

    /// A boolean; `false` unless a default is set.
    const fn flag(group: Group, name: &'static str, help: &'static str) -> Opt {
        Self::new(group, name, Kind::Bool, help).default("false")
    }

    const fn int(group: Group, name: &'static str, min: i64, max: i64, help: &'static str) -> Opt {
        Self::new(group, name, Kind::Int { min, max }, help)
    }

    const fn float(group: Group, name: &'static str, help: &'static str) -> Opt {
        Self::new(group, name, Kind::Float, help)
    }

    const fn size(group: Group, name: &'static str, min: u64, max: u64, help: &'static str) -> Opt {
        Self::new(group, name, Kind::Size { min, max }, help)
    }

    const fn millis(group: Group, name: &'static str, help: &'static str) -> Opt {
        Self::new(group, name, Kind::Millis, help)
    }

    const fn choice(group: Group, name: &'static str, values: &'static [&'static str], error: &'static str, help: &'static str) -> Opt {
        Self::new(group, name, Kind::Choice { values, error }, help)
    }

    const fn default(mut self, value: &'static str) -> Opt {
        self.default = Some(value);
        self
    }

    const fn default_words(mut self, words: &'static str) -> Opt {
        self.default_words = Some(words);
        self
    }

    const fn maxwell_default(mut self, words: &'static str) -> Opt {
        self.maxwell_default = Some(words);
        self
    }

    const fn command_line_only(mut self) -> Opt {
        self.scope = Scope::CommandLine;
        self
    }

    const fn file_only(mut self) -> Opt {
        self.scope = Scope::File;
        self
    }

    const fn optional_argument(mut self) -> Opt {
        self.argument = Argument::Optional;
        self
    }

    const fn ours(mut self) -> Opt {
        self.owner = Owner::Ours;
        self
    }

    const fn no_effect(mut self, why: &'static str) -> Opt {
        self.support = Support::NoEffect(why);
        self
    }

    const fn refused(self, why: &'static str) -> Opt {
        self.refused_unless(&[], why)
    }

    const fn refused_unless(mut self, unless: &'static [&'static str], why: &'static str) -> Opt {
        self.support = Support::Refused { unless, why };
        self
    }

    const fn only_with(mut self, option: &'static str, value: &'static str) -> Opt {
        self.only_with = Some((option, value));
        self
    }

    const fn read(mut self) -> Opt {
        self.read = true;
        self
    }

    const fn only_commands(mut self, words: &'static [&'static str]) -> Opt {
        self.commands = words;
        self
    }

    pub fn on_command_line(&self) -> bool {
        self.scope != Scope::File
    }

    pub fn in_files(&self) -> bool {
        self.scope != Scope::CommandLine
    }

    /// The type in words, for help and documentation.
    pub fn kind_words(&self) -> String {
        match self.kind {
            Kind::Text => "text".into(),
            Kind::Secret => "text, never shown".into(),
            Kind::Bool => "true or false".into(),
            Kind::Int { .. } => "integer".into(),
            Kind::Float => "number".into(),
            Kind::Size { .. } => "bytes (K, M, G, T)".into(),
            Kind::Millis => "milliseconds (or s, m, h)".into(),
            Kind::Choice { values, .. } => values.join(", "),
        }
    }
}

/// Every option, group by group.
pub fn all() -> impl Iterator<Item = &'static Opt> {
    let tables: [&'static [Opt]; 8] = [
        general::OPTIONS,
        mysql::OPTIONS,
        output::OPTIONS,
        filtering::OPTIONS,
        operation::OPTIONS,
        kafka::OPTIONS,
        sinks::OPTIONS,
        monitoring::OPTIONS,
    ];
    tables.into_iter().flatten()
}

pub fn find(name: &str) -> Option<&'static Opt> {
    all().find(|o| o.name == name)
}

/// Keys that are passed on to a producer's client library (contract §1.5). They are read from files and variables only.
pub const KAFKA_PREFIX: &str = "kafka.";
pub const CUSTOM_PRODUCER_PREFIXES: [&str; 2] = ["custom_producer.", "custom_producer_"];

/// Options of earlier Maxwell releases, which 1.45 ignores without a word, and what took their place.
pub const REMOVED: &[(&str, &str)] = &[
    ("include_dbs", "filter"),
    ("exclude_dbs", "filter"),
    ("include_tables", "filter"),
    ("exclude_tables", "filter"),
    ("include_column_values", "filter"),
    ("blacklist_dbs", "filter"),
    ("blacklist_tables", "filter"),
    ("kafka_partition_by", "producer_partition_by"),
    ("kafka_partition_columns", "producer_partition_columns"),
    ("kafka_partition_by_fallback", "producer_partition_by_fallback"),
    ("redis_pub_channel", "redis_key"),
    ("redis_list_key", "redis_key"),
    ("redis_stream_key", "redis_key"),
    ("encrypt_data", "encrypt"),
    ("encrypt_all", "encrypt"),
    ("encryption_key", "secret_key"),
    ("position_file", "schema_database"),
    ("kafka0.8", "kafka_version"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut names = HashSet::new();
        for option in all() {
            assert!(names.insert(option.name), "{} stands twice", option.name);
            assert!(option.help.len() > 3 && !option.help.ends_with('.'), "help of {}", option.name);
            if let Some((other, _)) = option.only_with {
                assert!(find(other).is_some(), "{} needs {other}, which does not exist", option.name);
            }
            if let Some(default) = option.default {
                assert!(super::super::value::check(option, default).is_ok(), "default of {}", option.name);
            }
            if let Kind::Choice { values, .. } = option.kind {
                assert!(option.default.is_none_or(|d| values.contains(&d)), "default of {}", option.name);
            }
        }
        for (old, new) in REMOVED {
            assert!(find(old).is_none() && find(new).is_some(), "{old}");
        }
    }

    /// Contract §1.6, by name: none of Maxwell's options is unknown here.
    #[test]
    fn all_of_maxwells_options_are_known() {
        let names = "config env_config env_config_prefix help log_level daemon kafka_version producer client_id host port user password \
            jdbc_options ssl binlog_heartbeat schema_database replica_server_id replication_reconnection_retries replication_host \
            replication_user replication_password replication_jdbc_options replication_ssl replication_port schema_host schema_user \
            schema_password schema_jdbc_options schema_ssl schema_port max_schemas gtid_mode master_recovery ignore_missing_schema \
            init_position replay recapture_schema output_binlog_position output_gtid_position output_commit_info output_xoffset \
            output_nulls output_server_id output_thread_id output_schema_id output_row_query row_query_max_length output_primary_keys \
            output_primary_key_columns output_null_zerodates output_ddl output_push_timestamp output_naming_strategy exclude_columns \
            encrypt secret_key filter javascript ha jgroups_config raft_member_id bootstrapper ignore_producer_error buffer_memory_usage \
            binlog_event_queue_size custom_producer.factory output_file producer_partition_by producer_partition_columns \
            producer_partition_by_fallback producer_ack_timeout kafka.bootstrap.servers kafka_topic kafka_key_format \
            kafka_partition_hash ddl_kafka_topic dead_letter_topic kinesis_stream kinesis_md5_keys sqs_queue_uri sqs_service_endpoint \
            sqs_signing_region sns_topic sns_attrs sns_service_endpoint sns_signing_region nats_url nats_subject bigquery_project_id \
            bigquery_dataset bigquery_table pubsub_project_id pubsub_topic ddl_pubsub_topic pubsub_request_bytes_threshold \
            pubsub_message_count_batch_size pubsub_message_ordering_key pubsub_publish_delay_threshold pubsub_retry_delay \
            pubsub_retry_delay_multiplier pubsub_max_retry_delay pubsub_initial_rpc_timeout pubsub_rpc_timeout_multiplier \
            pubsub_max_rpc_timeout pubsub_total_timeout pubsub_emulator rabbitmq_host rabbitmq_port rabbitmq_user rabbitmq_pass \
            rabbitmq_virtual_host rabbitmq_uri rabbitmq_handshake_timeout rabbitmq_exchange rabbitmq_exchange_type \
            rabbitmq_exchange_durable rabbitmq_exchange_autodelete rabbitmq_routing_key_template rabbitmq_message_persistent \
            rabbitmq_declare_exchange rabbitmq_use_ssl redis_host redis_port redis_auth redis_database redis_type redis_key \
            redis_stream_json_key redis_sentinels redis_sentinel_master_name metrics_prefix metrics_type metrics_slf4j_interval \
            metrics_age_slo metrics_jvm metrics_datadog_type metrics_datadog_tags metrics_datadog_interval metrics_datadog_apikey \
            metrics_datadog_site metrics_datadog_host metrics_datadog_port custom_health.factory http_port http_path_prefix \
            http_bind_address http_diagnostic http_diagnostic_timeout http_config";
        for name in names.split_whitespace() {
            assert_eq!(find(name).map(|o| o.owner), Some(Owner::Maxwell), "{name}");
        }
        assert_eq!(all().filter(|o| o.owner == Owner::Maxwell).count(), names.split_whitespace().count());
    }
}
