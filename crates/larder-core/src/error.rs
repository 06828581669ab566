//! One error for every crate: what went wrong, in which operation, for which key, and whether to try again.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::Operation;

/// A result with larder's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. A miss is not an error: look-ups answer `Ok(None)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is wrong, contradicts another, or layers stand in the wrong order.
    ConfigInvalid,
    /// A key, prefix, namespace, tag or pattern breaks the rules of its kind.
    KeyInvalid,
    /// A key is longer than [`Key::MAX_BYTES`](crate::Key::MAX_BYTES).
    KeyTooLong,
    /// A value is larger than the configured limit.
    ValueTooLarge,
    /// An entry has more tags than allowed, or a tag is too long.
    TooManyTags,
    /// A batch holds more operations than allowed.
    BatchTooLarge,
    /// A queue is full; nothing was accepted.
    QueueFull,
    /// A time to live is zero, or longer than can be stored.
    TtlInvalid,
    /// This stack can't do that: see [`Capability`](crate::Capability).
    Unsupported,
    /// A value could not be encoded.
    Encode,
    /// Bytes could not be decoded. Look-ups answer a miss instead; only codecs return it.
    Decode,
    /// A counter operation met something that isn't a counter.
    NotACounter,
    /// A counter would leave the range of `i64`; it keeps its value.
    CounterOverflow,
    /// A loader returned an error; [`source`](std::error::Error::source) has it.
    Load,
    /// A loader panicked.
    LoadPanicked,
    /// A load was dropped before it ended, for example because its runtime was shut down.
    LoadCancelled,
    /// A loader asked for the key that it is loading.
    LoadCycle,
    /// The origin has no such value: a loader has just said so, or what it said is remembered.
    Absent,
    /// A deadline passed.
    Timeout,
    /// A server can't be reached or refused.
    Unavailable,
    /// A breaker or bulkhead turned the call away.
    Rejected,
    /// The cache was closed.
    Closed,
    /// There is no running asynchronous runtime to work on.
    RuntimeGone,
    /// What was written is not found, because one of its tags was invalidated while it was being written.
    Overtaken,
    /// Reading or writing a local file failed.
    Io,
    /// Anything else; worth a bug report.
    Unexpected,
}

impl ErrorKind {
    /// The kind's name in metrics and logs: lower case, words joined by `_`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigInvalid => "config_invalid",
            Self::KeyInvalid => "key_invalid",
            Self::KeyTooLong => "key_too_long",
            Self::ValueTooLarge => "value_too_large",
            Self::TooManyTags => "too_many_tags",
            Self::BatchTooLarge => "batch_too_large",
            Self::QueueFull => "queue_full",
            Self::TtlInvalid => "ttl_invalid",
            Self::Unsupported => "unsupported",
            Self::Encode => "encode",
            Self::Decode => "decode",
            Self::NotACounter => "not_a_counter",
            Self::CounterOverflow => "counter_overflow",
            Self::Load => "load",
            Self::LoadPanicked => "load_panicked",
            Self::LoadCancelled => "load_cancelled",
            Self::LoadCycle => "load_cycle",
            Self::Absent => "absent",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Rejected => "rejected",
            Self::Closed => "closed",
            Self::RuntimeGone => "runtime_gone",
            Self::Overtaken => "overtaken",
            Self::Io => "io",
            Self::Unexpected => "unexpected",
        }
    }

    const fn status(self) -> ErrorStatus {
        match self {
            Self::QueueFull
            | Self::LoadCancelled
            | Self::Timeout
            | Self::Unavailable
            | Self::Rejected
            | Self::Overtaken => ErrorStatus::Temporary,
            _ => ErrorStatus::Permanent,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the same call may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorStatus {
    /// The same call may succeed later.
    Temporary,
    /// The same call will fail again.
    Permanent,
}

/// larder's error: one word, cheap to clone, so that every waiter of a load gets the same one.
///
/// ```
/// use larder_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Timeout, "no answer within 200 ms").with_key("airport:LHR");
/// assert_eq!(error.kind(), ErrorKind::Timeout);
/// assert!(error.is_temporary());
/// assert_eq!(error.to_string(), r#"timeout: no answer within 200 ms (key "airport:LHR")"#);
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    status: ErrorStatus,
    operation: Option<Operation>,
    key: Option<Box<str>>,
    message: Cow<'static, str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Keys in messages are cut to this many characters.
const KEY_IN_MESSAGE: usize = 64;

impl Error {
    /// An error of this kind; its status follows from the kind.
    #[cold]
    #[inline(never)]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            status: kind.status(),
            operation: None,
            key: None,
            message: message.into(),
            source: None,
        }))
    }

    /// The answer of a default method that a backend did not write.
    pub fn unsupported(operation: Operation) -> Self {
        Self::new(ErrorKind::Unsupported, "this stack has no such ability")
            .with_operation(operation)
    }

    /// Says which operation failed. The first one said stays.
    pub fn with_operation(mut self, operation: Operation) -> Self {
        Arc::make_mut(&mut self.0)
            .operation
            .get_or_insert(operation);
        self
    }

    /// Says which key the operation was about. The first one said stays; long keys are cut.
    pub fn with_key(mut self, key: &str) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        if inner.key.is_none() {
            let cut = key.char_indices().nth(KEY_IN_MESSAGE);
            inner.key = Some(match cut {
                Some((end, _)) => format!("{}…", &key[..end]).into(),
                None => key.into(),
            });
        }
        self
    }

    /// Keeps the error that caused this one.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::from(source.into()));
        self
    }

    /// Overrides whether the same call may succeed later.
    pub fn with_status(mut self, status: ErrorStatus) -> Self {
        Arc::make_mut(&mut self.0).status = status;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later.
    pub fn status(&self) -> ErrorStatus {
        self.0.status
    }

    /// Shorthand for `status() == ErrorStatus::Temporary`.
    pub fn is_temporary(&self) -> bool {
        self.0.status == ErrorStatus::Temporary
    }

    /// The operation that failed, where known.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The key it was about, where known; cut to 64 characters.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// The message alone, without kind, operation and key.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.kind)?;
        if let Some(operation) = self.0.operation {
            write!(f, " in {operation}")?;
        }
        write!(f, ": {}", self.0.message)?;
        if let Some(key) = &self.0.key {
            write!(f, " (key {key:?})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("status", &self.0.status)
            .field("operation", &self.0.operation)
            .field("key", &self.0.key)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Option<Error>>(), size_of::<usize>());
    }

    #[test]
    fn the_source_survives_cloning() {
        let error = Error::new(ErrorKind::Load, "the loader failed")
            .with_source(std::io::Error::other("disk on fire"));
        assert_eq!(error.clone().source().unwrap().to_string(), "disk on fire");
    }

    #[test]
    fn a_long_key_is_cut_at_a_character_border() {
        let error = Error::new(ErrorKind::KeyTooLong, "too long").with_key(&"ü".repeat(600));
        assert_eq!(error.key().unwrap().chars().count(), KEY_IN_MESSAGE + 1);
    }
}
