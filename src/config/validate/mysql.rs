//! The three servers and who inherits what from whom (contract §1.8).

use std::path::PathBuf;

use crate::secret::Secret;

use super::super::settings::{MysqlSettings, TlsIdentity, TlsMode, TlsSettings};
use super::{Reader, jdbc};

const CONNECT_TIMEOUT_MS: u64 = 5_000;

pub(super) struct Servers {
    pub store: MysqlSettings,
    pub replication: MysqlSettings,
    pub capture: Option<MysqlSettings>,
}

pub(super) fn tls_mode(word: &str) -> Option<TlsMode> {
    Some(match word {
        "DISABLED" => TlsMode::Disabled,
        "PREFERRED" => TlsMode::Preferred,
        "REQUIRED" => TlsMode::Required,
        "VERIFY_CA" => TlsMode::VerifyCa,
        "VERIFY_IDENTITY" => TlsMode::VerifyIdentity,
        _ => return None,
    })
}

pub(super) fn servers(reader: &mut Reader) -> Servers {
    let store = store(reader);
    let replication = replication(reader, &store);
    let capture = reader.is_given("schema_host").then(|| server(reader, "schema_", &store.tls));
    if capture.is_none() {
        for name in ["schema_port", "schema_user", "schema_password", "schema_jdbc_options", "schema_ssl"] {
            ignored(reader, name, "schema_host");
        }
    }
    Servers { store, replication, capture }
}

fn store(reader: &mut Reader) -> MysqlSettings {
    if !reader.is_given("host") {
        reader.findings.warn("maxwell mysql host not specified, defaulting to localhost");
    }
    if !reader.is_given("user") {
        reader.missing("please specify --user=USER");
    }
    server(reader, "", &TlsSettings { mode: TlsMode::Disabled, ca: None, identity: None })
}

/// A copy of the store server, unless both replication_host and replication_user are given.
fn replication(reader: &mut Reader, store: &MysqlSettings) -> MysqlSettings {
    if reader.is_given("replication_host") && reader.is_given("replication_user") {
        return server(reader, "replication_", &store.tls);
    }
    if ["replication_host", "replication_user", "replication_password"].iter().any(|name| reader.is_given(name)) {
        reader.missing("Please specify all of: replication_host, replication_user, replication_password");
    }
    for name in ["replication_port", "replication_ssl", "replication_jdbc_options"] {
        ignored(reader, name, "replication_host and replication_user");
    }
    store.clone()
}

fn ignored(reader: &mut Reader, name: &str, needed: &str) {
    if let Some(origin) = reader.origin(name).filter(|_| reader.is_given(name)) {
        reader.findings.warn(format!("{name} ({origin}) was ignored, as Maxwell does: it counts only together with {needed}"));
    }
}

/// The options of one server; TLS settings that it does not have are those of the store server.
fn server(reader: &mut Reader, prefix: &str, inherited: &TlsSettings) -> MysqlSettings {
    let name = |option: &str| format!("{prefix}{option}");
    let ssl = name("ssl");
    let ssl_given = reader.is_given(&ssl);
    let jdbc = jdbc::read(reader, &name("jdbc_options"), ssl_given);
    let chosen = reader.choice(&ssl).filter(|_| ssl_given).and_then(tls_mode);
    let mode = chosen.or(jdbc.tls).unwrap_or(inherited.mode);
    let settings = MysqlSettings {
        host: reader.text(&name("host")).unwrap_or_default().trim().to_string(),
        port: reader.number(&name("port")),
        user: reader.text(&name("user")).unwrap_or_default(),
        password: Secret::new(reader.text(&name("password")).unwrap_or_default()),
        tls: TlsSettings {
            mode,
            ca: file(reader, &name("ssl_ca")).or_else(|| inherited.ca.clone()),
            identity: identity(reader, prefix, inherited),
        },
        connect_timeout_ms: jdbc.connect_timeout_ms.filter(|ms| *ms > 0).unwrap_or(CONNECT_TIMEOUT_MS),
    };
    let has_files = ["ssl_ca", "ssl_cert", "ssl_key"].iter().any(|option| reader.is_given(&name(option)));
    if mode == TlsMode::Disabled && has_files {
        reader.findings.warn(format!("certificates are given but TLS is not used: set {ssl}"));
    }
    settings
}

fn identity(reader: &mut Reader, prefix: &str, inherited: &TlsSettings) -> Option<TlsIdentity> {
    let (cert, key) = (format!("{prefix}ssl_cert"), format!("{prefix}ssl_key"));
    match (file(reader, &cert), file(reader, &key)) {
        (Some(cert), Some(key)) => Some(TlsIdentity { cert, key }),
        (None, None) => inherited.identity.clone(),
        (Some(_), None) => {
            reader.fault(&cert, format!("{cert} is given without {key}"), format!("set {key}"));
            None
        }
        (None, Some(_)) => {
            reader.fault(&key, format!("{key} is given without {cert}"), format!("set {cert}"));
            None
        }
    }
}

/// The path of a file that must be there.
fn file(reader: &mut Reader, name: &str) -> Option<PathBuf> {
    let path = reader.path(name)?;
    if !path.is_file() {
        reader.fault(name, format!("{name}: there is no file {}", path.display()), "give the path of a PEM file");
    }
    Some(path)
}

pub(super) fn check_capture(reader: &mut Reader) {
    if reader.is_given("schema_host") && !(reader.is_given("schema_user") && reader.is_given("schema_password")) {
        reader.missing("Please specify all of: schema_host, schema_user, schema_password");
    }
}
