//! What Maxwell asks of producers that are not built yet (contract §1.7, 3). They are refused by name anyway; whoever
//! reads that refusal learns the rest in the same go.

use super::super::value;
use super::Reader;

/// A producer, an option that it needs, and the text when that is missing.
const NEEDED: &[(&str, &str, &str)] = &[
    ("kinesis", "kinesis_stream", "please specify a stream name for kinesis"),
    ("sqs", "sqs_queue_uri", "please specify --sqs_queue_uri"),
    ("sqs", "sqs_service_endpoint", "please specify --sqs_service_endpoint"),
    ("sqs", "sqs_signing_region", "please specify --sqs_signing_region"),
    ("sns", "sns_topic", "please specify --sns_topic"),
    ("pubsub", "pubsub_project_id", "please specify --pubsub_project_id."),
];

/// Numbers of Pub/Sub that must be greater than zero.
const POSITIVE: &[&str] = &[
    "pubsub_request_bytes_threshold",
    "pubsub_message_count_batch_size",
    "pubsub_publish_delay_threshold",
    "pubsub_retry_delay",
    "pubsub_max_retry_delay",
    "pubsub_initial_rpc_timeout",
    "pubsub_max_rpc_timeout",
    "pubsub_total_timeout",
];

pub(super) fn check(reader: &mut Reader, producer: &str) {
    for (_, option, text) in NEEDED.iter().filter(|(of, ..)| *of == producer) {
        if !reader.is_given(option) {
            reader.missing(*text);
        }
    }
    match producer {
        "pubsub" => pubsub(reader),
        "redis" if reader.is_given("redis_sentinel_master_name") != reader.is_given("redis_sentinels") => {
            reader.missing("please specify both (or none) of redis_sentinel_master_name and redis_sentinels");
        }
        _ => {}
    }
}

fn pubsub(reader: &mut Reader) {
    for name in POSITIVE {
        if reader.given(name).and_then(value::integer).is_some_and(|n| n <= 0) {
            reader.fault(name, format!("{name} must be > 0"), format!("give {name} a number greater than 0"));
        }
    }
    let float = |name: &str| reader.given(name).and_then(value::float);
    if float("pubsub_retry_delay_multiplier").is_some_and(|n| n <= 1.0) {
        let name = "pubsub_retry_delay_multiplier";
        reader.fault(name, format!("{name} must be > 1.0"), "the pause between tries has to grow");
    }
    let float = |name: &str| reader.given(name).and_then(value::float);
    if float("pubsub_rpc_timeout_multiplier").is_some_and(|n| n < 1.0) {
        let name = "pubsub_rpc_timeout_multiplier";
        reader.fault(name, format!("{name} must be >= 1.0"), "the time-out must not shrink");
    }
}
