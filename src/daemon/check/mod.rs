//! `binlogd check`: every check before the start, whatever the others say, and one report. Nothing is made or written
//! anywhere: no table, no topic, no file; a dump that is opened runs under a name of its own and is closed at once.
//!
//! `servers` asks the MySQL and MariaDB servers, `position` whether the stored place can be read, `replicas` who else
//! reads, `host` this machine; Kafka is asked by `producer::kafka::probe`. `report` prints. Never here: what the daemon
//! does at its own start beside checking.

mod host;
mod position;
mod replicas;
mod report;
mod servers;

use std::time::Duration;

use crate::config::{CheckConfig, Config, NoteLevel, ProducerKind};
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::producer::kafka::probe;

use super::wire;

/// How long the brokers may take, if `kafka.max.block.ms` allows more.
const BROKER_WAIT: Duration = Duration::from_secs(10);

/// Runs all checks and prints the report. Gives the exit code: 0 without a fault, 1 with one, 2 when the server would
/// refuse the binlog.
pub fn run_check(command: CheckConfig) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::definite("the runtime cannot be started").source(e))?;
    let findings = runtime.block_on(all(&command));
    // Threads that still wait for a dead network are not waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    let text = if command.json { report::json(&findings) } else { report::text(&findings) };
    super::read::to_stdout(text.as_bytes())?;
    Ok(crate::finding::exit_code(&findings))
}

async fn all(command: &CheckConfig) -> Vec<Finding> {
    let mut found = configuration(command);
    let config = match &command.config {
        Ok(config) => config,
        Err(_) => {
            let because = "the configuration has faults";
            found.extend(
                ["replication server", "schema database", "stored position", "producer", "this machine"]
                    .map(|check| Finding::not_checked(check, because)),
            );
            return found;
        }
    };
    let (servers, producer, host) = tokio::join!(servers::check(config), producer(config), host::check(config));
    found.extend(servers);
    found.extend(producer);
    found.extend(host);
    found
}

fn configuration(command: &CheckConfig) -> Vec<Finding> {
    const CHECK: &str = "configuration";
    let warnings = command.notes.iter().filter(|n| n.level == NoteLevel::Warning).map(|n| Finding::warning(CHECK, n.text.as_str()));
    let mut found: Vec<Finding> = warnings.collect();
    match &command.config {
        Ok(config) => {
            found.insert(0, Finding::ok(CHECK, format!("client_id {}, schema database {}", config.client_id, config.schema_database)))
        }
        Err(faults) => found.extend(faults.iter().map(|fault| {
            let finding = Finding::fault(CHECK, fault.what.as_str()).at(fault.origin.as_ref().map(ToString::to_string).unwrap_or_default());
            match &fault.hint {
                Some(hint) => finding.words(hint.as_str()),
                None => finding,
            }
        })),
    }
    found
}

async fn producer(config: &Config) -> Vec<Finding> {
    match &config.producer.kind {
        ProducerKind::Stdout => vec![Finding::ok("producer", "stdout")],
        ProducerKind::File { path } => vec![host::output_file(path)],
        ProducerKind::Kafka(kafka) => {
            let settings = match wire::kafka_settings(config) {
                Ok(Some(settings)) => settings,
                Ok(None) => return Vec::new(),
                Err(e) => return vec![Finding::error("Kafka settings", &e)],
            };
            let mut found: Vec<Finding> = settings.warnings.iter().map(|w| Finding::warning("Kafka settings", w.as_str())).collect();
            let mut topics = vec![kafka.topic.clone()];
            if config.output.ddl && kafka.ddl_topic != kafka.topic {
                topics.push(kafka.ddl_topic.clone());
            }
            if let (true, Some(letters)) = (kafka.exactly_once.is_some(), &kafka.dead_letter_topic) {
                topics.push(letters.clone());
            }
            found.extend(probe::probe(&settings, &topics, BROKER_WAIT).await);
            found
        }
    }
}
