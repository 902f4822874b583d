//! Options of producers that are not built yet. They are known, so that a file which sets them beside another producer
//! starts as it does with Maxwell; the producers themselves are refused by `producer`.

use super::Group::{BigQuery, Kinesis, Nats, PubSub, RabbitMq, Redis, Sns, Sqs};
use super::{Group, Opt};

const P: &str = "producer";
const I32: i64 = i32::MAX as i64;

const fn of(group: Group, producer: &'static str, name: &'static str, help: &'static str) -> Opt {
    Opt::text(group, name, help).only_with(P, producer)
}

const fn number(group: Group, producer: &'static str, name: &'static str, default: &'static str, help: &'static str) -> Opt {
    Opt::int(group, name, i64::MIN, i64::MAX, help).default(default).only_with(P, producer)
}

const fn rabbit_flag(name: &'static str, default: &'static str, help: &'static str) -> Opt {
    Opt::flag(RabbitMq, name, help).default(default).only_with(P, "rabbitmq")
}

pub(super) static OPTIONS: &[Opt] = &[
    of(Kinesis, "kinesis", "kinesis_stream", "name of the stream").optional_argument(),
    Opt::flag(Kinesis, "kinesis_md5_keys", "send the MD5 of partition keys").file_only().only_with(P, "kinesis"),
    of(Sqs, "sqs", "sqs_queue_uri", "address of the queue"),
    of(Sqs, "sqs", "sqs_service_endpoint", "service endpoint"),
    of(Sqs, "sqs", "sqs_signing_region", "region that signs requests"),
    of(Sns, "sns", "sns_topic", "ARN of the topic"),
    of(Sns, "sns", "sns_attrs", "attributes to add: database, table").optional_argument(),
    of(Sns, "sns", "sns_service_endpoint", "service endpoint"),
    of(Sns, "sns", "sns_signing_region", "region that signs requests"),
    of(Nats, "nats", "nats_url", "servers, with commas between").default("nats://localhost:4222"),
    of(Nats, "nats", "nats_subject", "subject; %{database} and %{table} are replaced").default("%{database}.%{table}"),
    of(BigQuery, "bigquery", "bigquery_project_id", "project of the table"),
    of(BigQuery, "bigquery", "bigquery_dataset", "data set of the table"),
    of(BigQuery, "bigquery", "bigquery_table", "name of the table"),
    of(PubSub, "pubsub", "pubsub_project_id", "project of the topic"),
    of(PubSub, "pubsub", "pubsub_topic", "topic of rows").default("maxwell"),
    of(PubSub, "pubsub", "ddl_pubsub_topic", "topic of DDL messages").default_words("pubsub_topic"),
    number(PubSub, "pubsub", "pubsub_request_bytes_threshold", "1", "bytes that end a batch"),
    number(PubSub, "pubsub", "pubsub_message_count_batch_size", "1", "messages that end a batch"),
    of(PubSub, "pubsub", "pubsub_message_ordering_key", "template of the ordering key").optional_argument(),
    number(PubSub, "pubsub", "pubsub_publish_delay_threshold", "1", "milliseconds that end a batch"),
    number(PubSub, "pubsub", "pubsub_retry_delay", "100", "milliseconds before the first retry"),
    Opt::float(PubSub, "pubsub_retry_delay_multiplier", "growth of the delay between retries").default("1.3").only_with(P, "pubsub"),
    number(PubSub, "pubsub", "pubsub_max_retry_delay", "60", "longest delay between retries, seconds"),
    number(PubSub, "pubsub", "pubsub_initial_rpc_timeout", "5", "time-out of the first call, seconds"),
    Opt::float(PubSub, "pubsub_rpc_timeout_multiplier", "growth of the calls' time-out").default("1.0").only_with(P, "pubsub"),
    number(PubSub, "pubsub", "pubsub_max_rpc_timeout", "600", "longest time-out of a call, seconds"),
    number(PubSub, "pubsub", "pubsub_total_timeout", "600", "time-out of a call with its retries, seconds"),
    of(PubSub, "pubsub", "pubsub_emulator", "host:port of an emulator").optional_argument(),
    of(RabbitMq, "rabbitmq", "rabbitmq_host", "host name"),
    Opt::int(RabbitMq, "rabbitmq_port", 0, 65_535, "port of the broker").only_with(P, "rabbitmq"),
    of(RabbitMq, "rabbitmq", "rabbitmq_user", "user name").default("guest"),
    Opt::secret(RabbitMq, "rabbitmq_pass", "password").default("guest").only_with(P, "rabbitmq"),
    of(RabbitMq, "rabbitmq", "rabbitmq_virtual_host", "virtual host").default("/"),
    Opt::secret(RabbitMq, "rabbitmq_uri", "address with user and password").only_with(P, "rabbitmq"),
    Opt::int(RabbitMq, "rabbitmq_handshake_timeout", 0, I32, "time-out of the handshake, milliseconds")
        .optional_argument()
        .only_with(P, "rabbitmq"),
    of(RabbitMq, "rabbitmq", "rabbitmq_exchange", "name of the exchange").default("maxwell"),
    of(RabbitMq, "rabbitmq", "rabbitmq_exchange_type", "type of the exchange").default("fanout"),
    rabbit_flag("rabbitmq_exchange_durable", "false", "declare the exchange durable"),
    rabbit_flag("rabbitmq_exchange_autodelete", "false", "declare the exchange as deleted when unused"),
    of(RabbitMq, "rabbitmq", "rabbitmq_routing_key_template", "routing key; %db% and %table% are replaced").default("%db%.%table%"),
    rabbit_flag("rabbitmq_message_persistent", "false", "mark messages persistent"),
    rabbit_flag("rabbitmq_declare_exchange", "true", "declare the exchange at the start"),
    rabbit_flag("rabbitmq_use_ssl", "false", "connect with TLS"),
    of(Redis, "redis", "redis_host", "host name").default("localhost"),
    Opt::int(Redis, "redis_port", 0, 65_535, "port of the server").default("6379").only_with(P, "redis"),
    Opt::secret(Redis, "redis_auth", "password").only_with(P, "redis"),
    Opt::int(Redis, "redis_database", 0, I32, "number of the database").default("0").only_with(P, "redis"),
    of(Redis, "redis", "redis_type", "pubsub, xadd, lpush or rpush").default("pubsub"),
    of(Redis, "redis", "redis_key", "channel or key; %{database} and %{table} are replaced").default("maxwell"),
    of(Redis, "redis", "redis_stream_json_key", "field of the JSON in stream entries").default("message"),
    of(Redis, "redis", "redis_sentinels", "sentinels, as host:port with commas between"),
    of(Redis, "redis", "redis_sentinel_master_name", "name under which the sentinels know the server"),
];
