use super::super::{arguments, commands};
use super::*;

/// `client_id` as each source would have it, from the weakest source to the strongest.
const SOURCES: [&str; 4] = ["file", "json", "prefixed", "line"];

fn read_all(file: &str, variables: &[(&str, &str)], line: &[&str]) -> (Raw, Findings) {
    let folder = tempfile::tempdir().expect("temporary folder");
    if !file.is_empty() {
        std::fs::write(folder.path().join("config.properties"), file).expect("file");
    }
    let around = Surroundings {
        variables: variables.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        directory: folder.path().to_path_buf(),
    };
    let mut findings = Findings::default();
    let line: Vec<String> = line.iter().map(|a| a.to_string()).collect();
    let arguments = arguments::parse(&line, &commands::DAEMON, &mut findings);
    (read(arguments, &around, DefaultFile::Read, &mut findings), findings)
}

fn value(raw: &Raw, name: &str) -> Option<String> {
    raw.get(name).and_then(|s| s.value.clone())
}

#[test]
fn every_pair_of_sources_has_its_order() {
    for present in 0..1 << SOURCES.len() {
        let has = |source: &str| SOURCES.iter().position(|s| *s == source).is_some_and(|i| present >> i & 1 == 1);
        let file = if has("file") { "env_config_prefix=Mx_\nclient_id=file" } else { "env_config_prefix=Mx_" };
        let mut variables = vec![("JSON", if has("json") { r#" {"client_id":"json"} "# } else { "{}" })];
        if has("prefixed") {
            variables.push(("mX_CLIENT_ID", "prefixed"));
        }
        let mut line = vec!["--env_config=JSON"];
        if has("line") {
            line.push("--client_id=line");
        }
        let (raw, findings) = read_all(file, &variables, &line);
        assert!(findings.faults.is_empty(), "{:?}", findings.faults);
        let strongest = SOURCES.iter().rev().find(|s| has(s)).map(|s| s.to_string());
        assert_eq!(value(&raw, "client_id"), strongest, "{present:b}");
    }
}

#[test]
fn values_know_where_they_came_from() {
    let (raw, _) = read_all(
        "# c\nhost=a\n",
        &[("J", r#"{"port":3307,"output_ddl":true,"user":null}"#), ("MAXWELL_PASSWORD", "x"), ("MAXWELL_KAFKA.RETRIES", "3")],
        &["--env_config=J", "--env_config_prefix=MAXWELL_", "--client_id", "c"],
    );
    for (name, text, origin) in [
        ("host", "a", "config.properties:2"),
        ("port", "3307", "JSON in environment variable J"),
        ("output_ddl", "true", "JSON in environment variable J"),
        ("password", "x", "environment variable MAXWELL_PASSWORD"),
        ("kafka.retries", "3", "environment variable MAXWELL_KAFKA.RETRIES"),
        ("client_id", "c", "command line"),
    ] {
        assert_eq!(value(&raw, name).as_deref(), Some(text), "{name}");
        assert_eq!(raw.get(name).map(|s| s.origin.to_string()).as_deref(), Some(origin), "{name}");
    }
    assert!(raw.get("user").is_none());
}

#[test]
fn sources_that_cannot_be_read_are_faults() {
    for (file, variables, line, want) in [
        (
            "",
            &[] as &[(&str, &str)],
            &["--config=nowhere.properties"] as &[&str],
            "Couldn't find config file: nowhere.properties (command line); hint: give",
        ),
        ("", &[], &["--config=."], "Couldn't read config file: .: "),
        ("a=b\nc=\\u1", &[], &[], "Couldn't read config file: config.properties: it has a malformed \\uXXXX escape (config.properties:2)"),
        ("", &[], &["--env_config=J"], "No JSON-encoded environment variable named: J (command line)"),
        ("", &[("J", "host=a")], &["--env_config=J"], "No JSON-encoded environment variable named: J (command line)"),
        (
            "",
            &[("J", "{\"password\":\"hunter2\" x}")],
            &["--env_config=J"],
            "Unparseable JSON in env variable J (JSON in environment variable J); hint: mend it at line 1, column 23",
        ),
        ("env_config_prefix=", &[], &[], "env_config_prefix is empty: every variable"),
        (
            "",
            &[("J", "{\"host\":{\"a\":1},\"else\":{\"a\":1}}")],
            &["--env_config=J"],
            "the value of host is a JSON array or object (JSON in",
        ),
    ] {
        let (_, findings) = read_all(file, variables, line);
        let faults: Vec<String> = findings.faults.iter().map(|f| f.to_string()).collect();
        assert!(faults.len() == 1 && faults[0].starts_with(want), "{faults:?}, not {want}");
    }
}

#[test]
fn keys_that_nobody_asks_for_are_named() {
    for (key, want) in [
        ("clientid", "unknown option clientid (config.properties:1) was ignored; did you mean client_id?"),
        (
            "MIIEvQIBADANBgkqhkiG9w0BAQ/FAASCBKcwggSjAgEAAoIB",
            "a key that cannot be an option's name (config.properties:1) was ignored; does the line before it lack a backslash at its end?",
        ),
        ("quite_another_thing", "unknown option quite_another_thing (config.properties:1) was ignored"),
        ("exclude_dbs", "exclude_dbs (config.properties:1) is an option of earlier releases of Maxwell, and was ignored: use filter"),
        ("init_position", "init_position (config.properties:1) works on the command line only, and was ignored"),
        ("replay", "replay (config.properties:1) works on the command line only, and was ignored"),
        ("kafka.", "unknown option kafka. (config.properties:1) was ignored"),
    ] {
        let (raw, findings) = read_all(&format!("{key}=x"), &[], &[]);
        let notes: Vec<&str> = findings.notes.iter().map(|n| n.text.as_str()).collect();
        assert_eq!(notes, [want], "{key}");
        assert!(raw.get(key).is_none() && findings.faults.is_empty(), "{key}");
    }
    for key in ["kafka.acks", "kafka.any.thing", "custom_producer.x", "custom_producer_x", "kinesis_md5_keys"] {
        let (raw, findings) = read_all(&format!("{key}=x"), &[], &[]);
        assert!(raw.get(key).is_some() && findings.notes.is_empty(), "{key}: {:?}", findings.notes);
    }
}

#[test]
fn guides_spellings_are_understood_with_a_warning() {
    for (text, name, want, notes) in [
        ("include_binlog_position=true", "output_binlog_position", Some("true"), 1),
        ("include_commit_info=false", "output_commit_info", Some("false"), 1),
        ("kafka_request_timeout_ms=1", "kafka.request.timeout.ms", Some("1"), 1),
        ("kafka_retries=3", "kafka.retries", Some("3"), 1),
        ("kafka_acks=1", "kafka.acks", Some("1"), 1),
        ("kafka_acks=1\nkafka.acks=all", "kafka.acks", Some("all"), 1),
        ("kafka_partition_hash=table", "producer_partition_by", Some("table"), 1),
        ("kafka_partition_hash=table", "kafka_partition_hash", None, 1),
        ("kafka_partition_hash=murmur3", "kafka_partition_hash", Some("murmur3"), 0),
        ("kafka_partition_hash=nonsense", "kafka_partition_hash", Some("nonsense"), 0),
        ("output_format=json", "output_format", None, 1),
    ] {
        let (raw, findings) = read_all(text, &[], &[]);
        assert_eq!(value(&raw, name).as_deref(), want, "{text}");
        assert_eq!(findings.notes.len(), notes, "{text}: {:?}", findings.notes);
        assert!(findings.faults.is_empty(), "{text}");
    }
    let (_, findings) = read_all("output_format=avro", &[], &[]);
    assert_eq!(findings.faults.len(), 1);
}

#[test]
fn keys_by_prefix() {
    let (raw, _) = read_all("kafka.b=1\nkafka.a=2\nkafka_topic=t\nkafka=x", &[], &["--kafka.bootstrap.servers=h:1"]);
    let keys: Vec<&str> = raw.with_prefix("kafka.").map(|(k, _)| k).collect();
    assert_eq!(keys, ["kafka.a", "kafka.b", "kafka.bootstrap.servers"]);
}
