//! What the outside may ask of a running daemon, over HTTP. It reads a watched `Status` and the metrics, and shares no lock
//! with the data path. Never here: deciding anything.

mod export;
mod health;
pub mod http;

pub use http::{AdminServer, HttpOptions};
