//! Bounded waiting: a condition is asked again and again until it holds, or the test fails with what it waited for.

use std::time::{Duration, Instant};

/// How often a condition is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until `ask` gives a value.
///
/// # Panics
/// When `limit` is over; the text says what was awaited.
pub async fn eventually<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    match within(limit, &mut ask).await {
        Some(value) => value,
        None => panic!("{what}: not within {} s", limit.as_secs()),
    }
}

/// As `eventually`, but gives `None` when the time is over.
pub async fn within<T>(limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = ask().await {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
