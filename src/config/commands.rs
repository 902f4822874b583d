//! The commands: first words that make `binlogd` something else than the daemon. One row each; a new command is a row
//! here, a variant of `Invocation`, and an arm in `main`.
//!
//! Each row says which options the command takes, how its command line is read, and how its values become an
//! `Invocation`. What a command does never stands here.

use super::cli::Invocation;
use super::completions;
use super::fault::Findings;
use super::layers::{DefaultFile, Raw, Surroundings};
use super::options::Opt;
use super::validate;

/// How eagerly optional arguments are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A boolean option swallows any following word, as Maxwell's does.
    Maxwell,
    /// Words such as file names follow options, so that only `true` and `false` are swallowed.
    Words,
}

/// Which options a command takes, besides those that are its own (`Opt::command`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// All of the daemon's.
    All,
    /// Those that are marked as options of `binlogd read`.
    Read,
    /// None but `--help`.
    Nothing,
}

/// What a command's values are made from.
pub(super) struct Given<'a> {
    pub raw: &'a Raw,
    pub around: &'a Surroundings,
    /// The words that are no options.
    pub words: Vec<String>,
    pub findings: Findings,
}

/// One command.
pub(super) struct Command {
    /// Empty for the daemon.
    pub word: &'static str,
    /// What stands behind it, for help.
    pub usage: &'static str,
    /// One sentence for help, without a full stop.
    pub about: &'static str,
    pub takes: Takes,
    pub dialect: Dialect,
    /// Whether words that are no options may be given.
    pub words: bool,
    /// Whether `config.properties` in the working directory is read when no file is named.
    pub default_file: DefaultFile,
    pub build: fn(Given) -> Result<Invocation, Findings>,
}

pub(super) static DAEMON: Command = Command {
    word: "",
    usage: "[options]",
    about: "follows the binlog and sends every change",
    takes: Takes::All,
    dialect: Dialect::Maxwell,
    words: false,
    default_file: DefaultFile::Read,
    build: |given| validate::daemon(given.raw, given.around, given.findings).map(|config| Invocation::Run(Box::new(config))),
};

/// All but the daemon.
pub(super) static COMMANDS: &[Command] = &[
    Command {
        word: "read",
        usage: "[options] FILE…",
        about: "prints what the daemon would send for recorded binlog files, one message a line; needs no server",
        takes: Takes::Read,
        dialect: Dialect::Words,
        words: true,
        default_file: DefaultFile::Ignore,
        build: |given| {
            validate::read_command(given.raw, given.around, given.words, given.findings).map(|config| Invocation::Read(Box::new(config)))
        },
    },
    Command {
        word: "completions",
        usage: "bash|zsh|fish",
        about: "prints a script that lets this shell complete commands, options and values",
        takes: Takes::Nothing,
        dialect: Dialect::Words,
        words: true,
        default_file: DefaultFile::Ignore,
        build: completions::command,
    },
    Command {
        word: "position",
        usage: "show | set PLACE [options]",
        about: "shows the stored positions, or stores another one; PLACE is FILE:POSITION[:HEARTBEAT], a GTID set, a time such as \
            2026-01-31T12:00:00Z, now, or earliest",
        takes: Takes::All,
        dialect: Dialect::Words,
        words: true,
        default_file: DefaultFile::Read,
        build: |given| {
            validate::position_command(given.raw, given.around, given.words, given.findings)
                .map(|config| Invocation::Position(Box::new(config)))
        },
    },
    Command {
        word: "schema",
        usage: "show [DB[.TABLE]] | diff [DB[.TABLE]] | resolve DB.TABLE [options]",
        about: "shows the stored definitions of tables, compares them with the server's, or tells one that nothing else can prove",
        takes: Takes::All,
        dialect: Dialect::Words,
        words: true,
        default_file: DefaultFile::Read,
        build: |given| {
            validate::schema_command(given.raw, given.around, given.words, given.findings).map(|asked| Invocation::Schema(Box::new(asked)))
        },
    },
    Command {
        word: "check",
        usage: "[options]",
        about: "checks configuration, servers, brokers and this machine with the daemon's options, changes nothing, and says what mends \
                each fault; ends with 0 if the daemon could start, 1 if not, 2 if the server would refuse the binlog",
        takes: Takes::All,
        dialect: Dialect::Maxwell,
        words: false,
        default_file: DefaultFile::Read,
        // Faults of the configuration are part of the report.
        build: |given| Ok(Invocation::Check(Box::new(validate::check_command(given.raw, given.around, given.findings)))),
    },
];

/// The command of this name.
pub(super) fn find(word: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|c| c.word == word)
}

impl Command {
    /// Whether the option exists for this command.
    pub fn has(&self, option: &Opt) -> bool {
        option.commands.is_empty() || option.commands.contains(&self.word)
    }

    /// Whether the command takes the option; one that it has but does not take is refused with a sentence.
    pub fn takes(&self, option: &Opt) -> bool {
        self.has(option)
            && match self.takes {
                Takes::All => true,
                Takes::Read => option.read,
                Takes::Nothing => option.name == "help",
            }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options;
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for command in COMMANDS {
            assert!(!command.word.is_empty() && !command.about.ends_with('.') && command.word.chars().all(|c| c.is_ascii_lowercase()));
            assert_eq!(COMMANDS.iter().filter(|c| c.word == command.word).count(), 1, "{}", command.word);
        }
        for option in options::all() {
            assert!(option.commands.iter().all(|word| find(word).is_some()), "{} is of no command", option.name);
        }
    }
}
