//! The dump connection against a server of our own making, for what real servers do rarely: silence, half events, errors
//! behind good events, and answers that are no MySQL.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use binlogd::assemble::XaRequest;
use binlogd::daemon::board::Board;
use binlogd::daemon::log_from::{DumpLog, LogFrom};
use binlogd::daemon::seek::Seeker;
use binlogd::daemon::shutdown;
use binlogd::error::{Class, Result};
use binlogd::metrics::Metrics;
use binlogd::position::BinlogPosition;
use binlogd::position::xa::XaName;
use binlogd::server::status::BinlogFile;
use binlogd::server::{ConnectionOptions, Flavor, Server};
use binlogd::source::{DumpOptions, DumpStream, Start};

const COM_QUERY: u8 = 0x03;
const COM_BINLOG_DUMP: u8 = 0x12;
const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const EOF: &[u8] = &[0xfe, 0, 0, 2, 0];

/// One connection's server side, with the packets' numbers.
struct Peer {
    stream: TcpStream,
    sequence: u8,
}

impl Peer {
    fn send(&mut self, payload: &[u8]) {
        let mut packet = (payload.len() as u32).to_le_bytes()[..3].to_vec();
        packet.push(self.sequence);
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(&packet).unwrap();
    }

    /// A packet of the client; the answer's number follows its own. `None` when the client has gone.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16];
        self.stream.read_exact(&mut payload).ok()?;
        self.sequence = head[3].wrapping_add(1);
        Some(payload)
    }

    /// A result set of one text value.
    fn answer(&mut self, value: &str) {
        self.send(&[1]);
        self.send(b"\x03def");
        self.send(EOF);
        let mut row = vec![value.len() as u8];
        row.extend_from_slice(value.as_bytes());
        self.send(&row);
        self.send(EOF);
    }

    /// Greets, lets anybody in and answers statements until the dump is asked for.
    fn serve_until_dump(&mut self) -> Option<()> {
        let mut greeting = b"\x0a8.0.99\0\x07\0\0\0".to_vec();
        greeting.extend_from_slice(b"12345678\0\xff\xf7\xff\x02\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0mysql_native_password\0");
        self.send(&greeting);
        self.receive()?;
        self.send(OK);
        loop {
            let command = self.receive()?;
            match command.split_first()? {
                (&COM_BINLOG_DUMP, _) => return Some(()),
                (&COM_QUERY, b"SELECT @master_binlog_checksum") => self.answer("NONE"),
                (&COM_QUERY, b"SELECT @@server_id") => self.answer("42"),
                (&COM_QUERY, b"SELECT @@server_uuid") => self.answer("u-u-i-d"),
                _ => self.send(OK),
            }
        }
    }
}

/// Starts a server that runs `script` once the dump is asked for, then keeps the connection open until the client goes.
fn server(script: impl FnOnce(&mut Peer) + Send + 'static) -> (DumpOptions, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut peer = Peer { stream, sequence: 0 };
        if peer.serve_until_dump().is_some() {
            script(&mut peer);
            while peer.receive().is_some() {}
        }
    });
    let connection = ConnectionOptions { port, ..ConnectionOptions::new("127.0.0.1", "maxwell", "secret") };
    (DumpOptions::new(connection, 6379, "test"), thread)
}

fn open(options: &DumpOptions) -> Result<DumpStream> {
    DumpStream::open(options, &Start::File(BinlogPosition::new("m.000001", 4)))
}

/// An event packet without checksum.
fn event(type_code: u8, next_position: u32, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 1, 0, 0, 0, type_code, 42, 0, 0, 0];
    out.extend_from_slice(&(19 + body.len() as u32).to_le_bytes());
    out.extend_from_slice(&next_position.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(body);
    out
}

const ROTATE: u8 = 4;
const XID: u8 = 16;
const WRITE_ROWS: u8 = 30;

#[test]
fn knows_whom_it_reads() {
    let (options, thread) = server(|peer| peer.send(&event(XID, 100, &[0; 8])));
    let mut stream = open(&options).unwrap();
    let block = stream.next_block().unwrap().unwrap();
    assert_eq!((block.events.len(), block.events[0].body.len()), (1, 8));
    assert_eq!((stream.server().server_id, stream.server().uuid.as_deref(), stream.server().connection_id), (42, Some("u-u-i-d"), 7));
    drop(stream);
    thread.join().unwrap();
}

/// A server that stops, or a dump that somebody kills, looks like the end of the log.
#[test]
fn an_end_inside_a_transaction_that_is_read_again_is_transient() {
    let (options, thread) = server(|peer| {
        peer.send(&event(ROTATE, 0, b"\x04\0\0\0\0\0\0\0m.000001"));
        peer.send(&event(WRITE_ROWS, 31, &[1; 8]));
        peer.send(EOF);
    });
    let options = DumpOptions { non_blocking: true, ..options };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (board, _status) = Board::new(Arc::new(Metrics::new()));
    let (_trigger, shutdown) = shutdown::channel();
    let start = BinlogPosition::new("m.000001", 4);
    let mut log = DumpLog::open(&options, &start, runtime.handle(), board, shutdown).unwrap();
    assert_eq!(log.next_event().unwrap().map(|e| e.header.type_code), Some(WRITE_ROWS));
    let error = log.next_event().unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("ended the dump inside a transaction"), "{error}");
    drop(log);
    thread.join().unwrap();
}

/// A search that does not come as far as what it looks for cannot say that it is not there.
#[test]
fn an_end_before_a_search_is_through_is_transient() {
    let (options, thread) = server(|peer| {
        peer.send(&event(ROTATE, 0, b"\x04\0\0\0\0\0\0\0m.000001"));
        peer.send(&event(XID, 31, &[1; 8]));
        peer.send(EOF);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let server = Arc::new(Server::new(options.connection.clone()).unwrap());
    let place = |offset| BinlogPosition::new("m.000001", offset);
    let name = XaName::parse(b"X'61',X'',1").unwrap();
    let request = XaRequest { name, known: None, at: place(500), end: place(550) };
    let files = [BinlogFile { name: "m.000001".into(), size_bytes: 1000 }];
    let seeker = Seeker::new(&options, server, Flavor::MySql);
    let error = seeker.read_prepared(&request, &files, &mut || panic!("it is not there"), &mut || Ok(())).err().unwrap();
    assert!(error.is_transient() && error.to_string().contains("ended the dump before"), "{error}");
    thread.join().unwrap();
}

#[test]
fn silence_is_a_lost_connection() {
    let (options, thread) = server(|peer| peer.send(&event(XID, 100, &[0; 8])));
    let mut stream = open(&DumpOptions { heartbeat_ms: 10, heartbeats_missed_max: 3, ..options }).unwrap();
    assert!(stream.next_block().unwrap().is_some());
    let error = stream.next_block().unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("nothing for 30 ms"), "{error}");
    assert!(error.to_string().contains("m.000001:100"), "{error}");
    drop(stream);
    thread.join().unwrap();
}

#[test]
fn what_came_whole_is_given_before_what_ends_it() {
    type Script = fn(&mut Peer);
    let cases: [(&str, Script, Class, u8); 5] = [
        ("1236", |p| p.send(b"\xff\xd4\x04#HY000Could not find first log file name in binary log index file"), Class::Definite, 2),
        ("1053", |p| p.send(b"\xff\x1d\x04#08S01Server shutdown in progress"), Class::Transient, 1),
        ("ended the dump", |p| p.send(EOF), Class::Transient, 1),
        ("damaged event", |p| p.send(&event(XID, 200, &[0; 8])[..20]), Class::Definite, 1),
        (
            "out of order",
            |p| {
                p.sequence = p.sequence.wrapping_add(1);
                p.send(&event(XID, 200, &[0; 8]));
            },
            Class::Transient,
            1,
        ),
    ];
    for (word, script, class, code) in cases {
        let (options, thread) = server(move |peer| {
            peer.send(&event(XID, 50, &[1; 8]));
            peer.send(&event(XID, 100, &[2; 8]));
            script(peer);
        });
        let mut stream = open(&options).unwrap();
        let mut events = 0;
        let error = loop {
            match stream.next_block() {
                Ok(block) => events += block.expect("a dump without end").events.len(),
                Err(e) => break e,
            }
        };
        assert_eq!((events, error.class(), error.code()), (2, class, code), "{word}: {error}");
        assert!(error.to_string().contains(word) && error.to_string().contains("m.000001:100"), "{word}: {error}");
        assert!(stream.next_block().unwrap().is_none(), "after an error there is nothing more");
        drop(stream);
        thread.join().unwrap();
    }
}

/// A compressed transaction of so many XID events, packed without compression.
fn payload(events: usize, next_position: u32) -> Vec<u8> {
    let inner: Vec<u8> = (0..events).flat_map(|i| event(XID, 0, &[i as u8; 8]).split_off(1)).collect();
    let mut body = vec![2, 3, 0xfc, 255, 0, 1, 9, 0xfe];
    body.extend_from_slice(&(inner.len() as u64).to_le_bytes());
    body.push(0);
    body.extend_from_slice(&inner);
    event(40, next_position, &body)
}

/// One that is larger than any event may be comes event by event, and the outer event behind them.
#[test]
fn a_large_compressed_transaction_is_unpacked_while_it_is_received() {
    let (options, thread) = server(|peer| {
        peer.send(&event(XID, 50, &[1; 8]));
        peer.send(&payload(100, 3000));
        peer.send(&event(XID, 3027, &[2; 8]));
        peer.send(&payload(100, 6000)[..2000]);
    });
    let mut stream = open(&DumpOptions { event_bytes_max: 500, ..options }).unwrap();
    let mut events = Vec::new();
    let error = loop {
        match stream.next_block() {
            Ok(block) => events.extend(block.expect("a dump without end").events),
            Err(e) => break e,
        }
    };
    let kinds: Vec<(u8, bool, usize)> = events.iter().map(|e| (e.header.type_code, e.header.is_packed(), e.body.len())).collect();
    assert_eq!(kinds[0], (XID, false, 8));
    assert!(kinds[1..101].iter().all(|k| *k == (XID, true, 8)) && events[50].body[0] == 49);
    assert_eq!(kinds[101..103], [(40, false, 0), (XID, false, 8)]);
    assert!(kinds[103..].iter().all(|k| k.1), "the outer event of a cut one does not come");
    assert!(error.to_string().contains("damaged event") && error.to_string().contains("m.000001:3027"), "{error}");
    assert!(stream.next_block().unwrap().is_none(), "after an error there is nothing more");
    drop(stream);
    thread.join().unwrap();

    // Another event of that size is refused as before.
    let (options, thread) = server(|peer| peer.send(&event(30, 50, &[1; 2000])));
    let mut stream = open(&DumpOptions { event_bytes_max: 500, ..options }).unwrap();
    let error = stream.next_block().unwrap_err().to_string();
    assert!(error.contains("exceeds the limit of 500 bytes"), "{error}");
    drop(stream);
    thread.join().unwrap();
}

#[test]
fn a_connection_lost_inside_an_event_is_transient() {
    let (options, thread) = server(|peer| {
        peer.stream.write_all(&[200, 0, 0, 1, 0, 1, 2, 3]).unwrap();
        peer.stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let mut stream = open(&options).unwrap();
    let error = stream.next_block().unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("closed the connection"), "{error}");
    drop(stream);
    thread.join().unwrap();
}

#[test]
fn a_stop_from_another_thread_is_an_end() {
    let (options, thread) = server(|_| {});
    let mut stream = open(&options).unwrap();
    let stopper = stream.stopper().unwrap();
    let reader = std::thread::spawn(move || stream.next_block().map(|block| block.is_none()));
    stopper.stop();
    assert!(reader.join().unwrap().unwrap());
    thread.join().unwrap();
}

#[test]
fn whoever_is_no_mysql_is_refused() {
    for (hello, word) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "MySQL or MariaDB"),
        (b"\x05\0\0\0\x09abcd", "cannot be read"),
        (b"\x17\0\0\0\xff\x10\x04Too many connections", "1040"),
        (b"", "closed the connection"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || listener.accept().unwrap().0.write_all(hello).unwrap());
        let connection = ConnectionOptions { port, ..ConnectionOptions::new("127.0.0.1", "maxwell", "secret") };
        let error = open(&DumpOptions::new(connection, 1, "test")).err().unwrap();
        assert!(error.to_string().contains(word) && !error.to_string().contains("secret"), "{hello:?}: {error}");
        thread.join().unwrap();
    }
}
