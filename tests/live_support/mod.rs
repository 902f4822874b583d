//! What the live tests share: the servers named by the environment, the daemon as a process, topics, a load whose every
//! committed version is known, and the checks of what arrived. Nothing of the daemon's own code is used here: the tests
//! see it from outside, as a user does.

// Every test binary uses a part of it.
#![allow(dead_code, unused_imports)]

pub mod bench;
pub mod certificates;
pub mod clock;
pub mod committed;
pub mod daemon;
pub mod delivery;
pub mod environment;
pub mod http;
pub mod images;
pub mod ledger;
pub mod load;
pub mod maxwell;
pub mod message;
pub mod proxy;
pub mod refusal;
pub mod secure;
pub mod servers;
pub mod sql;
pub mod switch;
pub mod takeover;
pub mod tokens;
pub mod topic;
pub mod violence;
