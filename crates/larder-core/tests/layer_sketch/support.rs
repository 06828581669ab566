//! What the sketches have in common.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use larder_core::codec::MessagePack;
use larder_core::{
    Backend, BatchOperation, BatchReply, Clock, Entry, Error, Key, Lifetime, Namespace, Operation,
    ReadOptions, Result, Sleep, Tag, TagName, Timestamp, Ttl, Value, ValueType, WriteOptions,
};

pub(crate) const TEXT: &ValueType = ValueType::of::<String, MessagePack>();

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A clock that is moved by hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestClock(Arc<(AtomicU64, Mutex<Vec<Waker>>)>);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap();
        self.0.0.fetch_add(nanos, Ordering::SeqCst);
        lock(&self.0.1).drain(..).for_each(Waker::wake);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        let clock = self.clone();
        Box::pin(std::future::poll_fn(move |context| {
            lock(&clock.0.1).push(context.waker().clone());
            if clock.now() >= deadline {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
    }
}

pub(crate) fn namespace() -> Namespace {
    Namespace::new("app").unwrap()
}

/// Fresh for a minute, stale for another.
pub(crate) fn life(clock: &TestClock) -> Lifetime {
    let minute = Duration::from_secs(60);
    Lifetime::new(clock.now(), Ttl::after(minute).unwrap(), minute)
}

pub(crate) fn text(clock: &TestClock, value: &str) -> Entry {
    Entry::new(
        Value::decoded(Arc::new(value.to_owned()), TEXT),
        life(clock),
    )
}

pub(crate) fn tagged(clock: &TestClock, value: &str, tag: &str) -> Entry {
    let tag: Tag = TagName::new(tag).unwrap().into();
    text(clock, value).with_tags(vec![tag]).unwrap()
}

pub(crate) fn read(entry: &Entry) -> Arc<String> {
    entry.value().read::<String>(TEXT).ok().expect("a text")
}

/// What `get` answers, as text.
pub(crate) async fn get(store: &dyn Backend, key: &Key<'_>) -> Option<String> {
    let entry = store.get(key, &ReadOptions::default()).await.unwrap()?;
    Some(read(&entry).to_string())
}

/// One operation of a batch by the method of its name: for layers whose methods do more than a batch of
/// the inner store would.
pub(crate) async fn perform<B: Backend>(
    backend: &B,
    operation: BatchOperation<'_>,
    options: &WriteOptions,
) -> Result<BatchReply> {
    let mut reading = ReadOptions::default()
        .with_view(options.view)
        .with_tiers(options.tiers);
    reading.deadline = options.deadline;
    Ok(match operation {
        BatchOperation::Get(key) => BatchReply::Entry(backend.get(&key, &reading).await?),
        BatchOperation::Head(key) => BatchReply::Head(backend.head(&key, &reading).await?),
        BatchOperation::Set(key, entry) => {
            backend.set(&key, entry, options).await?;
            BatchReply::Stored
        }
        BatchOperation::Delete(key) => BatchReply::Deleted(backend.delete(&key, options).await?),
        BatchOperation::Invalidate(key) => {
            BatchReply::Deleted(backend.invalidate(&key, options).await?)
        }
        BatchOperation::Expire(key, expiry) => {
            BatchReply::Expired(backend.expire(&key, expiry, options).await?)
        }
        BatchOperation::Update(key, update) => {
            BatchReply::Updated(backend.update(&key, update, options).await?)
        }
        _ => return Err(Error::unsupported(Operation::Batch)),
    })
}
