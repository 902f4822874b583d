//! A whole schema in few bytes, for a quick restart: every name once, numbers of variable length.
//!
//! It holds exactly what Maxwell's tables hold of a schema, so that both give the same definitions. The form is ours and
//! may change at any time: whoever stores it keeps `FORMAT` beside it and reads no other. Never here: compression, I/O.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};

use super::delta::{StoredColumn, column_type};
use super::{CaseRule, Column, Database, Schema, Table};

/// Number of this form; a change of it needs another one.
pub const FORMAT: u16 = 1;

/// Writes a schema; `case` is not part of it.
pub fn encode(schema: &Schema) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(&schema.charset);
    writer.number(schema.databases.len() as u64);
    for database in &schema.databases {
        writer.text(&database.name);
        writer.text(&database.charset);
        writer.number(database.tables.len() as u64);
        for table in &database.tables {
            writer.table(table);
        }
    }
    writer.finish()
}

#[derive(Default)]
struct Writer<'a> {
    body: Vec<u8>,
    /// Every text in the order of its first use, and where it is in there.
    texts: Vec<&'a str>,
    known: HashMap<&'a str, u64>,
}

impl<'a> Writer<'a> {
    fn number(&mut self, number: u64) {
        write_number(number, &mut self.body);
    }

    fn text(&mut self, text: &'a str) {
        let next = self.texts.len() as u64;
        let index = *self.known.entry(text).or_insert(next);
        if index == next {
            self.texts.push(text);
        }
        self.number(index);
    }

    fn optional(&mut self, text: Option<&'a str>) {
        self.number(u64::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn table(&mut self, table: &'a Table) {
        self.text(&table.name);
        self.optional(table.charset.as_deref());
        self.number(table.primary_key.len() as u64);
        for name in &table.primary_key {
            self.text(name);
        }
        self.number(table.columns.len() as u64);
        for column in &table.columns {
            let stored = StoredColumn::of(&column.ty);
            self.text(&column.name);
            self.text(stored.type_name);
            self.number(u64::from(stored.unsigned) | stored.fraction << 1);
            self.optional(stored.charset);
            self.number(stored.labels.map_or(0, |labels| labels.len() as u64 + 1));
            for label in stored.labels.unwrap_or_default() {
                self.text(label);
            }
        }
    }

    fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() * 2);
        write_number(self.texts.len() as u64, &mut out);
        for text in self.texts {
            write_number(text.len() as u64, &mut out);
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&self.body);
        out
    }
}

/// Seven bits in a byte, the lowest first; the highest bit says that more follow.
fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads what `encode` wrote.
///
/// # Errors
/// When the bytes are not that. Nothing is taken from the lengths in them that the bytes do not bear out.
pub fn decode(bytes: &[u8], case: CaseRule) -> Result<Schema> {
    let mut reader = Reader { rest: bytes, texts: Vec::new() };
    for _ in 0..reader.count()? {
        let length = reader.count()?;
        let text = reader.take(length)?;
        reader.texts.push(std::str::from_utf8(text).map_err(|_| damaged("text that is not UTF-8"))?);
    }
    let charset = reader.text()?.to_owned();
    let mut databases = Vec::new();
    for _ in 0..reader.count()? {
        let (name, charset) = (reader.text()?.to_owned(), reader.text()?.to_owned());
        let tables = (0..reader.count()?).map(|_| reader.table(&name).map(Arc::new)).collect::<Result<Vec<_>>>()?;
        databases.push(Database { name, charset, tables });
    }
    if !reader.rest.is_empty() {
        return Err(damaged("bytes behind its end"));
    }
    Ok(Schema { databases, charset, case, as_maxwell: None })
}

struct Reader<'a> {
    rest: &'a [u8],
    texts: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> Result<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or_else(|| damaged("an end in the middle"))?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(damaged("a number without an end"))
    }

    /// A number of things, each of which takes a byte at least.
    fn count(&mut self) -> Result<usize> {
        let number = self.number()?;
        usize::try_from(number).ok().filter(|n| *n <= self.rest.len()).ok_or_else(|| damaged("a length beyond its end"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| damaged("an end in the middle"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn text(&mut self) -> Result<&'a str> {
        let index = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.texts.get(index).copied().ok_or_else(|| damaged("a name that is not in its list"))
    }

    fn optional(&mut self) -> Result<Option<&'a str>> {
        match self.number()? {
            0 => Ok(None),
            _ => self.text().map(Some),
        }
    }

    fn table(&mut self, database: &str) -> Result<Table> {
        let name = self.text()?.to_owned();
        let charset = self.optional()?.map(str::to_owned);
        let primary_key = (0..self.count()?).map(|_| self.text().map(str::to_owned)).collect::<Result<Vec<_>>>()?;
        let columns = (0..self.count()?).map(|_| self.column()).collect::<Result<Vec<_>>>()?;
        Ok(Table { database: database.to_owned(), name, charset, columns, primary_key })
    }

    fn column(&mut self) -> Result<Column> {
        let (name, type_name, number) = (self.text()?.to_owned(), self.text()?, self.number()?);
        let charset = self.optional()?;
        let labels = match self.number()?.checked_sub(1) {
            None => None,
            Some(count) => {
                if count > self.rest.len() as u64 {
                    return Err(damaged("a length beyond its end"));
                }
                Some((0..count).map(|_| self.text().map(str::to_owned)).collect::<Result<Vec<_>>>()?)
            }
        };
        let stored = StoredColumn { type_name, unsigned: number & 1 == 1, charset, labels: labels.as_deref(), fraction: number >> 1 };
        Ok(Column { name, ty: column_type(&stored) })
    }
}

fn damaged(what: &str) -> Error {
    Error::definite(format!("a compact schema is damaged: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{BinaryKind, ColumnType, IntWidth, TextKind};

    fn schema() -> Schema {
        let types = [
            ColumnType::Int { width: IntWidth::Medium, unsigned: true },
            ColumnType::Int { width: IntWidth::Big, unsigned: false },
            ColumnType::Decimal,
            ColumnType::Timestamp { fraction: 6 },
            ColumnType::Time { fraction: 0 },
            ColumnType::Text { kind: TextKind::Varchar, charset: Some("utf8mb4".into()) },
            ColumnType::Text { kind: TextKind::Long, charset: None },
            ColumnType::Binary { kind: BinaryKind::Blob },
            ColumnType::Enum { labels: Arc::from(["a,b".to_owned(), "it's 😀".to_owned(), String::new()]), charset: None },
            ColumnType::Set { labels: Arc::from([]), charset: None },
            ColumnType::Geometry { name: "point" },
            ColumnType::Json,
            ColumnType::Other { name: "vector".into(), unsigned: true, charset: Some("latin1".into()) },
        ];
        let columns: Vec<Column> = types.into_iter().enumerate().map(|(i, ty)| Column { name: format!("c{i}"), ty }).collect();
        let table = |name: &str| Table {
            database: "d 😀".into(),
            name: name.into(),
            charset: (name == "t").then(|| "latin1".into()),
            columns: columns.clone(),
            primary_key: vec!["c1".into(), "c0".into()],
        };
        let empty = Table { columns: vec![], primary_key: vec![], ..table("empty") };
        let tables = vec![Arc::new(table("t")), Arc::new(table("u")), Arc::new(empty)];
        let databases = vec![
            Database { name: "d 😀".into(), charset: "utf8mb4".into(), tables },
            Database { name: "nothing".into(), charset: String::new(), tables: vec![] },
        ];
        Schema { databases, charset: "utf8mb4".into(), case: CaseRule::Lower, as_maxwell: None }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = encode(&schema());
        assert_eq!(decode(&bytes, CaseRule::Lower).unwrap(), schema());
        assert!(bytes.len() < 400, "every name is there once: {}", bytes.len());
        assert_eq!(decode(&encode(&Schema::default()), CaseRule::Sensitive).unwrap(), Schema::default());
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let bytes = encode(&schema());
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut], CaseRule::Sensitive).is_err(), "{cut}");
        }
        assert!(decode(&[&bytes[..], b"x"].concat(), CaseRule::Sensitive).is_err());
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                // It may still be a schema; it must only come back.
                let _ = decode(&changed, CaseRule::Sensitive);
            }
        }
        assert!(decode(&[0xff; 32], CaseRule::Sensitive).is_err());
    }
}
