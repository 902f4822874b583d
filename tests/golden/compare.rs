//! Maxwell's lines and ours, line by line.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::classes::{self, Column};
use super::json::{self, Members};

/// What the comparison of two lines says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Identical,
    /// Differs, and each difference is of a known class.
    Allowed(Vec<&'static str>),
    Wrong(String),
}

/// The columns of one table, as the DDL messages left them.
pub type Columns = Arc<Vec<Column>>;

/// The columns that are in force at each row line of our full output.
pub fn columns_of_rows(full: &str) -> Vec<Columns> {
    let mut tables: BTreeMap<(String, String), Columns> = BTreeMap::new();
    let mut rows = Vec::new();
    for line in full.lines().filter_map(Members::of) {
        let name = |members: &Members<'_>| (members.text("database").unwrap_or_default(), members.text("table").unwrap_or_default());
        if line.get("data").is_some() {
            rows.push(tables.get(&name(&line)).cloned().unwrap_or_default());
        } else if let Some(def) = line.get("def").and_then(Members::of) {
            let columns = json::elements(def.get("columns").unwrap_or_default()).unwrap_or_default();
            tables.insert(name(&def), Arc::new(columns.into_iter().filter_map(column).collect()));
        }
    }
    rows
}

fn column(text: &str) -> Option<Column> {
    let members = Members::of(text)?;
    Some(Column { name: members.text("name")?, ty: members.text("type")?, charset: members.text("charset") })
}

/// `columns` are those of the row, if the line is one.
pub fn lines(theirs: &str, ours: &str, columns: Option<&Columns>) -> Verdict {
    if theirs == ours {
        return Verdict::Identical;
    }
    let (Some(a), Some(b)) = (Members::of(theirs), Members::of(ours)) else { return wrong(theirs, ours, "not JSON") };
    let result = match columns {
        Some(columns) => row(&a, &b, columns),
        None => {
            let (Some(x), Some(y)) = (json::ddl_in_one_order(theirs), json::ddl_in_one_order(ours)) else {
                return wrong(theirs, ours, "not JSON");
            };
            if x == y {
                return Verdict::Identical;
            }
            ddl(&a, &b)
        }
    };
    match result {
        Ok(mut classes) => {
            classes.sort_unstable();
            classes.dedup();
            Verdict::Allowed(classes)
        }
        Err(why) => wrong(theirs, ours, &why),
    }
}

fn wrong(theirs: &str, ours: &str, why: &str) -> Verdict {
    let short = |text: &str| text.chars().take(1500).collect::<String>();
    Verdict::Wrong(format!("{why}\n    Maxwell {}\n    ours    {}", short(theirs), short(ours)))
}

fn row(theirs: &Members<'_>, ours: &Members<'_>, columns: &Columns) -> Result<Vec<&'static str>, String> {
    let names = |members: &Members<'_>| members.0.iter().map(|(n, _)| n.clone()).filter(|n| n != "old").collect::<Vec<_>>();
    if names(theirs) != names(ours) {
        return Err("other fields".into());
    }
    let mut classes = Vec::new();
    for (name, value) in &theirs.0 {
        let mine = ours.get(name).unwrap_or_default();
        match name.as_str() {
            "data" | "old" => {}
            "primary_key" if *value != mine => classes.extend(primary_key(theirs, ours, columns)?),
            "primary_key_columns" if *value != mine => classes.push("primary key"),
            _ if *value != mine => return Err(format!("{name} differs")),
            _ => {}
        }
    }
    let object = |members: &Members<'_>, name| members.get(name).map(|text: &str| text.to_owned()).unwrap_or_else(|| "{}".into());
    let (data, my_data) = (object(theirs, "data"), object(ours, "data"));
    let (data, my_data) = (Members::of(&data).ok_or("no data")?, Members::of(&my_data).ok_or("no data")?);
    if !data.0.iter().map(|(n, _)| n).eq(my_data.0.iter().map(|(n, _)| n)) {
        return Err("other columns in data".into());
    }
    for ((name, value), (_, mine)) in data.0.iter().zip(&my_data.0) {
        classes.extend(value_difference(name, value, mine, columns)?);
    }
    let (old, my_old) = (object(theirs, "old"), object(ours, "old"));
    let (old, my_old) = (Members::of(&old).ok_or("no old")?, Members::of(&my_old).ok_or("no old")?);
    for (name, mine) in &my_old.0 {
        match old.get(name) {
            Some(value) => classes.extend(value_difference(name, value, mine, columns)?),
            // A change that Maxwell cannot see: both values look the same to it.
            None => match value_difference(name, data.get(name).unwrap_or_default(), mine, columns)? {
                Some(class) => classes.push(class),
                None if data.get(name) != my_data.get(name) => {}
                None => return Err(format!("{name} is in our old only")),
            },
        }
    }
    if let Some((name, _)) = old.0.iter().find(|(n, _)| my_old.get(n).is_none()) {
        return Err(format!("{name} is missing in old"));
    }
    let common: Vec<&String> = my_old.0.iter().map(|(n, _)| n).filter(|n| old.get(n).is_some()).collect();
    if !old.0.iter().map(|(n, _)| n).eq(common) {
        return Err("another order in old".into());
    }
    if classes.is_empty() {
        return Err("differs nowhere and yet is not the same".into());
    }
    Ok(classes)
}

fn value_difference(name: &str, theirs: &str, ours: &str, columns: &Columns) -> Result<Option<&'static str>, String> {
    if theirs == ours {
        return Ok(None);
    }
    let column = columns.iter().find(|c| c.name == name).ok_or_else(|| format!("no column {name} is known"))?;
    match classes::explain(column, theirs, ours) {
        Some(class) => Ok(Some(class)),
        None => Err(format!("{name} ({} {}) differs: {theirs} → {ours}", column.ty, column.charset.as_deref().unwrap_or_default())),
    }
}

fn primary_key(theirs: &Members<'_>, ours: &Members<'_>, columns: &Columns) -> Result<Vec<&'static str>, String> {
    let list = |members: &Members<'_>, name| {
        json::elements(members.get(name).unwrap_or("[]")).map(|l| l.iter().map(|s| (*s).to_owned()).collect())
    };
    if theirs.get("primary_key_columns") != ours.get("primary_key_columns") {
        // Other columns, so other values. That ours are the key is proved by the definitions.
        return Ok(vec!["primary key"]);
    }
    let names: Vec<String> = list(ours, "primary_key_columns").ok_or("no primary_key_columns")?;
    let values: (Vec<String>, Vec<String>) = (list(theirs, "primary_key").ok_or("no key")?, list(ours, "primary_key").ok_or("no key")?);
    if values.0.len() != values.1.len() {
        return Err("another primary key".into());
    }
    let mut classes = Vec::new();
    for ((theirs, ours), name) in values.0.iter().zip(&values.1).zip(&names) {
        classes.extend(value_difference(&json::text(name).unwrap_or_default(), theirs, ours, columns)?);
    }
    Ok(classes)
}

/// A DDL line: the same statement at the same place, with a definition that differs in what Maxwell's parser gets wrong.
/// That ours is right is proved by the definitions in `truth.json`.
fn ddl(theirs: &Members<'_>, ours: &Members<'_>) -> Result<Vec<&'static str>, String> {
    if !theirs.0.iter().map(|(n, _)| n).eq(ours.0.iter().map(|(n, _)| n)) {
        return Err("other fields".into());
    }
    let mut classes = Vec::new();
    for ((name, value), (_, mine)) in theirs.0.iter().zip(&ours.0) {
        match name.as_str() {
            "def" | "old" => classes.extend(definition(value, mine)?),
            "charset" if value != mine => classes.push("definition charset"),
            _ if value != mine => return Err(format!("{name} differs")),
            _ => {}
        }
    }
    Ok(classes)
}

fn definition(theirs: &str, ours: &str) -> Result<Vec<&'static str>, String> {
    let (Some(a), Some(b)) = (Members::of(theirs), Members::of(ours)) else { return Err("no definition".into()) };
    let mut classes = Vec::new();
    for (name, value) in &a.0 {
        let mine = b.get(name).ok_or_else(|| format!("no {name} in the definition"))?;
        match name.as_str() {
            _ if *value == mine => {}
            "columns" => classes.extend(definition_columns(value, mine)?),
            "primary-key" => classes.push("primary key"),
            "charset" => classes.push("definition charset"),
            _ => return Err(format!("{name} of the definition differs")),
        }
    }
    Ok(classes)
}

fn definition_columns(theirs: &str, ours: &str) -> Result<Vec<&'static str>, String> {
    let (Some(a), Some(b)) = (json::elements(theirs), json::elements(ours)) else { return Err("no columns".into()) };
    if a.len() != b.len() {
        return Err("another number of columns".into());
    }
    let sorted = |list: &[&str]| list.iter().map(|c| (*c).to_owned()).collect::<std::collections::BTreeSet<_>>();
    if a != b && sorted(&a) == sorted(&b) {
        return Ok(vec!["column order"]);
    }
    let mut classes = Vec::new();
    for (theirs, ours) in a.into_iter().zip(b).filter(|(a, b)| a != b) {
        let (Some(x), Some(y)) = (Members::of(theirs), Members::of(ours)) else { return Err("no column".into()) };
        let name = x.text("name");
        if name != y.text("name") {
            return Err(format!("column {name:?} differs"));
        }
        for (key, value) in x.0.iter().filter(|(key, value)| y.get(key).is_none_or(|mine| mine != *value)) {
            classes.push(match (key.as_str(), y.get(key)) {
                ("charset", _) => "definition charset",
                ("type", Some(_)) => "definition type",
                ("signed", Some("false")) => "definition zerofill",
                ("enum-values", Some(mine)) if json::same_shape(value, mine, &|a, b| a == b || classes::label(a, b)) => "label quotes",
                _ => return Err(format!("{name:?}: {key} differs: {value} → {:?}", y.get(key))),
            });
        }
    }
    Ok(classes)
}
