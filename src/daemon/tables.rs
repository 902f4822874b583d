//! Definitions read again from the server, with a log position that bounds their age.

use std::sync::Arc;

use crate::assemble::{Captured, TableRequest};
use crate::error::{Error, Result};
use crate::position::BinlogPosition;
use crate::schema::Schema;
use crate::server::connect::Server;
use crate::server::{capture, status};

/// Reads the requested tables, then the server's log position: the definitions were valid at some place before it.
///
/// A request for a whole database answers for every table that either side knows.
pub async fn fetch(capture: &Server, replication: &Server, request: &TableRequest, schema: &Schema) -> Result<(Vec<Captured>, BinlogPosition)> {
    let mut conn = capture.conn().await?;
    let mut captured = Vec::new();
    for name in &request.tables {
        let found = capture::capture_tables(&mut conn, &name.database, name.table.as_deref()).await?;
        let mut names: Vec<String> = match &name.table {
            Some(table) => vec![table.clone()],
            None => schema.database(&name.database).map(|d| d.tables.iter().map(|t| t.name.clone()).collect()).unwrap_or_default(),
        };
        names.extend(found.tables.iter().map(|t| t.name.clone()).filter(|t| !names.iter().any(|n| schema.case.same(n, t))).collect::<Vec<_>>());
        for table in names {
            let def = found.tables.iter().find(|t| schema.case.same(&t.name, &table)).cloned().map(Arc::new);
            captured.push(Captured { database: name.database.clone(), database_charset: found.charset.clone(), table, def });
        }
    }
    let reached = status::binlog_position(replication).await?.at;
    Ok((captured, reached))
}

/// In file mode a position means something on one server only.
pub async fn same_server(replication: &Server, expected: Option<&str>, gtid_mode: bool) -> Result<()> {
    let (Some(expected), false) = (expected, gtid_mode) else { return Ok(()) };
    let found = status::server_uuid(replication).await?;
    match found {
        Some(found) if found != expected => Err(Error::definite("the replication server is not the one that the position belongs to")
            .detail(format!("expected server_uuid {expected}, found {found}"))
            .hint("file positions are valid on one server only: connect to the old server, use gtid_mode, or give a start with --init_position")),
        _ => Ok(()),
    }
}
