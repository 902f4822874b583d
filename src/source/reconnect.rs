//! How long to wait before connecting again. Pure: the caller brings the random number and does the waiting.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// Pauses that double from attempt to attempt up to a longest one, half of each left to chance, so that many clients of a
/// server that comes back do not arrive at once. There is no last attempt; a caller that has one asks `attempts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    /// From 200 ms to 30 s.
    pub fn new() -> Self {
        Self::between(FIRST, LONGEST)
    }

    pub fn between(first: Duration, longest: Duration) -> Self {
        Backoff { first, longest, attempts: 0 }
    }

    /// Pauses since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The connection worked: the next pause is short again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The pause before the next attempt. `random` is between 0 and 1.
    pub fn next_delay(&mut self, random: f64) -> Duration {
        let doubled = 2_u32.checked_pow(self.attempts).and_then(|factor| self.first.checked_mul(factor));
        let full = doubled.unwrap_or(self.longest).min(self.longest);
        self.attempts = self.attempts.saturating_add(1);
        let half = full / 2;
        // A NaN is clamped to NaN, and would panic in the product.
        let random = if random.is_finite() { random.clamp(0.0, 1.0) } else { 1.0 };
        half + half.mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_and_start_again_after_success() {
        let mut backoff = Backoff::between(Duration::from_millis(100), Duration::from_millis(1000));
        let pauses: Vec<u128> = (0..6).map(|_| backoff.next_delay(1.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.attempts(), 6);
        backoff.reset();
        assert_eq!(backoff.next_delay(0.0).as_millis(), 50);
    }

    proptest! {
        #[test]
        fn every_pause_is_within_bounds(randoms in proptest::collection::vec(any::<f64>(), 1..80)) {
            let mut backoff = Backoff::new();
            for random in randoms {
                let pause = backoff.next_delay(random);
                prop_assert!(pause >= FIRST / 2 && pause <= LONGEST);
            }
        }
    }
}
