//! The TLS material of a connection, read and checked once, for both kinds of connection: the SQL client's options and
//! the dump connection's OpenSSL connector.

use std::fs;
use std::path::Path;

use mysql_async::{ClientIdentity, SslOpts};
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use openssl::stack::Stack;
use openssl::x509::X509;

use super::connect::{ConnectionOptions, SslMode};
use super::key_store;
use crate::error::{Error, Result};

/// The container needs a password; it never leaves the process.
const IDENTITY_PASSWORD: &str = "in-memory";

/// Certificates and key as read from the option's files.
struct Material {
    /// The authority's certificates, PEM.
    ca: Option<Vec<u8>>,
    identity: Option<Identity>,
}

/// Our certificate, the chain behind it, and its key.
pub struct Identity {
    pub own: X509,
    pub chain: Vec<X509>,
    pub key: PKey<Private>,
}

/// The SQL client's TLS options for this mode; `None` when the mode is DISABLED.
///
/// # Errors
/// Definite, naming the option, when a file cannot be read or does not hold what it should.
pub fn sql_tls(options: &ConnectionOptions) -> Result<Option<SslOpts>> {
    let verify = match options.ssl {
        SslMode::Disabled => return Ok(None),
        mode => mode.verifies(),
    };
    let material = load(options)?;
    let mut tls = SslOpts::default()
        .with_danger_accept_invalid_certs(!verify)
        .with_danger_skip_domain_validation(options.ssl != SslMode::VerifyIdentity);
    if let Some(ca) = material.ca {
        tls = tls.with_root_certs(vec![ca.into()]).with_disable_built_in_roots(true);
    }
    if let Some(Identity { own, chain, key }) = material.identity {
        let container = pkcs12(&own, chain, &key).map_err(|e| Error::definite("ssl_cert and ssl_key cannot be used together").source(e))?;
        tls = tls.with_client_identity(Some(ClientIdentity::new(container.into()).with_password(IDENTITY_PASSWORD)));
    }
    Ok(Some(tls))
}

fn pkcs12(cert: &X509, chain: Vec<X509>, key: &PKey<Private>) -> Result<Vec<u8>, openssl::error::ErrorStack> {
    let mut stack = Stack::new()?;
    for link in chain {
        stack.push(link)?;
    }
    Pkcs12::builder().name("binlogd").pkey(key).cert(cert).ca(stack).build2(IDENTITY_PASSWORD)?.to_der()
}

/// The OpenSSL connector for this mode; whether the host name is checked is set by the caller for each connection.
///
/// # Errors
/// As `sql_tls`.
pub fn dump_tls(options: &ConnectionOptions) -> Result<SslConnector> {
    let material = load(options)?;
    build_connector(options, material).map_err(|e| Error::definite("TLS cannot be set up from ssl_ca, ssl_cert and ssl_key").source(e))
}

fn build_connector(options: &ConnectionOptions, material: Material) -> Result<SslConnector, openssl::error::ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_verify(if options.ssl.verifies() { SslVerifyMode::PEER } else { SslVerifyMode::NONE });
    if let Some(ca) = material.ca {
        // Only the given authority counts, not the system's as well.
        let mut store = openssl::x509::store::X509StoreBuilder::new()?;
        for certificate in X509::stack_from_pem(&ca)? {
            store.add_cert(certificate)?;
        }
        builder.set_cert_store(store.build());
    }
    if let Some(Identity { own, chain, key }) = material.identity {
        builder.set_certificate(&own)?;
        for link in chain {
            builder.add_extra_chain_cert(link)?;
        }
        builder.set_private_key(&key)?;
        builder.check_private_key()?;
    }
    Ok(builder.build())
}

fn load(options: &ConnectionOptions) -> Result<Material> {
    Ok(Material { ca: load_ca(options)?, identity: load_identity(options)? })
}

fn load_ca(options: &ConnectionOptions) -> Result<Option<Vec<u8>>> {
    match (&options.ssl_ca, &options.trust_store) {
        (Some(path), _) => {
            let pem = read(path, "ssl_ca")?;
            if !X509::stack_from_pem(&pem).is_ok_and(|found| !found.is_empty()) {
                return Err(not_pem(path, "ssl_ca", "a certificate"));
            }
            Ok(Some(pem))
        }
        (None, Some(store)) => key_store::authorities(store).map(Some),
        (None, None) => Ok(None),
    }
}

fn load_identity(options: &ConnectionOptions) -> Result<Option<Identity>> {
    match (&options.ssl_cert, &options.ssl_key, &options.client_store) {
        (Some(cert), Some(key), _) => {
            let mut chain = X509::stack_from_pem(&read(cert, "ssl_cert")?).unwrap_or_default();
            if chain.is_empty() {
                return Err(not_pem(cert, "ssl_cert", "a certificate"));
            }
            let own = chain.remove(0);
            // With a callback of its own, OpenSSL does not ask for a pass phrase on the terminal.
            let key_pem = read(key, "ssl_key")?;
            let key = PKey::private_key_from_pem_callback(&key_pem, |_| Ok(0))
                .map_err(|_| not_pem(key, "ssl_key", "an unencrypted private key"))?;
            if !own.public_key().is_ok_and(|public| public.public_eq(&key)) {
                return Err(Error::definite("ssl_key is not the key of the certificate in ssl_cert")
                    .hint("give the key that the certificate was made for"));
            }
            Ok(Some(Identity { own, chain, key }))
        }
        (None, None, Some(store)) => key_store::identity(store).map(Some),
        (None, None, None) => Ok(None),
        _ => Err(Error::definite("ssl_cert and ssl_key belong together").hint("give both or neither")),
    }
}

fn read(path: &Path, option: &str) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| {
        Error::definite(format!("{option}: {} cannot be read", path.display()))
            .source(e)
            .hint("give the path of a file that binlogd may read")
    })
}

fn not_pem(path: &Path, option: &str, what: &str) -> Error {
    Error::definite(format!("{option}: {} does not hold {what} in PEM form", path.display()))
        .hint("openssl x509 (for a certificate) or openssl pkey (for a key) with -inform DER writes PEM files")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn options(ssl: SslMode) -> ConnectionOptions {
        ConnectionOptions { ssl, ..ConnectionOptions::new("127.0.0.1", "maxwell", "") }
    }

    /// A self-signed certificate and its key, PEM.
    fn pair() -> (Vec<u8>, Vec<u8>) {
        let key = PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
        let mut cert = X509::builder().unwrap();
        cert.set_pubkey(&key).unwrap();
        cert.set_not_before(&openssl::asn1::Asn1Time::days_from_now(0).unwrap()).unwrap();
        cert.set_not_after(&openssl::asn1::Asn1Time::days_from_now(1).unwrap()).unwrap();
        cert.sign(&key, openssl::hash::MessageDigest::sha256()).unwrap();
        (cert.build().to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap())
    }

    #[test]
    fn files_are_checked_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = pair();
        let file = |name: &str, content: &[u8]| -> PathBuf {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let (cert, key, junk) = (file("cert.pem", &cert), file("key.pem", &key), file("junk.pem", b"hello"));
        let good = ConnectionOptions {
            ssl_ca: Some(cert.clone()),
            ssl_cert: Some(cert.clone()),
            ssl_key: Some(key.clone()),
            ..options(SslMode::VerifyCa)
        };
        assert!(sql_tls(&good).unwrap().is_some());
        dump_tls(&good).unwrap();
        assert!(sql_tls(&options(SslMode::Disabled)).unwrap().is_none());

        for (ca, cert, key, word) in [
            (Some(junk.clone()), None, None, "ssl_ca"),
            (Some(dir.path().join("absent.pem")), None, None, "absent.pem cannot be read"),
            (None, Some(cert.clone()), None, "belong together"),
            (None, Some(junk.clone()), Some(key.clone()), "ssl_cert"),
            (None, Some(cert.clone()), Some(junk.clone()), "ssl_key"),
        ] {
            let bad = ConnectionOptions { ssl_ca: ca, ssl_cert: cert, ssl_key: key, ..options(SslMode::Required) };
            for error in [sql_tls(&bad).err().unwrap(), dump_tls(&bad).err().unwrap()] {
                assert!(error.to_string().contains(word), "{error}");
            }
        }
    }
}
