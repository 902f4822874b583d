//! What the server says of our client certificate, for a login that was cut off.
//!
//! In TLS 1.3 the handshake is over for us before the server has looked at our certificate. If it refuses it, its alert
//! and the closed connection meet our login packet on the way, and what is seen may be a broken pipe only. This asks
//! again and sends nothing after the handshake, so that the alert is what comes.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use openssl::ssl::HandshakeError;

use super::connect::{ConnectionOptions, SslMode};
use super::fault::{read_error, tls_error};
use super::tls::dump_tls;
use crate::error::Error;

/// A server that has nothing against us says nothing until we log in. The alert takes one round trip.
const SILENCE: Duration = Duration::from_secs(3);
/// CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH
const CAPABILITIES: u32 = 1 << 9 | 1 << 11 | 1 << 15 | 1 << 19;
/// A greeting has fewer than 100 bytes, but versions can be long.
const GREETING_MAX: usize = 4096;

/// The error that explains a login which was cut off, if it was our certificate. Blocking.
pub fn on_certificate(options: &ConnectionOptions) -> Option<Error> {
    let error = ask(options).err()?;
    (!error.is_transient()).then_some(error)
}

fn ask(options: &ConnectionOptions) -> Result<(), Error> {
    let mut tcp = greeted(options).map_err(read_error)?;
    tcp.write_all(&tls_request()).map_err(read_error)?;
    let fault = |e: openssl::error::ErrorStack| tls_error(e.to_string());
    let mut connect = dump_tls(options)?.configure().map_err(fault)?;
    connect.set_verify_hostname(options.ssl == SslMode::VerifyIdentity);
    let mut stream = match connect.connect(&options.host, tcp) {
        Ok(stream) => stream,
        Err(HandshakeError::SetupFailure(e)) => return Err(fault(e)),
        Err(HandshakeError::WouldBlock(_)) => return Ok(()),
        Err(HandshakeError::Failure(failed)) if failed.error().io_error().is_some() => return Ok(()),
        Err(HandshakeError::Failure(failed)) => return Err(tls_error(failed.error().to_string())),
    };
    stream.read(&mut [0; 16]).map(drop).map_err(read_error)
}

/// A connection whose greeting was read.
fn greeted(options: &ConnectionOptions) -> io::Result<TcpStream> {
    let end = Instant::now() + options.connect_timeout();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (options.host.as_str(), options.port).to_socket_addrs()? {
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(mut tcp) => {
                tcp.set_read_timeout(Some(SILENCE.min(options.connect_timeout())))?;
                tcp.set_write_timeout(Some(SILENCE))?;
                let mut head = [0; 4];
                tcp.read_exact(&mut head)?;
                let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
                if length > GREETING_MAX {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                tcp.read_exact(&mut vec![0; length])?;
                return Ok(tcp);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// MySQL internals manual, "SSLRequest": header, capabilities, longest packet, collation (utf8mb4_general_ci), filler.
fn tls_request() -> Vec<u8> {
    let mut out = vec![32, 0, 0, 1];
    out.extend_from_slice(&CAPABILITIES.to_le_bytes());
    out.extend_from_slice(&(1_u32 << 24).to_le_bytes());
    out.push(45);
    out.extend_from_slice(&[0; 23]);
    out
}
