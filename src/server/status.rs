//! What a server is and where its binlog stands, asked by statements.

use std::sync::Arc;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::fault::{is_server_error, sql_error};
use super::flavor::{Flavor, ServerVersion};
use super::rows;
use crate::error::{Error, Result};
use crate::position::gtid::{GtidPosition, GtidSet};
use crate::position::{BinlogPosition, Gtids};
use crate::schema::CaseRule;

/// Who the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    pub version: ServerVersion,
    /// `@@server_id`.
    pub server_id: u32,
    /// MySQL's `@@server_uuid`, MariaDB's `@@server_uid` (10.9+): what tells a clone from the server itself.
    pub uuid: Option<String>,
    /// `@@lower_case_table_names`.
    pub case: CaseRule,
    /// `@@character_set_server`.
    pub charset: String,
}

/// The end of the binlog at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinlogStatus {
    pub at: BinlogPosition,
    /// The GTIDs of everything before `at`; `None` when the server does not run with GTIDs (MySQL's `gtid_mode` is not ON).
    pub gtids: Option<Gtids>,
}

/// A file of the binlog, as `SHOW BINARY LOGS` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinlogFile {
    pub name: Arc<str>,
    pub size_bytes: u64,
}

/// How often the end of a busy MariaDB server's log is read again, to see position and GTIDs of one moment.
const STATUS_TRIES: usize = 5;
/// ER_UNKNOWN_SYSTEM_VARIABLE
const UNKNOWN_VARIABLE: u16 = 1193;

/// All rows of a statement on this connection, errors classified.
pub async fn query(conn: &mut Conn, sql: &str) -> Result<Vec<Row>> {
    conn.query(sql).await.map_err(sql_error)
}

/// The first row of a statement.
async fn first(conn: &mut Conn, sql: &str) -> Result<Option<Row>> {
    Ok(query(conn, sql).await?.into_iter().next())
}

/// A system variable that not every version has; `None` when this one does not, or when it is NULL.
async fn variable(conn: &mut Conn, name: &'static str) -> Result<Option<String>> {
    match first(conn, &format!("SELECT @@{name}")).await {
        Ok(Some(row)) => rows::opt_text(&row, 0),
        Ok(None) => Ok(None),
        Err(e) if is_server_error(&e, &[UNKNOWN_VARIABLE]) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Asks the server who it is.
///
/// # Errors
/// Definite for a `lower_case_table_names` or a version that nobody knows; else as any statement.
pub async fn identity(conn: &mut Conn) -> Result<ServerIdentity> {
    let sql = "SELECT VERSION(), @@server_id, @@lower_case_table_names, @@character_set_server";
    let row = first(conn, sql).await?.ok_or_else(|| Error::definite("the server does not tell its version"))?;
    let version = ServerVersion::parse(&rows::text(&row, 0)?)?;
    let case = match rows::need::<u8>(&row, 2)? {
        0 => CaseRule::Sensitive,
        1 => CaseRule::Lower,
        2 => CaseRule::Insensitive,
        other => return Err(Error::definite(format!("the server's lower_case_table_names is {other}; 0, 1 and 2 are known"))),
    };
    let uuid = match version.flavor {
        Flavor::MySql => variable(conn, "server_uuid").await?,
        Flavor::MariaDb => variable(conn, "server_uid").await?,
    };
    Ok(ServerIdentity { server_id: rows::need(&row, 1)?, uuid, case, charset: rows::text(&row, 3)?, version })
}

/// Where the binlog ends now.
///
/// # Errors
/// Definite when the binlog is off, or when the user may not ask (REPLICATION CLIENT; MariaDB: BINLOG MONITOR).
pub async fn binlog_status(conn: &mut Conn, version: &ServerVersion) -> Result<BinlogStatus> {
    match version.flavor {
        Flavor::MySql => {
            let (at, executed) = log_end(conn, version).await?;
            let with_gtids = variable(conn, "gtid_mode").await?.is_some_and(|mode| mode.eq_ignore_ascii_case("ON"));
            let gtids = if with_gtids { Some(mysql_gtids(executed.as_deref().unwrap_or_default())?) } else { None };
            Ok(BinlogStatus { at, gtids })
        }
        Flavor::MariaDb => mariadb_status(conn, version).await,
    }
}

/// MariaDB tells position and GTIDs in two answers. They belong together when the position is the same before and after;
/// on a server too busy for that the GTIDs are derived from the position, one per domain.
async fn mariadb_status(conn: &mut Conn, version: &ServerVersion) -> Result<BinlogStatus> {
    let (mut at, _) = log_end(conn, version).await?;
    for _ in 0..STATUS_TRIES {
        let state = variable(conn, "gtid_binlog_state").await?;
        let (after, _) = log_end(conn, version).await?;
        if after == at {
            let gtids = state.map(|text| mariadb_gtids(&text)).transpose()?;
            return Ok(BinlogStatus { at, gtids });
        }
        at = after;
    }
    let gtids = mariadb_gtids_at(conn, &at).await?;
    Ok(BinlogStatus { at, gtids })
}

/// File, position, and MySQL's executed set.
async fn log_end(conn: &mut Conn, version: &ServerVersion) -> Result<(BinlogPosition, Option<String>)> {
    let row = first(conn, version.position_statement()).await?.ok_or_else(|| {
        Error::definite("the server writes no binlog").hint("start it with log_bin and binlog_format=ROW, then restart it")
    })?;
    let executed = match rows::column(&row, "Executed_Gtid_Set") {
        Some(index) => rows::opt_text(&row, index)?,
        None => None,
    };
    Ok((BinlogPosition::new(rows::text(&row, 0)?, rows::need(&row, 1)?), executed))
}

/// MariaDB: the last GTID of every domain before a place in the binlog; `None` when the server has no such place.
pub async fn mariadb_gtids_at(conn: &mut Conn, at: &BinlogPosition) -> Result<Option<Gtids>> {
    // As a statement with parameters, because the name comes from a stored position.
    let row: Option<Row> = conn.exec_first("SELECT BINLOG_GTID_POS(?, ?)", (at.file.as_ref(), at.offset)).await.map_err(sql_error)?;
    let text = row.map(|row| rows::opt_text(&row, 0)).transpose()?.flatten();
    text.map(|text| mariadb_gtids(&text)).transpose()
}

fn mysql_gtids(text: &str) -> Result<Gtids> {
    let set: GtidSet = text.parse().map_err(|e| unreadable(text, e))?;
    Ok(Gtids::MySql(set))
}

fn mariadb_gtids(text: &str) -> Result<Gtids> {
    let position: GtidPosition = text.parse().map_err(|e| unreadable(text, e))?;
    Ok(Gtids::MariaDb(position))
}

fn unreadable(text: &str, why: impl std::fmt::Display) -> Error {
    Error::definite("the server's GTIDs cannot be read").detail(text).detail(why)
}

/// The files of the binlog, oldest first.
pub async fn binlog_files(conn: &mut Conn) -> Result<Vec<BinlogFile>> {
    let answer = query(conn, "SHOW BINARY LOGS").await?;
    answer.iter().map(|row| Ok(BinlogFile { name: rows::text(row, 0)?.into(), size_bytes: rows::need(row, 1)? })).collect()
}
