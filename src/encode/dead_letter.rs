//! The record that stands for a row which Kafka does not take: Maxwell's fallback record, made from the finished key and value
//! of the message. Never here: where it is sent, why the message was refused.
//!
//! Bytes as the real Maxwell 1.45 writes them (`RowIdentity`): the row's own `type`, key columns with the letters of their
//! definition (a key has them in lower case), values as in the key.

use std::collections::HashMap;
use std::sync::Mutex;

use super::key;
use super::options::KeyFormat;

/// Key columns of tables that have capitals in them, because a message's key has lost those. Written when a table's plan is
/// compiled, read when one of its messages is refused; after an ALTER the newest spelling counts.
#[derive(Debug, Default)]
pub struct KeyNames {
    tables: Mutex<HashMap<(String, String), Vec<String>>>,
}

impl KeyNames {
    pub fn note(&self, database: &str, table: &str, names: &[String]) {
        let place = (database.to_owned(), table.to_owned());
        let mut tables = self.lock();
        if names.iter().any(|name| name.to_lowercase() != *name) {
            tables.insert(place, names.to_vec());
        } else if !tables.is_empty() {
            tables.remove(&place);
        }
    }

    /// The column as it was defined.
    fn original(&self, database: &str, table: &str, in_key: &str) -> String {
        let tables = self.lock();
        let names = tables.get(&(database.to_owned(), table.to_owned()));
        let found = names.and_then(|names| names.iter().find(|name| name.to_lowercase() == in_key.to_lowercase()));
        found.map_or_else(|| in_key.to_owned(), Clone::clone)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Vec<String>>> {
        // A panic while the lock is held leaves a complete map behind.
        self.tables.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Whose row a message is. Values are JSON text, as it stood in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity<'m> {
    database: &'m [u8],
    table: &'m [u8],
    kind: &'m [u8],
    columns: Vec<(String, &'m [u8])>,
    /// The key is one that every message has anew: random, or the bare UUID of a DDL message.
    fresh_key: bool,
}

const NULL: &[u8] = b"null";

impl<'m> Identity<'m> {
    /// From a finished message. What is not there is `null`.
    pub fn of(key: &'m [u8], value: &'m [u8]) -> Self {
        let mut identity = Identity { database: NULL, table: NULL, kind: NULL, columns: Vec::new(), fresh_key: true };
        let mut missing = 3;
        for (name, text) in Members::of_object(value) {
            let place = match name {
                b"\"database\"" => &mut identity.database,
                b"\"table\"" => &mut identity.table,
                b"\"type\"" => &mut identity.kind,
                _ => continue,
            };
            *place = text;
            missing -= 1;
            if missing == 0 {
                break;
            }
        }
        if value.is_empty() {
            // A tombstone.
            identity.kind = br#""delete""#;
            let mut parts = Members::of_array(key);
            (identity.database, identity.table) = (parts.next().unwrap_or(NULL), parts.next().unwrap_or(NULL));
            for (name, text) in Members::of_object(key).take(2) {
                if name == br#""database""# {
                    identity.database = text;
                } else {
                    identity.table = text;
                }
            }
        }
        match key.first() {
            Some(b'{') => {
                for (name, text) in Members::of_object(key) {
                    let name = plain(name);
                    if name == "_uuid" {
                        return identity;
                    }
                    if let Some(column) = name.strip_prefix("pk.") {
                        identity.columns.push((column.to_owned(), text));
                    }
                }
            }
            Some(b'[') => {
                let pairs = Members::of_array(key).nth(2).unwrap_or_default();
                identity.columns = Members::of_array(pairs).flat_map(Members::of_object).map(|(name, text)| (plain(name), text)).collect();
            }
            _ => return identity,
        }
        identity.fresh_key = false;
        identity
    }

    /// Database and table as plain text, for the topic's name. Empty if there is none.
    pub fn names(&self) -> (String, String) {
        let name = |text: &[u8]| if text == NULL { String::new() } else { plain(text) };
        (name(self.database), name(self.table))
    }

    /// `database:table:[(column,value), …]`, as Maxwell's log has it; `None` if the key does not tell.
    pub fn line(&self) -> Option<String> {
        let (database, table) = self.names();
        if !self.database.starts_with(b"\"") {
            return None;
        }
        let pairs: Vec<String> = self.columns.iter().map(|(name, value)| format!("({name},{})", plain(value))).collect();
        Some(format!("{database}:{table}:[{}]", pairs.join(", ")))
    }

    /// The record's key: the message's own, or a new random one where that was random.
    pub fn key(&self, of_message: &[u8], format: KeyFormat) -> Vec<u8> {
        if !self.fresh_key || format == KeyFormat::None {
            return of_message.to_vec();
        }
        let mut out = Vec::with_capacity(128);
        match format {
            KeyFormat::Array => {
                out.push(b'[');
                out.extend_from_slice(self.database);
                out.push(b',');
                out.extend_from_slice(self.table);
                out.extend_from_slice(b",[]]");
            }
            _ => {
                self.head(&mut out);
                out.extend_from_slice(b",\"_uuid\":\"");
                key::write_uuid(&mut out);
                out.extend_from_slice(b"\"}");
            }
        }
        out
    }

    /// `{"database":"db","table":"t","type":"insert","reason":"RecordTooLargeException","data":{"id":1}}`
    pub fn value(&self, reason: &str, names: &KeyNames) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.head(&mut out);
        out.extend_from_slice(b",\"type\":");
        out.extend_from_slice(self.kind);
        out.extend_from_slice(b",\"reason\":");
        key::quoted(reason, &mut out);
        out.extend_from_slice(b",\"data\":{");
        let (database, table) = self.names();
        for (i, (column, value)) in self.columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            key::quoted(&names.original(&database, &table, column), &mut out);
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.extend_from_slice(b"}}");
        out
    }

    fn head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"database\":");
        out.extend_from_slice(self.database);
        out.extend_from_slice(b",\"table\":");
        out.extend_from_slice(self.table);
    }
}

/// The text of a JSON string; what is none stays as it is.
fn plain(text: &[u8]) -> String {
    serde_json::from_slice(text).unwrap_or_else(|_| String::from_utf8_lossy(text).into_owned())
}

/// The parts of one object or array of ours, as the bytes that they are. Only what the encoder itself has written comes here
/// (no blanks between tokens, always whole); anything else ends the walk early.
struct Members<'j> {
    rest: &'j [u8],
}

impl<'j> Members<'j> {
    fn of_array(text: &'j [u8]) -> impl Iterator<Item = &'j [u8]> {
        let mut members = Members { rest: text.strip_prefix(b"[").unwrap_or_default() };
        std::iter::from_fn(move || members.element())
    }

    /// Names with their quotes.
    fn of_object(text: &'j [u8]) -> impl Iterator<Item = (&'j [u8], &'j [u8])> {
        let mut members = Members { rest: text.strip_prefix(b"{").unwrap_or_default() };
        std::iter::from_fn(move || {
            let name = members.take()?;
            members.rest = members.rest.strip_prefix(b":")?;
            Some((name, members.element()?))
        })
    }

    /// The next value, and the comma behind it.
    fn element(&mut self) -> Option<&'j [u8]> {
        let value = self.take()?;
        self.rest = self.rest.strip_prefix(b",").unwrap_or(self.rest);
        Some(value)
    }

    /// One value: up to the comma, colon or bracket that ends it.
    fn take(&mut self) -> Option<&'j [u8]> {
        let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
        let end = self.rest.iter().position(|b| {
            if in_string {
                in_string = escaped || *b != b'"';
                escaped = !escaped && *b == b'\\';
                return false;
            }
            match b {
                b'"' => in_string = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 0 => depth -= 1,
                b',' | b':' | b'}' | b']' => return depth == 0,
                _ => {}
            }
            false
        });
        let (value, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest;
        (!value.is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = r#"{"database":"d\"b","table":"T","type":"update","ts":1,"xoffset":0,"data":{"Id":1,"type":"x"}}"#;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("UTF-8")
    }

    /// Each row: the key, and the fallback record's `data`.
    #[test]
    fn the_record_by_key_format() {
        let names = KeyNames::default();
        names.note("d\"b", "T", &["Id".to_owned(), "k,{".to_owned()]);
        names.note("d\"b", "other", &["ID".to_owned()]);
        let rows = [
            (r#"{"database":"d\"b","table":"T","pk.id":1,"pk.k,{":"v\\\"}"}"#, r#"{"Id":1,"k,{":"v\\\"}"}"#),
            (r#"["d\"b","T",[{"Id":1},{"k,{":[1,{"a":"]"}]}]]"#, r#"{"Id":1,"k,{":[1,{"a":"]"}]}"#),
            (r#"["d\"b","T",[{"id":1.0E7}]]"#, r#"{"Id":1.0E7}"#),
            (r#"{"database":"d\"b","table":"T","pk.id":null}"#, r#"{"Id":null}"#),
            (r#"{"database":"d\"b","table":"T","_uuid":"0"}"#, "{}"),
            (r#"["d\"b","T",[]]"#, "{}"),
            ("6a1e4a2e-0000-4000-8000-000000000000", "{}"),
            ("", "{}"),
        ];
        for (key, data) in rows {
            let identity = Identity::of(key.as_bytes(), VALUE.as_bytes());
            let wanted = format!(r#"{{"database":"d\"b","table":"T","type":"update","reason":"RecordTooLargeException","data":{data}}}"#);
            assert_eq!(text(identity.value("RecordTooLargeException", &names)), wanted, "{key}");
            assert_eq!(identity.names(), ("d\"b".to_owned(), "T".to_owned()));
        }
    }

    #[test]
    fn keys_are_the_messages_own_unless_they_are_random() {
        for key in [r#"{"database":"d","table":"t","pk.id":1}"#, r#"["d","t",[{"id":1}]]"#, r#"["d","t",[]]"#] {
            assert_eq!(text(Identity::of(key.as_bytes(), VALUE.as_bytes()).key(key.as_bytes(), KeyFormat::Hash)), key);
        }
        let random = r#"{"database":"d\"b","table":"T","_uuid":"0d9c9d5e-8f5f-4b3f-a1b5-000000000000"}"#;
        let bare = "0d9c9d5e-8f5f-4b3f-a1b5-000000000000";
        for key in [random, bare] {
            let identity = Identity::of(key.as_bytes(), VALUE.as_bytes());
            let fresh = text(identity.key(key.as_bytes(), KeyFormat::Hash));
            assert!(fresh.starts_with(r#"{"database":"d\"b","table":"T","_uuid":""#) && fresh.len() == random.len(), "{fresh}");
            assert_ne!(fresh, random);
        }
        assert_eq!(text(Identity::of(bare.as_bytes(), VALUE.as_bytes()).key(bare.as_bytes(), KeyFormat::Array)), r#"["d\"b","T",[]]"#);
    }

    #[test]
    fn a_ddl_message_has_its_names_further_on_or_not_at_all() {
        let names = KeyNames::default();
        let value = br#"{"type":"database-create","database":"d","sql":"create database d /* \"table\":1 */"}"#;
        let record = text(Identity::of(b"u", value).value("InvalidRecordException", &names));
        assert_eq!(record, r#"{"database":"d","table":null,"type":"database-create","reason":"InvalidRecordException","data":{}}"#);
        assert_eq!(Identity::of(b"u", value).names(), ("d".to_owned(), String::new()));
        let record = text(Identity::of(br#"["d","t",[{"id":1}]]"#, b"").value("InvalidRecordException", &names));
        assert_eq!(record, r#"{"database":"d","table":"t","type":"delete","reason":"InvalidRecordException","data":{"id":1}}"#);
        let record = text(Identity::of(br#"{"database":"d","table":"t","pk.id":1}"#, b"").value("InvalidRecordException", &names));
        assert_eq!(record, r#"{"database":"d","table":"t","type":"delete","reason":"InvalidRecordException","data":{"id":1}}"#);
        // Nothing of ours: no panic, and a record all the same.
        for odd in [&b""[..], b"{", b"{\"a\"", b"[[[", b"{\"database\":", b"}{,:", b"\"\\"] {
            let record = Identity::of(odd, odd).value("x", &names);
            assert!(serde_json::from_slice::<serde_json::Value>(&record).is_ok(), "{}", text(record));
        }
    }

    #[test]
    fn an_alter_to_lower_case_is_forgotten() {
        let names = KeyNames::default();
        names.note("d", "t", &["Id".to_owned()]);
        assert_eq!(names.original("d", "t", "id"), "Id");
        names.note("d", "t", &["id".to_owned()]);
        assert_eq!(names.original("d", "t", "id"), "id");
    }
}
