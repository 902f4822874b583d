//! `delivery=exactly_once` against a real server and a real broker: whatever is killed and whenever, a reader of committed
//! messages sees every committed change once, in order along each key.
//!
//! BINLOGD_KILL_SECONDS and BINLOGD_KILL_SEED change the duration of the kill test and repeat a schedule.

#[path = "live_support/mod.rs"]
mod live_support;

#[path = "live_exactly_once/kills.rs"]
mod kills;
#[path = "live_exactly_once/lives.rs"]
mod lives;
#[path = "live_exactly_once/places.rs"]
mod places;
#[path = "live_exactly_once/refused.rs"]
mod refused;
#[path = "live_exactly_once/stage.rs"]
mod stage;
