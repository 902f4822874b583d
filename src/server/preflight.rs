//! What must be true of the servers before the first event: settings, rights and how long the binlog is kept.
//!
//! Every fault is collected before any is reported. The texts are Maxwell's (contract §2.2), with what mends them.

use std::collections::HashMap;

use super::connect::Server;
use super::fault::is_server_error;
use super::flavor::{Flavor, ServerVersion};
use super::grants::{Grants, Right};
use super::rows;
use super::status::{self, BinlogFile, BinlogStatus, ServerIdentity};
use crate::error::{Error, Result};

/// Rows of a table without a key could not be told apart in a MINIMAL image.
const WARN_MINIMAL: &str = "binlog_row_image is MINIMAL: messages hold only the changed columns and the key";
/// A daemon that stands still this long on a week-end must find its place again, in seconds.
const RETENTION_WISH_SECONDS: u64 = 86_400;

/// A fault or a warning, with the statement or setting that mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub message: String,
    pub hint: String,
}

impl Finding {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Finding { message: message.into(), hint: hint.into() }
    }
}

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
    pub faults: Vec<Finding>,
    pub warnings: Vec<Finding>,
    /// `None` when the replication server could not be asked.
    pub replication: Option<ReplicationFacts>,
}

impl Preflight {
    /// The facts, or one definite error with all faults.
    pub fn into_result(self) -> Result<ReplicationFacts> {
        let hints = self.faults.iter().map(|f| f.hint.as_str()).collect::<Vec<_>>().join("; ");
        let messages = self.faults.iter().map(|f| f.message.as_str()).collect::<Vec<_>>().join("; ");
        let lacks_binlog = self.faults.iter().any(|f| f.message.contains(SLAVE_RIGHT));
        match self.replication {
            Some(facts) if self.faults.is_empty() => Ok(facts),
            _ if self.faults.is_empty() => Err(Error::bug("the replication server was not checked")),
            // Maxwell learns of this right from the server's refusal of the binlog, which is its exit code 2.
            _ => Err(Error::definite(messages).hint(hints).exit_code(if lacks_binlog { 2 } else { 1 })),
        }
    }
}

/// Checks both servers (they may be the same one) and reports everything that was found.
///
/// # Errors
/// Only when a server cannot be talked to at all; what it is set to is a finding.
pub async fn check(replication: &Server, store: &Server, gtid_mode: bool) -> Result<Preflight> {
    let mut found = Preflight::default();
    found.replication = Some(check_replication(replication, gtid_mode, &mut found).await?);
    let mut conn = store.conn().await?;
    check_store(&variables(&mut conn, &["read_only"]).await?, &mut found);
    Ok(found)
}

async fn check_replication(server: &Server, gtid_mode: bool, found: &mut Preflight) -> Result<ReplicationFacts> {
    let mut conn = server.conn().await?;
    let identity = status::identity(&mut conn).await?;
    let variables = variables(&mut conn, REPLICATION_VARIABLES).await?;
    check_settings(&identity.version, &variables, gtid_mode, found);
    let grants = status::query(&mut conn, "SHOW GRANTS FOR CURRENT_USER").await?;
    let grants = grants.iter().map(|row| rows::text(row, 0)).collect::<Result<Vec<_>>>()?;
    check_grants(&identity.version, &server.options().user, &Grants::parse(grants.iter().map(String::as_str)), found);
    // Roles may have hidden what the grants say; the server's own refusal does not.
    let mut denied = None;
    let mut keep = |e: Error| {
        let refused = is_server_error(&e, &[ER_ACCESS_DENIED]);
        if refused {
            denied = Some(e.to_string());
        }
        if refused { Ok(None) } else { Err(e) }
    };
    let (mut at, mut files) = (None, Vec::new());
    if variables.get("log_bin") == Some("ON") {
        at = status::binlog_status(&mut conn, &identity.version).await.map(Some).or_else(&mut keep)?;
        files = status::binlog_files(&mut conn).await.map(Some).or_else(|e| keep(e).map(|_| None))?.unwrap_or_default();
    }
    if let Some(message) = denied
        && !found.faults.iter().any(|f| f.message.contains(CLIENT_RIGHT))
    {
        found.faults.push(Finding::new(message, grant_hint(&identity.version, &server.options().user)));
    }
    let retention = Retention { files, ..retention(&variables) };
    check_retention(&retention, found);
    let owned = |name| variables.get(name).map(str::to_owned);
    Ok(ReplicationFacts {
        status: at,
        row_image: owned("binlog_row_image"),
        row_metadata: owned("binlog_row_metadata"),
        row_value_options: owned("binlog_row_value_options").filter(|v| !v.is_empty()),
        retention,
        identity,
    })
}

/// ER_SPECIFIC_ACCESS_DENIED_ERROR
const ER_ACCESS_DENIED: u16 = 1227;
const SLAVE_RIGHT: &str = "REPLICATION SLAVE";
const CLIENT_RIGHT: &str = "REPLICATION CLIENT";

const REPLICATION_VARIABLES: &[&str] = &[
    "server_id",
    "log_bin",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_metadata",
    "binlog_row_value_options",
    "gtid_mode",
    "log_slave_updates",
    "log_replica_updates",
    "enforce_gtid_consistency",
    "binlog_expire_logs_seconds",
    "binlog_expire_logs_auto_purge",
    "expire_logs_days",
    "max_binlog_total_size",
];

/// The values of these variables, as far as the server has them.
async fn variables(conn: &mut mysql_async::Conn, names: &[&str]) -> Result<Variables> {
    let sql = format!("SHOW VARIABLES WHERE Variable_name IN ('{}')", names.join("','"));
    let mut found = HashMap::new();
    for row in status::query(conn, &sql).await? {
        found.insert(rows::text(&row, 0)?.to_ascii_lowercase(), rows::text(&row, 1)?);
    }
    Ok(Variables(found))
}

fn must_be(variables: &Variables, name: &str, want: &str, hint: &str, found: &mut Preflight) {
    let message = match variables.get(name) {
        Some(value) if value == want => return,
        Some(_) => format!("variable {name} must be set to '{want}'"),
        None => format!("Could not check state for Mysql variable: {name}"),
    };
    found.faults.push(Finding::new(message, hint));
}

fn check_settings(version: &ServerVersion, variables: &Variables, gtid_mode: bool, found: &mut Preflight) {
    if variables.get("server_id") == Some("0") {
        let message = "server_id is '0'.  Maxwell will not function without a server_id being set.";
        found.faults.push(Finding::new(message, "SET GLOBAL server_id = 1, and server_id=1 in the server's configuration"));
    }
    must_be(variables, "log_bin", "ON", "log_bin=master in the server's configuration, then restart the server", found);
    must_be(variables, "binlog_format", "ROW", "SET GLOBAL binlog_format = 'ROW', then let every client connect anew", found);
    match variables.get("binlog_row_image") {
        Some("MINIMAL") => found.warnings.push(Finding::new(WARN_MINIMAL, "SET GLOBAL binlog_row_image = 'FULL'")),
        Some("NOBLOB") => found.warnings.push(Finding::new(
            "binlog_row_image is NOBLOB: messages lack text and blob columns that did not change",
            "SET GLOBAL binlog_row_image = 'FULL'",
        )),
        _ => {}
    }
    if gtid_mode && version.flavor == Flavor::MySql {
        let hint = "the server needs gtid_mode=ON, enforce_gtid_consistency=ON and log_slave_updates=ON; or set gtid_mode=false here";
        must_be(variables, "gtid_mode", "ON", hint, found);
        let updates = if variables.get("log_slave_updates").is_some() { "log_slave_updates" } else { "log_replica_updates" };
        must_be(variables, updates, "ON", hint, found);
        must_be(variables, "enforce_gtid_consistency", "ON", hint, found);
    }
}

fn check_store(variables: &Variables, found: &mut Preflight) {
    must_be(variables, "read_only", "OFF", "SET GLOBAL read_only = OFF on the server of `host`, or choose a writable server", found);
}

fn grant_hint(version: &ServerVersion, user: &str) -> String {
    let select =
        if version.is_mariadb() { "SELECT, REPLICATION SLAVE, BINLOG MONITOR" } else { "SELECT, REPLICATION SLAVE, REPLICATION CLIENT" };
    format!("GRANT {select} ON *.* TO '{user}'@'…'")
}

fn check_grants(version: &ServerVersion, user: &str, grants: &Grants, found: &mut Preflight) {
    for (right, names) in [(SLAVE_RIGHT, &[SLAVE_RIGHT][..]), (CLIENT_RIGHT, &["REPLICATION CLIENT", "BINLOG MONITOR", "SUPER"])] {
        if grants.global(names) == Right::Missing {
            found.faults.push(Finding::new(format!("user '{user}' lacks the right {right}"), grant_hint(version, user)));
        }
    }
    if grants.global(&["SELECT"]) == Right::Missing {
        let message = match grants.anywhere(&["SELECT"]) {
            Right::Missing => format!("user '{user}' may select from no table, so it can see no definition"),
            _ => format!("user '{user}' may not select from all tables: changes of tables it cannot see stop the daemon unless filtered"),
        };
        found.warnings.push(Finding::new(message, grant_hint(version, user)));
    }
}

/// MySQL 8 counts in seconds, MySQL 5 in days; MariaDB has both, kept alike; 0 is without limit.
fn retention(variables: &Variables) -> Retention {
    let auto_purge = variables.get("binlog_expire_logs_auto_purge") != Some("OFF");
    let seconds = variables.number("binlog_expire_logs_seconds").filter(|s| *s > 0.0);
    let days = variables.number("expire_logs_days").filter(|d| *d > 0.0).map(|d| d * 86_400.0);
    let total = variables.number("max_binlog_total_size").filter(|b| *b > 0.0);
    Retention {
        seconds: seconds.or(days).filter(|_| auto_purge).map(|s| s as u64),
        total_bytes: total.map(|b| b as u64),
        files: Vec::new(),
    }
}

/// How long the server keeps its binlog, and the files that are there now.
///
/// # Errors
/// The server's refusal, when we may not ask (REPLICATION CLIENT; MariaDB: BINLOG MONITOR).
pub async fn ask_retention(conn: &mut mysql_async::Conn) -> Result<Retention> {
    let variables = variables(conn, REPLICATION_VARIABLES).await?;
    Ok(Retention { files: status::binlog_files(conn).await?, ..retention(&variables) })
}

fn check_retention(retention: &Retention, found: &mut Preflight) {
    if let Some(seconds) = retention.seconds.filter(|s| *s < RETENTION_WISH_SECONDS) {
        let hint = "raise binlog_expire_logs_seconds (or expire_logs_days) to the longest stop you want to survive";
        found.warnings.push(Finding::new(format!("the server keeps its binlog for {seconds} s only"), hint));
    }
    if let Some(bytes) = retention.total_bytes {
        let hint = "raise max_binlog_total_size, or set it to 0 and rely on binlog_expire_logs_seconds";
        found.warnings.push(Finding::new(format!("the server keeps at most {bytes} bytes of binlog"), hint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql() -> ServerVersion {
        ServerVersion::parse("9.7.4").unwrap()
    }

    fn mariadb() -> ServerVersion {
        ServerVersion::parse("11.8.6-MariaDB").unwrap()
    }

    const GOOD: [(&str, &str); 7] = [
        ("server_id", "1"),
        ("log_bin", "ON"),
        ("binlog_format", "ROW"),
        ("binlog_row_image", "FULL"),
        ("gtid_mode", "ON"),
        ("log_slave_updates", "ON"),
        ("enforce_gtid_consistency", "ON"),
    ];

    /// The faults' and warnings' messages of good settings with one of them changed.
    fn found(version: &ServerVersion, gtid_mode: bool, changes: &[(&str, Option<&str>)]) -> (Vec<String>, Vec<String>) {
        let mut variables = Variables::from(GOOD);
        for (name, value) in changes {
            variables.0.remove(*name);
            if let Some(value) = value {
                variables.0.insert((*name).to_owned(), (*value).to_owned());
            }
        }
        let mut found = Preflight::default();
        check_settings(version, &variables, gtid_mode, &mut found);
        let messages = |list: Vec<Finding>| list.into_iter().map(|f| f.message).collect();
        (messages(found.faults), messages(found.warnings))
    }

    #[test]
    fn settings_fail_with_maxwells_texts() {
        for (version, gtid_mode, name, value, fault) in [
            (mysql(), true, "server_id", Some("2"), None),
            (mysql(), false, "server_id", None, None),
            (mysql(), false, "server_id", Some("0"), Some("server_id is '0'.  Maxwell will not function without a server_id being set.")),
            (mysql(), false, "log_bin", Some("OFF"), Some("variable log_bin must be set to 'ON'")),
            (mysql(), false, "log_bin", None, Some("Could not check state for Mysql variable: log_bin")),
            (mysql(), false, "binlog_format", Some("MIXED"), Some("variable binlog_format must be set to 'ROW'")),
            (mysql(), true, "gtid_mode", Some("OFF"), Some("variable gtid_mode must be set to 'ON'")),
            (mysql(), true, "log_slave_updates", Some("OFF"), Some("variable log_slave_updates must be set to 'ON'")),
            (mysql(), true, "enforce_gtid_consistency", Some("WARN"), Some("variable enforce_gtid_consistency must be set to 'ON'")),
            (mysql(), false, "gtid_mode", Some("OFF"), None),
            (mariadb(), true, "gtid_mode", None, None),
        ] {
            let (faults, warnings) = found(&version, gtid_mode, &[(name, value)]);
            assert_eq!(faults, fault.into_iter().map(str::to_owned).collect::<Vec<_>>(), "{name} {value:?}");
            assert!(warnings.is_empty(), "{warnings:?}");
        }
        let (faults, warnings) = found(&mysql(), false, &[("binlog_row_image", Some("MINIMAL"))]);
        assert!(faults.is_empty() && warnings.len() == 1, "MINIMAL only warns");
        let renamed = [("log_slave_updates", None), ("log_replica_updates", Some("ON"))];
        assert!(found(&mysql(), true, &renamed).0.is_empty(), "newer servers know the newer name only");
    }

    #[test]
    fn all_faults_come_at_once() {
        let mut all = Preflight::default();
        check_settings(&mysql(), &Variables::from([("server_id", "0"), ("log_bin", "OFF"), ("binlog_format", "ROW")]), false, &mut all);
        check_store(&Variables::from([("read_only", "ON")]), &mut all);
        check_grants(&mysql(), "maxwell", &Grants::parse(["GRANT SELECT ON *.* TO `maxwell`@`%`"]), &mut all);
        let error = all.into_result().unwrap_err();
        assert_eq!(error.code(), 2, "the missing right is what Maxwell's server error is about");
        for part in [
            "server_id is '0'",
            "variable log_bin",
            "variable read_only must be set to 'OFF'",
            "lacks the right REPLICATION SLAVE",
            "GRANT SELECT",
        ] {
            assert!(error.to_string().contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn rights() {
        for (lines, faults, warnings) in [
            (&["GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `m`@`%`"][..], 0, 0),
            (&["GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `m`@`%`", "GRANT SELECT ON `a`.* TO `m`@`%`"], 0, 1),
            (&["GRANT REPLICATION SLAVE ON *.* TO `m`@`%`"], 1, 1),
            (&["GRANT USAGE ON *.* TO `m`@`%`"], 2, 1),
            (&["GRANT USAGE ON *.* TO `m`@`%`", "GRANT `r`@`%` TO `m`@`%`"], 0, 0),
        ] {
            let mut found = Preflight::default();
            check_grants(&mysql(), "m", &Grants::parse(lines.iter().copied()), &mut found);
            assert_eq!((found.faults.len(), found.warnings.len()), (faults, warnings), "{lines:?}");
        }
    }

    #[test]
    fn retention_in_every_spelling() {
        for (variables, seconds, bytes, warnings) in [
            (
                Variables::from([("binlog_expire_logs_seconds", "2592000"), ("binlog_expire_logs_auto_purge", "ON")]),
                Some(2_592_000),
                None,
                0,
            ),
            (Variables::from([("binlog_expire_logs_seconds", "3600"), ("binlog_expire_logs_auto_purge", "OFF")]), None, None, 0),
            (Variables::from([("binlog_expire_logs_seconds", "3600"), ("expire_logs_days", "0.041667")]), Some(3600), None, 1),
            (Variables::from([("expire_logs_days", "7")]), Some(604_800), None, 0),
            (Variables::from([("expire_logs_days", "0"), ("max_binlog_total_size", "1000000")]), None, Some(1_000_000), 1),
        ] {
            let mut found = Preflight::default();
            let retention = retention(&variables);
            check_retention(&retention, &mut found);
            assert_eq!((retention.seconds, retention.total_bytes, found.warnings.len()), (seconds, bytes, warnings), "{variables:?}");
        }
    }
}
