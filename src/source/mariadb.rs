//! What a MariaDB session is told before the dump, as statements.

use crate::position::gtid::GtidPosition;

/// All settings, in order. With `start`, the dump begins behind these GTIDs instead of at a file's offset.
///
/// Without capability 4 the server rewrites GTID events for us and ends the dump at the first XA transaction.
pub fn settings(heartbeat_ms: u64, start: Option<&GtidPosition>) -> Vec<String> {
    let mut list = super::mysql::common_settings(heartbeat_ms);
    list.push("SET @mariadb_slave_capability = 4".to_owned());
    if let Some(start) = start {
        // Digits, dashes and commas only: nothing to quote.
        list.push(format!("SET @slave_connect_state = '{}'", start.connect_state()));
        list.push("SET @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0".to_owned());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gtids_are_given_only_when_starting_by_them() {
        let has = |list: &[String], word: &str| list.iter().any(|s| s.contains(word));
        let by_file = settings(5_000, None);
        assert!(has(&by_file, "@mariadb_slave_capability = 4") && !has(&by_file, "connect_state"));
        let start: GtidPosition = "7-104-9".parse().unwrap();
        assert!(has(&settings(5_000, Some(&start)), "@slave_connect_state = '7-104-9'"));
    }
}
