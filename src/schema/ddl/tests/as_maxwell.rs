//! The definitions that Maxwell has after a statement, for `maxwell_quirks` (contract §8.4, §8.5). What the recorded cases
//! show is compared by `tests/golden.rs`; here is what they do not.

use std::sync::Arc;

use super::super::as_maxwell::View;
use super::*;

/// A schema that is followed with Maxwell's eyes through these statements.
fn after(statements: &[&str]) -> Schema {
    let mut schema = schema();
    schema.as_maxwell = Some(Arc::new(View::of(&schema)));
    run(&MYSQL, &mut schema, statements);
    schema
}

fn view(schema: &Schema) -> &View {
    schema.as_maxwell.as_ref().expect("followed")
}

#[test]
fn what_maxwell_makes_of_statements() {
    // The statements; the changes told of the last, `None` where they are ours; the definition.
    for (statements, told, want) in [
        // Swapped names: the server renames both, Maxwell the first one twice.
        (
            &["create table x (a int, b varchar(9))", "alter table x rename column a to b, rename column b to a"][..],
            Some(1),
            "a int, b varchar/latin1",
        ),
        (&["create table x (a int primary key, b int)", "alter table x change a b int, change b a int"], Some(1), "a int, b int; key a"),
        // A key that is dropped as an index.
        (&["create table x (a int primary key)", "drop index `PRIMARY` on x"], Some(0), "a int; key a"),
        // AFTER a name that comes later in the statement.
        (&["create table x (a int)", "alter table x add c int after b, rename column a to b"], Some(1), "b int, c int"),
        (&["create table x (a int zerofill, b int unsigned zerofill)"], Some(1), "a int, b int unsigned"),
        (&["create table x (a int key, t text(255) collate sjis_bin, u text(300))"], Some(1), "a int, t tinytext/latin1, u text/latin1"),
        (&["create table x (e enum('it''s', \"a\"\"b\", 'c\\\\d ')) charset = SJIS"], Some(1), "e enum{it''s|a\"\"b|c\\\\d }/SJIS"),
        // Quotes are taken away twice, but for single ones.
        (&["create table x (e enum('\"79', '`q`', '''a''', 'b\"', '\"')) charset = SJIS"], Some(1), "e enum{7|q|''a''|b\"|}/SJIS"),
        (&["create table x (v varchar(9)) charset = default"], Some(1), "v varchar/default"),
        (
            &["create table x (v varchar(9), b text charset binary)", "alter table x convert to charset utf8mb4, add w text"],
            Some(1),
            "v varchar/utf8mb4, b text/binary, w text/utf8mb4",
        ),
        // What ends Maxwell is the true definition.
        (&["create table x (a int zerofill, v vector(3))"], None, "a int unsigned, v vector"),
        (
            &["create table x (a int zerofill)", "alter table x drop a, add b json", "alter table x add c vector(3)"],
            None,
            "b json, c vector",
        ),
    ] {
        let schema = after(statements);
        let view = view(&schema);
        assert_eq!(view.told.as_ref().map(Vec::len), told, "{statements:?}");
        assert_eq!(describe(view.schema.table("d", "x").expect("seen")), want, "{statements:?}");
    }
}

/// Tables in which both agree are kept once.
#[test]
fn equal_definitions_are_shared() {
    let schema = after(&["create table x (a int)", "create table y (a int zerofill)", "create database n", "rename table x to n.x"]);
    let same = |d, name| Arc::ptr_eq(schema.table(d, name).expect("ours"), view(&schema).schema.table(d, name).expect("theirs"));
    assert!(same("n", "x") && !same("d", "y"));
    assert!(view(&schema).table(schema.table("n", "x").expect("ours")).is_none());
}

/// Maxwell mends nothing by row metadata; only what cannot fit the rows any more becomes the true definition.
#[test]
fn what_is_proved_leaves_what_maxwell_has() {
    for (statement, want) in
        [("create table x (a int unsigned, b int)", "a int, b int"), ("create table x (a int unsigned, c int)", "a int unsigned, c int")]
    {
        let schema = after(&["create table x (a int, b int)"]);
        let mut seen = View::clone(view(&schema));
        let truth = after(&[statement]);
        let (old, def) = (schema.table("d", "x").expect("made"), truth.table("d", "x").expect("made"));
        let change = SchemaChange::TableAlter { database: "d".into(), table: "x".into(), old: old.clone(), def: def.clone() };
        seen.proved(&change, &truth);
        assert_eq!(describe(seen.schema.table("d", "x").expect("seen")), want, "{statement}");
    }
}
