//! What is kept of a prepared XA transaction while nobody has decided it: where its rows stand, and the definitions under
//! which they were written. As JSON it is a value of our side table.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::delta::{self, SchemaChange};
use super::{Schema, SchemaId, Table};
use crate::error::{Error, Result};
use crate::position::xa::{XaName, XaPlace};
use crate::position::{BinlogPosition, Gtid};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedXa {
    pub place: XaPlace,
    /// The version that was current at the prepare. Versions are compacted, so the definitions stand here themselves.
    pub schema_id: Option<SchemaId>,
    /// Of the tables whose rows may be output.
    pub tables: Vec<Arc<Table>>,
    /// The server whose file it is, if that is known; a store fills it in.
    pub server_uuid: Option<String>,
}

/// The JSON form. Unknown fields of later versions are passed over.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    xid: String,
    file: String,
    start: u64,
    end: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    gtid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    schema_id: Option<SchemaId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    server_uuid: Option<String>,
    /// In Maxwell's delta form.
    tables: String,
}

impl PreparedXa {
    pub fn to_json(&self) -> Result<String> {
        let created = |table: &Arc<Table>| SchemaChange::TableCreate {
            database: table.database.clone(),
            table: table.name.clone(),
            def: table.clone(),
        };
        let tables: Vec<SchemaChange> = self.tables.iter().map(created).collect();
        let note = Note {
            xid: self.place.name.to_string(),
            file: self.place.start.file.to_string(),
            start: self.place.start.offset,
            end: self.place.end,
            gtid: self.place.gtid.as_ref().map(Gtid::to_string),
            schema_id: self.schema_id,
            server_uuid: self.server_uuid.clone(),
            tables: delta::to_delta_json(&tables),
        };
        serde_json::to_string(&note).map_err(|e| Error::bug("a prepared XA transaction cannot be written as JSON").source(e))
    }

    /// # Errors
    /// Definite when the text is not what `to_json` writes.
    pub fn from_json(json: &str) -> Result<Self> {
        let wrong = |what: &str| Error::definite(format!("a stored prepared XA transaction cannot be read: {what}"));
        let note: Note = serde_json::from_str(json).map_err(|e| wrong("it is not the JSON that was stored").source(e))?;
        let name = XaName::parse(note.xid.as_bytes()).ok_or_else(|| wrong("its xid").detail(&note.xid))?;
        let gtid = note.gtid.as_deref().map(Gtid::parse).transpose()?;
        let tables = delta::from_delta_json(&note.tables)?.iter().filter_map(|change| change.def().cloned()).collect();
        let place = XaPlace { name, start: BinlogPosition::new(note.file, note.start), end: note.end, gtid };
        Ok(PreparedXa { place, schema_id: note.schema_id, tables, server_uuid: note.server_uuid })
    }

    /// The definitions of `schema` with those of this transaction in their places: later statements may have changed or
    /// dropped them, where the server lost its locks.
    pub fn definitions(&self, schema: &Schema) -> Schema {
        let mut schema = schema.clone();
        for table in &self.tables {
            let case = schema.case;
            match schema.database_mut(&table.database) {
                Some(database) => {
                    database.tables.retain(|t| !case.same(&t.name, &table.name));
                    database.tables.push(table.clone());
                }
                None => schema.databases.push(super::Database {
                    name: table.database.clone(),
                    charset: table.charset.clone().unwrap_or_default(),
                    tables: vec![table.clone()],
                }),
            }
        }
        schema
    }

    /// For messages: `db.t, db.u`.
    pub fn table_names(&self) -> String {
        let names: Vec<String> = self.tables.iter().map(|t| format!("{}.{}", t.database, t.name)).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Column, ColumnType, Database, IntWidth};

    fn table(database: &str, name: &str, column: &str) -> Arc<Table> {
        Arc::new(Table {
            database: database.into(),
            name: name.into(),
            charset: Some("utf8mb4".into()),
            columns: vec![Column { name: column.into(), ty: ColumnType::Int { width: IntWidth::Int, unsigned: true } }],
            primary_key: vec![column.into()],
        })
    }

    fn prepared() -> PreparedXa {
        let name = XaName { format_id: 1, gtrid: b"a\0'".to_vec(), bqual: b"q".to_vec() };
        let gtid = Some(Gtid::parse("7-1-5").expect("a GTID"));
        PreparedXa {
            place: XaPlace { name, start: BinlogPosition::new("m.000009", 5_000_000_000), end: 5_000_000_900, gtid },
            schema_id: Some(7),
            tables: vec![table("d", "t", "id"), table("gone", "u", "a")],
            server_uuid: Some("3e11fa47-71ca-11e1-9e33-c80aa9429562".into()),
        }
    }

    #[test]
    fn what_is_stored_is_what_is_read() {
        let whole = prepared();
        assert_eq!(PreparedXa::from_json(&whole.to_json().expect("JSON")).expect("readable"), whole);
        let bare = PreparedXa { place: XaPlace { gtid: None, ..whole.place }, schema_id: None, tables: Vec::new(), server_uuid: None };
        assert_eq!(PreparedXa::from_json(&bare.to_json().expect("JSON")).expect("readable"), bare);
        for text in ["", "{}", r#"{"xid":"x","file":"f","start":1,"end":2,"tables":"[]"}"#] {
            assert!(PreparedXa::from_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn its_definitions_stand_in_the_place_of_later_ones() {
        let later = Schema {
            databases: vec![Database {
                name: "d".into(),
                charset: "utf8mb4".into(),
                tables: vec![table("d", "t", "other"), table("d", "v", "x")],
            }],
            ..Schema::default()
        };
        let then = prepared().definitions(&later);
        assert_eq!(then.table("d", "t").expect("a table").columns[0].name, "id");
        assert_eq!(then.table("gone", "u").expect("a table").columns[0].name, "a");
        assert!(then.table("d", "v").is_some());
        assert_eq!(prepared().table_names(), "d.t, gone.u");
    }
}
