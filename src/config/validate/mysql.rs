//! The three servers and who inherits what from whom (contract §1.8).

use std::path::PathBuf;

use crate::secret::Secret;

use super::super::settings::{KeyStore, MysqlSettings, TlsIdentity, TlsMode, TlsSettings};
use super::Reader;
use super::jdbc::{self, Jdbc};

const CONNECT_TIMEOUT_MS: u64 = 5_000;
const STATEMENT_TIMEOUT_MS: u64 = 60_000;

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
    server(reader, "", &TlsSettings { mode: TlsMode::Disabled, ca: None, identity: None, trust_store: None, client_store: None })
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
    let jdbc_options = name("jdbc_options");
    let mut jdbc = jdbc::read(reader, &jdbc_options, ssl_given);
    let chosen = reader.choice(&ssl).filter(|_| ssl_given).and_then(tls_mode);
    let mode = chosen.or(jdbc.tls).unwrap_or(inherited.mode);
    if jdbc.no_public_key && matches!(mode, TlsMode::Disabled | TlsMode::Preferred) {
        reader.fault(
            &jdbc_options,
            format!("allowPublicKeyRetrieval=false in {jdbc_options} cannot be kept without TLS: some logins need the server's key"),
            format!("set {ssl}=REQUIRED or stricter, under which no key is asked for, or remove it (Maxwell's default is true)"),
        );
    }
    let settings = MysqlSettings {
        host: reader.text(&name("host")).unwrap_or_default().trim().to_string(),
        port: reader.number(&name("port")),
        user: reader.text(&name("user")).unwrap_or_default(),
        password: Secret::new(reader.text(&name("password")).unwrap_or_default()),
        connect_timeout_ms: jdbc.connect_timeout_ms.filter(|ms| *ms > 0).unwrap_or(CONNECT_TIMEOUT_MS),
        statement_timeout_ms: statement_timeout_ms(reader, &jdbc_options, &jdbc),
        tls: tls(reader, prefix, mode, &mut jdbc, inherited),
    };
    let tls = &settings.tls;
    let has_files = ["ssl_ca", "ssl_cert", "ssl_key"].iter().any(|option| reader.is_given(&name(option)));
    let has_stores = [(&tls.trust_store, &inherited.trust_store), (&tls.client_store, &inherited.client_store)]
        .into_iter()
        .any(|(own, inherited)| own.is_some() && own != inherited);
    if mode == TlsMode::Disabled && (has_files || has_stores) {
        reader.findings.warn(format!("certificates are given but TLS is not used: set {ssl}"));
    }
    settings
}

/// Files come before key stores, and the server's own before the store server's.
fn tls(reader: &mut Reader, prefix: &str, mode: TlsMode, jdbc: &mut Jdbc, inherited: &TlsSettings) -> TlsSettings {
    let (ca, trust_store) = match (file(reader, &format!("{prefix}ssl_ca")), jdbc.trust_store.take()) {
        (None, None) => (inherited.ca.clone(), inherited.trust_store.clone()),
        (None, store) => (None, store),
        (ca, mut store) => {
            left_out(reader, &mut store, prefix, "trustCertificateKeyStoreUrl", "ssl_ca");
            (ca, None)
        }
    };
    let (identity, client_store) = match (identity(reader, prefix), jdbc.client_store.take()) {
        (None, None) => (inherited.identity.clone(), inherited.client_store.clone()),
        (None, store) => (None, store),
        (identity, mut store) => {
            left_out(reader, &mut store, prefix, "clientCertificateKeyStoreUrl", "ssl_cert");
            (identity, None)
        }
    };
    TlsSettings { mode, ca, identity, trust_store, client_store }
}

fn left_out(reader: &mut Reader, store: &mut Option<KeyStore>, prefix: &str, property: &str, instead: &str) {
    if store.take().is_some() {
        reader.findings.info(format!("{property} in {prefix}jdbc_options has no effect: {prefix}{instead} is set"));
    }
}

/// `socketTimeout` makes the limit longer and never shorter: the driver counts the silence of the socket, we a whole
/// statement, and a long answer is not a silent server.
fn statement_timeout_ms(reader: &mut Reader, option: &str, jdbc: &Jdbc) -> u64 {
    match jdbc.statement_timeout_ms {
        Some(ms) if ms > STATEMENT_TIMEOUT_MS => ms,
        Some(_) => {
            let seconds = STATEMENT_TIMEOUT_MS / 1000;
            reader
                .findings
                .info(format!("socketTimeout in {option} has no effect: a statement may take {seconds} s, or longer if more is given"));
            STATEMENT_TIMEOUT_MS
        }
        None => STATEMENT_TIMEOUT_MS,
    }
}

fn identity(reader: &mut Reader, prefix: &str) -> Option<TlsIdentity> {
    let (cert, key) = (format!("{prefix}ssl_cert"), format!("{prefix}ssl_key"));
    match (file(reader, &cert), file(reader, &key)) {
        (Some(cert), Some(key)) => Some(TlsIdentity { cert, key }),
        (None, None) => None,
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
