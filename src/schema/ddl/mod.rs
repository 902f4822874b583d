//! DDL statements: what a statement of the binlog changes in the tracked definitions.
//!
//! `lexer` and `tokens` read text, `recognise` says what kind of statement it is, `parser`, `alter` and `column` read
//! its clauses into `ast`, and `apply` holds that against a schema. `interpret` is the only way in for others.
//! Whatever a statement holds, the answer is what it changed, or that it changed nothing, or that named tables have to
//! be proved anew. It is never a guess, never a failure, and never a stop.

mod alter;
mod alter_table;
mod apply;
pub mod as_maxwell;
mod ast;
mod column;
mod lexer;
mod parser;
mod recognise;
mod resolve;
mod text;
mod tokens;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Schema;
use super::delta::SchemaChange;
use ast::{Concern, Statement};
use lexer::{LexRules, MODE_ANSI_QUOTES, MODE_MSSQL, MODE_NO_BACKSLASH_ESCAPES};

pub use lexer::Dialect;

/// What the event says about the session that ran the statement.
#[derive(Debug, Clone, Copy, Default)]
pub struct StatementContext<'a> {
    /// The default database: the event's `schema` field.
    pub default_database: Option<&'a str>,
    /// `sql_mode` from the status variables (Q_SQL_MODE_CODE).
    pub sql_mode: u64,
    /// Collation ids from the status variables (Q_CHARSET_CODE): the client's, in which the text is written, the
    /// connection's, in which its literals are, and the server's, whose character set a new database gets. `None` where the
    /// event has none: UTF-8 is assumed, the client's, and the captured default.
    pub charset_client: Option<u16>,
    pub collation_connection: Option<u16>,
    pub collation_server: Option<u16>,
    /// The event's error code. Not zero: the statement failed half-way and proves nothing.
    pub error_code: u16,
    pub dialect: Dialect,
    /// The version of the server that wrote the event, as a number: 8.0.34 is 80034, 10.11.19 is 101119.
    pub server_version: u32,
    /// The statement is read as Maxwell reads it.
    pub as_maxwell: bool,
}

/// Whether a database, or a table in it, is left out of the tracked definitions (contract §7.3).
pub type SkipRule<'a> = &'a dyn Fn(&str, Option<&str>) -> bool;

/// What a statement did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No tracked definition changed.
    Nothing,
    /// The schema was moved on; in the order of the statement.
    Changes(Vec<SchemaChange>),
    /// The schema is as before, and the definitions of these databases (`None`: all their tables) and tables are
    /// unproved from this statement on. Empty if the statement names none that could be read.
    Unproved { concerns: Vec<(String, Option<String>)>, why: String },
}

/// Moves `schema` on by one statement of the binlog. On `Nothing` and `Unproved` it is left as it was.
pub fn interpret(sql: &[u8], ctx: &StatementContext<'_>, schema: &mut Schema, skip: SkipRule<'_>) -> Outcome {
    let decoded = match text::statement(sql, ctx) {
        Ok(decoded) => decoded,
        Err(why) => return undecoded(sql, ctx, skip, why),
    };
    let (statement, concerns) = recognised(&decoded.text, ctx);
    if let Some(otherwise) = &decoded.otherwise {
        let (other, theirs) = recognised(otherwise, ctx);
        if other != statement {
            let why = "whether the client wrote it, in its own character set, or the server in UTF-8 is not certain";
            return unproved([concerns, theirs].concat(), why.into(), ctx, skip);
        }
    }
    let ddl = match statement {
        Statement::PassOver(_) => return Outcome::Nothing,
        _ if ctx.error_code != 0 => {
            return unproved(concerns, format!("the statement failed on the server with error {}", ctx.error_code), ctx, skip);
        }
        Statement::NotUnderstood { concerns, why } => return unproved(concerns, why, ctx, skip),
        Statement::Ddl(ddl) => ddl,
    };
    let mut next = schema.clone();
    match apply::apply(&mut next, &ddl, ctx, skip) {
        Ok(changes) if changes.is_empty() => Outcome::Nothing,
        Ok(changes) if decoded.damaged && changes.iter().any(is_damaged) => {
            unproved(concerns, "a name or label is not valid in the client's character set".into(), ctx, skip)
        }
        Ok(changes) => {
            *schema = next;
            if let Some(view) = &mut schema.as_maxwell {
                Arc::make_mut(view).statement(&decoded.text, ctx, skip, &changes);
            }
            Outcome::Changes(changes)
        }
        // The schema stays as it was, so everything that the statement names is unproved, not only what did not fit.
        Err(e) => unproved([e.concerns, concerns].concat(), e.why, ctx, skip),
    }
}

fn recognised(text: &str, ctx: &StatementContext<'_>) -> (Statement, Vec<Concern>) {
    let rules = LexRules {
        ansi_quotes: ctx.sql_mode & MODE_ANSI_QUOTES != 0,
        no_backslash_escapes: ctx.sql_mode & MODE_NO_BACKSLASH_ESCAPES != 0,
        brackets: ctx.dialect == Dialect::MariaDb && ctx.sql_mode & MODE_MSSQL != 0,
        dialect: ctx.dialect,
        server_version: ctx.server_version,
        as_maxwell: ctx.as_maxwell,
        // MariaDB's own DROP TABLE repeats a comment of the user's statement before the names (`comment_length` in
        // `sql_table.cc`); as code it would name the tables twice.
        plain_comments: ctx.dialect == Dialect::MariaDb && text.trim_end().ends_with(text::GENERATED),
    };
    recognise::recognise(parser::Parser::new(text, rules, ctx.sql_mode))
}

/// A text that cannot be decoded as a whole: its ASCII part still tells the kind of statement, and names in ASCII.
fn undecoded(sql: &[u8], ctx: &StatementContext<'_>, skip: SkipRule<'_>, why: String) -> Outcome {
    let text = String::from_utf8_lossy(sql);
    let (statement, concerns) = recognised(&text, ctx);
    if matches!(statement, Statement::PassOver(_)) {
        return Outcome::Nothing;
    }
    // A damaged name could be any, so its whole database is concerned.
    let damaged = |name: &Option<String>| name.as_ref().is_some_and(|n| n.contains(char::REPLACEMENT_CHARACTER));
    let concerns = concerns
        .into_iter()
        .filter(|c| !damaged(&c.database))
        .map(|c| if damaged(&c.table) { Concern { table: None, ..c } } else { c })
        .collect();
    unproved(concerns, why, ctx, skip)
}

/// Fills in the default database and leaves out what is not tracked. If nothing is left, nothing is unproved.
fn unproved(concerns: Vec<Concern>, why: String, ctx: &StatementContext<'_>, skip: SkipRule<'_>) -> Outcome {
    // A name in a database that is not known is not covered by what is left.
    let mut covered = !concerns.is_empty();
    let mut left: Vec<(String, Option<String>)> = Vec::new();
    for Concern { database, table } in concerns {
        let Some(database) = database.or_else(|| ctx.default_database.map(str::to_string)) else {
            covered = false;
            continue;
        };
        // Amazon RDS writes statements on tables of its own (contract §7.3, design §5).
        let is_rds = database == "mysql" && table.as_ref().is_some_and(|t| t.starts_with("rds_"));
        let concern = (database, table);
        if !is_rds && !skip(&concern.0, concern.1.as_deref()) && !left.contains(&concern) {
            left.push(concern);
        }
    }
    if covered && left.is_empty() { Outcome::Nothing } else { Outcome::Unproved { concerns: left, why } }
}

/// Whether a change holds a name or label in which characters were lost.
fn is_damaged(change: &SchemaChange) -> bool {
    let damaged = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    let (database, table) = change.names();
    let def_damaged = change.def().is_some_and(|def| {
        damaged(&def.name)
            || def.columns.iter().any(|c| damaged(&c.name) || c.ty.labels().is_some_and(|labels| labels.iter().any(|l| damaged(l))))
    });
    damaged(database) || table.is_some_and(damaged) || def_damaged
}
