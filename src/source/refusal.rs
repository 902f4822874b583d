//! What a server means when it ends the dump with an error.
//!
//! Number 1236 stands for a dozen causes that only the text tells apart (`ER_MASTER_FATAL_ERROR_READING_BINLOG`; texts in
//! MySQL's `sql/rpl_binlog_sender.cc` and MariaDB's `sql/sql_repl.cc`). Older servers say master and slave, newer ones
//! source and replica.

use super::packet::ErrorPacket;
use crate::error::{Class, Error};

/// The numbers of refusals that are about the binlog itself: the one for all, and MariaDB's own for a second reader.
const ABOUT_THE_BINLOG: [u16; 2] = [1236, 4052];

/// Maxwell's exit code when the server refuses the binlog (contract §11.2).
const EXIT_CODE: u8 = 2;

const NEW_START: &str = "the changes in between are lost to the stream: give a new start with --init_position FILE:OFFSET (or delete the row in positions), then bootstrap the tables";
const BEYOND_END: &str = "the stored position is beyond the end of its file: the server lost the end of its log in a crash (sync_binlog=1 prevents it), or RESET was run";
const OTHER_READER: &str = "another client reads with the same client_id or replica_server_id: stop it, or give this one its own";

/// Words in the text, and what to do. The first that fits holds.
const HINTS: &[(&[&str], &str)] = &[
    (&["same server_uuid/server_id"], OTHER_READER),
    (&["same server_id"], OTHER_READER),
    (&["same server id"], OTHER_READER),
    (
        &["could not find first log file"],
        "the binlog file is not on the server: it was purged (raise binlog_expire_logs_seconds), the name is wrong, or RESET was run",
    ),
    (&["purged required binary logs"], NEW_START),
    (&["purged binary logs containing gtids"], NEW_START),
    (&["binlog files have been purged"], NEW_START),
    (&["could not find gtid state"], NEW_START),
    (
        &["not in the master's binlog"],
        "this server does not have the stored GTIDs: it is not the server, or not a replica of the one, that was read before",
    ),
    (
        &["more gtids than"],
        "this server lacks transactions that were read before: it lost its newest ones in a crash, or is not the same server",
    ),
    (&["position > file size"], BEYOND_END),
    (&["impossible position"], BEYOND_END),
    (&["position < 4"], "a position in a binlog file is at least 4"),
    (&["bogus data in log event"], "the position is not where an event begins: give FILE:OFFSET of an event's start, or the offset 4"),
    (
        &["exceeded max_allowed_packet"],
        "the position is not where an event begins, or the file is damaged: SHOW BINLOG EVENTS tells where events begin",
    ),
    (&["binary log is not open"], "switch the binlog on: log_bin in the server's configuration"),
    (&["server_id was not set"], "give the server a server_id"),
    (&["gtid_mode"], "the server runs without GTIDs: set gtid_mode=ON on it, or gtid_mode=false here"),
    (&["checksum"], "the server refuses to send checksums: is a proxy changing the session variables?"),
];

/// The class, hint and exit code of an error packet in the dump.
pub fn refusal(packet: ErrorPacket) -> Error {
    let code = packet.code;
    let lower = packet.text.to_ascii_lowercase();
    let error = packet.into_error();
    if error.class() == Class::Transient {
        return error;
    }
    let error = error.exit_code(EXIT_CODE);
    if !ABOUT_THE_BINLOG.contains(&code) {
        return error;
    }
    match HINTS.iter().find(|(words, _)| words.iter().all(|word| lower.contains(word))) {
        Some((_, hint)) => error.hint(*hint),
        None => error.hint("the server cannot read its binlog at this position; its own error log may say more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_real_servers() {
        for (code, text, class, exit, word) in [
            (1236, "Could not find first log file name in binary log index file", Class::Definite, 2, "purged"),
            (
                1236,
                "Client requested source to start replication from position > file size; the first event 'x' at 9999999, the last event read from './x' at 4",
                Class::Definite,
                2,
                "beyond the end",
            ),
            (
                1236,
                "A replica with the same server_uuid/server_id as this replica has connected to the source; the first event 'm.000001' at 4",
                Class::Definite,
                2,
                "another client reads",
            ),
            (
                1236,
                "Cannot replicate because the source purged required binary logs. Replicate the missing transactions from elsewhere",
                Class::Definite,
                2,
                "bootstrap",
            ),
            (
                1236,
                "Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old and required binlog files have been purged.",
                Class::Definite,
                2,
                "bootstrap",
            ),
            (1236, "bogus data in log event; the first event 'a' at 126", Class::Definite, 2, "where an event begins"),
            (
                4052,
                "A slave with the same server_uuid/server_id is already connected; the first event 'm.000006' at 1245",
                Class::Definite,
                2,
                "another client",
            ),
            (1236, "something new", Class::Definite, 2, "error log"),
            (
                1227,
                "Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s) for this operation",
                Class::Definite,
                2,
                "GRANT",
            ),
            (1053, "Server shutdown in progress", Class::Transient, 1, ""),
        ] {
            let error = refusal(ErrorPacket { code, state: "HY000".into(), text: text.into() });
            assert_eq!((error.class(), error.code()), (class, exit), "{text}");
            assert!(error.hint_text().unwrap_or_default().contains(word), "{error}");
        }
    }
}
