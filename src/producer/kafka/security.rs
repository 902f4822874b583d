//! Logins and certificates: Java's `security.protocol`, `sasl.*` and `ssl.*` in librdkafka's terms. Reads the store files
//! that it must convert. Never here: a secret in a text for the user.

use openssl::pkcs12::Pkcs12;

use super::jaas::{Jaas, Module};
use super::oauth;
use super::settings::Builder;

const JAAS: &str = "sasl.jaas.config";
const MECHANISMS: &str = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER";

pub(super) fn apply(settings: &mut Builder) {
    let protocol = settings.text("security.protocol").map(|p| p.to_ascii_lowercase());
    if let Some(protocol) = &protocol {
        settings.set("security.protocol", "security.protocol", protocol);
    }
    sasl(settings, protocol.is_some_and(|p| p.starts_with("sasl_")));
    truststore(settings);
    keystore(settings);
    if let Some(algorithm) = settings.text("ssl.endpoint.identification.algorithm") {
        let name = "ssl.endpoint.identification.algorithm";
        settings.set(name, name, if algorithm.is_empty() { "none" } else { &algorithm });
    }
}

fn sasl(settings: &mut Builder, used: bool) {
    let mechanism = settings.text("sasl.mechanism").map(|m| m.to_ascii_uppercase());
    match mechanism.as_deref() {
        Some(name @ ("PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" | "OAUTHBEARER")) => {
            settings.set("sasl.mechanism", "sasl.mechanism", name);
        }
        None if !used => {}
        None | Some("GSSAPI") => settings.fault(
            "sasl.mechanism",
            format!("Kerberos (GSSAPI, the default) is not built in; use {MECHANISMS}, or TLS client certificates"),
        ),
        Some(_) => settings.fault("sasl.mechanism", format!("must be {MECHANISMS}; others are not built in")),
    }
    let tokens = mechanism.as_deref() == Some("OAUTHBEARER");
    let jaas = match settings.text(JAAS).map(|text| Jaas::parse(&text)) {
        None => None,
        Some(Ok(jaas)) if (jaas.module == Module::OAuthBearer) == tokens || mechanism.is_none() => Some(jaas),
        Some(Ok(jaas)) => {
            let (module, mechanism) = (jaas.module, mechanism.unwrap_or_default());
            return settings.fault(JAAS, format!("{module:?}LoginModule is not for {mechanism}"));
        }
        Some(Err(fault)) => return settings.fault(JAAS, fault),
    };
    match jaas {
        Some(jaas) if jaas.module != Module::OAuthBearer => {
            if let Err(fault) = password(settings, jaas) {
                settings.fault(JAAS, fault);
            }
        }
        jaas => oauth::apply(settings, used && tokens, jaas),
    }
}

/// The login of PLAIN and SCRAM.
fn password(settings: &mut Builder, mut jaas: Jaas) -> Result<(), String> {
    let (user, password) = (jaas.take("username"), jaas.take("password").unwrap_or_default());
    jaas.finish("username and password")?;
    settings.set(JAAS, "sasl.username", user.ok_or("username is missing")?);
    settings.set(JAAS, "sasl.password", password);
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoreKind {
    Pem,
    Pkcs12,
    Jks,
}

/// A store's kind, its path and its bytes.
type Content = (StoreKind, String, Vec<u8>);

/// A key or trust store as the user names it.
pub(super) struct Store {
    pub path: Option<String>,
    pub kind: Option<String>,
    pub password: Option<String>,
}

impl Store {
    fn of(settings: &Builder, what: &str) -> Store {
        let text = |name: &str| settings.text(&format!("ssl.{what}.{name}"));
        Store { path: text("location"), kind: text("type"), password: text("password") }
    }

    /// The store's kind by its type, else by its first bytes; its path and its content. `None` if there is none.
    fn read(&self) -> Option<Result<Content, String>> {
        let path = self.path.clone()?;
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) => return Some(Err(format!("{path} cannot be read: {e}"))),
        };
        let kind = match self.kind.as_ref().map(|t| t.to_ascii_uppercase()).as_deref() {
            Some("PEM") => StoreKind::Pem,
            Some("PKCS12") => StoreKind::Pkcs12,
            // Java reads a PKCS#12 file under the type JKS as well, so the bytes decide.
            Some("JKS") | None => sniff(&bytes),
            Some(other) => return Some(Err(format!("{path}: the type {other} is not known; use PKCS12 or PEM"))),
        };
        Some(match kind {
            StoreKind::Jks => Err(format!(
                "{path} is a Java keystore; convert it with `keytool -importkeystore -srckeystore {path} -destkeystore {path}.p12 \
                 -deststoretype PKCS12` and give the .p12 file"
            )),
            kind => Ok((kind, path, bytes)),
        })
    }
}

/// The certificates of a trust store, as the library takes them: the name of its setting without `ssl.` or `https.`, and the value.
pub(super) fn trusted(store: &Store) -> Option<Result<(&'static str, String), String>> {
    Some(match store.read()? {
        Ok((StoreKind::Pem, path, _)) => Ok(("ca.location", path)),
        Ok((_, path, bytes)) => {
            let pem = certificates(&bytes, store.password.as_deref().unwrap_or_default());
            pem.map(|pem| ("ca.pem", pem)).map_err(|why| format!("{path}: {why}"))
        }
        Err(fault) => Err(fault),
    })
}

fn sniff(bytes: &[u8]) -> StoreKind {
    match bytes {
        [0xFE, 0xED, 0xFE, 0xED, ..] | [0xCE, 0xCE, 0xCE, 0xCE, ..] => StoreKind::Jks,
        [0x30, ..] => StoreKind::Pkcs12,
        _ => StoreKind::Pem,
    }
}

fn truststore(settings: &mut Builder) {
    if let Some(pem) = settings.text("ssl.truststore.certificates") {
        settings.set("ssl.truststore.certificates", "ssl.ca.pem", pem);
    }
    let key = "ssl.truststore.location";
    match trusted(&Store::of(settings, "truststore")) {
        None => {}
        Some(Ok((native, value))) => settings.set(key, &format!("ssl.{native}"), value),
        Some(Err(fault)) => settings.fault(key, fault),
    }
}

/// All certificates of a PKCS#12 store as PEM.
fn certificates(store: &[u8], password: &str) -> Result<String, String> {
    let unreadable =
        |_| "cannot be opened as PKCS#12; is ssl.truststore.password right, and is its encryption not one that OpenSSL 3 has retired?";
    let parsed = Pkcs12::from_der(store).and_then(|p| p.parse2(password)).map_err(unreadable)?;
    let mut pem = Vec::new();
    let all = parsed.ca.iter().flatten().map(|c| c.to_pem()).chain(parsed.cert.iter().map(|c| c.to_pem()));
    for one in all {
        pem.extend(one.map_err(unreadable)?);
    }
    if pem.is_empty() {
        return Err("holds no certificate".into());
    }
    String::from_utf8(pem).map_err(|_| "holds a certificate that cannot be written as PEM".into())
}

fn keystore(settings: &mut Builder) {
    for (java, native) in [("ssl.keystore.key", "ssl.key.pem"), ("ssl.keystore.certificate.chain", "ssl.certificate.pem")] {
        if let Some(pem) = settings.text(java) {
            settings.set(java, native, pem);
        }
    }
    let key = "ssl.keystore.location";
    let key_password = settings.text("ssl.key.password");
    match Store::of(settings, "keystore").read() {
        Some(Err(fault)) => return settings.fault(key, fault),
        Some(Ok((StoreKind::Pem, path, _))) => {
            settings.set(key, "ssl.certificate.location", &path);
            settings.set(key, "ssl.key.location", path);
        }
        Some(Ok((_, path, _))) => {
            let password = settings.text("ssl.keystore.password");
            if key_password.is_some() && key_password != password {
                settings.fault("ssl.key.password", "must be that of the PKCS#12 keystore; leave it out");
            }
            settings.set(key, "ssl.keystore.location", path);
            if let Some(password) = password {
                settings.set("ssl.keystore.password", "ssl.keystore.password", password);
            }
            return;
        }
        None => {}
    }
    if let Some(password) = key_password {
        settings.set("ssl.key.password", "ssl.key.password", password);
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{KafkaOptions, Settings};
    use super::*;

    fn build(properties: &[(&str, &str)]) -> Result<Settings, String> {
        let mut all = vec![("bootstrap.servers".to_owned(), "a:9092".to_owned())];
        all.extend(properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let options = KafkaOptions { properties: all, queue_bytes_max: 32 << 20, ..KafkaOptions::default() };
        Settings::build(&options).map_err(|f| f.iter().map(|f| f.to_string()).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn logins() {
        let login = |mechanism: &str, jaas: &str| build(&[("security.protocol", "SASL_SSL"), ("sasl.mechanism", mechanism), (JAAS, jaas)]);
        let rows = [
            (r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";"#, Ok(("u", "p"))),
            ("a.ScramLoginModule required username=u password=p;", Ok(("u", "p"))),
            (r#"a.PlainLoginModule required password="p";"#, Err("username is missing")),
            (r#"a.OAuthBearerLoginModule required;"#, Err("OAuthBearerLoginModule is not for PLAIN")),
            (r#"a.PlainLoginModule required username="u" tokenauth="true";"#, Err("tokenauth is not known")),
            ("", Err("must read")),
        ];
        for (text, wanted) in rows {
            match (login("PLAIN", text), wanted) {
                (Ok(s), Ok((u, p))) => assert_eq!((s.get("sasl.username"), s.get("sasl.password")), (Some(u), Some(p))),
                (Err(got), Err(words)) => assert!(got.contains(words), "{text}: {got}"),
                (got, _) => panic!("{text}: {:?}", got.err()),
            }
        }
    }

    #[test]
    fn sasl_over_tls() {
        let s = build(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.jaas.config", r#"x.ScramLoginModule required username="u" password="secret";"#),
            ("ssl.endpoint.identification.algorithm", ""),
        ])
        .unwrap();
        assert_eq!(s.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(s.get("sasl.mechanism"), Some("SCRAM-SHA-512"));
        assert_eq!((s.get("sasl.username"), s.get("sasl.password")), (Some("u"), Some("secret")));
        assert_eq!(s.get("ssl.endpoint.identification.algorithm"), Some("none"));
        assert!(s.uses_tls() && !format!("{s:?}").contains("secret"));
    }

    #[test]
    fn faults_of_stores() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let jks = file("t.jks", &[0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2]);
        let fault = build(&[("ssl.truststore.location", &jks)]).unwrap_err();
        assert!(fault.contains("keytool -importkeystore"), "{fault}");
        let fault = build(&[("ssl.keystore.location", "/no/such/file")]).unwrap_err();
        assert!(fault.contains("kafka.ssl.keystore.location: /no/such/file cannot be read"), "{fault}");
        let torn = file("t.p12", &[0x30, 0x82, 1]);
        let fault = build(&[("ssl.truststore.location", &torn), ("ssl.truststore.password", "hunter2")]).unwrap_err();
        assert!(fault.contains("PKCS#12") && !fault.contains("hunter2"), "{fault}");
    }

    #[test]
    fn a_pkcs12_truststore_becomes_pem() {
        use openssl::{asn1::Asn1Time, hash::MessageDigest, nid::Nid, pkey::PKey, rsa::Rsa, stack::Stack, x509::X509};
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut certificate = X509::builder().unwrap();
        certificate.set_pubkey(&key).unwrap();
        certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        certificate.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        certificate.sign(&key, MessageDigest::sha256()).unwrap();
        let certificate = certificate.build();
        let mut ca = Stack::new().unwrap();
        ca.push(certificate.clone()).unwrap();
        let mut store = Pkcs12::builder();
        store.ca(ca).key_algorithm(Nid::AES_256_CBC).cert_algorithm(Nid::AES_256_CBC);
        let der = store.build2("pw").unwrap().to_der().unwrap();
        let pem = certificates(&der, "pw").unwrap();
        assert_eq!(pem.as_bytes(), certificate.to_pem().unwrap());
        assert!(certificates(&der, "wrong").is_err());
    }
}
