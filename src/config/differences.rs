//! `docs/differences-from-maxwell.md`: in what binlogd is not Maxwell. Options come from their table; everything else
//! stands in the table here, where whoever changes a behaviour adds a row.

use super::options::{self, Kind, Opt, Owner, Support};
use crate::encode::quirks::{QUIRKS, ShownBy};

/// One difference that a user can notice.
struct Row {
    maxwell: &'static str,
    binlogd: &'static str,
}

const fn row(maxwell: &'static str, binlogd: &'static str) -> Row {
    Row { maxwell, binlogd }
}

const SECTIONS: &[(&str, &[Row])] = &[
    (
        "Configuration",
        &[
            row(
                "Names that no option has are ignored silently, in the file and in variables",
                "a warning with the place and the nearest known name",
            ),
            row(
                "The first fault ends the start, with the help text on standard output",
                "all faults at once on standard error, each with `file:line` or variable and what to do; the exit code is 1 as well",
            ),
            row(
                "`gtid_mode=true ` with a blank at its end is an error",
                "blanks around numbers, booleans and words of a list are dropped; around other texts they belong to the value, with a warning",
            ),
            row("`--output_ddl=yes` silently means false", "it means false too, with a warning: the same command line does the same"),
            row(
                "`replication_port`, `replication_ssl` and `replication_jdbc_options` without `replication_host` and `replication_user` are dropped silently",
                "dropped with a warning",
            ),
            row(
                "`env_config_prefix` is a regular expression, and an empty one makes every variable an option",
                "plain text; an empty one is refused",
            ),
            row(
                "A nested object in the variable of `env_config` becomes Java's text of it",
                "refused for an option, ignored with a warning for anything else",
            ),
            row("`http_diagnostic_timeout` on the command line ends the process", "it is an option there too"),
            row("Without `user` the driver's own default is tried", "`user` is required"),
            row("Numbers out of range are cut off or fail later: ports, `replica_server_id` beyond 32 bits", "refused at the start"),
            row("A wrong `producer_partition_by_fallback` fails later, and `column` never returns", "refused at the start"),
            row(
                "`output_ddl` with a `kafka_topic` that holds `%{…}` sends DDL to a topic of that literal name, which Kafka refuses",
                "refused at the start, with a hint to `ddl_kafka_topic`",
            ),
            row("Times are numbers of milliseconds", "`250ms`, `8s`, `5m`, `1h` are understood too, and `64K`, `128M`, `10G` for bytes"),
            row(
                "`--daemon` is a word of the shell launcher, which starts the process and leaves",
                "an option of the program, which waits until the background process has read its configuration; without LOG_DIR the output goes to `./logs/MaxwellDaemon.out`, from the working directory",
            ),
            row(
                "SIGHUP stops the process",
                "SIGHUP opens the log file anew and takes over a new `log_level`; it also tells which other changed options wait for a restart",
            ),
            row("Log lines have the local time", "UTC; `log_level=fatal` is the same as `error`"),
            row("`ssl=VERIFY_CA` checks the certificate of the binlog connection only", "of every connection"),
            row(
                "Options of the Java driver in `jdbc_options` take effect",
                "those about TLS and the connect time-out do; a list of harmless ones is left out with a line in the log; others are refused by name",
            ),
        ],
    ),
    (
        "Filters",
        &[
            row("A `/regular expression` without its end never returns, a quote ends with the line", "both are errors with their place"),
            row("Rows of an excluded table whose definition is not known end the process", "excluded tables never stop the stream"),
            row("A list like `include: a.*, b.*` is a syntax error", "`b.*` continues the action before it, with a warning"),
        ],
    ),
    (
        "Delivery",
        &[
            row("Only rows that end a transaction hold the stored position back", "every row does"),
            row("In GTID mode the stored set lacks the last transaction, which is sent again after a restart", "the set holds it"),
            row(
                "A message that is too large is dropped even with `ignore_producer_error=false`, if there is no `dead_letter_topic`",
                "it stops the daemon; with `ignore_producer_error=true` it is dropped",
            ),
            row(
                "With `ignore_producer_error=false` a message that is refused for another reason than its size ends the process, also with a `dead_letter_topic`",
                "with a `dead_letter_topic` every message that Kafka refuses becomes a dead letter, and never stops the daemon",
            ),
            row(
                "A dead letter waits for the next row, the position does not wait for it, and its own failure is only logged",
                "it is sent at once, its acknowledgement holds the position back, and its failure stops the daemon",
            ),
            row(
                "A name with `$` or `\\` in a topic template ends the process (`Illegal group reference`) or loses characters",
                "names are plain text; one that Kafka does not allow stops the daemon with the name, or makes dead letters",
            ),
            row("The Java client and its defaults", "librdkafka with Java's names of properties; see [kafka.md](kafka.md)"),
            row(
                "Stopping while the broker is away ends after 10 s with exit code 1",
                "after `shutdown_timeout_ms` with exit code 0; what was not answered is sent again",
            ),
            row(
                "Memory is bounded by the Java heap",
                "`memory_limit` bounds the process: large transactions go to `spill_dir`, and while the sink takes nothing, reading the binlog waits",
            ),
        ],
    ),
    (
        "Connections and positions",
        &[
            row(
                "After a reconnect by file position the stream goes on inside a transaction",
                "the open transaction is read again from its beginning",
            ),
            row("Another server id without `master_recovery` starts silently at the end of the log", "refused, with the choices"),
            row("A file position is used on whatever server answers", "refused on a server that is not the one it was stored for"),
            row("`--init_position` is stored unchecked", "looked up on the server before anything is stored"),
            row(
                "Two processes with one `client_id` are noticed when their heartbeats cross",
                "the same; a heartbeat that the server itself lost is told apart and adopted",
            ),
        ],
    ),
    (
        "Schema and DDL",
        &[
            row(
                "DDL that its parser does not understand ends the process",
                "the table is read again and proved; only a row that cannot be read for certain stops the stream, before it is sent",
            ),
            row("`CREATE OR REPLACE TABLE` and every statement with a line that begins with `delete from` are ignored", "followed"),
            row(
                "COLLATE without CHARACTER SET, CONVERT TO, swapped names in CHANGE, an inline KEY and the like leave a wrong definition",
                "definitions are those of the server (with `maxwell_quirks` messages show Maxwell's)",
            ),
            row("A table with the name of a view that was there at the start ends the process", "it is followed"),
            row("Names with a doubled back quote keep both", "the name"),
            row("Compressed transactions and compressed events are lost silently", "they are read"),
            row(
                "Updates with partial JSON (`binlog_row_value_options=PARTIAL_JSON`) are lost silently",
                "they are applied to the document in the before image; where that lacks it, see partial_json",
            ),
            row(
                "Rows that ROLLBACK TO SAVEPOINT undid are printed where the server logs them with the statement (a transaction that also \
                 changed MyISAM tables)",
                "they are not",
            ),
            row(
                "XA transactions end the process; on MariaDB prepared rows come out under the next transaction",
                "rows come at XA COMMIT, with its place and GTID and without an xid; none for XA ROLLBACK",
            ),
        ],
    ),
    (
        "Exit codes",
        &[row("128 + the signal after SIGTERM or SIGINT", "0 after an orderly stop"), row("0 when a value cannot be read", "1")],
    ),
];

const VALUES: &str = "
## Values and messages

By default a value is what the server itself shows. With `maxwell_quirks=true` it is Maxwell's, wrong or not, byte for byte, so
that a migration can be checked with a plain diff ([running.md](running.md#checking-a-migration-with-a-plain-diff)).
";

const BEYOND_MAXWELL: &[Row] = &[
    row(
        "Twelve character sets end the process at the first value (koi8r, latin7, utf16le and others)",
        "they are read with the server's own tables",
    ),
    row("VECTOR, UUID, INET4 and INET6 columns keep it from starting", "an array of numbers, and texts"),
    row("A geometry that is none ends the process", "its bytes in base64, counted"),
    row("A SET column in the key with `output_primary_keys` ends the process", "the array, as in `data`"),
];

const HEAD: &str = "\
# Differences from Maxwell

<!-- Made from the tables in src/config: UPDATE_DOCS=1 cargo test --test config. Edits here are overwritten. -->

binlogd takes the place of Maxwell's daemon 1.45: the same configuration, the same schema database, the same bytes under the
same topic, key and partition. This page lists what is not the same. Where a value or a message differs, ours is the one
that the server itself would show; a test compares them, for every column type, with messages that Maxwell wrote.
";

const NEVER_WRITING: &str = "
## Never writing to the source

By default one server is both: its binlog is followed, and it holds the schema database, so binlogd writes heartbeats and
positions into the binlog that it reads. To leave a source untouched, keep the schema database elsewhere:

    host=store.example                 # holds the schema database; a small server is enough
    user=maxwell
    password=secret
    replication_host=source.example    # its binlog is followed
    replication_user=maxwell
    replication_password=secret

Then everything that binlogd writes (heartbeats, positions, schema versions, its own table `binlogd_state`) goes to `host`. On
`replication_host` it asks for the binlog, reads `information_schema` and server variables, and sets variables of its own
sessions; it creates, changes and locks nothing there, so REPLICATION SLAVE, REPLICATION CLIENT and SELECT are enough and
`read_only` may be on. Table definitions can come from a third server, `schema_host`. Heartbeats then do not come back through
the stream, which is no ill health in this arrangement.
";

const PURGE: &str = "
## Purge warning

A server removes old binlog files (`binlog_expire_logs_seconds`, `PURGE BINARY LOGS`), and Maxwell learns of it at its next start, with
error 1236. binlogd compares the file in which it would resume with the oldest one that the server still has, and says so in
health, log and metrics while there is still time: raise the retention, or let delivery catch up. What has been purged is gone,
and only `--init_position` at a place that is still there, with a gap, goes on.
";

/// The page.
pub fn page() -> String {
    let mut out = String::from(HEAD);
    for (title, rows) in SECTIONS {
        out.push_str(&format!("\n## {title}\n\n| Maxwell | binlogd |\n|---|---|\n"));
        for row in *rows {
            out.push_str(&format!("| {} | {} |\n", cell(row.maxwell), cell(row.binlogd)));
        }
    }
    values(&mut out);
    out.push_str("\n## Options with another default\n\n| option | Maxwell | binlogd |\n|---|---|---|\n");
    for option in options::all() {
        if let Some(theirs) = option.maxwell_default {
            let ours = option.default.map(|d| format!("`{d}`")).or(option.default_words.map(String::from)).unwrap_or_default();
            out.push_str(&format!("| `{}` | {theirs} | {} |\n", option.name, cell(&ours)));
        }
    }
    out.push_str(
        "\n## Options that are not built yet\n\nEach of them is refused at the start, never ignored.\n\n| option | why |\n|---|---|\n",
    );
    list(&mut out, |option| match option.support {
        Support::Refused { unless: [], why } => Some(format!("{why}.")),
        Support::Refused { unless, why } => {
            let Kind::Choice { values, .. } = option.kind else { return Some(format!("{why}.")) };
            let refused: Vec<&str> = values.iter().copied().filter(|v| !unless.contains(v) && Some(*v) != option.default).collect();
            Some(format!("{why}. Refused: {}.", refused.join(", ")))
        }
        _ => None,
    });
    out.push_str("\n## Options without effect\n\nAccepted, with a line in the log.\n\n| option | why |\n|---|---|\n");
    list(&mut out, |option| match option.support {
        Support::NoEffect(why) => Some(format!("{why}.")),
        _ => None,
    });
    out.push_str("\n## Options that Maxwell does not have\n\n| option | meaning |\n|---|---|\n");
    list(&mut out, |option| (option.owner == Owner::Ours).then(|| super::help::sentence(option.help)));
    out + NEVER_WRITING + PURGE
}

/// Values and messages: the table of `encode::quirks`, and what Maxwell cannot print at all.
fn values(out: &mut String) {
    out.push_str(VALUES);
    out.push_str("\n| difference | Maxwell, and binlogd with `maxwell_quirks` | binlogd | shown by |\n|---|---|---|---|\n");
    for quirk in QUIRKS {
        let shown_by = match quirk.shown_by {
            ShownBy::Recordings(topics) => format!("recorded cases {}", topics.join(", ")),
            ShownBy::Test(file, name) => format!("test `{name}` in {file}"),
        };
        out.push_str(&format!("| {} | {} | {} | {shown_by} |\n", quirk.name, cell(quirk.maxwell), cell(quirk.binlogd)));
    }
    out.push_str(
        "\nWhat ends Maxwell's process, or is lost without a word, is the same in both modes:\n\n| Maxwell | binlogd |\n|---|---|\n",
    );
    for row in BEYOND_MAXWELL {
        out.push_str(&format!("| {} | {} |\n", cell(row.maxwell), cell(row.binlogd)));
    }
}

fn list(out: &mut String, text: impl Fn(&Opt) -> Option<String>) {
    for option in options::all() {
        if let Some(text) = text(option) {
            out.push_str(&format!("| `{}` | {} |\n", option.name, cell(&text)));
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_option_that_differs() {
        let page = page();
        for option in options::all() {
            let named = page.matches(&format!("\n| `{}` |", option.name)).count();
            let differs = option.maxwell_default.is_some() as usize
                + (option.support != Support::Full) as usize
                + (option.owner == Owner::Ours) as usize;
            assert_eq!(named, differs, "{}", option.name);
        }
        assert!(SECTIONS.iter().flat_map(|(_, rows)| *rows).all(|row| row.maxwell != row.binlogd));
    }
}
