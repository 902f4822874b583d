//! Three real brokers with min.insync.replicas=2, and everything that can happen to them and to the way there: killed one by one
//! and two at once, standing still, without leaders, with a full disk, behind a network that delays, holds, cuts and half-closes;
//! the daemon is killed meanwhile. Whatever happened: everything committed is on the topic, in order along each key, in
//! exactly-once nothing twice, and memory stays within its limit.
//!
//! BINLOGD_KILL_SEED repeats a schedule, BINLOGD_BROKER_KILLS sets how often the daemon is killed, BINLOGD_BROKER_OUTAGE how many
//! seconds no broker can be reached.

#[path = "live_support/mod.rs"]
mod live_support;

#[path = "live_brokers/arrivals.rs"]
mod arrivals;
#[path = "live_brokers/case.rs"]
mod case;
#[path = "live_brokers/cluster.rs"]
mod cluster;
#[path = "live_brokers/faults.rs"]
mod faults;
#[path = "live_brokers/keeper.rs"]
mod keeper;
#[path = "live_brokers/unruly.rs"]
mod unruly;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_least_once() {
    case::run("brokers", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once() {
    case::run("brokers_once", true).await;
}
