//! The type of passwords lives in `crate::secret`, because the modules that use it must not depend on this one.

pub use crate::secret::Secret;
