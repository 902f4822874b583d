//! Who may depend on whom, read from the `use crate::` lines and paths of every file. ARCHITECTURE.md draws the map;
//! this test keeps it true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A module and the modules that it may name. `error`, `finding`, `metrics`, `budget` and `secret` are everybody's.
const ALLOWED: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("finding", &[]),
    ("secret", &[]),
    ("budget", &[]),
    ("metrics", &["position", "encode"]),
    ("position", &[]),
    ("status", &["position"]),
    ("binlog", &["position"]),
    // Of `binlog` only the character sets: statements are text in the client's.
    ("schema", &["position", "binlog"]),
    ("filter", &["schema"]),
    ("assemble", &["binlog", "schema", "filter", "position"]),
    ("encode", &["assemble", "binlog", "schema", "filter", "position"]),
    ("server", &["schema", "position", "binlog"]),
    ("source", &["server", "binlog", "position"]),
    ("store", &["server", "schema", "position"]),
    ("producer", &["encode", "position", "status"]),
    ("admin", &["status", "position", "filter"]),
    ("config", &["filter", "encode", "producer", "server", "source", "store", "position"]),
    ("daemon", &["*"]),
    ("main", &["*"]),
    ("lib", &["*"]),
];

/// Paths that no file of these modules may contain, with the reason.
const NEVER: &[(&str, &[&str], &str)] = &[
    ("binlog", &["tokio::", "std::net", "std::fs", "Instant::now", "SystemTime"], "bytes in, events out: no I/O, no clock"),
    ("schema", &["tokio::", "std::net", "std::fs", "Instant::now", "SystemTime"], "pure"),
    ("filter", &["tokio::", "std::net", "std::fs", "Instant::now", "SystemTime"], "pure"),
    ("assemble", &["tokio::", "std::net", "Instant::now", "SystemTime", "mysql_async"], "pure but for the spill file"),
    ("encode", &["tokio::", "std::net", "std::fs", "rdkafka"], "finished bytes only; the clock comes in as an option"),
    ("position", &["tokio::", "std::net", "std::fs", "mysql_async"], "pure"),
];

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Code without comments and without the file's test module, which may use whatever it tests with.
fn code(text: &str) -> String {
    let body = text.split("\n#[cfg(test)]").next().unwrap_or(text);
    body.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("below src");
    let first = relative.components().next().expect("a file").as_os_str().to_string_lossy().to_string();
    first.trim_end_matches(".rs").to_string()
}

fn all() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    assert!(found.len() > 50, "the sources were not found");
    // Test modules in files of their own may use whatever they test with.
    found.retain(|p| {
        !p.to_string_lossy().contains("/tests")
            && !p.to_string_lossy().ends_with("_tests.rs")
            && !p.to_string_lossy().ends_with("test_events.rs")
    });
    found.into_iter().map(|p| (module_of(&p), p.clone(), code(&fs::read_to_string(&p).expect("readable")))).collect()
}

fn named(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (i, _) in code.match_indices("crate::") {
        let rest = &code[i + "crate::".len()..];
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !name.is_empty() {
            names.insert(name);
        }
    }
    names
}

#[test]
fn modules_depend_only_on_what_the_map_allows() {
    let mut wrong = Vec::new();
    for (module, path, code) in all() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(m, _)| *m == module) else {
            panic!("{} is in a module that the map does not have: add it to ARCHITECTURE.md and here", path.display());
        };
        if allowed.contains(&"*") {
            continue;
        }
        for name in named(&code) {
            let everybody = ["error", "finding", "metrics", "budget", "secret"].contains(&name.as_str());
            if name != module && !everybody && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{} uses crate::{name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden dependencies:\n{}", wrong.join("\n"));
}

#[test]
fn pure_modules_stay_pure() {
    let mut wrong = Vec::new();
    for (module, path, code) in all() {
        // The spill file is the one door to the outside of `assemble`.
        if path.to_string_lossy().contains("assemble/spill") {
            continue;
        }
        for (_, paths, reason) in NEVER.iter().filter(|(m, _, _)| *m == module) {
            for p in paths.iter().filter(|p| code.contains(**p)) {
                wrong.push(format!("{} contains {p} ({reason})", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_stands_in_the_kafka_ffi_file_only() {
    let wrong: Vec<String> = all()
        .into_iter()
        .filter(|(_, path, code)| code.contains("unsafe ") && !path.ends_with("producer/kafka/ffi.rs"))
        .map(|(_, path, _)| path.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "unsafe outside producer/kafka/ffi.rs: {wrong:?}");
}
