//! How the daemon runs, partitioning, and the producers that need one option only.

use super::Group::{CustomProducer, FileProducer, Operation as G};
use super::Opt;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

pub(super) const PARTITION_BY: &[&str] = &["database", "table", "primary_key", "transaction_id", "thread_id", "column", "random"];

pub(super) static OPTIONS: &[Opt] = &[
    Opt::flag(G, "ha", "run as one of several, of which one works")
        .refused("elections are not built yet: let your supervisor run one instance"),
    Opt::text(G, "jgroups_config", "configuration of the cluster channel").default("raft.xml").only_with("ha", "true"),
    Opt::text(G, "raft_member_id", "this member's name in the cluster").only_with("ha", "true"),
    Opt::choice(
        G,
        "bootstrapper",
        &["async", "sync", "none"],
        "please specify --bootstrapper=async|sync|none",
        "how rows in the `bootstrap` table are answered. Bootstrapping is not built yet: with async and sync such a row is an error in the \
         log",
    )
    .default("async"),
    Opt::flag(
        G,
        "ignore_producer_error",
        "drop a message that Kafka refuses (too large, invalid), and go on; with dead_letter_topic a record about it is kept. Maxwell's \
         default is true, which loses data; here a message that can never be taken stops the daemon, and what may pass is tried again",
    )
    .maxwell_default("`true`: messages that Kafka refuses are lost"),
    Opt::float(G, "buffer_memory_usage", "share of the Java heap for one transaction")
        .default("0.25")
        .no_effect("there is no Java heap: memory_limit bounds the whole process"),
    Opt::int(G, "binlog_event_queue_size", 1, i32::MAX as i64, "events between Maxwell's reader and its main loop")
        .optional_argument()
        .default("5000")
        .no_effect("queues are bounded in bytes: see memory_limit"),
    Opt::size(G, "memory_limit", 32 * MIB, TIB, "memory of the whole process").default("128M").ours().read(),
    Opt::text(G, "spill_dir", "where transactions go that are too large for memory, in a folder of their own; a tmpfs is memory too")
        .default_words("the system's folder for temporary files")
        .ours()
        .read(),
    Opt::size(
        G,
        "spill_limit",
        MIB,
        1024 * TIB,
        "disk space for open transactions beyond memory; a transaction that needs more is read from the server a second time once it has ended",
    )
    .default("10G")
    .ours()
    .read(),
    Opt::size(G, "row_size_max", 64 * KIB, 4096 * MIB, "largest row; beyond it the row is refused as a message too large for Kafka is")
        .default("64M")
        .ours()
        .read(),
    Opt::int(G, "encode_workers", 0, 256, "threads that make messages; 0 makes them on the reading thread")
        .default("0")
        .ours()
        .refused("more than one thread for making messages is not built yet"),
    Opt::millis(G, "shutdown_timeout_ms", "how long an orderly stop may take; what is then unanswered is sent again at the next start")
        .default("8000")
        .ours(),
    Opt::choice(
        G,
        "on_schema_error",
        &["stop", "quarantine"],
        "please specify --on_schema_error=stop|quarantine",
        "what to do at a row whose table's definition is not proved: quarantine holds back the rows of that table until it is, where a partition \
         holds one table's rows only (producer_partition_by=table, primary_key, or column with one of these as the fallback); elsewhere it acts as \
         stop, because the rows of other tables would overtake",
    )
    .default("quarantine")
    .ours(),
    Opt::choice(
        G,
        "producer_partition_by",
        PARTITION_BY,
        "please specify --producer_partition_by=database|table|primary_key|transaction_id|thread_id|column|random",
        "what decides a message's partition: messages with the same value keep their order",
    )
    .default("database"),
    Opt::text(G, "producer_partition_columns", "the columns of producer_partition_by=column, with commas between"),
    Opt::choice(
        G,
        "producer_partition_by_fallback",
        &["database", "table", "primary_key", "transaction_id", "thread_id", "random"],
        "Unknown partitionBy string: {}",
        "what decides when none of these columns is in the row",
    ),
    Opt::millis(G, "producer_ack_timeout", "stop if the oldest message waits longer for its acknowledgement; 0 is off").default("0"),
    Opt::text(CustomProducer, "custom_producer.factory", "Java class of a producer of your own")
        .refused("Java classes cannot be loaded: there is no Java in binlogd"),
    Opt::text(FileProducer, "output_file", "file to which the file producer appends"),
];
