//! Statements straight into the DDL parser.

use std::io::Write;

use binlogd::schema::Schema;
use binlogd::schema::ddl::{Dialect, Outcome, StatementContext, interpret};

use super::statement;
use crate::dice::Dice;

/// Between the statements of an input.
const SEPARATOR: &[u8] = b"\0;\0";

/// Some recorded statements in a row, the last of them mutated.
pub fn input(texts: &[(Dialect, Vec<u8>)], dice: &mut Dice) -> Vec<u8> {
    let start = dice.below(texts.len());
    let count = 1 + dice.below(5);
    // Neighbours, so that later statements find the tables of earlier ones.
    let list: Vec<&(Dialect, Vec<u8>)> = texts[start..].iter().take(count).collect();
    let mut out = vec![u8::from(matches!(list[0].0, Dialect::MariaDb)) | (dice.next() as u8 & 0xfe)];
    let mutated = dice.below(list.len());
    for (i, (_, sql)) in list.iter().enumerate() {
        if i > 0 {
            let _ = out.write_all(SEPARATOR);
        }
        if i >= mutated {
            let donor = &texts[dice.below(texts.len())].1;
            out.extend(statement::mutate(sql, donor, dice));
        } else {
            out.extend_from_slice(sql);
        }
    }
    out
}

/// Interprets them; what is told must be what was done, and what is stored too.
pub fn run(input: &[u8]) -> Result<(), String> {
    let Some((mark, mut rest)) = input.split_first() else { return Ok(()) };
    let mut schema = Schema { charset: "utf8mb4".into(), ..Schema::default() };
    let maria = mark & 1 == 1;
    let context = StatementContext {
        default_database: Some("d"),
        sql_mode: if mark & 6 == 6 { 4 | 1 << 20 } else { 0 },
        charset_client: [None, Some(33), Some(8), Some(28)][usize::from(mark >> 4 & 3)],
        collation_server: None,
        collation_connection: None,
        error_code: 0,
        dialect: if maria { Dialect::MariaDb } else { Dialect::MySql },
        server_version: if maria { 101_119 } else { 90_704 },
        as_maxwell: false,
    };
    loop {
        let (sql, more) = match memchr::memmem::find(rest, SEPARATOR) {
            Some(at) => (&rest[..at], Some(&rest[at + SEPARATOR.len()..])),
            None => (rest, None),
        };
        let before = schema.clone();
        match interpret(sql, &context, &mut schema, &|_, _| false) {
            Outcome::Changes(changes) if changes.is_empty() => return Err("a change of nothing".into()),
            Outcome::Changes(changes) => as_stored(&before, &schema, &changes)?,
            _ if before != schema => return Err("the schema was changed, but no change is told".into()),
            _ => {}
        }
        match more {
            Some(more) => rest = more,
            None => return Ok(()),
        }
    }
}

/// The changes, written as the store has them and read back, lead from the one to the other.
fn as_stored(before: &Schema, after: &Schema, changes: &[binlogd::schema::delta::SchemaChange]) -> Result<(), String> {
    use binlogd::schema::delta;
    let text = delta::to_delta_json(changes);
    let read = delta::from_delta_json(&text).map_err(|e| format!("the delta cannot be read back: {e}"))?;
    let mut schema = before.clone();
    delta::apply_changes(&mut schema, &read).map_err(|e| format!("the delta cannot be applied: {e}"))?;
    let names = |s: &Schema| -> Vec<String> {
        let tables = s.databases.iter().flat_map(|d| d.tables.iter().map(move |t| format!("{}.{} {}", d.name, t.name, t.columns.len())));
        tables.collect()
    };
    let (stored, tracked) = (names(&schema), names(after));
    if stored == tracked { Ok(()) } else { Err(format!("stored {stored:?}, tracked {tracked:?}")) }
}
