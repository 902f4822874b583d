//! What the service manager is told, in systemd's protocol (sd_notify(3)): datagrams of `NAME=value` lines to the socket
//! that `NOTIFY_SOCKET` names. Without that variable nothing is sent. Never here: what is worth telling, see
//! `service`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The sending end.
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How often the manager wants a sign of life (WATCHDOG_USEC), if it does.
    pub watchdog: Option<Duration>,
}

impl Notifier {
    /// From the environment; `None` when no manager listens, or when its address is of a kind that we do not know.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Option<Notifier> {
        let name = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        // A leading @ stands for the zero byte of an abstract name.
        let address = match name.strip_prefix('@') {
            Some(rest) => SocketAddr::from_abstract_name(rest),
            None => SocketAddr::from_pathname(&name),
        };
        let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        match (address, socket) {
            (Ok(address), Ok(socket)) => Some(Notifier { socket, address, watchdog: watchdog(&variable) }),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, "NOTIFY_SOCKET cannot be used; the service manager is told nothing");
                None
            }
        }
    }

    /// Sends these lines as one message. A manager that does not listen is no failure of ours.
    pub fn send(&self, lines: &[(&str, &str)]) {
        // A line break would begin another line.
        let text: String = lines.iter().map(|(name, value)| format!("{name}={}\n", value.replace('\n', " "))).collect();
        if let Err(error) = self.socket.send_to_addr(text.as_bytes(), &self.address) {
            tracing::debug!(%error, "the service manager does not take messages");
        }
    }
}

/// WATCHDOG_PID says whom WATCHDOG_USEC is meant for.
fn watchdog(variable: &impl Fn(&str) -> Option<String>) -> Option<Duration> {
    let for_us = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
    let micros: u64 = variable("WATCHDOG_USEC")?.parse().ok().filter(|n| *n > 0 && for_us)?;
    Some(Duration::from_micros(micros))
}

/// Microseconds of CLOCK_MONOTONIC, by which a manager tells a new reload from an older one.
pub fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or_default() * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or_default() / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).expect("a datagram");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn sends_to_paths_and_abstract_names() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).expect("socket");
        let name = format!("binlogd-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("name");
        let by_name = UnixDatagram::bind_addr(&address).expect("socket");
        for (variable, socket) in [(path.display().to_string(), &by_path), (format!("@{name}"), &by_name)] {
            let notifier = Notifier::from_environment(|v| (v == "NOTIFY_SOCKET").then(|| variable.clone())).expect("notifier");
            assert_eq!(notifier.watchdog, None);
            notifier.send(&[("READY", "1"), ("STATUS", "two\nlines")]);
            assert_eq!(received(socket), "READY=1\nSTATUS=two lines\n");
        }
    }

    #[test]
    fn nobody_listens() {
        assert!(Notifier::from_environment(|_| None).is_none());
        assert!(Notifier::from_environment(|_| Some(String::new())).is_none());
        let gone = Notifier::from_environment(|v| (v == "NOTIFY_SOCKET").then(|| "/nowhere/notify".into())).expect("notifier");
        gone.send(&[("READY", "1")]);
    }

    #[test]
    fn the_watchdog_may_be_meant_for_another_process() {
        let ours = std::process::id().to_string();
        for (pid, usec, want) in [
            (None, Some("2000000"), Some(Duration::from_secs(2))),
            (Some(ours.as_str()), Some("500000"), Some(Duration::from_millis(500))),
            (Some("1"), Some("2000000"), None),
            (None, Some("0"), None),
            (None, Some("x"), None),
            (None, None, None),
        ] {
            let variable = |name: &str| match name {
                "WATCHDOG_PID" => pid.map(String::from),
                "WATCHDOG_USEC" => usec.map(String::from),
                _ => None,
            };
            assert_eq!(watchdog(&variable), want, "{pid:?} {usec:?}");
        }
        let first = monotonic_us();
        assert!(first > 0 && monotonic_us() >= first);
    }
}
