//! One request of HTTP/1.1, as small as it can be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The status and the body of `path`; `None` if nobody listens. Blocks for 10 s at most.
pub fn get(port: u16, path: &str, accept: &str) -> Option<(u16, String)> {
    send(port, "GET", path, accept, "")
}

/// The same with any method and a body.
pub fn send(port: u16, method: &str, path: &str, accept: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some((status, if chunked { unchunked(body) } else { body.to_owned() }))
}

/// A chunked body put together: each chunk's length in hexadecimal stands on a line before it.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..length).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        body = rest.get(length + 2..).unwrap_or_default();
    }
    whole
}

/// As `send`, off the async threads; the server must answer.
pub async fn ask(port: u16, method: &str, path: &str, accept: &str, body: &str) -> (u16, String) {
    let (method, path, accept, body) = (method.to_owned(), path.to_owned(), accept.to_owned(), body.to_owned());
    let what = format!("{method} {path}");
    let answer = tokio::task::spawn_blocking(move || send(port, &method, &path, &accept, &body)).await.expect("asking does not panic");
    answer.unwrap_or_else(|| panic!("{what}: no answer"))
}

/// A port that nobody has at this moment.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
