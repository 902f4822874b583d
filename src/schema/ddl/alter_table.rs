//! One table's columns and key while a statement changes them, by the servers' own algorithm.
//!
//! As in `mysql_prepare_alter_table` (`sql_table.cc` of both servers) all clauses see the table as it was before the
//! statement: first the old columns are kept, changed, renamed or dropped in their order, then new and moved columns
//! are placed in the order of their clauses, and keys follow their columns by old name. So swaps of names come right.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::schema::{BinaryKind, Column, ColumnType, IntWidth, Table, TextKind, collation};

use super::ast::{AlterSpec, CharsetClause, ColumnDef, DeclaredType, KeyPart, Period, Placement, RowBoundary};
use super::{Dialect, StatementContext, resolve, text};

/// No table has as many columns (4096 is the servers' limit); a statement with more is refused before it costs time.
const COLUMNS_MAX: usize = 8192;

/// MariaDB's names of the columns that WITH SYSTEM VERSIONING adds by itself.
const ROW_START: &str = "row_start";
const ROW_END: &str = "row_end";

/// Types of a period's columns: times, or numbers of transactions.
const PERIOD_TYPE: ColumnType = ColumnType::Timestamp { fraction: 6 };
const PERIOD_NUMBER: ColumnType = ColumnType::Int { width: IntWidth::Big, unsigned: true };

/// MySQL's name of a generated invisible primary key.
const GENERATED_KEY: &str = "my_row_id";

/// A column of the table to be.
struct Entry {
    name: String,
    /// The name in lower case: column names are compared so.
    folded: String,
    /// The name, in lower case, under which the old key and other clauses know it, if a clause gave it a definition or a
    /// new name.
    known_as: Option<String>,
    content: Content,
}

impl Entry {
    fn new(name: &str, known_as: Option<&str>, content: Content) -> Self {
        Entry { name: name.into(), folded: fold(name), known_as: known_as.map(fold), content }
    }
}

enum Content {
    Kept(ColumnType),
    Declared(ColumnDef),
}

pub(super) struct Alteration<'a> {
    table: &'a Table,
    ctx: &'a StatementContext<'a>,
    /// Character set of the table's database, for `CHARACTER SET DEFAULT`.
    pub database_charset: Option<String>,
    /// What `CONVERT TO CHARACTER SET DEFAULT` means.
    pub convert_default: Option<String>,
    charset: Option<String>,
    forced_charset: Option<String>,
    entries: Vec<Entry>,
    /// MariaDB's hidden versioning columns, which stay behind all others.
    tail: Vec<Entry>,
    key: Vec<String>,
    new_key: Option<Vec<KeyPart>>,
    periods: Vec<Period>,
    versioned: bool,
    /// The statement ends the versioning.
    unversioned: bool,
}

fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// Columns that servers convert to something odd under CONVERT TO (tried): one that the same statement makes a TEXT or BLOB, which
/// gets a size from its old type on MySQL 9.7; labels whose bytes mean something else in the other character set, for the
/// servers leave the bytes as they are; and MariaDB's JSON, of whose text type nothing is known, in a character set in which it
/// is text.
fn converts_doubtfully(entry: &Entry, to: &str, table_charset: Option<&str>, ctx: &StatementContext<'_>) -> bool {
    let is_mysql = ctx.dialect == Dialect::MySql;
    match &entry.content {
        Content::Declared(def) if def.ty == DeclaredType::Settled(ColumnType::Json) => !is_mysql && resolve::is_binary(Some(to)),
        Content::Declared(def) => {
            let becomes_text = match def.ty {
                DeclaredType::Text { kind, .. } => kind.max_bytes().is_some(),
                DeclaredType::Binary { kind, .. } => !matches!(kind, BinaryKind::Binary | BinaryKind::Varbinary),
                _ => false,
            };
            is_mysql && entry.known_as.is_some() && becomes_text
        }
        // Whether it is too long for a CHAR in this character set.
        Content::Kept(ColumnType::Text { kind: TextKind::Char, .. }) => !is_mysql && to.eq_ignore_ascii_case("filename"),
        Content::Kept(ColumnType::Json) => !is_mysql && !collation::holds_json(to),
        Content::Kept(ty) => {
            let Some(labels) = ty.labels() else { return false };
            let Some(from) = ty.charset() else {
                // Stored definitions do not say it; the table's default is the best guess there is.
                let is_odd = |charset: &str| text::is_wide(&charset.to_ascii_lowercase()) || charset.eq_ignore_ascii_case("swe7");
                return labels.iter().any(|l| !l.is_ascii()) || is_odd(to) || table_charset.is_some_and(is_odd);
            };
            let from_wide = text::is_wide(from);
            let to_wide = is_mysql && ctx.server_version < 50_700 && text::is_wide(to);
            // swe7 has letters of its own where ASCII has these signs.
            let swe7 = from.eq_ignore_ascii_case("swe7") || to.eq_ignore_ascii_case("swe7");
            let is_odd = |c: char| !c.is_ascii() || swe7 && "@[\\]^`{|}~".contains(c);
            let beyond_ascii = labels.iter().any(|l| l.contains(is_odd)) && !resolve::same_bytes(from, to);
            from_wide || to_wide || beyond_ascii
        }
    }
}

impl<'a> Alteration<'a> {
    pub fn of(table: &'a Table, ctx: &'a StatementContext<'a>) -> Self {
        Alteration {
            table,
            ctx,
            database_charset: None,
            convert_default: None,
            charset: table.charset.clone(),
            forced_charset: None,
            entries: Vec::new(),
            tail: Vec::new(),
            key: Vec::new(),
            new_key: None,
            periods: Vec::new(),
            versioned: false,
            unversioned: false,
        }
    }

    /// Puts a column of CREATE TABLE behind the others.
    pub fn push(&mut self, def: &ColumnDef) -> Result<(), String> {
        if self.entries.len() >= COLUMNS_MAX {
            return Err("more columns than a table can have".into());
        }
        self.entries.push(Entry::new(&def.name, None, Content::Declared(def.clone())));
        Ok(())
    }

    pub fn set_primary_key(&mut self, parts: &[KeyPart], periods: &[Period]) {
        self.new_key = Some(parts.to_vec());
        self.periods.extend_from_slice(periods);
    }

    pub fn add_versioning(&mut self) {
        self.versioned = true;
    }

    /// Applies the clauses of ALTER TABLE.
    pub fn run(&mut self, specs: &[AlterSpec]) -> Result<(), String> {
        if specs.len().saturating_add(self.table.columns.len()) > COLUMNS_MAX {
            return Err("more columns than a table can have".into());
        }
        let merged = self.merged(specs);
        let specs = self.effective(&merged);
        self.options(&specs)?;
        self.old_columns(&specs)?;
        self.key_of_old_columns(&specs)?;
        self.place(&specs)?;
        self.period_columns_stay(&specs)?;
        self.generated_key_first(&specs)
    }

    /// The clauses that IF EXISTS and IF NOT EXISTS leave (MariaDB's `handle_if_exists_options`).
    /// MariaDB: MODIFY and CHANGE of a column that an earlier clause adds take that clause's place (tried); a key that it
    /// declares stays.
    fn merged<'s>(&self, specs: &'s [AlterSpec]) -> Cow<'s, [AlterSpec]> {
        let is_new = |name: &str| self.ctx.dialect == Dialect::MariaDb && self.table.column_index(name).is_none();
        let changes_new = |spec: &AlterSpec| matches!(spec, AlterSpec::Change { old, .. } if is_new(old));
        let adds = specs.iter().any(|spec| matches!(spec, AlterSpec::Add { .. }));
        if !adds || !specs.iter().any(changes_new) {
            return Cow::Borrowed(specs);
        }
        let mut merged: Vec<AlterSpec> = Vec::with_capacity(specs.len());
        for spec in specs {
            let AlterSpec::Change { old, def, place, .. } = spec else {
                merged.push(spec.clone());
                continue;
            };
            let is_added = |s: &AlterSpec| matches!(s, AlterSpec::Add { def, if_not_exists: false, .. } if fold(&def.name) == fold(old));
            match merged.iter().position(is_added).filter(|_| fold(&def.name) == fold(old)) {
                Some(at) => {
                    let had_key = matches!(merged.remove(at), AlterSpec::Add { def, .. } if def.primary_key);
                    let mut def = def.clone();
                    def.primary_key |= had_key;
                    merged.push(AlterSpec::Add { def, place: place.clone(), if_not_exists: false });
                }
                None => merged.push(spec.clone()),
            }
        }
        Cow::Owned(merged)
    }

    fn effective<'s>(&self, specs: &'s [AlterSpec]) -> Vec<&'s AlterSpec> {
        let mut names: HashSet<String> = self.table.columns.iter().map(|c| fold(&c.name)).collect();
        let old: HashSet<String> = names.clone();
        let has_key = !self.table.primary_key.is_empty();
        specs
            .iter()
            .filter(|spec| match spec {
                AlterSpec::Add { def, if_not_exists, .. } => names.insert(fold(&def.name)) || !if_not_exists,
                AlterSpec::Change { old: name, def, if_exists, .. } => {
                    // Its new name is in the way of a later ADD IF NOT EXISTS, even if the clause itself does nothing.
                    names.insert(fold(&def.name));
                    !if_exists || old.contains(&fold(name))
                }
                AlterSpec::Drop { name, if_exists } | AlterSpec::RenameColumn { from: name, if_exists, .. } => {
                    !if_exists || old.contains(&fold(name))
                }
                AlterSpec::AddPrimaryKey { if_not_exists, .. } => !(*if_not_exists && has_key),
                _ => true,
            })
            .collect()
    }

    /// Character sets, periods and versioning.
    fn options(&mut self, specs: &[&AlterSpec]) -> Result<(), String> {
        let mut named_default = false;
        for spec in specs {
            match spec {
                AlterSpec::ConvertCharset(clause) => {
                    let charset =
                        self.named_charset(clause, &self.convert_default)?.ok_or("the character set to convert to is not known")?;
                    // On MariaDB a default that is named wins wherever it stands; on MySQL the last word counts (both tried).
                    if !(named_default && self.ctx.dialect == Dialect::MariaDb) {
                        self.charset = Some(charset.clone());
                    }
                    self.forced_charset = Some(charset);
                }
                AlterSpec::TableCharset(clause) => {
                    if let Some(charset) = self.named_charset(clause, &self.database_charset)? {
                        self.charset = Some(charset);
                        named_default = true;
                    } else if clause.collation.is_some() && !named_default && self.ctx.dialect == Dialect::MariaDb {
                        // A collation of any character set: the table keeps its own, beside a conversion too (tried).
                        self.charset.clone_from(&self.table.charset);
                        named_default = true;
                    }
                }
                AlterSpec::AddPeriod(period) => self.periods.push(period.clone()),
                AlterSpec::AddVersioning => self.versioned = true,
                AlterSpec::AddPrimaryKey { parts, .. } => self.new_key = Some(parts.clone()),
                _ => {}
            }
        }
        Ok(())
    }

    fn named_charset(&self, clause: &CharsetClause, default: &Option<String>) -> Result<Option<String>, String> {
        resolve::charset(clause, || default.clone()).map_err(|name| format!("the collation {name} is not known"))
    }

    /// First pass: the old columns in their order. Columns that a clause moves stay until `place` takes them away, so that
    /// an earlier clause can say AFTER them.
    fn old_columns(&mut self, specs: &[&AlterSpec]) -> Result<(), String> {
        let mut drops = HashSet::new();
        let mut changes: HashMap<String, &AlterSpec> = HashMap::new();
        for &spec in specs {
            match spec {
                AlterSpec::Drop { name, .. } => drop(drops.insert(fold(name))),
                AlterSpec::Change { old, .. } => drop(changes.insert(fold(old), spec)),
                AlterSpec::RenameColumn { from, .. } => drop(changes.insert(fold(from), spec)),
                _ => {}
            }
        }
        let hidden_from = self.hidden_columns(specs)?;
        for (index, column) in self.table.columns.iter().enumerate() {
            let name = fold(&column.name);
            if drops.remove(&name) {
                continue;
            }
            let kept = || Content::Kept(column.ty.clone());
            let entry = match changes.remove(&name) {
                Some(AlterSpec::Change { def, .. }) => Entry::new(&def.name, Some(&column.name), Content::Declared(def.clone())),
                Some(AlterSpec::RenameColumn { to, .. }) => Entry::new(to, Some(&column.name), kept()),
                _ => Entry::new(&column.name, None, kept()),
            };
            if index >= hidden_from { self.tail.push(entry) } else { self.entries.push(entry) }
        }
        match drops.iter().chain(changes.keys()).next() {
            Some(name) => Err(format!("the column {name} is not known")),
            None => Ok(()),
        }
    }

    /// Where MariaDB's hidden versioning columns begin; past the end without any.
    fn hidden_columns(&self, specs: &[&AlterSpec]) -> Result<usize, String> {
        let columns = &self.table.columns;
        let none = columns.len();
        let [.., start, end] = columns.as_slice() else { return Ok(none) };
        let is = |column: &Column, name: &str| column.name == name && column.ty == ColumnType::Timestamp { fraction: 6 };
        if self.ctx.dialect != Dialect::MariaDb || !is(start, ROW_START) || !is(end, ROW_END) {
            return Ok(none);
        }
        // A table could also show such columns. Then a new timestamp could be taken for one of them; any other type
        // cannot, because the next table map would contradict.
        let doubtful = specs.iter().any(|spec| match spec {
            AlterSpec::Add { def, place: None, .. } => def.ty == DeclaredType::Settled(ColumnType::Timestamp { fraction: 6 }),
            _ => false,
        });
        if doubtful {
            return Err("whether the new column stands before or behind the versioning columns is not certain".into());
        }
        Ok(none - 2)
    }

    /// The old key's columns under their new names; one that is dropped leaves the key.
    fn key_of_old_columns(&mut self, specs: &[&AlterSpec]) -> Result<(), String> {
        if specs.iter().any(|s| matches!(s, AlterSpec::DropPrimaryKey)) {
            return Ok(());
        }
        let mut names: HashMap<String, String> = HashMap::new();
        for entry in self.entries.iter().chain(&self.tail) {
            names.insert(entry.known_as.clone().unwrap_or_else(|| entry.folded.clone()), entry.name.clone());
        }
        // A new column that takes a dropped one's name takes its place in the key too.
        for spec in specs {
            if let AlterSpec::Add { def, .. } = spec {
                names.entry(fold(&def.name)).or_insert_with(|| def.name.clone());
            }
        }
        self.key = self.table.primary_key.iter().filter_map(|part| names.get(&fold(part)).cloned()).collect();
        // MariaDB drops a key of which nothing but the row's end is left (tried).
        if self.key.len() < self.table.primary_key.len() && self.key == [ROW_END] && !self.tail.is_empty() {
            self.key.clear();
        }
        let moves = specs.iter().any(|spec| match spec {
            AlterSpec::Change { old, def, .. } => !def.name.eq_ignore_ascii_case(old),
            AlterSpec::RenameColumn { .. } => true,
            _ => false,
        });
        if self.ctx.dialect == Dialect::MariaDb && moves && self.key.len() > 2 && self.may_end_with_period(&self.table.primary_key) {
            return Err("whether the key's last columns are a period's, which keeps their names, is not certain".into());
        }
        // MariaDB drops a key of which nothing but its period is left, and whether it had one is not known here.
        let is_shorter = self.key.len() < self.table.primary_key.len();
        let is_period = is_shorter && self.key.len() == 2 && self.may_end_with_period(&self.table.primary_key);
        if self.ctx.dialect == Dialect::MariaDb && is_period {
            return Err("whether the key is left when its period is all that remains is not certain".into());
        }
        Ok(())
    }

    /// Whether the last two columns of an old key may be a period's.
    fn may_end_with_period(&self, key: &[String]) -> bool {
        let is_temporal = |name: &String| {
            let ty = self.table.column_index(name).and_then(|at| self.table.columns.get(at)).map(|c| &c.ty);
            matches!(ty, Some(ColumnType::Date | ColumnType::Datetime { .. } | ColumnType::Timestamp { .. }))
        };
        key.len() > 1 && key.iter().rev().take(2).all(is_temporal)
    }

    /// Second pass: new and moved columns in the order of their clauses.
    fn place(&mut self, specs: &[&AlterSpec]) -> Result<(), String> {
        for spec in specs {
            let (entry, place) = match spec {
                AlterSpec::Add { def, place, .. } => (Entry::new(&def.name, None, Content::Declared(def.clone())), place),
                AlterSpec::Change { old, place: place @ Some(_), .. } => (self.take(old)?, place),
                _ => continue,
            };
            match place {
                None => self.entries.push(entry),
                Some(Placement::First) => self.entries.insert(0, entry),
                Some(Placement::After(name)) => {
                    let wanted = fold(name);
                    let at = self.entries.iter().position(|e| e.folded == wanted);
                    let at = at.ok_or_else(|| format!("the column {name} is not known"))?;
                    self.entries.insert(at + 1, entry);
                }
            }
        }
        if specs.iter().any(|s| matches!(s, AlterSpec::DropVersioning)) {
            self.drop_versioning()?;
        }
        Ok(())
    }

    /// Takes a column that a clause moves from where the first pass put it.
    fn take(&mut self, old: &str) -> Result<Entry, String> {
        let wanted = fold(old);
        let at = self.entries.iter().position(|e| e.known_as.as_deref() == Some(&wanted));
        at.map(|at| self.entries.remove(at)).ok_or_else(|| format!("the column {old} is not known"))
    }

    fn drop_versioning(&mut self) -> Result<(), String> {
        if self.tail.is_empty() && !self.key.is_empty() {
            return Err("which columns were the versioning columns is not known".into());
        }
        self.tail.clear();
        self.unversioned = true;
        self.key.retain(|part| part != ROW_END);
        Ok(())
    }

    /// MySQL 8.0.30+: a generated invisible primary key stays the first column, also under FIRST.
    fn generated_key_first(&mut self, specs: &[&AlterSpec]) -> Result<(), String> {
        let Some(first) = self.table.columns.first() else { return Ok(()) };
        let is_generated = self.ctx.dialect == Dialect::MySql
            && self.ctx.server_version >= 80_030
            && first.name == GENERATED_KEY
            && first.ty == ColumnType::Int { width: IntWidth::Big, unsigned: true }
            && self.table.primary_key == [GENERATED_KEY];
        let Some(at) = self.entries.iter().position(|e| e.name == GENERATED_KEY).filter(|at| is_generated && *at > 0) else {
            return Ok(());
        };
        // Made visible the column is like any other, and whether it is does not show here. A wrong answer is
        // contradicted by the next table map, unless what was put first is a BIGINT too.
        let doubtful = specs.iter().any(|spec| match spec {
            AlterSpec::Add { def, place: Some(Placement::First), .. } | AlterSpec::Change { def, place: Some(Placement::First), .. } => {
                matches!(def.ty, DeclaredType::Settled(ColumnType::Int { width: IntWidth::Big, .. }))
            }
            _ => false,
        });
        if doubtful {
            return Err("whether the generated primary key stays the first column is not certain".into());
        }
        let key = self.entries.remove(at);
        self.entries.insert(0, key);
        Ok(())
    }

    /// MariaDB: a versioned table whose own period columns are dropped, always both at once, gets hidden ones (tried). That
    /// it is versioned does not show here.
    fn period_columns_stay(&self, specs: &[&AlterSpec]) -> Result<(), String> {
        if self.ctx.dialect != Dialect::MariaDb || self.unversioned || !self.tail.is_empty() {
            return Ok(());
        }
        let dropped = specs.iter().filter_map(|spec| match spec {
            AlterSpec::Drop { name, .. } => self.table.columns.get(self.table.column_index(name)?),
            _ => None,
        });
        let dropped: Vec<&Column> = dropped.collect();
        let stamps = dropped.iter().filter(|c| c.ty == PERIOD_TYPE).count();
        let in_key = dropped.iter().any(|c| self.table.primary_key.contains(&c.name));
        let numbers = dropped.iter().filter(|c| c.ty == PERIOD_NUMBER && in_key).count();
        if stamps > 1 || numbers > 1 {
            return Err("whether hidden columns take the place of the versioning columns is not certain".into());
        }
        Ok(())
    }

    /// MariaDB: whether a table, to which this statement gives a new key, is a versioned one, so that the key ends with the
    /// column of the row's end, does not show where there was no key before.
    fn new_key_of_versioned(&self) -> Result<(), String> {
        let is_old = !self.table.columns.is_empty() && self.ctx.dialect == Dialect::MariaDb && !self.versioned && !self.unversioned;
        let is = |e: &Entry, ty: &ColumnType| matches!(&e.content, Content::Kept(kept) if kept == ty);
        let has = |name: &str| self.entries.iter().any(|e| e.folded == name && is(e, &PERIOD_NUMBER));
        let times = self.entries.iter().filter(|e| is(e, &PERIOD_TYPE)).count();
        let may_be = times > 1 || has(ROW_START) && has(ROW_END);
        if !is_old || !may_be || self.row_end().is_some() {
            return Ok(());
        }
        let is_end = |name: &String| name != ROW_END && self.entries.iter().any(|e| e.name == *name && is(e, &PERIOD_TYPE));
        let old_key = &self.table.primary_key;
        if old_key.is_empty() || old_key.iter().any(is_end) {
            return Err("which columns were the versioning columns, whose last stands in every key, is not certain".into());
        }
        Ok(())
    }

    /// The table as the statement leaves it.
    pub fn finish(mut self) -> Result<Table, String> {
        self.versioning_columns();
        self.entries.append(&mut self.tail);
        let mut positions: HashMap<String, usize> = HashMap::new();
        let mut columns = Vec::with_capacity(self.entries.len());
        for (index, entry) in self.entries.iter().enumerate() {
            if positions.insert(entry.folded.clone(), index).is_some() {
                return Err(format!("the column {} would exist twice", entry.name));
            }
            let forced = self.forced_charset.as_deref();
            if forced.is_some_and(|to| converts_doubtfully(entry, to, self.table.charset.as_deref(), self.ctx)) {
                return Err(format!("what the server makes of the column {} is not certain", entry.name));
            }
            let ty = match (&entry.content, forced) {
                (Content::Kept(ty), None) => ty.clone(),
                (Content::Kept(ty), Some(charset)) => resolve::converted(ty, charset),
                (Content::Declared(def), _) => resolve::column_type(def, self.charset.as_deref(), forced, self.ctx)?,
            };
            columns.push(Column { name: entry.name.clone(), ty });
        }
        if columns.is_empty() {
            return Err("no column would be left".into());
        }
        let mut primary_key = Vec::new();
        for part in self.final_key()? {
            let at = positions.get(&fold(&part)).and_then(|at| columns.get(*at));
            let column = at.ok_or_else(|| format!("the key's column {part} is not known"))?;
            primary_key.push(column.name.clone());
        }
        let (database, name) = (self.table.database.clone(), self.table.name.clone());
        Ok(Table { database, name, charset: self.charset, columns, primary_key })
    }

    /// Adds MariaDB's hidden versioning columns where the statement declares none of its own.
    fn versioning_columns(&mut self) {
        if !self.versioned || self.unversioned || !self.tail.is_empty() || self.row_end().is_some() {
            return;
        }
        for name in [ROW_START, ROW_END] {
            let content = Content::Kept(ColumnType::Timestamp { fraction: 6 });
            self.tail.push(Entry::new(name, None, content));
        }
    }

    /// The column that the statement declares AS ROW END.
    fn row_end(&self) -> Option<&str> {
        let is_end = |e: &&Entry| matches!(&e.content, Content::Declared(def) if def.row_boundary == Some(RowBoundary::End));
        self.entries.iter().find(is_end).map(|e| e.name.as_str())
    }

    /// The key's columns: declared in the statement, or what is left of the old key.
    fn final_key(&self) -> Result<Vec<String>, String> {
        let inline = self.entries.iter().find(|e| matches!(&e.content, Content::Declared(def) if def.primary_key));
        if self.new_key.is_some() || inline.is_some() {
            self.new_key_of_versioned()?;
        }
        let mut key = match (&self.new_key, inline) {
            (Some(parts), _) => self.key_columns(parts)?,
            (None, Some(entry)) => vec![entry.name.clone()],
            (None, None) => self.key.clone(),
        };
        // A versioned table's key ends with the column of the row's end.
        let hidden = self.entries.iter().rev().take(1).find(|e| e.name == ROW_END && matches!(e.content, Content::Kept(_)));
        let is_versioned =
            self.versioned || self.key.iter().any(|part| part == ROW_END) || self.table.primary_key.iter().any(|p| p == ROW_END);
        let end = self.row_end().or(hidden.filter(|_| is_versioned).map(|e| e.name.as_str()));
        if let Some(end) = end.filter(|_| self.ctx.dialect == Dialect::MariaDb && !key.is_empty())
            && !key.iter().any(|part| part == end)
        {
            // A period stays the last part of its key (tried).
            let declared = self.new_key.iter().flatten().any(|part| part.without_overlaps);
            if self.new_key.is_none() && inline.is_none() && self.may_end_with_period(&key) {
                return Err("where the end of a row stands in a key with a period is not certain".into());
            }
            let at = if declared { key.len().saturating_sub(2) } else { key.len() };
            key.insert(at, end.to_string());
        }
        Ok(key)
    }

    /// MariaDB: a period in a key stands for its end and its start, in this order.
    fn key_columns(&self, parts: &[KeyPart]) -> Result<Vec<String>, String> {
        let mut key = Vec::with_capacity(parts.len());
        for part in parts {
            if !part.without_overlaps {
                key.push(part.name.clone());
                continue;
            }
            let period = self.periods.iter().find(|p| fold(&p.name) == fold(&part.name));
            let period = period.ok_or_else(|| format!("the period {} is not known", part.name))?;
            key.extend([period.end.clone(), period.start.clone()]);
        }
        Ok(key)
    }
}
