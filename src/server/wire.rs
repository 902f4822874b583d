//! The bytes' way: TCP, plain or under TLS. No packets here.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openssl::ssl::{HandshakeError, SslStream};
use openssl::x509::X509VerifyResult;

use super::connect::{ConnectionOptions, SslMode};
use super::fault::{io_error, tls_error};
use super::tls::dump_tls;
use crate::error::{Error, Result};

/// Encrypted bytes are taken from the kernel in pieces of this size, many TLS records at once.
const CIPHER_BUFFER_BYTES: usize = 256 * 1024;
/// A TLS record's header: type, version, length (RFC 8446, 5.1).
const RECORD_HEADER: usize = 5;

/// A connection to the server.
pub enum Wire {
    Plain(TcpStream),
    Tls(Box<SslStream<Buffered>>),
}

/// Connects over TCP, resolving the name anew each time. All addresses together get the time that is allowed.
pub fn connect(options: &ConnectionOptions) -> Result<TcpStream> {
    let doing = || format!("cannot connect to {}:{}", options.host, options.port);
    let end = Instant::now() + options.connect_timeout();
    let addresses = (options.host.as_str(), options.port).to_socket_addrs().map_err(|e| io_error(&doing(), e))?;
    let mut last = io::Error::other("the host name has no address");
    for address in addresses {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            last = io::ErrorKind::TimedOut.into();
            break;
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|e| io_error(&doing(), e))?;
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(io_error(&doing(), last))
}

/// Puts TLS over a connection whose server has agreed to it.
pub fn encrypt(stream: TcpStream, options: &ConnectionOptions) -> Result<Wire> {
    let fault = |e: openssl::error::ErrorStack| tls_error(e.to_string());
    let mut connect = dump_tls(options)?.configure().map_err(fault)?;
    connect.set_verify_hostname(options.ssl == SslMode::VerifyIdentity);
    match connect.connect(&options.host, Buffered::new(stream)) {
        Ok(stream) => Ok(Wire::Tls(Box::new(stream))),
        Err(HandshakeError::SetupFailure(e)) => Err(fault(e)),
        Err(HandshakeError::WouldBlock(_)) => {
            Err(io_error("the TLS handshake with the server took too long", io::ErrorKind::TimedOut.into()))
        }
        Err(HandshakeError::Failure(failed)) => match failed.ssl().verify_result() {
            X509VerifyResult::OK => Err(handshake_error(failed.error())),
            refused => Err(tls_error(format!("certificate verify failed ({})", refused.error_string()))),
        },
    }
}

/// A connection that broke during the handshake is lost, not misconfigured.
fn handshake_error(error: &openssl::ssl::Error) -> Error {
    match error.io_error() {
        Some(e) => io_error("the connection was lost in the TLS handshake", io::Error::new(e.kind(), e.to_string())),
        None => tls_error(error.to_string()),
    }
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => &stream.get_ref().stream,
        }
    }

    pub fn is_encrypted(&self) -> bool {
        matches!(self, Wire::Tls(_))
    }

    /// How long one read or write may wait; `None` is for ever. The clock runs only inside of the call.
    pub fn set_timeouts(&self, wait: Option<Duration>) -> Result<()> {
        let tcp = self.tcp();
        tcp.set_read_timeout(wait).and_then(|()| tcp.set_write_timeout(wait)).map_err(|e| io_error("cannot set the socket's time limit", e))
    }

    /// From now on reads and writes never wait; the handle tells when they can go on.
    pub fn non_blocking(&self) -> Result<TcpStream> {
        let copy = self.tcp().set_nonblocking(true).and_then(|()| self.tcp().try_clone());
        copy.map_err(|e| io_error("cannot prepare the socket", e))
    }

    /// A handle that ends the connection from another thread.
    pub fn closer(&self) -> Result<Closer> {
        let stream = self.tcp().try_clone().map_err(|e| io_error("cannot copy the socket's handle", e))?;
        Ok(Closer { stream: Arc::new(stream), closed: Arc::default() })
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.read(buffer),
            // One call decrypts one record of at most 16 KiB; those that are here already join it, so that a busy
            // stream is handed on in large blocks, and nothing waits.
            Wire::Tls(stream) => {
                let mut got = stream.read(buffer)?;
                while got > 0 && got < buffer.len() && (stream.ssl().pending() > 0 || stream.get_ref().has_record()) {
                    match stream.read(&mut buffer[got..]) {
                        Ok(0) => break,
                        Ok(more) => got += more,
                        // What was read is good; the next call meets the error again.
                        Err(_) => break,
                    }
                }
                Ok(got)
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.write(bytes),
            Wire::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(stream) => stream.flush(),
            Wire::Tls(stream) => stream.flush(),
        }
    }
}

/// Ends a connection, whatever the thread that owns it is doing.
#[derive(Debug, Clone)]
pub struct Closer {
    stream: Arc<TcpStream>,
    closed: Arc<AtomicBool>,
}

impl Closer {
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Fails only when the connection has ended by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// TCP with a read buffer, so that OpenSSL's two small reads a record do not become system calls, and so that we can see
/// whether a whole record is here.
pub struct Buffered {
    stream: TcpStream,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffered {
    fn new(stream: TcpStream) -> Self {
        Buffered { stream, buffer: vec![0; CIPHER_BUFFER_BYTES].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Whether decrypting the next record needs no further byte.
    fn has_record(&self) -> bool {
        match self.buffer.get(self.start..self.end) {
            Some([_, _, _, high, low, rest @ ..]) => rest.len() >= usize::from(u16::from_be_bytes([*high, *low])),
            _ => false,
        }
    }
}

impl Read for Buffered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            // OpenSSL asks for a record's header first.
            debug_assert!(self.buffer.len() > RECORD_HEADER);
            self.end = self.stream.read(&mut self.buffer)?;
        }
        let have = self.buffer.get(self.start..self.end).unwrap_or_default();
        let n = have.len().min(out.len());
        out[..n].copy_from_slice(&have[..n]);
        self.start += n;
        Ok(n)
    }
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
