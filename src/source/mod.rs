//! Where events come from. Every source cuts its bytes into whole events, verifies their checksums and hands on `RawEvent`s;
//! none of them looks inside an event further than that needs.

pub mod file;
