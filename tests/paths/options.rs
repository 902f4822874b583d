//! Output options of all kinds.

use binlogd::encode::{ColumnPattern, HashFunction, KeyFormat, Naming, OutputOptions, PartitionBy, Partitioning};

use crate::dice::Dice;

/// One batch a transaction, so that what stands before an error is counted; a clock that stands still.
fn base() -> OutputOptions {
    OutputOptions { batch_bytes: 1, omits_partial_json: true, clock_us: || 1_700_000_000_000_120, ..OutputOptions::default() }
}

/// Maxwell's defaults; everything on; everything else; each in both modes.
pub fn sets() -> Vec<OutputOptions> {
    let full = OutputOptions {
        binlog_position: true,
        server_id: true,
        thread_id: true,
        row_query: true,
        primary_keys: true,
        primary_key_columns: true,
        ddl: true,
        keys: KeyFormat::Hash,
        ..base()
    };
    let others = OutputOptions {
        nulls: false,
        null_zerodates: true,
        naming: Naming::UnderscoreToCamelcase,
        exclude_columns: ColumnPattern::parse_list("b,/.*_s/").expect("patterns"),
        keys: KeyFormat::Array,
        row_keys: true,
        tombstones: true,
        partitioning: Some(Partitioning { by: PartitionBy::PrimaryKey, ..Partitioning::default() }),
        ..base()
    };
    [base(), full, others].into_iter().flat_map(|output| [OutputOptions { maxwell_quirks: true, ..output.clone() }, output]).collect()
}

pub fn random(dice: &mut Dice) -> OutputOptions {
    let by = [
        PartitionBy::Database,
        PartitionBy::Table,
        PartitionBy::PrimaryKey,
        PartitionBy::TransactionId,
        PartitionBy::ThreadId,
        PartitionBy::Random,
    ][dice.below(6)];
    let columns = if dice.percent(40) { vec!["c0".to_owned(), "c2".into(), "id".into()] } else { Vec::new() };
    let hash = if dice.percent(50) { HashFunction::Murmur3 } else { HashFunction::Java };
    OutputOptions {
        nulls: dice.percent(60),
        xoffset: dice.percent(50),
        commit_info: dice.percent(80),
        primary_keys: dice.percent(40),
        primary_key_columns: dice.percent(30),
        null_zerodates: dice.percent(30),
        maxwell_quirks: dice.percent(50),
        push_timestamp: dice.percent(10),
        naming: if dice.percent(20) { Naming::UnderscoreToCamelcase } else { Naming::AsIs },
        exclude_columns: ColumnPattern::parse_list(["", "c1", "/c[02]/", "id,c3"][dice.below(4)]).expect("patterns"),
        keys: [KeyFormat::None, KeyFormat::Hash, KeyFormat::Hash, KeyFormat::Array][dice.below(4)],
        row_keys: dice.percent(40),
        tombstones: dice.percent(40),
        partitioning: dice.percent(70).then_some(Partitioning { columns, by, hash }),
        ..base()
    }
}
