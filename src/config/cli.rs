//! The door: arguments and environment in, what to do out.
//!
//! `binlogd [options]` is the daemon, with Maxwell's options in Maxwell's grammar. A first word that is the name of a
//! command selects that command; Maxwell has no such words, so nothing of its command lines changes its meaning.

use std::ffi::OsString;
use std::path::PathBuf;

use super::arguments::{self, Arguments};
use super::commands::{self, Command, Given};
use super::fault::{Findings, Note, NoteLevel};
use super::help;
use super::layers::{self, Raw, Surroundings};
use super::settings::{CheckConfig, Config, PositionConfig, ReadConfig, SchemaConfig};
use super::validate;

/// What the user asked for.
#[derive(Debug)]
pub enum Invocation {
    /// The daemon.
    Run(Box<Config>),
    /// `binlogd read`: recorded binlog files to standard output.
    Read(Box<ReadConfig>),
    /// `binlogd schema`: stored definitions.
    Schema(Box<SchemaConfig>),
    /// A text for standard output, and nothing else to do: `--version`, `binlogd completions`.
    Print(String),
    /// `binlogd position`: shows or changes the stored position.
    Position(Box<PositionConfig>),
    /// `binlogd check`: whether the daemon could start.
    Check(Box<CheckConfig>),
}

impl Invocation {
    /// What there is to say about its configuration.
    fn into_notes(self) -> Vec<Note> {
        match self {
            Invocation::Run(config) => config.notes,
            Invocation::Read(config) => config.notes,
            Invocation::Schema(asked) => asked.config.notes,
            Invocation::Print(_) => Vec::new(),
            Invocation::Position(config) => config.daemon.notes,
            Invocation::Check(check) => check.notes,
        }
    }
}

/// The process is to end at once, with these texts. `--help` ends this way too, with Maxwell's status 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    pub code: u8,
    pub stdout: String,
    pub stderr: String,
}

/// Reads the process's arguments (without the program's name) and environment.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Invocation, Exit> {
    let variables = environment.into_iter().map(|(name, value)| (lossy(name), lossy(value))).collect();
    parse_in(arguments, &Surroundings { variables, directory: PathBuf::new() })
}

/// The same in given surroundings.
pub fn parse_in(arguments: impl IntoIterator<Item = OsString>, around: &Surroundings) -> Result<Invocation, Exit> {
    let mut line: Vec<String> = Vec::new();
    let mut findings = Findings::default();
    for argument in arguments {
        match argument.into_string() {
            Ok(text) => line.push(text),
            Err(wrong) => {
                let what = format!("argument {} is not UTF-8 text: {}", line.len() + 1, wrong.to_string_lossy());
                findings.fault(what, None, Some("write it in UTF-8".into()));
            }
        }
    }
    match line.split_first().and_then(|(word, rest)| Some((commands::find(word)?, rest))) {
        Some((command, rest)) => invoke(command, rest, around, findings),
        None => invoke(&commands::DAEMON, &line, around, findings),
    }
}

/// Text of the environment that is not UTF-8 becomes replacement characters; it can only be a value nobody asks for or
/// one that fails its check.
fn lossy(text: OsString) -> String {
    text.to_string_lossy().into_owned()
}

fn invoke(command: &'static Command, line: &[String], around: &Surroundings, mut findings: Findings) -> Result<Invocation, Exit> {
    let mut arguments = arguments::parse(line, command, &mut findings);
    if findings.faults.is_empty() && arguments.options.contains_key("version") {
        return Ok(Invocation::Print(format!("binlogd {}\n", env!("CARGO_PKG_VERSION"))));
    }
    let words = std::mem::take(&mut arguments.files);
    let shown: Vec<&str> = words.iter().zip(&arguments.behind_secret).map(|(word, secret)| if *secret { "***" } else { word }).collect();
    let shown = shown.join(", ");
    let raw = sources(arguments, around, command, &mut findings)?;
    let stray = !command.words && !words.is_empty();
    let checked = (command.build)(Given { raw: &raw, around, words, findings });
    // As in Maxwell, stray words come to light after everything else.
    let refuse_words = |mut findings: Findings| {
        let hint = "options begin with --".to_string();
        findings.fault(format!("Unknown argument(s): [{}]", shown), None, Some(hint));
        findings
    };
    match checked {
        Ok(invocation) if !stray => Ok(invocation),
        Ok(invocation) => Err(failed(&refuse_words(Findings { faults: Vec::new(), notes: invocation.into_notes() }))),
        Err(findings) if !stray => Err(failed(&findings)),
        Err(findings) => Err(failed(&refuse_words(findings))),
    }
}

/// Reads all sources; after that, and only if they could be read, `--help` has its turn (contract §1.4).
fn sources(arguments: Arguments, around: &Surroundings, command: &Command, findings: &mut Findings) -> Result<Raw, Exit> {
    let wanted = arguments.options.get("help").cloned();
    let raw = layers::read(arguments, around, command.default_file, findings);
    match wanted {
        Some(section) if findings.faults.is_empty() => {
            let stdout = if command.word.is_empty() { help::section(section.as_deref()) } else { help::command(command) };
            Err(Exit { code: 1, stdout, stderr: String::new() })
        }
        _ => Ok(raw),
    }
}

/// All faults, and the warnings, which may explain them.
fn failed(findings: &Findings) -> Exit {
    let warnings = findings.notes.iter().filter(|n| n.level == NoteLevel::Warning);
    let warnings: String = warnings.map(|n| format!("warning: {}\n", n.text)).collect();
    let stderr = format!("{warnings}{}binlogd --help all lists all options\n", validate::lines(&findings.faults));
    Exit { code: 1, stdout: String::new(), stderr }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
