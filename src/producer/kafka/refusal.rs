//! What a message that was not delivered means: sent again from the resume point, or a stop with a sentence. And how such a
//! message is named to the user. Never here: state, logging.

use crate::encode::dead_letter::Identity;
use rdkafka_sys::rd_kafka_resp_err_t as E;

use super::delivery::Failure;
use super::ffi::Code;

/// A message that was not delivered.
pub struct Undelivered<'a> {
    pub file: &'a str,
    pub offset: u64,
    pub topic: &'a str,
    pub partition: i32,
    pub key: &'a [u8],
    /// Of key and value.
    pub bytes: usize,
}

impl Undelivered<'_> {
    fn detail(&self) -> String {
        let partition = if self.partition < 0 { String::new() } else { format!(" partition {}", self.partition) };
        format!("{}:{}, topic {}{partition}, {}, {} bytes", self.file, self.offset, self.topic, row_identity(self.key), self.bytes)
    }

    /// Maxwell's line for the log.
    pub fn log_line(&self, exception: &str) -> String {
        format!("{exception} @ {}:{} -- {}: {}", self.file, self.offset, self.topic, row_identity(self.key))
    }
}

/// The batch was purged because another one failed, or at a stop.
pub fn is_purged(code: Code) -> bool {
    code == Code::of(E::RD_KAFKA_RESP_ERR__PURGE_QUEUE) || code == Code::of(E::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
}

/// Sorts a delivery error. What is not known to be lasting is transient: the daemon then makes a new producer and sends
/// again from the resume point, which loses nothing.
pub fn classify(code: Code, reason: &str, message: &Undelivered<'_>) -> Failure {
    let Some(hint) = lasting(code) else {
        let mut failure = Failure::transient(format!("Kafka did not take a message: {reason}")).detail(message.detail());
        if code == Code::of(E::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT) {
            failure =
                failure.hint("it is sent again from the last stored position; without kafka.delivery.timeout.ms delivery waits instead");
        }
        return failure;
    };
    Failure::definite(format!("Kafka refuses a message: {reason}")).detail(message.detail()).hint(hint)
}

/// A batch that holds a message at fault. Not known yet which: they come again from the resume point and go one by one.
pub fn refused_batch(reason: &str, message: &Undelivered<'_>) -> Failure {
    Failure::transient(format!("Kafka refuses a batch of messages: {reason}"))
        .detail(message.detail())
        .hint("its messages are sent again one by one, so that only what is at fault is refused")
}

/// Why one message, and no other, is not taken. Decides what may become of it, and has the Java client's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    TooLarge,
    TooLargeForSegment,
    InvalidRecord,
    Corrupt,
    InvalidTimestamp,
    Policy,
    LogFormat,
    /// Kafka allows no topic of the name.
    Topic,
}

impl Refused {
    /// `None`: the error concerns more than a message, or may pass.
    pub fn of(code: Code) -> Option<Refused> {
        let rows = [
            (E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Refused::TooLarge),
            (E::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, Refused::TooLargeForSegment),
            (E::RD_KAFKA_RESP_ERR_INVALID_RECORD, Refused::InvalidRecord),
            (E::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD, Refused::InvalidRecord),
            (E::RD_KAFKA_RESP_ERR_INVALID_MSG, Refused::Corrupt),
            (E::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, Refused::InvalidTimestamp),
            (E::RD_KAFKA_RESP_ERR_POLICY_VIOLATION, Refused::Policy),
            (E::RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, Refused::LogFormat),
        ];
        rows.iter().find(|(of, _)| Code::of(*of) == code).map(|(_, refused)| *refused)
    }

    /// The `reason` of Maxwell's fallback record: the simple name of the Java client's exception.
    pub fn exception(self) -> &'static str {
        match self {
            Refused::TooLarge => "RecordTooLargeException",
            Refused::TooLargeForSegment => "RecordBatchTooLargeException",
            Refused::InvalidRecord => "InvalidRecordException",
            Refused::Corrupt => "CorruptRecordException",
            Refused::InvalidTimestamp => "InvalidTimestampException",
            Refused::Policy => "PolicyViolationException",
            Refused::LogFormat => "UnsupportedForMessageFormatException",
            Refused::Topic => "InvalidTopicException",
        }
    }

    /// Whether `ignore_producer_error` leaves it out. Not a wrong topic: that is all of a table's messages (Maxwell stops too).
    pub fn may_be_left_out(self) -> bool {
        self != Refused::Topic
    }
}

const SO_THAT_IT_GOES_ON: &str = "or set dead_letter_topic to get a record about each such message, or ignore_producer_error=true to leave \
    them out";

/// The failure for a message that our own check found too large.
pub fn too_large(size: usize, limit: usize, message: &Undelivered<'_>) -> Failure {
    Failure::definite(format!("a message of {size} bytes is larger than kafka.max.request.size={limit}")).detail(message.detail()).hint(
        format!("raise kafka.max.request.size, and max.message.bytes of the topic (message.max.bytes of the broker); {SO_THAT_IT_GOES_ON}"),
    )
}

/// The failure for a message that was refused alone, if it is to stop the daemon.
pub fn refused_alone(code: Code, reason: &str, message: &Undelivered<'_>) -> Failure {
    let hint = lasting(code).unwrap_or("see the broker's log");
    Failure::definite(format!("Kafka refuses a message: {reason}")).detail(message.detail()).hint(format!("{hint}; {SO_THAT_IT_GOES_ON}"))
}

/// The dead letter itself does not get through.
pub fn dead_letter_failed(why: &Failure, topic: &str, of: &Undelivered<'_>) -> Failure {
    let mut failure =
        Failure { class: why.class, ..Failure::definite(format!("no dead letter can be sent to topic {topic}: {}", why.message)) };
    failure = failure.detail(match &why.detail {
        Some(detail) => format!("{detail}; the message is {}", of.detail()),
        None => format!("the message is {}", of.detail()),
    });
    match &why.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    }
}

/// What to do about an error that trying again cannot mend; `None` for all others.
pub fn lasting(code: Code) -> Option<&'static str> {
    let rows: &[(E, &'static str)] = &[
        (E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "raise max.message.bytes of the topic (message.max.bytes of the broker)"),
        (E::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, "it is larger than a segment of the topic's log: raise segment.bytes of the topic"),
        (E::RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, "lower kafka.batch.size"),
        (E::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "Kafka does not allow this topic; see kafka_topic"),
        (
            E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            "grant this user WRITE and DESCRIBE (and CREATE, if topics are to be made) on the topic",
        ),
        (
            E::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            "grant this user WRITE on the topics (brokers before 3.0 also want IDEMPOTENT_WRITE on the cluster, or kafka.enable.idempotence=false)",
        ),
        (E::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "grant this user WRITE and DESCRIBE on the transactional id"),
        (E::RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS, "set kafka.acks=all"),
        (E::RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, "choose another kafka.compression.type"),
        (
            E::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
            "see message.timestamp.before.max.ms and message.timestamp.after.max.ms of the topic, and this machine's clock",
        ),
        (E::RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "see the broker's policies"),
        (E::RD_KAFKA_RESP_ERR_INVALID_RECORD, "see the topic's validation; a compacted topic wants a key in every message"),
        (E::RD_KAFKA_RESP_ERR_INVALID_MSG, "see the topic's validation; a compacted topic wants a key in every message"),
        (E::RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, "the topic's log format is too old"),
    ];
    rows.iter().find(|(lasting, _)| Code::of(*lasting) == code).map(|(_, hint)| *hint)
}

/// `database:table:[(column,value), …]` from a key in either format; the key itself if it is neither.
pub fn row_identity(key: &[u8]) -> String {
    match Identity::of(key, b"").line() {
        Some(line) => line,
        None if key.is_empty() => "no key".into(),
        None => format!("key {}", String::from_utf8_lossy(key)),
    }
}

/// Bytes of a record batch with this one record, at most: Java's estimate, by which its client refuses a message. 61 for the
/// batch's header, 21 for the record's, the lengths as zigzag varints, one byte for "no headers".
/// Source: Kafka's message format (v2) documentation.
pub fn record_bytes_max(key: &[u8], value: &[u8]) -> usize {
    61 + 21 + 1 + if key.is_empty() { 1 } else { varint_bytes(key.len()) + key.len() } + varint_bytes(value.len()) + value.len()
}

/// What a record takes in a batch beside its key and value, about.
pub fn record_overhead() -> usize {
    12
}

/// Length of a number as a zigzag varint.
fn varint_bytes(n: usize) -> usize {
    let bits = usize::BITS as usize + 1 - n.leading_zeros() as usize;
    bits.div_ceil(7).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity() {
        let rows = [
            (r#"{"database":"db","table":"t","pk.id":1,"pk.k":"v"}"#, "db:t:[(id,1), (k,v)]"),
            (r#"["db","t",[{"id":1},{"k":"v"}]]"#, "db:t:[(id,1), (k,v)]"),
            (r#"["db","t",[{"d":7.000},{"k":null}]]"#, "db:t:[(d,7.000), (k,null)]"),
            (r#"{"database":"db","table":"t","_uuid":"x"}"#, "db:t:[]"),
            (r#"["db","t",[]]"#, "db:t:[]"),
            ("5c0b", "key 5c0b"),
            ("", "no key"),
            ("[[[", "key [[["),
        ];
        for (key, wanted) in rows {
            assert_eq!(row_identity(key.as_bytes()), wanted);
        }
    }

    #[test]
    fn record_sizes() {
        for (n, bytes) in [(0, 1), (1, 1), (63, 1), (64, 2), (8191, 2), (8192, 3), (1_048_575, 3), (1_048_576, 4)] {
            assert_eq!(varint_bytes(n), bytes, "{n}");
        }
        assert_eq!(record_bytes_max(b"", b""), 61 + 21 + 1 + 1 + 1);
        assert_eq!(record_bytes_max(b"kk", &[0; 100]), 61 + 21 + 1 + 1 + 2 + 2 + 100);
    }

    #[test]
    fn classes() {
        let message = Undelivered { file: "m.000001", offset: 4, topic: "t", partition: 2, key: br#"["d","t",[{"id":7}]]"#, bytes: 99 };
        let definite = refused_alone(Code::of(E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE), "Message size too large", &message).error();
        assert!(!definite.is_transient());
        let text = definite.to_string();
        assert!(text.contains("m.000001:4, topic t partition 2, d:t:[(id,7)], 99 bytes") && text.contains("max.message.bytes"), "{text}");
        assert!(text.contains("dead_letter_topic") && text.contains("ignore_producer_error=true"), "{text}");
        let batch = refused_batch("Message size too large", &message).error();
        assert!(batch.is_transient() && batch.to_string().contains("m.000001:4, topic t partition 2"), "{batch}");
        let letter = dead_letter_failed(&Failure::definite("no such topic").hint("make it"), "dead", &message).error();
        assert!(!letter.is_transient());
        let wanted = "no dead letter can be sent to topic dead: no such topic (the message is m.000001:4, topic t partition 2, d:t:[(id,7)], 99 bytes); hint: make it";
        assert_eq!(letter.to_string(), wanted);
        assert!(!classify(Code::of(E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), "no", &message).error().is_transient());
        for code in [E::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, E::RD_KAFKA_RESP_ERR__TRANSPORT, E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART] {
            assert!(classify(Code::of(code), "x", &message).error().is_transient());
        }
        // A code that the library does not know yet.
        assert!(classify(Code(999), &Code(999).text(), &message).error().is_transient());
        assert_eq!(message.log_line("RecordTooLargeException"), "RecordTooLargeException @ m.000001:4 -- t: d:t:[(id,7)]");
    }
}
