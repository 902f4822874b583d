//! Table ids of the stream: each table map matched once with our definition and the filter's verdict.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::binlog::codec::Layout;
use crate::binlog::format::Flavor;
use crate::binlog::{RawEvent, TableMap};
use crate::error::{Error, Result};
use crate::filter::{Filter, Verdict};
use crate::position::BinlogPosition;
use crate::schema::delta::SchemaChange;
use crate::schema::repair::Known;
use crate::schema::{Schema, Table};

use super::again::Meanings;
use super::doubt::{self, Bound, Captured, Cause, Doubts, TableName};
use super::left_out;
use super::mend::{self, Mended, Rebuild};
use super::metadata;
use super::quarantine::{Proof, Quarantine};
use super::spill::SpillDir;
use super::transaction::{TableRole, TableSlot};

/// Table ids that are remembered from one transaction to the next.
const ENTRIES_MAX: usize = 4096;
/// The first MariaDB with VECTOR columns, which it logs as VARBINARY.
const MARIADB_VECTOR: (u8, u8, u8) = (11, 7, 0);

/// What a table id stands for.
#[derive(Debug)]
pub struct Entry {
    /// The table map event's body, to see whether a later one says the same.
    map_body: Bytes,
    /// Whether the table is in our own schema database.
    pub own: bool,
    /// `None`: rows of it are passed over.
    pub slot: Option<Arc<TableSlot>>,
    /// By which the rows that are passed over are counted, if they are.
    pub layouts: Vec<Layout>,
}

/// What became of a table map.
#[derive(Debug)]
pub enum Resolved {
    Ready,
    /// The definition has to be read from the server.
    Needs(Need),
    /// The tracked definition is wrong in what the table map states. Once it is mended the table map is to be taken again.
    Mended(Box<Mended>),
}

/// A definition that has to be read from the server.
#[derive(Debug)]
pub struct Need {
    pub name: TableName,
    /// Why, in a sentence.
    pub why: String,
    /// The table map says enough if the server has no answer.
    pub stated: bool,
}

/// Why a table map has no slot yet.
enum Unready {
    Needs(Need),
    Mended(Box<Mended>),
}

pub struct Tables {
    filter: Arc<Filter>,
    schema_database: String,
    entries: HashMap<u64, Arc<Entry>>,
    /// What ids stood for earlier in the open transaction: until which of its events, and the id.
    past: Vec<(u64, u64, Arc<Entry>)>,
    /// How many events with rows or row queries the open transaction has so far.
    number: u64,
    next_slot: u64,
    server_version: (u8, u8, u8),
    /// Whether rows of tables that are not output are counted.
    pub counts_left_out: bool,
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
        Tables {
            filter,
            schema_database,
            entries: HashMap::new(),
            past: Vec::new(),
            number: 0,
            next_slot: 1,
            server_version: (0, 0, 0),
            counts_left_out: false,
            doubts: Doubts::default(),
            quarantine,
            hidden: Vec::new(),
        }
    }

    /// Who wrote the table maps that follow.
    pub fn set_server_version(&mut self, version: (u8, u8, u8)) {
        self.server_version = version;
    }

    /// Verdicts are made anew from here on.
    pub fn set_filter(&mut self, filter: Arc<Filter>) {
        self.filter = filter;
        self.clear();
    }

    /// Forgets all table ids: after a rotation, a reconnect and every statement that may have changed a definition.
    pub fn clear(&mut self) {
        let number = self.number;
        let old = self.entries.drain();
        if number > 0 {
            self.past.extend(old.map(|(id, entry)| (number, id, entry)));
        }
    }

    /// A transaction begins.
    pub fn begin(&mut self) {
        self.number = 0;
        self.past.clear();
    }

    /// It has ended, so no rows event can follow without its table map: a server that opens its tables anew again and again
    /// gives them new ids each time.
    pub fn end(&mut self) {
        self.begin();
        if self.entries.len() > ENTRIES_MAX {
            self.clear();
        }
    }

    /// The open transaction's events with rows or row queries are counted, so that a second reading can tell them apart.
    pub fn next_number(&mut self) {
        self.number += 1;
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// What table ids stood for in the open transaction.
    pub fn meanings(&mut self) -> Meanings {
        Meanings { past: std::mem::take(&mut self.past).into(), last: self.entries.clone() }
    }

    pub fn get(&self, table_id: u64) -> Option<&Entry> {
        self.entries.get(&table_id).map(|entry| &**entry)
    }

    fn insert(&mut self, id: u64, entry: Entry) {
        if let Some(old) = self.entries.insert(id, Arc::new(entry)).filter(|_| self.number > 0) {
            self.past.push((self.number, id, old));
        }
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
        if let Some(table) = schema.table(&map.database, &map.table) {
            map = metadata::with_fractions(map, table);
        }
        self.doubts.set_case(schema.case);
        self.quarantine.set_case(schema.case);
        let own = schema.case.same(&map.database, &self.schema_database);
        if !own && let Some(mended) = self.mended(&map, schema) {
            return Ok(Resolved::Mended(Box::new(mended)));
        }
        let layouts = if self.counts_left_out && !own { left_out::layouts(&map) } else { Vec::new() };
        let resolved = if own { self.own_table(map, schema) } else { self.user_table(map, schema) };
        match resolved {
            Ok(slot) => {
                self.insert(id, Entry { map_body: Bytes::copy_from_slice(&event.body), own, slot, layouts });
                Ok(Resolved::Ready)
            }
            Err(Unready::Needs(need)) => Ok(Resolved::Needs(need)),
            Err(Unready::Mended(mended)) => Ok(Resolved::Mended(mended)),
        }
    }

    /// Puts a mended definition in the place of the wrong one, and ends the doubt about it.
    pub fn install_mended(&mut self, mended: Mended, schema: &mut Schema) -> Option<SchemaChange> {
        let Mended { def, .. } = mended;
        let (database, table) = (def.database.clone(), def.name.clone());
        self.accept(Captured { database, database_charset: None, table, def: Some(def), hidden: 0 }, schema)
    }

    /// A definition is proved from here on; what it changes.
    fn accept(&mut self, captured: Captured, schema: &mut Schema) -> Option<SchemaChange> {
        let name = TableName::new(&captured.database, &captured.table);
        self.doubts.settle_by_map(&name);
        self.prove(&name, captured.def.as_ref(), captured.hidden);
        doubt::install(schema, captured)
    }

    /// What the table map itself proves. `server` is the server's definition of now, if it was asked.
    fn rebuild(&self, map: &TableMap, schema: &Schema, server: Option<&Table>) -> Option<Rebuild> {
        let tracked = schema.table(&map.database, &map.table);
        let known = Known {
            tracked: tracked.map(|t| &**t),
            doubted: self.doubts.is_doubted(&map.database, &map.table),
            server,
            vectors: map.flavor == Flavor::MariaDb && self.server_version >= MARIADB_VECTOR,
        };
        mend::rebuild(tracked, &known, map)
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

    fn user_table(&mut self, map: TableMap, schema: &Schema) -> Result<Option<Arc<TableSlot>>, Unready> {
        let name = TableName::new(&map.database, &map.table);
        if self.filter.blacklisted(&map.database, &map.table) {
            return Ok(None);
        }
        let table = schema.table(&map.database, &map.table);
        // The names of the table map are those of its rows; tracked ones may be wrong.
        let (database, known_as) = table.map_or((&map.database, &map.table), |t| (&t.database, &t.name));
        let columns: Vec<&str> = match (&map.names, table) {
            (Some(names), _) => names.iter().map(String::as_str).collect(),
            (None, Some(table)) => table.columns.iter().map(|c| c.name.as_str()).collect(),
            (None, None) => Vec::new(),
        };
        let verdict = self.filter.verdict(database, known_as, &columns);
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
            (Some(table), None) if !doubted => {
                let as_maxwell = seen_by_maxwell(schema, &table);
                Ok(Some(self.slot(map, table, as_maxwell, verdict, TableRole::User)))
            }
            (_, contradiction) => {
                let stuck = !doubted && self.quarantine.is_stuck(&name);
                let asking_is_vain = stuck || self.doubts.was_asked(&map.database, &map.table, map.names.is_some());
                let stated = match self.rebuild(&map, schema, None) {
                    Some(Rebuild::Proved(mended)) if asking_is_vain || !doubted => return Err(Unready::Mended(Box::new(mended))),
                    Some(Rebuild::Nearly(mended)) if asking_is_vain => return Err(Unready::Mended(Box::new(mended))),
                    Some(Rebuild::Proved(_) | Rebuild::Nearly(_)) => true,
                    Some(Rebuild::Open(_)) | None => false,
                };
                if self.quarantine.is_on() && asking_is_vain {
                    return Ok(Some(self.unproved_slot(map)));
                }
                let in_doubt = self.doubts.cause(&map.database, &map.table).map(|cause| in_doubt(&cause));
                Err(Unready::Needs(Need { name, why: in_doubt.or(contradiction).unwrap_or_default(), stated }))
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
        self.slot(map, Arc::new(table), None, Verdict::Keep, TableRole::Unproved)
    }

    /// Rows of this slot are held in the transaction that comes: what was known of the table when they were read is no proof.
    pub fn hold_slot(&mut self, slot: &TableSlot) {
        let by = self.unproved_slot(slot.map.clone());
        self.quarantine.stand_in(slot.id, by);
    }

    /// The next rows that were held and need not be any more.
    pub fn next_held(&mut self, schema: &Schema) -> Result<Option<super::quarantine::HeldRows>> {
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
            let as_maxwell = seen_by_maxwell(schema, def);
            let map = proof.map_of(&unproved.map);
            Some(Arc::new(TableSlot { id, map, table: def.clone(), as_maxwell, verdict, role: TableRole::User }))
        })
    }

    /// Our own tables: heartbeats are read, inserts into `bootstrap` are output, all else is passed over (contract §3.8, §9.1).
    fn own_table(&mut self, map: TableMap, schema: &Schema) -> Result<Option<Arc<TableSlot>>, Unready> {
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
                Ok(Some(self.slot(map, Arc::new(table), None, Verdict::Drop, TableRole::Heartbeats)))
            }
            "bootstrap" => match schema.table(&map.database, &map.table).cloned() {
                Some(table) => Ok(Some(self.slot(map, table, None, Verdict::Keep, TableRole::Bootstrap))),
                None => {
                    let name = TableName::new(&map.database, &map.table);
                    Err(Unready::Needs(Need { name, why: "it is not in the tracked schema".into(), stated: false }))
                }
            },
            _ => Ok(None),
        }
    }

    /// Numbers of slots are unique in the process: one assembler that stands in for another takes them over, and gives
    /// them back.
    pub fn next_slot(&self) -> u64 {
        self.next_slot
    }

    pub fn take_slots_from(&mut self, next: u64) {
        self.next_slot = self.next_slot.max(next);
    }

    fn slot(
        &mut self,
        map: TableMap,
        table: Arc<Table>,
        as_maxwell: Option<Arc<Table>>,
        verdict: Verdict,
        role: TableRole,
    ) -> Arc<TableSlot> {
        let id = self.next_slot;
        self.next_slot += 1;
        Arc::new(TableSlot { id, map, table, as_maxwell, verdict, role })
    }

    /// A definition was read for this table map: from the server, or from the store, which says that it was accepted for
    /// this very place before. It is believed only if the map carries names and all agree, or if it comes from the store
    /// and fits; else a shape that fits is no proof (design §5.3). If what the server has is not believed, the table map's
    /// own word is, as far as it goes.
    pub fn answer_map(
        &mut self,
        (event, at): (&RawEvent, &BinlogPosition),
        flavor: Flavor,
        schema: &mut Schema,
        captured: &[Captured],
        stored: bool,
    ) -> Result<Answered> {
        let map = TableMap::parse(event, flavor).map_err(unreadable)?;
        let case = schema.case;
        let of_map = |c: &&Captured| case.same(&c.database, &map.database) && case.same(&c.table, &map.table);
        let found: Vec<&Captured> = captured.iter().filter(of_map).chain(self.doubts.candidate(&map.database, &map.table)).collect();
        let database_charset = found.iter().find_map(|c| c.database_charset.clone());
        let found: Vec<(&Captured, &Arc<Table>)> = found.into_iter().filter_map(|c| Some((c, c.def.as_ref()?))).collect();
        let believed = match &map.names {
            None if !stored => None,
            _ => found.iter().find(|(_, def)| metadata::differences(def, &map).is_empty()),
        };
        if let Some((fitting, _)) = believed {
            let fitting = Captured::clone(fitting);
            return self.proved(event, flavor, schema, fitting);
        }
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
        let newest = found.first().map(|(_, def)| *def);
        let why = match newest {
            None => "the server does not have this table now".to_owned(),
            Some(_) if map.names.is_none() => "its rows carry no column names".to_owned(),
            Some(def) => {
                let difference = metadata::differences(def, &map).into_iter().next().map(|d| d.to_string()).unwrap_or_default();
                format!("the server's definition of now differs from the binlog's: {difference}")
            }
        };
        if stored {
            return Ok(Answered::Unproved(why));
        }
        match self.rebuild(&map, schema, newest.map(|def| &**def)) {
            Some(Rebuild::Proved(mended) | Rebuild::Nearly(mended)) => {
                tracing::warn!(%at, "the definition of {}.{} is made from the binlog's row metadata: {why}", map.database, map.table);
                mended.log(at);
                let (database, table) = (mended.def.database.clone(), mended.def.name.clone());
                self.proved(event, flavor, schema, Captured { database, database_charset, table, def: Some(mended.def), hidden: 0 })
            }
            Some(Rebuild::Open(open)) => Ok(Answered::Unproved(format!("{why}; and the binlog does not say {open}"))),
            None => Ok(Answered::Unproved(why)),
        }
    }

    fn proved(&mut self, event: &RawEvent, flavor: Flavor, schema: &mut Schema, captured: Captured) -> Result<Answered> {
        let change = self.accept(captured, schema);
        match self.map(event, flavor, schema)? {
            Resolved::Ready => Ok(Answered::Proved(change.into_iter().collect())),
            Resolved::Mended(mended) => Err(Error::bug(format!("{}: still not resolved: it would be mended", mended.def.name))),
            Resolved::Needs(need) => Err(Error::bug(format!("{}: still not resolved: {}", need.name.database, need.why))),
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
        self.insert(id, Entry { map_body: Bytes::copy_from_slice(&event.body), own: false, slot: Some(slot), layouts: Vec::new() });
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

/// Why a table is in doubt, with the statement that left it so.
fn in_doubt(cause: &Cause) -> String {
    match cause.statement.as_str() {
        "" => format!("its definition is in doubt since {}: {}", cause.at, cause.why),
        statement => format!("a statement at {} left its definition in doubt ({}): {statement}", cause.at, cause.why),
    }
}

/// The definition that Maxwell has of a table, if it is another.
fn seen_by_maxwell(schema: &Schema, table: &Arc<Table>) -> Option<Arc<Table>> {
    schema.as_maxwell.as_ref()?.table(table)
}

fn unreadable(error: crate::binlog::DecodeError) -> Error {
    Error::definite("a table map cannot be read").source(error)
}
