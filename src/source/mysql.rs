//! What a MySQL session is told before the dump, as statements.

use sha1::{Digest, Sha1};

/// The settings that both flavors know under the same names.
///
/// - The dump thread sends checksums only to a client that says it understands them, and asks as a replica does: for
///   what the server itself writes.
/// - Heartbeats come when nothing else does, every so many nanoseconds.
/// - Our back-pressure must not make the server give up: it waits an hour for us to read on.
pub fn common_settings(heartbeat_ms: u64) -> Vec<String> {
    let heartbeat_ns = heartbeat_ms.saturating_mul(1_000_000);
    vec![
        "SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum".to_owned(),
        format!("SET @master_heartbeat_period = {heartbeat_ns}, @source_heartbeat_period = {heartbeat_ns}"),
        "SET SESSION net_write_timeout = 3600".to_owned(),
    ]
}

/// All settings, in order. Older servers know the words master and slave, newer ones source and replica; a user variable
/// that nobody reads does no harm.
pub fn settings(heartbeat_ms: u64, client_id: &str) -> Vec<String> {
    let mut list = common_settings(heartbeat_ms);
    let uuid = replica_uuid(client_id);
    list.push(format!("SET @slave_uuid = '{uuid}', @replica_uuid = '{uuid}'"));
    list
}

/// A UUID that is the same at every start of this client, so that the server ends our own forgotten dump, and differs from
/// other clients'. Made as RFC 4122 makes version 5, in a name space of our own.
pub fn replica_uuid(client_id: &str) -> String {
    let digest = Sha1::new().chain_update(b"binlogd replica ").chain_update(client_id).finalize();
    let mut bytes = [0_u8; 16];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    uuid::Uuid::from_bytes(bytes).hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replica_uuids_are_stable_and_differ() {
        let uuid = replica_uuid("maxwell");
        assert_eq!(uuid, replica_uuid("maxwell"));
        assert_ne!(uuid, replica_uuid("maxwell2"));
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "5"), "{uuid}");
    }

    #[test]
    fn periods_are_nanoseconds() {
        let list = settings(5_000, "maxwell");
        assert!(list.iter().any(|s| s.contains("@master_heartbeat_period = 5000000000")), "{list:?}");
        assert!(list.iter().any(|s| s.contains("net_write_timeout = 3600")), "{list:?}");
    }
}
