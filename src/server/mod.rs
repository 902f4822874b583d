//! Talking SQL to MySQL and MariaDB: connections, what a server is and can do, its log's end, and its table definitions.
//!
//! Ordinary statements only, and the way to a session (`login`), which the dump connection of `source` takes too; Maxwell's
//! tables are `store`'s. Row data of users' tables is never read here.

pub mod as_maxwell;
pub mod capture;
pub mod column_type;
pub mod connect;
pub mod fault;
pub mod flavor;
pub mod grants;
mod json_checks;
pub mod key_store;
mod labels;
pub mod login;
pub mod packet;
pub mod preflight;
mod relay;
pub mod rows;
pub mod status;
pub mod tls;
pub mod verdict;
pub mod wire;

pub use crate::secret::Secret;
pub use connect::{ConnectionOptions, Server, SslMode};
pub use flavor::{Flavor, ServerVersion};
pub use mysql_async::{Conn, Params, Row};
pub use status::ServerIdentity;
