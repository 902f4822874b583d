//! From a TCP connection to a session: greeting, TLS, and the account's login method.
//!
//! Formats: MySQL internals manual, "Connection Phase"; MariaDB knowledge base, "Connection". The password leaves this
//! file hashed, encrypted with the server's RSA key, or under TLS; never in clear.

use mysql_common::scramble::{create_response_for_ed25519, scramble_native, scramble_sha256};
use openssl::rsa::{Padding, Rsa};

use super::connect::{ConnectionOptions, SslMode};
use super::fault::{login_error, no_tls_on_server, unknown_plugin};
use super::flavor::ServerVersion;
use super::packet;
use super::verdict;
use super::wire::{self, Wire};
use crate::binlog::{Cursor, DecodeError};
use crate::error::{Error, Result};

pub(super) const CLIENT_LONG_PASSWORD: u32 = 1;
pub(super) const CLIENT_LONG_FLAG: u32 = 1 << 2;
pub(super) const CLIENT_CONNECT_WITH_DB: u32 = 1 << 3;
const CLIENT_PROTOCOL_41: u32 = 1 << 9;
pub(super) const CLIENT_SSL: u32 = 1 << 11;
const CLIENT_TRANSACTIONS: u32 = 1 << 13;
pub(super) const CLIENT_SECURE_CONNECTION: u32 = 1 << 15;
pub(super) const CLIENT_PLUGIN_AUTH: u32 = 1 << 19;
pub(super) const CLIENT_CONNECT_ATTRS: u32 = 1 << 20;
pub(super) const CLIENT_PLUGIN_AUTH_LENENC_DATA: u32 = 1 << 21;

/// The longest packet that we say we accept: the protocol's own limit.
const PACKET_MAX: u32 = 1 << 30;
/// utf8mb4_general_ci, which every server since 5.5 knows.
pub(super) const COLLATION: u8 = 45;
/// Bytes of the random text that a password is hashed with. MariaDB's ed25519 has a longer one.
pub(super) const NONCE_SIZE: usize = 20;
/// A login takes four or five packets; a server that goes on for ever is given up.
const STEPS_MAX: usize = 16;

/// What the server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    pub version: String,
    pub connection_id: u32,
    pub(super) capabilities: u32,
    nonce: Vec<u8>,
    plugin: String,
}

impl Greeting {
    /// Reads protocol version 10, the only one since MySQL 3.21.
    pub fn parse(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut c = Cursor::new(payload);
        match c.u8("protocol version")? {
            10 => {}
            other => return Err(DecodeError::invalid("protocol version", format!("{other}, expected 10"))),
        }
        let version = text_to_nul(&mut c, "server version")?;
        let connection_id = c.u32("connection id")?;
        let mut nonce = c.take(8, "login nonce")?.to_vec();
        c.take(1, "filler")?;
        let low = c.u16("capabilities")?;
        // Servers before 4.1 end here.
        c.take(3, "collation and status")?;
        let capabilities = u32::from(low) | u32::from(c.u16("capabilities")?) << 16;
        let nonce_size = usize::from(c.u8("length of the login nonce")?);
        c.take(10, "filler")?;
        let rest = nonce_size.saturating_sub(8).max(13).min(c.len());
        nonce.extend_from_slice(c.take(rest, "login nonce")?);
        let plugin =
            if capabilities & CLIENT_PLUGIN_AUTH != 0 && !c.is_empty() { text_to_nul(&mut c, "login method")? } else { NATIVE.to_owned() };
        Ok(Greeting { version, connection_id, capabilities, nonce, plugin })
    }
}

/// Text up to a NUL, or to the end: some servers forget the last NUL.
fn text_to_nul(c: &mut Cursor<'_>, what: &'static str) -> Result<String, DecodeError> {
    let rest = c.rest();
    let length = memchr::memchr(0, rest).unwrap_or(rest.len());
    let text = String::from_utf8_lossy(c.take(length, what)?).into_owned();
    if !c.is_empty() {
        c.take(1, what)?;
    }
    Ok(text)
}

pub(super) const NATIVE: &str = "mysql_native_password";
const CACHING_SHA2: &str = "caching_sha2_password";
pub(super) const SHA256: &str = "sha256_password";
const ED25519: &str = "client_ed25519";

/// A logged-in connection.
pub struct Session {
    pub wire: Wire,
    pub version: ServerVersion,
    pub connection_id: u32,
    /// What both sides have agreed on.
    pub capabilities: u32,
    /// The account's login method.
    pub(super) plugin: String,
}

/// Connects and logs in. The socket's time limit is the one for connecting; the caller sets another afterwards.
///
/// # Errors
/// Transient when the server cannot be reached or is busy; definite for a wrong password, TLS and login methods.
pub fn login(options: &ConnectionOptions) -> Result<Session> {
    login_with(options, 0)
}

/// As `login`, asking for further capabilities of the protocol: those that the server has too are in `Session`.
pub fn login_with(options: &ConnectionOptions, more: u32) -> Result<Session> {
    login_unplaced(options, more)
        .map_err(|e| match e.is_transient() && options.ssl != SslMode::Disabled && options.has_identity() {
            true => verdict::on_certificate(options).unwrap_or(e),
            false => e,
        })
        .map_err(|e| e.detail(options.address()))
}

/// Whether the account is one with MariaDB's ed25519 and we are let in. Asks no other server, so that a wrong password
/// counts once there (MySQL's FAILED_LOGIN_ATTEMPTS).
pub fn enters_by_ed25519(options: &ConnectionOptions) -> bool {
    let session = Dialog::start(options).and_then(|dialog| match dialog.version.is_mariadb() {
        true => dialog.login(options, 0).map(Some),
        false => Ok(None),
    });
    matches!(session, Ok(Some(session)) if session.plugin == ED25519)
}

fn login_unplaced(options: &ConnectionOptions, more: u32) -> Result<Session> {
    Dialog::start(options)?.login(options, more)
}

/// A connection whose server has greeted us.
struct Dialog {
    wire: Wire,
    sequence: u8,
    greeting: Greeting,
    version: ServerVersion,
}

impl Dialog {
    fn start(options: &ConnectionOptions) -> Result<Self> {
        let tcp = wire::connect(options)?;
        let mut wire = Wire::Plain(tcp);
        wire.set_timeouts(Some(options.connect_timeout()))?;
        let mut sequence = 0;
        let first = packet::read(&mut wire, &mut sequence)?;
        if first.first() == Some(&packet::ERR) {
            return Err(packet::error_of(&first));
        }
        let greeting = Greeting::parse(&first).map_err(packet::malformed)?;
        let version = ServerVersion::parse(&greeting.version)?;
        let needed = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION;
        if greeting.capabilities & needed != needed {
            return Err(Error::definite(format!("the server ({version}) speaks a protocol older than MySQL 4.1")));
        }
        Ok(Dialog { wire, sequence, greeting, version })
    }

    fn login(self, options: &ConnectionOptions, more: u32) -> Result<Session> {
        let Dialog { mut wire, mut sequence, greeting, version } = self;
        let mut capabilities = (our_capabilities(options) | more) & greeting.capabilities;
        if wants_tls(options.ssl, greeting.capabilities)? {
            capabilities |= CLIENT_SSL;
            packet::write(&mut wire, &mut sequence, &response_head(capabilities))?;
            wire = match wire {
                Wire::Plain(tcp) => wire::encrypt(tcp, options)?,
                Wire::Tls(_) => return Err(Error::bug("TLS inside of TLS")),
            };
        }
        let mut auth = Auth { options, encrypted: wire.is_encrypted(), plugin: greeting.plugin.clone(), nonce: greeting.nonce.clone() };
        if !auth.is_known() {
            // The server's default is nothing to us; what counts is the account's, to which it will switch.
            auth.plugin = NATIVE.to_owned();
        }
        packet::write(&mut wire, &mut sequence, &handshake_response(capabilities, &auth)?)?;
        let encrypted = auth.encrypted;
        let plugin = authenticate(&mut wire, &mut sequence, auth).map_err(|e| login_error(e, encrypted, options.has_identity()))?;
        Ok(Session { wire, version, connection_id: greeting.connection_id, capabilities, plugin })
    }
}

fn our_capabilities(options: &ConnectionOptions) -> u32 {
    let with_database = if options.database.is_some() { CLIENT_CONNECT_WITH_DB } else { 0 };
    CLIENT_LONG_PASSWORD
        | CLIENT_LONG_FLAG
        | CLIENT_PROTOCOL_41
        | CLIENT_TRANSACTIONS
        | CLIENT_SECURE_CONNECTION
        | CLIENT_PLUGIN_AUTH
        | CLIENT_CONNECT_ATTRS
        | CLIENT_PLUGIN_AUTH_LENENC_DATA
        | with_database
}

fn wants_tls(mode: SslMode, server: u32) -> Result<bool> {
    let offered = server & CLIENT_SSL != 0;
    match mode {
        SslMode::Disabled => Ok(false),
        SslMode::Preferred => Ok(offered),
        SslMode::Required | SslMode::VerifyCa | SslMode::VerifyIdentity if offered => Ok(true),
        _ => Err(no_tls_on_server()),
    }
}

/// The part that a TLS request and a login have in common.
fn response_head(capabilities: u32) -> Vec<u8> {
    let mut out = capabilities.to_le_bytes().to_vec();
    out.extend_from_slice(&PACKET_MAX.to_le_bytes());
    out.push(COLLATION);
    out.extend_from_slice(&[0; 23]);
    out
}

fn handshake_response(capabilities: u32, auth: &Auth<'_>) -> Result<Vec<u8>> {
    let mut out = response_head(capabilities);
    push_nul_text(&mut out, &auth.options.user)?;
    let proof = auth.first_answer()?;
    if capabilities & CLIENT_PLUGIN_AUTH_LENENC_DATA != 0 {
        push_lenenc(&mut out, &proof);
    } else {
        let length = u8::try_from(proof.len()).map_err(|_| Error::definite("the password is too long for this server's protocol"))?;
        out.push(length);
        out.extend_from_slice(&proof);
    }
    if let Some(database) = auth.options.database.as_deref().filter(|_| capabilities & CLIENT_CONNECT_WITH_DB != 0) {
        push_nul_text(&mut out, database)?;
    }
    if capabilities & CLIENT_PLUGIN_AUTH != 0 {
        push_nul_text(&mut out, &auth.plugin)?;
    }
    if capabilities & CLIENT_CONNECT_ATTRS != 0 {
        let mut attributes = Vec::new();
        for text in ["program_name", "binlogd", "_client_version", env!("CARGO_PKG_VERSION")] {
            push_lenenc(&mut attributes, text.as_bytes());
        }
        push_lenenc(&mut out, &attributes);
    }
    Ok(out)
}

fn push_nul_text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::definite("the user or the database has a NUL in its name"));
    }
    out.extend_from_slice(text.as_bytes());
    out.push(0);
    Ok(())
}

/// A length-encoded text of fewer than 64 KiB; longer ones do not occur in a login.
fn push_lenenc(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        n @ 0..=250 => out.push(n as u8),
        n => {
            out.push(0xfc);
            out.extend_from_slice(&(n as u16).to_le_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

/// One login in progress.
struct Auth<'a> {
    options: &'a ConnectionOptions,
    encrypted: bool,
    plugin: String,
    /// As the server sent it, with its closing NUL.
    nonce: Vec<u8>,
}

impl Auth<'_> {
    fn is_known(&self) -> bool {
        [NATIVE, CACHING_SHA2, SHA256, ED25519].contains(&self.plugin.as_str())
    }

    fn password(&self) -> &[u8] {
        self.options.password.reveal().as_bytes()
    }

    fn short_nonce(&self) -> &[u8] {
        self.nonce.get(..NONCE_SIZE).unwrap_or(&self.nonce)
    }

    /// What answers the greeting or a switch of the method.
    fn first_answer(&self) -> Result<Vec<u8>> {
        let password = self.password();
        match self.plugin.as_str() {
            NATIVE => Ok(scramble_native(self.short_nonce(), password).map(Vec::from).unwrap_or_default()),
            CACHING_SHA2 => Ok(scramble_sha256(self.short_nonce(), password).map(Vec::from).unwrap_or_default()),
            SHA256 if password.is_empty() => Ok(vec![0]),
            SHA256 if self.encrypted => Ok(nul_ended(password)),
            SHA256 => Ok(vec![SHA256_WANTS_KEY]),
            ED25519 => Ok(create_response_for_ed25519(password, self.nonce.get(..32).unwrap_or(&self.nonce)).to_vec()),
            other => Err(unknown_plugin(other)),
        }
    }

    /// The password for a server that does not know its hash yet: in clear under TLS, else with the server's key.
    fn whole_password(&self, key_pem: &[u8]) -> Result<Vec<u8>> {
        let hint = "use TLS (ssl=REQUIRED), or check the server's RSA key pair";
        let fault =
            |e: openssl::error::ErrorStack| Error::definite("the password cannot be encrypted with the server's key").source(e).hint(hint);
        let key = Rsa::public_key_from_pem(key_pem).map_err(fault)?;
        let mut masked = nul_ended(self.password());
        for (byte, mask) in masked.iter_mut().zip(self.short_nonce().iter().cycle()) {
            *byte ^= mask;
        }
        let mut out = vec![0; key.size() as usize];
        let length = key.public_encrypt(&masked, &mut out, Padding::PKCS1_OAEP).map_err(fault)?;
        out.truncate(length);
        Ok(out)
    }
}

/// Asks for the RSA key (sha256_password).
const SHA256_WANTS_KEY: u8 = 1;
/// Asks for the RSA key (caching_sha2_password).
const CACHING_SHA2_WANTS_KEY: u8 = 2;
/// The server knew the password's hash (caching_sha2_password).
const FAST_AUTH_DONE: u8 = 3;
/// The server wants the whole password.
const FULL_AUTH: u8 = 4;

fn nul_ended(password: &[u8]) -> Vec<u8> {
    let mut out = password.to_vec();
    out.push(0);
    out
}

/// Answers the server until it lets us in. Gives the account's login method.
fn authenticate(wire: &mut Wire, sequence: &mut u8, mut auth: Auth<'_>) -> Result<String> {
    for _ in 0..STEPS_MAX {
        let answer = packet::read(wire, sequence)?;
        match answer.split_first() {
            Some((&packet::OK, _)) => return Ok(auth.plugin),
            Some((&packet::ERR, _)) => return Err(packet::error_of(&answer)),
            Some((&packet::EOF, [])) => return Err(unknown_plugin("mysql_old_password")),
            Some((&packet::EOF, switch)) => {
                let mut c = Cursor::new(switch);
                auth.plugin = text_to_nul(&mut c, "login method").map_err(packet::malformed)?;
                auth.nonce = c.rest().to_vec();
                let reply = auth.first_answer()?;
                packet::write(wire, sequence, &reply)?;
            }
            Some((&packet::AUTH_MORE, more)) => {
                if let Some(reply) = continue_sha2(&auth, more)? {
                    packet::write(wire, sequence, &reply)?;
                }
            }
            _ => return Err(packet::malformed(DecodeError::invalid("login packet", "an unknown first byte"))),
        }
    }
    Err(Error::definite("the server does not come to an end with the login"))
}

/// The answer to a further packet of the two sha2 methods; `None` when only the result is left to be read.
fn continue_sha2(auth: &Auth<'_>, more: &[u8]) -> Result<Option<Vec<u8>>> {
    match (auth.plugin.as_str(), more) {
        (CACHING_SHA2, [FAST_AUTH_DONE]) => Ok(None),
        (CACHING_SHA2, [FULL_AUTH]) if auth.encrypted => Ok(Some(nul_ended(auth.password()))),
        (CACHING_SHA2, [FULL_AUTH]) => Ok(Some(vec![CACHING_SHA2_WANTS_KEY])),
        // Whatever else comes is the key that was asked for.
        (CACHING_SHA2 | SHA256, key) if !auth.encrypted => auth.whole_password(key).map(Some),
        _ => Err(packet::malformed(DecodeError::invalid("login packet", format!("data that {} does not send", auth.plugin)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A greeting of MySQL 8, put together by hand.
    fn greeting(version: &str, capabilities: u32, plugin: &str) -> Vec<u8> {
        let mut out = vec![10];
        out.extend_from_slice(version.as_bytes());
        out.extend_from_slice(&[0, 7, 0, 0, 0]);
        out.extend_from_slice(b"12345678\0");
        out.extend_from_slice(&(capabilities as u16).to_le_bytes());
        out.extend_from_slice(&[255, 2, 0]);
        out.extend_from_slice(&((capabilities >> 16) as u16).to_le_bytes());
        out.push(21);
        out.extend_from_slice(&[0; 10]);
        out.extend_from_slice(b"abcdefghijkl\0");
        out.extend_from_slice(plugin.as_bytes());
        out.push(0);
        out
    }

    fn auth<'a>(options: &'a ConnectionOptions, plugin: &str, encrypted: bool, nonce: &[u8]) -> Auth<'a> {
        Auth { options, encrypted, plugin: plugin.into(), nonce: nonce.to_vec() }
    }

    #[test]
    fn greetings() {
        let parsed = Greeting::parse(&greeting("9.7.4", u32::MAX, CACHING_SHA2)).unwrap();
        assert_eq!((parsed.version.as_str(), parsed.connection_id, parsed.plugin.as_str()), ("9.7.4", 7, CACHING_SHA2));
        assert_eq!(parsed.nonce, b"12345678abcdefghijkl\0");
        let old = Greeting::parse(&greeting("5.6.24", !CLIENT_PLUGIN_AUTH, "")).unwrap();
        assert_eq!(old.plugin, NATIVE);
        let whole = greeting("9.7.4", u32::MAX, CACHING_SHA2);
        // The nonce may be short, but nothing before it may be missing.
        for cut in 0..38 {
            assert!(Greeting::parse(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(Greeting::parse(b"\x09x").unwrap_err().to_string().contains("protocol version"));
    }

    #[test]
    fn scrambles_of_known_vectors() {
        // Computed with Python's hashlib by the formulas of the manual ("Secure Password Authentication", "Caching SHA-2").
        let nonce = b"12345678abcdefghijkl\0";
        let options = ConnectionOptions::new("h", "u", "secret");
        let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let native = auth(&options, NATIVE, false, nonce).first_answer().unwrap();
        assert_eq!(hex(native), "4f1522d6eb54737eda413b3e219ca6caebe3df2c");
        let sha2 = auth(&options, CACHING_SHA2, false, nonce).first_answer().unwrap();
        assert_eq!(hex(sha2), "7f7e3878fe488ed45081455d0d6e89e26d4ef86ef6c6aeed02397b6fe8ad5422");
    }

    #[test]
    fn first_answers() {
        let (some, none) = (ConnectionOptions::new("h", "u", "pw"), ConnectionOptions::new("h", "u", ""));
        for (options, plugin, encrypted, length) in [
            (&some, NATIVE, false, 20),
            (&none, NATIVE, false, 0),
            (&some, CACHING_SHA2, false, 32),
            (&none, CACHING_SHA2, false, 0),
            (&some, ED25519, false, 64),
            (&some, SHA256, true, 3),
            (&some, SHA256, false, 1),
            (&none, SHA256, false, 1),
        ] {
            let answer = auth(options, plugin, encrypted, &[9; 33]).first_answer().unwrap();
            assert_eq!(answer.len(), length, "{plugin} {encrypted}");
        }
        let clear = auth(&some, "mysql_clear_password", true, &[9; 21]).first_answer().unwrap_err();
        assert!(clear.to_string().contains("mysql_clear_password"), "{clear}");
    }

    #[test]
    fn the_password_is_never_in_clear_without_tls() {
        let options = ConnectionOptions::new("h", "u", "secret");
        let nonce = b"12345678abcdefghijkl\0";
        let key = Rsa::generate(2048).unwrap();
        let pem = key.public_key_to_pem().unwrap();
        let plain = auth(&options, CACHING_SHA2, false, nonce);
        assert_eq!(continue_sha2(&plain, &[FAST_AUTH_DONE]).unwrap(), None);
        assert_eq!(continue_sha2(&plain, &[FULL_AUTH]).unwrap(), Some(vec![CACHING_SHA2_WANTS_KEY]));
        let sent = continue_sha2(&plain, &pem).unwrap().unwrap();
        let mut masked = vec![0; 256];
        let length = key.private_decrypt(&sent, &mut masked, Padding::PKCS1_OAEP).unwrap();
        let clear: Vec<u8> = masked[..length].iter().zip(nonce[..20].iter().cycle()).map(|(a, b)| a ^ b).collect();
        assert_eq!(clear, b"secret\0");

        let under_tls = auth(&options, CACHING_SHA2, true, nonce);
        assert_eq!(continue_sha2(&under_tls, &[FULL_AUTH]).unwrap(), Some(b"secret\0".to_vec()));
        assert!(continue_sha2(&plain, b"no key").is_err());
        assert!(continue_sha2(&auth(&options, NATIVE, false, nonce), &[FULL_AUTH]).is_err());
    }

    #[test]
    fn tls_only_where_it_is_wanted() {
        for (mode, offered, want) in [
            (SslMode::Disabled, true, Some(false)),
            (SslMode::Preferred, true, Some(true)),
            (SslMode::Preferred, false, Some(false)),
            (SslMode::Required, true, Some(true)),
            (SslMode::Required, false, None),
            (SslMode::VerifyCa, false, None),
            (SslMode::VerifyIdentity, true, Some(true)),
        ] {
            assert_eq!(wants_tls(mode, if offered { CLIENT_SSL } else { 0 }).ok(), want, "{mode:?} {offered}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_greeting_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Greeting::parse(&bytes);
            let mut with_version = vec![10];
            with_version.extend_from_slice(&bytes);
            let _ = Greeting::parse(&with_version);
        }
    }
}
