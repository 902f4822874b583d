//! The outer object of a row message: which fields, in which order (contract §4.1). All rows of one rows event share
//! everything but `xoffset` or `commit`, `push_ts`, `primary_key`, `data` and `old`, so the shared parts are written once
//! per event into a `Frame`.

use std::io::Write;

use crate::assemble::TxnMeta;
use crate::binlog::RowsKind;
use crate::binlog::codec::escape::{self, Astral};
use crate::binlog::codec::float;
use crate::position::Gtid;
use crate::schema::{SchemaId, Table};

use super::names::Naming;
use super::options::OutputOptions;
use super::plan::RowPlan;

/// The value of `type`.
pub fn type_name(kind: RowsKind) -> &'static str {
    match kind {
        RowsKind::Insert => "insert",
        RowsKind::Update => "update",
        RowsKind::Delete => "delete",
    }
}

/// What the last surviving row of a transaction has instead of `xoffset`.
pub const COMMIT: &[u8] = b",\"commit\":true";

/// The shared parts of the messages of one rows event.
#[derive(Debug, Default)]
pub struct Frame {
    /// From `{` to `xid`.
    pub head: Vec<u8>,
    /// From `position` to `schema_id`.
    pub tail: Vec<u8>,
}

impl Frame {
    /// `query` is the escaped and quoted text in force, if any. `ts` is the event header's time in seconds.
    pub fn begin(&mut self, options: &OutputOptions, plan: &RowPlan, meta: &TxnMeta, event: &EventFacts<'_>) {
        let head = &mut self.head;
        head.clear();
        head.extend_from_slice(&plan.head);
        if let Some(query) = event.query.filter(|_| options.row_query) {
            head.extend_from_slice(b",\"query\":");
            head.extend_from_slice(query);
        }
        head.extend_from_slice(b",\"type\":\"");
        head.extend_from_slice(type_name(event.kind).as_bytes());
        head.extend_from_slice(b"\",\"ts\":");
        write_number(u64::from(event.ts), head);
        if let Some(xid) = meta.xid.filter(|_| options.commit_info) {
            head.extend_from_slice(b",\"xid\":");
            write_number(xid, head);
        }
        let tail = &mut self.tail;
        tail.clear();
        write_position(options, &meta.file, event.start, meta.gtid.as_ref(), tail);
        let camelcase = options.naming == Naming::UnderscoreToCamelcase;
        if let Some(id) = meta.server_id.filter(|_| options.server_id) {
            tail.extend_from_slice(if camelcase { b",\"serverId\":" } else { b",\"server_id\":" });
            write_number(u64::from(id), tail);
        }
        if let Some(id) = meta.thread_id.filter(|_| options.thread_id) {
            tail.extend_from_slice(if camelcase { b",\"threadId\":" } else { b",\"thread_id\":" });
            write_number(u64::from(id), tail);
        }
        write_schema_id(options, meta.schema_id, camelcase, tail);
    }
}

/// Facts of one rows event.
#[derive(Debug, Clone, Copy)]
pub struct EventFacts<'a> {
    pub kind: RowsKind,
    /// Seconds since the epoch.
    pub ts: u32,
    /// Offset of the event in the transaction's file.
    pub start: u64,
    pub query: Option<&'a [u8]>,
}

/// `position` and `gtid`, if they are wanted.
pub fn write_position(options: &OutputOptions, file: &str, offset: u64, gtid: Option<&Gtid>, out: &mut Vec<u8>) {
    if options.binlog_position {
        out.extend_from_slice(b",\"position\":\"");
        escape::write_escaped(file.as_bytes(), Astral::Escaped, out);
        out.push(b':');
        write_number(offset, out);
        out.push(b'"');
    }
    if options.gtid_position {
        out.extend_from_slice(b",\"gtid\":");
        match gtid {
            // Writing into a Vec cannot fail.
            Some(gtid) => _ = write!(out, "\"{gtid}\""),
            None => out.extend_from_slice(b"null"),
        }
    }
}

/// `schema_id`, if it is wanted and known.
pub fn write_schema_id(options: &OutputOptions, id: Option<SchemaId>, camelcase: bool, out: &mut Vec<u8>) {
    if let Some(id) = id.filter(|_| options.schema_id) {
        out.extend_from_slice(if camelcase { b",\"schemaId\":" } else { b",\"schema_id\":" });
        out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    }
}

/// `push_ts`: seconds with a fraction of up to six digits.
pub fn write_push_ts(options: &OutputOptions, out: &mut Vec<u8>) {
    let now_us = (options.clock_us)();
    out.extend_from_slice(match options.naming {
        Naming::UnderscoreToCamelcase => b",\"pushTs\":",
        Naming::AsIs => b",\"push_ts\":",
    });
    write_number(now_us / 1_000_000, out);
    write_fraction((now_us % 1_000_000) as u32, out);
}

/// The fraction as Java adds it: `BigDecimal(Double.toString(fraction))`, so a number with a single significant digit
/// has one zero more where its text has an exponent (below a millisecond).
fn write_fraction(micros: u32, out: &mut Vec<u8>) {
    let start = out.len();
    if micros >= 1000 || micros == 0 {
        float::write_double(f64::from(micros) / 1e6, out);
        // The digit before the point is the 0 of the fraction.
        out.remove(start);
        return;
    }
    let mut digits = [b'0'; 6];
    let mut rest = micros;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let zeros = digits.iter().rev().take_while(|d| **d == b'0').count();
    let leading = digits.iter().take_while(|d| **d == b'0').count();
    out.push(b'.');
    out.extend_from_slice(digits.get(..6 - zeros).unwrap_or_default());
    if 6 - zeros - leading == 1 {
        out.push(b'0');
    }
}

/// `,"primary_key":[`
pub fn primary_key_field(naming: Naming) -> &'static [u8] {
    match naming {
        Naming::UnderscoreToCamelcase => b",\"primaryKey\":[",
        Naming::AsIs => b",\"primary_key\":[",
    }
}

/// `,"primary_key_columns":[…]`, or nothing when that is off. The naming strategy does not change the names inside.
pub fn primary_key_columns(table: &Table, options: &OutputOptions) -> Vec<u8> {
    let mut out = Vec::new();
    if options.primary_key_columns {
        out.extend_from_slice(match options.naming {
            Naming::UnderscoreToCamelcase => b",\"primaryKeyColumns\":[",
            Naming::AsIs => b",\"primary_key_columns\":[",
        });
        for (i, name) in table.primary_key.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            escape::write_string(name.as_bytes(), Astral::Escaped, &mut out);
        }
        out.push(b']');
    }
    out
}

/// Appends the SQL text of a row query as a JSON string, cut to `length_max` UTF-16 units (0: whole). A cut inside a
/// surrogate pair leaves its first half, as an escape.
pub fn write_query(sql: &[u8], length_max: usize, out: &mut Vec<u8>) {
    let whole = sql.len();
    if length_max == 0 || whole <= length_max {
        escape::write_string(sql, Astral::Escaped, out);
        return;
    }
    out.push(b'"');
    let mut left = length_max;
    // Malformed bytes are one unit each piece (U+FFFD), so pieces can be cut one after another.
    crate::binlog::codec::lossy::pieces(sql, |piece| {
        for c in std::str::from_utf8(piece).unwrap_or_default().chars() {
            match (left, c.len_utf16()) {
                (0, _) => return,
                (1, 2) => {
                    escape::write_unit(c.encode_utf16(&mut [0; 2])[0], out);
                    left = 0;
                }
                (_, units) => {
                    escape::write_escaped(c.encode_utf8(&mut [0; 4]).as_bytes(), Astral::Escaped, out);
                    left -= units;
                }
            }
        }
    });
    out.push(b'"');
}

pub fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_ts_as_java_adds_it() {
        for (micros, want) in [
            (0, ".0"),
            (500_000, ".5"),
            (120_000, ".12"),
            (123_456, ".123456"),
            (1000, ".001"),
            (1, ".0000010"),
            (10, ".000010"),
            (100, ".00010"),
            (120, ".00012"),
            (123, ".000123"),
            (999_999, ".999999"),
        ] {
            let mut out = Vec::new();
            write_fraction(micros, &mut out);
            assert_eq!(String::from_utf8(out).expect("ASCII"), want, "{micros}");
        }
    }

    #[test]
    fn queries_are_cut_by_utf16_units() {
        for (sql, max, want) in [
            ("select 1", 0, "\"select 1\""),
            ("select 1", 6, "\"select\""),
            ("é😀x", 1, "\"é\""),
            ("é😀x", 2, "\"é\\uD83D\""),
            ("é😀x", 3, "\"é\\uD83D\\uDE00\""),
            ("é😀x", 4, "\"é\\uD83D\\uDE00x\""),
            ("a\nb", 2, "\"a\\n\""),
        ] {
            let mut out = Vec::new();
            write_query(sql.as_bytes(), max, &mut out);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), want, "{sql} {max}");
        }
    }
}
