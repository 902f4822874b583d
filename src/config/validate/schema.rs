//! The words and options of `binlogd schema`.

use std::path::PathBuf;

use crate::position::{BinlogPosition, Place, Position};

use super::super::settings::SchemaAction;
use super::Reader;

const USAGE: &str = "binlogd schema show [DB[.TABLE]] [--at=POSITION] [--json] | diff [DB[.TABLE]] | resolve DB.TABLE \
                     --from-server|--definition=FILE [--yes]";

/// What is asked, or a fault.
pub(super) fn action(reader: &mut Reader, words: &[String]) -> Option<SchemaAction> {
    let refuse = |reader: &mut Reader, what: String| {
        reader.findings.fault(what, None, Some(USAGE.into()));
        None
    };
    let Some((verb, names)) = words.split_first() else {
        return refuse(reader, "schema: what is to be done?".into());
    };
    if names.len() > 1 {
        return refuse(reader, format!("schema {verb} takes one name, not {}", names.len()));
    }
    let (database, table) = match names.first().map(|n| n.split_once('.').unwrap_or((n.as_str(), ""))) {
        None => (None, None),
        Some(("", _)) => return refuse(reader, format!("no database is named: {}", names.join(" "))),
        Some((database, table)) => (Some(database.to_owned()), Some(table.to_owned()).filter(|t| !t.is_empty())),
    };
    let allowed: &[&str] = match verb.as_str() {
        "show" => &["at", "json"],
        "diff" => &[],
        "resolve" => &["from-server", "definition", "yes"],
        _ => return refuse(reader, format!("schema {verb}: no such word")),
    };
    for name in ["at", "json", "from-server", "definition", "yes"] {
        if reader.raw.get(name).is_some() && !allowed.contains(&name) {
            reader.fault(name, format!("--{name} is not an option of schema {verb}"), USAGE);
        }
    }
    match verb.as_str() {
        "show" => {
            let at = match reader.given("at") {
                None => None,
                Some(text) => match place(text) {
                    Some(place) => Some(place),
                    None => {
                        reader.fault("at", format!("not a place in the binlog: {text}"), "write FILE:POSITION, or a GTID set");
                        return None;
                    }
                },
            };
            Some(SchemaAction::Show { database, table, at, json: reader.flag("json") })
        }
        "diff" => Some(SchemaAction::Diff { database, table }),
        _ => {
            let (Some(database), Some(table)) = (database, table) else {
                return refuse(reader, "schema resolve needs a table, as DB.TABLE".into());
            };
            let definition = reader.given("definition").map(PathBuf::from);
            if definition.is_some() == reader.flag("from-server") {
                return refuse(reader, "schema resolve needs either --from-server or --definition=FILE".into());
            }
            Some(SchemaAction::Resolve { database, table, definition, yes: reader.flag("yes") })
        }
    }
}

/// `FILE:POSITION` or a GTID set. A position by GTIDs alone has an empty file.
fn place(text: &str) -> Option<Position> {
    match text.parse().ok()? {
        Place::File { at, .. } => Some(Position::new(at)),
        Place::Gtids(gtids) => Some(Position { gtids: Some(gtids), ..Position::new(BinlogPosition::new("", 0)) }),
        Place::Time(_) | Place::Now | Place::Earliest => None,
    }
}
