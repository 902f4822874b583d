//! Options that belong to no section of Maxwell's.

use super::Group::General as G;
use super::Opt;

pub(super) static OPTIONS: &[Opt] = &[
    Opt::text(G, "config", "the properties file; a file that is named must exist")
        .command_line_only()
        .default_words("`config.properties` in the working directory, if it is there")
        .read(),
    Opt::text(G, "env_config", "name of an environment variable that holds options as a JSON object").command_line_only().read(),
    Opt::text(G, "env_config_prefix", "read options from all environment variables that begin with this text, in any letter case").read(),
    Opt::text(G, "help", "show the options of a section, or `all`").command_line_only().optional_argument().read(),
    Opt::flag(G, "version", "show the version and end").command_line_only().ours().read(),
    Opt::text(G, "at", "only of `binlogd schema show`: the place to look at, FILE:POSITION or a GTID set")
        .command_line_only()
        .default_words("the stored position")
        .only_commands(&["schema"])
        .ours(),
    Opt::flag(G, "from-server", "only of `binlogd schema resolve`: the definition is the server's of now")
        .command_line_only()
        .only_commands(&["schema"])
        .ours(),
    Opt::text(G, "definition", "only of `binlogd schema resolve`: a file with the CREATE TABLE statement of the definition")
        .command_line_only()
        .only_commands(&["schema"])
        .ours(),
    Opt::flag(G, "yes", "only of `binlogd schema resolve`: store it; without this it is only shown")
        .command_line_only()
        .only_commands(&["schema"])
        .ours(),
    Opt::text(G, "binlog_name", "only of `binlogd read`: the file name that is shown in positions")
        .command_line_only()
        .default_words("the file's own name")
        .only_commands(&["read"])
        .ours()
        .read(),
    Opt::choice(
        G,
        "path",
        &["fast", "slow", "both"],
        "Invalid value for path: {}",
        "only of `binlogd read`: how rows become messages: straight from bytes to bytes as in the daemon, through owned values as for rows \
         that are changed on their way, or both, ending with an error at the first difference",
    )
    .command_line_only()
    .default("fast")
    .only_commands(&["read"])
    .ours()
    .read(),
    Opt::flag(G, "json", "only of `binlogd check`, `binlogd position` and `binlogd schema show`: print JSON")
        .command_line_only()
        .only_commands(&["check", "position", "schema"])
        .ours(),
    Opt::flag(G, "dry-run", "only of `binlogd position set`: say what would be stored, and store nothing")
        .command_line_only()
        .only_commands(&["position"])
        .ours(),
    Opt::flag(G, "force", "only of `binlogd position set`: even while a daemon with this client_id is running")
        .command_line_only()
        .only_commands(&["position"])
        .ours(),
    Opt::choice(
        G,
        "log_level",
        &["off", "fatal", "error", "warn", "info", "debug", "trace", "all"],
        "Invalid value for log_level: {}",
        "how much is logged to standard error, in any letter case",
    )
    .default("info")
    .read(),
    Opt::choice(G, "log_format", &["text", "json"], "please specify --log_format=text|json", "lines for people, or one JSON object a line")
        .default("text")
        .ours()
        .read(),
    Opt::flag(
        G,
        "daemon",
        "run in the background, with standard output and error appended to MaxwellDaemon.out in the folder that the variable LOG_DIR \
         names, else in ./logs",
    )
    .command_line_only(),
    Opt::text(G, "log_file", "file to which log lines are appended instead of standard error; SIGHUP opens it anew, for logrotate")
        .ours()
        .read(),
    Opt::text(G, "kafka_version", "which Kafka client library Maxwell's launcher picks")
        .command_line_only()
        .default("2.7.0")
        .no_effect("the one Kafka client is built in"),
    Opt::choice(
        G,
        "producer",
        &[
            "stdout", "file", "kafka", "kinesis", "nats", "pubsub", "sns", "sqs", "rabbitmq", "redis", "bigquery", "custom", "none",
            "profiler", "buffer",
        ],
        "Unknown producer type: {}",
        "where messages go",
    )
    .default("stdout")
    .refused_unless(&["stdout", "file", "kafka"], "this producer is not built yet; there are stdout, file and kafka"),
    Opt::text(G, "client_id", "name of this instance: two that share a schema database need different ones").default("maxwell").read(),
];
