//! The position record of delivery exactly once: what a start has to know, as JSON. Pure.
//!
//! The record is written in the transaction whose messages it is about, under the client's name as the key, so that the last
//! committed one tells exactly what readers of committed messages can see.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::position::{BinlogPosition, Bound, Gtids, Position};

/// Form of the record. A reader refuses a newer one.
const VERSION: u64 = 1;

/// What was committed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionRecord {
    /// The process that wrote it: one that finds another's name here was replaced.
    pub owner: String,
    /// Server id under which a `positions` row of the same place stands; 0 with `gtid_mode`.
    pub server_id: u32,
    pub server_uuid: Option<String>,
    /// Everything before this place is committed.
    pub position: Position,
    /// So many rows of the binlog behind `position` are committed too (`RawRows`).
    pub rows_done: u64,
    /// Definitions may be of up to here (`Origin::captured_until`).
    pub captured_until: Option<Bound>,
}

impl PositionRecord {
    pub fn to_json(&self) -> String {
        let place = |at: &BinlogPosition| json!({ "file": &*at.file, "offset": at.offset });
        json!({
            "version": VERSION,
            "owner": self.owner,
            "server_id": self.server_id,
            "server_uuid": self.server_uuid,
            "file": &*self.position.at.file,
            "offset": self.position.at.offset,
            "gtid_set": self.position.gtids.as_ref().map(Gtids::to_string),
            "heartbeat": self.position.heartbeat,
            "rows_done": self.rows_done,
            "captured_until": self.captured_until.as_ref().filter(|until| !until.foreign).map(|until| place(&until.at)),
            "captured_gtids": self.captured_until.as_ref().and_then(|until| until.gtids.as_ref()).map(Gtids::to_string),
        })
        .to_string()
    }

    /// # Errors
    /// Definite when it is not in the form that this version writes.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let unreadable = |what: &str| {
            Error::definite(format!("the position record cannot be read: {what}")).detail(String::from_utf8_lossy(bytes).into_owned())
        };
        let value: Value = serde_json::from_slice(bytes).map_err(|e| unreadable(&e.to_string()))?;
        match value.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(newer) => {
                return Err(unreadable(&format!("it is of form {newer}, this version knows {VERSION}"))
                    .hint("a newer binlogd wrote it: start that one, or give --init_position"));
            }
            None => return Err(unreadable("it has no version").hint("something else writes to this topic: see kafka_position_topic")),
        }
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| value.get(name).and_then(Value::as_u64).ok_or_else(|| unreadable(&format!("{name} is no number")));
        let place = |value: &Value| -> Option<BinlogPosition> {
            Some(BinlogPosition::new(value.get("file")?.as_str()?, value.get("offset")?.as_u64()?))
        };
        let set = |name: &str| text(name).map(|set| Gtids::parse(&set)).transpose().map_err(|e| unreadable(e.message()));
        let gtids = set("gtid_set")?;
        let captured_gtids = set("captured_gtids")?;
        let captured_until = match value.get("captured_until") {
            None | Some(Value::Null) => captured_gtids.map(Bound::of_gtids),
            Some(value) => {
                let at = place(value).ok_or_else(|| unreadable("captured_until is no place"))?;
                Some(Bound { at, gtids: captured_gtids, foreign: false })
            }
        };
        Ok(PositionRecord {
            owner: text("owner").ok_or_else(|| unreadable("it has no owner"))?,
            server_id: u32::try_from(number("server_id")?).map_err(|_| unreadable("server_id is too large"))?,
            server_uuid: text("server_uuid"),
            position: Position {
                at: place(&value).ok_or_else(|| unreadable("it names no place"))?,
                gtids,
                heartbeat: value.get("heartbeat").and_then(Value::as_i64).ok_or_else(|| unreadable("heartbeat is no number"))?,
            },
            rows_done: number("rows_done")?,
            captured_until,
        })
    }
}

/// What is in every record of one process beside the place; the daemon changes it when it sees another server.
#[derive(Debug)]
pub struct RecordFacts {
    /// Key of the records: `client_id`.
    pub client_id: String,
    pub owner: String,
    pub server_id: u32,
    changing: Mutex<Changing>,
}

#[derive(Debug, Clone, Default)]
struct Changing {
    server_uuid: Option<String>,
    captured_until: Option<Bound>,
}

impl RecordFacts {
    pub fn new(client_id: &str, server_id: u32, server_uuid: Option<String>) -> Arc<Self> {
        Arc::new(RecordFacts {
            client_id: client_id.to_owned(),
            owner: format!("{:016x}", rand::random::<u64>()),
            server_id,
            changing: Mutex::new(Changing { server_uuid, captured_until: None }),
        })
    }

    pub fn set(&self, server_uuid: Option<String>, captured_until: Option<Bound>) {
        *self.lock() = Changing { server_uuid, captured_until };
    }

    pub fn record(&self, position: Position, rows_done: u64) -> PositionRecord {
        let Changing { server_uuid, captured_until } = self.lock().clone();
        PositionRecord { owner: self.owner.clone(), server_id: self.server_id, server_uuid, position, rows_done, captured_until }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Changing> {
        // Values are replaced whole, so a poisoned lock is still good.
        self.changing.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let facts = RecordFacts::new("c", 7, Some("uuid".into()));
        let file = Position { heartbeat: 12, ..Position::new(BinlogPosition::new("m.000001", 1 << 33)) };
        let mysql = Gtids::parse("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7").unwrap();
        let mariadb = Gtids::parse("0-1-5,1-2-9").unwrap();
        for gtids in [None, Some(mysql), Some(mariadb)] {
            let record = facts.record(Position { gtids, ..file.clone() }, 99);
            assert_eq!(PositionRecord::parse(record.to_json().as_bytes()).unwrap(), record);
        }
        facts.set(None, Some(BinlogPosition::new("m.000002", 4).into()));
        let record = facts.record(file, 0);
        assert_eq!(record.captured_until, Some(BinlogPosition::new("m.000002", 4).into()));
        assert_eq!(PositionRecord::parse(record.to_json().as_bytes()).unwrap(), record);
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let facts = RecordFacts::new("c", 7, None);
        let good = facts.record(Position::new(BinlogPosition::new("m.000001", 4)), 1).to_json();
        let rows = [
            ("no JSON".to_owned(), "cannot be read"),
            ("{}".to_owned(), "kafka_position_topic"),
            (good.replace("\"version\":1", "\"version\":2"), "a newer binlogd wrote it"),
            (good.replace("\"rows_done\":1", "\"rows_done\":-1"), "rows_done is no number"),
            (good.replace("\"offset\":4", "\"offset\":\"4\""), "names no place"),
            (good.replace("\"gtid_set\":null", "\"gtid_set\":\"x\""), "cannot be read"),
            (good.replace("\"captured_until\":null", "\"captured_until\":3"), "captured_until"),
        ];
        for (text, words) in rows {
            let error = PositionRecord::parse(text.as_bytes()).unwrap_err();
            assert!(!error.is_transient() && error.to_string().contains(words), "{text}: {error}");
        }
    }
}
