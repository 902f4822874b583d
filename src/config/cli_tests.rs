use super::super::settings::*;
use super::*;
use crate::config::{Note, options};
use crate::encode::Path;

fn around(variables: &[(&str, &str)], directory: &std::path::Path) -> Surroundings {
    Surroundings { variables: variables.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(), directory: directory.into() }
}

fn invoke(file: &str, variables: &[(&str, &str)], line: &[&str]) -> Result<Invocation, Exit> {
    let folder = tempfile::tempdir().expect("temporary folder");
    std::fs::write(folder.path().join("config.properties"), file).expect("file");
    parse_in(line.iter().map(OsString::from), &around(variables, folder.path()))
}

fn config(file: &str, line: &[&str]) -> Config {
    match invoke(&format!("host=h\nuser=u\n{file}"), &[], line) {
        Ok(Invocation::Run(config)) => *config,
        other => panic!("{file} {line:?}: {other:?}"),
    }
}

/// The lines of faults for this file and line.
fn faults(file: &str, line: &[&str]) -> Vec<String> {
    match invoke(&format!("host=h\nuser=u\n{file}"), &[], line) {
        Err(exit) => {
            assert_eq!((exit.code, exit.stdout.as_str()), (1, ""), "{file}");
            exit.stderr.lines().filter_map(|l| l.strip_prefix("error: ")).map(String::from).collect()
        }
        Ok(_) => Vec::new(),
    }
}

fn texts(notes: &[Note]) -> Vec<&str> {
    notes.iter().map(|n| n.text.as_str()).collect()
}

#[test]
fn defaults() {
    let c = config("", &[]);
    assert_eq!((c.client_id.as_str(), c.schema_database.as_str(), c.replica_server_id), ("maxwell", "maxwell", 6379));
    assert_eq!((c.store.port, c.store.tls.mode, c.store.connect_timeout_ms), (3306, TlsMode::Disabled, 5000));
    assert_eq!(c.replication, c.store);
    assert!(c.capture.is_none() && c.http.is_none() && c.init_position.is_none() && c.reconnection_retries.is_none());
    assert!(!c.gtid_mode && c.filter.is_empty());
    let o = &c.output;
    assert!(o.commit_info && o.xoffset && o.nulls);
    assert!(!(o.binlog_position || o.gtid_position || o.server_id || o.thread_id || o.schema_id || o.row_query || o.primary_keys));
    assert!(!(o.primary_key_columns || o.null_zerodates || o.ddl || o.push_timestamp));
    assert!(matches!(c.producer.kind, ProducerKind::Stdout));
    assert_eq!(c.producer.partition.by, PartitionBy::Database);
    assert!(!c.producer.ignore_error && c.producer.ack_timeout_ms.is_none());
    assert_eq!((c.memory.limit_bytes, c.memory.row_bytes_max, c.shutdown_timeout_ms), (128 << 20, 64 << 20, 8000));
    assert_eq!(c.memory.spill_dir, std::env::temp_dir().join("binlogd-maxwell"));
    assert_eq!(c.logging, LogSettings { level: tracing::level_filters::LevelFilter::INFO, format: LogFormat::Text, file: None });
    assert_eq!(c.bootstrapper, Bootstrapper::Async);
    assert!(c.notes.is_empty(), "{:?}", c.notes);
}

#[test]
fn every_output_option_reaches_its_field() {
    type Field = fn(&OutputSettings) -> bool;
    let fields: [(&str, Field); 15] = [
        ("output_binlog_position", |o| o.binlog_position),
        ("output_gtid_position", |o| o.gtid_position),
        ("output_commit_info", |o| o.commit_info),
        ("output_xoffset", |o| o.xoffset),
        ("output_nulls", |o| o.nulls),
        ("output_server_id", |o| o.server_id),
        ("output_thread_id", |o| o.thread_id),
        ("output_schema_id", |o| o.schema_id),
        ("output_row_query", |o| o.row_query),
        ("output_primary_keys", |o| o.primary_keys),
        ("output_primary_key_columns", |o| o.primary_key_columns),
        ("output_null_zerodates", |o| o.null_zerodates),
        ("output_ddl", |o| o.ddl),
        ("output_push_timestamp", |o| o.push_timestamp),
        ("output_naming_strategy", |o| o.naming_strategy == NamingStrategy::UnderscoreToCamelcase),
    ];
    for (name, _) in fields {
        for (other, read) in fields {
            let (on, off) = match name {
                "output_naming_strategy" => ("underscore_to_camelcase", "none"),
                _ => ("true", "FALSE "),
            };
            let default = options::find(other).is_some_and(|o| o.default == Some("true"));
            let switched = |value: &str| read(&config(&format!("gtid_mode=true\n{name}={value}"), &[]).output);
            assert_eq!(switched(on), default || name == other, "{name} on {other}");
            assert_eq!(switched(off), default && name != other, "{name} off {other}");
        }
    }
}

#[test]
fn booleans_of_files_and_of_the_command_line() {
    for (file, line, want) in [
        ("", &["--output_ddl"] as &[&str], true),
        ("", &["--output_ddl=TRUE"], true),
        ("", &["--output_ddl=yes"], false),
        ("output_ddl=true", &["--output_ddl=no"], false),
        ("output_ddl=false", &["--output_ddl"], true),
        ("output_ddl=true ", &[], true),
    ] {
        assert_eq!(config(file, line).output.ddl, want, "{file} {line:?}");
    }
    let warned = config("", &["--output_nulls", "yes"]);
    assert!(!warned.output.nulls);
    assert_eq!(texts(&warned.notes), ["--output_nulls=yes means false: on the command line everything but true does"]);
    let refused = faults("output_nulls=yes", &[]);
    assert_eq!(
        refused,
        ["Invalid value for output_nulls, true|false required (config.properties:3); hint: output_nulls takes true or false"]
    );
}

#[test]
fn gtid_mode_by_variable() {
    for (file, line, want) in
        [("", &[] as &[&str], true), ("gtid_mode=false", &[], false), ("", &["--gtid_mode=false"], false), ("gtid_mode=true", &[], true)]
    {
        let Ok(Invocation::Run(c)) = invoke(&format!("host=h\nuser=u\n{file}"), &[("GTID_MODE", "")], line) else { panic!("{file}") };
        assert_eq!(c.gtid_mode, want, "{file} {line:?}");
        assert_eq!(c.notes.len(), usize::from(file.is_empty() && line.is_empty()), "{file} {line:?}");
    }
}

/// Contract §1.7: each condition, and the beginning of its text.
#[test]
fn faults_have_maxwells_texts() {
    let column = "producer_partition_by=column\n";
    for (file, want) in [
        (
            "producer_partition_by=colour",
            "please specify --producer_partition_by=database|table|primary_key|transaction_id|thread_id|column|random",
        ),
        (
            &format!("{column}producer_partition_by_fallback=table") as &str,
            "please specify --producer_partition_columns=column1 when using producer_partition_by=column",
        ),
        (
            &format!("{column}producer_partition_columns=a"),
            "please specify --producer_partition_by_fallback=[database, table, primary_key, transaction_id] when using \
             producer_partition_by=column",
        ),
        (&format!("{column}producer_partition_columns=a\nproducer_partition_by_fallback=x"), "Unknown partitionBy string: x"),
        (&format!("{column}producer_partition_columns=a\nproducer_partition_by_fallback=column"), "Unknown partitionBy string: column"),
        ("filter=include", "Invalid filter options: Expected ':', saw: Token[EOF], line 1"),
        ("producer=kafka", "Please specify kafka.bootstrap.servers"),
        ("producer=kafka\nkafka.bootstrap.servers=h:1\nkafka_partition_hash=md5", "please specify --kafka_partition_hash=default|murmur3"),
        ("producer=kafka\nkafka.bootstrap.servers=h:1\nkafka_key_format=avro", "invalid kafka_key_format: avro"),
        ("producer=file", "please specify --output_file=FILE to use the file producer"),
        ("producer=carrier_pigeon", "Unknown producer type: carrier_pigeon"),
        ("producer=kinesis", "please specify a stream name for kinesis"),
        ("producer=sqs", "please specify --sqs_queue_uri"),
        ("producer=sqs\nsqs_queue_uri=q", "please specify --sqs_service_endpoint"),
        ("producer=sqs\nsqs_queue_uri=q\nsqs_service_endpoint=e", "please specify --sqs_signing_region"),
        ("producer=sns", "please specify --sns_topic"),
        ("producer=pubsub", "please specify --pubsub_project_id."),
        ("producer=pubsub\npubsub_request_bytes_threshold=0", "pubsub_request_bytes_threshold must be > 0"),
        ("producer=pubsub\npubsub_message_count_batch_size=0", "pubsub_message_count_batch_size must be > 0"),
        ("producer=pubsub\npubsub_publish_delay_threshold=-1", "pubsub_publish_delay_threshold must be > 0"),
        ("producer=pubsub\npubsub_retry_delay=0", "pubsub_retry_delay must be > 0"),
        ("producer=pubsub\npubsub_max_retry_delay=0", "pubsub_max_retry_delay must be > 0"),
        ("producer=pubsub\npubsub_initial_rpc_timeout=0", "pubsub_initial_rpc_timeout must be > 0"),
        ("producer=pubsub\npubsub_max_rpc_timeout=0", "pubsub_max_rpc_timeout must be > 0"),
        ("producer=pubsub\npubsub_total_timeout=0", "pubsub_total_timeout must be > 0"),
        ("producer=pubsub\npubsub_retry_delay_multiplier=1.0", "pubsub_retry_delay_multiplier must be > 1.0"),
        ("producer=pubsub\npubsub_rpc_timeout_multiplier=0.9", "pubsub_rpc_timeout_multiplier must be >= 1.0"),
        ("producer=redis\nredis_sentinels=a:1", "please specify both (or none) of redis_sentinel_master_name and redis_sentinels"),
        ("producer=redis\nredis_sentinel_master_name=a", "please specify both (or none) of redis_sentinel_master_name"),
        ("producer=custom", "Please specify --custom_producer.factory!"),
        ("encrypt=all", "--secret_key required"),
        ("replication_ssl=x\nreplication_host=r\nreplication_user=u", "Invalid binlog SSL mode string: x"),
        ("schema_host=s\nschema_password=u", "Please specify all of: schema_host, schema_user, schema_password"),
        ("javascript=f.js", "javascript is not supported"),
        ("max_schemas=x", "Invalid value for max_schemas, number required"),
        ("output_ddl=yes", "Invalid value for output_ddl, true|false required"),
        ("replica_server_id=5000000000", "Invalid value for replica_server_id, at most 4294967295 required"),
        ("producer=redis", "producer=redis is not supported: this producer is not built yet; there are stdout, file and kafka"),
        ("bootstrapper=maybe", "please specify --bootstrapper=async|sync|none"),
        ("ssl=required", "Invalid binlog SSL mode string: required"),
        ("replication_host=r", "Please specify all of: replication_host, replication_user, replication_password"),
        ("replication_user=r", "Please specify all of: replication_host, replication_user, replication_password"),
        ("replication_password=r", "Please specify all of: replication_host, replication_user, replication_password"),
        ("gtid_mode=true\nmaster_recovery=true", "There is no need to perform master_recovery under gtid_mode"),
        ("output_gtid_position=true", "output_gtid_position is only support with gtid mode."),
        ("schema_host=s\nschema_user=u", "Please specify all of: schema_host, schema_user, schema_password"),
        ("metrics_datadog_type=http", "please specify metrics_datadog_apikey when metrics_datadog_type = http"),
        ("exclude_columns=a, /(/", "invalid exclude_columns: 'a, /(/': Invalid regular expression: /(/: unclosed group"),
        ("encrypt=some", "Unknown encryption mode: some"),
        ("encrypt=data", "--secret_key required"),
        ("buffer_memory_usage=1.5", "--buffer_memory_usage must be <= 1.0"),
        ("max_schemas=1", "--max_schemas must a number between 1 and 2**31"),
        ("port=x", "Invalid value for port, number required"),
        ("buffer_memory_usage=x", "Invalid value for buffer_memory_usage, float required"),
        ("log_level=loud", "Invalid value for log_level: loud"),
        ("kafka_topic=\nproducer=kafka\nkafka.bootstrap.servers=h:1", "kafka_topic is empty"),
        ("client_id=", "client_id is empty"),
        ("spill_dir=/dev/null", "spill_dir is not a folder: /dev/null"),
        ("ssl_cert=/dev/nowhere", "ssl_cert: there is no file /dev/nowhere"),
        ("ssl_cert=/dev/nowhere", "ssl_cert is given without ssl_key"),
        ("memory_limit=1K", "Invalid value for memory_limit, at least 32M required"),
        (
            "producer=kafka\nkafka.bootstrap.servers=h:1\nkafka_topic=%{table}\noutput_ddl=true",
            "DDL messages would go to a topic with the literal name %{table}, which Kafka does not allow",
        ),
    ] {
        let faults = faults(file, &[]);
        assert!(faults.iter().any(|f| f.starts_with(want)), "{file}: {faults:?}, not {want}");
    }
    for (line, want) in [
        (&["--init_position=a"] as &[&str], "Invalid init_position: a (command line); hint: write FILE:POSITION"),
        (&["--nonsense"], "nonsense is not a recognized option"),
        (&["a", "b"], "Unknown argument(s): [a, b]"),
        (&["--producer=custom"], "Please specify --custom_producer.factory!"),
        (&["--replication_reconnection_retries"], "Invalid value for replication_reconnection_retries, number required"),
    ] {
        let faults = faults("", line);
        assert!(faults.iter().any(|f| f.starts_with(want)), "{line:?}: {faults:?}, not {want}");
    }
    let Err(exit) = invoke("", &[], &[]) else { panic!("started without a user") };
    assert_eq!(
        exit.stderr,
        "warning: maxwell mysql host not specified, defaulting to localhost\nerror: please specify --user=USER\n\
         binlogd --help all lists all options\n"
    );
}

#[test]
fn all_faults_come_at_once_in_maxwells_order() {
    let found =
        faults("max_schemas=0\nbootstrapper=x\nfilter=x\nport=x\nssl=x\nproducer_partition_by=x", &["--nonsense", "stray", "--", "left"]);
    let wants = [
        "nonsense is",
        "Invalid value for port",
        "please specify --producer_partition_by",
        "Invalid filter",
        "please specify --boot",
        "Invalid binlog SSL",
        "--max_schemas must",
        "Unknown argument(s): [left]",
    ];
    let mut rest = found.iter();
    for want in wants {
        assert!(rest.any(|f| f.starts_with(want)), "{want} in {found:#?}");
    }
    let mentions = |place: &str| found.iter().filter(|f| f.contains(place)).count();
    assert_eq!((3..=8).map(|n| mentions(&format!("config.properties:{n})"))).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 1]);
}

/// Every option that is not supported is refused when it is set, and not when it has its default.
#[test]
fn what_is_not_supported_is_refused_by_name() {
    use crate::config::options::{Kind, Support};
    let mut count = 0;
    for option in options::all() {
        let Support::Refused { unless, why } = option.support else { continue };
        let value = match option.kind {
            Kind::Bool => "true",
            Kind::Int { .. } => "7",
            Kind::Choice { values, .. } => {
                values.iter().find(|v| Some(**v) != option.default && !unless.contains(v)).expect("another word")
            }
            _ => "something",
        };
        let base = "secret_key=0123456789abcdef\nkinesis_stream=s\n";
        let with_producer = match option.only_with {
            Some(("producer", "kafka")) => format!("{base}producer=kafka\nkafka.bootstrap.servers=h:1\n"),
            Some(other) => panic!("{other:?}"),
            None => base.to_string(),
        };
        let given = |value: &str| match option.in_files() {
            true => faults(&format!("{with_producer}{}={value}", option.name), &[]),
            false => faults(&with_producer, &[&format!("--{}={value}", option.name)]),
        };
        let refusals = given(value);
        let place = if option.in_files() { "config.properties:" } else { "command line" };
        assert_eq!(refusals.len(), 1, "{}: {refusals:?}", option.name);
        assert!(refusals[0].contains(option.name) && refusals[0].contains(why) && refusals[0].contains(place), "{refusals:?}");
        if let Some(default) = option.default {
            assert!(given(default).is_empty(), "{} refuses its default", option.name);
        }
        count += 1;
    }
    assert!(count >= 7, "{count}");
}

#[test]
fn options_of_other_producers_do_nothing() {
    let c = config(
        "redis_host=r\nredis_port=x\npubsub_retry_delay=-1\nkafka_key_format=avro\nraft_member_id=a\nrabbitmq_uri=amqp://u:p@h",
        &[],
    );
    assert!(c.notes.is_empty(), "{:?}", c.notes);
}

#[test]
fn what_has_no_effect_is_said() {
    let c =
        config("binlog_heartbeat=true\nbinlog_event_queue_size=10\nbuffer_memory_usage=0.25\nmetrics_jvm=true", &["--kafka_version=0.11"]);
    let notes = texts(&c.notes);
    for name in ["kafka_version", "binlog_heartbeat", "binlog_event_queue_size", "metrics_jvm"] {
        assert!(notes.iter().any(|n| n.starts_with(name) && n.contains("has no effect")), "{name}: {notes:?}");
    }
    assert_eq!(notes.len(), 4, "{notes:?}");
}

#[test]
fn blanks_at_the_end_of_a_text_are_told() {
    let c = config("kafka_topic=t \npassword=secret \nport=3307 ", &[]);
    assert_eq!((c.store.port, c.store.password.reveal()), (3307, "secret "));
    let notes = texts(&c.notes).join("\n");
    assert!(
        notes.contains("the value of password ends with a blank") && notes.contains("kafka_topic") && !notes.contains("secret"),
        "{notes}"
    );
}

#[test]
fn hosts_are_inherited() {
    let ca = tempfile::NamedTempFile::new().expect("file");
    let ca_path = ca.path().display();
    let base = format!("password=p\nport=1\nssl=REQUIRED\nssl_ca={ca_path}\njdbc_options=connectTimeout=7000\n");
    let copy = config(&format!("{base}replication_port=5\nreplication_ssl=DISABLED"), &[]);
    assert_eq!(copy.replication, copy.store);
    assert_eq!(copy.store.connect_timeout_ms, 7000);
    assert_eq!(copy.notes.len(), 2, "{:?}", copy.notes);

    let own = config(
        &format!("{base}replication_host=r\nreplication_user=ru\nschema_host=s\nschema_user=su\nschema_password=sp\nschema_ssl=PREFERRED"),
        &[],
    );
    let r = &own.replication;
    assert_eq!((r.host.as_str(), r.port, r.user.as_str(), r.password.reveal()), ("r", 3306, "ru", ""));
    assert_eq!((r.tls.mode, r.tls.ca.as_deref(), r.connect_timeout_ms), (TlsMode::Required, Some(ca.path()), 5000));
    let s = own.capture.expect("capture server");
    assert_eq!((s.host.as_str(), s.password.reveal(), s.tls.mode), ("s", "sp", TlsMode::Preferred));
    assert!(config("schema_user=x", &[]).capture.is_none());
}

#[test]
fn jdbc_options_are_honoured_left_out_or_refused() {
    for (text, ssl, want) in [
        ("useSSL=true", "", TlsMode::Preferred),
        ("useSSL=true&requireSSL=true", "", TlsMode::Required),
        ("useSSL=true&requireSSL=true&verifyServerCertificate=true", "", TlsMode::VerifyCa),
        ("requireSSL=true", "", TlsMode::Required),
        ("useSSL=false&requireSSL=true", "", TlsMode::Disabled),
        ("sslMode=VERIFY_IDENTITY&useSSL=false", "", TlsMode::VerifyIdentity),
        ("useSSL=true", "ssl=VERIFY_CA", TlsMode::VerifyCa),
        ("useSSL=true", "ssl=DISABLED", TlsMode::Disabled),
        (" autoReconnect=true & nonsense & serverTimezone=UTC", "", TlsMode::Disabled),
    ] {
        let c = config(&format!("jdbc_options={text}\n{ssl}"), &[]);
        assert_eq!(c.store.tls.mode, want, "{text} {ssl}");
    }
    let notes = config("jdbc_options=autoReconnect=true&zeroDateTimeBehavior=convertToNull&allowPublicKeyRetrieval=true", &[]).notes;
    assert_eq!(notes.len(), 3, "{notes:?}");
    for (text, want) in [
        ("useSSL=maybe", "Invalid value for useSSL in jdbc_options, true|false required (config.properties:3)"),
        ("connectTimeout=soon", "Invalid value for connectTimeout in jdbc_options, number required"),
        ("socketFactory=x", "socketFactory in jdbc_options is not supported: binlogd does not use the Java driver"),
        ("trustCertificateKeyStoreUrl=file:x", "trustCertificateKeyStoreUrl in jdbc_options: there is no file x (config.properties:3)"),
    ] {
        let faults = faults(&format!("jdbc_options={text}"), &[]);
        assert!(faults.len() == 1 && faults[0].starts_with(want), "{text}: {faults:?}");
    }
}

#[test]
fn kafka_properties_keep_their_java_names() {
    let c = config(
        "producer=kafka\nkafka.bootstrap.servers=map:1\nkafka.acks=all\nkafka.sasl.jaas.config=secret\nkafka.kafka.x=y\nkafka_topic=t_%{table}\n\
         kafka_key_format=array\nkafka_partition_hash=murmur3\nddl_kafka_topic=ddl\nproducer_ack_timeout=5s\nignore_producer_error=true",
        &["--kafka.bootstrap.servers=line:1"],
    );
    assert!(c.producer.ignore_error);
    assert_eq!(c.producer.ack_timeout_ms, Some(5000));
    let ProducerKind::Kafka(kafka) = c.producer.kind else { panic!("not Kafka") };
    let names: Vec<(&str, &str)> = kafka.properties.iter().map(|p| (p.name.as_str(), p.value.reveal())).collect();
    assert_eq!(names, [("acks", "all"), ("bootstrap.servers", "line:1"), ("sasl.jaas.config", "secret"), ("x", "y")]);
    assert_eq!(kafka.properties[0].origin.to_string(), "config.properties:5");
    assert_eq!((kafka.topic.as_str(), kafka.ddl_topic.as_str()), ("t_%{table}", "ddl"));
    assert_eq!((kafka.key_format, kafka.partition_hash), (KeyFormat::Array, PartitionHash::Murmur3));
}

#[test]
fn partitioning() {
    for (word, want) in [
        ("database", PartitionBy::Database),
        ("table", PartitionBy::Table),
        ("primary_key", PartitionBy::PrimaryKey),
        ("transaction_id", PartitionBy::TransactionId),
        ("thread_id", PartitionBy::ThreadId),
        ("random", PartitionBy::Random),
    ] {
        assert_eq!(config(&format!("producer_partition_by={word}"), &[]).producer.partition.by, want);
        let by_column =
            format!("producer_partition_by=column\nproducer_partition_columns= a, b ,,c\nproducer_partition_by_fallback={word}");
        let partition = config(&by_column, &[]).producer.partition;
        assert_eq!(
            partition,
            PartitionSettings { by: PartitionBy::Column, columns: ["a", "b", "c"].map(String::from).to_vec(), fallback: want }
        );
    }
}

#[test]
fn the_http_server_runs_when_it_is_asked_for() {
    for (file, want) in [
        ("", None),
        ("http_port=8080", None),
        ("http_port=8081", Some((8081, "/", None))),
        ("http_path_prefix=x", Some((8080, "/x", None))),
        ("http_bind_address=::1", Some((8080, "/", Some("::1")))),
        ("metrics_type=http", Some((8080, "/", None))),
        ("metrics_type=none\nhttp_port=8081", None),
        ("http_config=true", Some((8080, "/", None))),
        ("metrics_type=slf4j\nhttp_diagnostic=true", Some((8080, "/", None))),
    ] {
        let http = config(file, &[]).http;
        let seen = http.as_ref().map(|h| (h.port, h.path_prefix.as_str(), h.bind_address.as_deref()));
        assert_eq!(seen, want, "{file}");
    }
    let http = config("http_port=8081\nhttp_config=true", &["--http_diagnostic", "--http_diagnostic_timeout=250"]).http.unwrap();
    assert!(http.metrics && http.config && http.diagnostic_ms == Some(250), "{http:?}");
    let http = config("http_config=true", &[]).http.unwrap();
    assert!(!http.metrics && http.config && http.diagnostic_ms.is_none(), "{http:?}");
}

#[test]
fn reporters() {
    let plain = config("", &[]).metrics;
    assert_eq!((plain.prefix.as_str(), plain.age_slo_s, plain.log_interval_s), ("MaxwellMetrics", 2_147_483_647, None));
    assert_eq!((plain.lag_limit_ms, plain.purge_warning_ms, plain.datadog), (None, 24 * 3_600_000, None));
    let all = config(
        "metrics_type=http,slf4j,datadog\nmetrics_prefix=p\nmetrics_slf4j_interval=5\nmetrics_age_slo=3\nmetrics_datadog_tags=a:b, c\n\
         metrics_datadog_host=h\nmetrics_datadog_port=1\nmetrics_datadog_interval=2\nlag_limit=5m\npurge_warning=2h",
        &[],
    );
    assert!(all.notes.is_empty() && all.http.is_some_and(|h| h.metrics), "{:?}", all.notes);
    let metrics = all.metrics;
    assert_eq!((metrics.prefix.as_str(), metrics.age_slo_s, metrics.log_interval_s), ("p", 3, Some(5)));
    assert_eq!((metrics.lag_limit_ms, metrics.purge_warning_ms), (Some(300_000), 7_200_000));
    let agent = metrics.datadog.unwrap();
    assert_eq!((agent.host.as_str(), agent.port, agent.tags.join("|").as_str(), agent.interval_s), ("h", 1, "a:b|c", 2));
    for (text, part) in [
        ("metrics_type=http,jmx,slf4j", "metrics_type=jmx is not supported"),
        ("metrics_type=stackdriver", "metrics_type=stackdriver is not supported"),
        ("metrics_type=datadog\nmetrics_datadog_type=http\nmetrics_datadog_apikey=k", "metrics_datadog_type=http is not supported"),
    ] {
        let refused = faults(text, &[]);
        assert!(refused.len() == 1 && refused[0].contains(part), "{refused:?}");
    }
}

#[test]
fn the_rest_of_the_daemon() {
    let c = config(
        "replication_reconnection_retries=0\nlog_level=WARN\nlog_format=json\nbootstrapper=none\nmemory_limit=1G\nspill_dir=/var/tmp\nspill_limit=1T\n\
         row_size_max=1M\nshutdown_timeout_ms=2s\nschema_database=mx\nfilter=exclude: *.*, include: mx.*, include: a.b\nclient_id=a/b",
        &["--init_position=a.000001:4:77"],
    );
    assert_eq!(c.reconnection_retries, None);
    assert_eq!(config("replication_reconnection_retries=4", &[]).reconnection_retries, Some(4));
    assert_eq!((c.max_schemas, config("max_schemas=2", &[]).max_schemas), (None, Some(2)));
    assert_eq!(c.logging, LogSettings { level: tracing::level_filters::LevelFilter::WARN, format: LogFormat::Json, file: None });
    assert_eq!(c.bootstrapper, Bootstrapper::None);
    assert_eq!(c.memory.spill_dir, PathBuf::from("/var/tmp/binlogd-a_b"));
    assert_eq!(
        (c.memory.limit_bytes, c.memory.spill_bytes_max, c.memory.row_bytes_max, c.shutdown_timeout_ms),
        (1 << 30, 1 << 40, 1 << 20, 2000)
    );
    assert_eq!(c.init_position.map(|p| p.to_string()).as_deref(), Some("Position[BinlogPosition[a.000001:4], lastHeartbeat=77]"));
    assert!(matches!(c.filter.verdict("mx", "heartbeats", &[]), crate::filter::Verdict::Keep));
    assert!(c.filter.table_included("a", "b") && !c.filter.table_included("a", "c"));
}

#[test]
fn help_comes_after_the_file_and_ends_with_1() {
    let Err(exit) = invoke("", &[], &["--help"]) else { panic!("started") };
    assert!(exit.code == 1 && exit.stdout.starts_with("Help for binlogd:") && exit.stderr.is_empty(), "{exit:?}");
    let Err(exit) = invoke("", &[], &["--help", "kafka"]) else { panic!("started") };
    assert!(exit.stdout.contains("--kafka_topic"), "{exit:?}");
    let Err(exit) = invoke("", &[], &["--help", "--config=missing"]) else { panic!("started") };
    assert!(exit.stdout.is_empty() && exit.stderr.contains("Couldn't find config file: missing"), "{exit:?}");
    assert!(
        matches!(invoke("", &[], &["--version"]), Ok(Invocation::Print(text)) if text == format!("binlogd {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn secrets_are_never_shown() {
    let word = "hunter2";
    let file = format!(
        "password={word}\nreplication_host=r\nreplication_user=r\nreplication_password={word}\nschema_host=s\nschema_user=s\n\
         schema_password={word}\nproducer=kafka\nkafka.bootstrap.servers=h:1\nkafka.sasl.jaas.config={word}\nsecret_key={word}\n\
         pasword={word}\nredis_auth={word}\nmetrics_datadog_apikey={word}"
    );
    let shown = format!("{:?}", config(&file, &[]));
    assert!(!shown.contains(word), "{shown}");
    let bad = format!("{file}\nport=x\nencrypt=data\nrabbitmq_pass={word}\nproducer=rabbitmq\nrabbitmq_port=x");
    let Err(exit) = invoke(&bad, &[], &[&format!("--pasword={word}"), "--user", "a", "--user", "b"]) else { panic!("started") };
    assert!(!format!("{exit:?}").contains(word), "{exit:?}");
}

fn read_config(line: &[&str]) -> ReadConfig {
    match invoke("host=ignored\nfilter=exclude: *.*\nport=x", &[], line) {
        Ok(Invocation::Read(config)) => *config,
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn the_read_command() {
    let r = read_config(&[
        "read",
        "--output_ddl",
        "a.000001",
        "--filter=exclude: x.*",
        "--gtid_mode",
        "--output_gtid_position=true",
        "b.000002",
    ]);
    assert_eq!(r.files, [PathBuf::from("a.000001"), PathBuf::from("b.000002")]);
    assert!(r.output.ddl && r.gtid_mode && r.output.gtid_position && r.binlog_name.is_none());
    assert!(!r.filter.table_included("x", "t") && r.filter.table_included("y", "t"));
    let named = read_config(&["read", "--binlog_name=master.000007", "--schema_database=mx", "--", "-odd"]);
    assert_eq!((named.binlog_name.as_deref(), named.schema_database.as_str()), (Some("master.000007"), "mx"));
    assert_eq!(named.files, [PathBuf::from("-odd")]);
    assert_eq!((named.path, read_config(&["read", "--path=both", "a"]).path), (Path::Fast, Path::Both));
    let filtered = read_config(&["read", "--config=config.properties", "a"]);
    assert!(!filtered.filter.table_included("any", "t"), "a named file counts");

    for (line, want) in [
        (&["read"] as &[&str], "no binlog file is given"),
        (&["read", "--host=x", "a"], "host has no use in `binlogd read`"),
        (&["read", "--output_gtid_position", "a"], "output_gtid_position is only support with gtid mode."),
        (&["read", "--binlog_name=x", "a", "b"], "binlog_name can name one file only"),
        (&["read", "--path=other", "a"], "Invalid value for path: other"),
        (&["read", "--encrypt=data", "--secret_key=0123456789abcdef", "a"], "encrypt=data is not supported"),
        (&["read", "--filter=x", "a"], "Invalid filter options: "),
    ] {
        let Err(exit) = invoke("", &[], line) else { panic!("{line:?} was accepted") };
        assert!(exit.code == 1 && exit.stderr.contains(&format!("error: {want}")), "{line:?}: {exit:?}");
    }
    let Err(exit) = invoke("", &[], &["read", "--help"]) else { panic!("started") };
    assert!(exit.stdout.starts_with("binlogd read [options] FILE"), "{exit:?}");
}

/// Each row: what stands beside `delivery=exactly_once`, and the beginning of the fault; none where it goes together.
#[test]
fn exactly_once() {
    let kafka = "producer=kafka\nkafka.bootstrap.servers=h:1\ndelivery=exactly_once\n";
    for (file, want) in [
        ("delivery=exactly_once\nproducer=stdout", Some("delivery=exactly_once needs producer=kafka")),
        ("delivery=exactly_once\nproducer=file\noutput_file=f", Some("delivery=exactly_once needs producer=kafka")),
        ("delivery=twice", Some("please specify --delivery=at_least_once|exactly_once")),
        (&format!("{kafka}master_recovery=true") as &str, Some("master_recovery does not go together with delivery=exactly_once")),
        (&format!("{kafka}dead_letter_topic=d"), None),
        (&format!("{kafka}dead_letter_topic=p\nkafka_position_topic=p"), Some("kafka_position_topic is a topic of messages too")),
        (&format!("{kafka}kafka_topic=t\nkafka_position_topic=t"), Some("kafka_position_topic is a topic of messages too")),
        (&format!("{kafka}kafka_position_topic="), Some("kafka_position_topic is empty")),
        (kafka, None),
    ] {
        let found = faults(file, &[]);
        match want {
            Some(want) => assert!(found.iter().any(|f| f.starts_with(want)), "{file}: {found:?}"),
            None => assert!(found.is_empty(), "{file}: {found:?}"),
        }
    }
    let found = faults(kafka, &["--replay"]);
    assert!(found[0].starts_with("replay does not go together with delivery=exactly_once"), "{found:?}");
    let c = config(&format!("{kafka}exactly_once_interval=1s\nexactly_once_bytes=1M\nexactly_once_mysql_positions=false"), &[]);
    let wanted =
        ExactlyOnceSettings { position_topic: "binlogd_positions".into(), interval_ms: 1000, bytes: 1 << 20, writes_positions: false };
    assert_eq!(c.exactly_once(), Some(&wanted));
    assert_eq!(config("producer=kafka\nkafka.bootstrap.servers=h:1", &[]).exactly_once(), None);
    // Rows that are held back could not be told from those that were sent.
    let by_table = format!("{kafka}producer_partition_by=table\n");
    let c = config(&by_table, &[]);
    assert_eq!((c.on_schema_error, c.notes.len()), (OnSchemaError::Stop, 0));
    let c = config(&format!("{by_table}on_schema_error=quarantine"), &[]);
    assert_eq!(c.on_schema_error, OnSchemaError::Stop);
    assert!(texts(&c.notes)[0].starts_with("on_schema_error=quarantine acts as stop with delivery=exactly_once"), "{:?}", c.notes);
}
