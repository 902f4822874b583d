//! Which servers there are, from the variables that `scripts/servers.sh env` prints.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// A variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The values of all these variables; `None`, with a line that says so, if the test has to be skipped.
///
/// # Panics
/// With BINLOGD_TEST_ALL=1, when one is missing.
pub fn need<const N: usize>(test: &str, names: [&str; N]) -> Option<[String; N]> {
    let missing: Vec<&str> = names.iter().copied().filter(|name| variable(name).is_none()).collect();
    if missing.is_empty() {
        return Some(names.map(|name| variable(name).unwrap_or_default()));
    }
    let line = format!("SKIPPED {test}: {} not set (scripts/servers.sh env prints them)", missing.join(", "));
    assert!(variable("BINLOGD_TEST_ALL").as_deref() != Some("1"), "{line}");
    println!("{line}");
    None
}

/// A number from the environment, or the default.
pub fn number(name: &str, default: u64) -> u64 {
    variable(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

/// A number that no other test run has: names of databases and topics carry it.
pub fn run_number() -> u32 {
    std::process::id()
}

/// The live tests of one binary run one after the other, whatever --test-threads says: they kill servers that others use.
pub async fn one_at_a_time() -> OwnedMutexGuard<()> {
    static ONE: std::sync::LazyLock<Arc<Mutex<()>>> = std::sync::LazyLock::new(Arc::default);
    ONE.clone().lock_owned().await
}
