//! `--help` and the documentation page, both made from the table of options.

use super::commands::{COMMANDS, Command};
use super::options::{self, Argument, Group, Kind, Opt, Owner, Scope, Support};

/// Width of the column with names in `--help`.
const NAME_WIDTH: usize = 44;
const LINE_WIDTH: usize = 120;

/// The text of `--help [section]`.
pub(super) fn section(section: Option<&str>) -> String {
    let groups: Vec<Group> = match section {
        None | Some("") => vec![Group::General],
        Some("all") => Group::ALL.to_vec(),
        Some(word) => match Group::ALL.iter().find(|g| g.section() == word) {
            Some(group) => vec![*group],
            None => return format!("Unknown help section: {word}\n{}", footer()),
        },
    };
    let mut out = String::from("Help for binlogd:\n\n");
    if groups.contains(&Group::General) {
        out.push_str(&commands());
    }
    for group in groups {
        if section == Some("all") {
            out.push_str(&format!("{}\n", group.title()));
        }
        for option in options::all().filter(|o| o.group == group && o.on_command_line()) {
            out.push_str(&entry(option));
        }
        out.push('\n');
    }
    out + &footer()
}

/// The text of `binlogd COMMAND --help`.
pub(super) fn command(command: &Command) -> String {
    let mut out = format!("binlogd {} {}\n\n{}\n\n", command.word, command.usage, command.about);
    for option in options::all().filter(|o| command.takes(o) && o.on_command_line()) {
        out.push_str(&entry(option));
    }
    out
}

/// What stands before the options of the general section.
fn commands() -> String {
    let mut out = String::from("Commands, each with its own --help:\n\n");
    for command in COMMANDS {
        out.push_str(&beside(&format!("binlogd {} {}", command.word, command.usage), command.about));
    }
    out + "\n"
}

fn footer() -> String {
    let sections: Vec<&str> = Group::ALL.iter().filter(|g| **g != Group::General).map(|g| g.section()).collect();
    format!("--help [ all, {} ]\n", sections.join(", "))
}

/// An option and its help.
fn entry(option: &Opt) -> String {
    let mut name = format!("--{}", option.name);
    match (option.argument, option.kind) {
        (Argument::Optional, Kind::Bool) => name.push_str(" [true|false]"),
        (Argument::Optional, _) => name.push_str(" [VALUE]"),
        (Argument::Required, Kind::Choice { values, .. }) if values.len() <= 4 => name.push_str(&format!(" {}", values.join("|"))),
        (Argument::Required, _) => name.push_str(" VALUE"),
    }
    beside(&name, &words(option))
}

/// A name and its help, the help in lines beside or below the name.
fn beside(name: &str, text: &str) -> String {
    let mut out = format!("{name:<NAME_WIDTH$}");
    if name.len() >= NAME_WIDTH {
        out.push_str(&format!("\n{:NAME_WIDTH$}", ""));
    }
    let mut column = NAME_WIDTH;
    for word in text.split(' ') {
        let width = word.chars().count() + 1;
        if column + width > LINE_WIDTH && column > NAME_WIDTH {
            out.push_str(&format!("\n{:NAME_WIDTH$}", ""));
            column = NAME_WIDTH;
        }
        out.push_str(word);
        out.push(' ');
        column += width;
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn words(option: &Opt) -> String {
    let mut text = option.help.to_string();
    if let Some(default) = default_of(option) {
        text.push_str(&format!(" (default: {})", default.replace('`', "")));
    }
    match option.support {
        Support::Full => {}
        Support::NoEffect(why) => text.push_str(&format!(" [no effect: {why}]")),
        Support::Refused { unless: [], .. } => text.push_str(" [not supported]"),
        Support::Refused { unless, .. } => text.push_str(&format!(" [only {} are supported]", unless.join(", "))),
    }
    text
}

fn default_of(option: &Opt) -> Option<&'static str> {
    option.default_words.or(option.default).filter(|d| !d.is_empty())
}

/// `docs/configuration.md`.
pub fn page() -> String {
    let mut out = String::from(PAGE_HEAD);
    for group in Group::ALL {
        out.push_str(&format!("\n## {}\n\n", group.title()));
        if let Some(note) = group_note(group) {
            out.push_str(&format!("{note}\n\n"));
        }
        out.push_str("| option | value | default | meaning |\n|---|---|---|---|\n");
        for option in options::all().filter(|o| o.group == group) {
            out.push_str(&row(option));
        }
    }
    out.push_str("\n## Options of earlier releases of Maxwell\n\n");
    out.push_str("Maxwell 1.45 ignores them in files without a word; binlogd ignores them with a warning.\n\n| old | use |\n|---|---|\n");
    for (old, new) in options::REMOVED {
        out.push_str(&format!("| `{old}` | `{new}` |\n"));
    }
    out
}

fn row(option: &Opt) -> String {
    let default = match option.default_words {
        Some(words) => words.to_string(),
        None => option.default.filter(|d| !d.is_empty()).map(|d| format!("`{d}`")).unwrap_or_default(),
    };
    let mut meaning = sentence(option.help);
    match option.scope {
        Scope::Both => {}
        Scope::CommandLine => meaning.push_str(" Command line only."),
        Scope::File => meaning.push_str(" Not on the command line."),
    }
    match option.support {
        Support::Full => {}
        Support::NoEffect(why) => meaning.push_str(&format!(" *No effect: {why}.*")),
        Support::Refused { unless: [], why } => meaning.push_str(&format!(" **Not supported:** {why}.")),
        Support::Refused { unless, why } => meaning.push_str(&format!(" **Supported are {} only:** {why}.", unless.join(", "))),
    }
    if option.owner == Owner::Ours {
        meaning.push_str(" *(binlogd's own)*");
    }
    let cell = |text: &str| text.replace('|', "\\|");
    format!("| `{}` | {} | {} | {} |\n", option.name, cell(&option.kind_words()), cell(&default), cell(&meaning))
}

pub(super) fn sentence(help: &str) -> String {
    let mut chars = help.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

fn group_note(group: Group) -> Option<&'static str> {
    match group {
        Group::Kafka => Some(
            "Every other key `kafka.NAME` in the properties file or the environment is handed to the Kafka client as `NAME`, with the \
             names of the Java client.",
        ),
        Group::Kinesis | Group::Sqs | Group::Sns | Group::Nats | Group::BigQuery | Group::PubSub | Group::RabbitMq | Group::Redis => {
            Some("This producer is not built yet: `producer` refuses it. Beside another producer these options do nothing, as in Maxwell.")
        }
        _ => None,
    }
}

const PAGE_HEAD: &str = "\
# Configuration

<!-- Made from the table of options: UPDATE_DOCS=1 cargo test --test config. Edits here are overwritten. -->

binlogd takes Maxwell's options by Maxwell's names, and some of its own. Later sources win:

1. the default,
2. the properties file: `--config=FILE`, else `config.properties` in the working directory if it is there,
3. a JSON object in the environment variable that `--env_config=NAME` names,
4. every environment variable whose name begins with the text of `env_config_prefix`, in any letter case:
   with `MAXWELL_`, `MAXWELL_CLIENT_ID` is `client_id`,
5. the command line: `--name=value`, `--name value`, `-name value`, and any beginning of a name that only one option has.
   A bare `--output_ddl` is true; on the command line every word but `true` is false, as in Maxwell, with a warning.

The file has the syntax of Java's properties, in UTF-8: a line beginning with `#` is a comment, a backslash at a line's end
joins the next line, there are no comments behind values.

All faults are told at once, each with its place (`config.properties:7`, a variable's name) and what to do; the exit status
is 1. Unknown names are ignored as Maxwell ignores them, but with a warning that gives the nearest known name. Values of
passwords and keys are never shown.

Common spellings of guides that Maxwell ignores are understood, with a warning: `include_binlog_position`,
`include_commit_info`, `output_format=json`, `kafka_partition_hash=table` (or another way to partition),
`kafka_request_timeout_ms`, `kafka_retries`, `kafka_acks`, and in filters a bare `db.table` after a comma, which continues
the action before it.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_sections() {
        let general = section(None);
        assert!(general.starts_with("Help for binlogd:\n\n") && general.contains("--client_id VALUE") && !general.contains("--host"));
        let tail = "--help [ all, mysql, output, filtering, operation, custom_producer, file_producer, kafka, kinesis, sqs, sns, nats, \
                    bigquery, pubsub, rabbitmq, redis, monitoring ]\n";
        assert!(general.ends_with(tail), "{general}");
        let mysql = section(Some("mysql"));
        assert!(mysql.contains("--host") && !mysql.contains("--client_id") && mysql.ends_with(tail));
        assert!(section(Some("nonsense")).starts_with("Unknown help section: nonsense\n"));
        let all = section(Some("all"));
        for option in options::all() {
            assert_eq!(all.contains(&format!("--{}", option.name)), option.on_command_line(), "{}", option.name);
        }
        assert!(all.lines().all(|l| l.chars().count() <= LINE_WIDTH || l.starts_with("--help [")), "a line is too long");
    }

    #[test]
    fn read_has_its_own_help() {
        let help = command(super::super::commands::find("read").expect("a command"));
        assert!(help.contains("--binlog_name") && help.contains("--filter") && !help.contains("--host"));
    }

    #[test]
    fn the_page_has_every_option_once() {
        let page = page();
        for option in options::all() {
            assert_eq!(page.matches(&format!("\n| `{}` |", option.name)).count(), 1, "{}", option.name);
        }
    }
}
