//! What is in a message.

use super::Group::Output as G;
use super::Opt;

pub(super) static OPTIONS: &[Opt] = &[
    Opt::flag(G, "output_binlog_position", "add `position`: FILE:OFFSET of the row's event").read(),
    Opt::flag(G, "output_gtid_position", "add `gtid` of the row's transaction; needs gtid_mode").read(),
    Opt::flag(G, "output_commit_info", "add `xid`, `xoffset` and `commit`").default("true").read(),
    Opt::flag(G, "output_xoffset", "add `xoffset`, the row's number within its transaction; needs output_commit_info")
        .default("true")
        .read(),
    Opt::flag(G, "output_nulls", "keep columns that are NULL").default("true").read(),
    Opt::flag(G, "output_server_id", "add `server_id` of the server that ran the statement").read(),
    Opt::flag(G, "output_thread_id", "add `thread_id` of the connection that ran the statement").read(),
    Opt::flag(G, "output_schema_id", "add `schema_id`, the number of the stored schema version").read(),
    Opt::flag(G, "output_row_query", "add `query`, the statement's text; needs binlog_rows_query_log_events on the server").read(),
    Opt::int(G, "row_query_max_length", 0, i32::MAX as i64, "cut `query` to so many UTF-16 units; 0 keeps it whole")
        .optional_argument()
        .default("0")
        .read(),
    Opt::flag(G, "output_primary_keys", "add `primary_key`, the values of the primary key").read(),
    Opt::flag(G, "output_primary_key_columns", "add `primary_key_columns`, the names of the primary key's columns").read(),
    Opt::flag(G, "output_null_zerodates", "print dates such as 0000-00-00 as null").read(),
    Opt::choice(
        G,
        "partial_json",
        &["stop", "omit"],
        "please specify --partial_json=stop|omit",
        "what to do at an update of which the binlog has only the changes of a JSON document and not the document before \
         (binlog_row_value_options=PARTIAL_JSON with binlog_row_image=MINIMAL or NOBLOB): omit leaves the column out of that message",
    )
    .default("stop")
    .ours()
    .read(),
    Opt::flag(G, "output_ddl", "send DDL statements too").read(),
    Opt::flag(G, "output_push_timestamp", "add `push_ts`, the time at which the message was made").read(),
    Opt::text(G, "output_naming_strategy", "`underscore_to_camelcase` renames keys and columns; anything else changes nothing")
        .optional_argument()
        .read(),
    Opt::text(G, "exclude_columns", "columns to leave out of `data` and `old`: names or /regular expressions/, with commas between").read(),
    Opt::choice(G, "encrypt", &["none", "data", "all"], "Unknown encryption mode: {}", "encrypt `data` and `old`, or whole messages")
        .default("none")
        .refused("encryption is not built yet, and messages would be sent in clear")
        .read(),
    Opt::secret(G, "secret_key", "key of encrypt: 16, 24 or 32 bytes").read(),
    Opt::flag(G, "maxwell_quirks", "print what Maxwell prints even where it is wrong, so that a migration can be checked with diff")
        .ours()
        .read(),
];
