//! What the oracle on real servers found (tests/live_ddl_oracle.rs), each as the smallest statements that show it.

use super::*;
use crate::schema::delta::{apply_changes, from_delta_json, to_delta_json};

const GENERATED: &str = "CREATE TABLE `n` (\n  `v` varchar(1) DEFAULT NULL\n)";

fn after(ctx: &StatementContext<'_>, statements: &[&str]) -> String {
    let mut schema = schema();
    run(ctx, &mut schema, statements);
    describe_all(&schema)
}

fn doubt(ctx: &StatementContext<'_>, statements: &[&str], last: &[u8]) -> String {
    let mut schema = schema();
    run(ctx, &mut schema, statements);
    match interpret(last, ctx, &mut schema, &no_skip) {
        Outcome::Unproved { why, .. } => why,
        other => panic!("{}: {other:?}", String::from_utf8_lossy(last)),
    }
}

#[test]
fn statements_in_the_clients_character_set() {
    let cases: [(u16, &[u8], &str); 10] = [
        (13, b"CREATE TABLE `\x83\x5c` (e ENUM('\x95\x5c') CHARSET sjis)", "d.ソ(e enum{表}/sjis)"),
        (28, b"CREATE TABLE t (\xd5\x5c INT)", "d.t(誠 int)"),
        (51, b"CREATE TABLE t (\xc6 INT)", "d.t(Ж int)"),
        // What the server wrote itself is UTF-8.
        (255, "CREATE TABLE `表` (\n  `ä` int\n)".as_bytes(), "d.表(ä int)"),
        (13, "CREATE TABLE `表` (\n  `a` int\n)".as_bytes(), "d.表(a int)"),
        (
            8,
            "CREATE TABLE `ä` (\n  `a``(ä\"` int(1) DEFAULT NULL,\n  PRIMARY KEY (`a``(ä\"`)\n) ENGINE=x".as_bytes(),
            "d.ä(a`(ä\" int; key a`(ä\")",
        ),
        (8, "CREATE TABLE \"t\" (\n  \"ä\" enum('é','`') NOT NULL COMMENT 'x'\n) /* y */".as_bytes(), "d.t(ä enum{é|`}/latin1)"),
        // The client cannot have written this.
        (51, "CREATE TABLE `t` (\n  `И` int\n)".as_bytes(), "d.t(И int)"),
        // It does not matter who wrote this,
        (8, "CREATE TABLE `t` (\n  `a` int COMMENT 'ä' DEFAULT 'é',\n  KEY `ß` (`a`)\n)".as_bytes(), "d.t(a int)"),
        // and the server writes no ALTER TABLE.
        (8, "ALTER TABLE t ADD COLUMN (\n  `ä` int\n)".as_bytes(), "d.t(a int, Ã¤ int)"),
    ];
    for (collation, sql, expected) in cases {
        let ctx = StatementContext { charset_client: Some(collation), ..MYSQL };
        let mut schema = schema();
        if sql.starts_with(b"ALTER") {
            run(&MYSQL, &mut schema, &["CREATE TABLE t (a INT)"]);
        }
        assert!(matches!(interpret(sql, &ctx, &mut schema, &no_skip), Outcome::Changes(_)), "{}", String::from_utf8_lossy(sql));
        assert_eq!(describe_all(&schema), expected);
    }
}

/// Of a client that reads a file in UTF-8 and says that it is latin1, the server has made `Ã¤` of `ä`.
#[test]
fn definitions_that_the_server_or_the_client_may_have_written() {
    let d = |name: &str| ("d".to_owned(), Some(name.to_owned()));
    for (collation, sql, expected) in [
        (13, "CREATE TABLE `表` (\n  a int\n)", vec![d("表"), d("陦ｨ")]),
        (8, "CREATE TABLE `ä` (\n  `a` INT\n)", vec![d("ä"), d("Ã¤")]),
        (8, "CREATE TABLE `t` (\n  `a` int,\n   `ä` int\n)", vec![d("t")]),
        (8, "CREATE TABLE `t` (\n  `a` int, `ä` int\n, b int)", vec![d("t")]),
        (51, "CREATE TABLE t (\n  a enum('ж')\n)", vec![d("t")]),
    ] {
        let mut schema = schema();
        let ctx = StatementContext { charset_client: Some(collation), ..MYSQL };
        match interpret(sql.as_bytes(), &ctx, &mut schema, &no_skip) {
            Outcome::Unproved { concerns, why } => {
                assert!(why.contains("is not certain"), "{why}");
                assert_eq!(concerns, expected, "{sql}");
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn lengths_of_nothing() {
    let old = StatementContext { server_version: 50_624, ..MYSQL };
    let sql = ["CREATE TABLE t (a TEXT(0), b BLOB(0))"];
    assert_eq!(after(&MYSQL, &sql), "d.t(a tinytext/latin1, b tinyblob)");
    assert_eq!(after(&old, &sql), "d.t(a text/latin1, b blob)");
    assert_eq!(after(&MARIADB, &sql), "d.t(a text/latin1, b blob)");
}

#[test]
fn labels_as_the_server_keeps_them() {
    let sql = ["CREATE TABLE t (a ENUM('ä','表'), b SET('x ') BYTE, c ENUM('`') CHARSET swe7)"];
    assert_eq!(after(&MYSQL, &sql), "d.t(a enum{ä|?}/latin1, b set{x }/binary, c enum{?}/swe7)");
    let why = doubt(&MYSQL, &["CREATE TABLE t (a ENUM('ä'))"], b"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4");
    assert!(why.contains("the column a"), "{why}");
    assert_eq!(after(&MYSQL, &["CREATE TABLE t (a ENUM('a'))", "ALTER TABLE t CONVERT TO CHARSET utf8mb4"]), "d.t(a enum{a}/utf8mb4)");
}

/// Stored definitions have no character set for labels, so it is not known after a restart.
#[test]
fn labels_of_a_stored_definition_are_converted() {
    let restored = |t: &str| {
        let mut before = schema();
        run(&MYSQL, &mut before, &[t]);
        let stored = to_delta_json(&[SchemaChange::TableCreate {
            database: "d".into(),
            table: "t".into(),
            def: Arc::clone(before.table("d", "t").expect("a table")),
        }]);
        let mut after = schema();
        apply_changes(&mut after, &from_delta_json(&stored).expect("changes")).expect("applied");
        assert_eq!(after.table("d", "t").expect("a table").columns[0].ty.charset(), None);
        after
    };
    for (t, to) in [
        ("CREATE TABLE t (a ENUM('ä'))", "utf8mb4"),
        ("CREATE TABLE t (a SET('a','表') CHARSET utf8mb4)", "latin1"),
        ("CREATE TABLE t (a ENUM('a'))", "utf16"),
        ("CREATE TABLE t (a ENUM('a')) CHARSET ucs2", "utf8mb4"),
        ("CREATE TABLE t (a ENUM('a')) CHARSET swe7", "utf8mb4"),
        ("CREATE TABLE t (a ENUM('a'))", "swe7"),
    ] {
        let mut schema = restored(t);
        match interpret(format!("ALTER TABLE t CONVERT TO CHARSET {to}").as_bytes(), &MYSQL, &mut schema, &no_skip) {
            Outcome::Unproved { why, .. } => assert!(why.contains("the column a"), "{why}"),
            other => panic!("{t} to {to}: {other:?}"),
        }
    }
    let mut schema = restored("CREATE TABLE t (a ENUM('a'))");
    run(&MYSQL, &mut schema, &["ALTER TABLE t CONVERT TO CHARSET utf8mb4"]);
    assert_eq!(describe_all(&schema), "d.t(a enum{a}/utf8mb4)");
}

#[test]
fn defaults_named_beside_a_conversion() {
    let t = "CREATE TABLE t (v CHAR(3)) CHARSET sjis";
    let alter = "ALTER TABLE t CHARACTER SET utf8mb4, CONVERT TO CHARACTER SET cp1251";
    let add = "ALTER TABLE t ADD w CHAR(3)";
    assert_eq!(after(&MARIADB, &[t, alter, add]), "d.t(v char/cp1251, w char/utf8mb4)");
    assert_eq!(after(&MYSQL, &[t, alter, add]), "d.t(v char/cp1251, w char/cp1251)");
    let old = StatementContext { server_version: 50_624, ..MYSQL };
    assert_eq!(after(&old, &[t, "ALTER TABLE t COLLATE DEFAULT", add]), "d.t(v char/sjis, w char/latin1)");
    assert_eq!(after(&MARIADB, &[t, "ALTER TABLE t COLLATE DEFAULT", add]), "d.t(v char/sjis, w char/sjis)");
}

#[test]
fn blobs_made_beside_a_conversion() {
    let t = "CREATE TABLE t (v VARCHAR(20), b BLOB)";
    for sql in
        ["ALTER TABLE t MODIFY v MEDIUMBLOB, CONVERT TO CHARSET utf8mb4", "ALTER TABLE t CONVERT TO CHARSET utf8mb4, MODIFY b LONGBLOB"]
    {
        assert!(doubt(&MYSQL, &[t], sql.as_bytes()).contains("what the server makes of the column"), "{sql}");
    }
    let plain = "ALTER TABLE t ADD c MEDIUMBLOB, MODIFY b VARBINARY(9), CONVERT TO CHARSET utf8mb4";
    assert_eq!(after(&MYSQL, &[t, plain]), "d.t(v varchar/utf8mb4, b varbinary, c mediumblob)");
}

#[test]
fn what_a_conversion_of_mariadb_leaves() {
    let t = "CREATE TABLE t (a CHAR(3), b CHAR(3) CHARSET cp1251) CHARSET utf8";
    for (clauses, expected) in [
        (
            "CONVERT TO CHARSET sjis, CHARSET euckr, ADD c CHAR(5) BINARY, ADD d CHAR(5), MODIFY a CHAR(3) BINARY",
            "d.t(a char/euckr, b char/sjis, c char/euckr, d char/sjis)",
        ),
        ("CONVERT TO CHARSET sjis, ADD c CHAR(5) CHARSET greek BINARY", "d.t(a char/sjis, b char/sjis, c char/sjis)"),
        ("CONVERT TO CHARSET latin2, ADD j JSON CHECK (1 = 1)", "d.t(a char/latin2, b char/latin2, j longtext/latin2)"),
    ] {
        assert_eq!(after(&MARIADB, &[t, &format!("ALTER TABLE t {clauses}")]), expected, "{clauses}");
    }
    assert!(doubt(&MARIADB, &[t], b"ALTER TABLE t ADD j JSON, CONVERT TO CHARSET binary").contains("the column j"));
    let named = "ALTER TABLE t CHARSET utf32, COLLATE uca1400_ai_ci, ADD c CHAR(1)";
    assert_eq!(after(&MARIADB, &[t, named]), "d.t(a char/utf8, b char/cp1251, c char/utf32)");
    // The table's own character set stays its default.
    for order in ["CONVERT TO CHARSET macroman, COLLATE uca1400_ai_ci", "COLLATE uca1400_ai_ci, CONVERT TO CHARSET macroman"] {
        let statements = [t, &format!("ALTER TABLE t {order}"), "ALTER TABLE t ADD c CHAR(1)"];
        assert_eq!(after(&MARIADB, &statements), "d.t(a char/macroman, b char/macroman, c char/utf8)");
    }
}

#[test]
fn options_with_the_value_default() {
    let t = "CREATE TABLE t (v CHAR(3))";
    assert_eq!(after(&MYSQL, &[t, "ALTER TABLE t ALGORITHM DEFAULT, LOCK DEFAULT"]), "d.t(v char/latin1)");
    assert_eq!(after(&MYSQL, &[t, "ALTER TABLE t FORCE, DEFAULT CHARSET utf8mb4, ADD w CHAR"]), "d.t(v char/latin1, w char/utf8mb4)");
}

#[test]
fn json_of_mariadb() {
    let sql = ["CREATE TABLE t (a JSON, b JSON CHECK (1), c TEXT CHARSET utf16 CHECK (JSON_VALID(c)))"];
    assert_eq!(after(&MARIADB, &sql), "d.t(a json, b longtext/utf8mb4, c text/utf16)");
    for to in ["utf16", "latin1"] {
        let why = doubt(&MARIADB, &["CREATE TABLE t (a JSON)"], format!("ALTER TABLE t CONVERT TO CHARACTER SET {to}").as_bytes());
        assert!(why.contains("the column a"), "{why}");
    }
    assert_eq!(after(&MARIADB, &["CREATE TABLE t (a JSON)", "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb3"]), "d.t(a json)");
    let t = "CREATE TABLE t (a INT)";
    assert_eq!(after(&MARIADB, &[t, "ALTER TABLE t ADD j JSON, CONVERT TO CHARACTER SET latin2"]), "d.t(a int, j longtext/latin2)");
    let collated = ["CREATE TABLE t (a JSON COLLATE latin1_bin, b JSON COLLATE utf8mb3_bin CHECK (JSON_VALID(b)))"];
    assert_eq!(after(&MARIADB, &collated), "d.t(a longtext/latin1, b json)");
}

/// As MariaDB itself, which looks at a column's own check only.
#[test]
fn json_by_the_check_of_the_column() {
    for (t, expected) in [
        ("a TEXT CHECK ((JSON_VALID(a))), b TEXT CHECK (((JSON_VALID(((b))))))", "a json, b json"),
        ("a TEXT CHECK (JSON_VALID(t.a)), b TEXT CHECK (JSON_VALID(d.`t`.`b`))", "a json, b json"),
        ("a TEXT CHECK ((JSON_VALID(a)) AND a <> ''), b TEXT CHECK ((JSON_VALID(a)))", "a text/utf8mb4, b text/utf8mb4"),
        ("a TEXT CHECK ((JSON_VALID(a) = 1)), b TEXT CHECK (NOT (JSON_VALID(b)))", "a text/utf8mb4, b text/utf8mb4"),
        ("a TEXT, CHECK (JSON_VALID(a)), b TEXT, CONSTRAINT b CHECK (JSON_VALID(b))", "a text/utf8mb4, b text/utf8mb4"),
    ] {
        assert_eq!(after(&MARIADB, &[&format!("CREATE TABLE t ({t}) CHARSET utf8mb4")]), format!("d.t({expected})"), "{t}");
    }
    let t = "CREATE TABLE t (a TEXT, b TEXT) CHARSET utf8mb4";
    let alter = "ALTER TABLE t ADD CONSTRAINT k CHECK (JSON_VALID(a)), ADD CHECK (JSON_VALID(b)), ADD c TEXT CHECK ((JSON_VALID(c)))";
    assert_eq!(after(&MARIADB, &[t, alter]), "d.t(a text/utf8mb4, b text/utf8mb4, c json)");
}

#[test]
fn json_by_its_check_is_json_where_it_is_utf8() {
    for charset in
        ["utf8", "UTF8MB3", "utf8mb4", "ascii", "latin1", "cp1251", "sjis", "swe7", "ucs2", "utf16", "utf16le", "utf32", "binary"]
    {
        let is_utf8 = charset.to_ascii_lowercase().starts_with("utf8") || charset == "ascii";
        let expected = if is_utf8 { "d.t(c json)".to_owned() } else { format!("d.t(c text/{charset})") };
        let t = format!("CREATE TABLE t (c TEXT CHARSET {charset} CHECK (JSON_VALID(c)))");
        assert_eq!(after(&MARIADB, &[&t]), expected);
    }
}

#[test]
fn what_mariadb_writes_for_a_drop() {
    let t = ["CREATE TABLE t (a INT)", "CREATE TABLE u (a INT)"];
    for drop in [
        "DROP TABLE IF EXISTS /*M!100100 `t` */ `t` /* generated by server */",
        "DROP TABLE /*! d.t WAIT /* x */ `t` /* generated by server */",
    ] {
        assert_eq!(after(&MARIADB, &[t[0], t[1], drop]), "d.u(a int)", "{drop}");
    }
    // On MySQL it is code, and there is no such text.
    assert_eq!(after(&MYSQL, &[t[0], t[1], "DROP TABLE /*! t */"]), "d.u(a int)");
}

#[test]
fn temporary_tables_that_mariadb_renames_like_real_ones() {
    let t = ["CREATE TABLE t (a INT)", "CREATE TABLE u (b INT)"];
    assert!(doubt(&MARIADB, &t, b"RENAME TABLE t TO u").contains("is there already"));
    assert_eq!(after(&MARIADB, &[t[0], t[1], "RENAME TABLE t TO x, u TO t, x TO u"]), "d.u(a int) d.t(b int)");
}

#[test]
fn definitions_that_the_server_wrote_without_options() {
    let ansi = StatementContext { sql_mode: 1 << 18 | 1 << 2, ..MYSQL };
    assert!(doubt(&ansi, &[], GENERATED.as_bytes()).contains("sql_mode"));
    assert_eq!(after(&MYSQL, &[GENERATED]), "d.n(v varchar/latin1)");
    let plain = StatementContext { sql_mode: lexer::MODE_NO_BACKSLASH_ESCAPES, ..MYSQL };
    assert!(doubt(&plain, &[], b"CREATE TABLE `n` (\n  `e` enum('a\\\\b')\n)").contains("backslash"));
}

#[test]
fn keys_with_periods() {
    let t = "CREATE TABLE t (id INT, s DATE, e DATE, PERIOD FOR p (s, e), PRIMARY KEY (id, p WITHOUT OVERLAPS))";
    assert!(doubt(&MARIADB, &[t], b"ALTER TABLE t DROP id").contains("period"));
    assert!(doubt(&MARIADB, &[t], b"ALTER TABLE t ADD SYSTEM VERSIONING").contains("period"));
    let versioned = format!("{t} WITH SYSTEM VERSIONING");
    assert_eq!(
        after(&MARIADB, &[&versioned]),
        "d.t(id int, s date, e date, row_start timestamp(6), row_end timestamp(6); key id, row_end, e, s)"
    );
}

#[test]
fn names_beyond_three_bytes() {
    let statements = ["CREATE TABLE `a😀b` (`c🐬` INT, k INT)", "ALTER TABLE `a😀b` RENAME COLUMN k TO 𝕊"];
    assert_eq!(after(&MYSQL, &statements), "d.a?b(c? int, ? int)");
}

#[test]
fn tablespaces_of_partitions() {
    let statements = ["CREATE TABLE t (a INT)", "ALTER TABLE t DISCARD PARTITION p0, p1 TABLESPACE, ADD b INT"];
    assert_eq!(after(&MYSQL, &statements), "d.t(a int, b int)");
}

#[test]
fn a_sequence_is_dropped_and_a_table_of_that_name_is_not() {
    assert_eq!(after(&MARIADB, &["CREATE TABLE t (a INT)", "CREATE SEQUENCE s", "DROP SEQUENCE IF EXISTS t, s"]), "d.t(a int)");
}

#[test]
fn the_longest_varchar_of_mariadb() {
    let longest = ["CREATE TABLE t (a VARCHAR(65532) CHARSET latin1)"];
    let longer = ["CREATE TABLE t (a VARCHAR(65533) CHARSET latin1, b VARBINARY(65533))"];
    assert_eq!(after(&MARIADB, &longest), "d.t(a varchar/latin1)");
    assert_eq!(after(&MARIADB, &longer), "d.t(a text/latin1, b blob)");
    assert_eq!(after(&MYSQL, &longer), "d.t(a varchar/latin1, b varbinary)");
}

#[test]
fn utf8_of_four_bytes() {
    let ctx = StatementContext { sql_mode: lexer::MODE_UTF8_IS_UTF8MB4, ..MYSQL };
    let t = "CREATE TABLE t (a CHAR(3) CHARSET utf8, b CHAR(3) CHARSET UTF8MB3, n NCHAR(3), m TEXT(20000) COLLATE utf8_bin, d CHAR(1)) CHARSET 'utf8'";
    let meant = "d.t(a char/utf8mb4, b char/utf8mb3, n char/utf8, m mediumtext/utf8mb4, d char/utf8mb4)";
    assert_eq!(after(&ctx, &[t]), meant);
    let plain = "d.t(a char/utf8, b char/utf8mb3, n char/utf8, m text/utf8, d char/utf8)";
    assert_eq!(after(&MYSQL, &[t]), plain);
    // MariaDB has another mode there.
    assert_eq!(after(&StatementContext { sql_mode: ctx.sql_mode, ..MARIADB }, &[t]), plain);
    let convert = ["CREATE TABLE t (a CHAR(3))", "ALTER TABLE t CONVERT TO CHARACTER SET utf8"];
    assert_eq!(after(&ctx, &convert), "d.t(a char/utf8mb4)");
}

#[test]
fn partitions_of_a_table_that_is_not_there() {
    for clause in ["REPAIR PARTITION p0", "ANALYZE PARTITION ALL", "OPTIMIZE PARTITION p1, p2"] {
        assert_eq!(after(&MYSQL, &[&format!("ALTER TABLE t {clause}")]), "");
    }
    assert!(doubt(&MYSQL, &[], b"ALTER TABLE t ADD a INT").contains("is not known"));
}

#[test]
fn names_of_columns_with_their_table() {
    let statements =
        ["CREATE TABLE t (t.a INT, d.t.b INT, .c INT)", "ALTER TABLE t CHANGE t.a d.t.a2 BIGINT, ADD (t.d INT), MODIFY t.b BIGINT"];
    assert_eq!(after(&MYSQL, &statements), "d.t(a2 bigint, b bigint, c int, d int)");
}

#[test]
fn periods_if_they_are_not_there_yet() {
    let t = "CREATE TABLE t (s DATE, e DATE)";
    let statements = [t, "ALTER TABLE t ADD PERIOD IF NOT EXISTS FOR p (s, e), DROP PERIOD IF EXISTS FOR q, ADD a INT"];
    assert_eq!(after(&MARIADB, &statements), "d.t(s date, e date, a int)");
    let period = ["CREATE TABLE t (period INT)", "ALTER TABLE t ADD period2 INT, DROP period"];
    assert_eq!(after(&MARIADB, &period), "d.t(period2 int)");
}

#[test]
fn periods_of_versioned_tables() {
    let own = "CREATE TABLE t (a INT, s TIMESTAMP(6) AS ROW START, e TIMESTAMP(6) AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING";
    let keyed = own.replace("a INT", "a INT PRIMARY KEY");
    let numbered = keyed.replace("TIMESTAMP(6)", "BIGINT UNSIGNED").replace("s BIG", "row_start BIG").replace("e BIG", "row_end BIG");
    let hidden = "CREATE TABLE t (a INT) WITH SYSTEM VERSIONING";
    let two = "CREATE TABLE t (a INT PRIMARY KEY, s TIMESTAMP(6), e TIMESTAMP(6))";
    for (create, alter) in [
        (own, "DROP s, DROP e"),
        (&*keyed, "DROP e, DROP s, ADD b INT"),
        (&*numbered, "DROP row_start, DROP row_end"),
        (own, "ADD PRIMARY KEY (a)"),
        (hidden, "ADD PRIMARY KEY (a)"),
        (&*keyed, "DROP PRIMARY KEY, ADD PRIMARY KEY (a)"),
    ] {
        let why = doubt(&MARIADB, &[create], format!("ALTER TABLE t {alter}").as_bytes());
        assert!(why.contains("versioning columns"), "{create}; {alter}: {why}");
    }
    for (create, alter, expected) in [
        (own, "DROP s, DROP e, DROP SYSTEM VERSIONING", "d.t(a int)"),
        (own, "DROP a", "d.t(s timestamp(6), e timestamp(6))"),
        (two, "DROP s, ADD b INT", "d.t(a int, e timestamp(6), b int; key a)"),
        (two, "ADD b INT, DROP PRIMARY KEY, ADD PRIMARY KEY (b)", "d.t(a int, s timestamp(6), e timestamp(6), b int; key b)"),
    ] {
        assert_eq!(after(&MARIADB, &[create, &format!("ALTER TABLE t {alter}")]), expected, "{create}; {alter}");
    }
}

#[test]
fn characters_of_five_bytes() {
    let t = "CREATE TABLE t (a CHAR(205), b CHAR(204), c TEXT(60)) CHARSET filename";
    assert_eq!(after(&MARIADB, &[t]), "d.t(a varchar/filename, b char/filename, c text/filename)");
    assert!(doubt(&MARIADB, &["CREATE TABLE t (a CHAR(3))"], b"ALTER TABLE t CONVERT TO CHARSET filename").contains("the column a"));
}

#[test]
fn labels_in_the_connections_character_set() {
    let ctx = StatementContext { collation_connection: Some(60), ..MARIADB };
    let t = "CREATE TABLE t (a ENUM('a','b') CHARSET binary, b ENUM('a'))";
    assert_eq!(after(&ctx, &[t]), "d.t(a enum{\0\0\0a|\0\0\0b}/binary, b enum{a}/latin1)");
    let binary = StatementContext { charset_client: Some(63), collation_connection: Some(63), ..MYSQL };
    let unassigned = doubt(&binary, &[], b"CREATE TABLE t (e ENUM('\xC8\x40') CHARSET big5)");
    assert!(unassigned.contains("a label is given as bytes"), "{unassigned}");
    let t =
        "CREATE TABLE t (a ENUM('a\\\\') CHARSET swe7, b ENUM('é') CHARSET latin1, c ENUM('a') CHARSET ucs2, d ENUM('é') CHARSET binary)";
    assert_eq!(after(&binary, &[t]), "d.t(a enum{aÖ}/swe7, b enum{Ã©}/latin1, c enum{a}/ucs2, d enum{é}/binary)");
    let why =
        doubt(&StatementContext { collation_connection: Some(8), ..MYSQL }, &[], "CREATE TABLE t (e ENUM('é') CHARSET binary)".as_bytes());
    assert!(why.contains("latin1"), "{why}");
}

#[test]
fn labels_pass_the_clients_and_the_connections_character_sets() {
    let t = "CREATE TABLE t (a ENUM('é😀') CHARSET utf8mb4, b ENUM(X'F09F9880') CHARSET utf8, c ENUM(X'D83DDE00') CHARSET utf16)";
    for (client, connection, a) in
        [(255, 255, "é😀"), (255, 33, "é?"), (255, 8, "é?"), (255, 54, "é😀"), (33, 33, "é????"), (33, 255, "é????")]
    {
        let ctx = StatementContext { charset_client: Some(client), collation_connection: Some(connection), ..MYSQL };
        assert_eq!(
            after(&ctx, &[t]),
            format!("d.t(a enum{{{a}}}/utf8mb4, b enum{{????}}/utf8, c enum{{😀}}/utf16)"),
            "{client}, {connection}"
        );
    }
}

#[test]
fn names_of_a_drop_that_the_server_wrote() {
    let latin1 = StatementContext { charset_client: Some(8), ..MARIADB };
    let latin1_old = StatementContext { dialect: Dialect::MySql, server_version: 50_624, ..latin1 };
    // Two letters in latin1, one in UTF-8.
    let bytes = b"DROP TABLE `t\xd1\x91` /* generated by server */";
    for (ctx, left) in [(&latin1, "d.t\u{451}(a int)"), (&latin1_old, "d.t\u{d1}\u{2018}(a int)")] {
        let mut schema = schema();
        run(
            &StatementContext { charset_client: Some(255), ..*ctx },
            &mut schema,
            &["CREATE TABLE t\u{451} (a INT)", "CREATE TABLE t\u{d1}\u{2018} (a INT)"],
        );
        interpret(bytes, ctx, &mut schema, &no_skip);
        assert_eq!(describe_all(&schema), left, "{ctx:?}");
    }
}

#[test]
fn columns_changed_by_the_statement_that_adds_them() {
    let t = "CREATE TABLE t (a INT, b INT)";
    for (clauses, expected) in [
        ("ADD c INT FIRST, MODIFY c BIGINT, CHANGE b b2 BIGINT", "d.t(a int, b2 bigint, c bigint)"),
        ("ADD c INT, ADD d INT, MODIFY c BIGINT", "d.t(a int, b int, d int, c bigint)"),
        ("ADD c INT PRIMARY KEY, MODIFY c BIGINT FIRST", "d.t(c bigint, a int, b int; key c)"),
        ("ADD C INT, CHANGE c c BIGINT AFTER a, MODIFY c INT", "d.t(a int, b int, c int)"),
        ("ADD IF NOT EXISTS c INT, MODIFY IF EXISTS c BIGINT FIRST", "d.t(a int, b int, c int)"),
    ] {
        assert_eq!(after(&MARIADB, &[t, &format!("ALTER TABLE t {clauses}")]), expected, "{clauses}");
    }
    assert!(doubt(&MYSQL, &[t], b"ALTER TABLE t ADD c INT, MODIFY c BIGINT").contains("is not known"));
}

#[test]
fn a_key_dropped_as_a_constraint() {
    for drop in ["DROP CONSTRAINT PRIMARY KEY", "DROP CONSTRAINT `PRIMARY`", "DROP CONSTRAINT IF EXISTS `primary`"] {
        let statements = ["CREATE TABLE t (a INT PRIMARY KEY)", &format!("ALTER TABLE t {drop}")];
        assert_eq!(after(&MARIADB, &statements), "d.t(a int)", "{drop}");
    }
}

#[test]
fn versioning_as_an_option() {
    let t = "CREATE TABLE t (x INT PRIMARY KEY, y INT)";
    let on = "ALTER TABLE t WITH SYSTEM VERSIONING, ADD z INT";
    let hidden = "row_start timestamp(6), row_end timestamp(6)";
    assert_eq!(after(&MARIADB, &[t, on]), format!("d.t(x int, y int, z int, {hidden}; key x, row_end)"));
    assert_eq!(after(&MARIADB, &[t, on, "ALTER TABLE t DROP x"]), format!("d.t(y int, z int, {hidden})"));
    let off = "ALTER TABLE t ADD f INT WITH SYSTEM VERSIONING, DROP SYSTEM VERSIONING";
    assert_eq!(after(&MARIADB, &["CREATE TABLE t (x INT) WITH SYSTEM VERSIONING", off]), "d.t(x int, f int)");
}

#[test]
fn names_in_brackets() {
    let mssql = StatementContext { sql_mode: lexer::MODE_MSSQL | lexer::MODE_ANSI_QUOTES, ..MARIADB };
    assert_eq!(after(&mssql, &["CREATE TABLE [t[1]]] ([a b] INT, [c`d] INT, `[` INT)"]), "d.t[1](a b int, c`d int, [ int)");
    assert!(doubt(&MARIADB, &[], b"CREATE TABLE t ([a] INT)").contains("a name expected"));
}

#[test]
fn references_with_a_name() {
    let t = "CREATE TABLE t (y INT CONSTRAINT fk REFERENCES u (x) ON DELETE SET NULL, z INT CONSTRAINT REFERENCES u (x) NOT NULL)";
    assert_eq!(after(&MARIADB, &[t]), "d.t(y int, z int)");
}

#[test]
fn types_of_other_systems() {
    let t =
        "CREATE TABLE t (d TIMESTAMP, m mariadb_schema.TIMESTAMP, x maxdb_schema.TIMESTAMP(3), o oracle_schema.DATE, b maxdb_schema.BLOB)";
    let oracle = StatementContext { sql_mode: lexer::MODE_ORACLE, ..MARIADB };
    let maxdb = StatementContext { sql_mode: lexer::MODE_MAXDB, ..MARIADB };
    assert_eq!(after(&MARIADB, &[t]), "d.t(d timestamp, m timestamp, x datetime(3), o datetime, b blob)");
    assert_eq!(after(&maxdb, &[t]), "d.t(d datetime, m timestamp, x datetime(3), o datetime, b blob)");
    assert_eq!(after(&oracle, &[t]), "d.t(d timestamp, m timestamp, x datetime(3), o datetime, b longblob)");
}

#[test]
fn timestamps_under_maxdb() {
    let maxdb = StatementContext { sql_mode: lexer::MODE_MAXDB, ..MARIADB };
    assert_eq!(after(&maxdb, &["CREATE TABLE t (a TIMESTAMP, b TIMESTAMP(5))"]), "d.t(a datetime, b datetime(5))");
}
