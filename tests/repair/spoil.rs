//! Ways to spoil a tracked definition so that a table map with names contradicts it.

use std::sync::Arc;

use binlogd::schema::{BinaryKind, Column, ColumnType, IntWidth, Schema, Table, TextKind};

/// Columns are counted round and round, so that every table has every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    Forget,
    Drop(usize),
    Rename(usize),
    Swap(usize, usize),
    AddBefore(usize),
    /// A type of another kind.
    Type(usize),
    /// A type as near as there is one that rows would be read wrongly with.
    NearType(usize),
    /// Another table altogether.
    Replace,
}

impl Spoil {
    pub fn all() -> Vec<Spoil> {
        let mut all = vec![Spoil::Forget, Spoil::Replace, Spoil::Swap(0, 1), Spoil::Swap(1, 2), Spoil::Swap(0, 5)];
        for nth in 0..4 {
            all.extend([Spoil::Drop(nth), Spoil::Rename(nth), Spoil::AddBefore(nth), Spoil::Type(nth), Spoil::NearType(nth)]);
        }
        all
    }

    /// Spoils the definition in the schema. The places of the columns that nothing tells of but the table map; `None` if this
    /// definition cannot be spoiled in this way.
    pub fn table(self, schema: &mut Schema, right: &Arc<Table>) -> Option<Vec<usize>> {
        let mut def = Table::clone(right);
        let width = def.columns.len();
        let unknown = match self {
            Spoil::Forget => {
                let database = schema.database_mut(&right.database)?;
                database.tables.retain(|t| t.name != right.name);
                return Some((0..width).collect());
            }
            Spoil::Replace => {
                def.columns = vec![column("other", ColumnType::Double); width.max(2)];
                def.columns[0].name = "one".into();
                def.primary_key = Vec::new();
                (0..width).collect()
            }
            Spoil::Drop(nth) if width > 1 => {
                let at = nth % width;
                let gone = def.columns.remove(at);
                def.primary_key.retain(|name| *name != gone.name);
                vec![at]
            }
            Spoil::Rename(nth) => {
                let at = nth % width;
                let old = std::mem::replace(&mut def.columns[at].name, "never".into());
                def.primary_key.iter_mut().filter(|name| **name == old).for_each(|name| *name = "never".into());
                vec![at]
            }
            Spoil::Swap(a, b) if a % width != b % width => {
                def.columns.swap(a % width, b % width);
                Vec::new()
            }
            Spoil::AddBefore(nth) => {
                def.columns.insert(nth % (width + 1), column("never", ColumnType::Double));
                Vec::new()
            }
            Spoil::Type(nth) => {
                let ty = &mut def.columns[nth % width].ty;
                *ty = match ty {
                    ColumnType::Double => ColumnType::Date,
                    _ => ColumnType::Double,
                };
                vec![nth % width]
            }
            Spoil::NearType(nth) => {
                let ty = &mut def.columns[nth % width].ty;
                *ty = near(ty)?;
                vec![nth % width]
            }
            Spoil::Drop(_) | Spoil::Swap(..) => return None,
        };
        let database = schema.database_mut(&right.database)?;
        let place = database.tables.iter_mut().find(|t| t.name == right.name)?;
        *place = Arc::new(def);
        Some(unknown)
    }
}

fn column(name: &str, ty: ColumnType) -> Column {
    Column { name: name.into(), ty }
}

fn near(ty: &ColumnType) -> Option<ColumnType> {
    Some(match ty {
        ColumnType::Int { width: IntWidth::Int, unsigned } => ColumnType::Int { width: IntWidth::Big, unsigned: *unsigned },
        ColumnType::Int { unsigned, .. } => ColumnType::Int { width: IntWidth::Int, unsigned: *unsigned },
        ColumnType::Datetime { fraction } => ColumnType::Datetime { fraction: (fraction + 1) % 7 },
        ColumnType::Timestamp { fraction } => ColumnType::Datetime { fraction: *fraction },
        ColumnType::Time { fraction } => ColumnType::Time { fraction: (fraction + 1) % 7 },
        ColumnType::Text { kind: TextKind::Char, charset } => ColumnType::Text { kind: TextKind::Varchar, charset: charset.clone() },
        ColumnType::Text { kind: TextKind::Medium, charset } => ColumnType::Text { kind: TextKind::Long, charset: charset.clone() },
        ColumnType::Text { charset, .. } => ColumnType::Text { kind: TextKind::Char, charset: charset.clone() },
        ColumnType::Binary { kind: BinaryKind::Medium } => ColumnType::Text { kind: TextKind::Medium, charset: Some("latin1".into()) },
        ColumnType::Binary { kind: BinaryKind::Varbinary } => ColumnType::Text { kind: TextKind::Varchar, charset: Some("utf8mb4".into()) },
        ColumnType::Binary { .. } => ColumnType::Binary { kind: BinaryKind::Medium },
        ColumnType::Enum { labels, charset } => ColumnType::Set { labels: labels.clone(), charset: charset.clone() },
        ColumnType::Set { labels, charset } => ColumnType::Enum { labels: labels.clone(), charset: charset.clone() },
        ColumnType::Float => ColumnType::Double,
        ColumnType::Double => ColumnType::Float,
        ColumnType::Date => ColumnType::Datetime { fraction: 0 },
        ColumnType::Bit | ColumnType::Decimal => ColumnType::Binary { kind: BinaryKind::Varbinary },
        ColumnType::Json | ColumnType::Geometry { .. } => ColumnType::Binary { kind: BinaryKind::Long },
        ColumnType::Year | ColumnType::Other { .. } => return None,
    })
}
