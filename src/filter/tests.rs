use proptest::prelude::*;

use super::*;
use crate::filter::RowValue::{self, Absent, Null, Text};

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).0
}

#[test]
fn renders_as_maxwell_and_reads_back() {
    for (text, rendered) in [
        ("", ""),
        (" ", ""),
        ("include: a.b", "include: a.b"),
        ("INCLUDE:a.b", "include: a.b"),
        ("include : a . b . c = d", "include: a.b.c=d"),
        ("include: a.b include: c.d,", "include: a.b, include: c.d"),
        ("exclude: *.*, include: \"a\".'b'", "exclude: *.*, include: a.b"),
        ("include: a-b.1a", "include: a-b.1a"),
        (r"include: /a\/b/.c", r"include: /a\/b/.c"),
        ("include: //.c", "include: *.c"),
        ("include: /^abc$/.b", "include: abc.b"),
        ("include: a.b.c=/x/", "include: a.b.c=/x/"),
        ("include: a.b.c='NULL'", "include: a.b.c=NULL"),
        ("include: é.ü", "include: é.ü"),
        ("blacklist: a.*", "blacklist: a.*"),
        // Maxwell renders these bare, and cannot read its own rendering back.
        ("include: `a b`.c", "include: `a b`.c"),
        (r"include: 'x\ny'.'it\'s'", r"include: `x\ny`.`it's`"),
        ("include: `a$b`.c", "include: `a$b`.c"),
        (r"include: 'a\\`'.''", r"include: `a\\\``.``"),
    ] {
        let parsed = filter(text);
        assert_eq!(parsed.to_string(), rendered, "{text}");
        assert_eq!(filter(rendered), parsed, "{text}");
    }
}

#[test]
fn errors_have_maxwells_texts() {
    for (text, error) in [
        ("exclude", "Expected ':', saw: Token[EOF], line 1"),
        ("foo: a.b", "Unknown filter keyword: foo"),
        ("users.*", "Unknown filter keyword: users"),
        (": a.b", "expected [include, exclude, blacklist] in filter definition."),
        ("\"include\": a.b", "expected [include, exclude, blacklist] in filter definition."),
        (",", "expected [include, exclude, blacklist] in filter definition."),
        ("include: a.b,,", "expected [include, exclude, blacklist] in filter definition."),
        ("include: a.b; exclude: c.d", "expected [include, exclude, blacklist] in filter definition."),
        ("include: a.b c.d", "Unknown filter keyword: c"),
        ("include a.b", "Expected ':', saw: Token[a], line 1"),
        ("include:\n a", "Expected '.', saw: Token[EOF], line 2"),
        ("include: a*.b", "Expected '.', saw: Token['*'], line 1"),
        ("include: a%.b", "Expected '.', saw: Token['%'], line 1"),
        ("include: a.", "Expected string or regexp, saw the end"),
        ("include: .b", "Expected string or regexp, saw '.'"),
        ("include: $a.b", "Expected string or regexp, saw '$'"),
        ("include: -a.b", "Expected string or regexp, saw '-'"),
        ("include: a.b.", "expected column name, got Token[EOF]"),
        ("include: a.b.`c`=1", "expected column name, got Token[c]"),
        ("include: a.b.*=c", "expected column name, got Token['*']"),
        ("include: a.b.c", "Expected '=', saw: Token[EOF], line 1"),
        ("include: a.b.c==d", "Expected string or regexp, saw '='"),
        ("include: /abc", "unterminated regular expression /abc, line 1"),
        (r"include: /abc\/", r"unterminated regular expression /abc\/, line 1"),
        ("include: `abc", "unterminated ` quote, line 1"),
        ("include: a./(/", "Invalid regular expression: /(/: unclosed group"),
        ("include: a.'('", "Invalid regular expression: /^($/: unclosed group"),
    ] {
        assert_eq!(Filter::parse(text).map(|(f, _)| f.to_string()), Err(error.to_string()), "{text}");
    }
}

#[test]
fn a_bare_name_after_a_comma_continues_the_action() {
    let (parsed, warnings) = Filter::parse("exclude:test.*,include:orders.*,users.*,/^p/.*, `a b`.c.d=1").expect("lenient");
    assert_eq!(parsed.to_string(), "exclude: test.*, include: orders.*, include: users.*, include: /^p/.*, include: `a b`.c.d=1");
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(warnings[0].contains("'users.*'") && warnings[0].contains("'include: users.*'"), "{}", warnings[0]);
    assert!(warnings[3].contains("exclude: *.*"), "{}", warnings[3]);
}

#[test]
fn warns_of_an_include_that_includes_nothing() {
    for (text, warns) in [
        ("", false),
        ("include: a.b", true),
        ("exclude: a.*, include: b.*", true),
        ("exclude: *.*, include: b.*", false),
        ("blacklist: *.*, include: b.*", false),
        ("exclude: *.*.a=b, include: b.*", true),
        ("exclude: a.b", false),
    ] {
        assert_eq!(!Filter::parse(text).expect(text).1.is_empty(), warns, "{text}");
    }
}

#[test]
fn the_last_matching_rule_decides() {
    for (text, database, table, want) in [
        ("", "a", "b", true),
        ("exclude: a.b", "a", "b", false),
        ("exclude: a.b", "A", "b", true),
        ("exclude: a.b", "a", "bb", true),
        ("exclude: *.*, include: a.*", "a", "b", true),
        ("include: a.*, exclude: *.*", "a", "b", false),
        ("exclude: *.*, include: a./^b/", "a", "b1", true),
        ("exclude: *.*, include: a./b/", "a", "xbx", true),
        ("exclude: a.*, include: a.b.c=1", "a", "b", false),
        ("blacklist: a.*", "a", "b", false),
        // Quoted text is a pattern too.
        ("exclude: `a.b`.c", "axb", "c", false),
        ("exclude: `a$b`.c", "a$b", "c", true),
        ("exclude: 'a|b'.*", "xb", "c", false),
        ("exclude: /^(?!keep)/.*", "keep_me", "c", true),
        ("exclude: /^(?!keep)/.*", "drop_me", "c", false),
        // A database-level change has no table name.
        ("exclude: a.*", "a", "", false),
        ("exclude: *.t", "a", "", true),
    ] {
        assert_eq!(filter(text).table_included(database, table), want, "{text} on {database}.{table}");
        assert_eq!(filter(text).ddl_included(database, table), want, "{text} on {database}.{table}");
    }
}

#[test]
fn a_rename_passes_with_both_names_in_the_old_database() {
    let f = filter("exclude: *.secret, exclude: other.*");
    for (database, old, new, want) in
        [("a", "b", "c", true), ("a", "secret", "c", false), ("a", "b", "secret", false), ("other", "b", "c", false)]
    {
        assert_eq!(f.rename_included(database, old, new), want, "{database}.{old} to {new}");
    }
}

#[test]
fn blacklists() {
    let f = filter("blacklist: a.*, blacklist: b.t, blacklist: c./^x/, include: *.*, blacklist: maxwell.*").for_schema_database("maxwell");
    for (database, table, want, whole) in [
        ("a", "t", true, true),
        ("b", "t", true, false),
        ("b", "u", false, false),
        ("c", "x1", true, false),
        ("maxwell", "positions", false, false),
        ("mysql", "ha_health_check", true, false),
        ("mysql", "rds_heartbeat2", true, false),
        ("mysql", "user", false, false),
        ("other", "ha_health_check", false, false),
    ] {
        assert_eq!(f.blacklisted(database, table), want, "{database}.{table}");
        assert_eq!(f.database_blacklisted(database), whole, "{database}");
        // As an exclude the rule holds in the schema database too.
        let dropped = want || database == "maxwell";
        assert_eq!(matches!(f.verdict(database, table, &[]), Verdict::Drop), dropped, "{database}.{table}");
    }
    assert!(filter("blacklist: maxwell.*").for_schema_database("other").blacklisted("maxwell", "t"));
}

#[test]
fn own_tables_are_kept() {
    let f = filter("exclude: *.*").for_schema_database("ours");
    for (database, table, keep) in
        [("ours", "bootstrap", true), ("ours", "heartbeats", true), ("ours", "positions", false), ("maxwell", "bootstrap", false)]
    {
        assert_eq!(matches!(f.verdict(database, table, &["id"]), Verdict::Keep), keep, "{database}.{table}");
    }
}

#[derive(Debug, PartialEq)]
enum Seen {
    Drop,
    Keep,
    Values(Vec<usize>),
}

fn seen(verdict: &Verdict) -> Seen {
    match verdict {
        Verdict::Drop => Seen::Drop,
        Verdict::Keep => Seen::Keep,
        Verdict::NeedValues(rules) => Seen::Values(rules.columns().to_vec()),
    }
}

#[test]
fn verdicts_ask_only_for_values_that_matter() {
    use Seen::*;
    for (text, want) in [
        ("exclude: *.*", Drop),
        ("exclude: other.*", Keep),
        ("exclude: d.t.c=1", Values(vec![2])),
        ("exclude: d.t.C=1, exclude: d.t.Id=/5/, exclude: d.*.c=2", Values(vec![2, 0])),
        ("include: d.t.c=1", Keep),
        ("exclude: *.*, include: d.t.c=1", Values(vec![2])),
        // The column's capitals do not matter (Maxwell could not rescue this one).
        ("exclude: *.*, include: d.t.Status=1", Values(vec![1])),
        ("exclude: *.*, exclude: d.t.c=1", Drop),
        ("exclude: *.*, include: d.t.nosuch=1", Drop),
        ("exclude: d.t.nosuch=1", Keep),
        ("exclude: d.t.c=1, include: d.t", Keep),
    ] {
        assert_eq!(seen(&filter(text).verdict("d", "t", &["id", "Status", "c"])), want, "{text}");
    }
}

#[test]
fn rows_are_decided_by_the_last_matching_rule() {
    let cases: [(&str, RowValue<'_>, bool); 22] = [
        ("exclude: d.t.c=1", Text(b"1"), false),
        ("exclude: d.t.c=1", Text(b"11"), true),
        ("exclude: d.t.c=1", Null, true),
        ("exclude: d.t.c=1", Absent, true),
        ("exclude: d.t.c=/1/", Text(b"211"), false),
        ("exclude: d.t.c=*", Text(b"x"), false),
        ("exclude: d.t.c=*", Null, false),
        ("exclude: d.t.c=*", Absent, true),
        ("exclude: d.t.c=null", Null, false),
        ("exclude: d.t.c='NULL'", Null, false),
        ("exclude: d.t.c=Null", Text(b"null"), false),
        ("exclude: d.t.c=null", Text(b"NULL"), false),
        ("exclude: d.t.c=null", Text(b"Null"), true),
        ("exclude: d.t.c=/nul+/", Null, true),
        ("exclude: *.*, include: d.t.c=1", Text(b"1"), true),
        ("exclude: *.*, include: d.t.c=1", Text(b"2"), false),
        ("exclude: *.*, include: d.t.c=1", Absent, false),
        ("exclude: d.t.c=*, include: d.t.c=/^5/", Text(b"50"), true),
        ("exclude: d.t.c=*, include: d.t.c=/^5/", Text(b"60"), false),
        ("include: d.t.c=/^5/, exclude: d.t.c=*", Text(b"50"), false),
        ("exclude: d.t.c='[a, b]'", Text(b"a"), false),
        (r"exclude: d.t.c='\\[a, b\\]'", Text(b"[a, b]"), false),
    ];
    for (text, value, want) in cases {
        let Verdict::NeedValues(rules) = filter(text).verdict("d", "t", &["c"]) else { panic!("{text} needs no values") };
        assert_eq!(rules.decide(&[value]), want, "{text} on {value:?}");
    }
}

#[test]
fn a_pattern_that_gives_up_never_loses_a_row() {
    let f = filter(r"exclude: d.t.c=/^(a+)+\1$/");
    let Verdict::NeedValues(rules) = f.verdict("d", "t", &["c"]) else { panic!("needs values") };
    let value = format!("{}b", "a".repeat(64));
    assert!(rules.decide(&[Text(value.as_bytes())]));
}

fn any_pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_string()),
        "[a-z0-9_][a-z0-9_-]{0,5}",
        "[^\\p{C}\\\\`]{0,6}".prop_map(|t| format!("`{}`", regex::escape(&t).replace('\\', "\\\\"))),
        "[a-z.|]{1,5}".prop_map(|t| format!("/{t}/")),
    ]
}

fn any_rule() -> impl Strategy<Value = String> {
    ("include|exclude|blacklist", any_pattern(), any_pattern(), proptest::option::of(("[a-z][a-z0-9_]{0,5}", any_pattern()))).prop_map(
        |(action, database, table, column)| match column {
            Some((name, value)) => format!("{action}: {database}.{table}.{name}={value}"),
            None => format!("{action}: {database}.{table}"),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in r"(include|exclude|blacklist|[a-z]|[:.,*=/\\`'$\n -]|\PC){0,24}") {
        if let Ok((parsed, _)) = Filter::parse(&text) {
            let rendered = parsed.to_string();
            prop_assert_eq!(Filter::parse(&rendered).map(|(f, _)| f), Ok(parsed), "{}", rendered);
        }
    }

    #[test]
    fn rules_read_back_as_they_were(rules in proptest::collection::vec(any_rule(), 0..5)) {
        let parsed = filter(&rules.join(", "));
        prop_assert_eq!(filter(&parsed.to_string()), parsed);
    }
}

#[test]
fn databases_of_which_nothing_is_output() {
    for (rules, database, excluded) in [
        ("", "d", false),
        ("exclude: d.*", "d", true),
        ("exclude: d.*", "e", false),
        ("exclude: d.t", "d", false),
        ("exclude: *.*", "d", true),
        ("exclude: *.*, include: d.t", "d", false),
        ("exclude: *.*, include: d.t", "e", true),
        ("include: d.t, exclude: d.*", "d", true),
        ("exclude: *.*, include: d.t.c=1", "d", false),
        ("exclude: d.*.c=1", "d", false),
        ("blacklist: d.*", "d", true),
        ("exclude: *.*", "maxwell", false),
    ] {
        let filter = Filter::parse(rules).expect("a filter").0;
        assert_eq!(filter.database_excluded(database), excluded, "{rules}: {database}");
    }
}
