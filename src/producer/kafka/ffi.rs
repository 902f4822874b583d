//! The only unsafe code of the Kafka producer: producing on topic handles, reading the event queue, metadata, flush.
//! Everything else goes through the `rdkafka` crate. Never here: decisions, logging, waiting longer than asked.
//!
//! Why not the crate's own calls: its `send` makes a C string per message, its `poll` always runs to the full timeout and
//! allocates per delivery report, and its `flush` sleeps in steps of 100 ms.
//!
//! What all proofs here rest on (librdkafka 2.12, `rdkafka.h`): the library is thread safe; a client lives until
//! `rd_kafka_destroy`, which `BaseProducer` calls when the last `Arc` is dropped, and every value made here holds such an
//! `Arc`; topic and queue handles are reference counted and must be destroyed before the client is, which field order
//! and the `Arc` see to. Error codes that come from a broker may be newer than the library's list, so they are read as
//! plain integers, never as the Rust enum, for which an unknown value would be undefined behaviour.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::OAuthToken;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use rdkafka_sys as sys;

use super::client::Context;

/// An error code of librdkafka: negative for its own, positive for the broker's. 0 is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub i32);

impl Code {
    pub const NONE: Code = Code(0);

    pub fn of(error: sys::rd_kafka_resp_err_t) -> Code {
        Code(error as i32)
    }

    /// The library's description, or the number if it has none.
    pub fn text(self) -> String {
        match sys::rd_kafka_resp_err_t::try_from(self.0) {
            // SAFETY: takes a known code and returns a pointer to a static C string.
            Ok(code) => unsafe { CStr::from_ptr(sys::rd_kafka_err2str(code)) }.to_string_lossy().into_owned(),
            Err(_) => format!("Kafka error {}", self.0),
        }
    }
}

/// One client: the producer of the `rdkafka` crate, and its main queue.
pub struct Native {
    queue: *mut sys::rd_kafka_queue_t,
    // Declared after the queue; `drop` below destroys the queue while this still holds the client.
    producer: Arc<BaseProducer<Context>>,
}

// SAFETY: a queue handle may be used from any thread (librdkafka is thread safe), and it is valid while `self` is.
unsafe impl Send for Native {}
// SAFETY: as above; all methods take `&self` and call thread-safe functions.
unsafe impl Sync for Native {}

impl Drop for Native {
    fn drop(&mut self) {
        // SAFETY: the handle came from `rd_kafka_queue_get_main` and is destroyed once; the client is alive (`self.producer`).
        unsafe { sys::rd_kafka_queue_destroy(self.queue) }
    }
}

impl Native {
    pub fn new(producer: Arc<BaseProducer<Context>>) -> Self {
        // SAFETY: the client is alive; the call returns a counted reference that `drop` gives back.
        let queue = unsafe { sys::rd_kafka_queue_get_main(producer.client().native_ptr()) };
        Native { queue, producer }
    }

    /// A handle to produce on. `None` if the library refuses the name.
    pub fn topic(&self, name: &str) -> Option<Topic> {
        let c_name = CString::new(name).ok()?;
        // SAFETY: the client is alive and the name is a C string that outlives the call, which copies it; a null
        // configuration means the client's default one.
        let handle = unsafe { sys::rd_kafka_topic_new(self.producer.client().native_ptr(), c_name.as_ptr(), ptr::null_mut()) };
        (!handle.is_null()).then(|| Topic { handle, _client: self.producer.clone() })
    }

    /// The next event, waiting at most so long; `None` if none came or `wake` was called.
    pub fn poll(&self, wait: Duration) -> Option<Event> {
        // SAFETY: the queue handle is alive; the event returned is ours to destroy.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue, millis(wait)) };
        (!event.is_null()).then(|| Event { event, _client: self.producer.clone() })
    }

    /// Makes a waiting `poll` return.
    pub fn wake(&self) {
        // SAFETY: the queue handle is alive.
        unsafe { sys::rd_kafka_queue_yield(self.queue) }
    }

    /// Waits until every message is answered and its event was dropped by whoever polls, sending without linger meanwhile.
    /// Blocks; answers whether that was reached in time.
    pub fn flush(&self, wait: Duration) -> bool {
        // SAFETY: the client is alive. With delivery reports as events the call polls nothing itself.
        Code::of(unsafe { sys::rd_kafka_flush(self.producer.client().native_ptr(), millis(wait)) }) == Code::NONE
    }

    /// Gives up all messages, also those sent and not answered; each gets its delivery report with an error.
    pub fn purge(&self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }

    /// Queues a message that has more to it than `Topic::produce` takes: headers, or a partition by its key.
    pub fn send(&self, record: BaseRecord<'_, [u8], [u8], usize>) -> Result<(), KafkaError> {
        self.producer.send(record).map_err(|(error, _)| error)
    }

    /// One step of a transaction. Blocks, at most so long; `None`: as long as the transaction may last, which is what the
    /// library advises for commit and abort. The thread that reads events must be another one: a commit waits until all
    /// reports are read.
    pub fn transaction(&self, step: TransactionStep, wait: Option<Duration>) -> Result<(), TransactionError> {
        let client = self.producer.client().native_ptr();
        let wait = wait.map_or(-1, millis);
        // SAFETY: the client is alive, and the calls may come from any thread. Each returns null or an error object that
        // is ours to destroy.
        let error = unsafe {
            match step {
                TransactionStep::Init => sys::rd_kafka_init_transactions(client, wait),
                TransactionStep::Begin => sys::rd_kafka_begin_transaction(client),
                TransactionStep::Commit => sys::rd_kafka_commit_transaction(client, wait),
                TransactionStep::Abort => sys::rd_kafka_abort_transaction(client, wait),
            }
        };
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: the error object is alive until it is destroyed below, once; its strings live as long and are copied.
        // The code is taken by its name, because the number may be newer than the Rust enum.
        let told = unsafe {
            let told = TransactionError {
                name: text(sys::rd_kafka_error_name(error)),
                reason: text(sys::rd_kafka_error_string(error)),
                retriable: sys::rd_kafka_error_is_retriable(error) != 0,
            };
            sys::rd_kafka_error_destroy(error);
            told
        };
        Err(told)
    }

    /// Whether another client with the same transactional id has taken this one's place, or the coordinator has put an end
    /// to a transaction that lasted too long: the library does not tell these apart.
    pub fn is_fenced(&self) -> bool {
        self.producer.client().fatal_error().is_some_and(|(code, _)| code == RDKafkaErrorCode::Fenced)
    }

    /// The reason why this client can do nothing more, if there is one.
    pub fn fatal_error(&self) -> Option<(Code, String)> {
        self.producer.client().fatal_error().map(|(code, reason)| (Code(code as i32), reason))
    }

    /// Makes the library give this client up, as it does on errors that cannot be provoked.
    #[cfg(test)]
    pub fn end_fatally(&self) {
        // SAFETY: the client is alive; the reason is a C string, which the call copies.
        unsafe {
            let code = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__INCONSISTENT;
            sys::rd_kafka_test_fatal_error(self.producer.client().native_ptr(), code, c"for a test".as_ptr());
        }
    }

    /// Answers a question for a token (`EventKind::TokenWanted`).
    pub fn set_token(&self, token: Result<OAuthToken, String>) -> Result<(), String> {
        let client = self.producer.client().native_ptr();
        let text = |text: String| CString::new(text).map_err(|_| "a zero byte".to_owned());
        let set = token.and_then(|token| {
            let (value, principal) = (text(token.token)?, text(token.principal_name)?);
            let mut why = [0 as c_char; 512];
            // SAFETY: the client is alive; the strings outlive the call, which copies them; there are no extensions; the reason is
            // written to a buffer of the length told, with a zero at its end.
            unsafe {
                let code = sys::rd_kafka_oauthbearer_set_token(
                    client,
                    value.as_ptr(),
                    token.lifetime_ms,
                    principal.as_ptr(),
                    ptr::null_mut(),
                    0,
                    why.as_mut_ptr(),
                    why.len(),
                );
                if Code::of(code) == Code::NONE { Ok(()) } else { Err(self::text(why.as_ptr())) }
            }
        });
        if let Err(why) = &set {
            let why = text(why.clone())?;
            // SAFETY: as above.
            unsafe { sys::rd_kafka_oauthbearer_set_token_failure(client, why.as_ptr()) };
        }
        set
    }

    /// Asks the cluster about one topic, or about all that this client has handles for. Blocks at most so long. A broker
    /// creates an unknown topic on this question if it is set to.
    pub fn metadata(&self, topic: Option<&Topic>, wait: Duration) -> Result<Vec<TopicFacts>, Code> {
        let mut answer: *const sys::rd_kafka_metadata = ptr::null();
        let only = topic.map_or(ptr::null_mut(), |t| t.handle);
        // SAFETY: client and topic handle are alive; 0 restricts the question to `only`, or to local topics if that is
        // null; on success `answer` points to memory that we free below.
        let code = Code::of(unsafe { sys::rd_kafka_metadata(self.producer.client().native_ptr(), 0, only, &mut answer, millis(wait)) });
        if code != Code::NONE || answer.is_null() {
            return Err(code);
        }
        // SAFETY: on success the library returned a complete structure: `topics` holds `topic_cnt` elements, each with a
        // C string. The reference does not outlive the block, after which the structure is freed, once.
        let facts = unsafe {
            let count = usize::try_from((*answer).topic_cnt).unwrap_or(0);
            let facts = (0..count).map(|i| TopicFacts::read((*answer).topics.add(i))).collect();
            sys::rd_kafka_metadata_destroy(answer);
            facts
        };
        Ok(facts)
    }
}

/// What a transactional client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStep {
    /// Takes the transactional id over: ends what an older client with it has open, and locks that client out.
    Init,
    Begin,
    Commit,
    Abort,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionError {
    /// The code's name without its prefix: `_FENCED`, `TOPIC_AUTHORIZATION_FAILED`.
    pub name: String,
    pub reason: String,
    /// The same call may be made again.
    pub retriable: bool,
}

impl TransactionError {
    /// Of a step that was made through the `rdkafka` crate.
    pub fn of(error: &KafkaError) -> Self {
        match error {
            KafkaError::Transaction(told) => TransactionError { name: told.name(), reason: told.string(), retriable: told.is_retriable() },
            other => TransactionError { name: String::new(), reason: other.to_string(), retriable: false },
        }
    }
}

/// What the cluster says about one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFacts {
    pub name: String,
    pub partitions: i32,
    pub error: Code,
}

impl TopicFacts {
    /// # Safety
    /// `topic` must point to a complete `rd_kafka_metadata_topic`.
    unsafe fn read(topic: *const sys::rd_kafka_metadata_topic) -> Self {
        // SAFETY: by the contract of this function; the code is read as the integer that it is in C.
        unsafe {
            TopicFacts {
                name: CStr::from_ptr((*topic).topic).to_string_lossy().into_owned(),
                partitions: (*topic).partition_cnt,
                error: Code(ptr::addr_of!((*topic).err).cast::<i32>().read()),
            }
        }
    }
}

/// A topic handle.
pub struct Topic {
    handle: *mut sys::rd_kafka_topic_t,
    _client: Arc<BaseProducer<Context>>,
}

// SAFETY: topic handles may be used from any thread, and this one is valid while `self` is.
unsafe impl Send for Topic {}
// SAFETY: as above.
unsafe impl Sync for Topic {}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: came from `rd_kafka_topic_new`, destroyed once, and the client is alive (`self._client`).
        unsafe { sys::rd_kafka_topic_destroy(self.handle) }
    }
}

impl Topic {
    /// Puts one message into the library's queue, copying its bytes. Never waits. An empty key is sent as no key, an empty value
    /// as a null one (a tombstone).
    #[inline]
    pub fn produce(&self, partition: i32, key: &[u8], value: &[u8], opaque: usize) -> Result<(), Code> {
        let key_start = if key.is_empty() { ptr::null() } else { key.as_ptr().cast::<c_void>() };
        let value_start = if value.is_empty() { ptr::null() } else { value.as_ptr() };
        // SAFETY: the handle is alive. `value` and `key` are readable for their lengths during the call, or null and empty; with MSG_F_COPY
        // the library copies the value before it returns (and always copies the key), and writes to neither, so the cast
        // to a mutable pointer is only the C signature's. The opaque is a number for the library to hand back; it is
        // never followed as a pointer, by us or by it.
        let failed = unsafe {
            sys::rd_kafka_produce(
                self.handle,
                partition,
                sys::RD_KAFKA_MSG_F_COPY,
                value_start.cast_mut().cast::<c_void>(),
                value.len(),
                key_start,
                key.len(),
                opaque as *mut c_void,
            )
        };
        if failed == 0 {
            return Ok(());
        }
        // SAFETY: reads the calling thread's last error, which the failed call has just set to one of the library's own.
        Err(Code::of(unsafe { sys::rd_kafka_last_error() }))
    }
}

/// One event of the main queue.
pub struct Event {
    event: *mut sys::rd_kafka_event_t,
    _client: Arc<BaseProducer<Context>>,
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event came from `rd_kafka_queue_poll` and is destroyed once, here.
        unsafe { sys::rd_kafka_event_destroy(self.event) }
    }
}

/// What an event is.
pub enum EventKind<'a> {
    Deliveries(Deliveries<'a>),
    /// Trouble with a broker or with the client as a whole.
    Error {
        code: Code,
        reason: String,
        fatal: bool,
    },
    /// A line for the log: syslog level (3 is error, 7 debug), facility, text.
    Log {
        level: i32,
        facility: String,
        text: String,
    },
    /// What the library has measured, as JSON.
    Statistics(&'a [u8]),
    /// The token of SASL/OAUTHBEARER ends soon, and the application is to make the next; with `sasl.oauthbearer.config`.
    TokenWanted(Option<String>),
    Other,
}

impl Event {
    pub fn kind(&mut self) -> EventKind<'_> {
        // SAFETY (whole function): the event is alive; the accessors of an event type are called on that type only, and
        // the strings they return live as long as the event and are copied here, or borrowed with it.
        match unsafe { sys::rd_kafka_event_type(self.event) } {
            sys::RD_KAFKA_EVENT_DR => EventKind::Deliveries(Deliveries { event: self }),
            sys::RD_KAFKA_EVENT_ERROR => unsafe {
                EventKind::Error {
                    code: Code::of(sys::rd_kafka_event_error(self.event)),
                    reason: text(sys::rd_kafka_event_error_string(self.event)),
                    fatal: sys::rd_kafka_event_error_is_fatal(self.event) != 0,
                }
            },
            sys::RD_KAFKA_EVENT_LOG => {
                let (mut facility, mut line): (*const c_char, *const c_char) = (ptr::null(), ptr::null());
                let mut level: c_int = 0;
                // SAFETY: as above; the three are valid places to write to.
                if unsafe { sys::rd_kafka_event_log(self.event, &mut facility, &mut line, &mut level) } != 0 {
                    return EventKind::Other;
                }
                // SAFETY: set by the successful call.
                unsafe { EventKind::Log { level, facility: text(facility), text: text(line) } }
            }
            sys::RD_KAFKA_EVENT_STATS => {
                // SAFETY: the event is alive and is borrowed for as long as the text, a C string.
                let json = unsafe { sys::rd_kafka_event_stats(self.event) };
                if json.is_null() { EventKind::Other } else { EventKind::Statistics(unsafe { CStr::from_ptr(json) }.to_bytes()) }
            }
            sys::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH => {
                // SAFETY: as above; null if nothing is set.
                let config = unsafe { text(sys::rd_kafka_event_config_string(self.event)) };
                EventKind::TokenWanted(Some(config).filter(|config| !config.is_empty()))
            }
            _ => EventKind::Other,
        }
    }
}

/// The delivery reports of one event, one message after the other.
pub struct Deliveries<'a> {
    event: &'a mut Event,
}

impl Deliveries<'_> {
    /// The next report, which must be let go before the one after it.
    #[inline]
    pub fn next_report(&mut self) -> Option<Report<'_>> {
        // SAFETY: the event is alive and is a delivery report event. The message returned lives as long as the event,
        // which `self` borrows mutably, and the next call does not touch it.
        let message = unsafe { sys::rd_kafka_event_message_next(self.event.event) };
        (!message.is_null()).then_some(Report { message, _event: PhantomData })
    }
}

/// What became of one message. Kept as a pointer and read field by field, because `err` may hold a number that the Rust
/// enum does not have. Every read below is of a complete message that the event keeps alive for the lifetime `'a`.
pub struct Report<'a> {
    message: *const sys::rd_kafka_message_t,
    _event: PhantomData<&'a Event>,
}

impl Report<'_> {
    #[inline]
    pub fn opaque(&self) -> usize {
        // SAFETY: see the type.
        unsafe { (*self.message)._private as usize }
    }

    #[inline]
    pub fn code(&self) -> Code {
        // SAFETY: see the type; the field is a C int at a valid address.
        Code(unsafe { ptr::addr_of!((*self.message).err).cast::<i32>().read() })
    }

    /// Bytes of key and value.
    #[inline]
    pub fn bytes(&self) -> usize {
        // SAFETY: see the type.
        unsafe { (*self.message).len + (*self.message).key_len }
    }

    pub fn partition(&self) -> i32 {
        // SAFETY: see the type.
        unsafe { (*self.message).partition }
    }

    pub fn topic(&self) -> String {
        // SAFETY: see the type; the message keeps its topic alive, and the name is a C string that lives as long.
        unsafe {
            let topic = (*self.message).rkt;
            if topic.is_null() { String::new() } else { text(sys::rd_kafka_topic_name(topic)) }
        }
    }

    pub fn key(&self) -> &[u8] {
        // SAFETY: see the type; the message owns `key_len` bytes at `key`, unless that is null.
        unsafe {
            let key = (*self.message).key;
            if key.is_null() { &[] } else { std::slice::from_raw_parts(key.cast::<u8>(), (*self.message).key_len) }
        }
    }

    /// Why the message was not taken. Not the broker's own words: librdkafka 2.12 hands out a pointer to them that it has freed
    /// before the report can be read (`rd_kafka_message_produce_errstr` after `rd_kafka_handle_Produce`).
    pub fn reason(&self) -> String {
        if self.code() == Code::NONE { String::new() } else { self.code().text() }
    }
}

/// # Safety
/// `from` must be null or a C string.
unsafe fn text(from: *const c_char) -> String {
    if from.is_null() {
        return String::new();
    }
    // SAFETY: by the contract of this function.
    unsafe { CStr::from_ptr(from) }.to_string_lossy().trim().to_owned()
}

/// Gives memory that is free, and that the C library keeps, back to the system. A client has filled its queue before it was
/// destroyed; what it leaves is scattered, and the next client would grow beside it.
#[cfg(target_env = "gnu")]
pub fn give_memory_back() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> c_int;
    }
    // SAFETY: a function of glibc, where this is compiled; it may be called at any time from any thread.
    unsafe { malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
pub fn give_memory_back() {}

fn millis(wait: Duration) -> c_int {
    c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX)
}
