//! A TCP connection in the middle that leads to one server or another, and stops a binlog dump by GTIDs after so many bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// COM_BINLOG_DUMP_GTID (MySQL `include/my_command.h`), by which a stream is followed in GTID mode. Places are looked for by
/// COM_BINLOG_DUMP, which is let through.
const DUMP: u8 = 0x1e;

#[derive(Default)]
struct State {
    target: AtomicU16,
    /// Bytes that a dump may still send.
    dump_bytes: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

pub struct Switch {
    pub port: u16,
    state: Arc<State>,
}

impl Switch {
    /// Hands every connection on to the server of that port, and of each dump so many bytes.
    pub fn to(target: u16, dump_bytes: u64) -> Switch {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        let switch = Switch { port, state: state.clone() };
        switch.turn(target, dump_bytes);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", state.target.load(Ordering::SeqCst))) else { continue };
                state.open.lock().expect("nobody panics").extend([copy(&client), copy(&server)]);
                let dumps = Arc::new(AtomicU16::new(0));
                let (up, down) = ((copy(&client), copy(&server), dumps.clone()), (server, client, dumps));
                std::thread::spawn(move || pump_up(up));
                let state = state.clone();
                std::thread::spawn(move || pump_down(down, &state));
            }
        });
        switch
    }

    /// Leads to another server from now on; all connections to the present one end.
    pub fn turn(&self, target: u16, dump_bytes: u64) {
        self.state.target.store(target, Ordering::SeqCst);
        self.allow(dump_bytes);
        for stream in self.state.open.lock().expect("nobody panics").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn allow(&self, dump_bytes: u64) {
        self.state.dump_bytes.store(dump_bytes, Ordering::SeqCst);
    }

    /// Whether a dump waits for more.
    pub fn is_stalled(&self) -> bool {
        self.state.dump_bytes.load(Ordering::SeqCst) == 0
    }
}

/// From the client to the server, with an eye for the command that begins a dump: it is the first of a packet.
fn pump_up((mut from, mut to, dumps): (TcpStream, TcpStream, Arc<AtomicU16>)) {
    let mut bytes = [0; 16 << 10];
    while let Ok(n) = from.read(&mut bytes)
        && n > 0
    {
        if n > 5 && bytes[3] == 0 && bytes[4] == DUMP {
            dumps.store(1, Ordering::SeqCst);
        }
        if to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn pump_down((mut from, mut to, dumps): (TcpStream, TcpStream, Arc<AtomicU16>), state: &State) {
    let mut bytes = [0; 4 << 10];
    while let Ok(n) = from.read(&mut bytes)
        && n > 0
    {
        let mut sent = 0;
        while sent < n {
            let mut now = n - sent;
            if dumps.load(Ordering::SeqCst) == 1 {
                let left = state.dump_bytes.load(Ordering::SeqCst);
                now = now.min(usize::try_from(left).unwrap_or(usize::MAX));
                if now == 0 {
                    // A connection that was ended meanwhile shows at the next write.
                    std::thread::park_timeout(Duration::from_millis(10));
                    continue;
                }
                // Who has set it anew meanwhile has the last word.
                let _ = state.dump_bytes.compare_exchange(left, left - now as u64, Ordering::SeqCst, Ordering::SeqCst);
            }
            if to.write_all(&bytes[sent..sent + now]).is_err() {
                return;
            }
            sent += now;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn copy(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a handle can be copied")
}
