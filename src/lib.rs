//! binlogd: MySQL and MariaDB row changes as Maxwell-format JSON on Kafka. The modules in the order the data flows.

pub mod error;
pub mod finding;
pub mod secret;

pub mod budget;
pub mod metrics;
pub mod status;

pub mod position;

pub mod binlog;

pub mod server;

pub mod source;

pub mod schema;

pub mod filter;

pub mod assemble;

pub mod encode;

pub mod producer;

pub mod store;

pub mod admin;

pub mod config;

pub mod daemon;
