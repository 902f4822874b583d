//! A door for accounts whose login method the SQL client does not speak (`sha256_password`, and it has no hook for more),
//! or speaks with a flaw (MariaDB's `ed25519`: one login in 256 is refused).
//!
//! The client connects to a Unix socket of ours, to which nobody but this process is let in. For each such connection we
//! log in at the server with our own `login`, let the client in without a password, and copy bytes. What the two ends have
//! agreed on with us is the same, so nothing needs to be understood on the way: no packets after the login here.
//!
//! The socket has a name and no file (unix(7), "Abstract sockets"), so that it works without any folder that can be
//! written, and nothing stays behind when the process is killed.
//!
//! The client finds out by a login that the server refuses, once for each `Server`. MySQL before 5.7.3 cannot reset a
//! session, so there every connection is made anew.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mysql_async::{Opts, OptsBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::connect::{ConnectionOptions, KEEPALIVE};
use super::fault::io_error;
use super::login::{self, Session};
use super::packet;
use super::wire::Wire;
use crate::error::{Error, Result};

const CLIENT_MULTI_STATEMENTS: u32 = 1 << 16;
const CLIENT_MULTI_RESULTS: u32 = 1 << 17;
const CLIENT_PS_MULTI_RESULTS: u32 = 1 << 18;
const CLIENT_DEPRECATE_EOF: u32 = 1 << 24;

/// What the client would agree on with the server beyond `login`. Not LOCAL INFILE: no file of ours is ever sent.
const CLIENTS_OWN: u32 = CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS | CLIENT_PS_MULTI_RESULTS | CLIENT_DEPRECATE_EOF;

/// Without a meaning once the login is over, so that the two ends may differ in them.
const LOGIN_ONLY: u32 = login::CLIENT_LONG_PASSWORD
    | login::CLIENT_LONG_FLAG
    | login::CLIENT_CONNECT_WITH_DB
    | login::CLIENT_SSL
    | login::CLIENT_SECURE_CONNECTION
    | login::CLIENT_PLUGIN_AUTH
    | login::CLIENT_CONNECT_ATTRS
    | login::CLIENT_PLUGIN_AUTH_LENENC_DATA;

/// Connections at one time: a pool's, and those of pools given up that have not noticed yet.
const CONNECTIONS_MAX: usize = 16;
/// Failed logins whose errors nobody has fetched yet.
const FAILURES_MAX: usize = 16;
/// A server that takes no more bytes for so long is given up.
const STALLED: Duration = Duration::from_secs(60);
/// Accepting fails for want of file descriptors, which do not come back at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
const BUFFER_BYTES: usize = 32 * 1024;
/// The client's answer to a greeting is short.
const ANSWER_MAX: usize = 64 * 1024;

/// The number of our own error packets, whose text is a failure's number. No server refuses a login with it.
const FAILURE_CODE: u16 = u16::MAX;
/// "Autocommit is on", as in every new session.
const STATUS_AUTOCOMMIT: [u8; 2] = [2, 0];

/// Accepts until it is dropped; connections end when one of their ends closes.
pub struct Relay {
    /// With the NUL at the front that makes it a name.
    name: String,
    accepting: AbortHandle,
    failures: Arc<Failures>,
}

impl Relay {
    /// Opens the door, on the runtime of the caller.
    ///
    /// # Errors
    /// Definite when the system gives no socket.
    pub fn start(options: &ConnectionOptions) -> Result<Self> {
        let name = format!("\0binlogd-{}", uuid::Uuid::new_v4().simple());
        let listener = UnixListener::bind(&name).map_err(|e| {
            Error::definite("an account with sha256_password or ed25519 needs a Unix socket, and there is none")
                .source(e)
                .hint("allow this process Unix sockets (AF_UNIX), or give the account another login method (caching_sha2_password, mysql_native_password)")
        })?;
        let failures = Arc::new(Failures::default());
        let accepting = tokio::spawn(accept(listener, options.clone(), failures.clone())).abort_handle();
        Ok(Relay { name, accepting, failures })
    }

    /// The client's options for connections through this door. It gets no password: it needs none.
    pub fn opts(&self, opts: &Opts) -> Opts {
        let builder = OptsBuilder::from_opts(opts.clone()).socket(Some(self.name.clone()));
        Opts::from(builder.ssl_opts(None).pass(None::<String>).db_name(None::<String>))
    }

    /// Why a login through this door has failed, in the words of our own login.
    pub fn failure(&self, error: &mysql_async::Error) -> Option<Error> {
        match error {
            mysql_async::Error::Server(e) if e.code == FAILURE_CODE => e.message.parse().ok().and_then(|number| self.failures.take(number)),
            _ => None,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Errors of logins on their way around the client, which would make something else of them.
#[derive(Default)]
struct Failures(Mutex<(u32, VecDeque<(u32, Error)>)>);

impl Failures {
    fn keep(&self, error: Error) -> u32 {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, kept) = &mut *guard;
        *last = last.wrapping_add(1);
        if kept.len() == FAILURES_MAX {
            kept.pop_front();
        }
        kept.push_back((*last, error));
        *last
    }

    fn take(&self, number: u32) -> Option<Error> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = guard.1.iter().position(|(n, _)| *n == number)?;
        guard.1.remove(at).map(|(_, error)| error)
    }
}

async fn accept(listener: UnixListener, options: ConnectionOptions, failures: Arc<Failures>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // The semaphore is never closed.
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((client, _)) if !is_our_own(&client) => tracing::debug!("another process tried to use a connection of binlogd's own"),
            Ok((client, _)) => {
                let (options, failures) = (options.clone(), failures.clone());
                tokio::spawn(async move {
                    let address = options.address();
                    if let Err(e) = serve(client, options, &failures).await {
                        tracing::debug!(server = %address, error = %e, "a relayed connection was lost");
                    }
                    drop(place);
                });
            }
            Err(e) => {
                tracing::debug!(error = %e, "no connection can be relayed now");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The kernel tells who connected.
fn is_our_own(client: &UnixStream) -> bool {
    let process = client.peer_cred().ok().and_then(|peer| peer.pid());
    process.is_some_and(|id| u32::try_from(id) == Ok(std::process::id()))
}

async fn serve(mut client: UnixStream, options: ConnectionOptions, failures: &Failures) -> io::Result<()> {
    let login = tokio::task::spawn_blocking(move || login::login_with(&options, CLIENTS_OWN));
    let outcome = login.await.unwrap_or_else(|_| Err(Error::bug("the login ended by itself")));
    let upstream = match outcome {
        Ok(session) => {
            client.write_all(&packets(0, &greeting(&session))?).await?;
            let theirs = client_capabilities(&mut client).await?;
            if (theirs ^ session.capabilities) & !LOGIN_ONLY == 0 {
                Upstream::new(session.wire)
            } else {
                let ours = session.capabilities;
                Err(Error::bug(format!("the SQL client speaks another dialect ({theirs:#x}) than was agreed on ({ours:#x})")))
            }
            .map_err(|e| (2, e))
        }
        Err(e) => Err((0, e)),
    };
    match upstream {
        Ok(upstream) => {
            let [low, high] = STATUS_AUTOCOMMIT;
            client.write_all(&packets(2, &[packet::OK, 0, 0, low, high, 0, 0])?).await?;
            copy(client, upstream).await
        }
        Err((sequence, error)) => {
            let mut refusal = vec![packet::ERR];
            refusal.extend_from_slice(&FAILURE_CODE.to_le_bytes());
            refusal.extend_from_slice(failures.keep(error).to_string().as_bytes());
            client.write_all(&packets(sequence, &refusal)?).await
        }
    }
}

fn packets(mut sequence: u8, payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    packet::write(&mut out, &mut sequence, payload).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(out)
}

/// The server's greeting as the client is to see it: the same version and connection, and only what we have agreed on.
fn greeting(session: &Session) -> Vec<u8> {
    let offered = session.capabilities & !(login::CLIENT_SSL | login::CLIENT_CONNECT_WITH_DB | login::CLIENT_CONNECT_ATTRS);
    let [a, b, c, d] = offered.to_le_bytes();
    // No password follows, so that nothing depends on this.
    let nonce = [b'-'; login::NONCE_SIZE];
    let mut out = vec![10];
    out.extend_from_slice(session.version.text.as_bytes());
    out.push(0);
    out.extend_from_slice(&session.connection_id.to_le_bytes());
    out.extend_from_slice(&nonce[..8]);
    out.extend_from_slice(&[0, a, b, login::COLLATION]);
    out.extend_from_slice(&STATUS_AUTOCOMMIT);
    out.extend_from_slice(&[c, d, login::NONCE_SIZE as u8 + 1]);
    out.extend_from_slice(&[0; 10]);
    out.extend_from_slice(&nonce[8..]);
    out.push(0);
    out.extend_from_slice(login::NATIVE.as_bytes());
    out.push(0);
    out
}

/// Reads the client's answer to the greeting, of which only the capabilities matter.
async fn client_capabilities(client: &mut UnixStream) -> io::Result<u32> {
    let mut head = [0; packet::HEADER_SIZE];
    client.read_exact(&mut head).await?;
    let (length, _) = packet::header(head);
    if !(4..=ANSWER_MAX).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let capabilities = client.read_u32_le().await?;
    let mut rest = vec![0; length - 4];
    client.read_exact(&mut rest).await?;
    Ok(capabilities)
}

/// Copies until one side closes. While one side's bytes are written, the other's wait: the protocol is one of questions
/// and answers, and nobody talks for long while the other does.
async fn copy(mut client: UnixStream, mut server: Upstream) -> io::Result<()> {
    let (mut questions, mut answers) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    loop {
        tokio::select! {
            got = client.read(&mut questions) => match got? {
                0 => return Ok(()),
                n => tokio::time::timeout(STALLED, server.write_all(&questions[..n])).await??,
            },
            got = server.read(&mut answers) => match got? {
                0 => return Ok(()),
                n => client.write_all(&answers[..n]).await?,
            },
        }
    }
}

/// The blocking connection of `login`, made one that waits for the runtime.
struct Upstream {
    wire: Wire,
    /// A copy of its handle: tells when it is worth to try.
    ready: TcpStream,
}

impl Upstream {
    fn new(wire: Wire) -> Result<Self> {
        let handle = wire.non_blocking()?;
        let keep = rustix::net::sockopt::set_socket_keepalive(&handle, true)
            .and_then(|()| rustix::net::sockopt::set_tcp_keepidle(&handle, KEEPALIVE))
            .map_err(io::Error::from);
        let ready = keep.and_then(|()| TcpStream::from_std(handle)).map_err(|e| io_error("cannot prepare the socket", e))?;
        Ok(Upstream { wire, ready })
    }

    /// Loses nothing when it is given up while it waits.
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.ready.readable().await?;
            // TLS may hold bytes that the kernel no longer has; readiness ends only when both have none.
            match self.ready.try_io(Interest::READABLE, || self.wire.read(buffer)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.ready.writable().await?;
            match self.ready.try_io(Interest::WRITABLE, || self.wire.write(bytes)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream as BlockingStream};

    use super::*;

    #[tokio::test]
    async fn errors_of_the_login_arrive_whole() {
        // Bound, not listening and given back: the kernel refuses at once.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = ConnectionOptions { port, ..ConnectionOptions::new("127.0.0.1", "maxwell", "hunter2") };
        let relay = Relay::start(&options).unwrap();
        let opts = relay.opts(&Opts::from(OptsBuilder::default().user(Some("maxwell")).pass(Some("hunter2"))));
        assert!(!format!("{opts:?}").contains("hunter2"), "the client needs no password");
        let error = mysql_async::Conn::new(opts.clone()).await.unwrap_err();
        let told = relay.failure(&error).unwrap();
        assert!(told.is_transient());
        assert!(told.to_string().contains(&format!("maxwell@127.0.0.1:{port}")), "{told}");
        assert!(told.hint_text().is_some_and(|h| h.contains("is the server running")), "{told}");
        assert!(relay.failure(&error).is_none(), "fetched once");

        drop(relay);
        assert!(matches!(mysql_async::Conn::new(opts).await, Err(mysql_async::Error::Io(_))), "the door is shut");
    }

    const NAME: &str = "BINLOGD_TEST_RELAY";

    /// The other process of the next test; nothing otherwise.
    #[test]
    fn other_process() {
        let Ok(name) = std::env::var(NAME) else { return };
        let mut stream = BlockingStream::connect_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // Whoever hangs up first, it is not an answer.
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{answer:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn another_process_is_not_let_in() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let port = server.local_addr().unwrap().port();
        let relay = Relay::start(&ConnectionOptions { port, ..ConnectionOptions::new("127.0.0.1", "maxwell", "") }).unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "server::relay::tests::other_process"]).env(NAME, relay.name.trim_start_matches('\0'));
        let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        assert_eq!(server.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "logged in for a stranger");
    }

    #[test]
    fn failures_are_bounded_and_told_apart() {
        let failures = Failures::default();
        let numbers: Vec<u32> = (0..FAILURES_MAX + 2).map(|i| failures.keep(Error::definite(format!("fault {i}")))).collect();
        assert!(failures.take(numbers[0]).is_none() && failures.take(numbers[1]).is_none());
        assert!(failures.take(numbers[3]).unwrap().to_string().contains("fault 3"));
        assert!(failures.take(numbers[2]).unwrap().to_string().contains("fault 2"));
    }

    #[test]
    fn the_greeting_offers_no_more_than_was_agreed_on() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let wire = Wire::Plain(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let version = super::super::flavor::ServerVersion::parse("9.7.4-log").unwrap();
        let session = Session {
            wire,
            version,
            connection_id: 7,
            capabilities: login::CLIENT_SSL | login::CLIENT_PLUGIN_AUTH | CLIENT_DEPRECATE_EOF,
            plugin: login::SHA256.to_owned(),
        };
        let parsed = login::Greeting::parse(&greeting(&session)).unwrap();
        assert_eq!((parsed.version.as_str(), parsed.connection_id), ("9.7.4-log", 7));
        assert_eq!(parsed.capabilities, login::CLIENT_PLUGIN_AUTH | CLIENT_DEPRECATE_EOF);
    }
}
