//! `binlogd_schemas`, our own table beside Maxwell's: a snapshot in compact form, because a row per column takes long to
//! read when there are ten thousand tables.
//!
//! Maxwell's rows are what counts. The copy is used only while it belongs to the same version (its `position_sha`) and
//! as many rows are there, with the same ids, as when it was written; counting them costs no look at the rows. Whether
//! their contents are the same too is `verify`'s, which takes longer and is asked when the stream runs already.
//! Never here: what a schema means, and any text that a snapshot does not have.

use crate::error::{Error, Result};
use crate::schema::compact;
use crate::schema::{CaseRule, Schema, SchemaId};
use crate::server::fault::is_server_error;
use crate::server::rows;

use super::session::{Session, ident, lit};

pub(super) const TABLE: &str = "binlogd_schemas";

/// ER_NO_SUCH_TABLE
const NO_SUCH_TABLE: u16 = 1146;

/// Bytes of the compact form in one row: its statement, twice as long, must pass through any `max_allowed_packet`.
const PART_BYTES: usize = 256 << 10;
/// zstd's own default: higher levels save little and take much longer.
const LEVEL: i32 = 3;
/// A compact form beyond this is not believed.
const BYTES_MAX: u64 = 1 << 30;

/// A version of the schema, as its row in `schemas` tells.
pub(super) struct Mirrored<'a> {
    pub database: &'a str,
    pub id: SchemaId,
    pub position_sha: &'a str,
}

impl Mirrored<'_> {
    fn table(&self) -> String {
        format!("{}.{}", ident(self.database), ident(TABLE))
    }

    /// How many rows the version has in each of Maxwell's tables, and between which ids: answered from the index on
    /// `schema_id` alone.
    async fn extent(&self, session: &mut Session<'_>) -> Result<String> {
        let mut extent = Vec::new();
        for table in ["databases", "tables", "columns"] {
            let sql = format!("SELECT COUNT(*), MIN(id), MAX(id) FROM {}.`{table}` WHERE schema_id = {}", ident(self.database), self.id);
            for row in session.rows(&sql).await? {
                let text = |i| Ok::<_, Error>(rows::opt_text(&row, i)?.unwrap_or_default());
                extent.push(format!("{}:{}-{}", text(0)?, text(1)?, text(2)?));
            }
        }
        Ok(extent.join(" "))
    }

    /// A number that differs, in all likelihood, when any row of the version was changed.
    async fn contents(&self, session: &mut Session<'_>) -> Result<String> {
        // `~` stands for NULL, which CONCAT_WS would leave out.
        let of = [
            ("databases", "id, name, IFNULL(charset, '~')"),
            ("tables", "id, database_id, name, IFNULL(charset, '~'), IFNULL(pk, '~')"),
            (
                "columns",
                "id, table_id, name, IFNULL(charset, '~'), IFNULL(coltype, '~'), IFNULL(is_signed, '~'), IFNULL(enum_values, '~'), \
                 IFNULL(column_length, '~')",
            ),
        ];
        let mut sums = Vec::new();
        for (table, columns) in of {
            let sql = format!(
                "SELECT IFNULL(SUM(CRC32(CONCAT_WS('|', {columns}))), 0) FROM {}.`{table}` WHERE schema_id = {}",
                ident(self.database),
                self.id
            );
            for row in session.rows(&sql).await? {
                sums.push(rows::opt_text(&row, 0)?.unwrap_or_default());
            }
        }
        Ok(sums.join(" "))
    }

    /// Writes the copy of a snapshot whose rows are there, in the same transaction or before. An earlier copy goes.
    pub async fn write(&self, session: &mut Session<'_>, schema: &Schema) -> Result<()> {
        let plain = compact::encode(schema);
        let body = zstd::bulk::compress(&plain, LEVEL).map_err(|e| Error::bug("a schema cannot be compressed").source(e))?;
        let (extent, contents) = (self.extent(session).await?, self.contents(session).await?);
        self.remove(session).await?;
        let parts = body.chunks(PART_BYTES).enumerate();
        for (part, bytes) in parts {
            let sql = format!(
                "INSERT INTO {} (schema_id, part, format, position_sha, extent, contents, plain_bytes, crc, body) \
                 VALUES ({}, {part}, {}, {}, {}, {}, {}, {}, {})",
                self.table(),
                self.id,
                compact::FORMAT,
                lit(self.position_sha),
                lit(&extent),
                lit(&contents),
                plain.len(),
                crc32fast::hash(&plain),
                hex(bytes),
            );
            session.run(&sql).await?;
        }
        Ok(())
    }

    pub async fn remove(&self, session: &mut Session<'_>) -> Result<()> {
        session.run(&format!("DELETE FROM {} WHERE schema_id = {}", self.table(), self.id)).await.map(drop)
    }

    /// The schema, if there is a copy that fits.
    pub async fn read(&self, session: &mut Session<'_>, case: CaseRule) -> Result<Option<Schema>> {
        let sql = format!(
            "SELECT extent, plain_bytes, crc, body FROM {} WHERE schema_id = {} AND format = {} AND position_sha = {} ORDER BY part",
            self.table(),
            self.id,
            compact::FORMAT,
            lit(self.position_sha)
        );
        let mut body = Vec::new();
        let mut head: Option<(String, u64, u32)> = None;
        let take = |row| {
            if head.is_none() {
                head = Some((rows::text(&row, 0)?, rows::need(&row, 1)?, rows::need(&row, 2)?));
            }
            body.extend_from_slice(&rows::need::<Vec<u8>>(&row, 3)?);
            Ok(())
        };
        match session.each(&sql, take).await {
            // Who only reads a store of Maxwell's makes no table there.
            Err(e) if is_server_error(&e, &[NO_SUCH_TABLE]) => return Ok(None),
            other => other?,
        }
        let Some((extent, plain_bytes, crc)) = head else { return Ok(None) };
        if self.extent(session).await? != extent {
            tracing::info!(schema_id = self.id, table = TABLE, "the compact copy of the schema does not fit Maxwell's rows; reading those");
            return Ok(None);
        }
        match unpacked(&body, plain_bytes, crc).and_then(|plain| compact::decode(&plain, case)) {
            Ok(schema) => Ok(Some(schema)),
            Err(error) => {
                tracing::warn!(%error, schema_id = self.id, table = TABLE, "the compact copy of the schema cannot be read; reading Maxwell's rows");
                Ok(None)
            }
        }
    }

    /// Whether there is a copy whose version's rows have other contents than when it was written.
    pub async fn is_outdated(&self, session: &mut Session<'_>) -> Result<bool> {
        let sql = format!("SELECT contents FROM {} WHERE schema_id = {} AND part = 0", self.table(), self.id);
        let Some(row) = session.rows(&sql).await?.into_iter().next() else { return Ok(false) };
        let then = rows::text(&row, 0)?;
        Ok(self.contents(session).await? != then)
    }
}

fn unpacked(body: &[u8], plain_bytes: u64, crc: u32) -> Result<Vec<u8>> {
    let length = usize::try_from(plain_bytes).ok().filter(|_| plain_bytes <= BYTES_MAX);
    let length = length.ok_or_else(|| Error::definite(format!("a compact schema of {plain_bytes} bytes is not believed")))?;
    let plain = zstd::bulk::decompress(body, length).map_err(|e| Error::definite("a compact schema cannot be decompressed").source(e))?;
    if plain.len() != length || crc32fast::hash(&plain) != crc {
        return Err(Error::definite("a compact schema does not have its checksum"));
    }
    Ok(plain)
}

/// Bytes as SQL text, whatever the character sets are.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
    let mut sql = String::with_capacity(bytes.len() * 2 + 3);
    sql.push_str("x'");
    for byte in bytes {
        sql.push(digit(byte >> 4));
        sql.push(digit(byte & 15));
    }
    sql.push('\'');
    sql
}

/// Removes copies whose versions are gone (Maxwell's compaction knows nothing of them).
pub(super) async fn remove_orphans(session: &mut Session<'_>, database: &str) -> Result<()> {
    let db = ident(database);
    let sql = format!("SELECT DISTINCT schema_id FROM {db}.{} WHERE schema_id NOT IN (SELECT id FROM {db}.`schemas`)", ident(TABLE));
    let mut gone: Vec<SchemaId> = Vec::new();
    for row in session.rows(&sql).await? {
        gone.push(rows::need(&row, 0)?);
    }
    for id in gone {
        session.run(&format!("DELETE FROM {db}.{} WHERE schema_id = {id}", ident(TABLE))).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_bodies_are_refused() {
        let plain = b"definitions".repeat(100);
        let body = zstd::bulk::compress(&plain, LEVEL).unwrap();
        let crc = crc32fast::hash(&plain);
        assert_eq!(unpacked(&body, plain.len() as u64, crc).unwrap(), plain);
        assert!(unpacked(&body, plain.len() as u64, crc ^ 1).is_err());
        assert!(unpacked(&body, plain.len() as u64 - 1, crc).is_err());
        assert!(unpacked(&body, u64::MAX, crc).is_err());
        assert!(unpacked(&body[..body.len() - 1], plain.len() as u64, crc).is_err());
        assert_eq!(hex(b"\0\xff'"), "x'00ff27'");
    }
}
