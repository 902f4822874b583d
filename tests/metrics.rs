//! The page about metrics and health is made from the tables in the code, and cannot fall behind them.

use std::path::PathBuf;

use binlogd::admin::page::page;
use binlogd::metrics::{ALL, maxwell};

#[test]
fn the_page_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("page");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == page, "docs/metrics.md is out of date: UPDATE_DOCS=1 cargo test --test metrics");
}

#[test]
fn the_page_names_both_families_whole() {
    let page = page();
    for family in ALL {
        assert!(page.contains(&format!("| `{}", family.name)) && page.contains(family.help), "{}", family.name);
    }
    assert_eq!(maxwell::NAMES.len(), 14);
    for name in maxwell::NAMES {
        assert!(page.contains(&format!("| `{}` | {} | {} |", name.name, name.shape.as_str(), name.help)), "{}", name.name);
    }
}
