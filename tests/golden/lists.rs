//! What is expected of the cases beyond "the same bytes", by name and with the reason.

/// Cases with known differences: the classes that occur in them. An empty server means all that have the case.
const DIFFERENCES: &[(&str, &str, &[&str])] = &[
    ("", "binary_types", &["binary padding"]),
    ("", "bits", &["bit"]),
    // Bytes without a character in Java's tables, or another one there than on the server.
    ("", "charset_8bit_a", &["charset"]),
    ("", "charset_8bit_b", &["charset"]),
    ("", "charset_8bit_c", &["charset"]),
    ("", "charset_multibyte_cjk", &["charset"]),
    // Java swallows a byte order mark.
    ("", "charset_unicode", &["byte order mark"]),
    ("", "invalid_bytes", &["charset"]),
    // COLLATE without CHARACTER SET, and what CONVERT TO and MODIFY do to tables and columns.
    ("", "charset_collate", &["charset", "definition charset"]),
    ("", "charset_convert", &["column charset", "definition charset", "definition type"]),
    ("mysql-9.7 mysql-9.7-minimal", "ddl_databases", &["charset", "definition charset"]),
    ("mysql-5.6 mariadb-10.11", "ddl_databases", &["column charset", "definition charset"]),
    ("", "fail_charset_default_word", &["definition charset"]),
    ("", "fail_charset_upper_binary", &["definition charset"]),
    ("", "dates", &["calendar gap of 1582", "impossible day", "partial zero date"]),
    ("mysql-9.7 mysql-9.7-minimal mysql-5.6", "datetimes", &["partial zero date", "time"]),
    ("mariadb-10.11", "datetimes", &["partial zero date"]),
    ("", "times", &["time"]),
    ("", "year", &["year 0000"]),
    // CHANGE a b, CHANGE b a with a primary key; inline KEY.
    ("", "ddl_alters", &["primary key"]),
    ("", "keys", &["primary key"]),
    ("", "enum_quotes", &["label quotes"]),
    ("", "enums", &["enum index 0", "label quotes"]),
    ("", "fail_backtick_names", &["doubled quotes in names"]),
    // ADD COLUMN … FIRST stands behind a generated invisible primary key.
    ("", "fail_gipk_first", &["column order"]),
    // FLOAT(40) is a double, TEXT(255) no tinytext.
    ("", "floats", &["definition type"]),
    ("", "texts_blobs", &["definition type"]),
    ("", "geometry", &["geometry digits"]),
    ("", "json_doubles", &["json scalar"]),
    ("", "json_opaque", &["json scalar"]),
    ("", "maria_json", &["definition charset", "definition type", "json text alias"]),
    ("", "zerofill", &["definition zerofill", "zerofill"]),
];

/// Cases that need what is not there yet: server, case, and the error they end with.
const NOT_YET: &[(&str, &str, &str)] = &[];

/// Cases in which Maxwell silently lost whole changes (README of the fixtures).
const LOST: &[(&str, &str)] = &[
    ("", "compression"),
    ("", "json_partial"),
    ("mariadb-10.11", "maria_compress_events"),
    ("mysql-9.7 mysql-9.7-minimal mariadb-10.11", "fail_xa"),
];

/// Lines of Maxwell's that hold this text are wrong as a whole: rows that were only prepared, under the transaction that
/// happened to come next (README of the fixtures).
const PREMATURE: &[(&str, &str, &str)] = &[("mariadb-10.11", "fail_xa", "\"xid\":6124,\"xoffset\"")];

/// Tables whose rows changed without row events: tables emptied, partitions dropped and exchanged, cascades inside the
/// engine. Minimal images of a table without a primary key do not tell which row they change. The rows of a table with system versioning hold its history, which `SELECT` does not show.
const SILENT: &[(&str, &str, &[&str])] = &[
    ("", "row_image_minimal", &["g_row_image_minimal.uk"]),
    ("", "tx_memory", &["g_tx_memory.h"]),
    ("", "ddl_tables", &["g_ddl_tables.back"]),
    ("", "ddl_modern", &["g_ddl_modern.part", "g_ddl_modern.pe"]),
    ("", "ddl_partitions", &["g_ddl_partitions.part"]),
    ("mysql-9.7", "ddl_exchange_partition", &["g_ddl_exchange_partition.pe", "g_ddl_exchange_partition.x"]),
    ("mysql-5.6 mariadb-10.11", "foreign_keys", &["g_foreign_keys.child_c", "g_foreign_keys.child_n", "g_foreign_keys.grand"]),
    (
        "mariadb-10.11",
        "fail_maria_versioned",
        &["g_fail_maria_versioned.v", "g_fail_maria_versioned.v:definition", "g_fail_maria_versioned.w"],
    ),
];

/// Cases of the ordinary types, which must be identical on mysql-9.7.
pub const ORDINARY: &[&str] = &[
    "case_names",
    "chars",
    "charset_gb18030",
    "charset_inherit",
    "create_select",
    "ddl_exchange_partition",
    "ddl_misc",
    "ddl_modern",
    "ddl_tables",
    "ddl_view_then_table",
    "decimals",
    "escapes",
    "foreign_keys",
    "generated",
    "geometry_srid",
    "gipk",
    "ints",
    "invisible",
    "json",
    "json_large",
    "load_data",
    "multi_table",
    "row_image_minimal",
    "row_image_noblob",
    "row_queries",
    "sets",
    "timestamps",
    "timestamps_far",
    "transactions",
    "triggers",
    "tx_many_rows",
    "tx_memory",
    "upserts",
    "wide",
];

/// Cases with names that hold a doubled back-quote.
pub fn doubled_quotes(case: &str) -> bool {
    case == "fail_backtick_names"
}

fn is(entry: &str, server: &str) -> bool {
    entry.is_empty() || entry.split(' ').any(|s| s == server)
}

pub fn classes_of<'a>(server: &'a str, case: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    DIFFERENCES.iter().filter(move |(s, c, _)| is(s, server) && *c == case).flat_map(|(_, _, classes)| classes.iter().copied())
}

pub fn not_yet(server: &str, case: &str) -> Option<&'static str> {
    NOT_YET.iter().find(|(s, c, _)| is(s, server) && *c == case).map(|(_, _, reason)| *reason)
}

pub fn lost_changes(server: &str, case: &str) -> bool {
    LOST.iter().any(|(s, c)| is(s, server) && *c == case)
}

pub fn premature(server: &str, case: &str, line: &str) -> bool {
    PREMATURE.iter().any(|(s, c, text)| is(s, server) && *c == case && line.contains(text))
}

pub fn silent_changes(server: &str, case: &str) -> Vec<&'static str> {
    SILENT.iter().filter(|(s, c, _)| is(s, server) && *c == case).flat_map(|(_, _, tables)| tables.iter().copied()).collect()
}
