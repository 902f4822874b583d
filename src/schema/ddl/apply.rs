//! Statements held against the tracked definitions: what a statement changed, as the server that ran it did.
//!
//! The server accepted the statement, so a name that exists where a new one is created is our mistake and gives way.
//! A definition that is missing cannot be made up: that is an `ApplyError`, and the caller proves the tables anew.

use std::sync::Arc;

use crate::schema::delta::SchemaChange;
use crate::schema::{CaseRule, ColumnType, Database, Schema, Table, collation};

use super::alter_table::Alteration;
use super::ast::{AlterSpec, AlterTable, CharsetClause, Concern, CreateBody, CreateTable, Ddl, Name, SEQUENCE_COLUMN, TableBody};
use super::{Dialect, SkipRule, StatementContext};
use super::{as_maxwell, resolve};

/// A statement that does not fit the tracked definitions, and every table whose definition is unproved by that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyError {
    pub concerns: Vec<Concern>,
    pub why: String,
}

impl ApplyError {
    pub(super) fn of(name: &QualifiedName, why: impl Into<String>) -> Self {
        ApplyError { concerns: vec![name.concern()], why: why.into() }
    }
}

/// A table's name with its database, as the statement spells them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualifiedName {
    pub database: String,
    pub table: String,
}

impl QualifiedName {
    pub(super) fn concern(&self) -> Concern {
        Concern { database: Some(self.database.clone()), table: Some(self.table.clone()) }
    }
}

impl std::fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// Moves `schema` on by one statement. On an error the schema may be half changed: the caller works on a copy.
pub fn apply(schema: &mut Schema, ddl: &Ddl, ctx: &StatementContext<'_>, skip: SkipRule<'_>) -> Result<Vec<SchemaChange>, ApplyError> {
    let mut run = Run { schema, ctx, skip, changes: Vec::new() };
    match ddl {
        Ddl::CreateDatabase { name, if_not_exists, or_replace, charset } => {
            run.create_database(name, *if_not_exists && !*or_replace, charset)?;
        }
        Ddl::AlterDatabase { name, charset } => run.alter_database(name.as_deref(), charset)?,
        Ddl::DropDatabase { name } => run.drop_database(name),
        Ddl::CreateTable(create) => run.create_table(create)?,
        Ddl::AlterTable(alter) => run.alter_table(alter)?,
        Ddl::RenameTables { renames, if_exists } => {
            for (from, to) in renames {
                let (from, to) = (run.qualified(from)?, run.qualified(to)?);
                run.rename_table(&from, &to, *if_exists)?;
            }
        }
        Ddl::DropTables { names, only_sequences } => {
            for name in names {
                let name = run.qualified(name)?;
                let is_sequence = |t: &Table| t.columns.first().is_some_and(|c| c.name == SEQUENCE_COLUMN);
                if *only_sequences && run.schema.table(&name.database, &name.table).is_some_and(|t| !is_sequence(t)) {
                    continue;
                }
                run.drop_table(&name);
            }
        }
    }
    Ok(run.changes)
}

pub(super) struct Run<'a> {
    pub schema: &'a mut Schema,
    pub ctx: &'a StatementContext<'a>,
    skip: SkipRule<'a>,
    changes: Vec<SchemaChange>,
}

impl Run<'_> {
    /// A name with the session's default database where it has none.
    fn qualified(&self, name: &Name) -> Result<QualifiedName, ApplyError> {
        let database = name.database.as_deref().or(self.ctx.default_database).filter(|d| !d.is_empty());
        match database {
            Some(database) => Ok(QualifiedName { database: database.into(), table: name.table.clone() }),
            None => Err(ApplyError { concerns: Vec::new(), why: format!("no database is selected for the table {}", name.table) }),
        }
    }

    fn skipped(&self, name: &QualifiedName) -> bool {
        (self.skip)(&name.database, Some(&name.table))
    }

    /// The spelling under which a new database or table is kept.
    fn stored(&self, name: &str) -> String {
        if self.schema.case == CaseRule::Lower { name.to_lowercase() } else { name.into() }
    }

    fn unknown_collation(name: &str) -> ApplyError {
        ApplyError { concerns: Vec::new(), why: format!("the collation {name} is not known") }
    }

    // ---- databases ----

    /// The character set of a database that is created without one: the session's, as the event says.
    fn server_charset(&self) -> String {
        let default = &self.schema.charset;
        if self.ctx.as_maxwell {
            return default.clone();
        }
        match self.ctx.collation_server.and_then(collation::charset_of_id) {
            Some(charset) if !collation::same_charset(charset, default) => charset.into(),
            Some(charset) if default.is_empty() => charset.into(),
            _ => default.clone(),
        }
    }

    fn database_charset(&self, clause: &CharsetClause) -> Result<Option<String>, ApplyError> {
        resolve::charset(clause, || Some(self.server_charset())).map_err(|name| Self::unknown_collation(&name))
    }

    fn create_database(&mut self, name: &str, if_not_exists: bool, clause: &CharsetClause) -> Result<(), ApplyError> {
        if (self.skip)(name, None) || (if_not_exists && self.schema.database(name).is_some()) {
            return Ok(());
        }
        self.drop_database(name);
        let charset = self.database_charset(clause)?.unwrap_or_else(|| self.server_charset());
        let database = Database { name: self.stored(name), charset: charset.clone(), tables: Vec::new() };
        self.schema.databases.push(database);
        self.changes.push(SchemaChange::DatabaseCreate { database: name.into(), charset });
        Ok(())
    }

    fn alter_database(&mut self, name: Option<&str>, clause: &CharsetClause) -> Result<(), ApplyError> {
        let Some(name) = name.or(self.ctx.default_database).filter(|n| !n.is_empty()) else {
            return Err(ApplyError { concerns: Vec::new(), why: "ALTER DATABASE without a database".into() });
        };
        if (self.skip)(name, None) {
            return Ok(());
        }
        let charset = self.database_charset(clause)?;
        let Some(database) = self.schema.database_mut(name) else {
            let concerns = vec![Concern { database: Some(name.into()), table: None }];
            return Err(ApplyError { concerns, why: format!("the database {name} is not known") });
        };
        if let Some(charset) = &charset {
            database.charset.clone_from(charset);
        }
        self.changes.push(SchemaChange::DatabaseAlter { database: name.into(), charset });
        Ok(())
    }

    fn drop_database(&mut self, name: &str) {
        if (self.skip)(name, None) {
            return;
        }
        let case = self.schema.case;
        let before = self.schema.databases.len();
        self.schema.databases.retain(|d| !case.same(&d.name, name));
        if self.schema.databases.len() < before {
            self.changes.push(SchemaChange::DatabaseDrop { database: name.into() });
        }
    }

    // ---- tables ----

    fn database_of(&self, name: &QualifiedName) -> Result<&Database, ApplyError> {
        self.schema
            .database(&name.database)
            .ok_or_else(|| ApplyError::of(name, format!("the database {} of the table {} is not known", name.database, name.table)))
    }

    fn table(&self, name: &QualifiedName) -> Result<Arc<Table>, ApplyError> {
        self.database_of(name)?;
        let table = self.schema.table(&name.database, &name.table);
        table.cloned().ok_or_else(|| ApplyError::of(name, format!("the table {name} is not known")))
    }

    fn create_table(&mut self, create: &CreateTable) -> Result<(), ApplyError> {
        let name = self.qualified(&create.name)?;
        if self.skipped(&name) {
            return Ok(());
        }
        let database = self.database_of(&name)?;
        let tracked = self.schema.table(&name.database, &name.table);
        let exists = tracked.is_some();
        if create.if_not_exists
            && !create.or_replace
            && let Some(tracked) = tracked
        {
            // Views are captured like tables, but without a character set, and nothing is followed that drops them.
            if tracked.charset.is_none() && !self.ctx.as_maxwell {
                return Err(ApplyError::of(&name, format!("whether {name} is still a view is not known")));
            }
            return Ok(());
        }
        let mut table = Table {
            database: database.name.clone(),
            name: self.stored(&name.table),
            charset: None,
            columns: Vec::new(),
            primary_key: Vec::new(),
        };
        match &create.body {
            CreateBody::Like(source) => {
                let source = self.qualified(source)?;
                let source = self.table(&source).map_err(|e| ApplyError { concerns: vec![name.concern()], ..e })?;
                table.charset.clone_from(&source.charset);
                table.columns.clone_from(&source.columns);
                table.primary_key.clone_from(&source.primary_key);
            }
            CreateBody::Columns(body) => self.define(&mut table, body, &database.charset).map_err(|why| ApplyError::of(&name, why))?,
        }
        if exists {
            self.drop_table(&name);
        }
        self.add_table(&name, table);
        Ok(())
    }

    fn define(&self, table: &mut Table, body: &TableBody, database_charset: &str) -> Result<(), String> {
        if self.ctx.as_maxwell {
            return as_maxwell::define(table, body, database_charset, self.ctx);
        }
        let inherited = || Some(database_charset.to_string());
        let charset = resolve::charset(&body.charset, inherited).map_err(|name| format!("the collation {name} is not known"))?;
        table.charset = charset.or_else(inherited);
        let mut alteration = Alteration::of(table, self.ctx);
        alteration.database_charset = Some(database_charset.to_string());
        for def in &body.columns {
            alteration.push(def)?;
        }
        if let Some(parts) = &body.primary_key {
            alteration.set_primary_key(parts, &body.periods);
        }
        if body.versioned {
            alteration.add_versioning();
        }
        let finished = alteration.finish()?;
        *table = finished;
        Ok(())
    }

    /// Puts a new table behind the others of its database.
    fn add_table(&mut self, name: &QualifiedName, table: Table) {
        let def = Arc::new(table);
        if let Some(database) = self.schema.database_mut(&name.database) {
            database.tables.push(Arc::clone(&def));
            self.changes.push(SchemaChange::TableCreate { database: name.database.clone(), table: name.table.clone(), def });
        }
    }

    /// Removes a table; one that is not known is gone all the same.
    fn drop_table(&mut self, name: &QualifiedName) {
        if self.skipped(name) {
            return;
        }
        let case = self.schema.case;
        let Some(database) = self.schema.database_mut(&name.database) else { return };
        let before = database.tables.len();
        database.tables.retain(|t| !case.same(&t.name, &name.table));
        if database.tables.len() < before {
            self.changes.push(SchemaChange::TableDrop { database: name.database.clone(), table: name.table.clone() });
        }
    }

    fn rename_table(&mut self, from: &QualifiedName, to: &QualifiedName, if_exists: bool) -> Result<(), ApplyError> {
        if self.skipped(from) {
            return self.unproved_target(to, "it was renamed from a table that is not tracked");
        }
        let old = match self.table(from) {
            Ok(old) => old,
            // With IF EXISTS the server may have done nothing: then what is there under the new name stays.
            Err(e) if !if_exists => return Err(ApplyError { concerns: vec![from.concern(), to.concern()], ..e }),
            Err(_) => return Ok(()),
        };
        let renamed = self.renamed(&old, from, to)?;
        self.replace_table(from, &old, renamed);
        Ok(())
    }

    fn unproved_target(&self, to: &QualifiedName, why: &str) -> Result<(), ApplyError> {
        if self.skipped(to) { Ok(()) } else { Err(ApplyError::of(to, format!("the table {to} is not known: {why}"))) }
    }

    fn renamed(&mut self, table: &Table, from: &QualifiedName, to: &QualifiedName) -> Result<Table, ApplyError> {
        let database = self.database_of(to).map_err(|e| ApplyError { concerns: vec![from.concern(), to.concern()], ..e })?.name.clone();
        let mut renamed = table.clone();
        renamed.database = database;
        renamed.name = self.stored(&to.table);
        // A table that only changes the case of its name is not in its own way.
        let same = self.schema.case.same(&from.database, &to.database) && self.schema.case.same(&from.table, &to.table);
        // MariaDB logs the renaming of temporary tables as if they were real ones; then the new name may well be taken.
        let logs_temporary = self.ctx.dialect == Dialect::MariaDb;
        if !same && logs_temporary && !self.skipped(to) && self.schema.table(&to.database, &to.table).is_some() {
            let why = format!("{from} was renamed to {to}, which is there already");
            return Err(ApplyError { concerns: vec![from.concern(), to.concern()], why });
        }
        if !same {
            self.drop_table(to);
        }
        Ok(renamed)
    }

    /// Exchanges a definition for another, in place, or at the end of another database.
    fn replace_table(&mut self, name: &QualifiedName, old: &Arc<Table>, table: Table) {
        let def = Arc::new(table);
        let (case, target) = (self.schema.case, def.database.clone());
        let stays = case.same(&old.database, &target);
        if let Some(database) = self.schema.database_mut(&old.database) {
            let at = database.tables.iter().position(|t| Arc::ptr_eq(t, old));
            match at {
                Some(at) if stays => {
                    if let Some(slot) = database.tables.get_mut(at) {
                        *slot = Arc::clone(&def);
                    }
                }
                Some(at) => drop(database.tables.remove(at)),
                None => {}
            }
        }
        if !stays && let Some(database) = self.schema.database_mut(&target) {
            database.tables.push(Arc::clone(&def));
        }
        let (database, table) = (name.database.clone(), name.table.clone());
        self.changes.push(SchemaChange::TableAlter { database, table, old: Arc::clone(old), def });
    }

    // ---- ALTER TABLE ----

    fn alter_table(&mut self, alter: &AlterTable) -> Result<(), ApplyError> {
        let name = self.qualified(&alter.name)?;
        let new_name = alter.specs.iter().rev().find_map(|spec| if let AlterSpec::RenameTo(to) = spec { Some(to) } else { None });
        let new_name = new_name.map(|to| self.qualified(to)).transpose()?;
        if self.skipped(&name) {
            return match &new_name {
                Some(to) => self.unproved_target(to, "it was renamed from a table that is not tracked"),
                None => Ok(()),
            };
        }
        let all = || [Some(&name), new_name.as_ref()].into_iter().flatten().map(QualifiedName::concern).collect::<Vec<_>>();
        let old = match self.table(&name) {
            Ok(old) => old,
            // Clauses on partitions are logged where there is no such table, and change no definition where there is.
            Err(_) if alter.specs.is_empty() => return Ok(()),
            // The server may have found nothing to alter, but whether it did is not known here.
            Err(e) => return Err(ApplyError { concerns: all(), ..e }),
        };
        let altered = self.altered(&old, alter).map_err(|why| ApplyError { concerns: all(), why: format!("{why} (table {name})") })?;
        let table = match &new_name {
            Some(to) => self.renamed(&altered, &name, to)?,
            None => altered,
        };
        self.replace_table(&name, &old, table);
        self.partitions(alter, &old)
    }

    fn altered(&self, old: &Table, alter: &AlterTable) -> Result<Table, String> {
        if self.ctx.as_maxwell {
            return as_maxwell::altered(old, &alter.specs, self.ctx);
        }
        let mut alteration = Alteration::of(old, self.ctx);
        alteration.database_charset = self.schema.database(&old.database).map(|d| d.charset.clone());
        // MySQL takes the session's database there, MariaDB the table's (both tried).
        alteration.convert_default = match (self.ctx.dialect, self.ctx.default_database) {
            (Dialect::MariaDb, _) => alteration.database_charset.clone(),
            (Dialect::MySql, None | Some("")) => Some(self.server_charset()),
            (Dialect::MySql, Some(name)) => self.schema.database(name).map(|d| d.charset.clone()),
        };
        alteration.run(&alter.specs)?;
        let mut table = alteration.finish()?;
        // MySQL 5.6 does nothing at all, not even to the table's default, if CONVERT TO finds no column to convert (tried).
        let is_old = self.ctx.dialect == Dialect::MySql && self.ctx.server_version < 50_700;
        let is_conversion = |spec: &AlterSpec| matches!(spec, AlterSpec::ConvertCharset(_));
        let only_converts = alter.clauses == alter.specs.len() && alter.specs.iter().all(is_conversion);
        if is_old && only_converts && table.columns == old.columns {
            let is_text = |ty: &ColumnType| ty.charset().is_some_and(|c| !c.eq_ignore_ascii_case("binary"));
            if table.charset != old.charset && table.columns.iter().any(|c| is_text(&c.ty)) {
                return Err("what the server makes of the columns' collations is not certain".into());
            }
            table.charset.clone_from(&old.charset);
        }
        Ok(table)
    }

    /// MariaDB: partitions that become tables of the same shape, and tables that become partitions.
    fn partitions(&mut self, alter: &AlterTable, old: &Table) -> Result<(), ApplyError> {
        for spec in &alter.specs {
            match spec {
                AlterSpec::PartitionToTable(to) => {
                    let to = self.qualified(to)?;
                    if self.skipped(&to) {
                        continue;
                    }
                    let database = self.database_of(&to)?.name.clone();
                    self.drop_table(&to);
                    let table = Table { database, name: self.stored(&to.table), ..old.clone() };
                    self.add_table(&to, table);
                }
                AlterSpec::TableToPartition(from) => {
                    let from = self.qualified(from)?;
                    self.drop_table(&from);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
