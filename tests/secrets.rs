//! Passwords and keys are shown nowhere: every path to an error that a configuration has is taken with marked secrets in
//! every source, and the mark is looked for in all that is said.

use std::ffi::OsString;
use std::process::Command;

use binlogd::config::Surroundings;
use binlogd::config::cli::parse_in;
use binlogd::config::options::{self, Kind, Opt};
use binlogd::producer::kafka::{KafkaOptions, Settings};

const MARK: &str = "Zx9Mark";

/// Names of the Kafka client's that hold secrets, Java's and librdkafka's.
const KAFKA_SECRETS: [&str; 11] = [
    "sasl.jaas.config",
    "ssl.key.password",
    "ssl.keystore.password",
    "ssl.truststore.password",
    "ssl.keystore.key",
    "ssl.keystore.certificate.chain",
    "sasl.password",
    "ssl.key.pem",
    "ssl_key",
    "sasl.oauthbearer.client.secret",
    "ssl.sasl.password.misspelt",
];

fn secrets() -> Vec<(String, String)> {
    let ours = options::all().filter(|o| o.kind == Kind::Secret).map(|o| o.name.to_owned());
    let kafka = KAFKA_SECRETS.iter().map(|name| format!("kafka.{name}"));
    ours.chain(kafka).enumerate().map(|(i, name)| (name, format!("{MARK}{i} \"'&={MARK}"))).collect()
}

/// Where the secrets stand.
#[derive(Debug, Clone, Copy)]
enum Source {
    File,
    Json,
    Variables,
    Line,
}

/// All that is said when the process starts with the secrets in this source, and with these further lines and words.
fn said(source: Source, lines: &str, words: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("folder");
    let mut file = format!("host=h\nuser=u\nreplication_host=r\nreplication_user=r\nschema_host=s\nschema_user=s\n{lines}\n");
    let mut around = Surroundings { directory: folder.path().to_path_buf(), ..Surroundings::default() };
    let mut line: Vec<String> = words.iter().map(|w| w.to_string()).collect();
    match source {
        Source::File => secrets().iter().for_each(|(name, value)| file.push_str(&format!("{name}={value}\n"))),
        Source::Json => {
            let object: serde_json::Map<_, _> = secrets().into_iter().map(|(name, value)| (name, value.into())).collect();
            around.variables.insert("J".into(), serde_json::Value::Object(object).to_string());
            line.push("--env_config=J".into());
        }
        Source::Variables => {
            secrets().into_iter().for_each(|(name, value)| drop(around.variables.insert(format!("MX_{}", name.to_uppercase()), value)));
            line.push("--env_config_prefix=MX_".into());
        }
        Source::Line => {
            let taken = |name: &str| options::find(name).is_some_and(|o| o.on_command_line());
            line.splice(0..0, secrets().iter().filter(|(name, _)| taken(name)).map(|(name, value)| format!("--{name}={value}")));
        }
    }
    std::fs::write(folder.path().join("config.properties"), file).expect("file");
    match parse_in(line.iter().map(OsString::from), &around) {
        Ok(invocation) => format!("{invocation:?}"),
        Err(exit) => format!("{}{}{exit:?}", exit.stdout, exit.stderr),
    }
}

/// Values that this option refuses, or that are odd.
fn wrong(option: &Opt) -> &'static [&'static str] {
    match option.kind {
        Kind::Bool => &["yes", ""],
        Kind::Int { .. } | Kind::Float | Kind::Size { .. } | Kind::Millis => &["x", "-99999999999999999999", ""],
        Kind::Choice { .. } => &["another", ""],
        Kind::Text => &["", "/(", "include", "a=b&c", " blank "],
        Kind::Secret => &[],
    }
}

#[test]
fn no_error_shows_a_secret() {
    let mut paths = 0;
    let mut check = |what: String, text: String| {
        assert!(!text.is_empty() && !text.contains(MARK), "{what}:\n{text}");
        paths += 1;
    };
    for source in [Source::File, Source::Json, Source::Variables, Source::Line] {
        for option in options::all() {
            // All of them once; the other sources differ in the secrets' place only.
            let wrong = wrong(option);
            let some = if matches!(source, Source::File) { wrong } else { &wrong[..wrong.len().min(1)] };
            for value in some {
                if option.in_files() {
                    let lines = format!("{}={value}", option.name);
                    check(format!("{source:?} {lines}"), said(source, &lines, &[]));
                }
                if option.on_command_line() {
                    check(format!("{source:?} --{}={value}", option.name), said(source, "", &[&format!("--{}={value}", option.name)]));
                }
            }
        }
        for producer in ["stdout", "file", "kafka", "kinesis", "sqs", "sns", "nats", "pubsub", "rabbitmq", "redis", "bigquery", "custom"] {
            for encrypt in ["none", "data"] {
                let lines = format!("producer={producer}\nencrypt={encrypt}\nmetrics_type=datadog");
                check(format!("{source:?} {lines}"), said(source, &lines, &[]));
            }
        }
        for words in [
            &["--nonsense"] as &[&str],
            &["stray", "words"],
            &["--help", "all"],
            &["--user=a", "--user=b"],
            &["--config=nowhere"],
            &["--env_config=NOTHING"],
        ] {
            check(format!("{source:?} {words:?}"), said(source, "", words));
        }
    }
    // Slips of the pen around the secret itself.
    let marked = |text: &str| text.replace('M', MARK);
    for line in [
        "pasword=M",
        "Password = M",
        "password M\\u12",
        "jdbc_options=password=M&user=x",
        "jdbc_options=trustCertificateKeyStorePassword=M&clientCertificateKeyStorePassword=M",
        "kafka_sasl_jaas_config=M",
        "kafka.ssl.keystore.key=-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----",
    ] {
        check(line.to_owned(), said(Source::File, &marked(line), &[]));
    }
    for words in [
        &["--pasword=M"] as &[&str],
        &["--pasword", "M"],
        &["-password", "M", "--port=x"],
        &["-pM"],
        &["--password=one", "M"],
        &["--password=M", "--password=M"],
        &["--passwor=M", "--port=x"],
        &["--kafka.sasl.jaas.config=M"],
    ] {
        let words: Vec<String> = words.iter().map(|w| marked(w)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        check(format!("{words:?}"), said(Source::File, "", &words));
    }
    let json = Surroundings { variables: [("J".to_owned(), format!("{{\"password\": \"{MARK}\" x}}"))].into(), ..Surroundings::default() };
    let exit = parse_in([OsString::from("--env_config=J")], &json).expect_err("no JSON");
    check("JSON".into(), exit.stderr);
    println!("{paths} errors and notes without a secret");
}

#[test]
fn the_kafka_clients_properties_show_no_secret() {
    let mut paths = 0;
    for security in ["PLAINTEXT", "SSL", "SASL_SSL", "nonsense"] {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "GSSAPI", "OAUTHBEARER", ""] {
            for name in KAFKA_SECRETS {
                for value in [
                    MARK.to_owned(),
                    format!("{MARK} required username={MARK} password={MARK};"),
                    format!("a.PlainLoginModule required username=\"u\" password=\"x\" {MARK}=\"y\";"),
                    format!("a.PlainLoginModule {MARK} username=\"u\" password={MARK} {MARK};"),
                    format!("a.PlainLoginModule required username=\"u\" password=\"{MARK}\""),
                    format!("5{MARK}"),
                ] {
                    let mut properties = vec![("bootstrap.servers".to_owned(), "h:1".to_owned()), (name.to_owned(), value.clone())];
                    properties.push(("security.protocol".into(), security.into()));
                    if !mechanism.is_empty() {
                        properties.push(("sasl.mechanism".into(), mechanism.into()));
                    }
                    for other in ["ssl.keystore.location", "ssl.truststore.location"] {
                        properties.push((other.into(), "/dev/null".into()));
                    }
                    let options = KafkaOptions { properties, queue_bytes_max: 32 << 20, ..KafkaOptions::default() };
                    let text = match Settings::build(&options) {
                        Ok(settings) => format!("{settings:?} {options:?}"),
                        Err(faults) => format!("{faults:?} {}", faults.iter().map(ToString::to_string).collect::<String>()),
                    };
                    assert!(!text.contains(MARK), "{security} {mechanism} {name}={value}:\n{text}");
                    paths += 1;
                }
            }
        }
    }
    println!("{paths} sets of Kafka properties without a secret");
}

/// The whole program at its most talkative, with a server and a broker that are not there.
#[test]
fn the_log_shows_no_secret() {
    let folder = tempfile::tempdir().expect("folder");
    let base = format!(
        "host=127.0.0.1\nport=1\nuser=u\npassword={MARK}\nlog_level=trace\nproducer=kafka\nkafka.bootstrap.servers=127.0.0.1:1\n\
         kafka.security.protocol=SASL_PLAINTEXT\nkafka.sasl.mechanism=PLAIN\nspill_dir={}\n",
        folder.path().display()
    );
    for (jaas, word) in [
        (format!("a.PlainLoginModule required username=\"u\" password=\"{MARK}\";"), "127.0.0.1"),
        (format!("{MARK} required username=\"u\";"), "sasl.jaas.config"),
    ] {
        for format in ["text", "json"] {
            let file = format!("{base}log_format={format}\nkafka.sasl.jaas.config={jaas}\npasword={MARK}\n");
            std::fs::write(folder.path().join("config.properties"), file).expect("file");
            let mut command = Command::new(env!("CARGO_BIN_EXE_binlogd"));
            let output = command.current_dir(folder.path()).env_remove("GTID_MODE").output().expect("binlogd runs");
            let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(text.contains(word) && !text.contains(MARK), "{text}");
        }
    }
}
