//! What a QUERY event means for the stream: begin, commit, a schema statement, a statement-format change, or nothing.
//!
//! Only the first words are looked at here; schema statements go to the DDL parser.

use crate::binlog::format::Flavor;
use crate::binlog::query::Query;
use crate::filter::Filter;
use crate::position::xa::XaName;
use crate::schema::Schema;
use crate::schema::ddl::{self, Dialect, Outcome, StatementContext};

/// Moves the schema on by a statement. Tables that rules blacklist are not tracked, so their part is passed over.
pub fn interpret(query: &Query<'_>, flavor: Flavor, version: (u8, u8, u8), schema: &mut Schema, filter: &Filter) -> Outcome {
    let (major, minor, patch) = version;
    let context = StatementContext {
        default_database: (!query.database.is_empty()).then_some(query.database),
        sql_mode: query.status.sql_mode.unwrap_or(0),
        charset_client: query.status.charset_client,
        collation_connection: query.status.collation_connection,
        collation_server: query.status.collation_server,
        error_code: query.error_code,
        dialect: match flavor {
            Flavor::MySql => Dialect::MySql,
            Flavor::MariaDb => Dialect::MariaDb,
        },
        server_version: u32::from(major) * 10_000 + u32::from(minor) * 100 + u32::from(patch),
        as_maxwell: false,
    };
    let skip = |database: &str, table: Option<&str>| match table {
        Some(table) => filter.blacklisted(database, table),
        None => filter.database_blacklisted(database),
    };
    ddl::interpret(query.sql, &context, schema, &skip)
}

/// The kinds of statements that the assembler tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    Begin,
    Commit,
    /// The whole transaction is undone.
    Rollback,
    /// Changes neither rows nor definitions that we track.
    Nothing,
    /// A statement-format change of rows, with its verb.
    RowChange(&'static str),
    /// Begins an XA transaction (MySQL; MariaDB's GTID event does).
    XaBegin,
    /// Stands between its rows and its prepare event.
    XaEnd,
    /// Decides one that is prepared.
    XaCommit,
    XaRollback,
    /// Anything else: for the DDL parser.
    Schema,
}

/// Sorts a statement by its first words. `inside` says whether a transaction is open.
///
/// Transaction control is matched as the servers write it (`sql/log_event.cc`): exactly `BEGIN`, `COMMIT`, `ROLLBACK`.
pub fn recognise(sql: &[u8], inside: bool) -> Statement {
    match sql {
        b"BEGIN" => return Statement::Begin,
        b"COMMIT" => return Statement::Commit,
        b"ROLLBACK" if inside => return Statement::Rollback,
        _ => {}
    }
    if sql.starts_with(b"# Dummy event replacing event type") {
        // So MariaDB writes events that an old replica must not see. Any other comment may have a statement behind it.
        return Statement::Nothing;
    }
    let text = skip_blanks_and_comments(sql);
    let mut words = Words { rest: text };
    let first = words.next_word();
    match &first.to_ascii_uppercase()[..] {
        b"" => Statement::Schema,
        b"COMMIT" => Statement::Commit,
        b"ROLLBACK" => {
            let rest = words.next_word().to_ascii_uppercase();
            let whole = !(rest == b"TO" || (rest == b"WORK" && words.next_word().eq_ignore_ascii_case(b"TO")));
            if whole && inside { Statement::Rollback } else { Statement::Nothing }
        }
        b"SAVEPOINT" | b"RELEASE" | b"SET" if inside => Statement::Nothing,
        b"SAVEPOINT" | b"RELEASE" => Statement::Nothing,
        b"XA" => match &words.next_word().to_ascii_uppercase()[..] {
            b"START" | b"BEGIN" => Statement::XaBegin,
            b"END" => Statement::XaEnd,
            b"COMMIT" => Statement::XaCommit,
            b"ROLLBACK" => Statement::XaRollback,
            // XA PREPARE is an event of its own, XA RECOVER is not logged: the DDL parser tells what it makes of it.
            _ => Statement::Schema,
        },
        b"INSERT" => row_change("INSERT", text),
        b"UPDATE" => row_change("UPDATE", text),
        b"REPLACE" => row_change("REPLACE", text),
        b"LOAD" => row_change("LOAD DATA", text),
        b"DELETE" => {
            if is_whole_table_delete(&mut words) {
                // The server empties MEMORY tables so at its start; the rows are gone with its memory already.
                Statement::Nothing
            } else {
                row_change("DELETE", text)
            }
        }
        _ => Statement::Schema,
    }
}

/// The name that an `XA …` statement gives.
pub fn xa_name(sql: &[u8]) -> Option<XaName> {
    let mut words = Words { rest: sql };
    words.next_word();
    words.next_word();
    XaName::parse(words.rest)
}

/// What a statement does with the places that a transaction marks, each with its name as it is compared.
#[derive(Debug, PartialEq, Eq)]
pub enum Savepoint {
    Set(Vec<u8>),
    RollbackTo(Vec<u8>),
}

/// Servers log these where a transaction cannot simply be cut, because it also changed tables that no rollback reaches
/// (MySQL `sql/binlog.cc`, `binlog_savepoint_rollback`).
pub fn savepoint(sql: &[u8]) -> Option<Savepoint> {
    let mut words = Words { rest: sql };
    match words.next_word().to_ascii_uppercase().as_slice() {
        b"SAVEPOINT" => Some(Savepoint::Set(savepoint_name(words.rest))),
        b"ROLLBACK" => {
            let mut word = words.next_word().to_ascii_uppercase();
            if word == b"WORK" {
                word = words.next_word().to_ascii_uppercase();
            }
            if word != b"TO" {
                return None;
            }
            let name = words.rest;
            let rest = if words.next_word().eq_ignore_ascii_case(b"SAVEPOINT") { words.rest } else { name };
            Some(Savepoint::RollbackTo(savepoint_name(rest)))
        }
        _ => None,
    }
}

/// Letter case does not count in them.
fn savepoint_name(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii();
    text.strip_prefix(b"`").and_then(|text| text.strip_suffix(b"`")).unwrap_or(text).to_ascii_lowercase()
}

/// Whether this marks a place inside a transaction or goes back to one; servers log that nowhere else.
pub fn is_savepoint(sql: &[u8]) -> bool {
    let mut words = Words { rest: sql };
    match words.next_word().to_ascii_uppercase().as_slice() {
        b"SAVEPOINT" | b"RELEASE" => true,
        b"ROLLBACK" => {
            let word = words.next_word().to_ascii_uppercase();
            word == b"TO" || (word == b"WORK" && words.next_word().eq_ignore_ascii_case(b"TO"))
        }
        _ => false,
    }
}

/// RDS writes its own bookkeeping tables in statement format (contract §3.3).
fn row_change(verb: &'static str, text: &[u8]) -> Statement {
    let head: Vec<u8> = text.iter().take(200).filter(|b| **b != b'`').map(u8::to_ascii_lowercase).collect();
    if memchr::memmem::find(&head, b" mysql.rds_").is_some() || memchr::memmem::find(&head, b" mysql.ha_health_check").is_some() {
        return Statement::Nothing;
    }
    Statement::RowChange(verb)
}

/// ``DELETE FROM `database`.`table` `` with nothing behind it but a comment: as MySQL 5.6 writes
/// it (`sql/sql_base.cc`, `open_table_entry_fini`); MySQL 9.7 and MariaDB 10.11 write TRUNCATE TABLE.
fn is_whole_table_delete(words: &mut Words<'_>) -> bool {
    if !words.next_word().eq_ignore_ascii_case(b"FROM") {
        return false;
    }
    let rest = quoted_name(skip_blanks_and_comments(words.rest)).and_then(|rest| quoted_name(rest.strip_prefix(b".")?));
    rest.is_some_and(|rest| skip_blanks_and_comments(rest).iter().all(|b| *b == b';'))
}

/// What stands behind a name in back quotes.
fn quoted_name(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"`")?;
    loop {
        let end = memchr::memchr(b'`', rest)?;
        rest = rest.get(end + 1..)?;
        // A doubled quote is part of the name.
        match rest.strip_prefix(b"`") {
            Some(inside) => rest = inside,
            None => return Some(rest),
        }
    }
}

struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    /// The next run of letters and underscores, after blanks and comments; empty at anything else.
    fn next_word(&mut self) -> &'a [u8] {
        let rest = skip_blanks_and_comments(self.rest);
        let end = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        self.rest = tail;
        word
    }
}

/// Leading blanks, `/* */` (but not executable `/*!`), `--` and `#` comments are passed over.
fn skip_blanks_and_comments(mut sql: &[u8]) -> &[u8] {
    loop {
        sql = sql.trim_ascii_start();
        let skipped = if sql.starts_with(b"/*") && !sql.starts_with(b"/*!") && !sql.starts_with(b"/*M!") {
            memchr::memmem::find(&sql[2..], b"*/").map(|i| i + 4)
        } else if sql.starts_with(b"-- ") || sql.starts_with(b"--\t") || sql.starts_with(b"--\n") || sql.starts_with(b"#") {
            Some(memchr::memchr(b'\n', sql).map_or(sql.len(), |i| i + 1))
        } else {
            None
        };
        match skipped.and_then(|n| sql.get(n..)) {
            Some(rest) => sql = rest,
            None => return sql,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Statement::*;
    use super::*;

    #[test]
    fn savepoints_stand_inside_transactions_only() {
        for (sql, want) in [
            ("SAVEPOINT `s1`", true),
            ("release savepoint s", true),
            ("ROLLBACK TO `s1`", true),
            ("/* x */ ROLLBACK WORK TO SAVEPOINT s", true),
            ("ROLLBACK", false),
            ("CREATE TABLE savepoint (a int)", false),
        ] {
            assert_eq!(is_savepoint(sql.as_bytes()), want, "{sql}");
        }
    }

    #[test]
    fn places_in_transactions() {
        use super::Savepoint::*;
        for (sql, want) in [
            ("SAVEPOINT `a B`", Some(Set(b"a b".to_vec()))),
            ("savepoint c", Some(Set(b"c".to_vec()))),
            ("ROLLBACK TO `c`", Some(RollbackTo(b"c".to_vec()))),
            ("rollback work to savepoint C", Some(RollbackTo(b"c".to_vec()))),
            ("ROLLBACK TO `savepoint`", Some(RollbackTo(b"savepoint".to_vec()))),
            ("ROLLBACK", None),
            ("RELEASE SAVEPOINT c", None),
        ] {
            assert_eq!(savepoint(sql.as_bytes()), want, "{sql}");
        }
    }

    #[test]
    fn statements_are_sorted_by_their_first_words() {
        let cases: &[(&str, bool, Statement)] = &[
            ("BEGIN", false, Begin),
            ("COMMIT", true, Commit),
            ("ROLLBACK", true, Rollback),
            ("rollback", true, Rollback),
            ("ROLLBACK", false, Nothing),
            ("ROLLBACK TO `s1`", true, Nothing),
            ("ROLLBACK WORK TO SAVEPOINT s", true, Nothing),
            ("SAVEPOINT `s1`", true, Nothing),
            ("# Dummy event replacing event type 160 that slave cannot handle.", false, Nothing),
            ("# y`\n ALTER TABLE t DROP a", false, Schema),
            ("XA START X'61',X'',1", false, XaBegin),
            ("xa end X'61',X'',1", true, XaEnd),
            ("XA COMMIT X'61',X'',1", false, XaCommit),
            ("XA ROLLBACK X'61',X'',1", false, XaRollback),
            ("XA RECOVER", false, Schema),
            ("/* app */ insert into t values (1)", true, RowChange("INSERT")),
            ("-- hello\nUPDATE t SET a=1", true, RowChange("UPDATE")),
            ("INSERT INTO mysql.rds_heartbeat2(id, value) values (1,2)", true, Nothing),
            ("DELETE FROM `d`.`t`", false, Nothing),
            ("DELETE FROM `d`.`a b` ;", false, Nothing),
            ("DELETE FROM `d`.`t` /* generated by server */", false, Nothing),
            ("DELETE FROM `d`.`a``b`", false, Nothing),
            ("DELETE FROM t WHERE id=1", true, RowChange("DELETE")),
            // Somebody's session logs statements.
            ("DELETE FROM t", true, RowChange("DELETE")),
            ("DELETE FROM `t`", true, RowChange("DELETE")),
            ("DELETE FROM `d`.`t` LIMIT 1", true, RowChange("DELETE")),
            ("DELETE t FROM t JOIN u", true, RowChange("DELETE")),
            ("CREATE TABLE t (a int)", false, Schema),
            ("/*!50003 CREATE TABLE t (a int) */", false, Schema),
            ("", false, Schema),
            ("/* only a comment", false, Schema),
        ];
        for (sql, inside, want) in cases {
            assert_eq!(recognise(sql.as_bytes(), *inside), *want, "{sql}");
        }
    }
}
