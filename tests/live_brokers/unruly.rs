//! A TCP connection in the middle that behaves like a bad network: it delays, holds everything back, cuts in the middle of a
//! request, and closes one direction only.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a waiting direction looks up.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Default)]
struct State {
    /// Where connections are handed on to.
    to: AtomicU16,
    /// Each piece of bytes is handed on so much later.
    delay_ms: AtomicU64,
    /// No byte is handed on.
    held: AtomicBool,
    /// New connections end at once.
    closed: AtomicBool,
    /// Connections of an earlier generation are cut.
    generation: AtomicU64,
    open: Mutex<Vec<Arc<Pair>>>,
}

/// The two halves of a connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    generation: u64,
    /// One direction was closed: nothing is handed on, and neither side hears of the other's end.
    half: AtomicBool,
}

#[derive(Clone)]
pub struct Unruly {
    pub port: u16,
    state: Arc<State>,
}

impl Unruly {
    /// Listens on a free port; `lead_to` says where to.
    pub fn listen() -> Unruly {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        let accepting = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.closed.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", accepting.to.load(Ordering::SeqCst))) else { continue };
                let generation = accepting.generation.load(Ordering::SeqCst);
                let pair = Arc::new(Pair { client, server, generation, half: AtomicBool::new(false) });
                accepting.open.lock().expect("nobody panics").push(pair.clone());
                for forth in [true, false] {
                    let (pair, state) = (pair.clone(), accepting.clone());
                    std::thread::spawn(move || pair.hand_on(forth, &state));
                }
            }
        });
        Unruly { port, state }
    }

    pub fn lead_to(&self, port: u16) {
        self.state.to.store(port, Ordering::SeqCst);
    }

    pub fn delay(&self, by: Duration) {
        self.state.delay_ms.store(by.as_millis() as u64, Ordering::SeqCst);
    }

    pub fn hold(&self, held: bool) {
        self.state.held.store(held, Ordering::SeqCst);
    }

    /// Ends all connections, those with bytes on their way in the middle of these.
    pub fn cut(&self) {
        self.state.generation.fetch_add(1, Ordering::SeqCst);
        self.state.open.lock().expect("nobody panics").clear();
    }

    /// As `cut`, and new connections end at once while `closed`.
    pub fn close(&self, closed: bool) {
        self.state.closed.store(closed, Ordering::SeqCst);
        if closed {
            self.cut();
        }
    }

    /// Closes one direction of every connection: towards the server, or towards the client.
    pub fn half_close(&self, towards_server: bool) {
        for pair in self.state.open.lock().expect("nobody panics").iter() {
            pair.half.store(true, Ordering::SeqCst);
            // A connection that has ended meanwhile needs no end.
            let _ = if towards_server { &pair.server } else { &pair.client }.shutdown(Shutdown::Write);
        }
    }
}

impl Pair {
    /// Hands one direction's bytes on until the connection ends.
    fn hand_on(&self, forth: bool, state: &State) {
        let (mut from, mut to) = if forth { (&self.client, &self.server) } else { (&self.server, &self.client) };
        // Fails only on a closed connection, which the first read finds.
        let _ = from.set_read_timeout(Some(LOOK));
        let cut = || state.generation.load(Ordering::SeqCst) != self.generation;
        let mut bytes = [0; 16 << 10];
        loop {
            let read = from.read(&mut bytes);
            if cut() {
                if let Ok(n) = read {
                    let _ = to.write_all(&bytes[..n / 2]);
                }
                break;
            }
            let n = match read {
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Ok(n) if n > 0 => n,
                _ => {
                    // The client has given a half-closed connection up, or this is its usual end.
                    if !self.half.load(Ordering::SeqCst) || forth {
                        break;
                    }
                    pause(LOOK);
                    continue;
                }
            };
            pause(Duration::from_millis(state.delay_ms.load(Ordering::SeqCst)));
            while state.held.load(Ordering::SeqCst) && !cut() {
                pause(LOOK);
            }
            if self.half.load(Ordering::SeqCst) {
                continue;
            }
            if cut() || to.write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        for side in [&self.client, &self.server] {
            let _ = side.shutdown(Shutdown::Both);
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a bad network passes time")]
fn pause(time: Duration) {
    if !time.is_zero() {
        std::thread::sleep(time);
    }
}
