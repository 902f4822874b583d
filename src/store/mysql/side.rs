//! `binlogd_state`, our own table beside Maxwell's: named values of a client, as text. One name today, `position`: which
//! position was stored last and where it came from. Never here: anything that Maxwell's own tables can hold.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::position::{BinlogPosition, Bound, Gtids, Position};
use crate::server::fault::is_server_error;
use crate::server::rows;
use crate::store::{FileBirth, Origin};

use super::MySqlStore;
use super::session::{Session, lit};

pub(super) const TABLE: &str = "binlogd_state";
const POSITION: &str = "position";
/// ER_NO_SUCH_TABLE
const NO_SUCH_TABLE: u16 = 1146;

/// The value of `position`. Unknown fields of later versions are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PositionNote {
    /// The position it belongs to. If `positions` says otherwise, Maxwell wrote there later and the rest is out of date.
    file: String,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    server_uuid: Option<String>,
    /// When the file was made, epoch seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    file_created: Option<u32>,
    /// `Origin::captured_until`, while the position lies before it: file and offset, unless they are another server's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    captured_until: Option<(String, u64)>,
    /// The executed set there, in GTID mode.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    captured_gtids: Option<String>,
    /// `Origin::checked`
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    checked: bool,
}

impl PositionNote {
    pub fn new(position: &Position, origin: &Origin) -> Self {
        let at = &position.at;
        let until = origin.captured_until.as_ref().filter(|until| !until.is_reached(at, position.gtids.as_ref()));
        let birth = origin.birth.as_ref().filter(|b| b.file == at.file);
        PositionNote {
            file: at.file.to_string(),
            offset: at.offset,
            server_uuid: origin.server_uuid.clone(),
            file_created: birth.map(|b| b.created),
            captured_until: until.filter(|u| !u.foreign).map(|u| (u.at.file.to_string(), u.at.offset)),
            captured_gtids: until.and_then(|u| u.gtids.as_ref()).map(Gtids::to_string),
            checked: origin.checked,
        }
    }

    /// The true offset and the origin, if this note is about the row that has `file` and `column_value`.
    pub fn about(&self, at: &BinlogPosition) -> Option<(u64, Origin)> {
        if *self.file != *at.file || u64::from(crate::store::offset::column_value(self.offset)) != at.offset {
            return None;
        }
        let birth = self.file_created.map(|created| FileBirth { file: at.file.clone(), created });
        // What cannot be read is no set, and the place has to do.
        let gtids = self.captured_gtids.as_deref().and_then(|text| Gtids::parse(text).ok());
        let captured_until = match (&self.captured_until, gtids) {
            (Some((file, offset)), gtids) => Some(Bound { at: BinlogPosition::new(file.as_str(), *offset), gtids, foreign: false }),
            (None, Some(gtids)) => Some(Bound::of_gtids(gtids)),
            (None, None) => None,
        };
        Some((self.offset, Origin { server_uuid: self.server_uuid.clone(), birth, captured_until, checked: self.checked }))
    }
}

impl MySqlStore {
    /// The note beside a position row. One that cannot be read counts as none: it only adds safety.
    pub(super) async fn read_note(&self, session: &mut Session<'_>, server_id: u32, client_id: &str) -> Result<Option<PositionNote>> {
        let table = self.table(TABLE);
        let (client, name) = (lit(client_id), lit(POSITION));
        let sql = format!("SELECT value FROM {table} WHERE server_id = {server_id} AND client_id = {client} AND name = {name}");
        let found = match session.rows(&sql).await {
            // Who only reads finds Maxwell's tables alone.
            Err(e) if is_server_error(&e, &[NO_SUCH_TABLE]) => return Ok(None),
            other => other?,
        };
        let Some(row) = found.into_iter().next() else { return Ok(None) };
        match serde_json::from_str(&rows::text(&row, 0)?) {
            Ok(note) => Ok(Some(note)),
            Err(e) => {
                tracing::warn!(error = %e, table = TABLE, name = POSITION, "a value of ours cannot be read and is passed over");
                Ok(None)
            }
        }
    }

    /// The statement that stores the note.
    pub(super) fn note_statement(&self, note: &PositionNote) -> Result<String> {
        let value = serde_json::to_string(note).map_err(|e| crate::error::Error::bug("a note cannot be written as JSON").source(e))?;
        let (table, server_id) = (self.table(TABLE), self.options.row_server_id());
        let (client, name, value) = (lit(&self.options.client_id), lit(POSITION), lit(value));
        Ok(format!(
            "INSERT INTO {table} (server_id, client_id, name, value) VALUES ({server_id}, {client}, {name}, {value}) \
             ON DUPLICATE KEY UPDATE value = {value}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_about_one_position_only() {
        let at = Position::new(BinlogPosition::new("m.000002", 5_000_000_000));
        let birth = |file: &str| Some(FileBirth { file: file.into(), created: 77 });
        let origin = Origin { server_uuid: Some("u".into()), birth: birth("m.000002"), captured_until: None, checked: true };
        let note = PositionNote::new(&at, &origin);
        let json = serde_json::to_string(&note).unwrap();
        assert_eq!(json, r#"{"file":"m.000002","offset":5000000000,"server_uuid":"u","file_created":77,"checked":true}"#);
        let read: PositionNote = serde_json::from_str(&json.replace('}', r#","later":1}"#)).unwrap();
        assert_eq!(read.about(&BinlogPosition::new("m.000002", u64::from(u32::MAX))), Some((5_000_000_000, origin)));
        assert_eq!(read.about(&BinlogPosition::new("m.000002", 4)), None, "Maxwell wrote later");
        assert_eq!(read.about(&BinlogPosition::new("m.000003", u64::from(u32::MAX))), None);
        let other = PositionNote::new(&at, &Origin { birth: birth("m.000001"), ..Origin::default() });
        assert_eq!(other.file_created, None, "the birth of another file says nothing");
    }

    #[test]
    fn the_capture_window_is_noted_until_it_is_reached() {
        let set = |text: &str| Gtids::parse(text).expect("a set");
        let at = BinlogPosition::new("m.000002", 5_000_000_000);
        let position = |gtids: Option<&str>| Position { gtids: gtids.map(set), ..Position::new(at.clone()) };
        let (half, whole) = ("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9");
        let place = |offset| Bound::from(BinlogPosition::new("m.000002", offset));
        let cases = [
            (None, place(at.offset + 1), true),
            (None, place(at.offset), false),
            (Some(half), Bound { gtids: Some(set(whole)), ..place(at.offset + 1) }, true),
            (Some(whole), Bound { gtids: Some(set(whole)), ..place(at.offset + 1) }, false),
            (Some(half), Bound::of_gtids(set(whole)), true),
            (Some(whole), Bound::of_gtids(set(whole)), false),
        ];
        for (executed, until, kept) in cases {
            let note = PositionNote::new(&position(executed), &Origin { captured_until: Some(until.clone()), ..Origin::default() });
            let note: PositionNote = serde_json::from_str(&serde_json::to_string(&note).unwrap()).unwrap();
            let read = note.about(&BinlogPosition::new("m.000002", u64::from(u32::MAX))).unwrap().1.captured_until;
            assert_eq!(read, Some(until).filter(|_| kept), "{executed:?}");
        }
    }
}
