//! Definitions read again from the server, with a log position that bounds their age.

use crate::assemble::{Bound, Captured, TableName, TableRequest};
use crate::error::{Error, Result};
use crate::position::BinlogPosition;
use crate::schema::Schema;
use crate::server::status::{self, ServerIdentity};
use crate::server::{Server, capture, rows};

/// Reads the requested tables, then the server's log position and executed set: the definitions were valid at some place
/// before it.
///
/// A request for a whole database answers for every table that either side knows.
pub async fn fetch(
    capture: &Server,
    replication: &Server,
    identity: &ServerIdentity,
    request: &TableRequest,
    schema: &Schema,
) -> Result<(Vec<Captured>, Bound)> {
    let mut captured = Vec::new();
    for name in &request.tables {
        let tables = names(capture, name, schema).await?;
        let charset = database_charset(capture, &name.database).await?;
        let wanted: Vec<(&str, &str)> = tables.iter().map(|t| (name.database.as_str(), t.as_str())).collect();
        let mut conn = capture.conn().await?;
        let found = capture::capture_tables(&mut conn, identity, &wanted).await?;
        let hidden = capture::hidden_columns(&mut conn, identity, &wanted).await?;
        captured.extend(tables.iter().zip(found).zip(hidden).map(|((table, def), hidden)| Captured {
            database: name.database.clone(),
            database_charset: charset.clone(),
            table: table.clone(),
            def,
            hidden,
        }));
    }
    let mut conn = replication.conn().await?;
    let version = replication.version().await?;
    let now = status::binlog_status(&mut conn, &version).await?;
    Ok((captured, Bound { at: now.at, gtids: now.gtids, foreign: false }))
}

async fn names(capture: &Server, name: &TableName, schema: &Schema) -> Result<Vec<String>> {
    if let Some(table) = &name.table {
        return Ok(vec![table.clone()]);
    }
    let mut names: Vec<String> =
        schema.database(&name.database).map(|d| d.tables.iter().map(|t| t.name.clone()).collect()).unwrap_or_default();
    let sql = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";
    for row in capture.exec(sql, (name.database.as_str(),)).await? {
        let found = rows::text(&row, 0)?;
        if !names.iter().any(|n| schema.case.same(n, &found)) {
            names.push(found);
        }
    }
    Ok(names)
}

async fn database_charset(capture: &Server, database: &str) -> Result<Option<String>> {
    let sql = "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?";
    match capture.exec(sql, (database,)).await?.first() {
        Some(row) => rows::opt_text(row, 0),
        None => Ok(None),
    }
}

/// Where the replication server's log ends now, with the executed set if the stream is followed by GTIDs.
pub async fn log_bound(replication: &Server, gtid_mode: bool) -> Result<Bound> {
    let mut conn = replication.conn().await?;
    let version = replication.version().await?;
    let now = status::binlog_status(&mut conn, &version).await?;
    Ok(Bound { at: now.at, gtids: now.gtids.filter(|_| gtid_mode), foreign: false })
}

/// Where the replication server's log ends now.
pub async fn log_end(replication: &Server) -> Result<BinlogPosition> {
    let mut conn = replication.conn().await?;
    let version = replication.version().await?;
    Ok(status::binlog_status(&mut conn, &version).await?.at)
}

/// In file mode a position means something on one server only.
pub fn same_server(found: Option<&str>, expected: Option<&str>, gtid_mode: bool) -> Result<()> {
    match (found, expected) {
        (Some(found), Some(expected)) if !gtid_mode && found != expected => Err(Error::definite(
            "the replication server is not the one that the position belongs to",
        )
        .detail(format!("expected server_uuid {expected}, found {found}"))
        .hint(
            "file positions are valid on one server only: connect to the old server, use gtid_mode, or give a start with --init_position",
        )),
        _ => Ok(()),
    }
}

/// How long the server will still have a place of its binlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    /// Its file is not there any more.
    Gone,
    /// Seconds until its file may be purged by age, of the seconds that files are kept.
    Seconds { left: u64, of: u64 },
    /// The server does not purge by age.
    Unknown,
}

/// Asks the replication server. A file may be purged by age when its last event is as old; `written` is the time of an
/// event in it, so there is at least as much time as this says. `None`: it is not known in which file it is.
pub async fn remaining(replication: &Server, at: Option<&BinlogPosition>, written: u32) -> Result<Remaining> {
    if let Some(at) = at {
        let files = status::binlog_files(&mut replication.conn().await?).await?;
        match files.iter().position(|f| f.name == at.file) {
            None => return Ok(Remaining::Gone),
            // The file that is being written is never purged.
            Some(index) if index + 1 == files.len() => return Ok(Remaining::Unknown),
            Some(_) => {}
        }
    }
    let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_expire_logs_seconds', 'expire_logs_days')";
    let mut kept = 0;
    for row in replication.exec(sql, ()).await? {
        // MySQL to 5.7 and MariaDB to 10.5 count in days; MariaDB allows parts of one. 0 is never.
        let unit = if rows::text(&row, 0)? == "expire_logs_days" { 86_400.0 } else { 1.0 };
        let value: f64 = rows::text(&row, 1)?.parse().unwrap_or_default();
        kept = kept.max((value * unit) as u64);
    }
    if kept == 0 {
        return Ok(Remaining::Unknown);
    }
    let now: u64 = match replication.exec("SELECT UNIX_TIMESTAMP()", ()).await?.first() {
        Some(row) => rows::need(row, 0)?,
        None => return Ok(Remaining::Unknown),
    };
    Ok(Remaining::Seconds { left: kept.saturating_sub(now.saturating_sub(u64::from(written))), of: kept })
}
