//! Certificates for tests of TLS: an authority, a stranger, server certificates right and wrong, client certificates.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

pub const DAY: i64 = 86_400;

/// A certificate and its key.
pub struct Pair {
    pub cert: X509,
    pub key: PKey<Private>,
}

/// What a certificate says.
pub struct Certificate<'a> {
    pub name: &'a str,
    /// Host names and addresses; none for a client's.
    pub hosts: &'a [&'a str],
    /// When it ends, in seconds from now.
    pub seconds: i64,
}

fn new_key() -> PKey<Private> {
    PKey::from_rsa(openssl::rsa::Rsa::generate(2048).expect("a key")).expect("a key")
}

fn make(said: &Certificate, key: PKey<Private>, issuer: Option<&Pair>) -> Pair {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
    let at = |seconds: i64| Asn1Time::from_unix(now + seconds).expect("a time");
    let mut name = X509Name::builder().expect("a name");
    name.append_entry_by_text("CN", said.name).expect("a name");
    let name = name.build();
    let mut cert = X509::builder().expect("a certificate");
    cert.set_version(2).expect("version 3");
    let mut serial = BigNum::new().expect("a number");
    serial.rand(100, openssl::bn::MsbOption::MAYBE_ZERO, false).expect("a number");
    cert.set_serial_number(&serial.to_asn1_integer().expect("a number")).expect("serial");
    cert.set_subject_name(&name).expect("subject");
    cert.set_issuer_name(issuer.map_or(&*name, |pair| pair.cert.subject_name())).expect("issuer");
    cert.set_pubkey(&key).expect("key");
    cert.set_not_before(&at(-10 * DAY)).expect("begin");
    cert.set_not_after(&at(said.seconds)).expect("end");
    if issuer.is_none() {
        cert.append_extension(BasicConstraints::new().critical().ca().build().expect("extension")).expect("extension");
        cert.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build().expect("extension")).expect("extension");
    }
    if !said.hosts.is_empty() {
        let mut names = SubjectAlternativeName::new();
        for host in said.hosts {
            if host.parse::<std::net::IpAddr>().is_ok() {
                names.ip(host)
            } else {
                names.dns(host)
            };
        }
        let extension = names.build(&cert.x509v3_context(None, None)).expect("extension");
        cert.append_extension(extension).expect("extension");
    }
    cert.sign(issuer.map_or(&key, |pair| &pair.key), MessageDigest::sha256()).expect("a signature");
    Pair { cert: cert.build(), key }
}

impl Pair {
    pub fn authority(name: &str) -> Pair {
        make(&Certificate { name, hosts: &[], seconds: 30 * DAY }, new_key(), None)
    }

    /// A certificate that this authority signs, with a key of its own.
    pub fn sign(&self, said: &Certificate) -> Pair {
        make(said, new_key(), Some(self))
    }

    /// The same for a key that is there.
    pub fn sign_for(&self, said: &Certificate, key: &PKey<Private>) -> Pair {
        make(said, key.clone(), Some(self))
    }

    pub fn has_expired(&self) -> bool {
        let now = Asn1Time::days_from_now(0).expect("a time");
        self.cert.not_after().compare(&now).expect("times compare") == std::cmp::Ordering::Less
    }

    pub fn cert_pem(&self) -> Vec<u8> {
        self.cert.to_pem().expect("PEM")
    }

    /// Writes `NAME-cert.pem` and `NAME-key.pem`.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let key = self.key.private_key_to_pem_pkcs8().expect("PEM");
        (write(folder, &format!("{name}-cert.pem"), &self.cert_pem()), write(folder, &format!("{name}-key.pem"), &key))
    }

    /// A key store with the key, as `keytool` makes it for a client.
    pub fn write_store(&self, folder: &Path, name: &str, password: &str) -> PathBuf {
        let store = Pkcs12::builder().name(name).pkey(&self.key).cert(&self.cert).build2(password).expect("a store");
        write(folder, &format!("{name}.p12"), &store.to_der().expect("DER"))
    }

    /// A trust store with the certificate only.
    pub fn write_trust(&self, folder: &Path, name: &str, password: &str) -> PathBuf {
        let mut trusted = Stack::new().expect("a list");
        trusted.push(self.cert.clone()).expect("a list");
        let store = Pkcs12::builder().ca(trusted).build2(password).expect("a store");
        write(folder, &format!("{name}.p12"), &store.to_der().expect("DER"))
    }
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a file can be written");
    path
}
