//! Tests of `jdbc`: every entry of its table, what is honoured, left out and refused.

use super::*;
use crate::config::cli::{Invocation, parse_in};
use crate::config::layers::Surroundings;
use crate::config::settings::Config;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::stack::Stack;
use openssl::x509::X509;

/// The configuration with these `jdbc_options`, or the lines of its faults.
fn outcome(text: &str, more: &[&str]) -> Result<Config, Vec<String>> {
    let mut line = vec!["--host=h".to_owned(), "--user=u".to_owned(), format!("--jdbc_options={text}")];
    line.extend(more.iter().map(|word| (*word).to_owned()));
    match parse_in(line.into_iter().map(Into::into), &Surroundings::default()) {
        Ok(Invocation::Run(config)) => Ok(*config),
        Err(exit) => Err(exit.stderr.lines().filter_map(|l| l.strip_prefix("error: ")).map(String::from).collect()),
        other => panic!("{text}: {other:?}"),
    }
}

fn notes(config: &Config) -> Vec<&str> {
    config.notes.iter().map(|note| note.text.as_str()).collect()
}

#[test]
fn every_property_has_one_fate() {
    let plain = outcome("", &[]).unwrap();
    let (mut honoured, mut harmless, mut refused) = (0, 0, 0);
    let mut seen = std::collections::BTreeSet::new();
    for (fate, names) in TABLE {
        for name in *names {
            assert!(seen.insert(name.to_ascii_lowercase()), "{name} stands in the table twice");
            // The driver takes them in any letter case.
            for key in [(*name).to_owned(), name.to_ascii_lowercase()] {
                let result = outcome(&format!("{key}=true"), &[]);
                match fate {
                    Harmless(why) => {
                        let config = result.unwrap_or_else(|e| panic!("{key}: {e:?}"));
                        assert_eq!(notes(&config), [format!("{key} in jdbc_options has no effect: {why}")]);
                        assert_eq!(config.store, plain.store, "{key}");
                    }
                    Refused(remedy) => {
                        let faults = result.map(drop).expect_err(&key);
                        assert_eq!(faults, [format!("{key} in jdbc_options is not supported (command line); hint: {remedy}")]);
                    }
                    // Each of these has a row in the next test.
                    Honoured(_) => {}
                }
            }
            match fate {
                Honoured(_) => honoured += 1,
                Harmless(_) => harmless += 1,
                Refused(_) => refused += 1,
            }
        }
    }
    println!("jdbc_options: {honoured} honoured, {harmless} harmless, {refused} refused");
    let faults = outcome("flyToTheMoon=true", &[]).unwrap_err();
    assert!(faults.len() == 1 && faults[0].contains("remove flyToTheMoon"), "{faults:?}");
}

#[test]
fn honoured_properties_do_what_they_say() {
    type Check = fn(&Config) -> bool;
    let cases: &[(&str, &[&str], Check)] = &[
        ("sslMode=verify_ca", &[], |c| c.store.tls.mode == TlsMode::VerifyCa),
        ("useSSL=true", &[], |c| c.store.tls.mode == TlsMode::Preferred),
        ("requireSSL=true", &[], |c| c.store.tls.mode == TlsMode::Required),
        ("useSSL=true&verifyServerCertificate=true", &[], |c| c.store.tls.mode == TlsMode::VerifyCa),
        ("useSSL=true", &["--ssl=DISABLED"], |c| c.store.tls.mode == TlsMode::Disabled && c.notes.len() == 1),
        ("connectTimeout=1234", &[], |c| c.store.connect_timeout_ms == 1234),
        ("connectTimeout=0", &[], |c| c.store.connect_timeout_ms == 5000),
        ("socketTimeout=120000", &[], |c| c.store.statement_timeout_ms == 120_000 && c.notes.is_empty()),
        ("socketTimeout=1000", &[], |c| c.store.statement_timeout_ms == 60_000 && c.notes.len() == 1),
        ("tlsVersions=TLSv1.2", &[], |c| c.notes.len() == 1),
        ("enabledTLSProtocols=TLSv1, TLSv1.1, TLSv1.2", &[], |c| c.notes.len() == 1),
        ("allowPublicKeyRetrieval=true", &[], |c| c.notes.len() == 1),
        ("allowPublicKeyRetrieval=false", &["--ssl=REQUIRED"], |c| c.notes.is_empty()),
        ("allowPublicKeyRetrieval=false&sslMode=VERIFY_CA", &[], |c| c.notes.is_empty()),
        ("trustCertificateKeyStoreType=PKCS12&clientCertificateKeyStoreType=jks", &[], |c| c.notes.is_empty()),
    ];
    for (text, more, check) in cases {
        let config = outcome(text, more).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert!(check(&config), "{text} {more:?}: {config:?}");
    }
    for (text, more, want) in [
        ("sslMode=SURE", "", "Invalid sslMode in jdbc_options: SURE"),
        ("requireSSL=1", "", "Invalid value for requireSSL in jdbc_options, true|false required"),
        ("verifyServerCertificate=", "", "Invalid value for verifyServerCertificate in jdbc_options, true|false required"),
        ("socketTimeout=-1", "", "Invalid value for socketTimeout in jdbc_options, number required"),
        ("tlsVersions=TLSv1.3", "", "set tls_version=TLSv1.3 on the server"),
        ("enabledTLSProtocols=TLSv1,TLSv1.1", "", "names no TLS version of today"),
        ("allowPublicKeyRetrieval=false", "", "set ssl=REQUIRED or stricter"),
        ("allowPublicKeyRetrieval=false", "--ssl=PREFERRED", "set ssl=REQUIRED or stricter"),
        ("trustCertificateKeyStoreType=BKS", "", "PKCS12 files can be read"),
        ("trustCertificateKeyStoreUrl=classpath:a.p12", "", "classpath: is not supported"),
        ("clientCertificateKeyStoreUrl=file:///no/such.p12", "", "there is no file /no/such.p12"),
    ] {
        let more: Vec<&str> = Some(more).filter(|m| !m.is_empty()).into_iter().collect();
        let faults = outcome(text, &more).map(drop).expect_err(text);
        assert!(faults.len() == 1 && faults[0].contains(want), "{text}: {faults:?}");
    }
}

#[test]
fn key_stores_are_opened_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let key = PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let mut cert = X509::builder().unwrap();
    cert.set_pubkey(&key).unwrap();
    cert.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
    cert.set_not_after(&openssl::asn1::Asn1Time::days_from_now(1).unwrap()).unwrap();
    cert.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
    let cert = cert.build();
    let mut trusted = Stack::new().unwrap();
    trusted.push(cert.clone()).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let trust = file("trust.p12", &Pkcs12::builder().ca(trusted).build2("hunter2").unwrap().to_der().unwrap());
    let own = file("own.p12", &Pkcs12::builder().name("me").pkey(&key).cert(&cert).build2("hunter2").unwrap().to_der().unwrap());
    let jks = file("old.jks", &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]);
    let pem = file("ca.pem", &cert.to_pem().unwrap());

    let both = format!(
        "sslMode=VERIFY_CA&trustCertificateKeyStoreUrl=file:{trust}&trustCertificateKeyStorePassword=hunter2\
         &clientCertificateKeyStoreUrl=file://{own}&clientCertificateKeyStorePassword=hunter2"
    );
    let config = outcome(&both, &["--replication_host=r", "--replication_user=u"]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    for server in [&config.store, &config.replication] {
        let store = |store: &Option<KeyStore>| store.as_ref().map(|s| (s.path.display().to_string(), s.password.reveal().to_owned()));
        assert_eq!(store(&server.tls.trust_store), Some((trust.clone(), "hunter2".into())));
        assert_eq!(store(&server.tls.client_store), Some((own.clone(), "hunter2".into())));
    }
    let beaten = outcome(&both, &[&format!("--ssl_ca={pem}")]).unwrap();
    assert!(beaten.store.tls.trust_store.is_none() && beaten.store.tls.ca.is_some(), "{:?}", beaten.store.tls);
    assert!(notes(&beaten).iter().any(|n| n.contains("trustCertificateKeyStoreUrl in jdbc_options has no effect: ssl_ca is set")));

    for (text, want) in [
        (format!("trustCertificateKeyStoreUrl=file:{jks}&trustCertificateKeyStorePassword=hunter2"), "keytool -importkeystore"),
        (format!("trustCertificateKeyStoreUrl=file:{trust}&trustCertificateKeyStorePassword=hunter3"), "the password of the key store"),
        (
            format!("clientCertificateKeyStoreUrl=file:{trust}&clientCertificateKeyStorePassword=hunter2"),
            "a private key with its certificate",
        ),
        (format!("trustCertificateKeyStoreUrl=file:{pem}"), "PEM files belong in ssl_ca"),
    ] {
        let faults = outcome(&text, &[]).map(drop).expect_err(&text);
        assert!(faults.len() == 1 && faults[0].contains(want) && !faults[0].contains("hunter"), "{faults:?}");
    }
}

/// The table of docs/tls-and-logins.md.
fn page() -> String {
    let mut out = String::from("| property | here |\n|---|---|\n");
    for (fate, names) in TABLE {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let words = match fate {
            Honoured(effect) => format!("**honoured:** {}", effect.words()),
            Harmless(why) => format!("no effect: {why}"),
            Refused(remedy) => format!("**refused:** {remedy}"),
        };
        out.push_str(&format!("| {} | {words} |\n", names.join(", ")));
    }
    out
}

impl Effect {
    fn words(self) -> &'static str {
        match self {
            E::Mode => "the mode, as `ssl`; counts when `ssl` is not set",
            E::UseSsl => "`false` is DISABLED, `true` PREFERRED; counts when neither `ssl` nor `sslMode` is set",
            E::RequireSsl => "REQUIRED; with `useSSL`",
            E::VerifyCertificate => "VERIFY_CA; with `useSSL` or `requireSSL`",
            E::TrustUrl => "a PKCS12 file (`file:/path`) in place of `ssl_ca`; a JKS file is refused with the command that converts it",
            E::ClientUrl => "a PKCS12 file (`file:/path`) in place of `ssl_cert` and `ssl_key`; a JKS file is refused likewise",
            E::TrustPassword | E::ClientPassword => "its password; never shown",
            E::StoreType => "`PKCS12` or `JKS`, the file itself tells; other types are refused",
            E::TlsVersions => {
                "a list with TLSv1.2 is kept to (1.3 is no weaker); TLSv1.3 alone, and versions before 1.2 alone, are refused"
            }
            E::PublicKey => "`false` needs `ssl=REQUIRED` or stricter, under which no key is asked for",
            E::ConnectTimeout => "milliseconds for name look-up, connection and login; 5000 without",
            E::SocketTimeout => "milliseconds for one statement if more than 60000; a shorter one has no effect",
        }
    }
}

#[test]
fn the_page_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tls-and-logins.md");
    let stored = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- table of jdbc_options: begin -->\n", "<!-- table of jdbc_options: end -->");
    let (head, rest) = stored.split_once(begin).expect("the page has the mark where the table begins");
    let (table, tail) = rest.split_once(end).expect("and the one where it ends");
    if table != page() && std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{head}{begin}{}{end}{tail}", page())).unwrap();
        return;
    }
    assert!(table == page(), "docs/tls-and-logins.md is out of date: UPDATE_DOCS=1 cargo test --lib jdbc");
}
