//! The broker `kafka-secure` of scripts/servers.sh: a listener for every way to log in, and ACLs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::certificates::{Certificate, DAY, Pair, write};
use super::environment::variable;
use super::servers::Scratch;

pub const HOSTS: &[&str] = &["127.0.0.1", "localhost"];

pub struct Secure {
    broker: Scratch,
    /// Where the certificates are.
    pub files: PathBuf,
    pub ca: Pair,
}

impl Secure {
    /// Starts it with certificates of its own, written to `folder`: `ca.pem` is what its clients trust.
    pub async fn start(folder: &Path) -> Secure {
        let ca = Pair::authority("binlogd test authority");
        write(folder, "ca.pem", &ca.cert_pem());
        let mut flags = vec!["ssl.keystore.type=PEM".to_owned(), "ssl.truststore.type=PEM".to_owned()];
        flags.push(format!("ssl.truststore.location={}", folder.join("ca.pem").display()));
        for (prefix, name, hosts, seconds) in [
            ("", "broker", HOSTS, 30 * DAY),
            ("listener.name.expired.", "expired", HOSTS, -DAY),
            ("listener.name.otherhost.", "otherhost", &["elsewhere.example"], 30 * DAY),
        ] {
            let pair = ca.sign(&Certificate { name, hosts, seconds });
            let path = write(folder, &format!("{name}.pem"), &both(&pair));
            flags.push(format!("{prefix}ssl.keystore.location={}", path.display()));
            if !prefix.is_empty() {
                flags.push(format!("{prefix}ssl.keystore.type=PEM"));
            }
        }
        let broker = Scratch::start("kafka-secure", &flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
        Secure { broker, files: folder.to_owned(), ca }
    }

    /// The address of a listener; PLAINTEXT's is for the test itself.
    pub fn at(&self, listener: &str) -> String {
        let port = if listener == "PLAINTEXT" {
            self.broker.port
        } else {
            let run = variable("BINLOGD_TEST_RUN_DIR").expect("the run folder");
            let file = format!("{run}/{}/port.{listener}", self.broker.name);
            fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| panic!("{file}: no port"))
        };
        format!("127.0.0.1:{port}")
    }

    pub fn file(&self, name: &str) -> String {
        self.files.join(name).display().to_string()
    }

    /// Lets a user do something. Blocks.
    pub fn allow(&self, user: &str, operations: &[Operation], on: On<'_>) {
        let mut bodies = Vec::new();
        for operation in operations {
            let (kind, name) = match on {
                On::Topic(name) => (2, name),
                On::Cluster => (4, "kafka-cluster"),
                On::TransactionalId(name) => (5, name),
                On::Group(name) => (3, name),
            };
            bodies.push((kind, name.to_owned(), format!("User:{user}"), *operation as u8));
        }
        create_acls(&self.at("PLAINTEXT"), &bodies);
    }
}

/// Key and certificate in one text.
pub fn both(pair: &Pair) -> Vec<u8> {
    [pair.key.private_key_to_pem_pkcs8().expect("PEM"), pair.cert_pem()].concat()
}

/// Kafka's numbers for what may be done.
#[derive(Debug, Clone, Copy)]
pub enum Operation {
    Read = 3,
    Write = 4,
    Create = 5,
    Describe = 8,
    DescribeConfigs = 10,
    IdempotentWrite = 12,
}

#[derive(Debug, Clone, Copy)]
pub enum On<'a> {
    Topic(&'a str),
    Group(&'a str),
    TransactionalId(&'a str),
    Cluster,
}

/// One request CreateAcls, version 1 (Kafka's protocol guide), and its answer: the client library's crate has no call for it.
fn create_acls(address: &str, acls: &[(u8, String, String, u8)]) {
    fn string(to: &mut Vec<u8>, text: &str) {
        to.extend((text.len() as i16).to_be_bytes());
        to.extend(text.as_bytes());
    }
    let mut request = Vec::new();
    request.extend(30i16.to_be_bytes());
    request.extend(1i16.to_be_bytes());
    request.extend(7i32.to_be_bytes());
    string(&mut request, "binlogd-test");
    request.extend((acls.len() as i32).to_be_bytes());
    for (kind, name, principal, operation) in acls {
        request.push(*kind);
        string(&mut request, name);
        // A literal name.
        request.push(3);
        string(&mut request, principal);
        string(&mut request, "*");
        request.push(*operation);
        // Allow.
        request.push(3);
    }
    let mut stream = TcpStream::connect(address).expect("the broker listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    stream.write_all(&(request.len() as i32).to_be_bytes()).and_then(|()| stream.write_all(&request)).expect("the request is sent");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; i32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).expect("an answer");
    // Correlation, throttling, count; then a code and a text for each.
    let mut rest = &answer[12..];
    for acl in acls {
        let code = i16::from_be_bytes([rest[0], rest[1]]);
        let text = i16::from_be_bytes([rest[2], rest[3]]).max(0) as usize;
        assert_eq!(code, 0, "{acl:?}: {}", String::from_utf8_lossy(&rest[4..4 + text]));
        rest = &rest[4 + text..];
    }
}
