//! Foreign text: never a panic, and never more than linear cost.

use proptest::prelude::*;

use super::*;
use crate::schema::delta;

const SEEDS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS `d`.`t` (id INT(11) UNSIGNED NOT NULL AUTO_INCREMENT, e ENUM('a','b''c') CHARSET utf8 COLLATE utf8_bin, PRIMARY KEY (`id`)) ENGINE=InnoDB",
    "ALTER TABLE t ADD COLUMN x VARCHAR(20) DEFAULT (uuid()) AFTER a, CHANGE b c TEXT FIRST, DROP PRIMARY KEY, CONVERT TO CHARACTER SET utf8mb4",
    "RENAME TABLE a TO b.c, `d` TO \"e\"",
    "/*!50003 CREATE */ TABLE t (a INT /* x */, -- y\n b POINT SRID 4326, PERIOD FOR p (a, b))",
    "SET STATEMENT x=1 FOR DROP TABLE IF EXISTS a, b WAIT 5",
    "ALTER DATABASE x CHARACTER SET = DEFAULT",
    "CREATE SEQUENCE s AS INT START WITH 1",
];

fn survive(sql: &[u8], sql_mode: u64, maria: bool, collation: u16) {
    let base = if maria { MARIADB } else { MYSQL };
    let ctx = StatementContext { sql_mode, charset_client: Some(collation), ..base };
    let mut now = schema();
    run(&MYSQL, &mut now, &["CREATE TABLE t (a INT, b VARCHAR(3), PRIMARY KEY (a))"]);
    let before = now.clone();
    match interpret(sql, &ctx, &mut now, &no_skip) {
        Outcome::Changes(changes) => {
            assert!(!changes.is_empty());
            // What was changed can be stored, restored and is the same.
            let mut restored = before;
            let read = delta::from_delta_json(&delta::to_delta_json(&changes)).expect("our own delta");
            delta::apply_changes(&mut restored, &read).expect("our own delta fits");
            assert_eq!(describe_shape(&restored), describe_shape(&now));
        }
        Outcome::Nothing | Outcome::Unproved { .. } => assert!(now == before),
    }
}

/// Names, types and keys; the character sets of labels are not in Maxwell's form.
fn describe_shape(schema: &Schema) -> Vec<String> {
    let tables = schema.databases.iter().flat_map(|d| d.tables.iter().map(move |t| (d, t)));
    let column = |c: &crate::schema::Column| format!("{} {} {:?}", c.name, c.ty.type_name(), c.ty.labels());
    tables
        .map(|(d, t)| {
            format!("{} {} {} {:?} {:?}", d.name, d.charset, t.name, t.columns.iter().map(column).collect::<Vec<_>>(), t.primary_key)
        })
        .collect()
}

proptest! {
    #[test]
    fn any_bytes(sql in proptest::collection::vec(any::<u8>(), 0..200), mode: u64, maria: bool, collation: u16) {
        survive(&sql, mode, maria, collation);
    }

    #[test]
    fn every_character_set(seed in 0..SEEDS.len(), tail in proptest::collection::vec(any::<u8>(), 0..60), collation in 0_u16..400, maria: bool) {
        let sql = [SEEDS[seed].as_bytes(), b" /*", &tail, b"*/ `", &tail].concat();
        survive(&sql, 0, maria, collation);
    }

    #[test]
    fn mutated_statements(
        seed in 0..SEEDS.len(),
        cut in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(b'('), Just(b')'), Just(b','), Just(b'\''), Just(b'`'), Just(b' ')]), 0..6),
        mode: u64,
        maria: bool,
    ) {
        let mut sql = SEEDS[seed].as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(sql.len());
            sql[at] = byte;
        }
        survive(&sql, mode, maria, 255);
        survive(&sql[..cut.index(sql.len())], mode, maria, 255);
    }

    #[test]
    fn words_in_any_order(words in proptest::collection::vec(prop::sample::select(vec![
        "CREATE", "TABLE", "ALTER", "ADD", "DROP", "CHANGE", "MODIFY", "t", "a", "b", "INT", "VARCHAR(3)", "(", ")", ",", "PRIMARY KEY", "FIRST",
        "AFTER", "RENAME", "TO", "COLUMN", "IF EXISTS", "DEFAULT", "1", "'x'", "CHARSET", "utf8", "LIKE", "ENUM('a')", "SYSTEM VERSIONING", "CONVERT",
        "PARTITION", "PERIOD FOR", "WITHOUT OVERLAPS", "GENERATED ALWAYS AS", "ROW START", "=",
    ]), 0..20), maria: bool) {
        survive(words.join(" ").as_bytes(), 0, maria, 255);
    }
}

/// Sizes that anything but linear work without recursion would not survive.
#[test]
fn huge_statements() {
    let nested = format!("CREATE TABLE n (a INT DEFAULT {}1{})", "(".repeat(100_000), ")".repeat(100_000));
    let open = format!("ALTER TABLE t ADD x INT DEFAULT {}", "(".repeat(100_000));
    let comments = format!("CREATE TABLE n (a INT{})", "/*! */ /* */ --\n".repeat(100_000));
    let executable = format!("CREATE TABLE n (a INT) {}", "/*!50000 ".repeat(100_000));
    let label = format!("CREATE TABLE n (e ENUM('{}'))", "x''".repeat(1_000_000));
    let default = format!("CREATE TABLE n (v INT COMMENT '{}')", "y\\'".repeat(5_000_000));
    // 16 MB, decoded from another character set first.
    let sjis = [b"CREATE TABLE n (v INT COMMENT '".to_vec(), b"\x95\x5c".repeat(8_000_000), b"')".to_vec()].concat();
    let begun = std::time::Instant::now();
    survive(&sjis, 0, false, 13);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let columns: Vec<String> = (0..4_096).map(|i| format!("c{i} INT")).collect();
    let wide = format!("CREATE TABLE n ({})", columns.join(", "));
    let adds = format!("ALTER TABLE t {}", "ADD x INT AFTER a, ".repeat(200_000));
    let cases = format!("CREATE TABLE n (a INT DEFAULT {} {})", "CASE ".repeat(100_000), "END ".repeat(100_000));
    for sql in [nested, open, comments, executable, label, default, wide, adds, cases] {
        survive(sql.as_bytes(), 0, false, 255);
    }
}
