//! Proof of life of the daemon's loops: a loop that neither moves nor waits for something outside hangs, and only
//! starting again helps. Waiting for a server, a broker or a store is no hang, however long it takes. Beating costs one
//! store to memory, so that it can be done for every event.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The loops that must move while a run is on.
#[derive(Default)]
pub struct Pulses {
    pub pipeline: Pulse,
    pub keeper: Pulse,
}

impl Pulses {
    pub fn all(&self) -> [(&'static str, &Pulse); 2] {
        [("pipeline", &self.pipeline), ("keeper", &self.keeper)]
    }
}

/// One loop's.
#[derive(Default)]
pub struct Pulse {
    runs: AtomicBool,
    beats: AtomicU64,
    waits: AtomicU32,
}

impl Pulse {
    /// The loop runs until the guard is dropped.
    pub fn runs(&self) -> Running<'_> {
        self.waits.store(0, Ordering::Relaxed);
        self.runs.store(true, Ordering::Relaxed);
        Running(self)
    }

    /// The loop has moved. Called by the loop's own thread only.
    pub fn beat(&self) {
        self.beats.store(self.beats.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// The loop waits for something outside until the guard is dropped.
    pub fn waits(&self) -> Waiting<'_> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }
}

pub struct Running<'a>(&'a Pulse);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.runs.store(false, Ordering::Relaxed);
    }
}

pub struct Waiting<'a>(&'a Pulse);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.beat();
        self.0.waits.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Looks at pulses from time to time.
pub struct Watcher {
    seen: [u64; 2],
}

impl Watcher {
    pub fn new(pulses: &Pulses) -> Self {
        // Nothing has moved yet, and nothing need have.
        Watcher { seen: pulses.all().map(|(_, pulse)| pulse.beats.load(Ordering::Relaxed).wrapping_sub(1)) }
    }

    /// The first loop that has stood still since the last look.
    pub fn stuck(&mut self, pulses: &Pulses) -> Option<&'static str> {
        let mut stuck = None;
        for ((name, pulse), seen) in pulses.all().into_iter().zip(&mut self.seen) {
            let beats = pulse.beats.load(Ordering::Relaxed);
            let stands = beats == *seen && pulse.runs.load(Ordering::Relaxed) && pulse.waits.load(Ordering::Relaxed) == 0;
            *seen = beats;
            stuck = stuck.or(stands.then_some(name));
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loop_that_runs_and_stands_still_is_stuck() {
        let pulses = Pulses::default();
        let mut watcher = Watcher::new(&pulses);
        assert_eq!(watcher.stuck(&pulses), None);
        assert_eq!(watcher.stuck(&pulses), None, "no run is on");
        let running = pulses.pipeline.runs();
        pulses.pipeline.beat();
        assert_eq!(watcher.stuck(&pulses), None);
        assert_eq!(watcher.stuck(&pulses), Some("pipeline"));
        pulses.pipeline.beat();
        assert_eq!(watcher.stuck(&pulses), None);
        let waiting = pulses.pipeline.waits();
        assert_eq!(watcher.stuck(&pulses), None);
        assert_eq!(watcher.stuck(&pulses), None, "waiting is no hang");
        drop(waiting);
        assert_eq!(watcher.stuck(&pulses), None, "the end of a wait is a move");
        assert_eq!(watcher.stuck(&pulses), Some("pipeline"));
        drop(running);
        assert_eq!(watcher.stuck(&pulses), None);
    }
}
