//! What must be true of the servers before the first event: settings, rights and how long the binlog is kept.
//!
//! Every fault is collected before any is reported. The daemon's start and `binlogd check` ask the same questions here.
//! Nothing is ever changed on a server.

mod rights;
mod settings;

use std::collections::HashMap;

use super::connect::Server;
use super::fault::is_server_error;
use super::rows;
use super::status::{self, BinlogFile, BinlogStatus, ServerIdentity};
use crate::error::{Error, Result};
use crate::finding::{self, Finding, State};

pub use rights::Rights;

/// The system variables of one session, names in lower case.
#[derive(Debug, Clone, Default)]
pub struct Variables(HashMap<String, String>);

impl Variables {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.get(name).and_then(|text| text.parse().ok())
    }

    #[cfg(test)]
    fn set(&mut self, name: &str, value: Option<&str>) {
        self.0.remove(name);
        self.0.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Variables {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Variables(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}

/// How long the server keeps its binlog; `None` is without limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    pub seconds: Option<u64>,
    pub total_bytes: Option<u64>,
    /// The files that are there now, oldest first; empty when we may not ask.
    pub files: Vec<BinlogFile>,
}

/// What was found out on the replication server while checking it.
#[derive(Debug, Clone)]
pub struct ReplicationFacts {
    pub identity: ServerIdentity,
    pub status: Option<BinlogStatus>,
    /// FULL, MINIMAL, NOBLOB or MariaDB's FULL_NODUP.
    pub row_image: Option<String>,
    /// FULL or MINIMAL; MariaDB also NO_LOG.
    pub row_metadata: Option<String>,
    /// MySQL's PARTIAL_JSON.
    pub row_value_options: Option<String>,
    pub retention: Retention,
}

/// The outcome of all checks.
#[derive(Debug, Clone, Default)]
pub struct Preflight {
    pub findings: Vec<Finding>,
    /// `None` when the replication server could not be asked.
    pub replication: Option<ReplicationFacts>,
}

impl Preflight {
    pub fn faults(&self) -> Vec<&Finding> {
        self.in_state(State::Fault)
    }

    pub fn warnings(&self) -> Vec<&Finding> {
        self.in_state(State::Warning)
    }

    fn in_state(&self, state: State) -> Vec<&Finding> {
        self.findings.iter().filter(|f| f.is(state)).collect()
    }

    /// The facts, or one definite error with all faults.
    pub fn into_result(self) -> Result<ReplicationFacts> {
        finding::no_fault(&self.findings)?;
        self.replication.ok_or_else(|| Error::bug("the replication server was not checked"))
    }
}

/// Checks both servers (they may be the same one) and reports everything that was found.
///
/// # Errors
/// Only when a server cannot be talked to at all; what it is set to is a finding.
pub async fn check(replication: &Server, store: &Server, gtid_mode: bool) -> Result<Preflight> {
    let (mut findings, facts, rights) = check_replication(replication, gtid_mode).await?;
    findings.push(rights.definitions().at(replication.options().address()));
    findings.push(check_store(store).await?);
    Ok(Preflight { findings, replication: Some(facts) })
}

/// The server whose binlog is followed.
pub async fn check_replication(server: &Server, gtid_mode: bool) -> Result<(Vec<Finding>, ReplicationFacts, Rights)> {
    let mut conn = server.conn().await?;
    let identity = status::identity(&mut conn).await?;
    let variables = variables(&mut conn, settings::REPLICATION_VARIABLES).await?;
    let mut found = vec![settings::version(&identity.version, identity.server_id)];
    found.extend(settings::replication(&identity.version, &variables, gtid_mode));
    let rights = Rights::read(&mut conn, &identity.version).await?;
    found.extend(rights.replication());
    // Roles may have hidden what the grants say; the server's own refusal does not.
    let mut denied = false;
    let mut keep = |e: Error| {
        let refused = is_server_error(&e, &[ER_ACCESS_DENIED]);
        denied |= refused;
        if refused { Ok(None) } else { Err(e) }
    };
    let (mut at, mut files) = (None, Vec::new());
    if variables.get("log_bin") == Some("ON") {
        at = status::binlog_status(&mut conn, &identity.version).await.map(Some).or_else(&mut keep)?;
        files = status::binlog_files(&mut conn).await.map(Some).or_else(|e| keep(e).map(|_| None))?.unwrap_or_default();
    }
    if denied && !found.iter().any(|f| f.is(State::Fault) && f.text.contains(rights::CLIENT_RIGHT)) {
        found.retain(|f| !f.check.contains(rights::CLIENT_RIGHT));
        found.push(rights.missing(rights::CLIENT_RIGHT, rights::CLIENT_RIGHT));
    }
    let retention = Retention { files, ..settings::retention(&variables) };
    found.extend(settings::check_retention(&retention, &variables));
    let owned = |name| variables.get(name).map(str::to_owned);
    let facts = ReplicationFacts {
        status: at,
        row_image: owned("binlog_row_image"),
        row_metadata: owned("binlog_row_metadata"),
        row_value_options: owned("binlog_row_value_options").filter(|v| !v.is_empty()),
        retention,
        identity,
    };
    Ok((found.into_iter().map(|f| f.at(server.options().address())).collect(), facts, rights))
}

/// Whether the server with the schema database takes writes.
pub async fn check_store(server: &Server) -> Result<Finding> {
    let mut conn = server.conn().await?;
    Ok(settings::store(&variables(&mut conn, &["read_only"]).await?).at(server.options().address()))
}

/// ER_SPECIFIC_ACCESS_DENIED_ERROR
const ER_ACCESS_DENIED: u16 = 1227;

/// The values of these variables, as far as the server has them.
async fn variables(conn: &mut mysql_async::Conn, names: &[&str]) -> Result<Variables> {
    let sql = format!("SHOW VARIABLES WHERE Variable_name IN ('{}')", names.join("','"));
    let mut found = HashMap::new();
    for row in status::query(conn, &sql).await? {
        found.insert(rows::text(&row, 0)?.to_ascii_lowercase(), rows::text(&row, 1)?);
    }
    Ok(Variables(found))
}

/// How long the server keeps its binlog, and the files that are there now.
///
/// # Errors
/// The server's refusal, when we may not ask (REPLICATION CLIENT; MariaDB: BINLOG MONITOR).
pub async fn ask_retention(conn: &mut mysql_async::Conn) -> Result<Retention> {
    let variables = variables(conn, settings::REPLICATION_VARIABLES).await?;
    Ok(Retention { files: status::binlog_files(conn).await?, ..settings::retention(&variables) })
}
