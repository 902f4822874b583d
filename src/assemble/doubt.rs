//! Which definitions are in doubt, and what proves them again (design §5.3).
//!
//! A definition read from the server between two of its log positions is accepted only if a table map carries names
//! and all agree, or if the stream has reached the second position and no statement that can concern the table stood
//! between. A matching shape alone is no proof: swapped columns of equal type look the same.

use std::sync::Arc;

pub use crate::position::Bound;
use crate::position::{BinlogPosition, Gtids};
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
    /// Columns of the server's own behind those of the definition (MariaDB's unique keys over long values).
    pub hidden: usize,
}

/// Why a definition is in doubt: a statement, or a table map that does not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub why: String,
    /// The statement's text, shortened; empty for a table map.
    pub statement: String,
    pub at: BinlogPosition,
}

/// A definition that becomes proved when the stream reaches `reached`.
#[derive(Debug)]
struct Candidate {
    captured: Captured,
    reached: Bound,
}

#[derive(Debug)]
struct Doubt {
    name: TableName,
    /// Where the stream has to come for the definitions read last to be proved; `None` while they are being read.
    until: Option<Bound>,
    /// Whether the server was asked again because a table map came with column names.
    asked_by_names: bool,
    /// Tables of a doubted database whose own table maps have proved them since.
    proved: Vec<String>,
    cause: Arc<Cause>,
}

impl Doubt {
    fn covers(&self, case: CaseRule, database: &str, table: &str) -> bool {
        self.name.covers(case, database, table) && !self.proved.iter().any(|t| case.same(t, table))
    }
}

#[derive(Debug, Default)]
pub struct Doubts {
    /// Statements before this place ran while the first capture was taken.
    window: Option<Bound>,
    doubted: Vec<Doubt>,
    candidates: Vec<Candidate>,
    case: CaseRule,
}

impl TableName {
    pub fn new(database: &str, table: &str) -> Self {
        TableName { database: database.into(), table: Some(table.into()) }
    }

    pub(super) fn covers(&self, case: CaseRule, database: &str, table: &str) -> bool {
        case.same(&self.database, database) && self.table.as_ref().is_none_or(|t| case.same(t, table))
    }
}

impl Doubts {
    pub fn captured_until(&mut self, until: Bound) {
        self.window = Some(until);
    }

    /// The stream comes from another server now, on which the old one's places mean nothing. What was read together with
    /// an executed set is proved when the stream has executed that set; anything else that was read from a server before,
    /// at `end`, this server's log end. Up to where statements may be in the definitions of the first capture, if that
    /// place is still ahead.
    pub fn server_changed(&mut self, end: &BinlogPosition) -> Option<Bound> {
        let places = self.window.iter_mut().chain(self.doubted.iter_mut().filter_map(|d| d.until.as_mut()));
        for place in places.chain(self.candidates.iter_mut().map(|c| &mut c.reached)) {
            *place = place.on_another_server(end);
        }
        self.window.clone()
    }

    pub fn set_case(&mut self, case: CaseRule) {
        self.case = case;
    }

    /// Puts tables in doubt. Candidates for them were read before this statement, so they are void.
    pub fn raise(&mut self, tables: &[TableName], cause: &Arc<Cause>) {
        let case = self.case;
        for name in tables {
            self.candidates.retain(|c| !name.covers(case, &c.captured.database, &c.captured.table));
            self.doubted.retain(|d| d.name != *name);
            self.doubted.push(Doubt { name: name.clone(), until: None, asked_by_names: false, proved: Vec::new(), cause: cause.clone() });
        }
    }

    /// The tables of which an understood statement says too little: all that it names if it stands inside the capture
    /// window, or if it builds on a definition that is in doubt. Not some of them only, because then the statement as a
    /// whole is not applied. Empty if it is to be believed; what it says the whole definition of is then in doubt no more.
    /// `before` is the schema that the statement found.
    pub fn statement(&mut self, changes: &[SchemaChange], at: &BinlogPosition, before: &Schema) -> Vec<TableName> {
        let in_window = self.is_in_window(at);
        let mut named: Vec<(TableName, bool)> = changes.iter().flat_map(names_of).collect();
        for change in changes {
            if let SchemaChange::TableCreate { database, table, def } = change
                && self.is_copy_of_doubted(def, before)
            {
                // As if it named the other one.
                let name = TableName::new(database, table);
                named.retain(|(n, _)| *n != name);
                named.push((name.clone(), false));
                return named.into_iter().map(|(name, _)| name).collect();
            }
        }
        if in_window || named.iter().any(|(name, whole)| !whole && self.is_doubted_name(name)) {
            return named.into_iter().map(|(name, _)| name).collect();
        }
        for (name, _) in named.iter().filter(|(_, whole)| *whole) {
            self.settle(name);
            // A table that is made anew takes after its database, which is still in doubt.
            if let Some(table) = &name.table {
                let of_database = self.doubted.iter_mut().filter(|d| self.case.same(&d.name.database, &name.database));
                of_database.for_each(|d| d.proved.retain(|t| !self.case.same(t, table)));
            }
        }
        Vec::new()
    }

    /// Whether a statement here may be in the definitions of the first capture already.
    pub fn is_in_window(&self, at: &BinlogPosition) -> bool {
        self.window.as_ref().is_some_and(|until| !until.is_reached(at, None))
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
        self.doubting(database, table).is_some()
    }

    /// Why a table is in doubt, if it is.
    pub fn cause(&self, database: &str, table: &str) -> Option<Arc<Cause>> {
        self.doubting(database, table).map(|d| d.cause.clone())
    }

    fn doubting(&self, database: &str, table: &str) -> Option<&Doubt> {
        self.doubted.iter().find(|d| d.covers(self.case, database, table))
    }

    /// Everything that is in doubt.
    pub fn names(&self) -> Vec<TableName> {
        self.doubted.iter().map(|d| d.name.clone()).collect()
    }

    /// Whether asking the server about a doubted table is of no use for this table map: its log only moves on, so it was
    /// nearest to the map when it was asked first. A map with names is worth one more question.
    pub fn was_asked(&self, database: &str, table: &str, with_names: bool) -> bool {
        self.doubting(database, table).is_some_and(|d| d.until.is_some() && (d.asked_by_names || !with_names))
    }

    pub fn asked_by_names(&mut self, database: &str, table: &str) {
        let case = self.case;
        self.doubted.iter_mut().filter(|d| d.name.covers(case, database, table)).for_each(|d| d.asked_by_names = true);
    }

    /// The definition that was read first after the table came in doubt.
    pub fn candidate(&self, database: &str, table: &str) -> Option<&Captured> {
        let name = TableName::new(database, table);
        self.candidates.iter().map(|c| &c.captured).find(|c| name.covers(self.case, &c.database, &c.table))
    }

    /// Whether a new table looks like CREATE TABLE … LIKE of one that is in doubt: all columns of that one, perhaps behind
    /// an invisible key. The statement's text is not known here, so another one that looks so is taken for a copy too.
    fn is_copy_of_doubted(&self, def: &Table, before: &Schema) -> bool {
        let tables = self.doubted.iter().flat_map(|doubt| {
            let of_database = before.database(&doubt.name.database).map_or(&[][..], |d| &d.tables[..]);
            of_database.iter().filter(|t| doubt.name.covers(self.case, &doubt.name.database, &t.name))
        });
        tables.into_iter().any(|t| !t.columns.is_empty() && def.columns.ends_with(&t.columns))
    }

    fn is_doubted_name(&self, name: &TableName) -> bool {
        match &name.table {
            Some(table) => self.is_doubted(&name.database, table),
            None => self.doubted.iter().any(|d| self.case.same(&d.name.database, &name.database)),
        }
    }

    /// Definitions read from the server, to be proved when the stream reaches `reached`.
    pub fn candidates(&mut self, captured: Vec<Captured>, reached: Bound) {
        for doubt in self.doubted.iter_mut().filter(|d| d.until.is_none()) {
            doubt.until = Some(reached.clone());
        }
        self.candidates.extend(captured.into_iter().map(|captured| Candidate { captured, reached: reached.clone() }));
    }

    /// The candidates that are proved now that the stream stands at `at` and has executed this set.
    pub fn proved_at(&mut self, at: &BinlogPosition, executed: Option<&Gtids>) -> Vec<Captured> {
        if self.window.as_ref().is_some_and(|until| until.is_reached(at, executed)) {
            self.window = None;
        }
        if !self.pending() {
            return Vec::new();
        }
        let (due, waiting) = std::mem::take(&mut self.candidates).into_iter().partition(|c: &Candidate| c.reached.is_reached(at, executed));
        self.candidates = waiting;
        let due: Vec<Captured> = due.into_iter().map(|c: Candidate| c.captured).collect();
        for captured in &due {
            self.settle(&TableName::new(&captured.database, &captured.table));
        }
        // Also a doubt of which the server knew no table, such as one over a database that is gone.
        self.doubted.retain(|d| d.until.as_ref().is_none_or(|until| !until.is_reached(at, executed)));
        due
    }

    /// These are in doubt no more, whole databases too.
    pub fn forget(&mut self, names: &[TableName]) {
        let case = self.case;
        self.doubted.retain(|d| !names.contains(&d.name));
        self.candidates.retain(|c| !names.iter().any(|n| n.covers(case, &c.captured.database, &c.captured.table)));
    }

    /// A table map has proved the table, whatever is in doubt of its database.
    pub fn settle_by_map(&mut self, name: &TableName) {
        self.settle(name);
        let Some(table) = &name.table else { return };
        let case = self.case;
        self.doubted.iter_mut().filter(|d| d.covers(case, &name.database, table)).for_each(|d| d.proved.push(table.clone()));
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

/// The tables that changes concern.
pub fn concerned(changes: &[SchemaChange]) -> Vec<TableName> {
    changes.iter().flat_map(names_of).map(|(name, _)| name).collect()
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
    let change = put(schema, captured)?;
    if let Some(mut view) = schema.as_maxwell.take() {
        Arc::make_mut(&mut view).proved(&change, schema);
        schema.as_maxwell = Some(view);
    }
    Some(change)
}

fn put(schema: &mut Schema, captured: Captured) -> Option<SchemaChange> {
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
        Captured { database: "d".into(), database_charset: None, table: name.into(), def: Some(table(name)), hidden: 0 }
    }

    fn cause() -> Arc<Cause> {
        Arc::new(Cause { why: "it is a test".into(), statement: String::new(), at: at(4) })
    }

    fn at(offset: u64) -> BinlogPosition {
        BinlogPosition::new("b.000001", offset)
    }

    #[test]
    fn a_candidate_is_proved_when_the_stream_reaches_it() {
        let mut doubts = Doubts::default();
        doubts.raise(&[TableName::new("d", "t")], &cause());
        doubts.candidates(vec![captured("t")], at(100).into());
        assert!(doubts.proved_at(&at(99), None).is_empty() && doubts.is_doubted("d", "t"));
        assert_eq!(doubts.proved_at(&at(100), None).len(), 1);
        assert!(!doubts.is_doubted("d", "t"));
    }

    /// After a failover file and offset are another server's; the executed set tells.
    #[test]
    fn on_another_server_the_executed_set_proves() {
        let set = |text: &str| Gtids::parse(text).expect("a set");
        let (half, whole) = (set("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"), set("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9"));
        let doubted = || {
            let mut doubts = Doubts::default();
            doubts.raise(&[TableName::new("d", "t")], &cause());
            doubts.candidates(vec![captured("t")], Bound { at: at(100), gtids: Some(whole.clone()), foreign: false });
            doubts
        };
        let mut doubts = doubted();
        assert_eq!(doubts.server_changed(&at(50)), None);
        assert!(
            doubts.proved_at(&BinlogPosition::new("b.000077", 4), Some(&half)).is_empty(),
            "a later file of another server proves nothing"
        );
        assert!(doubts.pending());
        assert_eq!(doubts.proved_at(&at(4), Some(&whole)).len(), 1);
        assert!(!doubts.pending());
        // On the same server either will do.
        assert_eq!(doubted().proved_at(&at(100), Some(&half)).len(), 1);
        assert!(doubted().proved_at(&at(99), Some(&half)).is_empty());
    }

    #[test]
    fn the_capture_window_goes_along_to_another_server() {
        let set = |text: &str| Gtids::parse(text).expect("a set");
        let (half, whole) = (set("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5"), set("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9"));
        let create = || [SchemaChange::TableCreate { database: "d".into(), table: "t".into(), def: table("t") }];
        let mut doubts = Doubts::default();
        doubts.captured_until(Bound { at: at(100), gtids: Some(whole.clone()), foreign: false });
        assert_eq!(doubts.server_changed(&at(50)), Some(Bound::of_gtids(whole.clone())));
        doubts.proved_at(&at(5000), Some(&half));
        assert_eq!(doubts.statement(&create(), &at(5000), &Schema::default()).len(), 1, "far behind on the new server, and yet before");
        doubts.forget(&[TableName::new("d", "t")]);
        doubts.proved_at(&at(60), Some(&whole));
        assert!(doubts.statement(&create(), &at(60), &Schema::default()).is_empty());
    }

    #[test]
    fn a_doubt_of_which_the_server_knows_nothing_ends_too() {
        let mut doubts = Doubts::default();
        doubts.raise(&[TableName { database: "gone".into(), table: None }], &cause());
        doubts.candidates(Vec::new(), at(100).into());
        assert!(doubts.proved_at(&at(99), None).is_empty() && doubts.pending());
        assert!(doubts.proved_at(&at(100), None).is_empty() && !doubts.pending());
    }

    #[test]
    fn a_later_statement_voids_the_candidate() {
        let mut doubts = Doubts::default();
        doubts.raise(&[TableName::new("d", "t")], &cause());
        doubts.candidates(vec![captured("t")], at(100).into());
        let alter = SchemaChange::TableAlter { database: "d".into(), table: "t".into(), old: table("t"), def: table("t") };
        let left = doubts.statement(&[alter], &at(50), &Schema::default());
        assert_eq!(left, [TableName::new("d", "t")]);
        doubts.raise(&left, &cause());
        assert!(doubts.proved_at(&at(100), None).is_empty() && doubts.is_doubted("d", "t"));
    }

    #[test]
    fn one_table_in_doubt_puts_the_whole_statement_in_doubt() {
        let mut doubts = Doubts::default();
        doubts.raise(&[TableName::new("d", "t")], &cause());
        let rename =
            |from: &str, to: &str| SchemaChange::TableAlter { database: "d".into(), table: from.into(), old: table(from), def: table(to) };
        let named = doubts.statement(&[rename("a", "b"), rename("t", "u")], &at(10), &Schema::default());
        assert_eq!(named, ["a", "b", "t", "u"].map(|t| TableName::new("d", t)));
        assert!(doubts.statement(&[rename("a", "b")], &at(10), &Schema::default()).is_empty());
    }

    #[test]
    fn a_copy_of_a_doubted_table_is_in_doubt_too() {
        let with = |name: &str, columns: &[&str]| {
            let columns =
                columns.iter().map(|c| crate::schema::Column { name: (*c).into(), ty: crate::schema::ColumnType::Double }).collect();
            Arc::new(Table { columns, ..Table::clone(&table(name)) })
        };
        let database = Database { name: "d".into(), charset: "latin1".into(), tables: vec![with("t", &["a", "b"]), with("v", &["c"])] };
        let before = Schema { databases: vec![database], ..Schema::default() };
        let create = |columns: &[&str]| [SchemaChange::TableCreate { database: "d".into(), table: "u".into(), def: with("u", columns) }];
        let mut doubts = Doubts::default();
        let named = |doubts: &mut Doubts, columns: &[&str]| doubts.statement(&create(columns), &at(10), &before).len();
        assert_eq!(named(&mut doubts, &["a", "b"]), 0, "nothing is in doubt");
        doubts.raise(&[TableName::new("d", "t")], &cause());
        assert_eq!(named(&mut doubts, &["a", "b"]), 1);
        assert_eq!(named(&mut doubts, &["my_row_id", "a", "b"]), 1);
        assert_eq!((named(&mut doubts, &["b", "a"]), named(&mut doubts, &["c"])), (0, 0));
        doubts.raise(&[TableName { database: "d".into(), table: None }], &cause());
        assert_eq!(named(&mut doubts, &["c"]), 1);
    }

    #[test]
    fn a_whole_definition_ends_the_doubt_but_not_inside_the_capture_window() {
        let create = SchemaChange::TableCreate { database: "d".into(), table: "t".into(), def: table("t") };
        let mut doubts = Doubts::default();
        doubts.raise(&[TableName::new("d", "t")], &cause());
        assert!(doubts.statement(std::slice::from_ref(&create), &at(10), &Schema::default()).is_empty());
        assert!(!doubts.is_doubted("d", "t"));
        doubts.captured_until(at(100).into());
        assert_eq!(doubts.statement(std::slice::from_ref(&create), &at(99), &Schema::default()).len(), 1);
        assert!(doubts.proved_at(&at(100), None).is_empty());
        assert!(doubts.statement(&[create], &at(100), &Schema::default()).is_empty());
    }

    #[test]
    fn another_server_has_places_of_its_own() {
        let mut doubts = Doubts::default();
        assert_eq!(doubts.server_changed(&at(9)), None);
        doubts.captured_until(at(100).into());
        doubts.raise(&[TableName::new("d", "t")], &cause());
        doubts.candidates(vec![captured("t")], at(100).into());
        // Places beyond the old bound on the new server are before the capture all the same.
        assert_eq!(doubts.server_changed(&at(5000)), Some(at(5000).into()));
        let create = SchemaChange::TableCreate { database: "d".into(), table: "u".into(), def: table("u") };
        assert_eq!(doubts.statement(std::slice::from_ref(&create), &at(4000), &Schema::default()).len(), 1);
        assert!(doubts.proved_at(&at(4000), None).is_empty() && doubts.is_doubted("d", "t"));
        assert_eq!(doubts.proved_at(&at(5000), None).len(), 1);
        assert!(!doubts.is_doubted("d", "t") && doubts.statement(&[create], &at(5000), &Schema::default()).is_empty());
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
