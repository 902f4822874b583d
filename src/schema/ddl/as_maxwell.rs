//! Statements as Maxwell's own parser and model take them, for `maxwell_quirks` (contract §8.4, §8.5, traps 14 to 18 and
//! 46): it knows no collations, keeps labels as they are spelled, and applies the clauses of ALTER TABLE one by one.
//!
//! The definitions that it has then are kept beside the true ones, in a `View`. Where it would end or lose a statement
//! there is nothing to reproduce: its view becomes the true definition.

use std::sync::Arc;

use crate::error;
use crate::schema::delta::{SchemaChange, apply_changes, from_delta_json_as_spelled, to_delta_json};
use crate::schema::{Column, ColumnType, Database, Schema, Table};

use super::ast::{AlterSpec, CharsetName, ColumnDef, KeyPart, Placement, Statement, TableBody};
use super::{SkipRule, StatementContext, apply, recognised, resolve};

/// The definitions as Maxwell has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    pub schema: Schema,
    /// What it makes of the last statement that changed definitions; `None` where that is what we make of it.
    pub told: Option<Vec<SchemaChange>>,
}

impl View {
    /// A view that agrees with the true definitions.
    pub fn of(schema: &Schema) -> Self {
        View { schema: Schema { as_maxwell: None, ..schema.clone() }, told: None }
    }

    /// A table as Maxwell has it, if it has columns for as many values as the true one.
    pub fn table(&self, truth: &Arc<Table>) -> Option<Arc<Table>> {
        let table = self.schema.table(&truth.database, &truth.name)?;
        (table.columns.len() == truth.columns.len() && !Arc::ptr_eq(table, truth)).then(|| Arc::clone(table))
    }

    /// What of it differs from the true definitions, as text to be stored: Maxwell's JSON of changes.
    pub fn differences(&self, truth: &Schema) -> String {
        let mut changes = Vec::new();
        for database in &truth.databases {
            let Some(seen) = self.schema.database(&database.name) else { continue };
            if seen.charset != database.charset {
                changes.push(SchemaChange::DatabaseAlter { database: database.name.clone(), charset: Some(seen.charset.clone()) });
            }
            let tables = database.tables.iter().filter_map(|table| self.table(table));
            changes.extend(tables.map(|def| SchemaChange::TableCreate { database: database.name.clone(), table: def.name.clone(), def }));
        }
        to_delta_json(&changes)
    }

    /// A view of these definitions with the differences that were stored.
    ///
    /// # Errors
    /// When the text is not that.
    pub fn restored(truth: &Schema, differences: &str) -> error::Result<Self> {
        let mut view = View::of(truth);
        for change in from_delta_json_as_spelled(differences)? {
            match &change {
                SchemaChange::DatabaseAlter { database, charset: Some(charset) } => {
                    if let Some(seen) = view.schema.database_mut(database) {
                        seen.charset.clone_from(charset);
                    }
                }
                SchemaChange::TableCreate { database, def, .. } => {
                    let tables = view.schema.database_mut(database).map(|d| d.tables.iter_mut()).into_iter().flatten();
                    // A table that is gone, or of another shape by now, is the true one.
                    tables
                        .filter(|table| table.name == def.name && table.columns.len() == def.columns.len())
                        .for_each(|table| *table = Arc::clone(def));
                }
                _ => {}
            }
        }
        Ok(view)
    }

    /// Follows a statement whose true effect is known.
    pub fn statement(&mut self, text: &str, ctx: &StatementContext<'_>, skip: SkipRule<'_>, truth: &[SchemaChange]) {
        let ctx = StatementContext { as_maxwell: true, ..*ctx };
        let mut next = self.schema.clone();
        self.told = match recognised(text, &ctx).0 {
            Statement::PassOver(_) => Some(Vec::new()),
            Statement::NotUnderstood { .. } => None,
            Statement::Ddl(ddl) => apply::apply(&mut next, &ddl, &ctx, skip).ok().filter(|changes| same_objects(changes, truth)),
        };
        match &self.told {
            Some(_) => self.schema = next,
            // It may have altered what the view does not have; then that is put right below.
            None => drop(apply_changes(&mut self.schema, truth)),
        }
        self.put_right(truth);
    }

    /// A definition that was proved, not told by a statement, is the true one. `truth` holds it already. Maxwell proves
    /// nothing: with the same columns it goes on with what it has, which may come from rows that it stored.
    pub fn proved(&mut self, change: &SchemaChange, truth: &Schema) {
        let names = |table: &Table| table.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        if let Some(def) = change.def()
            && self.schema.table(&def.database, &def.name).is_some_and(|seen| names(seen) == names(def))
        {
            return;
        }
        let database = change.names().0;
        if self.schema.database(database).is_none()
            && let Some(true_one) = truth.database(database)
        {
            self.schema.databases.push(Database { tables: Vec::new(), ..true_one.clone() });
        }
        drop(apply_changes(&mut self.schema, std::slice::from_ref(change)));
        self.put_right(std::slice::from_ref(change));
    }

    /// Whatever Maxwell has must fit the rows: tables that it lacks or has in another shape become the true ones.
    fn put_right(&mut self, truth: &[SchemaChange]) {
        for def in truth.iter().filter_map(SchemaChange::def) {
            let Some(database) = self.schema.database_mut(&def.database) else { continue };
            let place = database.tables.iter_mut().find(|t| t.name == def.name);
            match place {
                // Equal definitions are kept once.
                Some(table) if table.columns.len() != def.columns.len() || **table == **def => *table = Arc::clone(def),
                Some(_) => {}
                None => database.tables.push(Arc::clone(def)),
            }
        }
    }
}

/// Whether both did the same to the same objects, however they spell them.
fn same_objects(maxwell: &[SchemaChange], truth: &[SchemaChange]) -> bool {
    maxwell.len() == truth.len() && maxwell.iter().zip(truth).all(|(a, b)| a.type_name() == b.type_name())
}

/// The table of CREATE TABLE.
pub(super) fn define(table: &mut Table, body: &TableBody, database_charset: &str, ctx: &StatementContext<'_>) -> Result<(), String> {
    table.charset = named(&body.charset.charset).or_else(|| Some(database_charset.to_string()));
    let charset = table.charset.clone();
    table.columns = body.columns.iter().map(|def| column(def, charset.as_deref(), ctx)).collect::<Result<_, _>>()?;
    let inline = body.columns.iter().find(|def| def.primary_key);
    table.primary_key = match (&body.primary_key, inline) {
        (Some(parts), _) => key(parts, &table.columns)?,
        (None, Some(def)) => vec![def.name.clone()],
        (None, None) => Vec::new(),
    };
    Ok(())
}

/// The table of ALTER TABLE: every clause finds what the one before it left.
pub(super) fn altered(old: &Table, specs: &[AlterSpec], ctx: &StatementContext<'_>) -> Result<Table, String> {
    let mut table = old.clone();
    for spec in specs {
        if let AlterSpec::TableCharset(clause) = spec {
            table.charset = named(&clause.charset).or(table.charset);
        }
    }
    let charset = table.charset.clone();
    let mut waiting: Vec<(String, String)> = Vec::new();
    let mut new_key = None;
    let mut forced = None;
    for spec in specs {
        match spec {
            AlterSpec::Add { def, place, .. } => {
                if def.primary_key {
                    new_key = Some(vec![def.name.clone()]);
                }
                insert(&mut table, column(def, charset.as_deref(), ctx)?, place.as_ref(), None, &mut waiting);
            }
            AlterSpec::Change { old, def, place, .. } => {
                let at = find(&table, old)?;
                let was = table.columns.remove(at);
                rename_key(&mut table, &was.name, &def.name);
                if def.primary_key {
                    new_key = Some(vec![def.name.clone()]);
                }
                insert(&mut table, column(def, charset.as_deref(), ctx)?, place.as_ref(), Some(at), &mut waiting);
            }
            AlterSpec::Drop { name, if_exists } => match find(&table, name) {
                Ok(at) => {
                    let gone = table.columns.remove(at);
                    table.primary_key.retain(|part| *part != gone.name);
                }
                Err(_) if *if_exists => {}
                Err(why) => return Err(why),
            },
            AlterSpec::RenameColumn { from, to, .. } => {
                let at = find(&table, from)?;
                if let Some(column) = table.columns.get_mut(at) {
                    let was = std::mem::replace(&mut column.name, to.clone());
                    rename_key(&mut table, &was, to);
                }
            }
            AlterSpec::AddPrimaryKey { parts, .. } => new_key = Some(parts.iter().map(|part| part.name.clone()).collect()),
            AlterSpec::DropPrimaryKey => new_key = Some(Vec::new()),
            AlterSpec::ConvertCharset(clause) => forced = named(&clause.charset).or(forced),
            AlterSpec::TableCharset(_) | AlterSpec::RenameTo(_) => {}
            _ => return Err("a clause that ends Maxwell".into()),
        }
    }
    for (name, after) in waiting {
        let at = find(&table, &name)?;
        let column = table.columns.remove(at);
        let at = find(&table, &after)? + 1;
        table.columns.insert(at, column);
    }
    if let Some(to) = forced {
        table.columns.iter_mut().for_each(|column| convert(&mut column.ty, &to));
    }
    if let Some(names) = new_key {
        table.primary_key = key_of(names.iter().map(String::as_str), &table.columns)?;
    }
    Ok(table)
}

fn convert(ty: &mut ColumnType, to: &str) {
    if let ColumnType::Text { charset, .. } | ColumnType::Enum { charset, .. } | ColumnType::Set { charset, .. } = ty
        && charset.as_deref() != Some("binary")
    {
        *charset = Some(to.to_string());
    }
}

/// Puts a column where the clause says; behind one that is not there yet it waits at the front until all clauses ran.
fn insert(table: &mut Table, column: Column, place: Option<&Placement>, kept: Option<usize>, waiting: &mut Vec<(String, String)>) {
    let at = match place {
        None => kept.unwrap_or(table.columns.len()),
        Some(Placement::First) => 0,
        Some(Placement::After(name)) => match find(table, name) {
            Ok(at) => at + 1,
            Err(_) => {
                waiting.push((column.name.clone(), name.clone()));
                0
            }
        },
    };
    table.columns.insert(at.min(table.columns.len()), column);
}

fn column(def: &ColumnDef, table_charset: Option<&str>, ctx: &StatementContext<'_>) -> Result<Column, String> {
    Ok(Column { name: def.name.clone(), ty: resolve::column_type(def, table_charset, None, ctx)? })
}

fn find(table: &Table, name: &str) -> Result<usize, String> {
    table.column_index(name).ok_or_else(|| format!("the column {name} is not known"))
}

fn rename_key(table: &mut Table, from: &str, to: &str) {
    table.primary_key.iter_mut().filter(|part| *part == from).for_each(|part| *part = to.to_string());
}

fn key(parts: &[KeyPart], columns: &[Column]) -> Result<Vec<String>, String> {
    key_of(parts.iter().map(|part| part.name.as_str()), columns)
}

/// A key in the letter case of its columns.
fn key_of<'n>(names: impl Iterator<Item = &'n str>, columns: &[Column]) -> Result<Vec<String>, String> {
    let spelled = |name: &str| columns.iter().find(|c| c.name.to_lowercase() == name.to_lowercase()).map(|c| c.name.clone());
    names.map(|name| spelled(name).ok_or_else(|| format!("the key's column {name} is not known"))).collect()
}

/// A charset clause; of DEFAULT the word is the name.
fn named(charset: &Option<CharsetName>) -> Option<String> {
    match charset {
        Some(CharsetName::Named(name)) => Some(name.clone()),
        _ => None,
    }
}
