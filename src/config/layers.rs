//! Sources and precedence: command line > prefixed environment > JSON variable > properties file > default
//! (contract §1.1). The result is still text; every value knows where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::aliases::{self, Meaning};
use super::arguments::Arguments;
use super::fault::Findings;
use super::nearest::nearest;
use super::options;
use super::properties;

/// Where a value came from, for error texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    CommandLine,
    /// `line` counts from 1.
    File {
        path: Arc<Path>,
        line: usize,
    },
    Variable(String),
    /// A key of the JSON object in this environment variable.
    JsonVariable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine => f.write_str("command line"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::JsonVariable(name) => write!(f, "JSON in environment variable {name}"),
        }
    }
}

/// A value as text.
#[derive(Clone)]
pub(super) struct Setting {
    /// `None`: the option stood on the command line without an argument.
    pub value: Option<String>,
    pub origin: Origin,
}

/// What the daemon finds around itself: passed in, so that tests need no process of their own.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    pub variables: BTreeMap<String, String>,
    /// Where `config.properties` is looked for, and what relative paths of `config` start from.
    pub directory: PathBuf,
}

/// All values as text, the sources already merged.
#[derive(Default)]
pub(super) struct Raw {
    settings: BTreeMap<String, Setting>,
}

impl Raw {
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    /// All values, for comparing.
    pub fn all(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.settings.iter().map(|(name, setting)| (name.as_str(), setting.value.as_deref()))
    }

    /// The keys that begin with this text, with their settings.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Setting)> {
        self.settings.range(prefix.to_string()..).map(|(k, v)| (k.as_str(), v)).take_while(move |(k, _)| k.starts_with(prefix))
    }
}

/// Whether `config.properties` in the working directory is read when no file is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DefaultFile {
    Read,
    Ignore,
}

/// Reads all sources. Faults: unreadable files and variables; warnings: keys that nobody asks for.
pub(super) fn read(arguments: Arguments, around: &Surroundings, default_file: DefaultFile, findings: &mut Findings) -> Raw {
    let mut map = BTreeMap::new();
    let command_line = |name: &str| arguments.options.get(name).cloned().flatten();
    read_file(command_line("config"), around, default_file, &mut map, findings);
    if let Some(name) = command_line("env_config") {
        read_json_variable(&name, around, &mut map, findings);
    }
    let prefix = command_line("env_config_prefix").or_else(|| map.get("env_config_prefix").and_then(|s: &Setting| s.value.clone()));
    if prefix.as_deref() == Some("") {
        let hint = "give the beginning of your variables' names, such as MAXWELL_".to_string();
        findings.fault("env_config_prefix is empty: every variable of the environment would be an option", None, Some(hint));
    } else if let Some(prefix) = prefix {
        read_variables(&prefix, around, &mut map);
    }
    let mut settings = sort_out(map, findings);
    for (name, value) in arguments.options {
        settings.insert(name.into(), Setting { value, origin: Origin::CommandLine });
    }
    Raw { settings }
}

type Map = BTreeMap<String, Setting>;

fn read_file(named: Option<String>, around: &Surroundings, default_file: DefaultFile, map: &mut Map, findings: &mut Findings) {
    let path = match (&named, default_file) {
        (Some(path), _) => PathBuf::from(path),
        (None, DefaultFile::Read) => PathBuf::from("config.properties"),
        (None, DefaultFile::Ignore) => return,
    };
    let bytes = match std::fs::read(around.directory.join(&path)) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            if named.is_some() {
                let hint = "give the path of an existing file, or leave the option out".to_string();
                findings.fault(format!("Couldn't find config file: {}", path.display()), Some(&Origin::CommandLine), Some(hint));
            }
            return;
        }
        Err(e) => {
            let hint = "make it readable for the user that runs binlogd".to_string();
            findings.fault(format!("Couldn't read config file: {}: {e}", path.display()), None, Some(hint));
            return;
        }
    };
    let path: Arc<Path> = path.into();
    match properties::parse(&bytes) {
        Ok(properties) => {
            for p in properties {
                let origin = Origin::File { path: path.clone(), line: p.line };
                map.insert(p.key, Setting { value: Some(p.value), origin });
            }
        }
        Err(e) => {
            let origin = e.line.map(|line| Origin::File { path: path.clone(), line });
            let hint = "save the file as UTF-8, and write a backslash as \\\\".to_string();
            findings.fault(format!("Couldn't read config file: {}: {}", path.display(), e.why), origin.as_ref(), Some(hint));
        }
    }
}

fn read_json_variable(name: &str, around: &Surroundings, map: &mut Map, findings: &mut Findings) {
    let origin = Origin::JsonVariable(name.into());
    let Some(text) = around.variables.get(name).map(|t| t.trim()).filter(|t| t.starts_with('{')) else {
        let hint = "set it to a JSON object, such as {\"host\":\"db\"}".to_string();
        findings.fault(format!("No JSON-encoded environment variable named: {name}"), Some(&Origin::CommandLine), Some(hint));
        return;
    };
    let object: serde_json::Map<String, serde_json::Value> = match serde_json::from_str(text) {
        Ok(object) => object,
        Err(e) => {
            let hint = format!("mend it at line {}, column {}", e.line(), e.column());
            findings.fault(format!("Unparseable JSON in env variable {name}"), Some(&origin), Some(hint));
            return;
        }
    };
    for (key, value) in object {
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text,
            serde_json::Value::Bool(b) => b.to_string(),
            serde_json::Value::Number(n) => n.to_string(),
            // Whoever keeps other things in the same variable is told by the warning about unknown names.
            serde_json::Value::Array(_) | serde_json::Value::Object(_) if !is_asked_for(&key) => String::new(),
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                let hint = "give a string, a number or a boolean".to_string();
                findings.fault(format!("the value of {key} is a JSON array or object"), Some(&origin), Some(hint));
                continue;
            }
        };
        map.insert(key, Setting { value: Some(text), origin: origin.clone() });
    }
}

/// Variables whose names begin with the prefix, in any letter case; the rest of the name, in lower case, is the key.
fn read_variables(prefix: &str, around: &Surroundings, map: &mut Map) {
    let prefix = prefix.to_lowercase();
    for (name, value) in &around.variables {
        if let Some(key) = name.to_lowercase().strip_prefix(&prefix).filter(|key| !key.is_empty()) {
            map.insert(key.into(), Setting { value: Some(value.clone()), origin: Origin::Variable(name.clone()) });
        }
    }
}

/// Keeps what options and pass-through prefixes ask for, translates guides' spellings, and warns about the rest.
fn sort_out(map: Map, findings: &mut Findings) -> Map {
    let mut known = Map::new();
    let mut translated = Map::new();
    for (key, setting) in map {
        let value = setting.value.as_deref().unwrap_or_default();
        match aliases::meaning(&key, value) {
            Some(Meaning::Key(real)) => {
                findings.warn(format!(
                    "{key} ({}) is not an option of Maxwell's; it was read as {real}={value}: write it that way",
                    setting.origin
                ));
                translated.insert(real.to_string(), setting);
            }
            Some(Meaning::Nothing(why)) => {
                findings.warn(format!("{key} ({}) is not an option of Maxwell's and was left out: {why}", setting.origin));
            }
            Some(Meaning::Refused(why)) => findings.fault(why, Some(&setting.origin), Some(format!("remove {key}"))),
            None if is_asked_for(&key) => {
                known.insert(key, setting);
            }
            None => findings.warn(unknown(&key, &setting.origin)),
        }
    }
    for (key, setting) in translated {
        known.entry(key).or_insert(setting);
    }
    known
}

fn is_asked_for(key: &str) -> bool {
    let passed_on = |prefix: &str| key.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    options::find(key).is_some_and(|o| o.in_files())
        || passed_on(options::KAFKA_PREFIX)
        || options::CUSTOM_PRODUCER_PREFIXES.iter().any(|p| passed_on(p))
}

/// Lines of a key or certificate that were pasted into the file are read as names, and must not be shown.
fn resembles_an_option(key: &str) -> bool {
    key.chars().count() <= 40 && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn unknown(key: &str, origin: &Origin) -> String {
    if options::find(key).is_some() {
        return format!("{key} ({origin}) works on the command line only, and was ignored");
    }
    if let Some((_, new)) = options::REMOVED.iter().find(|(old, _)| *old == key) {
        return format!("{key} ({origin}) is an option of earlier releases of Maxwell, and was ignored: use {new}");
    }
    if !resembles_an_option(key) {
        return format!(
            "a key that cannot be an option's name ({origin}) was ignored; does the line before it lack a backslash at its end?"
        );
    }
    match nearest(key, options::all().filter(|o| o.in_files()).map(|o| o.name)) {
        Some(name) => format!("unknown option {key} ({origin}) was ignored; did you mean {name}?"),
        None => format!("unknown option {key} ({origin}) was ignored"),
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
