//! Which definitions are in doubt, and what proves them again (design §5.3).
//!
//! A definition read from the server between two of its log positions is accepted only if a table map carries names
//! and all agree, or if the stream has reached the second position and no statement that can concern the table stood
//! between. A matching shape alone is no proof: swapped columns of equal type look the same.

use std::sync::Arc;

use crate::position::BinlogPosition;
use crate::schema::delta::SchemaChange;
use crate::schema::{CaseRule, Database, Schema, Table};

/// A table, or with `None` every table of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    pub database: String,
    pub table: Option<String>,
}

/// What the server says of a table now. `def` is `None` when it does not exist there.
#[derive(Debug, Clone)]
pub struct Captured {
    pub database: String,
    pub database_charset: Option<String>,
    pub table: String,
    pub def: Option<Arc<Table>>,
}

/// A definition that becomes proved when the stream reaches `reached`.
#[derive(Debug)]
struct Candidate {
    captured: Captured,
    reached: BinlogPosition,
}

#[derive(Debug)]
struct Doubt {
    name: TableName,
    /// Where the stream has to come for the definitions read last to be proved; `None` while they are being read.
    until: Option<BinlogPosition>,
}

#[derive(Debug, Default)]
pub struct Doubts {
    /// Statements before this place ran while the first capture was taken.
    window: Option<BinlogPosition>,
    doubted: Vec<Doubt>,
    candidates: Vec<Candidate>,
    case: CaseRule,
}

impl TableName {
    pub fn new(database: &str, table: &str) -> Self {
        TableName { database: database.into(), table: Some(table.into()) }
    }

    fn covers(&self, case: CaseRule, database: &str, table: &str) -> bool {
        case.same(&self.database, database) && self.table.as_ref().is_none_or(|t| case.same(t, table))
    }
}

impl Doubts {
    pub fn captured_until(&mut self, until: BinlogPosition) {
        self.window = Some(until);
    }

    /// The stream comes from another server now, on which the old one's places mean nothing: whatever was read from a
    /// server before is proved at `until`, this server's log end. True if definitions of the first capture are among it.
    pub fn server_changed(&mut self, until: &BinlogPosition) -> bool {
        let places = self.window.iter_mut().chain(self.doubted.iter_mut().filter_map(|d| d.until.as_mut()));
        places.chain(self.candidates.iter_mut().map(|c| &mut c.reached)).for_each(|place| *place = until.clone());
        self.window.is_some()
    }

    pub fn set_case(&mut self, case: CaseRule) {
        self.case = case;
    }

    /// Puts tables in doubt. Candidates for them were read before this statement, so they are void.
    pub fn raise(&mut self, tables: &[TableName]) {
        let case = self.case;
        for name in tables {
            self.candidates.retain(|c| !name.covers(case, &c.captured.database, &c.captured.table));
            self.doubted.retain(|d| d.name != *name);
            self.doubted.push(Doubt { name: name.clone(), until: None });
        }
    }

    /// The tables of which an understood statement says too little: all that it names if it stands inside the capture
    /// window, or if it builds on a definition that is in doubt. Not some of them only, because then the statement as a
    /// whole is not applied. Empty if it is to be believed; what it says the whole definition of is then in doubt no more.
    pub fn statement(&mut self, changes: &[SchemaChange], at: &BinlogPosition) -> Vec<TableName> {
        let in_window = self.window.as_ref().is_some_and(|until| at.is_before(until));
        let named: Vec<(TableName, bool)> = changes.iter().flat_map(names_of).collect();
        if in_window || named.iter().any(|(name, whole)| !whole && self.is_doubted_name(name)) {
            return named.into_iter().map(|(name, _)| name).collect();
        }
        named.iter().filter(|(_, whole)| *whole).for_each(|(name, _)| self.settle(name));
        Vec::new()
    }

    /// Whether a statement may turn out not to be believed.
    pub fn is_uneasy(&self) -> bool {
        self.window.is_some() || self.pending()
    }

    /// Whether anything is in doubt that no stored version tells of.
    pub fn pending(&self) -> bool {
        !(self.doubted.is_empty() && self.candidates.is_empty())
    }

    pub fn is_doubted(&self, database: &str, table: &str) -> bool {
        self.doubted.iter().any(|d| d.name.covers(self.case, database, table))
    }

    fn is_doubted_name(&self, name: &TableName) -> bool {
        match &name.table {
            Some(table) => self.is_doubted(&name.database, table),
            None => self.doubted.iter().any(|d| self.case.same(&d.name.database, &name.database)),
        }
    }

    /// Definitions read from the server, to be proved when the stream reaches `reached`.
    pub fn candidates(&mut self, captured: Vec<Captured>, reached: BinlogPosition) {
        for doubt in self.doubted.iter_mut().filter(|d| d.until.is_none()) {
            doubt.until = Some(reached.clone());
        }
        self.candidates.extend(captured.into_iter().map(|captured| Candidate { captured, reached: reached.clone() }));
    }

    /// The candidates that are proved now that the stream stands at `at`.
    pub fn proved_at(&mut self, at: &BinlogPosition) -> Vec<Captured> {
        if self.window.as_ref().is_some_and(|until| !at.is_before(until)) {
            self.window = None;
        }
        if !self.pending() {
            return Vec::new();
        }
        let (due, waiting) = std::mem::take(&mut self.candidates).into_iter().partition(|c: &Candidate| !at.is_before(&c.reached));
        self.candidates = waiting;
        let due: Vec<Captured> = due.into_iter().map(|c: Candidate| c.captured).collect();
        for captured in &due {
            self.settle(&TableName::new(&captured.database, &captured.table));
        }
        // Also a doubt of which the server knew no table, such as one over a database that is gone.
        self.doubted.retain(|d| d.until.as_ref().is_none_or(|until| at.is_before(until)));
        due
    }

    /// The table is proved.
    pub fn settle(&mut self, name: &TableName) {
        let case = self.case;
        if let Some(table) = &name.table {
            self.doubted.retain(|d| !(d.name.table.is_some() && d.name.covers(case, &name.database, table)));
            self.candidates.retain(|c| !name.covers(case, &c.captured.database, &c.captured.table));
        }
    }
}

/// The tables that a change concerns, and whether it says all there is to know of each.
fn names_of(change: &SchemaChange) -> Vec<(TableName, bool)> {
    match change {
        SchemaChange::TableCreate { database, table, .. } | SchemaChange::TableDrop { database, table } => {
            vec![(TableName::new(database, table), true)]
        }
        SchemaChange::TableAlter { database, table, def, .. } => {
            let old = TableName::new(database, table);
            let new = TableName::new(&def.database, &def.name);
            if old == new { vec![(old, false)] } else { vec![(old, false), (new, false)] }
        }
        SchemaChange::DatabaseDrop { database } => vec![(TableName { database: database.clone(), table: None }, true)],
        SchemaChange::DatabaseCreate { .. } | SchemaChange::DatabaseAlter { .. } => Vec::new(),
    }
}

/// Puts a proved definition into the schema; the change, if it is one.
pub fn install(schema: &mut Schema, captured: Captured) -> Option<SchemaChange> {
    let case = schema.case;
    if captured.def.is_some() && schema.database(&captured.database).is_none() {
        let charset = captured.database_charset.clone().unwrap_or_else(|| schema.charset.clone());
        schema.databases.push(Database { name: captured.database.clone(), charset, tables: Vec::new() });
    }
    let database = schema.database_mut(&captured.database)?;
    let index = database.tables.iter().position(|t| case.same(&t.name, &captured.table));
    let (name, table) = (captured.database, captured.table);
    match (index, captured.def) {
        (Some(i), Some(def)) if *database.tables[i] == *def => None,
        (Some(i), Some(def)) => {
            let old = std::mem::replace(&mut database.tables[i], def.clone());
            Some(SchemaChange::TableAlter { database: name, table, old, def })
        }
        (Some(i), None) => {
            database.tables.remove(i);
            Some(SchemaChange::TableDrop { database: name, table })
        }
        (None, Some(def)) => {
            database.tables.push(def.clone());
            Some(SchemaChange::TableCreate { database: name, table, def })
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Arc<Table> {
        Arc::new(Table { database: "d".into(), name: name.into(), charset: None, columns: vec![], primary_key: vec![] })
    }

    fn captured(name: &str) -> Captured {
        Captured { database: "d".into(), database_charset: None, table: name.into(), def: Some(table(name)) }
    }

    fn at(offset: u64) -> BinlogPosition {
        BinlogPosition::new("b.000001", offset)
    }

    #[test]
    fn a_candidate_is_proved_when_the_stream_reaches_it() {
        let mut doubts = Doubts::default();
        doubts.raise(&[TableName::new("d", "t")]);
        doubts.candidates(vec![captured("t")], at(100));
        assert!(doubts.proved_at(&at(99)).is_empty() && doubts.is_doubted("d", "t"));
        assert_eq!(doubts.proved_at(&at(100)).len(), 1);
        assert!(!doubts.is_doubted("d", "t"));
    }

    #[test]
    fn a_doubt_of_which_the_server_knows_nothing_ends_too() {
        let mut doubts = Doubts::default();
        doubts.raise(&[TableName { database: "gone".into(), table: None }]);
        doubts.candidates(Vec::new(), at(100));
        assert!(doubts.proved_at(&at(99)).is_empty() && doubts.pending());
        assert!(doubts.proved_at(&at(100)).is_empty() && !doubts.pending());
    }

    #[test]
    fn a_later_statement_voids_the_candidate() {
        let mut doubts = Doubts::default();
        doubts.raise(&[TableName::new("d", "t")]);
        doubts.candidates(vec![captured("t")], at(100));
        let alter = SchemaChange::TableAlter { database: "d".into(), table: "t".into(), old: table("t"), def: table("t") };
        let left = doubts.statement(&[alter], &at(50));
        assert_eq!(left, [TableName::new("d", "t")]);
        doubts.raise(&left);
        assert!(doubts.proved_at(&at(100)).is_empty() && doubts.is_doubted("d", "t"));
    }

    #[test]
    fn one_table_in_doubt_puts_the_whole_statement_in_doubt() {
        let mut doubts = Doubts::default();
        doubts.raise(&[TableName::new("d", "t")]);
        let rename =
            |from: &str, to: &str| SchemaChange::TableAlter { database: "d".into(), table: from.into(), old: table(from), def: table(to) };
        let named = doubts.statement(&[rename("a", "b"), rename("t", "u")], &at(10));
        assert_eq!(named, ["a", "b", "t", "u"].map(|t| TableName::new("d", t)));
        assert!(doubts.statement(&[rename("a", "b")], &at(10)).is_empty());
    }

    #[test]
    fn a_whole_definition_ends_the_doubt_but_not_inside_the_capture_window() {
        let create = SchemaChange::TableCreate { database: "d".into(), table: "t".into(), def: table("t") };
        let mut doubts = Doubts::default();
        doubts.raise(&[TableName::new("d", "t")]);
        assert!(doubts.statement(std::slice::from_ref(&create), &at(10)).is_empty());
        assert!(!doubts.is_doubted("d", "t"));
        doubts.captured_until(at(100));
        assert_eq!(doubts.statement(std::slice::from_ref(&create), &at(99)).len(), 1);
        assert!(doubts.proved_at(&at(100)).is_empty());
        assert!(doubts.statement(&[create], &at(100)).is_empty());
    }

    #[test]
    fn another_server_has_places_of_its_own() {
        let mut doubts = Doubts::default();
        assert!(!doubts.server_changed(&at(9)));
        doubts.captured_until(at(100));
        doubts.raise(&[TableName::new("d", "t")]);
        doubts.candidates(vec![captured("t")], at(100));
        // Places beyond the old bound on the new server are before the capture all the same.
        assert!(doubts.server_changed(&at(5000)));
        let create = SchemaChange::TableCreate { database: "d".into(), table: "u".into(), def: table("u") };
        assert_eq!(doubts.statement(std::slice::from_ref(&create), &at(4000)).len(), 1);
        assert!(doubts.proved_at(&at(4000)).is_empty() && doubts.is_doubted("d", "t"));
        assert_eq!(doubts.proved_at(&at(5000)).len(), 1);
        assert!(!doubts.is_doubted("d", "t") && doubts.statement(&[create], &at(5000)).is_empty());
    }

    #[test]
    fn install_says_what_changed() {
        let mut schema = Schema::default();
        assert!(matches!(install(&mut schema, captured("t")), Some(SchemaChange::TableCreate { .. })));
        assert!(install(&mut schema, captured("t")).is_none());
        let gone = Captured { def: None, ..captured("t") };
        assert!(matches!(install(&mut schema, gone), Some(SchemaChange::TableDrop { .. })));
    }
}
