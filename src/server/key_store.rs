//! Certificates and keys in PKCS12 files (RFC 7292), where Java programs keep them. Java's own form, JKS, is told apart
//! and refused with the command that converts it. Nothing is written, and no password becomes part of an error.

use std::fs;

use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};

use super::connect::KeyStore;
use super::tls::Identity;
use crate::error::{Error, Result};

/// First bytes of a JKS and of a JCEKS file (OpenJDK, `sun.security.provider.JavaKeyStore`).
const JAVA_ONLY: [[u8; 4]; 2] = [[0xfe, 0xed, 0xfe, 0xed], [0xce, 0xce, 0xce, 0xce]];

/// The certificates that the store trusts, PEM.
///
/// # Errors
/// Definite, with the command that mends it, when the file is missing, of another form, or holds no certificate.
pub fn authorities(store: &KeyStore) -> Result<Vec<u8>> {
    let parsed = open(store)?;
    // A trust store has no key, and OpenSSL gives what goes with no key as `ca`; a store made for both has also its own.
    let trusted = parsed.ca.iter().flatten().map(|c| c.to_pem()).chain(parsed.cert.iter().map(|c| c.to_pem()));
    let pem: Vec<u8> = trusted.collect::<Result<Vec<_>, _>>().map_err(|e| broken(store, &e))?.concat();
    if pem.is_empty() {
        return Err(lacks(store, "a certificate"));
    }
    Ok(pem)
}

/// The key of the store, its certificate, and the chain behind it.
///
/// # Errors
/// As `authorities`.
pub fn identity(store: &KeyStore) -> Result<Identity> {
    let ParsedPkcs12_2 { pkey, cert, ca } = open(store)?;
    let (Some(key), Some(own)) = (pkey, cert) else { return Err(lacks(store, "a private key with its certificate")) };
    Ok(Identity { own, chain: ca.into_iter().flatten().collect(), key })
}

fn open(store: &KeyStore) -> Result<ParsedPkcs12_2> {
    let path = store.path.display();
    let bytes = fs::read(&store.path).map_err(|e| Error::definite(format!("the key store {path} cannot be read")).source(e))?;
    if JAVA_ONLY.iter().any(|magic| bytes.starts_with(magic)) {
        return Err(Error::definite(format!("the key store {path} has Java's own form (JKS), which OpenSSL cannot read")).hint(format!(
            "convert it with `keytool -importkeystore -srckeystore {path} -destkeystore {path}.p12 -deststoretype PKCS12`, and name {path}.p12"
        )));
    }
    let container = Pkcs12::from_der(&bytes).map_err(|_| {
        Error::definite(format!("the key store {path} is not a PKCS12 file"))
            .hint("PEM files belong in ssl_ca, ssl_cert and ssl_key (or those with replication_ or schema_ before them)")
    })?;
    container.parse2(store.password.reveal()).map_err(|e| {
        let text = e.to_string();
        if text.contains("mac verify failure") {
            Error::definite(format!("the password of the key store {path} is wrong")).hint("mend the …KeyStorePassword beside it")
        } else {
            broken(store, &e)
        }
    })
}

/// OpenSSL 3 reads no RC2 and no single DES any more, with which Java 8 to 11 encrypted certificates.
fn broken(store: &KeyStore, cause: &openssl::error::ErrorStack) -> Error {
    let path = store.path.display();
    Error::definite(format!("the key store {path} cannot be read")).source(cause.to_string()).hint(format!(
        "it may be encrypted in a way that is out of use: write PEM files with `openssl pkcs12 -legacy -in {path} -nokeys` for ssl_ca or ssl_cert, \
         and `openssl pkcs12 -legacy -in {path} -nocerts -nodes` for ssl_key"
    ))
}

fn lacks(store: &KeyStore, what: &str) -> Error {
    Error::definite(format!("the key store {} does not hold {what}", store.path.display()))
        .hint("`keytool -list -keystore` shows what it holds")
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::pkey::{PKey, Private};
    use openssl::stack::Stack;
    use openssl::x509::X509;

    fn pair() -> (X509, PKey<Private>) {
        let key = PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
        let mut cert = X509::builder().unwrap();
        cert.set_pubkey(&key).unwrap();
        cert.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
        cert.set_not_after(&openssl::asn1::Asn1Time::days_from_now(1).unwrap()).unwrap();
        cert.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
        (cert.build(), key)
    }

    #[test]
    fn stores_are_read_or_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = pair();
        let store = |name: &str, bytes: &[u8], password: &str| {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            KeyStore { path, password: password.into() }
        };
        let mut trusted = Stack::new().unwrap();
        trusted.push(cert.clone()).unwrap();
        let trust = Pkcs12::builder().ca(trusted).build2("hunter2").unwrap().to_der().unwrap();
        let own = Pkcs12::builder().name("me").pkey(&key).cert(&cert).build2("hunter2").unwrap().to_der().unwrap();

        assert_eq!(authorities(&store("trust.p12", &trust, "hunter2")).unwrap(), cert.to_pem().unwrap());
        let read = identity(&store("own.p12", &own, "hunter2")).unwrap();
        assert_eq!((read.own.to_der().unwrap(), read.chain.len()), (cert.to_der().unwrap(), 0));
        assert!(read.key.public_eq(&key));

        let jks = [&[0xfe, 0xed, 0xfe, 0xed][..], &[0; 20]].concat();
        for (store, word) in [
            (store("a.jks", &jks, "hunter2"), "keytool -importkeystore -srckeystore"),
            (store("a.pem", &cert.to_pem().unwrap(), "hunter2"), "PEM files belong in ssl_ca"),
            (store("wrong.p12", &trust, "hunter3"), "password of the key store"),
            (KeyStore { path: dir.path().join("absent"), password: "hunter2".into() }, "cannot be read"),
        ] {
            for error in [authorities(&store).unwrap_err(), identity(&store).err().unwrap()] {
                let text = error.to_string();
                assert!(text.contains(word) && !text.contains("hunter"), "{text}");
            }
        }
        let error = identity(&store("trust.p12", &trust, "hunter2")).err().unwrap();
        assert!(error.to_string().contains("a private key with its certificate"), "{error}");
    }
}
