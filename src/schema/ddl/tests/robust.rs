//! Foreign text.
