//! Message keys (contract §5.3): the database, the table and the primary key, as an object or as an array.

use uuid::Uuid;

use crate::binlog::codec::escape::{self, Astral};
use crate::schema::Table;

use super::options::KeyFormat;

/// A table's keys without the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlan {
    /// Everything before the first value, or before the `_uuid` value.
    pub head: Box<[u8]>,
    /// What stands between two values, one less than there are values.
    pub between: Vec<Box<[u8]>>,
    pub tail: &'static [u8],
    /// The table has no primary key and the format wants a random value instead.
    pub uuid: bool,
    /// The table has no primary key, and a hash of the row stands for it.
    pub row: bool,
    /// Two rows of the same key are the same row: so a key can have a tombstone.
    pub identifies: bool,
}

impl KeyPlan {
    /// `None` when no keys are wanted.
    pub fn compile(format: KeyFormat, row_keys: bool, table: &Table) -> Option<Self> {
        let row = row_keys && table.primary_key.is_empty();
        let mut plan = match format {
            KeyFormat::None => return None,
            KeyFormat::Hash => hash(table),
            KeyFormat::Array => array(table),
        };
        plan.identifies = row || !table.primary_key.is_empty();
        if row {
            (plan.row, plan.uuid) = (true, false);
            match format {
                KeyFormat::Array => {
                    plan.head = [&*plan.head, b"{\"_row\":"].concat().into();
                    plan.tail = b"}]]";
                }
                _ => plan.head = plan.head.strip_suffix(UUID).map(|head| [head, ROW].concat()).unwrap_or_default().into(),
            }
        }
        Some(plan)
    }
}

const UUID: &[u8] = b",\"_uuid\":";
const ROW: &[u8] = b",\"_row\":";

/// `{"database":"db","table":"t","pk.id":1,"pk.k":"v"}`, names in lower case.
fn hash(table: &Table) -> KeyPlan {
    let mut head = b"{\"database\":".to_vec();
    quoted(&table.database, &mut head);
    head.extend_from_slice(b",\"table\":");
    quoted(&table.name, &mut head);
    let mut names = table.primary_key.iter().map(|name| {
        let mut out = vec![b','];
        quoted(&format!("pk.{}", name.to_lowercase()), &mut out);
        out.push(b':');
        out
    });
    let first = names.next();
    let uuid = first.is_none();
    head.extend(first.unwrap_or_else(|| UUID.to_vec()));
    KeyPlan { head: head.into(), between: names.map(Into::into).collect(), tail: b"}", uuid, row: false, identifies: false }
}

/// `["db","t",[{"id":1},{"k":"v"}]]`, names in lower case here too (seen on the real Maxwell).
fn array(table: &Table) -> KeyPlan {
    let mut head = vec![b'['];
    quoted(&table.database, &mut head);
    head.push(b',');
    quoted(&table.name, &mut head);
    head.extend_from_slice(b",[");
    let mut names = table.primary_key.iter().map(|name| {
        let mut out = vec![b'{'];
        quoted(&name.to_lowercase(), &mut out);
        out.push(b':');
        out
    });
    let first = names.next();
    let tail: &'static [u8] = if first.is_none() { b"]]" } else { b"}]]" };
    head.extend(first.unwrap_or_default());
    let between = names.map(|name| [&b"},"[..], &name].concat().into()).collect();
    KeyPlan { head: head.into(), between, tail, uuid: false, row: false, identifies: false }
}

/// Appends a JSON string.
pub fn quoted(text: &str, out: &mut Vec<u8>) {
    escape::write_string(text.as_bytes(), Astral::Escaped, out);
}

/// Appends a new random UUID (version 4), without quotes.
pub fn write_uuid(out: &mut Vec<u8>) {
    out.extend_from_slice(Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(format: KeyFormat, primary_key: &[&str]) -> String {
        let table = Table {
            database: "d\"b".into(),
            name: "t".into(),
            charset: None,
            columns: Vec::new(),
            primary_key: primary_key.iter().map(|n| (*n).to_owned()).collect(),
        };
        let plan = KeyPlan::compile(format, false, &table).expect("wanted");
        let mut out = plan.head.to_vec();
        for (i, _) in primary_key.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(&plan.between[i - 1]);
            }
            out.push(b'0' + i as u8);
        }
        if plan.uuid {
            out.extend_from_slice(b"\"U\"");
        }
        out.extend_from_slice(plan.tail);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn both_formats() {
        assert_eq!(key(KeyFormat::Hash, &["Id", "k"]), r#"{"database":"d\"b","table":"t","pk.id":0,"pk.k":1}"#);
        assert_eq!(key(KeyFormat::Hash, &[]), r#"{"database":"d\"b","table":"t","_uuid":"U"}"#);
        assert_eq!(key(KeyFormat::Array, &["Id", "k"]), r#"["d\"b","t",[{"id":0},{"k":1}]]"#);
        assert_eq!(key(KeyFormat::Array, &[]), r#"["d\"b","t",[]]"#);
    }

    #[test]
    fn uuids_are_random_and_lower_case() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        write_uuid(&mut a);
        write_uuid(&mut b);
        assert_ne!(a, b);
        assert_eq!(a.len(), 36);
        assert_eq!(a[14], b'4');
        assert!(a.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f' | b'-')));
    }
}
