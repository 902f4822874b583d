//! The configuration from outside: the files that people copy from guides, our own example, and the documentation page,
//! which is made from the table of options (`UPDATE_DOCS=1 cargo test --test config` writes it).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use binlogd::config::cli::parse_in;
use binlogd::config::options;
use binlogd::config::{Config, Exit, Invocation, NoteLevel, PartitionBy, PartitionHash, ProducerKind, Surroundings, differences, help};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Starts with this text as `config.properties` in the working directory.
fn start(text: &str, line: &[&str]) -> Result<Config, Exit> {
    let folder = tempfile::tempdir().expect("temporary folder");
    std::fs::write(folder.path().join("config.properties"), text).expect("file");
    let around = Surroundings { directory: folder.path().to_path_buf(), ..Surroundings::default() };
    match parse_in(line.iter().map(OsString::from), &around)? {
        Invocation::Run(config) => Ok(*config),
        other => panic!("{other:?}"),
    }
}

fn warnings(config: &Config) -> Vec<&str> {
    config.notes.iter().filter(|n| n.level == NoteLevel::Warning).map(|n| n.text.as_str()).collect()
}

fn kafka(config: &Config) -> (Vec<(&str, &str)>, &str) {
    let ProducerKind::Kafka(kafka) = &config.producer.kind else { panic!("not Kafka: {:?}", config.producer.kind) };
    (kafka.properties.iter().map(|p| (p.name.as_str(), p.value.reveal())).collect(), &kafka.topic)
}

/// A file as a guide to data lakes prints it.
const GUIDE_DATALAKE: &str = "\
# Maxwell数据湖同步配置
host=localhost
user=maxwell
password=maxwell123
schema_database=maxwell

# 数据湖输出配置
producer=kafka
kafka.bootstrap.servers=localhost:9092
kafka_topic=datalake_topic

# 数据格式配置
output_format=json
include_binlog_position=true
include_commit_info=true

# 数据过滤(只同步业务表)
filter=exclude:test.*,include:orders.*,users.*,products.*
";

/// The Kafka half of a file as another guide prints it; the connection is ours.
const GUIDE_KAFKA: &str = "\
# Kafka生产者配置
producer=kafka
kafka.bootstrap.servers=kafka1:9092,kafka2:9092,kafka3:9092

# 主题配置
kafka_topic=maxwell_binlog

# 分区策略(按表名分区)
kafka_partition_hash=table

# 消息格式配置
output_format=json
include_binlog_position=true
include_commit_info=true

# 性能优化
kafka_request_timeout_ms=30000
kafka_retries=3
kafka_acks=1
";

/// What that guide adds.
const GUIDE_KAFKA_DEAD_LETTERS: &str = "
# 错误处理
dead_letter_topic=maxwell_error";

#[test]
fn the_data_lake_guide_starts_as_its_author_meant() {
    let config = start(GUIDE_DATALAKE, &[]).unwrap_or_else(|exit| panic!("{}", exit.stderr));
    assert_eq!(
        (config.store.host.as_str(), config.store.user.as_str(), config.store.password.reveal()),
        ("localhost", "maxwell", "maxwell123")
    );
    assert_eq!(kafka(&config), (vec![("bootstrap.servers", "localhost:9092")], "datalake_topic"));
    assert!(config.output.binlog_position && config.output.commit_info);
    assert_eq!(config.filter.to_string(), "exclude: test.*, include: orders.*, include: users.*, include: products.*");
    let warnings = warnings(&config);
    for part in [
        "output_format (config.properties:13) is not an option of Maxwell's",
        "it was read as output_binlog_position=true",
        "it was read as output_commit_info=true",
        "'users.*' in the filter has no action of its own and was read as 'include: users.*'",
        "'products.*' in the filter has no action of its own and was read as 'include: products.*'",
        "no 'exclude: *.*'",
    ] {
        assert_eq!(warnings.iter().filter(|w| w.contains(part)).count(), 1, "{part} in {warnings:#?}");
    }
    assert_eq!(warnings.len(), 6, "{warnings:#?}");
}

#[test]
fn the_kafka_guide_starts_as_its_author_meant() {
    let config = start(GUIDE_KAFKA, &["--host=db", "--user=maxwell"]).unwrap_or_else(|exit| panic!("{}", exit.stderr));
    let properties = vec![
        ("acks", "1"),
        ("bootstrap.servers", "kafka1:9092,kafka2:9092,kafka3:9092"),
        ("request.timeout.ms", "30000"),
        ("retries", "3"),
    ];
    assert_eq!(kafka(&config), (properties, "maxwell_binlog"));
    let ProducerKind::Kafka(kafka) = &config.producer.kind else { panic!("not Kafka") };
    assert_eq!((config.producer.partition.by, kafka.partition_hash), (PartitionBy::Table, PartitionHash::Java));
    assert!(config.output.binlog_position && config.output.commit_info);
    let warnings = warnings(&config);
    for real in ["producer_partition_by=table", "kafka.request.timeout.ms=30000", "kafka.retries=3", "kafka.acks=1"] {
        assert_eq!(warnings.iter().filter(|w| w.contains(&format!("it was read as {real}"))).count(), 1, "{real} in {warnings:#?}");
    }
    assert_eq!(warnings.len(), 7, "{warnings:#?}");
}

#[test]
fn the_kafka_guide_starts_with_its_dead_letters_and_loses_nothing() {
    let text = format!("{GUIDE_KAFKA}{GUIDE_KAFKA_DEAD_LETTERS}");
    let line = ["--host=db", "--user=maxwell"];
    let config = start(&text, &line).unwrap_or_else(|exit| panic!("{}", exit.stderr));
    assert!(!config.producer.ignore_error, "a refused message would be dropped");
    let warnings = warnings(&config);
    assert_eq!(warnings.len(), 7, "{warnings:#?}");
    let ProducerKind::Kafka(kafka) = &config.producer.kind else { panic!("not Kafka") };
    assert_eq!((kafka.dead_letter_topic.as_deref(), kafka.dead_letter_full), (Some("maxwell_error"), false));
    let config =
        start(&format!("{text}\nignore_producer_error=true\ndead_letter_full=true"), &line).unwrap_or_else(|e| panic!("{}", e.stderr));
    let ProducerKind::Kafka(kafka) = &config.producer.kind else { panic!("not Kafka") };
    assert!(config.producer.ignore_error && kafka.dead_letter_full);
    let exit = start(&format!("{GUIDE_KAFKA}\ndead_letter_full=true"), &line).map(drop).expect_err("no topic");
    assert!(exit.stderr.contains("dead_letter_full has no topic to send to"), "{}", exit.stderr);
}

#[test]
fn topics_are_made_only_if_that_is_asked_for() {
    let made = |more: &str| {
        let config = start(&format!("{GUIDE_KAFKA}\n{more}"), &["--host=db", "--user=maxwell"]).map_err(|exit| exit.stderr)?;
        let ProducerKind::Kafka(kafka) = config.producer.kind else { panic!("not Kafka") };
        Ok::<_, String>(kafka.creation.map(|c| (c.partitions, c.replication, c.configs)))
    };
    assert_eq!(made(""), Ok(None));
    assert_eq!(made("kafka_topic_create=true"), Ok(Some((None, None, vec![]))));
    let configs = [("cleanup.policy", "compact,delete"), ("min.insync.replicas", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(
        made(
            "kafka_topic_create=true\nkafka_topic_partitions=12\nkafka_topic_replication_factor=3\nkafka_topic_configs=cleanup.policy=compact,delete; min.insync.replicas = 2;"
        ),
        Ok(Some((Some(12), Some(3), configs.to_vec())))
    );
    for (more, words) in [
        ("kafka_topic_create=true\nkafka_topic_partitions=0", "kafka_topic_partitions"),
        ("kafka_topic_create=true\nkafka_topic_configs=compact", "'compact' is not of the form name=value"),
        ("kafka_topic_partitions=3", "set kafka_topic_create=true"),
        ("kafka_topic_configs=a=b", "set kafka_topic_create=true"),
    ] {
        let error = made(more).expect_err(more);
        assert!(error.contains(words), "{more}: {error}");
    }
}

/// The example file works as it is, and every option that it shows as a comment is known, with a value that is accepted.
#[test]
fn the_example_is_right() {
    let path = repository().join("config/config.properties.example");
    let text = std::fs::read_to_string(path).expect("example file");
    let config = start(&text, &[]).unwrap_or_else(|exit| panic!("{}", exit.stderr));
    assert!(config.notes.is_empty(), "{:?}", config.notes);
    let mut shown = 0;
    for line in text.lines() {
        let Some((key, _)) = line.strip_prefix('#').and_then(|l| l.split_once('=')).filter(|(key, _)| !key.contains(' ')) else { continue };
        assert!(options::find(key).is_some_and(|o| o.in_files()) || key.starts_with("kafka."), "{key}");
        shown += 1;
    }
    assert!(shown > 20, "{shown}");
    let uncommented: String = text
        .lines()
        .filter(|l| !l.contains("ssl_c") && !l.contains("ssl_key"))
        .map(|l| match l.strip_prefix('#') {
            Some(rest) if rest.split_once('=').is_some_and(|(key, _)| !key.contains(' ')) => format!("{rest}\n"),
            _ => format!("{l}\n"),
        })
        .collect();
    start(&uncommented, &[]).unwrap_or_else(|exit| panic!("{}", exit.stderr));
}

#[test]
fn the_pages_are_up_to_date() {
    is_up_to_date("docs/configuration.md", &help::page());
    is_up_to_date("docs/differences-from-maxwell.md", &differences::page());
}

fn is_up_to_date(name: &str, page: &str) {
    let path = repository().join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("folder");
        std::fs::write(&path, page).expect("page");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == page, "{name} is out of date: UPDATE_DOCS=1 cargo test --test config");
}
