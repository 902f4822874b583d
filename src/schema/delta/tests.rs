use super::*;
use crate::schema::{BinaryKind, IntWidth, TextKind};

fn column(name: &str, ty: ColumnType) -> Column {
    Column { name: name.into(), ty }
}

fn table() -> Table {
    Table {
        database: "d\"b".into(),
        name: "t😀".into(),
        charset: None,
        columns: vec![
            column("id", ColumnType::Int { width: IntWidth::Big, unsigned: true }),
            column("v", ColumnType::Text { kind: TextKind::Varchar, charset: Some("utf8mb4".into()) }),
            column("n", ColumnType::Text { kind: TextKind::Long, charset: None }),
            column("b", ColumnType::Binary { kind: BinaryKind::Blob }),
            column("e", ColumnType::Enum { labels: Arc::from(["it's".to_string(), "\u{1f}\\".to_string()]), charset: None }),
            column("ts", ColumnType::Timestamp { fraction: 6 }),
            column("d", ColumnType::Decimal),
            column("g", ColumnType::Geometry { name: "point" }),
            column("u", ColumnType::Other { name: "uuid".into(), unsigned: false, charset: None }),
        ],
        primary_key: vec!["id".into(), "v".into()],
    }
}

const TABLE_JSON: &str = concat!(
    r#"{"database":"d\"b","charset":null,"table":"t😀","columns":["#,
    r#"{"type":"bigint","name":"id","signed":false},{"type":"varchar","name":"v","charset":"utf8mb4"},"#,
    r#"{"type":"longtext","name":"n","charset":null},{"type":"blob","name":"b","charset":"binary"},"#,
    r#"{"type":"enum","name":"e","enum-values":["it's","\u001F\\"]},{"type":"timestamp","name":"ts","column-length":6},"#,
    r#"{"type":"decimal","name":"d"},{"type":"point","name":"g"},{"type":"uuid","name":"u"}],"primary-key":["id","v"]}"#,
);

fn changes() -> Vec<SchemaChange> {
    let (database, def) = ("d\"b".to_string(), Arc::new(table()));
    let moved = Arc::new(Table { name: "t2".into(), ..table() });
    vec![
        SchemaChange::DatabaseCreate { database: database.clone(), charset: "latin1".into() },
        SchemaChange::TableCreate { database: database.clone(), table: "t😀".into(), def: def.clone() },
        SchemaChange::TableAlter { database: database.clone(), table: "t😀".into(), old: def, def: moved },
        SchemaChange::DatabaseAlter { database: database.clone(), charset: None },
        SchemaChange::TableDrop { database: database.clone(), table: "t2".into() },
        SchemaChange::DatabaseDrop { database },
    ]
}

#[test]
fn key_order_and_escapes() {
    let json = to_delta_json(&changes());
    let head =
        r#"[{"type":"database-create","database":"d\"b","charset":"latin1"},{"type":"table-create","database":"d\"b","table":"t😀","def":"#;
    assert!(json.starts_with(&format!("{head}{TABLE_JSON}}}")), "{json}");
    assert!(json.contains(&format!(r#"{{"type":"table-alter","database":"d\"b","table":"t😀","old":{TABLE_JSON},"def":{{"#)), "{json}");
    let tail = r#"{"type":"database-alter","database":"d\"b","charset":null},{"type":"table-drop","database":"d\"b","table":"t2"},{"type":"database-drop","database":"d\"b"}]"#;
    assert!(json.ends_with(tail), "{json}");
    assert_eq!(to_delta_json(&[]), "[]");
}

#[test]
fn what_is_written_is_read_back() {
    assert_eq!(from_delta_json(&to_delta_json(&changes())).unwrap(), changes());
}

#[test]
fn older_forms_and_other_writers() {
    let old = r#"{"type":"table-create","database":"d","table":"t","extra":1,"def":{"database":"d","table":"t","columns":[
        {"type":"INT","name":"Id"},{"type":"time","name":"t"},{"type":"varchar","name":"v","charset":"DEFAULT"},{"type":"set","name":"s"}],
        "primary-key":["id","gone"]}}"#;
    let changes = from_delta_json(old).unwrap();
    let def = changes[0].def().unwrap();
    assert_eq!(def.columns[0].ty, ColumnType::Int { width: IntWidth::Int, unsigned: false });
    assert_eq!(def.columns[1].ty, ColumnType::Time { fraction: 0 });
    assert_eq!(def.columns[2].ty, ColumnType::Text { kind: TextKind::Varchar, charset: None });
    assert_eq!(def.primary_key, ["Id"]);
    for bad in ["", "[", r#"[{"type":"what","database":"d"}]"#, r#"[{"type":"table-drop","database":"d"}]"#, "[1]"] {
        assert!(from_delta_json(bad).is_err(), "{bad}");
    }
}

#[test]
fn stored_changes_restore_the_schema() {
    let mut schema = Schema::default();
    let all = changes();
    apply_changes(&mut schema, &all[..3]).unwrap();
    assert!(schema.table("d\"b", "t2").is_some() && schema.table("d\"b", "t😀").is_none());
    apply_changes(&mut schema, &all[3..]).unwrap();
    assert_eq!(schema, Schema::default());
    assert!(apply_changes(&mut schema, &all[2..3]).is_err());
}
