//! The servers' own test files (`mysqltest` language): the statements in them that make, change or drop tables and
//! databases, and the session settings that decide how those are read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// All `.test` and `.inc` files below a folder, spread so that a part of them is a fair sample.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder").flatten() {
            let path = entry.path();
            match path.extension().and_then(|e| e.to_str()) {
                _ if entry.file_type().is_ok_and(|t| t.is_dir()) => folders.push(path),
                Some("test" | "inc") => found.push(path),
                _ => {}
            }
        }
    }
    let spread = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    };
    found.sort_by_cached_key(|path| (spread(path), path.clone()));
    found
}

/// Names that test files take from their surroundings.
const DEFAULTS: &[(&str, &str)] =
    &[("engine_type", "InnoDB"), ("engine", "InnoDB"), ("default_engine", "InnoDB"), ("ENGINE", "InnoDB"), ("storage_engine", "InnoDB")];

/// The wanted statements of a file, in order, as bytes.
pub fn statements(text: &[u8]) -> Vec<Vec<u8>> {
    let mut variables: HashMap<String, String> = DEFAULTS.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let mut wanted = Vec::new();
    let mut delimiter = b";".to_vec();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let blank = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        at += blank;
        let rest = &text[at..];
        let line_end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let line = &rest[..line_end];
        if line.is_empty() {
            at += 1;
            continue;
        }
        if line[0] == b'#' || line[0] == b'}' || line[0] == b'{' {
            at += if line[0] == b'#' { line_end } else { 1 };
            continue;
        }
        let (command, length) = if line.starts_with(b"--") { (line[2..].to_vec(), line_end) } else { until(rest, &delimiter) };
        at += length.max(1);
        take(&command, &mut variables, &mut delimiter, &mut wanted);
    }
    wanted
}

/// The text up to the delimiter outside of quotes and comments, or to the brace that opens a block; and how far it goes.
fn until(text: &[u8], delimiter: &[u8]) -> (Vec<u8>, usize) {
    let is_block = [&b"if"[..], b"while"].iter().any(|word| text.starts_with(word));
    let (mut at, mut quote) = (0, None);
    while at < text.len() {
        let byte = text[at];
        match quote {
            Some(q) if byte == q => quote = None,
            Some(q) if byte == b'\\' && q != b'`' => at += 1,
            Some(_) => {}
            None if text[at..].starts_with(delimiter) => return (text[..at].to_vec(), at + delimiter.len()),
            None if is_block && byte == b'{' => return (Vec::new(), at + 1),
            None if matches!(byte, b'\'' | b'"' | b'`') => quote = Some(byte),
            None => {}
        }
        at += 1;
    }
    (text[..at.min(text.len())].to_vec(), text.len())
}

fn take(command: &[u8], variables: &mut HashMap<String, String>, delimiter: &mut Vec<u8>, wanted: &mut Vec<Vec<u8>>) {
    let command = command.trim_ascii();
    let word_end = command.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).unwrap_or(command.len());
    let (word, rest) = command.split_at(word_end);
    match &word.to_ascii_lowercase()[..] {
        b"delimiter" => {
            let new: Vec<u8> = rest.trim_ascii().to_vec();
            if !new.is_empty() {
                *delimiter = new;
            }
        }
        b"let" => {
            let text = String::from_utf8_lossy(rest);
            if let Some((name, value)) = text.split_once('=') {
                let name = name.trim().trim_start_matches('$').to_owned();
                let value = substituted(value.trim(), variables).unwrap_or_default();
                // A value that a query gives is not known here.
                if value.starts_with('`') {
                    variables.remove(&name)
                } else {
                    variables.insert(name, value)
                };
            }
        }
        b"eval" => {
            if let Some(sql) = std::str::from_utf8(rest).ok().and_then(|text| substituted(text.trim(), variables)) {
                push(sql.as_bytes(), wanted);
            }
        }
        _ => push(command, wanted),
    }
}

/// The text with its variables; `None` if one is not known.
fn substituted(text: &str, variables: &HashMap<String, String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        out.push_str(variables.get(&rest[..end])?);
        rest = &rest[end..];
    }
    out.push_str(rest);
    Some(out)
}

/// Session variables that change what a statement means. Not MariaDB's `old_mode`: that `utf8` has four bytes without its
/// UTF8_IS_UTF8MB3 is not in the binlog (tried), and no replica knows it either.
const SETTINGS: &[&str] = &[
    "SQL_MODE",
    "NAMES",
    "CHARACTER",
    "CHARSET",
    "CHARACTER_SET_CLIENT",
    "CHARACTER_SET_SERVER",
    "CHARACTER_SET_CONNECTION",
    "COLLATION_SERVER",
    "COLLATION_CONNECTION",
    "COLLATION_DATABASE",
    "CHARACTER_SET_DATABASE",
    "DEFAULT_STORAGE_ENGINE",
    "STORAGE_ENGINE",
    "SQL_GENERATE_INVISIBLE_PRIMARY_KEY",
    "EXPLICIT_DEFAULTS_FOR_TIMESTAMP",
    "FOREIGN_KEY_CHECKS",
    "DEFAULT_COLLATION_FOR_UTF8MB4",
    "SYSTEM_VERSIONING_ALTER_HISTORY",
    "CHARACTER_SET_COLLATIONS",
    "INNODB_STRICT_MODE",
    "ALTER_ALGORITHM",
    "OLD_ALTER_TABLE",
];

fn push(sql: &[u8], wanted: &mut Vec<Vec<u8>>) {
    let upper = String::from_utf8_lossy(sql.get(..sql.len().min(300)).unwrap_or_default()).to_ascii_uppercase();
    let words: Vec<&str> =
        upper.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '@')).filter(|w| !w.is_empty()).take(9).collect();
    let about = |words: &[&str]| {
        let before = ["OR", "REPLACE", "TEMPORARY", "IGNORE", "ONLINE", "OFFLINE", "UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR"];
        let object = words.iter().find(|w| !before.contains(w)).copied().unwrap_or_default();
        matches!(object, "TABLE" | "TABLES" | "DATABASE" | "SCHEMA" | "SEQUENCE" | "INDEX")
    };
    let is_wanted = match words.split_first() {
        Some((&"CREATE" | &"ALTER" | &"DROP" | &"RENAME", rest)) => about(rest),
        Some((&"SET", rest)) => {
            let is_global = rest.iter().any(|w| matches!(*w, "GLOBAL" | "@@GLOBAL" | "PERSIST" | "@@PERSIST" | "PERSIST_ONLY"));
            if rest.first() == Some(&"STATEMENT") {
                rest.iter().any(|w| matches!(*w, "CREATE" | "ALTER" | "DROP" | "RENAME"))
            } else {
                let name = rest.iter().map(|w| w.trim_start_matches("@@")).find(|w| !matches!(*w, "SESSION" | "LOCAL"));
                !is_global && name.is_some_and(|n| SETTINGS.contains(&n))
            }
        }
        Some((&"USE", _)) => true,
        _ => false,
    };
    // Not the server's own tables, and nothing that takes its time.
    let text = String::from_utf8_lossy(sql).to_ascii_uppercase();
    let is_off_limits = [
        "MYSQL.",
        "`MYSQL`",
        "PERFORMANCE_SCHEMA",
        "INFORMATION_SCHEMA",
        "SLEEP",
        "GET_LOCK",
        "BENCHMARK",
        "DATA DIRECTORY",
        "WITH RECURSIVE",
        "SQL_LOG_BIN",
    ]
    .iter()
    .any(|word| text.contains(word))
        || (words.contains(&"DATABASE") && words.iter().any(|w| matches!(*w, "MYSQL" | "SYS")))
        || (words.first() == Some(&"USE") && words.iter().any(|w| matches!(*w, "MYSQL" | "SYS")));
    if is_wanted && !is_off_limits && sql.len() < 200_000 {
        wanted.push(sql.to_vec());
    }
}
