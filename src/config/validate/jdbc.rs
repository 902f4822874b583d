//! `jdbc_options`: what people set for Maxwell's Java driver (contract §1.9), each by an entry of one table: honoured, left
//! out with an info line, or refused with what to do. Those that no entry names are refused by name.
//!
//! Maxwell lets `ssl` override the TLS ones; so it is here, but when `ssl` is not set they count. No value of them is ever
//! printed whole: passwords of key stores are among them.

use std::path::PathBuf;

use super::super::settings::{KeyStore, TlsMode};
use super::Reader;
use super::mysql::tls_mode;
use crate::secret::Secret;
use crate::server::key_store;

/// What an option's text asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Jdbc {
    pub tls: Option<TlsMode>,
    pub trust_store: Option<KeyStore>,
    pub client_store: Option<KeyStore>,
    pub connect_timeout_ms: Option<u64>,
    pub statement_timeout_ms: Option<u64>,
    /// `allowPublicKeyRetrieval=false`: the password must not be encrypted with a key that the server sends unasked for.
    pub no_public_key: bool,
}

/// What becomes of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Honoured(Effect),
    /// Has no meaning here; why.
    Harmless(&'static str),
    /// Would change what it is about, and we cannot do it; what to do.
    Refused(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Mode,
    UseSsl,
    RequireSsl,
    VerifyCertificate,
    TrustUrl,
    TrustPassword,
    ClientUrl,
    ClientPassword,
    StoreType,
    TlsVersions,
    PublicKey,
    ConnectTimeout,
    SocketTimeout,
}
use Effect as E;
use Fate::{Harmless, Honoured, Refused};

const REPLACED: &str = "lost connections are always replaced";
const UTF8: &str = "connections are always utf8mb4";
const BINLOG: &str = "values are read from the binlog and not through a driver";
const DRIVER: &str = "it tunes the Java driver";
const OURS: &str = "binlogd sends its own few statements only";
const FALLBACK: &str = "the system's issuers count where no others are given, and only there";
const PROVIDER: &str = "it is a class of Java: remove it";
const LIMIT_SERVER: &str = "set it on the server (tls_ciphersuites, ssl_cipher), and remove it here";
const USE_TLS: &str = "remove it and use TLS (ssl=REQUIRED or stricter): then no RSA key is needed";

/// Properties of Connector/J (its manual, "Configuration Properties"; older spellings from 5.1's).
const TABLE: &[(Fate, &[&str])] = &[
    (Honoured(E::Mode), &["sslMode"]),
    (Honoured(E::UseSsl), &["useSSL"]),
    (Honoured(E::RequireSsl), &["requireSSL"]),
    (Honoured(E::VerifyCertificate), &["verifyServerCertificate"]),
    (Honoured(E::TrustUrl), &["trustCertificateKeyStoreUrl"]),
    (Honoured(E::TrustPassword), &["trustCertificateKeyStorePassword"]),
    (Honoured(E::ClientUrl), &["clientCertificateKeyStoreUrl"]),
    (Honoured(E::ClientPassword), &["clientCertificateKeyStorePassword"]),
    (Honoured(E::StoreType), &["trustCertificateKeyStoreType", "clientCertificateKeyStoreType"]),
    (Honoured(E::TlsVersions), &["tlsVersions", "enabledTLSProtocols"]),
    (Honoured(E::PublicKey), &["allowPublicKeyRetrieval"]),
    (Honoured(E::ConnectTimeout), &["connectTimeout"]),
    (Honoured(E::SocketTimeout), &["socketTimeout"]),
    (
        Harmless(REPLACED),
        &[
            "autoReconnect",
            "autoReconnectForPools",
            "failOverReadOnly",
            "maxReconnects",
            "initialTimeout",
            "tcpKeepAlive",
            "interactiveClient",
        ],
    ),
    (Harmless(UTF8), &["useUnicode", "characterEncoding", "connectionCollation", "characterSetResults", "passwordCharacterEncoding"]),
    (
        Harmless(BINLOG),
        &[
            "zeroDateTimeBehavior",
            "serverTimezone",
            "connectionTimeZone",
            "forceConnectionTimeZoneToSession",
            "preserveInstants",
            "useLegacyDatetimeCode",
            "useJDBCCompliantTimezoneShift",
            "useTimezone",
            "useGmtMillisForDatetimes",
            "noDatetimeStringSync",
            "noTimezoneConversionForTimeType",
            "noTimezoneConversionForDateType",
            "tinyInt1isBit",
            "transformedBitIsBoolean",
            "yearIsDateType",
            "sendFractionalSeconds",
            "sendFractionalSecondsForTime",
            "treatUtilDateAsTimestamp",
            "jdbcCompliantTruncation",
            "blobsAreStrings",
            "functionsNeverReturnBlobs",
        ],
    ),
    (
        Harmless(DRIVER),
        &[
            "tcpNoDelay",
            "tcpRcvBuf",
            "tcpSndBuf",
            "tcpTrafficClass",
            "useCompression",
            "cachePrepStmts",
            "prepStmtCacheSize",
            "prepStmtCacheSqlLimit",
            "useServerPrepStmts",
            "emulateUnsupportedPstmts",
            "rewriteBatchedStatements",
            "continueBatchOnError",
            "useCursorFetch",
            "defaultFetchSize",
            "netTimeoutForStreamingResults",
            "cacheServerConfiguration",
            "cacheResultSetMetadata",
            "cacheCallableStmts",
            "cacheDefaultTimezone",
            "useLocalSessionState",
            "useLocalTransactionState",
            "elideSetAutoCommits",
            "alwaysSendSetIsolation",
            "maintainTimeStats",
            "enableQueryTimeouts",
            "useInformationSchema",
            "nullCatalogMeansCurrent",
            "nullDatabaseMeansCurrent",
            "databaseTerm",
            "useBulkStmts",
            "useUnbufferedInput",
            "useReadAheadInput",
            "useHostsInPrivileges",
            "useOldAliasMetadataBehavior",
            "useColumnNamesInFindColumn",
            "getProceduresReturnsFunctions",
            "noAccessToProcedureBodies",
            "dontTrackOpenResources",
            "holdResultsOpenOverStatementClose",
            "maxAllowedPacket",
            "largeRowSizeThreshold",
            "blobSendChunkSize",
            "locatorFetchBufferSize",
            "pedantic",
            "strictUpdates",
            "ultraDevHack",
        ],
    ),
    (
        Harmless("binlogd writes its own log"),
        &[
            "logger",
            "profileSQL",
            "logSlowQueries",
            "slowQueryThresholdMillis",
            "autoSlowLog",
            "explainSlowQueries",
            "dumpQueriesOnException",
            "includeInnodbStatusInDeadlockExceptions",
            "includeThreadDumpInDeadlockExceptions",
            "traceProtocol",
            "paranoid",
            "gatherPerfMetrics",
            "useUsageAdvisor",
            "connectionAttributes",
        ],
    ),
    (
        Harmless(OURS),
        &[
            "allowMultiQueries",
            "allowLoadLocalInfile",
            "allowLoadLocalInfileInPath",
            "allowUrlInLocalInfile",
            "useAffectedRows",
            "createDatabaseIfNotExist",
            "readOnlyPropagatesToServer",
            "allowNanAndInf",
            "autoDeserialize",
            "maxRows",
        ],
    ),
    (Harmless(FALLBACK), &["fallbackToSystemTrustStore", "fallbackToSystemKeyStore"]),
    (Refused(LIMIT_SERVER), &["tlsCiphersuites", "enabledSSLCipherSuites"]),
    (Refused(USE_TLS), &["serverRSAPublicKeyFile"]),
    (Refused("use the option user"), &["user"]),
    (Refused("use the option password"), &["password", "password1", "password2", "password3"]),
    (
        Refused("binlogd sets what it needs in its sessions by itself: remove it, or set the server's global variable"),
        &["sessionVariables"],
    ),
    (
        Refused("the server chooses the account's login method: remove it, and give the account one of docs/tls-and-logins.md"),
        &["authenticationPlugins", "defaultAuthenticationPlugin", "defaultAuthenticationPlugins", "disabledAuthenticationPlugins"],
    ),
    (Refused("name the server in the option host, and remove it"), &["dnsSrv", "localSocketAddress"]),
    (Refused("connect directly, or through a tunnel whose near end stands in host and port"), &["socksProxyHost", "socksProxyPort"]),
    (
        Refused(PROVIDER),
        &[
            "propertiesTransform",
            "queryInterceptors",
            "statementInterceptors",
            "connectionLifecycleInterceptors",
            "exceptionInterceptors",
            "sslContextProvider",
            "keyStoreProvider",
            "keyManagerFactoryProvider",
            "trustManagerFactoryProvider",
            "fipsCompliantJsse",
        ],
    ),
];

/// Spelled as Connector/J spells it, in any letter case (as its own parser takes it).
fn entry(key: &str) -> Option<(Fate, &'static str)> {
    TABLE.iter().find_map(|(fate, names)| names.iter().find(|name| name.eq_ignore_ascii_case(key)).map(|name| (*fate, *name)))
}

/// Reads one of the three `jdbc_options`. `tls_given`: the connection's `ssl` option is set.
pub(super) fn read(reader: &mut Reader, option: &str, tls_given: bool) -> Jdbc {
    let mut wishes = Wishes::default();
    let text = reader.given(option).unwrap_or_default();
    for (key, value) in text.split('&').filter_map(|piece| piece.trim().split_once('=')) {
        let (key, value) = (key.trim(), value.trim());
        match entry(key) {
            Some((Honoured(effect), _)) => wishes.take(reader, option, effect, key, value),
            Some((Harmless(why), _)) => reader.findings.info(format!("{key} in {option} has no effect: {why}")),
            Some((Refused(remedy), _)) => reader.fault(option, format!("{key} in {option} is not supported"), remedy),
            None => {
                reader.fault(
                    option,
                    format!("{key} in {option} is not supported: binlogd does not use the Java driver"),
                    format!("remove {key}"),
                );
            }
        }
    }
    let mut jdbc = wishes.into_result(reader, option);
    if tls_given && jdbc.tls.is_some() {
        reader.findings.info(format!("the TLS settings in {option} have no effect: the ssl option is set"));
        jdbc.tls = None;
    }
    jdbc
}

/// What the properties say together.
#[derive(Default)]
struct Wishes {
    jdbc: Jdbc,
    mode: Option<TlsMode>,
    use_ssl: Option<bool>,
    require: bool,
    verify: bool,
    trust: Store,
    client: Store,
}

#[derive(Default)]
struct Store {
    url: Option<String>,
    password: Secret,
}

impl Wishes {
    fn take(&mut self, reader: &mut Reader, option: &str, effect: Effect, key: &str, value: &str) {
        let mend = || format!("mend {key}");
        match effect {
            E::Mode => match tls_mode(&value.to_ascii_uppercase()) {
                Some(mode) => self.mode = Some(mode),
                None => reader.fault(option, format!("Invalid sslMode in {option}: {value}"), "use the option ssl"),
            },
            E::UseSsl | E::RequireSsl | E::VerifyCertificate | E::PublicKey => match super::value::boolean(value) {
                None => reader.fault(option, format!("Invalid value for {key} in {option}, true|false required"), mend()),
                Some(wish) => match effect {
                    E::UseSsl => self.use_ssl = Some(wish),
                    E::RequireSsl => self.require = wish,
                    E::VerifyCertificate => self.verify = wish,
                    _ if wish => {
                        reader.findings.info(format!("{key} in {option} has no effect: the key is always asked for when a login needs it"));
                    }
                    _ => self.jdbc.no_public_key = true,
                },
            },
            E::ConnectTimeout | E::SocketTimeout => match super::value::millis(value) {
                None => reader.fault(option, format!("Invalid value for {key} in {option}, number required"), mend()),
                Some(ms) if effect == E::ConnectTimeout => self.jdbc.connect_timeout_ms = Some(ms),
                Some(ms) => self.jdbc.statement_timeout_ms = Some(ms),
            },
            E::TrustUrl => self.trust.url = Some(value.to_owned()),
            E::TrustPassword => self.trust.password = Secret::from(value),
            E::ClientUrl => self.client.url = Some(value.to_owned()),
            E::ClientPassword => self.client.password = Secret::from(value),
            // JKS is the driver's default and Java reads both forms under both names; the file itself tells.
            E::StoreType if ["PKCS12", "JKS"].iter().any(|known| known.eq_ignore_ascii_case(value)) => {}
            E::StoreType => reader.fault(
                option,
                format!("{key} in {option} is not supported: {value}"),
                "PKCS12 files can be read; PEM files belong in ssl_ca, ssl_cert and ssl_key",
            ),
            E::TlsVersions => tls_versions(reader, option, key, value),
        }
    }

    fn into_result(self, reader: &mut Reader, option: &str) -> Jdbc {
        let tls = self.mode();
        let Wishes { mut jdbc, trust, client, .. } = self;
        jdbc.tls = tls;
        jdbc.trust_store = trust.checked(reader, option, "trustCertificateKeyStore");
        jdbc.client_store = client.checked(reader, option, "clientCertificateKeyStore");
        jdbc
    }

    /// As Connector/J 8 translates the old three into a mode; `sslMode` beats them.
    fn mode(&self) -> Option<TlsMode> {
        if self.mode.is_some() {
            return self.mode;
        }
        match self.use_ssl {
            Some(false) => Some(TlsMode::Disabled),
            Some(true) if self.verify => Some(TlsMode::VerifyCa),
            Some(true) if self.require => Some(TlsMode::Required),
            Some(true) => Some(TlsMode::Preferred),
            None if self.require && self.verify => Some(TlsMode::VerifyCa),
            None if self.require => Some(TlsMode::Required),
            None => None,
        }
    }
}

impl Store {
    /// The store, if it can be opened.
    fn checked(self, reader: &mut Reader, option: &str, prefix: &str) -> Option<KeyStore> {
        let url = self.url.filter(|url| !url.is_empty())?;
        let place = format!("{prefix}Url in {option}");
        let path = match url.split_once(':') {
            // `file:x`, `file:/x` and `file:///x` are all in use.
            Some(("file", rest)) => PathBuf::from(rest.strip_prefix("//").unwrap_or(rest)),
            None => PathBuf::from(&url),
            Some((scheme, _)) => {
                reader.fault(option, format!("{place}: {scheme}: is not supported"), "give the path of a file, as file:/path");
                return None;
            }
        };
        if !path.is_file() {
            reader.fault(option, format!("{place}: there is no file {}", path.display()), "give the path of a PKCS12 file, as file:/path");
            return None;
        }
        let store = KeyStore { path, password: self.password };
        let opened =
            if prefix.starts_with("trust") { key_store::authorities(&store).map(drop) } else { key_store::identity(&store).map(drop) };
        match opened {
            Ok(()) => Some(store),
            Err(e) => {
                let hint = e.hint_text().unwrap_or("check the file").to_owned();
                reader.fault(option, format!("{place}: {}", e.message()), hint);
                None
            }
        }
    }
}

/// Both sides agree on the newest version that both know, from TLS 1.2 on. A list that holds 1.2 is kept to: 1.3 is no
/// weaker. What else is asked for cannot be promised on the SQL client's connections.
fn tls_versions(reader: &mut Reader, option: &str, key: &str, value: &str) {
    let versions: Vec<&str> = value.split(',').map(str::trim).collect();
    if versions.contains(&"TLSv1.2") {
        reader.findings.info(format!("{key} in {option} has no effect: TLS 1.2 or newer is always used, the newest that the server knows"));
    } else if versions.contains(&"TLSv1.3") {
        reader.fault(
            option,
            format!("{key} in {option} is not supported: connections cannot be held to TLS 1.3 from this side"),
            "set tls_version=TLSv1.3 on the server, and remove it here",
        );
    } else {
        reader.fault(option, format!("{key} in {option} names no TLS version of today"), "TLS 1.2 or newer is needed: remove it");
    }
}

#[cfg(test)]
#[path = "jdbc_tests.rs"]
mod tests;
