//! Table ids of the stream: each table map matched once with our definition and the filter's verdict.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::binlog::format::Flavor;
use crate::binlog::{RawEvent, TableMap};
use crate::error::{Error, Result};
use crate::filter::{Filter, Verdict};
use crate::position::BinlogPosition;
use crate::schema::delta::SchemaChange;
use crate::schema::{Schema, Table};

use super::doubt::{self, Bound, Captured, Cause, Doubts, TableName};
use super::mend::{self, Mended};
use super::metadata;
use super::quarantine::{Proof, Quarantine};
use super::spill::SpillDir;
use super::transaction::{TableRole, TableSlot};

/// Table ids that are remembered from one transaction to the next.
const ENTRIES_MAX: usize = 4096;

/// What a table id stands for.
#[derive(Debug)]
pub struct Entry {
    /// The table map event's body, to see whether a later one says the same.
    map_body: Bytes,
    /// Whether the table is in our own schema database.
    pub own: bool,
    /// `None`: rows of it are passed over.
    pub slot: Option<Arc<TableSlot>>,
}

/// What became of a table map.
#[derive(Debug)]
pub enum Resolved {
    Ready,
    /// The definition has to be read from the server; why, in a sentence.
    Needs(TableName, String),
    /// The tracked definition is wrong in what the table map states. Once it is mended the table map is to be taken again.
    Mended(Box<Mended>),
}

pub struct Tables {
    filter: Arc<Filter>,
    schema_database: String,
    entries: HashMap<u64, Entry>,
    next_slot: u64,
    pub doubts: Doubts,
    pub quarantine: Quarantine,
    /// Tables whose rows have hidden columns but no names, and how many.
    hidden: Vec<(TableName, usize)>,
}

/// What became of a table map whose definition was asked for.
pub enum Answered {
    /// Its definition is proved; what changes by it.
    Proved(Vec<SchemaChange>),
    /// It is not; why.
    Unproved(String),
}

impl Tables {
    pub fn new(filter: Arc<Filter>, schema_database: String, spill: SpillDir) -> Self {
        let quarantine = Quarantine::off(spill);
        Tables { filter, schema_database, entries: HashMap::new(), next_slot: 1, doubts: Doubts::default(), quarantine, hidden: Vec::new() }
    }

    /// Verdicts are made anew from here on.
    pub fn set_filter(&mut self, filter: Arc<Filter>) {
        self.filter = filter;
        self.clear();
    }

    /// Forgets all table ids: after a rotation, a reconnect and every statement that may have changed a definition.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Called where no rows event can follow without its table map: a server that opens its tables anew again and again
    /// gives them new ids each time.
    pub fn forget_if_many(&mut self) {
        if self.entries.len() > ENTRIES_MAX {
            self.clear();
        }
    }

    pub fn get(&self, table_id: u64) -> Option<&Entry> {
        self.entries.get(&table_id)
    }

    /// Takes a table map event. The same bytes under the same id as before cost one comparison.
    pub fn map(&mut self, event: &RawEvent, flavor: Flavor, schema: &Schema) -> Result<Resolved> {
        let id = TableMap::id_of(event).map_err(unreadable)?;
        if self.entries.get(&id).is_some_and(|e| e.map_body == event.body) {
            return Ok(Resolved::Ready);
        }
        let mut map = TableMap::parse(event, flavor).map_err(unreadable)?;
        if let Some(table) = schema.table(&map.database, &map.table)
            && let Some((_, hidden)) = self.hidden.iter().find(|(name, _)| name.covers(schema.case, &map.database, &map.table))
            && let Some(known) = metadata::with_hidden(&map, table, *hidden)
        {
            map = known;
        }
        self.doubts.set_case(schema.case);
        self.quarantine.set_case(schema.case);
        let own = schema.case.same(&map.database, &self.schema_database);
        if !own && let Some(mended) = self.mended(&map, schema) {
            return Ok(Resolved::Mended(Box::new(mended)));
        }
        let resolved = if own { self.own_table(map, schema) } else { self.user_table(map, schema) };
        match resolved {
            Ok(slot) => {
                self.entries.insert(id, Entry { map_body: Bytes::copy_from_slice(&event.body), own, slot });
                Ok(Resolved::Ready)
            }
            Err((name, why)) => Ok(Resolved::Needs(name, why)),
        }
    }

    /// Puts a mended definition in the place of the wrong one.
    pub fn install_mended(&mut self, mended: Mended, schema: &mut Schema) -> SchemaChange {
        let Mended { old, def, .. } = mended;
        if let Some(database) = schema.database_mut(&def.database) {
            database.tables.iter_mut().filter(|t| Arc::ptr_eq(t, &old)).for_each(|t| *t = def.clone());
        }
        SchemaChange::TableAlter { database: def.database.clone(), table: def.name.clone(), old, def }
    }

    fn mended(&self, map: &TableMap, schema: &Schema) -> Option<Mended> {
        if self.filter.blacklisted(&map.database, &map.table) || self.doubts.is_doubted(&map.database, &map.table) {
            return None;
        }
        // Rows that are held wait for a proof, and not for this.
        if self.quarantine.is_stuck(&TableName::new(&map.database, &map.table)) {
            return None;
        }
        mend::mended(schema.table(&map.database, &map.table)?, map)
    }

    fn user_table(&mut self, map: TableMap, schema: &Schema) -> Result<Option<Arc<TableSlot>>, (TableName, String)> {
        let name = TableName::new(&map.database, &map.table);
        if self.filter.blacklisted(&map.database, &map.table) {
            return Ok(None);
        }
        let table = schema.table(&map.database, &map.table);
        let verdict = match (table, &map.names) {
            (Some(table), _) => {
                let columns: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
                self.filter.verdict(&table.database, &table.name, &columns)
            }
            (None, Some(names)) => {
                let columns: Vec<&str> = names.iter().map(String::as_str).collect();
                self.filter.verdict(&map.database, &map.table, &columns)
            }
            (None, None) => self.filter.verdict(&map.database, &map.table, &[]),
        };
        if matches!(verdict, Verdict::Drop) {
            return Ok(None);
        }
        let doubted = self.doubts.is_doubted(&map.database, &map.table);
        let contradiction = match table {
            None => Some("it is not in the tracked schema".to_owned()),
            Some(table) => metadata::differences(table, &map)
                .into_iter()
                .next()
                .map(|difference| format!("the table map contradicts the tracked definition: {difference}")),
        };
        match (table.cloned(), contradiction) {
            (Some(table), None) if !doubted => Ok(Some(self.slot(map, table, verdict, TableRole::User))),
            (_, contradiction) => {
                let asking_is_vain =
                    self.doubts.was_asked(&map.database, &map.table, map.names.is_some()) || (!doubted && self.quarantine.is_stuck(&name));
                if self.quarantine.is_on() && asking_is_vain {
                    return Ok(Some(self.unproved_slot(map)));
                }
                let in_doubt = doubted.then(|| "a statement left its definition in doubt".to_owned());
                Err((name, in_doubt.or(contradiction).unwrap_or_default()))
            }
        }
    }

    /// A slot whose rows are held.
    fn unproved_slot(&mut self, map: TableMap) -> Arc<TableSlot> {
        if let Some(cause) = self.doubts.cause(&map.database, &map.table) {
            self.quarantine.note_cause(&TableName::new(&map.database, &map.table), cause);
        }
        let table =
            Table { database: map.database.clone(), name: map.table.clone(), charset: None, columns: Vec::new(), primary_key: Vec::new() };
        self.slot(map, Arc::new(table), Verdict::Keep, TableRole::Unproved)
    }

    /// The next rows that were held and need not be any more.
    pub fn next_held(&mut self) -> Result<Option<super::quarantine::HeldRows>> {
        let Tables { quarantine, filter, next_slot, .. } = self;
        quarantine.next(&mut |unproved, proof| {
            let def = &proof.def;
            let columns: Vec<&str> = def.columns.iter().map(|c| c.name.as_str()).collect();
            let verdict = filter.verdict(&def.database, &def.name, &columns);
            if matches!(verdict, Verdict::Drop) {
                return None;
            }
            let id = *next_slot;
            *next_slot += 1;
            Some(Arc::new(TableSlot { id, map: proof.map_of(&unproved.map), table: def.clone(), verdict, role: TableRole::User }))
        })
    }

    /// Our own tables: heartbeats are read, inserts into `bootstrap` are output, all else is passed over (contract §3.8, §9.1).
    fn own_table(&mut self, map: TableMap, schema: &Schema) -> Result<Option<Arc<TableSlot>>, (TableName, String)> {
        match map.table.as_str() {
            // Another server's tables of that name, with other columns, hold nothing of ours.
            "heartbeats" if !super::own_tables::is_heartbeats(&map) => Ok(None),
            "heartbeats" => {
                // Its layout is fixed, so no definition is needed.
                let table = Table {
                    database: map.database.clone(),
                    name: map.table.clone(),
                    charset: None,
                    columns: Vec::new(),
                    primary_key: Vec::new(),
                };
                Ok(Some(self.slot(map, Arc::new(table), Verdict::Drop, TableRole::Heartbeats)))
            }
            "bootstrap" => match schema.table(&map.database, &map.table).cloned() {
                Some(table) => Ok(Some(self.slot(map, table, Verdict::Keep, TableRole::Bootstrap))),
                None => Err((TableName::new(&map.database, &map.table), "it is not in the tracked schema".into())),
            },
            _ => Ok(None),
        }
    }

    fn slot(&mut self, map: TableMap, table: Arc<Table>, verdict: Verdict, role: TableRole) -> Arc<TableSlot> {
        let id = self.next_slot;
        self.next_slot += 1;
        Arc::new(TableSlot { id, map, table, verdict, role })
    }

    /// A definition was read for this table map: from the server, or from the store, which says that it was accepted for
    /// this very place before. It is believed only if the map carries names and all agree, or if it comes from the store
    /// and fits; else a shape that fits is no proof (design §5.3).
    pub fn answer_map(
        &mut self,
        event: &RawEvent,
        flavor: Flavor,
        schema: &mut Schema,
        captured: &[Captured],
        stored: bool,
    ) -> Result<Answered> {
        let map = TableMap::parse(event, flavor).map_err(unreadable)?;
        let case = schema.case;
        let of_map = |c: &&Captured| case.same(&c.database, &map.database) && case.same(&c.table, &map.table);
        let found: Vec<&Captured> = captured.iter().filter(of_map).chain(self.doubts.candidate(&map.database, &map.table)).collect();
        let found: Vec<(&Captured, &Arc<Table>)> = found.into_iter().filter_map(|c| Some((c, c.def.as_ref()?))).collect();
        let Some((_, newest)) = found.first() else {
            return Ok(Answered::Unproved("the server no longer has this table".into()));
        };
        if map.names.is_none() && !stored {
            let Some(hidden) = self.hidden_behind(&map, schema, &found) else {
                return Ok(Answered::Unproved("its rows carry no column names".into()));
            };
            self.note_hidden(TableName::new(&map.database, &map.table), hidden);
            return match self.map(event, flavor, schema)? {
                Resolved::Ready => Ok(Answered::Proved(Vec::new())),
                Resolved::Mended(_) | Resolved::Needs(..) => Err(Error::bug("a table map with hidden columns is still not resolved")),
            };
        }
        let fits = found.iter().find(|(_, def)| metadata::differences(def, &map).is_empty());
        let Some((fitting, def)) = fits else {
            let difference = metadata::differences(newest, &map).into_iter().next().map(|d| d.to_string()).unwrap_or_default();
            return Ok(Answered::Unproved(format!("the server's definition of now differs from the binlog's: {difference}")));
        };
        let (fitting, def) = (Captured::clone(fitting), Arc::clone(def));
        let name = TableName::new(&fitting.database, &fitting.table);
        self.doubts.settle(&name);
        self.prove(&name, Some(&def), fitting.hidden);
        let change = doubt::install(schema, fitting);
        match self.map(event, flavor, schema)? {
            Resolved::Ready => Ok(Answered::Proved(change.into_iter().collect())),
            Resolved::Mended(mended) => Err(Error::bug(format!("{}: still not resolved: it would be mended", mended.def.name))),
            Resolved::Needs(name, why) => Err(Error::bug(format!("{}: still not resolved: {why}", name.database))),
        }
    }

    /// The hidden columns of a table map without names: as many as the server has for a table that it defines as we do. Then
    /// nothing but them is new in the table map.
    fn hidden_behind(&self, map: &TableMap, schema: &Schema, found: &[(&Captured, &Arc<Table>)]) -> Option<usize> {
        let table = schema.table(&map.database, &map.table)?;
        if self.doubts.is_doubted(&map.database, &map.table) {
            return None;
        }
        // Types may be told in two ways (TEXT in the character set binary, BLOB), so both are held against the table map.
        let is_same = |def: &Table| def.columns.iter().map(|c| &c.name).eq(table.columns.iter().map(|c| &c.name));
        let (captured, def) = found.iter().find(|(_, def)| is_same(def))?;
        let known = metadata::with_hidden(map, table, captured.hidden)?;
        let fits = |t: &Table| metadata::differences(t, &known).is_empty();
        (fits(table) && fits(def)).then_some(captured.hidden)
    }

    fn note_hidden(&mut self, name: TableName, hidden: usize) {
        self.hidden.retain(|(n, _)| *n != name);
        if hidden > 0 {
            self.hidden.push((name, hidden));
        }
    }

    /// A definition is proved for the rows that are held.
    pub fn prove(&mut self, name: &TableName, def: Option<&Arc<Table>>, hidden: usize) {
        let proof = def.map(|def| Proof { def: def.clone(), hidden });
        self.quarantine.prove(name, proof.as_ref());
        self.note_hidden(name.clone(), hidden);
    }

    /// A statement concerns these tables.
    pub fn cut(&mut self, names: &[TableName]) {
        let case = self.quarantine.case();
        self.quarantine.cut(names);
        let is_named = |name: &TableName| name.table.as_ref().is_some_and(|t| names.iter().any(|n| n.covers(case, &name.database, t)));
        self.hidden.retain(|(name, _)| !is_named(name));
    }

    /// Holds the rows under this table map. What was read from the server for it is proved when the stream comes to
    /// `reached`, unless a statement concerns the table before.
    pub fn hold_map(&mut self, event: &RawEvent, flavor: Flavor, captured: Vec<Captured>, reached: Bound, cause: Cause) -> Result<()> {
        let map = TableMap::parse(event, flavor).map_err(unreadable)?;
        if !self.doubts.is_doubted(&map.database, &map.table) {
            self.doubts.raise(&[TableName::new(&map.database, &map.table)], &Arc::new(cause));
            self.doubts.candidates(captured, reached);
        }
        if map.names.is_some() {
            self.doubts.asked_by_names(&map.database, &map.table);
        }
        let id = map.table_id;
        let slot = self.unproved_slot(map);
        self.entries.insert(id, Entry { map_body: Bytes::copy_from_slice(&event.body), own: false, slot: Some(slot) });
        Ok(())
    }

    /// The error of a table map whose rows cannot be held.
    pub fn unproved(event: &RawEvent, flavor: Flavor, at: &BinlogPosition, why: &str) -> Error {
        let name = match TableMap::parse(event, flavor) {
            Ok(map) => format!("{}.{}", map.database, map.table),
            Err(e) => return unreadable(e),
        };
        Error::definite(format!("the definition of {name} is not proved: {why}")).detail(format!("table map at {at}")).hint(
            "set binlog_row_metadata=FULL on the server so that definitions can be checked against the binlog; or tell the definition with \
             `binlogd schema resolve`; or exclude the table by the filter; or start behind this place with --init_position. Where a partition is a table's \
             own (producer_partition_by=table or primary_key), on_schema_error=quarantine holds back this table only",
        )
    }
}

fn unreadable(error: crate::binlog::DecodeError) -> Error {
    Error::definite("a table map cannot be read").source(error)
}
