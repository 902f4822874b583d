//! How doubts end: definitions that were asked for, proofs that come due, a filter that lets other tables in.
//! Never here: reading events, or asking; the assembler's steps do that.

use std::sync::Arc;

use bytes::Bytes;

use super::super::doubt::{self, Bound, Captured, Cause, TableName};
use super::super::tables::{Answered, Tables};
use super::{Assembler, SchemaStep, Step, TableRequest};
use crate::binlog::{RawEvent, TableMap};
use crate::error::Result;
use crate::filter::Filter;
use crate::position::{BinlogPosition, Gtids};
use crate::schema::Schema;
use crate::schema::delta::SchemaChange;

impl Assembler {
    /// Puts another filter in the place of the present one; between transactions only, because rows go by the verdict of
    /// their table map. Statements on tables that a blacklist covered until now were passed over, so what is known of those
    /// is not to be believed: the request asks for their definitions.
    pub fn set_filter(&mut self, filter: Arc<Filter>) -> Option<TableRequest> {
        assert!(self.is_between_transactions(), "the filter was changed inside a transaction");
        let old = std::mem::replace(&mut self.options.filter, filter.clone());
        self.tables.set_filter(filter.clone());
        let is_freed = |database: &str, table: &str| old.blacklisted(database, table) && !filter.blacklisted(database, table);
        let in_database = |d: &crate::schema::Database| -> Vec<TableName> {
            d.tables.iter().filter(|t| is_freed(&d.name, &t.name)).map(|t| TableName::new(&d.name, &t.name)).collect()
        };
        let freed: Vec<TableName> = self.schema.databases.iter().flat_map(in_database).collect();
        if freed.is_empty() {
            return None;
        }
        let why = "a new filter takes these tables from the blacklist, under which their statements were passed over".to_owned();
        let cause = Cause { why: why.clone(), statement: String::new(), at: self.at.clone() };
        self.tables.doubts.raise(&freed, &Arc::new(cause));
        // No event asks, so there is no time to give.
        Some(TableRequest { tables: freed, why, at: self.at.clone(), stated: false, end: None, gtid: None, timestamp: 0 })
    }

    /// Definitions asked for by `NeedsTables`, read from the server while its log stood at or before `reached`.
    pub fn provide(&mut self, captured: Vec<Captured>, reached: impl Into<Bound>) -> Result<Step> {
        let reached = reached.into();
        let Some((event, start)) = self.stalled.take() else {
            self.tables.doubts.candidates(captured, reached);
            return Ok(Step::More);
        };
        let at = BinlogPosition { file: self.at.file.clone(), offset: start };
        match self.tables.answer_map((&event, &at), self.flavor, &mut self.schema, &captured, false)? {
            Answered::Proved(changes) => Ok(self.proved_by_map(changes, at, &event)),
            Answered::Unproved(why) => {
                let own = TableMap::parse(&event, self.flavor)
                    .is_ok_and(|map| self.schema.case.same(&map.database, &self.options.schema_database));
                if own || !self.tables.quarantine.is_on() {
                    return Err(Tables::unproved(&event, self.flavor, &at, &why));
                }
                let cause = Cause { why, statement: String::new(), at };
                self.tables.hold_map(&event, self.flavor, captured, reached, cause)?;
                Ok(Step::More)
            }
        }
    }

    /// The store has a schema version for the very place that asked by `NeedsTables`: somebody proved the definitions
    /// there before, or an operator told them. Gives the answer, or `None` if it does not answer this.
    pub fn provide_stored(&mut self, request: &TableRequest, stored: &Schema) -> Result<Option<Step>> {
        let captured = |name: &TableName| stored_tables(stored, name, &self.schema);
        let found: Vec<Captured> = request.tables.iter().flat_map(captured).collect();
        if let Some((event, start)) = self.stalled.take() {
            let at = BinlogPosition { file: self.at.file.clone(), offset: start };
            return match self.tables.answer_map((&event, &at), self.flavor, &mut self.schema, &found, true)? {
                Answered::Proved(changes) => Ok(Some(self.proved_by_map(changes, at, &event))),
                Answered::Unproved(_) => {
                    self.stalled = Some((event, start));
                    Ok(None)
                }
            };
        }
        self.tables.doubts.forget(&request.tables);
        let changes: Vec<SchemaChange> = found.into_iter().filter_map(|c| doubt::install(&mut self.schema, c)).collect();
        self.tables.clear();
        let end = match &request.end {
            Some(end) => {
                let gtid = end.gtid.clone();
                Some(self.end_here(gtid, true))
            }
            None => None,
        };
        if changes.is_empty() {
            return Ok(Some(end.map_or(Step::More, Step::Boundary)));
        }
        let mut step = self.repair_step(changes, request.at.clone(), request.timestamp);
        step.end = end;
        Ok(Some(Step::Schema(step)))
    }

    /// A doubt that proves to be unfounded changes nothing, so there is nothing to store.
    pub(super) fn proved_by_map(&mut self, changes: Vec<SchemaChange>, at: BinlogPosition, event: &RawEvent) -> Step {
        if changes.is_empty() { Step::More } else { Step::Schema(self.repair_step(changes, at, event.header.timestamp)) }
    }

    /// Whether proofs by position came due at this boundary.
    ///
    /// The version gets the place where the last event began: it lies behind every earlier boundary and before this one,
    /// so a process that begins here finds it, and one that begins earlier meets the statement again.
    pub(super) fn settle(&mut self, executed: Option<&Gtids>) -> Option<Step> {
        if self.open.is_some() || self.has_version || self.at != self.boundary {
            return None;
        }
        let proved = self.tables.doubts.proved_at(&self.at, executed);
        if proved.is_empty() {
            return None;
        }
        for captured in &proved {
            let name = TableName::new(&captured.database, &captured.table);
            self.tables.prove(&name, captured.def.as_ref(), captured.hidden);
        }
        let changes: Vec<SchemaChange> = proved.into_iter().filter_map(|c| doubt::install(&mut self.schema, c)).collect();
        self.tables.clear();
        // The points before this one were held back.
        let end = self.end_here(None, true);
        if changes.is_empty() {
            return Some(Step::Boundary(end));
        }
        let mut repaired = self.repair_step(changes, self.last_event.clone(), 0);
        repaired.end = Some(end);
        Some(Step::Schema(repaired))
    }

    pub(super) fn repair_step(&mut self, changes: Vec<SchemaChange>, at: BinlogPosition, timestamp: u32) -> SchemaStep {
        self.has_version = true;
        SchemaStep { changes, sql: Bytes::new(), at, timestamp, gtid: self.gtid.clone(), end: None, repair: true }
    }
}

/// What a stored version says of a table, or of all tables of a database that it or the schema of now has.
fn stored_tables(stored: &Schema, name: &TableName, now: &Schema) -> Vec<Captured> {
    let tables: Vec<String> = match &name.table {
        Some(table) => vec![table.clone()],
        None => {
            let of = |schema: &Schema| -> Vec<String> {
                schema.database(&name.database).map(|d| d.tables.iter().map(|t| t.name.clone()).collect()).unwrap_or_default()
            };
            let mut names = of(stored);
            names.extend(of(now).into_iter().filter(|n| stored.table(&name.database, n).is_none()));
            names
        }
    };
    let charset = stored.database(&name.database).map(|d| d.charset.clone());
    let captured = |table: String| Captured {
        database: name.database.clone(),
        database_charset: charset.clone(),
        def: stored.table(&name.database, &table).cloned(),
        hidden: 0,
        table,
    };
    tables.into_iter().map(captured).collect()
}
