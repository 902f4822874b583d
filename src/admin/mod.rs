//! What the outside may ask of a running daemon, over HTTP. It reads a watched `Status` and the metrics, and shares no lock
//! with the data path; the one thing that it changes is the `LiveFilter`. Never here: deciding anything.

mod config;
pub mod diagnostic;
pub mod export;
mod health;
pub mod http;
mod json;
pub mod page;
mod text;

pub use http::{AdminServer, HttpOptions};
