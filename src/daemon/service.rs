//! What the service manager hears of the running daemon: that it is ready, how it does, that it still lives, that it
//! stops. Only read from the notice board and the pulses; nothing waits for this task.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::status::{State, Status};

use super::board::Board;
use super::notify::Notifier;
use super::pulse::Watcher;
use super::shutdown::Shutdown;

/// How often the sentence about the daemon's state is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A sentence of which only numbers have changed is sent this often.
const REFRESH_EVERY: Duration = Duration::from_secs(10);
/// How much more time a long start asks for, several times before the time is over.
const EXTENSION: Duration = Duration::from_secs(60);
const EXTEND_EVERY: Duration = Duration::from_secs(15);

/// Runs until the stop.
pub async fn tell(notifier: Arc<Notifier>, board: Arc<Board>, mut stop: Shutdown) {
    let mut status = board.watched();
    let mut teller = Teller { notifier: &notifier, ready: false, told: None, extended: None };
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watcher = Watcher::new(&board.pulses);
    let beat_every = notifier.watchdog.map(|every| every / 2);
    let mut beat_at = Instant::now();
    loop {
        tokio::select! { biased;
            () = stop.requested() => break,
            () = sleep_until(beat_at), if beat_every.is_some() => {
                beat_at = Instant::now() + beat_every.unwrap_or(LOOK_EVERY);
                match watcher.stuck(&board.pulses) {
                    None => notifier.send(&[("WATCHDOG", "1")]),
                    Some(name) => tracing::error!("the {name} has stood still since the last look; the service manager is not told that all is well"),
                }
            }
            // The moment of readiness is not left to the clock.
            changed = status.changed(), if !teller.ready => {
                if changed.is_err() {
                    break;
                }
                teller.look(&status.borrow_and_update());
            }
            _ = look.tick() => teller.look(&board.watched().borrow()),
        }
    }
    notifier.send(&[("STOPPING", "1"), ("STATUS", "stopping")]);
}

struct Teller<'a> {
    notifier: &'a Notifier,
    ready: bool,
    /// What was told last: what it was about, the sentence, and when.
    told: Option<(String, String, Instant)>,
    extended: Option<Instant>,
}

impl Teller<'_> {
    fn look(&mut self, status: &Status) {
        let now = Instant::now();
        if !self.ready && status.state == State::Streaming {
            self.ready = true;
            self.notifier.send(&[("READY", "1"), ("STATUS", &sentence(status))]);
            self.told = Some((subject(status), sentence(status), now));
            return;
        }
        if !self.ready && status.state == State::Capturing && self.extended.is_none_or(|at| now - at >= EXTEND_EVERY) {
            self.extended = Some(now);
            self.notifier.send(&[("EXTEND_TIMEOUT_USEC", &EXTENSION.as_micros().to_string())]);
        }
        let (subject, sentence) = (subject(status), sentence(status));
        let news = match &self.told {
            None => true,
            Some((before, text, at)) => *before != subject || (*text != sentence && now - *at >= REFRESH_EVERY),
        };
        if news {
            self.notifier.send(&[("STATUS", &sentence)]);
            self.told = Some((subject, sentence, now));
        }
    }
}

/// What a sentence is about: a change of it is told at once.
fn subject(status: &Status) -> String {
    let causes: Vec<String> = status.causes().iter().map(|c| format!("{:?}", c.kind)).collect();
    format!("{} {}", status.state, causes.join(" "))
}

fn sentence(status: &Status) -> String {
    let mut text = match status.state {
        State::Capturing => "reading the table definitions for the first time".to_owned(),
        state => state.to_string(),
    };
    if let (State::Streaming, Some(position)) = (status.state, &status.acknowledged) {
        text.push_str(&format!(", everything up to {} is delivered", position.at));
        if let Some(lag) = status.lag {
            text.push_str(&format!(", {lag} behind"));
        }
    }
    for cause in status.causes() {
        text.push_str("; ");
        text.push_str(&cause.sentence);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::daemon::shutdown;
    use crate::metrics::Metrics;
    use crate::position::{BinlogPosition, Position};
    use crate::status::{CauseKind, Lag};

    #[test]
    fn a_sentence_says_how_it_is() {
        let (board, _watched) = Board::new(Arc::new(Metrics::new()));
        board.state(State::Capturing);
        let mut status = board.watched().borrow().clone();
        assert_eq!(sentence(&status), "reading the table definitions for the first time");
        status.state = State::Streaming;
        status.acknowledged = Some(Position::new(BinlogPosition::new("b.000001", 120)));
        status.lag = Some(Lag { ms: 20, whole_seconds: false });
        assert_eq!(sentence(&status), "streaming, everything up to b.000001:120 is delivered, 20 ms behind");
        status.set_cause(CauseKind::Producer, "no broker answers", 1);
        assert!(sentence(&status).ends_with("20 ms behind; no broker answers"));
    }

    /// Messages of a whole life, with a loop that hangs for a while.
    #[tokio::test]
    async fn a_life_as_the_manager_hears_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("socket");
        manager.set_nonblocking(true).expect("option");
        let heard = || {
            let (mut all, mut buffer) = (String::new(), [0; 512]);
            while let Ok(length) = manager.recv(&mut buffer) {
                all.push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
            all
        };
        let variable = |name: &str| match name {
            "NOTIFY_SOCKET" => Some(path.display().to_string()),
            "WATCHDOG_USEC" => Some("100000".to_owned()),
            _ => None,
        };
        let notifier = Arc::new(Notifier::from_environment(variable).expect("notifier"));
        let (board, _watched) = Board::new(Arc::new(Metrics::new()));
        let (trigger, stop) = shutdown::channel();
        let task = tokio::spawn(tell(notifier, board.clone(), stop));
        let pause = || tokio::time::sleep(Duration::from_millis(400));

        board.state(State::Capturing);
        pause().await;
        let start = heard();
        assert!(start.contains("EXTEND_TIMEOUT_USEC=60000000\n") && start.contains("STATUS=reading the table"), "{start}");
        assert!(start.contains("WATCHDOG=1\n") && !start.contains("READY=1\n"), "{start}");

        board.state(State::Streaming);
        pause().await;
        assert!(heard().contains("READY=1\nSTATUS=streaming\n"));

        let running = board.pulses.pipeline.runs();
        pause().await;
        heard();
        pause().await;
        assert_eq!(heard().matches("WATCHDOG").count(), 0, "a loop that stands still is reported as alive");
        let waiting = board.pulses.pipeline.waits();
        pause().await;
        assert!(heard().contains("WATCHDOG=1\n"), "a loop that waits counts as hung");
        drop((waiting, running));

        trigger.stop();
        task.await.expect("task");
        assert!(heard().ends_with("STOPPING=1\nSTATUS=stopping\n"));
    }
}
