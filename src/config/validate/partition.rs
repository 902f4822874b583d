//! What decides a message's partition.

use super::super::settings::{PartitionBy, PartitionSettings};
use super::Reader;

pub(super) fn read(reader: &mut Reader) -> PartitionSettings {
    let by = reader.choice("producer_partition_by").and_then(named).unwrap_or(PartitionBy::Database);
    if by != PartitionBy::Column {
        return PartitionSettings { by, columns: Vec::new(), fallback: PartitionBy::Database };
    }
    let columns = names(&reader.text("producer_partition_columns").unwrap_or_default());
    if columns.first().is_some_and(|name| name.starts_with(BLANKS)) {
        reader.findings.warn("the value of producer_partition_columns begins with a blank, which belongs to the first column's name");
    }
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

/// What Java's regular expressions take for a blank.
const BLANKS: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

/// As Maxwell splits the list: blanks beside a comma are none of a name's, those at the beginning and the end of the whole are.
/// Another rule would send rows to other partitions.
fn names(list: &str) -> Vec<String> {
    let last = list.matches(',').count();
    let name = |(number, part): (usize, &str)| {
        let part = if number == 0 { part } else { part.trim_start_matches(BLANKS) };
        if number == last { part.to_owned() } else { part.trim_end_matches(BLANKS).to_owned() }
    };
    list.split(',').enumerate().map(name).filter(|name| !name.is_empty()).collect()
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

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn lists_are_split_as_maxwell_does() {
        for (list, want) in [
            ("a,b", &["a", "b"][..]),
            ("a , b\t,\u{b} c", &["a", "b", "c"]),
            (" a , b ", &[" a", "b "]),
            ("a,,b,", &["a", "b"]),
            (" , a", &["a"]),
            ("a\u{a0},b", &["a\u{a0}", "b"]),
            (", ,", &[]),
            ("", &[]),
        ] {
            assert_eq!(names(list), want, "{list:?}");
        }
    }
}
