//! The commands: first words that make `binlogd` something else than the daemon. One row each; a new command is a row
//! here, a variant of `Invocation`, and an arm in `main`.
//!
//! Each row says which options the command takes, how its command line is read, and how its values become an
//! `Invocation`. What a command does never stands here.

use super::cli::Invocation;
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
pub(super) static COMMANDS: &[Command] = &[READ, SCHEMA];

const READ: Command = Command {
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
};

const SCHEMA: Command = Command {
    word: "schema",
    usage: "show [DB[.TABLE]] | diff [DB[.TABLE]] | resolve DB.TABLE [options]",
    about: "shows the stored definitions of tables, compares them with the server's, or tells one that nothing else can prove; takes the daemon's \
            options too",
    takes: Takes::All,
    dialect: Dialect::Words,
    words: true,
    default_file: DefaultFile::Read,
    build: |given| {
        validate::schema_command(given.raw, given.around, given.words, given.findings).map(|asked| Invocation::Schema(Box::new(asked)))
    },
};

/// The command of this name.
pub(super) fn find(word: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|c| c.word == word)
}

impl Command {
    /// Whether the option exists for this command.
    pub fn has(&self, option: &Opt) -> bool {
        option.command.is_none_or(|only| only == self.word)
    }

    /// Whether the command takes the option; one that it has but does not take is refused with a sentence.
    pub fn takes(&self, option: &Opt) -> bool {
        self.has(option)
            && match self.takes {
                Takes::All => true,
                Takes::Read => option.read,
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
            assert!(option.command.is_none_or(|word| find(word).is_some()), "{} is of no command", option.name);
        }
    }
}
