//! Cases by statement: statements in order, and every table afterwards.

use super::*;
use crate::schema::CaseRule;

fn check(ctx: &StatementContext<'_>, cases: &[(&[&str], &str)]) {
    for (statements, expected) in cases {
        let mut schema = schema();
        run(ctx, &mut schema, statements);
        assert_eq!(describe_all(&schema), *expected, "{statements:?}");
    }
}

/// One table made of these columns on MySQL, or the reason why not.
fn columns(ctx: &StatementContext<'_>, definitions: &str) -> String {
    let mut schema = schema();
    match interpret(format!("CREATE TABLE t ({definitions})").as_bytes(), ctx, &mut schema, &no_skip) {
        Outcome::Changes(changes) => describe(changes.last().and_then(SchemaChange::def).expect("a table")),
        other => format!("{other:?}"),
    }
}

#[test]
fn types_and_aliases() {
    let cases = [
        (
            "a INT1, b int2(3), c INT3, d middleint unsigned, e integer, f int4, g INT8 ZEROFILL, h BOOL, i boolean, j BIGINT SIGNED",
            "a tinyint, b smallint, c mediumint, d mediumint unsigned, e int, f int, g bigint unsigned, h tinyint, i tinyint, j bigint",
        ),
        (
            "id SERIAL, b BIT(3), c DEC(3,1), d FIXED(2), e NUMERIC UNSIGNED, f FLOAT(24), g FLOAT(25), h FLOAT(30,2), i DOUBLE PRECISION, j REAL, k FLOAT4, l FLOAT8",
            "id bigint unsigned, b bit, c decimal, d decimal, e decimal, f float, g double, h float, i double, j double, k float, l double",
        ),
        (
            "a CHAR, b CHARACTER VARYING(3), c NATIONAL VARCHAR(3), d NCHAR VARCHAR(2), e NVARCHAR(2), f NATIONAL CHAR VARYING(2), g NCHAR(3)",
            "a char/latin1, b varchar/latin1, c varchar/utf8, d varchar/utf8, e varchar/utf8, f varchar/utf8, g char/utf8",
        ),
        (
            "a LONG, b LONG VARCHAR, c LONG VARBINARY, d TEXT(63) CHARSET utf8mb4, e TEXT(64) CHARSET utf8mb4, f TEXT(70000), g BLOB(255), h BLOB(256), i TEXT(16777216)",
            "a mediumtext/latin1, b mediumtext/latin1, c mediumblob, d tinytext/utf8mb4, e text/utf8mb4, f mediumtext/latin1, g tinyblob, h blob, i longtext/latin1",
        ),
        (
            "a CHAR(3) BYTE, b TEXT BYTE, c VARCHAR(3) BINARY, d CHAR(3) ASCII, e CHAR(3) UNICODE, f VARCHAR(9) CHARACTER SET = 'UTF8MB4', g TEXT CHARSET binary",
            "a binary, b blob, c varchar/latin1, d char/latin1, e char/ucs2, f varchar/utf8mb4, g text/binary",
        ),
        (
            "a VARCHAR(5) COLLATE cp1251_bin, b CHAR(2) NOT NULL COLLATE 'utf8mb4_0900_ai_ci', c VARCHAR(70000), d VARBINARY(70000), e VARCHAR(20000) CHARSET utf8mb4",
            "a varchar/cp1251, b char/utf8mb4, c mediumtext/latin1, d mediumblob, e mediumtext/utf8mb4",
        ),
        (
            "a ENUM('a  ','it''s',\"d\"\"q\",'x\\ty', N'n', 0x41) COLLATE utf8mb4_bin, b SET(' x ','y')",
            "a enum{a|it's|d\"q|x\ty|n|A}/utf8mb4, b set{ x|y}/latin1",
        ),
        (
            "a DATETIME(3), b TIMESTAMP(6), c TIME(1), d TIME, e YEAR(4), f DATE, g JSON, h GEOMCOLLECTION, i POINT SRID 4326, j VECTOR(3), k UUID",
            "a datetime(3), b timestamp(6), c time(1), d time, e year, f date, g json, h geometrycollection, i point, j vector, k uuid",
        ),
    ];
    for (definitions, expected) in cases {
        assert_eq!(columns(&MYSQL, definitions), expected, "{definitions}");
    }
    let float = StatementContext { sql_mode: lexer::MODE_REAL_AS_FLOAT, ..MYSQL };
    assert_eq!(columns(&float, "a REAL, b DOUBLE"), "a float, b double");
    let oracle = StatementContext { sql_mode: lexer::MODE_ORACLE, ..MARIADB };
    assert_eq!(
        columns(&oracle, "a VARCHAR2(9), b NUMBER, c NUMBER(3), d RAW(3), e CLOB, f DATE, g BLOB, h mariadb_schema.date"),
        "a varchar/latin1, b double, c decimal, d varbinary, e longtext/latin1, f datetime, g longblob, h date"
    );
}

#[test]
fn attributes_are_passed_over() {
    let cases = [
        "a INT NOT NULL DEFAULT 1.5e3 COMMENT 'a, b) int' UNIQUE KEY",
        "a INT DEFAULT (1 + (2, 3)) CHECK (a > 0) NOT ENFORCED",
        "a INT DEFAULT -1 AUTO_INCREMENT COLUMN_FORMAT FIXED STORAGE DISK",
        "a INT AS (b * 2) VIRTUAL NOT NULL INVISIBLE",
        "a INT GENERATED ALWAYS AS (concat('),', `b`)) STORED COMMENT \"x\"",
        "a INT REFERENCES o.t (id, b) MATCH FULL ON DELETE SET NULL ON UPDATE NO ACTION",
        "a INT DEFAULT NULL SERIAL DEFAULT VALUE",
        "a INT CONSTRAINT c CHECK (a IN (1,2)) ENFORCED",
        "a INT DEFAULT b'101', CONSTRAINT UNIQUE (a), KEY k ((a + 1)), FULLTEXT INDEX f (a) WITH PARSER p",
        "a INT DEFAULT _utf8mb4'x' 'y' ON UPDATE CURRENT_TIMESTAMP(6), CHECK (a > 0), INDEX (a) USING BTREE COMMENT ','",
        "a INT ENGINE_ATTRIBUTE='{}' SECONDARY_ENGINE_ATTRIBUTE '{}' NOT SECONDARY",
        "a INT DEFAULT uuid(), FOREIGN KEY fk (a) REFERENCES x (y) ON DELETE SET DEFAULT",
        "a INT DEFAULT CASE WHEN 1 THEN CASE 2 WHEN 3 THEN 4 END ELSE 5 END COMPRESSED=zlib",
        "a INT DEFAULT NEXT VALUE FOR d.s, PERIOD FOR p (x, y)",
        "a INT DEFAULT nextval(`d`.s) x_option=5 WITHOUT SYSTEM VERSIONING",
    ];
    for definitions in cases {
        assert_eq!(columns(&MARIADB, definitions), "a int", "{definitions}");
    }
}

#[test]
fn create_table() {
    check(
        &MYSQL,
        &[
            (&["CREATE TABLE t (a INT KEY, b VARCHAR(3))"], "d.t(a int, b varchar/latin1; key a)"),
            (
                &["create table if not exists `o`.`t` (A int, `b``c` text, primary key using btree (a DESC, `b``c`(3)))"],
                "o.t(A int, b`c text/utf8mb4; key A, b`c)",
            ),
            (
                &[
                    "CREATE TABLE t (a VARCHAR(1), b INT, CONSTRAINT pk PRIMARY KEY (b)) ENGINE InnoDB DEFAULT CHARACTER SET = sjis COMMENT='charset=x' COLLATE sjis_bin",
                ],
                "d.t(a varchar/sjis, b int; key b)",
            ),
            (
                &[
                    "CREATE TABLE t (a VARCHAR(1)) COLLATE=greek_bin PARTITION BY RANGE (x) (PARTITION p VALUES LESS THAN (3) COMMENT 'CHARSET')",
                ],
                "d.t(a varchar/greek)",
            ),
            (&["CREATE TABLE t (a VARCHAR(1)) UNION=(x, o.y) CHARSET DEFAULT START TRANSACTION;"], "d.t(a varchar/latin1)"),
            (
                &[
                    "CREATE TABLE s (a INT KEY)",
                    "CREATE TABLE o.t LIKE s",
                    "CREATE TABLE u (LIKE o.t)",
                    "CREATE TABLE IF NOT EXISTS u (zz INT)",
                ],
                "d.s(a int; key a) d.u(a int; key a) o.t(a int; key a)",
            ),
            (&["CREATE TABLE t (a INT)", "CREATE TABLE t (b INT)"], "d.t(b int)"),
            (&["CREATE /*!50000 TABLE */ t /*!99999 (x INT) */ (\"a\" INT) -- end"], "d.t(a int)"),
        ],
    );
    check(&MYSQL, &[(&["CREATE TABLE 1t (1a INT, `😀` INT)"], "d.1t(1a int, ? int)")]);
    check(
        &MARIADB,
        &[
            (
                &[
                    "CREATE OR REPLACE TABLE t (a INT)",
                    "CREATE OR REPLACE TABLE IF NOT EXISTS t (b JSON, c TEXT CHARSET utf8 CHECK (json_valid(`c`)))",
                ],
                "d.t(b json, c json)",
            ),
            (
                &["CREATE SEQUENCE s START WITH 5"],
                "d.s(next_not_cached_value bigint, minimum_value bigint, maximum_value bigint, start_value bigint, increment bigint, cache_size bigint unsigned, cycle_option tinyint unsigned, cycle_count bigint)",
            ),
            (&["CREATE SEQUENCE s AS INT UNSIGNED INCREMENT 2", "DROP SEQUENCE IF EXISTS s"], ""),
            (
                &["CREATE TABLE t (id INT PRIMARY KEY) WITH SYSTEM VERSIONING"],
                "d.t(id int, row_start timestamp(6), row_end timestamp(6); key id, row_end)",
            ),
            (
                &[
                    "CREATE TABLE t (a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) AS ROW END, PERIOD FOR SYSTEM_TIME(s, e), PRIMARY KEY (a)) WITH SYSTEM VERSIONING",
                ],
                "d.t(a int, s timestamp(6), e timestamp(6); key a, e)",
            ),
            (
                &["CREATE TABLE t (a INT, s DATE, e DATE, PERIOD FOR p(s,e), PRIMARY KEY(a, p WITHOUT OVERLAPS))"],
                "d.t(a int, s date, e date; key a, e, s)",
            ),
            (&["SET STATEMENT max_statement_time=(select 1), x='FOR' FOR CREATE TABLE t (a INT)"], "d.t(a int)"),
        ],
    );
}

const T: &str = "CREATE TABLE t (a INT, b VARCHAR(3), c TEXT, PRIMARY KEY (a))";

#[test]
fn alter_table() {
    check(
        &MYSQL,
        &[
            (
                &[T, "ALTER TABLE t ADD d INT FIRST, ADD COLUMN (e INT, f INT), ADD g INT AFTER A"],
                "d.t(d int, a int, g int, b varchar/latin1, c text/latin1, e int, f int; key a)",
            ),
            (&[T, "ALTER TABLE t CHANGE a b INT, CHANGE b a INT"], "d.t(b int, a int, c text/latin1; key b)"),
            (
                &[T, "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a, ADD x INT AFTER b"],
                "d.t(b int, x int, a varchar/latin1, c text/latin1; key b)",
            ),
            (
                &[T, "ALTER TABLE t MODIFY c BIGINT FIRST, MODIFY a INT AFTER b, ADD e INT AFTER b, ADD f INT AFTER e"],
                "d.t(c bigint, b varchar/latin1, e int, f int, a int; key a)",
            ),
            (&[T, "ALTER TABLE t DROP a, DROP COLUMN c RESTRICT"], "d.t(b varchar/latin1)"),
            (&[T, "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b, A)"], "d.t(a int, b varchar/latin1, c text/latin1; key b, a)"),
            (
                &[T, "ALTER TABLE t ADD CONSTRAINT PRIMARY KEY (b), DROP KEY `PRIMARY`"],
                "d.t(a int, b varchar/latin1, c text/latin1; key b)",
            ),
            (
                &[T, "DROP INDEX `primary` ON t", "ALTER TABLE t ADD id INT AUTO_INCREMENT PRIMARY KEY FIRST"],
                "d.t(id int, a int, b varchar/latin1, c text/latin1; key id)",
            ),
            (&[T, "ALTER TABLE t DROP a, ADD a BIGINT FIRST"], "d.t(a bigint, b varchar/latin1, c text/latin1; key a)"),
            (
                &[
                    T,
                    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4, ADD d VARCHAR(3) CHARSET sjis, ADD e CHAR(1) CHARSET binary",
                    "ALTER TABLE t ADD f TEXT",
                ],
                "d.t(a int, b varchar/utf8mb4, c mediumtext/utf8mb4, d varchar/utf8mb4, e char/binary, f text/utf8mb4; key a)",
            ),
            (
                &[
                    T,
                    "ALTER TABLE t CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, ADD d VARCHAR(3)",
                    "ALTER TABLE t COLLATE = greek_bin, MODIFY b CHAR(3)",
                ],
                "d.t(a int, b char/greek, c text/latin1, d varchar/utf8mb4; key a)",
            ),
            (
                &[
                    T,
                    "ALTER TABLE t DEFAULT CHARSET=sjis",
                    "ALTER TABLE t DEFAULT CHARACTER SET DEFAULT, ADD d TEXT",
                    "ALTER TABLE t CONVERT TO CHARSET DEFAULT",
                ],
                "d.t(a int, b varchar/latin1, c text/latin1, d text/latin1; key a)",
            ),
            (
                &[
                    T,
                    "ALTER TABLE t ENGINE=InnoDB ROW_FORMAT=DYNAMIC COMMENT 'ADD x INT', AUTO_INCREMENT=5, ALGORITHM=INPLACE, LOCK NONE, ADD z INT PARTITION BY HASH(z) PARTITIONS 4",
                ],
                "d.t(a int, b varchar/latin1, c text/latin1, z int; key a)",
            ),
            (
                &[
                    T,
                    "ALTER IGNORE TABLE t ALTER COLUMN a SET DEFAULT (uuid()), ALTER INDEX i INVISIBLE, ALTER b DROP DEFAULT, RENAME INDEX x TO y, FORCE, ADD UNIQUE u (b), ADD SPATIAL INDEX (c), DROP FOREIGN KEY f, DROP CHECK c1, DISABLE KEYS, WITHOUT VALIDATION, ORDER BY a, b",
                ],
                "d.t(a int, b varchar/latin1, c text/latin1; key a)",
            ),
            (
                &[
                    T,
                    "ALTER TABLE t DROP PARTITION p0, p1",
                    "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE x WITH VALIDATION",
                    "ALTER TABLE t ADD PARTITION PARTITIONS 2",
                    "ALTER TABLE t ALGORITHM=COPY, LOCK=SHARED, REORGANIZE PARTITION a, b INTO (PARTITION c VALUES IN (1, 2))",
                    "ALTER TABLE t TRUNCATE PARTITION a, b",
                    "ALTER TABLE t CHECKSUM 1",
                ],
                "d.t(a int, b varchar/latin1, c text/latin1; key a)",
            ),
            (&[T, "ALTER TABLE d.t RENAME TO o.u, ADD d INT"], "o.u(a int, b varchar/latin1, c text/latin1, d int; key a)"),
            (
                &[T, "ALTER TABLE t RENAME u", "ALTER TABLE u RENAME AS `v`", "ALTER TABLE v RENAME = w"],
                "d.w(a int, b varchar/latin1, c text/latin1; key a)",
            ),
        ],
    );
}

#[test]
fn keys_and_defaults_as_tried_on_servers() {
    check(
        &MARIADB,
        &[
            (&["CREATE TABLE t (a INT, b INT)", "ALTER TABLE t ADD COLUMN IF NOT EXISTS b INT KEY"], "d.t(a int, b int; key b)"),
            (&["CREATE TABLE t (a INT KEY)", "ALTER TABLE t ADD IF NOT EXISTS b INT KEY"], "d.t(a int, b int; key a)"),
        ],
    );
    check(
        &MYSQL,
        &[
            (&["CREATE TABLE t (a CHAR(1)) CHARACTER SET DEFAULT COLLATE=cp1251_bin"], "d.t(a char/cp1251)"),
            (&["CREATE TABLE t (a CHAR(1)) COLLATE=cp1251_bin CHARACTER SET DEFAULT"], "d.t(a char/latin1)"),
        ],
    );
}

#[test]
fn convert_to_the_default() {
    let statements: &[&str] = &["CREATE TABLE o.t (a VARCHAR(3))", "ALTER TABLE o.t CONVERT TO CHARACTER SET DEFAULT"];
    check(&MYSQL, &[(statements, "o.t(a varchar/latin1)")]);
    check(&MARIADB, &[(statements, "o.t(a varchar/utf8mb4)")]);
}

#[test]
fn places_as_tried_on_servers() {
    let three = "CREATE TABLE t (g INT, b INT, f INT)";
    check(&MYSQL, &[(&[three, "ALTER TABLE t ADD d INT AFTER h, CHANGE f h DEC FIRST"], "d.t(h decimal, g int, b int, d int)")]);
    let change_and_add = "ALTER TABLE t CHANGE IF EXISTS x e INT, ADD IF NOT EXISTS e TEXT, ADD IF NOT EXISTS k INT FIRST";
    check(&MARIADB, &[(&[three, change_and_add], "d.t(k int, g int, b int, f int)")]);
}

#[test]
fn converting_nothing_on_5_6() {
    let old = StatementContext { server_version: 50_624, ..MYSQL };
    let statements = |convert| ["CREATE TABLE t (a INT)", convert, "ALTER TABLE t ADD b CHAR(1)"];
    let (alone, mixed) =
        (statements("ALTER TABLE t CONVERT TO CHARSET sjis"), statements("ALTER TABLE t CONVERT TO CHARSET sjis, COMMENT ''"));
    check(&old, &[(&alone, "d.t(a int, b char/latin1)"), (&mixed, "d.t(a int, b char/sjis)")]);
    check(&MYSQL, &[(&alone, "d.t(a int, b char/sjis)")]);
    // Columns that have the character set already may have another collation of it.
    let mut schema = schema();
    run(&old, &mut schema, &["CREATE TABLE t (a CHAR(3) CHARSET sjis)"]);
    let outcome = interpret(b"ALTER TABLE t CONVERT TO CHARSET sjis COLLATE sjis_bin", &old, &mut schema, &no_skip);
    assert!(matches!(outcome, Outcome::Unproved { why, .. } if why.contains("what the server makes of the columns")));
}

#[test]
fn alter_table_on_mariadb() {
    check(
        &MARIADB,
        &[
            (
                &[
                    T,
                    "ALTER TABLE IF EXISTS t NOWAIT ADD COLUMN IF NOT EXISTS B INT, ADD IF NOT EXISTS (d INT), ADD IF NOT EXISTS d TEXT, DROP IF EXISTS zz, MODIFY COLUMN IF EXISTS q INT, CHANGE IF EXISTS q q2 INT, RENAME COLUMN IF EXISTS q TO r",
                ],
                "d.t(a int, b varchar/latin1, c text/latin1, d int; key a)",
            ),
            (
                &[
                    T,
                    "ALTER ONLINE TABLE t WAIT 5 ADD CONSTRAINT IF NOT EXISTS ck CHECK (a > 1), ADD PRIMARY KEY IF NOT EXISTS (b), ALTER INDEX i IGNORED",
                ],
                "d.t(a int, b varchar/latin1, c text/latin1; key a)",
            ),
            (
                &[T, "ALTER TABLE t ADD SYSTEM VERSIONING", "ALTER TABLE t ADD x INT, ADD y INT FIRST"],
                "d.t(y int, a int, b varchar/latin1, c text/latin1, x int, row_start timestamp(6), row_end timestamp(6); key a, row_end)",
            ),
            (
                &[T, "ALTER TABLE t ADD SYSTEM VERSIONING", "ALTER TABLE t DROP SYSTEM VERSIONING"],
                "d.t(a int, b varchar/latin1, c text/latin1; key a)",
            ),
            (
                &[
                    T,
                    "ALTER TABLE t CONVERT PARTITION p TO TABLE o.p",
                    "CREATE TABLE q LIKE t",
                    "ALTER TABLE t CONVERT TABLE q TO PARTITION q VALUES LESS THAN (1)",
                ],
                "d.t(a int, b varchar/latin1, c text/latin1; key a) o.p(a int, b varchar/latin1, c text/latin1; key a)",
            ),
        ],
    );
}

#[test]
fn rename_drop_and_databases() {
    let two: [&str; 2] = ["CREATE TABLE x (a INT)", "CREATE TABLE o.y (b INT)"];
    let with = |more: &'static str| [two[0], two[1], more];
    check(
        &MYSQL,
        &[
            (&with("RENAME TABLE x TO t, o.y TO x, t TO o.y"), "d.x(b int) o.y(a int)"),
            (&with("RENAME TABLES x TO o.x"), "o.y(b int) o.x(a int)"),
            (&with("DROP TABLE x, o.y CASCADE"), ""),
            (&with("DROP TABLE IF EXISTS nope, x /* generated by server */"), "o.y(b int)"),
            (&with("DROP DATABASE o"), "d.x(a int)"),
            (&with("DROP SCHEMA IF EXISTS nope"), "d.x(a int) o.y(b int)"),
            (&with("TRUNCATE TABLE x"), "d.x(a int) o.y(b int)"),
        ],
    );
    check(
        &MARIADB,
        &[
            (&with("RENAME TABLE IF EXISTS nope TO z, x WAIT 5 TO z"), "d.z(a int) o.y(b int)"),
            (&with("DROP TABLE x WAIT 3"), "o.y(b int)"),
        ],
    );
}

#[test]
fn database_character_sets() {
    let greek = StatementContext { collation_server: Some(25), ..MYSQL };
    let cases = [
        (MYSQL, "CREATE DATABASE n", Some("utf8mb4")),
        (greek, "CREATE DATABASE n COMMENT 'x'", Some("greek")),
        (greek, "CREATE DATABASE n CHARACTER SET DEFAULT", Some("greek")),
        (greek, "CREATE SCHEMA IF NOT EXISTS n DEFAULT CHARACTER SET = utf8 COLLATE utf8_bin", Some("utf8")),
        (greek, "CREATE DATABASE n COLLATE latin1_german1_ci", Some("latin1")),
        (MYSQL, "ALTER DATABASE o CHARSET sjis", Some("sjis")),
        (MYSQL, "ALTER DATABASE COLLATE sjis_bin", Some("sjis")),
        (MYSQL, "ALTER DATABASE CHARACTER SET cp1251", Some("cp1251")),
        (MYSQL, "ALTER SCHEMA o READ ONLY = 1", None),
        (MYSQL, "ALTER DATABASE encryption='N'", None),
    ];
    for (ctx, sql, expected) in cases {
        let changes = run(&ctx, &mut schema(), &[sql]);
        match &changes[..] {
            [SchemaChange::DatabaseCreate { charset, .. }] => assert_eq!(Some(charset.as_str()), expected, "{sql}"),
            [SchemaChange::DatabaseAlter { charset, .. }] => assert_eq!(charset.as_deref(), expected, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert_eq!(run(&MYSQL, &mut schema(), &["CREATE DATABASE IF NOT EXISTS d"]), []);
}

#[test]
fn statements_that_define_nothing() {
    let cases = [
        "",
        "  -- nothing",
        "BEGIN",
        "COMMIT",
        "ROLLBACK TO s",
        "SAVEPOINT x",
        "XA START 'x'",
        "SET @a = 1",
        "FLUSH TABLES",
        "ANALYZE TABLE t",
        "INSERT INTO t VALUES (1)",
        "DELETE FROM t",
        "TRUNCATE t",
        "OPTIMIZE TABLE t",
        "GRANT ALL ON *.* TO x",
        "CREATE USER u",
        "RENAME USER a TO b",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "CREATE ALGORITHM=MERGE VIEW v AS SELECT 1",
        "ALTER DEFINER = x@y SQL SECURITY INVOKER VIEW v AS SELECT 1",
        "DROP VIEW IF EXISTS v",
        "CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
        "CREATE DEFINER=`a`@`b` PROCEDURE p() ALTER TABLE t ADD x INT",
        "CREATE AGGREGATE FUNCTION f RETURNS INT SONAME 'x'",
        "DROP EVENT e",
        "CREATE UNIQUE INDEX i ON t (a)",
        "DROP INDEX i ON t",
        "ALTER INSTANCE ROTATE INNODB MASTER KEY",
        "CREATE TEMPORARY TABLE t (a INT)",
        "CREATE OR REPLACE TEMPORARY TABLE t (a INT)",
        "DROP TEMPORARY TABLE IF EXISTS `t`",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u')",
        "CREATE TABLESPACE x",
        "CREATE ROLE r",
        "ALTER SEQUENCE s RESTART 5",
        "SET STATEMENT a=1 FOR INSERT INTO t VALUES (1)",
        "CALL mysql.rds_kill(1)",
        "DROP TABLE IF EXISTS nope",
    ];
    for sql in cases {
        let mut before = schema();
        assert_eq!(interpret(sql.as_bytes(), &MARIADB, &mut before, &no_skip), Outcome::Nothing, "{sql}");
        assert_eq!(before, schema(), "{sql}");
    }
}

fn unproved(ctx: &StatementContext<'_>, sql: &[u8]) -> Vec<(String, Option<String>)> {
    let mut now = schema();
    run(&MYSQL, &mut now, &[T]);
    let before = now.clone();
    let Outcome::Unproved { concerns, why } = interpret(sql, ctx, &mut now, &no_skip) else { panic!("{}", String::from_utf8_lossy(sql)) };
    assert!(now == before && !why.is_empty());
    concerns
}

#[test]
fn what_is_not_understood_names_its_tables() {
    let table = |d: &str, t: &str| (d.to_string(), Some(t.to_string()));
    let failed = StatementContext { error_code: 1051, ..MYSQL };
    let sjis = StatementContext { charset_client: Some(13), ..MYSQL };
    let cases: [(&StatementContext<'_>, &[u8], Vec<_>); 16] = [
        (&MYSQL, b"ALTER TABLE t FROBNICATE c", vec![table("d", "t")]),
        (&MYSQL, b"ALTER TABLE t ADD c INT SHINY", vec![table("d", "t")]),
        (&MYSQL, b"ALTER TABLE o.nope ADD c INT, RENAME TO x", vec![table("o", "nope"), table("d", "x")]),
        (&MYSQL, b"ALTER TABLE t DROP nope", vec![table("d", "t")]),
        (&MYSQL, b"ALTER TABLE t ADD a INT", vec![table("d", "t")]),
        (&MYSQL, b"ALTER TABLE t MODIFY a INT AFTER nope", vec![table("d", "t")]),
        (&MYSQL, b"ALTER TABLE t COLLATE klingon_ci", vec![table("d", "t")]),
        (&MYSQL, b"CREATE TABLE n (a INT) AS SELECT 1", vec![table("d", "n")]),
        (&MYSQL, b"CREATE TABLE n SELECT 1", vec![table("d", "n")]),
        (&MYSQL, b"CREATE TABLE nope.n (a INT)", vec![table("nope", "n")]),
        (&MYSQL, b"RENAME TABLE t TO u, nope TO v", vec![table("d", "nope"), table("d", "v"), table("d", "t"), table("d", "u")]),
        (&MYSQL, b"CREATE TABLE n (a INT, b 'x", vec![table("d", "n")]),
        (&failed, b"DROP TABLE t, missing", vec![table("d", "t"), table("d", "missing")]),
        (&failed, b"DROP DATABASE o", vec![("o".into(), None)]),
        (&sjis, b"ALTER TABLE t ADD `\x83\x20` INT", vec![table("d", "t")]),
        (&MYSQL, b"ALTER TABLE t ADD `\xff` INT", vec![table("d", "t")]),
    ];
    for (ctx, sql, expected) in cases {
        assert_eq!(unproved(ctx, sql), expected, "{}", String::from_utf8_lossy(sql));
    }
    assert_eq!(unproved(&MYSQL, b"FROBNICATE TABLES"), []);
}

#[test]
fn generated_primary_key_and_doubt() {
    let key = "CREATE TABLE t (my_row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY, a INT)";
    check(
        &MYSQL,
        &[(&[key, "ALTER TABLE t ADD b INT FIRST, MODIFY a INT FIRST"], "d.t(my_row_id bigint unsigned, a int, b int; key my_row_id)")],
    );
    let mut schema = schema();
    run(&MYSQL, &mut schema, &[key]);
    let doubt = interpret(b"ALTER TABLE t ADD b BIGINT FIRST", &MYSQL, &mut schema, &no_skip);
    assert!(matches!(doubt, Outcome::Unproved { .. }), "{doubt:?}");
}

#[test]
fn quoting_follows_sql_mode() {
    let plain = StatementContext { sql_mode: MODE_NO_BACKSLASH_ESCAPES, ..MYSQL };
    let ansi = StatementContext { sql_mode: MODE_ANSI_QUOTES, ..MYSQL };
    assert_eq!(columns(&plain, r"e ENUM('a\'), f INT DEFAULT '\'"), r"e enum{a\}/latin1, f int");
    assert_eq!(columns(&MYSQL, r"e ENUM('a\',b')"), "e enum{a',b}/latin1");
    assert_eq!(columns(&ansi, r#""x\" INT COMMENT 'y'"#), r"x\ int");
}

#[test]
fn letter_case_of_names() {
    let mut lower = Schema { case: CaseRule::Lower, ..schema() };
    let changes = run(&MYSQL, &mut lower, &["CREATE TABLE D.MyT (Id INT)", "ALTER TABLE MYT ADD b INT", "RENAME TABLE myt TO Other"]);
    assert_eq!(describe_all(&lower), "d.other(Id int, b int)");
    assert_eq!(changes[0].names(), ("d", Some("myt")));
    let mut kept = Schema { case: CaseRule::Insensitive, ..schema() };
    run(&MYSQL, &mut kept, &["CREATE TABLE MyT (Id INT)", "RENAME TABLE myt TO MYT"]);
    assert_eq!(describe_all(&kept), "d.MYT(Id int)");
    let mut both = schema();
    run(&MYSQL, &mut both, &["CREATE TABLE T (a INT)", "CREATE TABLE t (b INT)", "DROP TABLE T"]);
    assert_eq!(describe_all(&both), "d.t(b int)");
}

#[test]
fn skipped_tables_are_not_followed() {
    let skip = |database: &str, table: Option<&str>| database == "o" || table == Some("secret");
    let mut now = schema();
    let mut go = |sql: &str| interpret(sql.as_bytes(), &MYSQL, &mut now, &skip);
    assert_eq!(go("CREATE TABLE secret (a INT)"), Outcome::Nothing);
    assert_eq!(go("ALTER TABLE secret SHINY"), Outcome::Nothing);
    assert_eq!(go("CREATE TABLE o.x AS SELECT 1"), Outcome::Nothing);
    assert_eq!(go("CREATE TABLE mysql.rds_x AS SELECT 1"), Outcome::Nothing);
    assert!(matches!(go("RENAME TABLE secret TO t"), Outcome::Unproved { .. }));
    assert!(matches!(go("CREATE TABLE t (a INT)"), Outcome::Changes(_)));
}

#[test]
fn changes_are_in_the_statements_words() {
    let mut now = schema();
    let changes = run(&MYSQL, &mut now, &[T, "CREATE TABLE o.t (x INT)", "RENAME TABLE t TO o.t"]);
    // What is in the way of a new name was not there for the server: it is dropped first.
    let kinds: Vec<_> = changes.iter().map(|c| (c.type_name(), c.names())).collect();
    assert_eq!(kinds, [("table-drop", ("o", Some("t"))), ("table-alter", ("d", Some("t")))]);
    let def = changes[1].def().expect("a table");
    assert_eq!((def.database.as_str(), def.name.as_str()), ("o", "t"));
}

/// Views are captured like tables, and DROP VIEW is not followed: whether a table was made in the place of one is for the server
/// to say.
#[test]
fn tables_made_under_the_name_of_a_view() {
    let view = Table { database: "d".into(), name: "v".into(), charset: None, columns: Vec::new(), primary_key: Vec::new() };
    let captured = || {
        let mut schema = schema();
        run(&MYSQL, &mut schema, &["CREATE TABLE t (a INT)"]);
        schema.database_mut("d").expect("a database").tables.push(Arc::new(view.clone()));
        schema
    };
    let mut now = captured();
    assert_eq!(interpret(b"DROP VIEW v", &MYSQL, &mut now, &no_skip), Outcome::Nothing);
    match interpret(b"CREATE TABLE IF NOT EXISTS v (b INT)", &MYSQL, &mut now, &no_skip) {
        Outcome::Unproved { concerns, .. } => assert_eq!(concerns, [("d".to_string(), Some("v".to_string()))]),
        other => panic!("{other:?}"),
    }
    assert_eq!(now, captured());
    assert_eq!(interpret(b"CREATE TABLE IF NOT EXISTS t (b INT)", &MYSQL, &mut now, &no_skip), Outcome::Nothing);
    run(&MYSQL, &mut now, &["CREATE TABLE v (b INT)"]);
    assert_eq!(describe_all(&now), "d.t(a int) d.v(b int)");
}
