//! The partition string of a message, hashed (contract §5.4).

use super::hash::HashFunction;
use super::options::{PartitionBy, Partitioning};

/// A table's way to its partition strings. Whatever does not depend on the row is hashed when the plan is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionPlan {
    /// The same for every row.
    Fixed(i32),
    /// The text of these columns of the image (the primary key); `None` if all are null or empty.
    PrimaryKey(Vec<usize>),
    TransactionId,
    ThreadId,
    Random,
    /// The text of these columns in `data`; if all are null, absent or empty, the other plan.
    Columns(Vec<usize>, Box<PartitionPlan>),
}

/// Stands for a primary key without any text.
pub const NO_KEY: &[u8] = b"None";

impl PartitionPlan {
    /// `primary_key` and `column` (by name; only columns that are in `data`) are indexes of the table's columns.
    pub fn compile(
        partitioning: &Partitioning,
        database: &str,
        table: &str,
        primary_key: &[usize],
        column: impl Fn(&str) -> Option<usize>,
    ) -> Self {
        let hash = |text: &str| PartitionPlan::Fixed(partitioning.hash.of(text.as_bytes()));
        let base = match partitioning.by {
            PartitionBy::Database => hash(database),
            PartitionBy::Table => hash(table),
            PartitionBy::PrimaryKey if primary_key.is_empty() => hash(&format!("{database}{table}")),
            PartitionBy::PrimaryKey => PartitionPlan::PrimaryKey(primary_key.to_vec()),
            PartitionBy::TransactionId => PartitionPlan::TransactionId,
            PartitionBy::ThreadId => PartitionPlan::ThreadId,
            PartitionBy::Random => PartitionPlan::Random,
        };
        let columns: Vec<usize> = partitioning.columns.iter().filter_map(|name| column(name)).collect();
        if columns.is_empty() { base } else { PartitionPlan::Columns(columns, Box::new(base)) }
    }
}

/// The hash of an optional number's text, `null` when it is not known.
pub fn hash_number(hash: HashFunction, number: Option<u64>) -> i32 {
    match number {
        Some(number) => hash.of(itoa::Buffer::new().format(number).as_bytes()),
        None => hash.of(b"null"),
    }
}

/// The hash of a DDL message: by table where rows go by table and the change has one, else by database.
pub fn hash_ddl(partitioning: &Partitioning, database: &str, table: Option<&str>) -> i32 {
    let by_table = partitioning.columns.is_empty() && partitioning.by == PartitionBy::Table;
    partitioning.hash.of(table.filter(|_| by_table).unwrap_or(database).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_by_mode() {
        let compile = |by, columns: &[&str], key: &[usize]| {
            let columns = columns.iter().map(|c| (*c).to_owned()).collect();
            let partitioning = Partitioning { columns, by, hash: HashFunction::Java };
            PartitionPlan::compile(&partitioning, "db", "t", key, |name| (name == "c").then_some(7))
        };
        let fixed = |text: &str| PartitionPlan::Fixed(super::super::hash::java_string_hash(text.as_bytes()));
        assert_eq!(compile(PartitionBy::Database, &[], &[0]), fixed("db"));
        assert_eq!(compile(PartitionBy::Table, &[], &[0]), fixed("t"));
        assert_eq!(compile(PartitionBy::PrimaryKey, &[], &[]), fixed("dbt"));
        assert_eq!(compile(PartitionBy::PrimaryKey, &[], &[2, 1]), PartitionPlan::PrimaryKey(vec![2, 1]));
        assert_eq!(compile(PartitionBy::Table, &["x", "c"], &[]), PartitionPlan::Columns(vec![7], Box::new(fixed("t"))));
        assert_eq!(compile(PartitionBy::Random, &["x"], &[]), PartitionPlan::Random);
        assert_eq!(compile(PartitionBy::Table, &[" c", "C"], &[]), fixed("t"), "names are taken as they are");
    }

    #[test]
    fn ddl_goes_by_database_or_table() {
        let by = |by| Partitioning { by, ..Partitioning::default() };
        assert_eq!(hash_ddl(&by(PartitionBy::Table), "maxwell", Some("test")), 3556498);
        assert_eq!(hash_ddl(&by(PartitionBy::Table), "maxwell", None), 845149234);
        assert_eq!(hash_ddl(&by(PartitionBy::PrimaryKey), "maxwell", Some("test")), 845149234);
    }

    #[test]
    fn unknown_numbers_hash_as_null() {
        assert_eq!(hash_number(HashFunction::Java, Some(1)), 49);
        assert_eq!(hash_number(HashFunction::Java, None), 3392903);
    }
}
