//! What decides a message's partition.

use super::super::settings::{PartitionBy, PartitionSettings};
use super::Reader;

pub(super) fn read(reader: &mut Reader) -> PartitionSettings {
    let by = reader.choice("producer_partition_by").and_then(named).unwrap_or(PartitionBy::Database);
    if by != PartitionBy::Column {
        return PartitionSettings { by, columns: Vec::new(), fallback: PartitionBy::Database };
    }
    let columns: Vec<String> = reader
        .text("producer_partition_columns")
        .unwrap_or_default()
        .split(',')
        .map(|c| c.trim().to_string())
        .filter(|c| !c.is_empty())
        .collect();
    if columns.is_empty() {
        reader.missing("please specify --producer_partition_columns=column1 when using producer_partition_by=column");
    }
    if !reader.is_given("producer_partition_by_fallback") {
        reader.missing(
            "please specify --producer_partition_by_fallback=[database, table, primary_key, transaction_id] when using \
             producer_partition_by=column",
        );
    }
    let fallback = match reader.is_given("producer_partition_by_fallback") {
        true => reader.choice("producer_partition_by_fallback").and_then(named),
        false => None,
    };
    PartitionSettings { by, columns, fallback: fallback.unwrap_or(PartitionBy::Database) }
}

fn named(word: &str) -> Option<PartitionBy> {
    Some(match word {
        "database" => PartitionBy::Database,
        "table" => PartitionBy::Table,
        "primary_key" => PartitionBy::PrimaryKey,
        "transaction_id" => PartitionBy::TransactionId,
        "thread_id" => PartitionBy::ThreadId,
        "column" => PartitionBy::Column,
        "random" => PartitionBy::Random,
        _ => return None,
    })
}
