//! What kind of statement a text is, and which tables it could concern.
//!
//! Statements that change no table, column, database, character set or name are passed over by their first words, so
//! that nothing in them can be misread. What changes definitions goes to `parser`.

use super::ast::{Concern, Ddl, Statement};
use super::parser::Parser;
use super::tokens::{NotUnderstood, Parsed};

/// First words of statements that never change a definition.
const HARMLESS: &[&str] = &[
    "ANALYZE",
    "BACKUP",
    "BEGIN",
    "BINLOG",
    "CACHE",
    "CALL",
    "CHANGE",
    "CHECK",
    "CHECKSUM",
    "CLONE",
    "COMMIT",
    "DEALLOCATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DO",
    "END",
    "EXECUTE",
    "EXPLAIN",
    "FLUSH",
    "GET",
    "GRANT",
    "HANDLER",
    "HELP",
    "INSERT",
    "INSTALL",
    "KILL",
    "LOAD",
    "LOCK",
    "OPTIMIZE",
    "PREPARE",
    "PURGE",
    "RELEASE",
    "REPAIR",
    "REPLACE",
    "RESET",
    "RESIGNAL",
    "RESTART",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "SHUTDOWN",
    "SIGNAL",
    "START",
    "STOP",
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
    "UPDATE",
    "USE",
    "VALUES",
    "WITH",
    "XA",
];

/// Objects of CREATE, ALTER and DROP that are no tables, and words that only stand before such objects.
const OTHER_OBJECTS: &[&str] = &[
    "AGGREGATE",
    "ALGORITHM",
    "CATALOG",
    "DEFAULT",
    "DEFINER",
    "EVENT",
    "FULLTEXT",
    "FUNCTION",
    "INDEX",
    "INSTANCE",
    "JSON",
    "LIBRARY",
    "LOGFILE",
    "MASKING",
    "MATERIALIZED",
    "PACKAGE",
    "PREPARE",
    "PROCEDURE",
    "RELATIONAL",
    "RESOURCE",
    "ROLE",
    "SERVER",
    "SPATIAL",
    "SQL",
    "TABLESPACE",
    "TRIGGER",
    "UNDO",
    "UNIQUE",
    "USER",
    "VECTOR",
    "VIEW",
];

/// Reads one statement, and every name in it that it could concern. Whatever the text holds, there is an answer.
pub(super) fn recognise(mut parser: Parser<'_>) -> (Statement, Vec<Concern>) {
    match statement(&mut parser) {
        Ok(statement) => (statement, parser.into_concerns()),
        Err(NotUnderstood(why)) => {
            let concerns = parser.into_concerns();
            (Statement::NotUnderstood { concerns: concerns.clone(), why }, concerns)
        }
    }
}

fn statement(parser: &mut Parser<'_>) -> Parsed<Statement> {
    while parser.tokens.eat_symbol(b';') {}
    while parser.tokens.are_words("SET", "STATEMENT") {
        skip_set_statement(parser)?;
    }
    let tokens = &mut parser.tokens;
    if tokens.at_end() {
        return Ok(Statement::PassOver("an empty statement"));
    }
    if tokens.is_any(HARMLESS) || tokens.is_symbol(b'(') {
        return Ok(Statement::PassOver("a statement that defines nothing"));
    }
    match () {
        () if tokens.eat_word("CREATE") => create(parser),
        () if tokens.eat_word("ALTER") => alter(parser),
        () if tokens.eat_word("DROP") => drop_objects(parser),
        () if tokens.eat_word("RENAME") => rename(parser),
        () if tokens.eat_words("IMPORT", "TABLE") => {
            parser.concerns.push(Concern { database: None, table: None });
            Err(NotUnderstood("IMPORT TABLE takes its definitions from files".into()))
        }
        () => Err(tokens.unexpected("a statement")),
    }
}

/// MariaDB's `SET STATEMENT name = value, … FOR`, up to the statement that it is for.
fn skip_set_statement(parser: &mut Parser<'_>) -> Parsed<()> {
    let tokens = &mut parser.tokens;
    while !tokens.eat_word("FOR") {
        if tokens.at_end() {
            return Err(tokens.unexpected("FOR"));
        }
        tokens.skip_one()?;
    }
    Ok(())
}

fn other_object(parser: &Parser<'_>) -> Parsed<Statement> {
    if parser.tokens.is_any(OTHER_OBJECTS) {
        return Ok(Statement::PassOver("an object other than a table"));
    }
    Err(parser.tokens.unexpected("a kind of object"))
}

fn create(parser: &mut Parser<'_>) -> Parsed<Statement> {
    let or_replace = parser.tokens.eat_words("OR", "REPLACE");
    if parser.tokens.is_word("TEMPORARY") {
        return Ok(Statement::PassOver("a temporary table"));
    }
    if parser.tokens.eat_any(&["DATABASE", "SCHEMA"]) {
        return parser.create_database(or_replace).map(Statement::Ddl);
    }
    if parser.tokens.are_words("EXTERNAL", "TABLE") {
        parser.tokens.next();
    }
    if parser.tokens.eat_word("TABLE") {
        return parser.create_table(or_replace).map(Statement::Ddl);
    }
    if parser.tokens.eat_word("SEQUENCE") {
        return parser.create_sequence(or_replace).map(Statement::Ddl);
    }
    while parser.tokens.eat_any(&["ONLINE", "OFFLINE"]) {}
    other_object(parser)
}

fn alter(parser: &mut Parser<'_>) -> Parsed<Statement> {
    while parser.tokens.eat_any(&["ONLINE", "OFFLINE", "IGNORE"]) {}
    if parser.tokens.eat_any(&["DATABASE", "SCHEMA"]) {
        return parser.alter_database().map(Statement::Ddl);
    }
    if parser.tokens.eat_word("TABLE") {
        return parser.alter_table().map(Statement::Ddl);
    }
    if parser.tokens.eat_word("SEQUENCE") {
        return alter_sequence(parser);
    }
    if parser.tokens.is_word("TEMPORARY") {
        return Ok(Statement::PassOver("a temporary table"));
    }
    other_object(parser)
}

/// A sequence is a table of fixed columns; only `AS type` changes them.
fn alter_sequence(parser: &mut Parser<'_>) -> Parsed<Statement> {
    parser.tokens.eat_if_exists();
    parser.table_name()?;
    while !parser.tokens.at_end() {
        if parser.tokens.is_word("AS") {
            return Err(NotUnderstood("ALTER SEQUENCE … AS changes the sequence's columns".into()));
        }
        parser.tokens.skip_one()?;
    }
    Ok(Statement::PassOver("a sequence's values"))
}

fn drop_objects(parser: &mut Parser<'_>) -> Parsed<Statement> {
    if parser.tokens.is_word("TEMPORARY") {
        return Ok(Statement::PassOver("a temporary table"));
    }
    if parser.tokens.eat_any(&["DATABASE", "SCHEMA"]) {
        return parser.drop_database().map(Statement::Ddl);
    }
    if parser.tokens.eat_any(&["TABLE", "TABLES"]) {
        return parser.drop_tables().map(Statement::Ddl);
    }
    if parser.tokens.eat_word("SEQUENCE") {
        return parser.drop_tables().map(|ddl| match ddl {
            Ddl::DropTables { names, .. } => Statement::Ddl(Ddl::DropTables { names, only_sequences: true }),
            other => Statement::Ddl(other),
        });
    }
    while parser.tokens.eat_any(&["ONLINE", "OFFLINE"]) {}
    if parser.tokens.eat_word("INDEX") {
        return parser.drop_index();
    }
    other_object(parser)
}

fn rename(parser: &mut Parser<'_>) -> Parsed<Statement> {
    if parser.tokens.eat_any(&["TABLE", "TABLES"]) {
        return parser.rename_tables().map(Statement::Ddl);
    }
    if parser.tokens.is_word("USER") {
        return Ok(Statement::PassOver("a user"));
    }
    Err(parser.tokens.unexpected("TABLE"))
}
