//! An identity provider, as small as it can be: hands out tokens for a client's name and secret, over HTTP or HTTPS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::base64::encode_block;
use openssl::ssl::{SslAcceptor, SslMethod};

use super::certificates::Pair;

/// What clients log in with.
pub const CLIENT: &str = "binlogd-client";
pub const SECRET: &str = "binlogd-client-secret";
/// Who the tokens are for.
pub const SUBJECT: &str = "olga";

pub struct Provider {
    pub port: u16,
    scheme: &'static str,
    /// Requests answered.
    pub asked: Arc<AtomicUsize>,
}

impl Provider {
    /// Listens until the process ends.
    pub fn start(certificate: Option<&Pair>) -> Provider {
        let acceptor = certificate.map(|pair| {
            let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls()).expect("an acceptor");
            acceptor.set_certificate(&pair.cert).expect("a certificate");
            acceptor.set_private_key(&pair.key).expect("a key");
            acceptor.build()
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (acceptor, count) = (acceptor.clone(), count.clone());
                // Whoever breaks the connection off has his reasons: the tests look at what he says.
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
                    let _ = match acceptor {
                        Some(acceptor) => acceptor.accept(stream).map_or(Ok(()), |stream| serve(stream, &count)),
                        None => serve::<TcpStream>(stream, &count),
                    };
                });
            }
        });
        Provider { port, scheme, asked }
    }

    /// `token` gives good tokens, `signed` one that only a holder of the key could check, `garbage` none, `broken` an error.
    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}/{path}", self.scheme, self.port)
    }
}

/// One request: `POST /PATH` with the client's name and secret by HTTP's basic method.
fn serve<S: Read + Write>(stream: S, count: &AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut path, mut length, mut login) = (String::new(), 0usize, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let line = line.trim();
        if path.is_empty() {
            path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        }
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap_or(0),
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => login = value.to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let wanted = format!("Basic {}", encode_block(format!("{CLIENT}:{SECRET}").as_bytes()));
    let (status, answer) = match path.as_str() {
        _ if login != wanted => ("401 Unauthorized", r#"{"error":"invalid_client","error_description":"who are you"}"#.to_owned()),
        "token" => ("200 OK", answer(r#"{"alg":"none"}"#, "")),
        "signed" => ("200 OK", answer(r#"{"alg":"HS256"}"#, "c2lnbmVk")),
        "garbage" => ("200 OK", r#"{"access_token":"no token at all","token_type":"Bearer"}"#.to_owned()),
        _ => ("500 Internal Server Error", r#"{"error":"server_error"}"#.to_owned()),
    };
    count.fetch_add(1, Ordering::SeqCst);
    let length = answer.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let stream = reader.get_mut();
    stream.write_all(format!("{head}{answer}").as_bytes())?;
    stream.flush()
}

fn answer(head: &str, signature: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = format!(r#"{{"sub":"{SUBJECT}","iat":{now},"exp":{}}}"#, now + 3600);
    let text = |text: &str| encode_block(text.as_bytes()).replace('+', "-").replace('/', "_").replace(['=', '\n'], "");
    format!(r#"{{"access_token":"{}.{}.{signature}","token_type":"Bearer","expires_in":3600}}"#, text(head), text(&claims))
}
