//! What is done to the brokers and to the way there, and the moments at which the daemon is killed meanwhile.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::cluster::{Cluster, NAMES, ON_SMALL_DISK};
use super::keeper::Keeper;

/// Longer than the time-outs that the daemon is given.
const PAUSE: Duration = Duration::from_secs(7);
/// So long a broker is down, and the network bad.
const DOWN: Duration = Duration::from_secs(2);
const BAD: Duration = Duration::from_secs(5);
/// A full disk is noticed by the next message.
const FULL: Duration = Duration::from_secs(4);
/// The daemon is killed this long after a fault began, at the latest.
const KILL_WITHIN: u64 = 7_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One broker is killed and comes back.
    Kill(usize),
    /// Two at once, which takes the quorum too.
    KillTwo(usize),
    /// One broker stands still for longer than the time-outs.
    Pause(usize),
    PauseAll,
    /// One broker's disk is full.
    FullDisk,
    Delay,
    /// No byte passes.
    Hold(usize),
    HoldAll,
    Cut,
    HalfClose,
    /// No broker can be reached.
    Outage,
}

/// A fault, and when after its beginning the daemon is killed.
pub struct Blow {
    pub fault: Fault,
    pub kills: Vec<Duration>,
}

/// All faults in an order by the seed, with so many kills among them.
pub fn schedule(rng: &mut StdRng, kills: usize, small_disk: bool) -> Vec<Blow> {
    let any = |rng: &mut StdRng| rng.random_range(0..NAMES.len());
    let mut faults = vec![Fault::PauseAll, Fault::Delay, Fault::HoldAll, Fault::Cut, Fault::HalfClose, Fault::Outage];
    faults.extend((0..NAMES.len()).map(Fault::Kill));
    faults.extend([Fault::KillTwo(any(rng)), Fault::Pause(any(rng)), Fault::Hold(any(rng))]);
    if small_disk {
        faults.push(Fault::FullDisk);
    }
    faults.shuffle(rng);
    let mut blows: Vec<Blow> = faults.into_iter().map(|fault| Blow { fault, kills: Vec::new() }).collect();
    // During the outage the memory of one life is watched.
    let mut open: Vec<usize> = (0..blows.len()).filter(|n| blows[*n].fault != Fault::Outage).collect();
    open.shuffle(rng);
    for n in open.iter().cycle().take(kills) {
        blows[*n].kills.push(Duration::from_millis(rng.random_range(0..KILL_WITHIN)));
    }
    for blow in &mut blows {
        blow.kills.sort_unstable();
    }
    blows
}

/// Does what a fault is, and undoes it; the daemon is kept, and killed, by `keeper`. Not for `Outage`.
pub async fn suffer(fault: Fault, cluster: &Cluster, keeper: &mut Keeper<'_>, rng: &mut StdRng) {
    match fault {
        Fault::Kill(broker) => {
            cluster.kill(broker).await;
            keeper.pass(DOWN).await;
            keeper.along(cluster.start_again(broker)).await;
        }
        Fault::KillTwo(spared) => {
            let (one, other) = ((spared + 1) % NAMES.len(), (spared + 2) % NAMES.len());
            tokio::join!(cluster.kill(one), cluster.kill(other));
            keeper.pass(DOWN).await;
            // Only both of them have a quorum that answers.
            keeper.along(async { tokio::join!(cluster.start_again(one), cluster.start_again(other)) }).await;
        }
        Fault::Pause(broker) => {
            cluster.signal(broker, "-STOP");
            keeper.pass(PAUSE).await;
            cluster.signal(broker, "-CONT");
        }
        Fault::PauseAll => {
            (0..NAMES.len()).for_each(|broker| cluster.signal(broker, "-STOP"));
            keeper.pass(PAUSE).await;
            (0..NAMES.len()).for_each(|broker| cluster.signal(broker, "-CONT"));
        }
        Fault::FullDisk => {
            let disk = cluster.small_disk().expect("scheduled only with one");
            disk.fill();
            keeper.pass(FULL).await;
            // It has ended by itself, or serves nothing any more.
            cluster.kill(ON_SMALL_DISK).await;
            disk.free();
            keeper.along(cluster.start_again(ON_SMALL_DISK)).await;
        }
        Fault::Delay => {
            cluster.proxies.iter().for_each(|p| p.delay(Duration::from_millis(rng.random_range(100..700))));
            keeper.pass(BAD).await;
            cluster.proxies.iter().for_each(|p| p.delay(Duration::ZERO));
        }
        Fault::Hold(broker) => {
            cluster.proxies[broker].hold(true);
            keeper.pass(PAUSE).await;
            cluster.proxies[broker].hold(false);
        }
        Fault::HoldAll => {
            cluster.proxies.iter().for_each(|p| p.hold(true));
            keeper.pass(PAUSE).await;
            cluster.proxies.iter().for_each(|p| p.hold(false));
        }
        Fault::Cut => {
            for _ in 0..12 {
                cluster.proxies[rng.random_range(0..NAMES.len())].cut();
                keeper.pass(Duration::from_millis(rng.random_range(50..700))).await;
            }
        }
        Fault::HalfClose => {
            for towards_server in [true, false] {
                cluster.proxies.iter().for_each(|p| p.half_close(towards_server));
                keeper.pass(BAD / 2).await;
            }
            cluster.proxies.iter().for_each(|p| p.cut());
        }
        Fault::Outage => unreachable!("the case watches it itself"),
    }
    keeper.pass_kills().await;
}
