//! From a statement's text to changes of the schema.
