//! Maxwell's view of the definitions over restarts (`maxwell_quirks`): where it comes from, and when it is stored.

use std::sync::Arc;

use crate::error::Result;
use crate::schema::{Schema, SchemaId, View};
use crate::server::{Server, ServerIdentity, as_maxwell};
use crate::store::Store;

/// Gives definitions that were just captured, and stored as this version, the view that Maxwell would have captured.
pub async fn capture(store: &dyn Store, server: &Server, identity: &ServerIdentity, id: SchemaId, schema: &mut Schema) -> Result<()> {
    let mut conn = server.conn().await?;
    let view = as_maxwell::view(&mut conn, identity, schema).await?;
    drop(conn);
    store.save_view(id, &view.differences(schema)).await?;
    schema.as_maxwell = Some(Arc::new(view));
    Ok(())
}

/// Gives definitions that were restored the view that was stored for them. Without one, Maxwell itself may have stored the
/// definitions, and then they are its view.
pub async fn restore(store: &dyn Store, id: SchemaId, schema: &mut Schema) -> Result<()> {
    let view = match store.load_view(id).await? {
        Some(differences) => View::restored(schema, &differences)?,
        None => View::of(schema),
    };
    schema.as_maxwell = Some(Arc::new(view));
    Ok(())
}

/// What has to be stored after a schema change, if anything: the differences, unless they are what was stored last.
pub fn changed(schema: &Schema, last: &mut Option<String>) -> Option<String> {
    let differences = schema.as_maxwell.as_ref()?.differences(schema);
    (last.as_ref() != Some(&differences)).then(|| {
        *last = Some(differences.clone());
        differences
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ddl::{Outcome, StatementContext, interpret};
    use crate::schema::delta::write_table;
    use crate::server::Flavor;
    use crate::store::{MemoryDisk, MemoryStore, StoreOptions};

    fn shown(schema: &Schema, table: &str) -> String {
        let mut out = Vec::new();
        let view = schema.as_maxwell.as_ref().expect("a view");
        write_table(view.schema.table("d", table).expect("tracked"), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    /// What Maxwell has wrong is known again after a restart at any version, and at none before.
    #[tokio::test]
    async fn views_survive() {
        let options = StoreOptions {
            schema_database: "maxwell".into(),
            client_id: "c".into(),
            server_id: 1,
            gtid_mode: false,
            flavor: Flavor::MySql,
            case: Default::default(),
        };
        let store = MemoryStore::open(MemoryDisk::default(), options);
        let mut schema = Schema { charset: "utf8mb4".into(), ..Schema::default() };
        schema.as_maxwell = Some(Arc::new(View::of(&schema)));
        let (mut last, mut versions) = (None, Vec::new());
        for (id, sql) in [
            "create database d collate latin1_bin",
            "create table d.t (a int zerofill, v varchar(9) charset LATIN1) charset = UTF8MB4",
            "create database n charset utf8",
            "alter table d.t add e enum('it\'\'s')",
        ]
        .into_iter()
        .enumerate()
        {
            let id = id as SchemaId + 1;
            let context = StatementContext { server_version: 90_700, ..StatementContext::default() };
            assert!(matches!(interpret(sql.as_bytes(), &context, &mut schema, &|_, _| false), Outcome::Changes(_)), "{sql}");
            if let Some(view) = changed(&schema, &mut last) {
                store.save_view(id, &view).await.expect("saved");
            }
            versions.push((id, schema.clone()));
        }
        for (id, schema) in &versions[1..] {
            let mut restarted = Schema { as_maxwell: None, ..schema.clone() };
            restore(&store, *id, &mut restarted).await.expect("restored");
            let (was, is) = (schema.as_maxwell.as_ref().expect("a view"), restarted.as_maxwell.as_ref().expect("a view"));
            assert_eq!(shown(&restarted, "t"), shown(schema, "t"), "version {id}");
            assert_eq!(was.schema.database("d").map(|d| &d.charset), is.schema.database("d").map(|d| &d.charset));
        }
        assert!(shown(&versions[3].1, "t").contains("\"charset\":\"LATIN1\"") && shown(&versions[3].1, "t").contains("it''s"));
        assert_eq!(store.load_view(0).await.expect("asked"), None);
        let third = store.load_view(3).await.expect("asked");
        assert_eq!(third, store.load_view(2).await.expect("asked"), "nothing changed with the third version");
    }
}
