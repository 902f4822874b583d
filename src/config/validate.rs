//! From raw text to the typed configuration. All faults are found in one go, in the order in which Maxwell would find
//! the first of them (contract §1.7), with its texts.

mod jdbc;
mod monitoring;
mod mysql;
mod output;
mod partition;
mod producer;
mod schema;
mod service;
mod sinks;

use std::path::PathBuf;

use tracing::level_filters::LevelFilter;

use super::fault::{Fault, Findings};
use super::layers::{Origin, Raw, Surroundings};
use super::options::{self, Kind, Opt, Support};
use super::settings::{
    CheckConfig, Config, LogSettings, OnSchemaError, PartitionBy, PartitionSettings, PositionConfig, ReadConfig, SchemaConfig,
};
use super::value;
use crate::encode::Path;
use crate::position::Place;
use crate::secret::Secret;

/// Typed access to raw values. A value of the wrong kind counts as the default; its fault is already recorded.
pub(super) struct Reader<'a> {
    pub raw: &'a Raw,
    pub around: &'a Surroundings,
    pub findings: &'a mut Findings,
}

/// Checks everything for the daemon. `Err`: the faults, all of them.
pub(super) fn daemon(raw: &Raw, around: &Surroundings, mut findings: Findings) -> Result<Config, Findings> {
    let mut reader = Reader { raw, around, findings: &mut findings };
    reader.check_kinds(|option| option.commands.is_empty());
    let partition = partition::read(&mut reader);
    let schema_database = reader.filled("schema_database");
    let filter = output::filter(&mut reader, &schema_database);
    let kind = producer::kind(&mut reader);
    let bootstrapper = service::bootstrapper(&mut reader);
    let servers = mysql::servers(&mut reader);
    let gtid_mode = output::gtid_mode(&mut reader);
    let output = output::read(&mut reader, gtid_mode);
    mysql::check_capture(&mut reader);
    monitoring::check_datadog(&mut reader);
    output::check_encryption(&mut reader);
    service::check_java_limits(&mut reader);
    let client_id = reader.filled("client_id");
    let on_schema_error = on_schema_error(&mut reader, &partition);
    let config = Config {
        replica_server_id: reader.number("replica_server_id"),
        gtid_mode,
        init_position: service::init_position(&mut reader),
        replay: reader.flag("replay"),
        recapture_schema: reader.flag("recapture_schema"),
        master_recovery: reader.flag("master_recovery"),
        store: servers.store,
        replication: servers.replication,
        capture: servers.capture,
        max_schemas: reader.integer("max_schemas").and_then(|n| u32::try_from(n).ok()),
        reconnection_retries: reader.integer("replication_reconnection_retries").and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0),
        bootstrapper,
        on_schema_error,
        filter,
        output,
        producer: producer::read(&mut reader, kind, partition),
        memory: service::memory(&mut reader, &client_id),
        encode_workers: reader.number("encode_workers"),
        shutdown_timeout_ms: reader.millis("shutdown_timeout_ms"),
        http: monitoring::http(&mut reader),
        metrics: monitoring::metrics(&mut reader),
        logging: service::logging(&mut reader),
        background: reader.flag("daemon"),
        given: raw.all().map(|(name, value)| (name.to_owned(), Secret::new(value.unwrap_or_default()))).collect(),
        client_id,
        schema_database,
        notes: Vec::new(),
    };
    reader.check_support(|option| option.commands.is_empty());
    finish(config, findings, |config, notes| config.notes = notes)
}

/// Rows of one table can be held back only where no other table's rows follow them in the same partition.
fn on_schema_error(reader: &mut Reader, partition: &PartitionSettings) -> OnSchemaError {
    let of_one_table = |by| matches!(by, PartitionBy::Table | PartitionBy::PrimaryKey);
    let possible = match partition.by {
        PartitionBy::Column => of_one_table(partition.fallback),
        by => of_one_table(by),
    };
    let wanted = reader.choice("on_schema_error") == Some("quarantine");
    if reader.choice("delivery") == Some("exactly_once") {
        if wanted && reader.is_given("on_schema_error") {
            reader.findings.warn(
                "on_schema_error=quarantine acts as stop with delivery=exactly_once: rows that were held back would come in another order after a \
                 restart, and could not be told from those that were sent",
            );
        }
        return OnSchemaError::Stop;
    }
    if wanted && !possible && reader.is_given("on_schema_error") {
        reader.findings.warn(
            "on_schema_error=quarantine acts as stop here, because in one partition the rows of other tables would overtake those that are held back: \
             set producer_partition_by to table or primary_key",
        );
    }
    if wanted && possible { OnSchemaError::Quarantine } else { OnSchemaError::Stop }
}

/// Checks everything for `binlogd position`.
pub(super) fn position_command(
    raw: &Raw,
    around: &Surroundings,
    words: Vec<String>,
    mut findings: Findings,
) -> Result<PositionConfig, Findings> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let usage = || Some("binlogd position show | set PLACE [options]".to_owned());
    let set = match words[..] {
        ["show"] => None,
        ["set", place] => place.parse::<Place>().map_err(|e| findings.fault(e.message(), None, e.hint_text().map(str::to_owned))).ok(),
        _ => {
            findings.fault(format!("binlogd position does not understand: {}", words.join(" ")), None, usage());
            None
        }
    };
    let reader = Reader { raw, around, findings: &mut findings };
    let (json, dry_run, force) = (reader.flag("json"), reader.flag("dry-run"), reader.flag("force"));
    let daemon = daemon(raw, around, findings)?;
    Ok(PositionConfig { daemon, set, json, dry_run, force })
}

/// The daemon's configuration for `binlogd check`, with its faults if it has any.
pub(super) fn check_command(raw: &Raw, around: &Surroundings, mut findings: Findings) -> CheckConfig {
    let json = Reader { raw, around, findings: &mut findings }.flag("json");
    match daemon(raw, around, findings) {
        Ok(mut config) => CheckConfig { json, notes: std::mem::take(&mut config.notes), config: Ok(Box::new(config)) },
        Err(findings) => CheckConfig { json, notes: findings.notes, config: Err(findings.faults) },
    }
}

/// Checks everything for `binlogd read`.
pub(super) fn read_command(raw: &Raw, around: &Surroundings, files: Vec<String>, mut findings: Findings) -> Result<ReadConfig, Findings> {
    let mut reader = Reader { raw, around, findings: &mut findings };
    reader.check_kinds(|option| option.read);
    if files.is_empty() {
        reader.findings.fault("no binlog file is given", None, Some("binlogd read [options] FILE…".into()));
    }
    let binlog_name = reader.text("binlog_name");
    if binlog_name.is_some() && files.len() > 1 {
        reader.fault("binlog_name", "binlog_name can name one file only", "read one file at a time, or leave the files their own names");
    }
    let schema_database = reader.filled("schema_database");
    let filter = output::filter(&mut reader, &schema_database);
    let gtid_mode = output::gtid_mode(&mut reader);
    let output = output::read(&mut reader, gtid_mode);
    output::check_encryption(&mut reader);
    let client_id = reader.filled("client_id");
    let config = ReadConfig {
        files: files.into_iter().map(PathBuf::from).collect(),
        binlog_name,
        gtid_mode,
        filter,
        output,
        path: reader.choice("path").and_then(Path::named).unwrap_or_default(),
        memory: service::memory(&mut reader, &client_id),
        // Beside the messages on stdout only what is wrong is worth a line, unless the user asks for more.
        logging: match (reader.is_given("log_level"), service::logging(&mut reader)) {
            (false, logging) => LogSettings { level: LevelFilter::WARN, ..logging },
            (true, logging) => logging,
        },
        client_id,
        schema_database,
        notes: Vec::new(),
    };
    reader.check_support(|option| option.read);
    finish(config, findings, |config, notes| config.notes = notes)
}

/// Checks everything for `binlogd schema`.
pub(super) fn schema_command(
    raw: &Raw,
    around: &Surroundings,
    words: Vec<String>,
    mut findings: Findings,
) -> Result<SchemaConfig, Findings> {
    let mut reader = Reader { raw, around, findings: &mut findings };
    let action = schema::action(&mut reader, &words);
    let config = daemon(raw, around, findings)?;
    match action {
        Some(action) => Ok(SchemaConfig { config, action }),
        // A fault was found, so `daemon` has failed.
        None => Err(Findings::default()),
    }
}

fn finish<C>(mut config: C, findings: Findings, set_notes: impl FnOnce(&mut C, Vec<super::fault::Note>)) -> Result<C, Findings> {
    if !findings.faults.is_empty() {
        return Err(findings);
    }
    set_notes(&mut config, findings.notes);
    Ok(config)
}

impl<'a> Reader<'a> {
    fn option(&self, name: &str) -> Option<&'static Opt> {
        let option = options::find(name);
        debug_assert!(option.is_some(), "{name} is not in the table of options");
        option
    }

    /// The text that was given; not the default. An option without its argument counts as not given, and so does an
    /// empty text.
    pub fn given(&self, name: &str) -> Option<&'a str> {
        self.raw.get(name)?.value.as_deref().filter(|v| !v.is_empty())
    }

    pub fn is_given(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    pub fn origin(&self, name: &str) -> Option<&'a Origin> {
        self.raw.get(name).map(|s| &s.origin)
    }

    /// The text or its default.
    pub fn text(&self, name: &str) -> Option<String> {
        self.given(name).or_else(|| self.option(name)?.default).map(str::to_string)
    }

    /// A text that has a default and must not be empty.
    pub fn filled(&mut self, name: &str) -> String {
        if self.raw.get(name).is_some_and(|s| s.value.as_deref().unwrap_or_default().is_empty()) {
            self.fault(name, format!("{name} is empty"), "give it a value, or leave it out");
        }
        self.text(name).unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// A boolean. On the command line a bare option is true, and any word but `true` is false (trap 55).
    pub fn flag(&self, name: &str) -> bool {
        let default = || self.option(name).and_then(|o| o.default).is_some_and(|d| d == "true");
        match self.raw.get(name) {
            Some(setting) => match &setting.value {
                None => true,
                Some(text) => value::boolean(text).unwrap_or_else(|| setting.origin != Origin::CommandLine && default()),
            },
            None => default(),
        }
    }

    pub fn integer(&self, name: &str) -> Option<i64> {
        let option = self.option(name)?;
        let given = self.given(name).filter(|text| value::check(option, text).is_ok());
        given.or(option.default).and_then(value::integer)
    }

    /// An integer that has a default and whose bounds in the table fit the type.
    pub fn number<N: TryFrom<i64> + Default>(&self, name: &str) -> N {
        self.integer(name).and_then(|n| N::try_from(n).ok()).unwrap_or_default()
    }

    pub fn size(&self, name: &str) -> u64 {
        self.given(name).and_then(value::size).or_else(|| value::size(self.option(name)?.default?)).unwrap_or_default()
    }

    pub fn millis(&self, name: &str) -> u64 {
        self.given(name).and_then(value::millis).or_else(|| value::millis(self.option(name)?.default?)).unwrap_or_default()
    }

    /// The word of the option's list. Any other text is a fault here, and counts as the default.
    pub fn choice(&mut self, name: &str) -> Option<&'static str> {
        let option = self.option(name)?;
        let given = self.raw.get(name).and_then(|s| s.value.as_deref());
        if let Some(text) = given
            && let Err(what) = value::check(option, text)
        {
            let Kind::Choice { values, .. } = option.kind else { return option.default };
            self.fault(name, what, format!("{name} is one of {}", values.join(", ")));
            return option.default;
        }
        given.and_then(|text| value::choice(option, text)).or(option.default)
    }

    /// A fault of this option's value.
    pub fn fault(&mut self, name: &str, what: impl Into<String>, hint: impl Into<String>) {
        let origin = self.origin(name);
        self.findings.fault(what, origin, Some(hint.into()));
    }

    /// A fault of something that is missing; there is nowhere to point to.
    pub fn missing(&mut self, what: impl Into<String>) {
        self.findings.fault(what, None, None);
    }

    /// Whether the option has an effect beside the others.
    fn is_active(&self, option: &Opt) -> bool {
        match option.only_with {
            None => true,
            Some(("metrics_type", reporter)) => self.text("metrics_type").is_some_and(|t| t.contains(reporter)),
            Some((other, "true")) => self.flag(other),
            Some((other, value)) => self.text(other).is_some_and(|text| text.trim() == value),
        }
    }

    /// Faults of numbers and booleans, and of blanks that were hardly meant. Words of a list are checked by `choice`,
    /// in Maxwell's order.
    fn check_kinds(&mut self, concerned: impl Fn(&Opt) -> bool) {
        for option in options::all().filter(|o| concerned(o)) {
            let Some(setting) = self.raw.get(option.name).filter(|_| self.is_active(option)) else { continue };
            let on_command_line = setting.origin == Origin::CommandLine;
            let text = match (&setting.value, option.kind) {
                (Some(text), _) => text,
                (None, Kind::Bool | Kind::Text | Kind::Secret) => continue,
                (None, _) => &String::new(),
            };
            let result = if matches!(option.kind, Kind::Choice { .. }) { Ok(()) } else { value::check(option, text) };
            match (result, option.kind) {
                (Ok(()), Kind::Text | Kind::Secret) if !on_command_line && text.ends_with([' ', '\t']) => {
                    self.findings.warn(format!("the value of {} ends with a blank, which belongs to it ({})", option.name, setting.origin));
                }
                (Ok(()), _) => {}
                (Err(_), Kind::Bool) if on_command_line => {
                    let name = option.name;
                    self.findings.warn(format!("--{name}={text} means false: on the command line everything but true does"));
                }
                (Err(what), _) => {
                    self.findings.fault(what, Some(&setting.origin), Some(format!("{} takes {}", option.name, takes(option))))
                }
            }
        }
    }

    /// Refuses what is not supported yet, and says what has no effect.
    fn check_support(&mut self, concerned: impl Fn(&Opt) -> bool) {
        for option in options::all().filter(|o| concerned(o)) {
            let Some(setting) = self.raw.get(option.name).filter(|_| self.is_active(option)) else { continue };
            if self.is_default(option) {
                continue;
            }
            let name = option.name;
            match option.support {
                Support::Full => {}
                Support::NoEffect(why) => self.findings.info(format!("{name} ({}) has no effect: {why}", setting.origin)),
                Support::Refused { unless, why } => {
                    let text = setting.value.as_deref().unwrap_or_default().trim();
                    if unless.contains(&text) || self.is_wrong_word(option, text) {
                        continue;
                    }
                    let shown = match option.kind {
                        Kind::Choice { .. } => format!("{name}={text}"),
                        _ => name.to_string(),
                    };
                    self.fault(name, format!("{shown} is not supported: {why}"), format!("remove {name}"));
                }
            }
        }
    }

    /// A word that is not in the list has been refused already.
    fn is_wrong_word(&self, option: &Opt, text: &str) -> bool {
        matches!(option.kind, Kind::Choice { .. }) && value::choice(option, text).is_none()
    }

    fn is_default(&self, option: &Opt) -> bool {
        let default = option.default.unwrap_or_default();
        match option.kind {
            Kind::Bool => self.flag(option.name) == (default == "true"),
            Kind::Float => self.given(option.name).and_then(value::float) == value::float(default),
            Kind::Int { .. } => self.given(option.name).and_then(value::integer) == value::integer(default),
            _ => self.given(option.name).unwrap_or_default().trim() == default,
        }
    }
}

fn takes(option: &Opt) -> String {
    match option.kind {
        Kind::Int { min, max } if min > i64::MIN && max < i64::MAX => format!("an integer from {min} to {max}"),
        Kind::Int { .. } => "an integer".into(),
        _ => option.kind_words(),
    }
}

/// The findings as the lines that a user reads.
pub(super) fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("error: {fault}\n")).collect()
}
