//! Lines, keys and partitions beside those of the real Maxwell: the same bytes in the same order of each partition.
//!
//! Skipped unless MAXWELL_RUN names a command that starts Maxwell (COMMAND --config=FILE).

#[path = "live_support/mod.rs"]
mod live_support;

use live_support::environment::{need, one_at_a_time, variable};
use live_support::maxwell::{Comparison, compare};
use live_support::sql::SqlServer;

const SHOP: &str = include_str!("../scripts/demo-workload.sql");
const ORDINARY: &str = include_str!("live_support/ordinary.sql");
const DDL: &str = include_str!("live_support/ddl.sql");
const DOCUMENTS: &str = include_str!("live_support/documents.sql");
const EXTREMES: &str = include_str!("live_support/extremes.sql");
const EXTREME_OLD_TIMES: &str = include_str!("live_support/extreme_old_times.sql");
const CAPTURED: &str = include_str!("live_support/captured.sql");
const CAPTURED_ROWS: &str = include_str!("live_support/captured_rows.sql");
const EXTREME_DOCUMENTS: &str = include_str!("live_support/extreme_documents.sql");

const EVERYTHING: &[(&str, &str)] = &[
    ("output_binlog_position", "true"),
    ("output_server_id", "true"),
    ("output_thread_id", "true"),
    ("output_schema_id", "true"),
    ("output_row_query", "true"),
    ("output_primary_keys", "true"),
    ("output_primary_key_columns", "true"),
    ("output_null_zerodates", "true"),
    ("output_ddl", "true"),
];

/// A filter that takes some names of the renames in `ddl.sql` and not others, and a topic for DDL alone.
const DDL_APART: Comparison = Comparison {
    ddl_apart: true,
    ..Comparison::new(
        "ddl_apart",
        &[("output_ddl", "true"), ("producer_partition_by", "table"), ("filter", "exclude: kinds./^drop_.*/, exclude: other_side.*")],
    )
};

async fn side_by_side(server: &'static str, port: &str, workload: &[&str], comparisons: &[Comparison]) {
    let _alone = one_at_a_time().await;
    let test = format!("comparison with Maxwell on {server}");
    let Some(command) = variable("MAXWELL_RUN") else {
        println!("SKIPPED {test}: MAXWELL_RUN is not set");
        return;
    };
    let Some([port, brokers]) = need(&test, [port, "BINLOGD_TEST_KAFKA"]) else { return };
    let server = SqlServer::new(server, &port);
    // Java machines are large: three at a time.
    for some in comparisons.chunks(3) {
        let counts = compare(&server, &brokers, &command, some, workload).await;
        for (comparison, lines) in some.iter().zip(counts) {
            println!("{test}, {}: {lines} lines, keys and partitions are the same", comparison.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_output_options() {
    let comparisons = [
        Comparison::new("default", &[]),
        Comparison::new("everything", EVERYTHING),
        Comparison::new(
            "gtid",
            &[("gtid_mode", "true"), ("output_gtid_position", "true"), ("output_binlog_position", "true"), ("output_ddl", "true")],
        ),
        Comparison::new("nothing", &[("output_commit_info", "false"), ("output_nulls", "false")]),
        Comparison::new("camel", &[("output_naming_strategy", "underscore_to_camelcase"), ("output_xoffset", "false")]),
        Comparison::new("short_query", &[("output_row_query", "true"), ("row_query_max_length", "20"), ("output_commit_info", "true")]),
    ];
    side_by_side("mysql97", "BINLOGD_TEST_MYSQL97_PORT", &[SHOP, ORDINARY, DOCUMENTS], &comparisons).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_keys_and_partitions() {
    let comparisons = [
        Comparison::new("by_table", &[("producer_partition_by", "table")]),
        Comparison::new(
            "by_primary_key",
            &[("producer_partition_by", "primary_key"), ("kafka_key_format", "array"), ("output_ddl", "true")],
        ),
        Comparison::new(
            "by_transaction",
            &[("producer_partition_by", "transaction_id"), ("kafka_partition_hash", "murmur3"), ("output_ddl", "true")],
        ),
        Comparison::new("by_thread", &[("producer_partition_by", "thread_id"), ("output_ddl", "true")]),
        Comparison::new(
            "by_column",
            &[
                ("producer_partition_by", "column"),
                ("producer_partition_columns", "status,a,id"),
                ("producer_partition_by_fallback", "table"),
                ("kafka_partition_hash", "murmur3"),
                ("output_ddl", "true"),
            ],
        ),
        Comparison { any_partition: true, ..Comparison::new("by_lot", &[("producer_partition_by", "random"), ("output_ddl", "true")]) },
        Comparison::new("murmur3", &[("producer_partition_by", "primary_key"), ("kafka_partition_hash", "murmur3")]),
        Comparison::new("ddl_by_table", &[("producer_partition_by", "table"), ("output_ddl", "true"), ("kafka_partition_hash", "murmur3")]),
        Comparison::new(
            "filter",
            &[(
                "filter",
                "exclude: *.*, include: shop.*, include: kinds./^(pairs|many)$/, exclude: kinds.many.x = 12, exclude: shop.customers, \
                 include: comparison_end.*",
            )],
        ),
    ];
    side_by_side("mysql97", "BINLOGD_TEST_MYSQL97_PORT", &[SHOP, ORDINARY, DOCUMENTS], &comparisons).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb() {
    let comparisons = [
        Comparison::new("default", &[]),
        Comparison::new("everything", EVERYTHING),
        Comparison::new("gtid", &[("gtid_mode", "true"), ("output_gtid_position", "true"), ("producer_partition_by", "primary_key")]),
    ];
    side_by_side("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT", &[SHOP, ORDINARY, DOCUMENTS], &comparisons).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql56() {
    let comparisons = [Comparison::new("default", &[]), Comparison::new("everything", EVERYTHING), DDL_APART];
    side_by_side("mysql56", "BINLOGD_TEST_MYSQL56_PORT", &[ORDINARY, DDL], &comparisons).await;
}

/// Extremes of every type, also where Maxwell is wrong. It does not know the option and passes it over.
const QUIRKS: [Comparison; 2] = [
    Comparison::new(
        "quirks",
        &[("maxwell_quirks", "true"), ("output_ddl", "true"), ("output_primary_keys", "true"), ("output_primary_key_columns", "true")],
    ),
    Comparison::new(
        "quirks_without_nulls",
        &[
            ("maxwell_quirks", "true"),
            ("output_nulls", "false"),
            ("output_null_zerodates", "true"),
            ("producer_partition_by", "column"),
            ("producer_partition_columns", "t,e,c_latin1,b64,d"),
            ("producer_partition_by_fallback", "table"),
        ],
    ),
];

/// Tables that were there before: both read them from information_schema.
const CAPTURE_QUIRKS: [Comparison; 1] = [Comparison {
    before: CAPTURED,
    ..Comparison::new("quirks_of_capture", &[("maxwell_quirks", "true"), ("output_ddl", "true"), ("output_primary_keys", "true")])
}];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captured_quirks() {
    for (server, port) in [
        ("mysql97", "BINLOGD_TEST_MYSQL97_PORT"),
        ("mysql56", "BINLOGD_TEST_MYSQL56_PORT"),
        ("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT"),
    ] {
        side_by_side(server, port, &[CAPTURED_ROWS], &CAPTURE_QUIRKS).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql_quirks() {
    side_by_side("mysql97", "BINLOGD_TEST_MYSQL97_PORT", &[EXTREMES, EXTREME_DOCUMENTS], &QUIRKS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_quirks() {
    side_by_side("mariadb1011", "BINLOGD_TEST_MARIADB1011_PORT", &[EXTREMES, EXTREME_OLD_TIMES], &QUIRKS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mysql56_quirks() {
    side_by_side("mysql56", "BINLOGD_TEST_MYSQL56_PORT", &[EXTREMES], &QUIRKS).await;
}
