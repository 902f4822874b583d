//! The SQL text behind the rows events that follow: MySQL's Rows_query event and MariaDB's Annotate_rows event.

use bytes::Bytes;

use super::{DecodeError, EventType, RawEvent};

/// The statement's text, raw bytes in the session's `character_set_client`, as a slice of the event (nothing is copied).
///
/// MySQL's event begins with one byte that holds the text's length modulo 256; it says nothing that the event's own size
/// does not (`sql/log_event.cc`, `Rows_query_log_event`). MariaDB's event is the text alone.
pub fn text(event: &RawEvent) -> Result<Bytes, DecodeError> {
    match event.event_type() {
        Some(EventType::MariaAnnotateRows) => Ok(event.body.clone()),
        _ if event.body.is_empty() => Err(DecodeError::Short { what: "rows query", want: 1, have: 0 }),
        _ => Ok(event.body.slice(1..)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_events::raw;

    #[test]
    fn text_of_both_flavors() {
        assert_eq!(&super::text(&raw(29, b"\x08INSERT 1")).unwrap()[..], b"INSERT 1");
        assert_eq!(&super::text(&raw(160, b"INSERT 1")).unwrap()[..], b"INSERT 1");
        super::text(&raw(29, b"")).unwrap_err();
    }
}
