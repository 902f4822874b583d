//! What the replication server's and the store server's variables say. Pure: variables in, findings out. The texts of
//! faults are Maxwell's (contract §2.2).

use crate::finding::Finding;
use crate::server::flavor::{Flavor, ServerVersion};

use super::{Retention, Variables};

/// A daemon that stands still this long on a week-end must find its place again, in seconds.
const RETENTION_WISH_SECONDS: u64 = 86_400;

/// The variables that are asked for on the replication server.
pub(super) const REPLICATION_VARIABLES: &[&str] = &[
    "server_id",
    "log_bin",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_metadata",
    "binlog_row_value_options",
    "binlog_checksum",
    "binlog_transaction_compression",
    "log_bin_compress",
    "gtid_mode",
    "log_slave_updates",
    "log_replica_updates",
    "enforce_gtid_consistency",
    "binlog_expire_logs_seconds",
    "binlog_expire_logs_auto_purge",
    "expire_logs_days",
    "max_binlog_total_size",
];

/// How a variable is brought to the wanted value: statement, and what else there is to do.
struct Way {
    sql: &'static [&'static str],
    file: &'static str,
    words: Option<&'static str>,
}

fn must_be(variables: &Variables, name: &str, want: &str, way: &Way) -> Finding {
    let finding = match variables.get(name) {
        Some(value) if value == want => return Finding::ok(name, want),
        Some(_) => Finding::fault(name, format!("variable {name} must be set to '{want}'")),
        None => Finding::fault(name, format!("Could not check state for Mysql variable: {name}")),
    };
    mended(finding, way)
}

fn mended(mut finding: Finding, way: &Way) -> Finding {
    for sql in way.sql {
        finding = finding.sql(*sql);
    }
    finding = finding.server_file(way.file);
    match way.words {
        Some(words) => finding.words(words),
        None => finding,
    }
}

const RESTART: &str = "restart the server";

/// Versions that our tests run against; others are said to be untested.
pub(super) fn version(version: &ServerVersion, server_id: u32) -> Finding {
    let tested = match version.flavor {
        Flavor::MySql => version.at_least(Flavor::MySql, 5, 6, 0),
        Flavor::MariaDb => version.at_least(Flavor::MariaDb, 10, 6, 0),
    };
    if tested {
        return Finding::ok("version", format!("{version}, server_id {server_id}"));
    }
    Finding::warning("version", format!("{version} is older than the servers that binlogd is made for"))
        .words("use MySQL 5.6 or later, or MariaDB 10.6 or later")
}

/// All settings of the replication server, one finding each.
pub(super) fn replication(version: &ServerVersion, variables: &Variables, gtid_mode: bool) -> Vec<Finding> {
    let mut found = vec![server_id(variables)];
    let way = Way { sql: &[], file: "log_bin=master", words: Some(RESTART) };
    found.push(must_be(variables, "log_bin", "ON", &way));
    let way = Way { sql: &["SET GLOBAL binlog_format = 'ROW';"], file: "binlog_format=ROW", words: Some("let every client connect anew") };
    found.push(must_be(variables, "binlog_format", "ROW", &way));
    found.push(row_image(variables));
    found.push(row_metadata(variables));
    found.extend(value_options(variables));
    found.push(checksum(variables));
    found.extend(compression(variables));
    if gtid_mode {
        found.extend(gtids(version, variables));
    }
    found
}

fn server_id(variables: &Variables) -> Finding {
    match variables.get("server_id") {
        Some("0") => Finding::fault("server_id", "server_id is '0'.  Maxwell will not function without a server_id being set.")
            .sql("SET GLOBAL server_id = 1;")
            .server_file("server_id=1"),
        value => Finding::ok("server_id", value.unwrap_or("not told")),
    }
}

fn row_image(variables: &Variables) -> Finding {
    let text = match variables.get("binlog_row_image") {
        // Rows of a table without a key could not be told apart in a MINIMAL image.
        Some("MINIMAL") => "binlog_row_image is MINIMAL: messages hold only the changed columns and the key",
        Some("NOBLOB") => "binlog_row_image is NOBLOB: messages lack text and blob columns that did not change",
        Some(other) => return Finding::ok("binlog_row_image", other),
        None => return Finding::ok("binlog_row_image", "not on this server: always full"),
    };
    Finding::warning("binlog_row_image", text).sql("SET GLOBAL binlog_row_image = 'FULL';").server_file("binlog_row_image=FULL")
}

fn row_metadata(variables: &Variables) -> Finding {
    match variables.get("binlog_row_metadata") {
        Some("FULL") => Finding::ok("binlog_row_metadata", "FULL"),
        Some(other) => Finding::warning(
            "binlog_row_metadata",
            format!("binlog_row_metadata is {other}: table definitions cannot be checked against the binlog itself, FULL lets them"),
        )
        .sql("SET GLOBAL binlog_row_metadata = 'FULL';")
        .server_file("binlog_row_metadata=FULL"),
        None => Finding::ok("binlog_row_metadata", "not on this server: definitions are followed by the statements alone"),
    }
}

fn value_options(variables: &Variables) -> Option<Finding> {
    let options = variables.get("binlog_row_value_options")?;
    if !options.to_ascii_uppercase().contains("PARTIAL_JSON") {
        return Some(Finding::ok("binlog_row_value_options", "none"));
    }
    if matches!(variables.get("binlog_row_image"), None | Some("FULL")) {
        return Some(Finding::ok("binlog_row_value_options", "PARTIAL_JSON, and the images have the documents before"));
    }
    let text = "binlog_row_value_options is PARTIAL_JSON and the images lack the documents before: the first such update of a JSON column stops \
                the daemon, unless partial_json=omit";
    Some(
        Finding::warning("binlog_row_value_options", text)
            .sql("SET GLOBAL binlog_row_value_options = '';")
            .server_file("binlog_row_value_options=")
            .words("let every client connect anew"),
    )
}

fn checksum(variables: &Variables) -> Finding {
    match variables.get("binlog_checksum") {
        Some("NONE") => Finding::warning("binlog_checksum", "binlog_checksum is NONE: damage to the binlog on disk is not noticed")
            .sql("SET GLOBAL binlog_checksum = 'CRC32';")
            .server_file("binlog_checksum=CRC32"),
        value => Finding::ok("binlog_checksum", value.unwrap_or("not on this server")),
    }
}

/// Compressed transactions (MySQL 8.0.20) and events (MariaDB) are read; it is only worth saying.
fn compression(variables: &Variables) -> Option<Finding> {
    let name = ["binlog_transaction_compression", "log_bin_compress"].into_iter().find(|name| variables.get(name).is_some())?;
    Some(Finding::ok(name, variables.get(name).unwrap_or_default()))
}

/// MariaDB always writes GTIDs.
fn gtids(version: &ServerVersion, variables: &Variables) -> Vec<Finding> {
    if version.flavor == Flavor::MariaDb {
        return vec![Finding::ok("gtid_mode", "MariaDB always writes GTIDs")];
    }
    // Since 5.7.6 GTIDs can be switched on while the server runs, in these steps (MySQL manual, "Changing GTID Mode Online").
    let online = version.at_least(Flavor::MySql, 5, 7, 6);
    let steps: &[&str] = &["SET GLOBAL gtid_mode = OFF_PERMISSIVE;", "SET GLOBAL gtid_mode = ON_PERMISSIVE;", "SET GLOBAL gtid_mode = ON;"];
    let or = "or set gtid_mode=false here, to follow the binlog by file and offset";
    let mode = Way { sql: if online { steps } else { &[] }, file: "gtid_mode=ON", words: Some(or) };
    let consistency = Way {
        sql: if online { &["SET GLOBAL enforce_gtid_consistency = ON;"] } else { &[] },
        file: "enforce_gtid_consistency=ON",
        words: if online { None } else { Some(RESTART) },
    };
    let updates = if variables.get("log_slave_updates").is_some() { "log_slave_updates" } else { "log_replica_updates" };
    let file = if updates == "log_slave_updates" { "log_slave_updates=ON" } else { "log_replica_updates=ON" };
    // In the order in which their statements have to be run.
    vec![
        must_be(variables, updates, "ON", &Way { sql: &[], file, words: Some(RESTART) }),
        must_be(variables, "enforce_gtid_consistency", "ON", &consistency),
        must_be(variables, "gtid_mode", "ON", &mode),
    ]
}

/// The store server must take writes.
pub(super) fn store(variables: &Variables) -> Finding {
    let words = "or give `host` a server that takes writes";
    must_be(variables, "read_only", "OFF", &Way { sql: &["SET GLOBAL read_only = OFF;"], file: "read_only=OFF", words: Some(words) })
}

/// MySQL 8 counts in seconds, MySQL 5 in days; MariaDB has both, kept alike; 0 is without limit.
pub(super) fn retention(variables: &Variables) -> Retention {
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

pub(super) fn check_retention(retention: &Retention, variables: &Variables) -> Vec<Finding> {
    let mut found = Vec::new();
    match retention.seconds {
        Some(seconds) if seconds < RETENTION_WISH_SECONDS => {
            let text = format!("the server keeps its binlog for {seconds} s only: a daemon that stands still longer loses its place");
            let finding = Finding::warning("retention", text);
            found.push(if variables.get("binlog_expire_logs_seconds").is_some() {
                finding.sql("SET GLOBAL binlog_expire_logs_seconds = 604800;").server_file("binlog_expire_logs_seconds=604800")
            } else {
                finding.sql("SET GLOBAL expire_logs_days = 7;").server_file("expire_logs_days=7")
            });
        }
        Some(seconds) => found.push(Finding::ok("retention", format!("the binlog is kept for {} hours", seconds / 3600))),
        None => found.push(Finding::ok("retention", "the binlog is kept without a limit in time")),
    }
    if let Some(bytes) = retention.total_bytes {
        found.push(
            Finding::warning("retention", format!("the server keeps at most {bytes} bytes of binlog"))
                .words("raise max_binlog_total_size, or set it to 0 and rely on binlog_expire_logs_seconds"),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

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

    /// The findings of good settings with some of them changed.
    fn all(version: &ServerVersion, gtid_mode: bool, changes: &[(&str, Option<&str>)]) -> Vec<Finding> {
        let mut variables = Variables::from(GOOD);
        for (name, value) in changes {
            variables.set(name, *value);
        }
        replication(version, &variables, gtid_mode)
    }

    /// The texts of faults and of warnings.
    fn found(version: &ServerVersion, gtid_mode: bool, changes: &[(&str, Option<&str>)]) -> (Vec<String>, Vec<String>) {
        let all = all(version, gtid_mode, changes);
        let texts = |state| all.iter().filter(|f| f.is(state)).map(|f| f.text.clone()).collect();
        (texts(State::Fault), texts(State::Warning))
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
        let mut all = all(&mysql(), false, &[("server_id", Some("0")), ("log_bin", Some("OFF"))]);
        all.push(store(&Variables::from([("read_only", "ON")])));
        let text = crate::finding::no_fault(&all).unwrap_err().to_string();
        for part in [
            "server_id is '0'",
            "variable log_bin",
            "variable read_only must be set to 'OFF'",
            "SET GLOBAL server_id",
            "restart the server",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let changes = [("log_bin", Some("OFF")), ("binlog_format", Some("STATEMENT")), ("gtid_mode", None)];
        assert_eq!(found(&mysql(), true, &changes).0.len(), 3);
        assert_eq!(store(&Variables::from([("read_only", "ON")])).text, "variable read_only must be set to 'OFF'");
        assert_eq!(store(&Variables::from([("read_only", "OFF")])).state, State::Ok);
    }

    #[test]
    fn every_fault_says_what_mends_it() {
        let changes =
            [("server_id", Some("0")), ("log_bin", None), ("binlog_format", None), ("gtid_mode", None), ("log_slave_updates", None)];
        for version in [mysql(), ServerVersion::parse("5.6.24").unwrap()] {
            for finding in all(&version, true, &changes).iter().filter(|f| f.is(State::Fault)) {
                assert!(!finding.mends.is_empty(), "{finding:?}");
            }
        }
    }

    #[test]
    fn what_only_warns() {
        for (name, value, word) in [("binlog_row_metadata", "MINIMAL", "binlog itself"), ("binlog_checksum", "NONE", "damage")] {
            let (faults, warnings) = found(&mysql(), false, &[(name, Some(value))]);
            assert!(faults.is_empty() && warnings.len() == 1 && warnings[0].contains(word), "{name}: {faults:?} {warnings:?}");
        }
    }

    #[test]
    fn partial_json_needs_the_documents_before() {
        let partial = ("binlog_row_value_options", Some("PARTIAL_JSON"));
        for (image, warnings) in [("FULL", 0), ("NOBLOB", 2), ("MINIMAL", 2)] {
            let (faults, told) = found(&mysql(), false, &[partial, ("binlog_row_image", Some(image))]);
            assert!(faults.is_empty() && told.len() == warnings, "{image}: {faults:?} {told:?}");
            assert_eq!(told.iter().any(|t| t.contains("partial_json=omit")), warnings > 0, "{told:?}");
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
            let retention = retention(&variables);
            let warned = check_retention(&retention, &variables).iter().filter(|f| f.is(State::Warning)).count();
            assert_eq!((retention.seconds, retention.total_bytes, warned), (seconds, bytes, warnings), "{variables:?}");
        }
    }
}
