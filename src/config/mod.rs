//! From the properties file, the environment and the command line to one checked `Config`.
//!
//! `options` is the table that everything else is made from: `commands` (first words that are no option), `arguments`
//! (Maxwell's command-line grammar), `layers` (sources and precedence), `validate` (raw text to typed settings, all
//! faults at once), `help` (`--help` and the documentation page), `differences` (the
//! page about Maxwell), `completions` (for shells). `cli` is the door: arguments and environment in, an
//! `Invocation` out. Only `main` and `daemon` may depend on this module; it never opens a connection and never logs (its
//! notes are handed over, because logging is set up from them).

mod aliases;
mod arguments;
pub mod cli;
mod commands;
mod completions;
pub mod differences;
mod fault;
pub mod help;
mod layers;
mod nearest;
pub mod options;
mod properties;
pub mod secret;
pub mod settings;
mod validate;
mod value;

pub use cli::{Exit, Invocation};
pub use fault::{Fault, Note, NoteLevel};
pub use layers::{Origin, Surroundings};
pub use secret::Secret;
pub use settings::*;
