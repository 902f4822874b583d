//! DDL messages (contract §4.12). The payload is the schema's; what stands around it is ours.

use std::sync::Arc;

use crate::binlog::codec::escape::{self, Astral};
use crate::position::Gtid;
use crate::schema::SchemaId;

use super::envelope;
use super::options::OutputOptions;

/// One resolved change of a statement.
#[derive(Debug, Clone, Copy)]
pub struct DdlMessage<'a> {
    /// `"type":"table-create","database":"db","table":"t","def":{…}`: the change's own fields without braces, as
    /// `SchemaChange::write_fields` writes them.
    pub fields: &'a [u8],
    pub database: &'a str,
    /// `None` for changes of a database.
    pub table: Option<&'a str>,
    /// The statement as the server logged it.
    pub sql: &'a str,
    /// Time of the event in seconds since the epoch. The message shows milliseconds.
    pub ts: u32,
    /// File and offset where the statement's event begins.
    pub file: &'a Arc<str>,
    pub offset: u64,
    pub gtid: Option<&'a Gtid>,
    pub schema_id: Option<SchemaId>,
}

/// Appends the message's value.
pub fn write_value(message: &DdlMessage<'_>, options: &OutputOptions, out: &mut Vec<u8>) {
    out.push(b'{');
    out.extend_from_slice(message.fields);
    out.extend_from_slice(b",\"ts\":");
    envelope::write_number(u64::from(message.ts) * 1000, out);
    out.extend_from_slice(b",\"sql\":");
    escape::write_string(message.sql.as_bytes(), Astral::Raw, out);
    envelope::write_position(options, message.file, message.offset, message.gtid, out);
    // The naming strategy does not reach DDL messages.
    envelope::write_schema_id(options, message.schema_id, false, out);
    out.push(b'}');
}
