//! Every option of Maxwell's (contract: its list of options), one after the other, in the properties file and on the
//! command line: it changes the configuration, or it is refused by name, or a sentence says that it has no effect. An
//! option of which nothing is seen fails the test.

use std::collections::BTreeMap;
use std::ffi::OsString;

use binlogd::config::cli::parse_in;
use binlogd::config::options::{self, Argument, Kind, Opt, Owner, Scope, Support};
use binlogd::config::{Config, Exit, Invocation, MysqlSettings, ProducerKind, Surroundings};

const KAFKA: &str = "producer=kafka\nkafka.bootstrap.servers=h:1\n";
const REPLICATION: &str = "replication_host=r\nreplication_user=ru\n";
const CAPTURE: &str = "schema_host=s\nschema_user=su\nschema_password=sp\n";
const SQS: &str = "producer=sqs\nsqs_queue_uri=q\nsqs_service_endpoint=e\nsqs_signing_region=r\n";
const PUBSUB: &str = "producer=pubsub\npubsub_project_id=p\n";
const COLUMN: &str = "producer=kafka\nkafka.bootstrap.servers=h:1\nproducer_partition_by=column\nproducer_partition_columns=a\n\
                      producer_partition_by_fallback=database\n";

/// What stands in the file besides the option; and the value that it is given, where the kind's usual one means nothing.
fn setting(option: &Opt) -> (String, String) {
    let usual = match option.kind {
        Kind::Bool => if option.default == Some("true") { "false" } else { "true" }.to_owned(),
        Kind::Int { min, .. } => (min.max(0) + 7).to_string(),
        Kind::Float => "0.5".into(),
        Kind::Size { .. } => "77M".into(),
        Kind::Millis => "7777".into(),
        Kind::Choice { values, .. } => {
            let refused = |word: &str| matches!(option.support, Support::Refused { unless, .. } if !unless.contains(&word));
            let other = |word: &&&str| Some(**word) != option.default;
            (**values.iter().filter(other).find(|w| !refused(w)).or(values.iter().find(other)).expect("another word")).to_owned()
        }
        Kind::Text | Kind::Secret => "something".into(),
    };
    let (context, value) = match option.name {
        "producer" => ("output_file=o\n", "file"),
        "output_file" => ("producer=file\n", "another"),
        "ssl" => ("", "PREFERRED"),
        "host" | "user" => ("", "other"),
        "replication_host" => ("replication_user=ru\n", "other"),
        "replication_user" => ("replication_host=r\n", "other"),
        "replication_ssl" => (REPLICATION, "REQUIRED"),
        "jdbc_options" => ("", "connectTimeout=7777"),
        "replication_jdbc_options" => (REPLICATION, "connectTimeout=7777"),
        "schema_jdbc_options" => (CAPTURE, "connectTimeout=7777"),
        "schema_host" => ("schema_user=su\nschema_password=sp\n", "other"),
        "schema_ssl" => (CAPTURE, "REQUIRED"),
        "schema_user" | "schema_password" => (CAPTURE, "other"),
        "replication_password" | "replication_port" => (REPLICATION, ""),
        "schema_port" => (CAPTURE, ""),
        "output_gtid_position" => ("gtid_mode=true\n", ""),
        "output_naming_strategy" => ("", "underscore_to_camelcase"),
        "secret_key" => ("encrypt=data\n", "0123456789abcdef"),
        "encrypt" => ("secret_key=0123456789abcdef\n", "data"),
        "filter" => ("", "exclude: a.b"),
        "init_position" => ("", "binlog.000001:4:77"),
        "kafka.bootstrap.servers" => ("producer=kafka\n", "other:1"),
        "producer_partition_by" => (KAFKA, "table"),
        "producer_partition_columns" => (COLUMN, "b"),
        "producer_partition_by_fallback" => (COLUMN, "table"),
        "http_diagnostic_timeout" => ("http_diagnostic=true\n", ""),
        "metrics_type" => ("", "http"),
        "metrics_datadog_type" => ("metrics_type=datadog\nmetrics_datadog_apikey=k\n", "http"),
        "max_schemas" => ("", "9"),
        "pubsub_retry_delay_multiplier" | "pubsub_rpc_timeout_multiplier" => (PUBSUB, "1.7"),
        "redis_sentinels" => ("producer=redis\nredis_sentinel_master_name=m\n", ""),
        "redis_sentinel_master_name" => ("producer=redis\nredis_sentinels=s\n", ""),
        name if name.starts_with("kinesis") => ("producer=kinesis\nkinesis_stream=s\n", ""),
        name if name.starts_with("sqs") => (SQS, ""),
        name if name.starts_with("sns") => ("producer=sns\nsns_topic=t\n", ""),
        name if name.contains("pubsub") => (PUBSUB, ""),
        name if option.only_with.is_some_and(|(o, v)| (o, v) == ("producer", "kafka")) || name.contains("kafka_topic") => (KAFKA, ""),
        _ => ("", ""),
    };
    let context = match option.only_with {
        _ if !context.is_empty() => context.to_owned(),
        Some((other, value)) => format!("{other}={value}\n"),
        None => String::new(),
    };
    (context, if value.is_empty() { usual } else { value.to_owned() })
}

fn start(file: &str, variables: &[(&str, &str)], line: &[String]) -> Result<Config, Exit> {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("config.properties"), file).expect("file");
    std::fs::write(folder.path().join("other.properties"), format!("{file}client_id=other\n")).expect("file");
    let variables = variables.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    match parse_in(line.iter().map(OsString::from), &Surroundings { variables, directory: folder.path().to_path_buf() })? {
        Invocation::Run(config) => Ok(*config),
        other => panic!("{other:?}"),
    }
}

/// All that a configuration does: its fields, with the secrets that they hold, without what is only said.
fn deeds(config: &Config) -> String {
    let mut config = config.clone();
    let notes = std::mem::take(&mut config.notes);
    drop(notes);
    config.given = Default::default();
    let secret = |s: &MysqlSettings| s.password.reveal().to_owned();
    let mut secrets = vec![secret(&config.store), secret(&config.replication)];
    secrets.extend(config.capture.as_ref().map(secret));
    if let ProducerKind::Kafka(kafka) = &config.producer.kind {
        secrets.extend(kafka.properties.iter().map(|p| format!("{}={}", p.name, p.value.reveal())));
        // Where a property stood does nothing.
        let mut kafka = kafka.clone();
        kafka.properties.clear();
        config.producer.kind = ProducerKind::Kafka(kafka);
    }
    format!("{config:?} {secrets:?}")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Effect,
    Refused,
    /// Together with the option that it belongs to, such as its producer.
    RefusedWithOther,
    Noted,
}

/// What is seen of an option, given its context without and with it.
fn seen(name: &str, without: &Result<Config, Exit>, with: &Result<Config, Exit>) -> Result<Seen, String> {
    match with {
        Err(exit) => {
            let faults: Vec<&str> = exit.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
            let refused = |fault: &&&str| fault.contains("is not supported");
            match faults.iter().find(refused) {
                Some(_) if faults.iter().all(|f| refused(&f)) => {
                    let itself = faults.iter().any(|f| f.contains(&format!("error: {name}")));
                    Ok(if itself { Seen::Refused } else { Seen::RefusedWithOther })
                }
                _ => Err(format!("{faults:?}")),
            }
        }
        Ok(config) => {
            // Without the option nothing may work at all: a host without its user.
            let changed = without.as_ref().map_or(true, |without| deeds(without) != deeds(config));
            if changed {
                return Ok(Seen::Effect);
            }
            let noted = config.notes.iter().any(|n| n.text.starts_with(name) && n.text.contains("has no effect"));
            if noted { Ok(Seen::Noted) } else { Err(format!("nothing is seen of it: {:?}", config.notes)) }
        }
    }
}

/// Options that are about the sources themselves, and what ends the process.
fn special(name: &str) -> Option<Seen> {
    let line = |word: &str| [word.to_owned()];
    let file = "host=h\nuser=u\n";
    let client = |result: Result<Config, Exit>| result.map(|c| c.client_id).unwrap_or_else(|e| e.stderr);
    let client_id = match name {
        "config" => client(start(file, &[], &line("--config=other.properties"))),
        "env_config" => client(start(file, &[("J", r#"{"client_id":"other"}"#)], &line("--env_config=J"))),
        "env_config_prefix" => client(start(&format!("{file}env_config_prefix=MX_\n"), &[("mx_CLIENT_ID", "other")], &[])),
        "help" => match start(file, &[], &line("--help")) {
            Err(Exit { code: 1, stdout, .. }) if stdout.starts_with("Help for binlogd:") => "other".into(),
            other => panic!("{other:?}"),
        },
        _ => return None,
    };
    assert_eq!(client_id, "other", "{name}");
    Some(Seen::Effect)
}

#[test]
fn every_option_of_maxwells_is_seen() {
    let mut counts: BTreeMap<Seen, Vec<&str>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for option in options::all().filter(|o| o.owner == Owner::Maxwell) {
        if let Some(seen) = special(option.name) {
            counts.entry(seen).or_default().push(option.name);
            continue;
        }
        let (context, value) = setting(option);
        let base = format!("host=h\nuser=u\n{context}");
        let without = start(&base, &[], &[]);
        let in_file = || start(&format!("{base}{}={value}\n", option.name), &[], &[]);
        let on_line = || start(&base, &[], &[format!("--{}={value}", option.name)]);
        let mut found = Vec::new();
        if option.in_files() {
            found.push(seen(option.name, &without, &in_file()));
        } else {
            let notes = in_file().map(|c| c.notes).unwrap_or_default();
            let said = notes.iter().any(|n| n.text.starts_with(option.name) && n.text.contains("works on the command line only"));
            assert!(said, "{} in the file: {notes:?}", option.name);
        }
        if option.on_command_line() {
            found.push(seen(option.name, &without, &on_line()));
        } else {
            let exit = on_line().expect_err("an option of files only");
            let want = format!("error: {0} is not a recognized option; hint: {0} can be set in the properties file", option.name);
            assert!(exit.stderr.contains(&want), "{}", exit.stderr);
        }
        found.dedup();
        match found.as_slice() {
            [Ok(seen)] => counts.entry(*seen).or_default().push(option.name),
            _ => wrong.push(format!("{}: {found:?}", option.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let of = |seen: Seen| counts.get(&seen).map_or(0, Vec::len);
    let all: usize = counts.values().map(Vec::len).sum();
    let refused = of(Seen::Refused) + of(Seen::RefusedWithOther);
    let (effect, noted, with_other) = (of(Seen::Effect), of(Seen::Noted), of(Seen::RefusedWithOther));
    println!("{all} options: effect {effect}, refused {refused} ({with_other} together with their producer or switch), noted {noted}");
    for (seen, names) in &counts {
        println!("  {seen:?}: {}", names.join(" "));
    }
    assert_eq!(all, options::all().filter(|o| o.owner == Owner::Maxwell).count());
}

/// The spellings that one option may have on the command line all mean the same (contract §1.2).
#[test]
fn every_option_has_its_spellings() {
    for option in options::all().filter(|o| o.owner == Owner::Maxwell && o.scope != Scope::File && o.name != "help") {
        let (context, value) = setting(option);
        let base = format!("host=h\nuser=u\n{context}");
        let name = option.name;
        let outcome = |line: &[String]| match start(&base, &[], line) {
            Ok(config) => (deeds(&config), String::new()),
            Err(exit) => (String::new(), exit.stderr),
        };
        let plain = outcome(&[format!("--{name}={value}")]);
        assert_eq!(outcome(&[format!("-{name}={value}")]), plain, "{name}");
        assert_eq!(outcome(&[format!("--{name}"), value.clone()]), plain, "{name}");
        assert_eq!(outcome(&[format!("-{name}"), value.clone()]), plain, "{name}");
        // The shortest beginning that no other option of Maxwell's has.
        let others = |text: &str| {
            options::all().any(|o| o.owner == Owner::Maxwell && o.name != name && o.scope != Scope::File && o.name.starts_with(text))
        };
        if let Some(short) = (1..name.len()).map(|n| &name[..n]).find(|text| !others(text)) {
            assert_eq!(outcome(&[format!("--{short}={value}")]), plain, "{name} as {short}");
        }
        if option.argument == Argument::Required {
            let alone = outcome(&[format!("--{name}")]).1;
            assert!(alone.contains(&format!("Option {name} requires an argument")), "{name}: {alone}");
        }
    }
}
