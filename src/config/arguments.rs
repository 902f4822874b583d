//! The command line in Maxwell's grammar, that of jopt-simple 5 (contract §1.2).
//!
//! `--name=value`, `--name value`, `-name=value`, `-n value`, every unambiguous beginning of a name, `-uroot`, optional
//! arguments, `--`. Options of our own never make a beginning ambiguous that is clear among Maxwell's.

use std::collections::BTreeMap;

use super::commands::{Command, Dialect};
use super::fault::Findings;
use super::layers::Origin;
use super::nearest::nearest;
use super::options::{self, Argument, Kind, Opt, Owner};

/// What stood on the command line.
#[derive(Default)]
pub(super) struct Arguments {
    /// By option name; `None`: given without an argument.
    pub options: BTreeMap<&'static str, Option<String>>,
    /// What is no option.
    pub files: Vec<String>,
    /// Which of these words stand behind a secret, and may be its second half: `--password=two words`.
    pub behind_secret: Vec<bool>,
}

/// Reads the arguments. Faults: unknown options, missing arguments, repetitions.
pub(super) fn parse(arguments: &[String], command: &'static Command, findings: &mut Findings) -> Arguments {
    let mut parser = Parser { rest: arguments, command, findings, secret: false, out: Arguments::default() };
    while let Some((token, rest)) = parser.rest.split_first() {
        parser.rest = rest;
        if token == "--" {
            rest.iter().for_each(|word| parser.word(word));
            break;
        }
        match (token.strip_prefix("--"), token.strip_prefix('-')) {
            (Some(long), _) => parser.long(long),
            (None, Some(short)) if !short.is_empty() => parser.short(short),
            _ => parser.word(token),
        }
    }
    parser.out
}

struct Parser<'a, 'f> {
    rest: &'a [String],
    command: &'static Command,
    findings: &'f mut Findings,
    /// Whether the last option was a secret.
    secret: bool,
    out: Arguments,
}

fn split(token: &str) -> (&str, Option<&str>) {
    match token.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (token, None),
    }
}

fn looks_like_an_option(token: &str) -> bool {
    token.len() > 1 && token.starts_with('-')
}

/// Maxwell's help has separators that its parser takes for options.
fn is_pseudo_option(name: &str) -> bool {
    name.starts_with("__separator_") || name.starts_with("__section_")
}

impl Parser<'_, '_> {
    fn word(&mut self, word: &str) {
        self.out.files.push(word.to_string());
        self.out.behind_secret.push(self.secret);
    }

    fn long(&mut self, token: &str) {
        let (name, value) = split(token);
        if is_pseudo_option(name) {
            return;
        }
        match recognised(name, self.command) {
            Some(option) => self.handle(option, value.map(str::to_string)),
            None => self.unknown(name, name, value.is_some()),
        }
    }

    /// A single hyphen: the name as above, or one letter with its argument behind it.
    fn short(&mut self, token: &str) {
        let (name, value) = split(token);
        if let Some(option) = recognised(name, self.command) {
            return self.handle(option, value.map(str::to_string));
        }
        let letter_end = token.chars().next().map_or(0, char::len_utf8);
        let (letter, argument) = token.split_at(letter_end);
        match recognised(letter, self.command) {
            Some(option) => self.handle(option, Some(argument.to_string()).filter(|a| !a.is_empty())),
            // Other programs take `-pPASSWORD`.
            None => self.unknown(name, letter, value.is_some()),
        }
    }

    fn handle(&mut self, option: &'static Opt, value: Option<String>) {
        self.secret = option.kind == Kind::Secret;
        let value = match value {
            Some(value) => Some(value),
            None => match (option.argument, self.rest.split_first()) {
                (Argument::Required, Some((next, rest))) => {
                    self.rest = rest;
                    Some(next.clone())
                }
                (Argument::Required, None) => {
                    self.findings.fault(format!("Option {} requires an argument", option.name), None, None);
                    return;
                }
                (Argument::Optional, Some((next, rest))) if self.swallows(option, next) => {
                    self.rest = rest;
                    Some(next.clone())
                }
                (Argument::Optional, _) => None,
            },
        };
        if !self.command.takes(option) {
            self.findings.fault(format!("{} has no use in `binlogd {}`", option.name, self.command.word), None, None);
            return;
        }
        let first = self.out.options.entry(option.name).or_default();
        if first.is_some() && value.is_some() {
            let what = format!("Found multiple arguments for option {}, but you asked for only one", option.name);
            self.findings.fault(what, Some(&Origin::CommandLine), None);
        }
        // A repetition without an argument changes nothing.
        *first = value.or(first.take());
    }

    /// Whether an optional argument takes the next word.
    fn swallows(&self, option: &Opt, next: &str) -> bool {
        match option.kind {
            Kind::Int { .. } => next.trim().parse::<i64>().is_ok(),
            Kind::Bool if self.command.dialect == Dialect::Words => super::value::boolean(next).is_some(),
            _ => !looks_like_an_option(next),
        }
    }

    /// `safe` is what may be shown of a name that resembles no option.
    fn unknown(&mut self, name: &str, safe: &str, has_value: bool) {
        self.secret = false;
        let hint = hint_for(name, self.command);
        let name = if hint.is_some() || name == safe { name } else { &format!("{safe}…") };
        self.findings.fault(format!("{name} is not a recognized option"), None, hint);
        // What follows is most likely its value, and would be a second, misleading fault.
        if !has_value
            && self.command.dialect == Dialect::Maxwell
            && let Some((next, rest)) = self.rest.split_first()
            && !looks_like_an_option(next)
        {
            self.rest = rest;
        }
    }
}

/// What the user may have meant, or where the name is allowed.
fn hint_for(name: &str, command: &Command) -> Option<String> {
    let meant = super::aliases::real_name(name).unwrap_or(name);
    let passed_on = meant.starts_with(options::KAFKA_PREFIX) || options::find(meant).is_some_and(|o| !o.on_command_line());
    if passed_on {
        return Some(format!("{meant} can be set in the properties file or the environment only"));
    }
    let known = if meant != name { Some(meant) } else { nearest(name, candidates(command).map(|o| o.name)) };
    known.map(|known| format!("did you mean --{known}?"))
}

fn candidates(command: &Command) -> impl Iterator<Item = &'static Opt> {
    options::all().filter(|o| o.on_command_line() && command.has(o))
}

/// The option of this name, or the only one that begins with it.
fn recognised(name: &str, command: &Command) -> Option<&'static Opt> {
    if name.is_empty() {
        return None;
    }
    if let Some(exact) = candidates(command).find(|o| o.name == name) {
        return Some(exact);
    }
    let beginning_with = |owner: Owner| candidates(command).filter(|o| o.owner == owner && o.name.starts_with(name)).collect::<Vec<_>>();
    match (beginning_with(Owner::Maxwell).as_slice(), beginning_with(Owner::Ours).as_slice()) {
        ([option], _) | ([], [option]) => Some(option),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::commands::{DAEMON, find};
    use super::*;

    fn read() -> &'static Command {
        find("read").expect("a command")
    }

    fn parsed(line: &[&str], command: &'static Command) -> (Arguments, Vec<String>) {
        let mut findings = Findings::default();
        let arguments: Vec<String> = line.iter().map(|a| a.to_string()).collect();
        let out = parse(&arguments, command, &mut findings);
        (out, findings.faults.iter().map(|f| f.to_string()).collect())
    }

    /// Options as `name=value` or `name`, then files.
    fn shown(line: &[&str], command: &'static Command) -> Result<Vec<String>, Vec<String>> {
        let (out, faults) = parsed(line, command);
        if !faults.is_empty() {
            return Err(faults);
        }
        let options = out.options.iter().map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.to_string(),
        });
        Ok(options.chain(out.files.iter().cloned()).collect())
    }

    #[test]
    fn every_spelling_of_an_option() {
        for (line, want) in [
            (&["--password=x"] as &[_], vec!["password=x"]),
            (&["--password", "x"], vec!["password=x"]),
            (&["-password=x"], vec!["password=x"]),
            (&["-password", "x"], vec!["password=x"]),
            (&["--pass=x"], vec!["password=x"]),
            (&["-pass", "x"], vec!["password=x"]),
            (&["-uroot"], vec!["user=root"]),
            (&["-u", "root"], vec!["user=root"]),
            (&["-u=root"], vec!["user=root"]),
            (&["--password="], vec!["password="]),
            (&["--password=", "x"], vec!["password=", "x"]),
            (&["--password=a=b"], vec!["password=a=b"]),
            // A required argument swallows whatever comes next.
            (&["--password", "--user"], vec!["password=--user"]),
            (&["--password", "--", "x"], vec!["password=--", "x"]),
            (&["--output_ddl"], vec!["output_ddl"]),
            (&["--output_ddl", "foo"], vec!["output_ddl=foo"]),
            (&["--output_ddl", "--output_nulls", "false"], vec!["output_ddl", "output_nulls=false"]),
            (&["--output_ddl=false", "--output_ddl"], vec!["output_ddl=false"]),
            (&["--replication_reconnection_retries", "-1"], vec!["replication_reconnection_retries=-1"]),
            (&["--binlog_event_queue_size", "x"], vec!["binlog_event_queue_size", "x"]),
            (&["--user", "a", "--", "--password", "x"], vec!["user=a", "--password", "x"]),
            (&["-", "x"], vec!["-", "x"]),
            (&["--__separator_1", "--__section_kafka"], vec![]),
            // log_format is ours and does not make Maxwell's beginning ambiguous.
            (&["--log=debug"], vec!["log_level=debug"]),
            (&["--log_fo=json"], vec!["log_format=json"]),
            (&["--kafka.boot=a:9092"], vec!["kafka.bootstrap.servers=a:9092"]),
        ] {
            let want: Vec<String> = want.into_iter().map(String::from).collect();
            assert_eq!(shown(line, &DAEMON).map(sorted), Ok(sorted(want)), "{line:?}");
        }
    }

    fn sorted(mut list: Vec<String>) -> Vec<String> {
        list.sort();
        list
    }

    #[test]
    fn faults_name_the_option() {
        for (line, want) in [
            (&["--nonsense_at_all", "x"] as &[_], vec!["nonsense_at_all is not a recognized option"]),
            (&["--pasword=x"], vec!["pasword is not a recognized option; hint: did you mean --password?"]),
            (
                &["--kafka_acks=1"],
                vec!["kafka_acks is not a recognized option; hint: kafka.acks can be set in the properties file or the environment only"],
            ),
            (&["--p=x"], vec!["p is not a recognized option"]),
            (&["-phunter2"], vec!["p… is not a recognized option"]),
            (&["-pasword=x"], vec!["pasword is not a recognized option; hint: did you mean --password?"]),
            (&["--kinesis_md5_keys"], vec!["kinesis_md5_keys is not a recognized option"]),
            (&["--exclude_dbs=x"], vec!["exclude_dbs is not a recognized option; hint: did you mean --filter?"]),
            (&["--user"], vec!["Option user requires an argument"]),
            (&["--user=a", "--user=b"], vec!["Found multiple arguments for option user, but you asked for only one (command line)"]),
            (&["--binlog_name=x"], vec!["binlog_name is not a recognized option"]),
        ] {
            let faults = parsed(line, &DAEMON).1;
            assert_eq!(faults.len(), want.len(), "{line:?}: {faults:?}");
            for (fault, want) in faults.iter().zip(want) {
                assert!(fault.starts_with(want), "{line:?}: {fault}");
            }
        }
    }

    #[test]
    fn read_leaves_file_names_alone() {
        let line = ["--output_ddl", "binlog.000001", "--output_nulls", "false", "binlog.000002", "--gtid"];
        assert_eq!(
            shown(&line, read()).map(sorted),
            Ok(["binlog.000001", "binlog.000002", "gtid_mode", "output_ddl", "output_nulls=false"].map(String::from).to_vec())
        );
        assert_eq!(parsed(&["--host=x"], read()).1, ["host has no use in `binlogd read`"]);
    }
}
