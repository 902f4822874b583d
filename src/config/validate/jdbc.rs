//! `jdbc_options`: what people set for Maxwell's Java driver (contract §1.9).
//!
//! Those about TLS and the connect time-out are honoured, those that mean nothing outside Java or are always so here are
//! left out with an info line, and the rest is refused by name. Maxwell lets `ssl` override the TLS ones; so it is here,
//! but when `ssl` is not set they count.

use super::super::settings::TlsMode;
use super::Reader;
use super::mysql::tls_mode;

/// What an option's text asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Jdbc {
    pub tls: Option<TlsMode>,
    pub connect_timeout_ms: Option<u64>,
}

/// Properties of Connector/J without an effect here. Names in lower case.
const HARMLESS: &[(&[&str], &str)] = &[
    (
        &[
            "autoreconnect",
            "autoreconnectforpools",
            "failoverreadonly",
            "maxreconnects",
            "initialtimeout",
            "sockettimeout",
            "tcpkeepalive",
            "tcpnodelay",
        ],
        "lost connections are always replaced",
    ),
    (&["useunicode", "characterencoding", "connectioncollation", "charactersetresults"], "connections are always utf8mb4"),
    (&["allowpublickeyretrieval"], "the server's public key is always asked for when a login needs it"),
    (
        &[
            "zerodatetimebehavior",
            "servertimezone",
            "connectiontimezone",
            "forceconnectiontimezonetosession",
            "uselegacydatetimecode",
            "usejdbccomplianttimezoneshift",
            "usetimezone",
            "nodatetimestringsync",
            "tinyint1isbit",
            "yearisdatetype",
            "sendfractionalseconds",
        ],
        "values are read from the binlog and not through a driver",
    ),
    (
        &[
            "cacheprepstmts",
            "prepstmtcachesize",
            "prepstmtcachesqllimit",
            "useserverprepstmts",
            "rewritebatchedstatements",
            "usecursorfetch",
            "defaultfetchsize",
            "cacheserverconfiguration",
            "uselocalsessionstate",
            "elidesetautocommits",
            "maintaintimestats",
            "useinformationschema",
            "nullcatalogmeanscurrent",
            "usebulkstmts",
        ],
        "it tunes the Java driver",
    ),
    (&["enabledtlsprotocols", "tlsversions"], "client and server agree on the newest TLS version"),
];

/// Properties that are about Java key stores, and what to use instead.
const KEY_STORES: [&str; 6] = [
    "trustcertificatekeystoreurl",
    "trustcertificatekeystoretype",
    "trustcertificatekeystorepassword",
    "clientcertificatekeystoreurl",
    "clientcertificatekeystoretype",
    "clientcertificatekeystorepassword",
];

/// Reads one of the three `jdbc_options`. `tls_given`: the connection's `ssl` option is set.
pub(super) fn read(reader: &mut Reader, option: &str, tls_given: bool) -> Jdbc {
    let mut jdbc = Jdbc::default();
    let mut tls = TlsWishes::default();
    let text = reader.given(option).unwrap_or_default();
    for (key, value) in text.split('&').filter_map(|piece| piece.trim().split_once('=')) {
        let (key, value) = (key.trim(), value.trim());
        let lower = key.to_ascii_lowercase();
        match lower.as_str() {
            "usessl" | "requiressl" | "verifyservercertificate" => match super::value::boolean(value) {
                Some(wish) => tls.set(&lower, wish),
                None => reader.fault(option, format!("Invalid value for {key} in {option}, true|false required"), format!("mend {key}")),
            },
            "sslmode" => match tls_mode(&value.to_ascii_uppercase()) {
                Some(mode) => tls.mode = Some(mode),
                None => reader.fault(option, format!("Invalid sslMode in {option}: {value}"), "use the option ssl"),
            },
            "connecttimeout" => match super::value::millis(value) {
                Some(ms) => jdbc.connect_timeout_ms = Some(ms),
                None => reader.fault(option, format!("Invalid value for {key} in {option}, number required"), format!("mend {key}")),
            },
            _ => other(reader, option, key, &lower),
        }
    }
    jdbc.tls = tls.result();
    if tls_given && jdbc.tls.is_some() {
        reader.findings.info(format!("the TLS settings in {option} have no effect: the ssl option is set"));
        jdbc.tls = None;
    }
    jdbc
}

fn other(reader: &mut Reader, option: &str, key: &str, lower: &str) {
    if let Some((_, why)) = HARMLESS.iter().find(|(names, _)| names.contains(&lower)) {
        reader.findings.info(format!("{key} in {option} has no effect: {why}"));
    } else if KEY_STORES.contains(&lower) {
        let prefix = option.strip_suffix("jdbc_options").unwrap_or_default();
        let hint = format!("export the certificates as PEM files for {prefix}ssl_ca, {prefix}ssl_cert and {prefix}ssl_key");
        reader.fault(option, format!("{key} in {option} is not supported: Java key stores cannot be read"), hint);
    } else {
        reader.fault(option, format!("{key} in {option} is not supported: binlogd does not use the Java driver"), format!("remove {key}"));
    }
}

#[derive(Default)]
struct TlsWishes {
    mode: Option<TlsMode>,
    use_ssl: Option<bool>,
    require: bool,
    verify: bool,
}

impl TlsWishes {
    fn set(&mut self, lower: &str, wish: bool) {
        match lower {
            "usessl" => self.use_ssl = Some(wish),
            "requiressl" => self.require = wish,
            _ => self.verify = wish,
        }
    }

    /// As Connector/J 8 translates the old three into a mode; `sslMode` beats them.
    fn result(&self) -> Option<TlsMode> {
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
