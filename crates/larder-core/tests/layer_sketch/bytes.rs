//! A byte layer, such as compression or encryption: other bytes below it, with its frame before them.

use std::sync::Arc;

use larder_core::{
    Backend, BatchOperation, BatchReply, Capability, Changes, CloseReport, Cursor, Deletion, Entry,
    EntryKind, Error, Expiry, Fill, FillToken, Filled, Head, Key, Layer, LayerRole, Lease,
    LeaseMode, LeaseOptions, Marker, MarkerRead, Operation, Peek, ReadOptions, RegionLimits,
    Result, ScanPage, ScanRequest, Store, TierCheck, TierStats, Timestamp, Update, Updated, Value,
    Version, WriteOptions,
};

use crate::wrapper::wrapper;

/// The frame: this layer's id, and the mask of these bytes.
const LAYER: u8 = 0x58;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Mask(pub(crate) u8);

impl Layer for Mask {
    fn apply(&self, inner: Store) -> Arc<dyn Backend> {
        Arc::new(Masked {
            inner,
            mask: self.0,
        })
    }

    fn role(&self) -> LayerRole {
        LayerRole::Bytes
    }
}

#[derive(Debug)]
struct Masked {
    inner: Store,
    mask: u8,
}

impl Masked {
    /// A new entry for the store below; the one above keeps its decoded form.
    fn seal(&self, entry: Entry) -> Result<Entry> {
        // A counter's bytes are changed in place by the store.
        if entry.head().kind() == EntryKind::Counter {
            return Ok(entry);
        }
        let value = entry.value();
        let masked = value.encoded()?.iter().map(|byte| byte ^ self.mask);
        let bytes: Vec<u8> = [LAYER, self.mask].into_iter().chain(masked).collect();
        let sealed = Value::encoded_as(bytes.into(), value.codec()).with_frames(value.frames() + 1);
        Ok(entry.with_value(sealed))
    }

    /// The entry as it was before it was sealed; `None` if these are not this layer's bytes.
    fn open(entry: Entry) -> Option<Entry> {
        let value = entry.value();
        if entry.head().kind() == EntryKind::Counter {
            return Some(entry);
        }
        let frames = value.frames().checked_sub(1)?;
        let [LAYER, mask, masked @ ..] = value.encoded().ok()?.as_ref() else {
            return None;
        };
        let bytes: Vec<u8> = masked.iter().map(|byte| byte ^ mask).collect();
        let opened = Value::encoded_as(bytes.into(), value.codec()).with_frames(frames);
        Some(entry.with_value(opened))
    }

    /// Refuses what it doesn't know: a new operation must not carry bytes past this layer.
    fn seal_update(&self, update: Update) -> Result<Update> {
        Ok(match update {
            Update::Increment { .. } | Update::Take => update,
            Update::SetIfAbsent(entry) => Update::SetIfAbsent(self.seal(entry)?),
            Update::ReplaceIf { id, entry } => Update::ReplaceIf {
                id,
                entry: self.seal(entry)?,
            },
            _ => return Err(Error::unsupported(Operation::Update)),
        })
    }

    fn open_updated(updated: Updated) -> Updated {
        match updated {
            Updated::Taken(entry) => Updated::Taken(entry.and_then(Self::open)),
            other => other,
        }
    }

    fn seal_operation<'a>(&self, operation: BatchOperation<'a>) -> Result<BatchOperation<'a>> {
        Ok(match operation {
            BatchOperation::Set(key, entry) => BatchOperation::Set(key, self.seal(entry)?),
            BatchOperation::Update(key, update) => {
                BatchOperation::Update(key, self.seal_update(update)?)
            }
            BatchOperation::Get(_)
            | BatchOperation::Head(_)
            | BatchOperation::Delete(_)
            | BatchOperation::Invalidate(_)
            | BatchOperation::Expire(..) => operation,
            _ => return Err(Error::unsupported(Operation::Batch)),
        })
    }

    fn open_reply(reply: BatchReply) -> BatchReply {
        match reply {
            BatchReply::Entry(entry) => BatchReply::Entry(entry.and_then(Self::open)),
            BatchReply::Updated(updated) => BatchReply::Updated(Self::open_updated(updated)),
            other => other,
        }
    }
}

/// Hands on what could be prepared, and puts the answers between the errors of what couldn't.
async fn with_answers<T, R, F: Future<Output = Vec<Result<R>>>>(
    prepared: impl Iterator<Item = Result<T>>,
    ask: impl FnOnce(Vec<T>) -> F,
) -> Vec<Result<R>> {
    let mut questions = Vec::new();
    let places: Vec<Result<()>> = prepared
        .map(|item| item.map(|item| questions.push(item)))
        .collect();
    let mut answers = ask(questions).await.into_iter();
    let answer = |place: Result<()>| {
        place.and_then(|()| answers.next().expect("an answer to each question"))
    };
    places.into_iter().map(answer).collect()
}

wrapper! { Masked,
    forwards: head scan delete invalidate expire release markers bump watch reserve never_now life;

    fn capability(&self) -> Capability {
        let mut left = self.inner.capability();
        left.immediate = false;
        left
    }

    fn peek(&self, _: &Key<'_>, _: Timestamp) -> Peek {
        Peek::Pending
    }

    async fn get(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Entry>> {
        Ok(self.inner.get(key, options).await?.and_then(Self::open))
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, options: &WriteOptions) -> Result<()> {
        self.inner.set(key, self.seal(entry)?, options).await
    }

    async fn update(&self, key: &Key<'_>, update: Update, options: &WriteOptions) -> Result<Updated> {
        let updated = self.inner.update(key, self.seal_update(update)?, options).await?;
        Ok(Self::open_updated(updated))
    }

    async fn batch(&self, operations: Vec<BatchOperation<'_>>, options: &WriteOptions) -> Vec<Result<BatchReply>> {
        let sealed = operations.into_iter().map(|operation| self.seal_operation(operation));
        let sealed: Vec<_> = sealed.collect();
        let replies = with_answers(sealed.into_iter(), |sealed| self.inner.batch(sealed, options)).await;
        replies.into_iter().map(|reply| reply.map(Self::open_reply)).collect()
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let mut leases = self.inner.lease(keys, options).await;
        for (key, lease) in keys.iter().zip(&mut leases) {
            match lease {
                Ok(Lease::Granted { seen, .. }) => *seen = seen.take().and_then(Self::open),
                Ok(Lease::Present(entry)) => {
                    if let Some(opened) = Self::open(entry.clone()) {
                        *entry = opened;
                        continue;
                    }
                    // Fresh, but not ours to read: whoever asked may replace it.
                    let refresh = options.clone().with_mode(LeaseMode::Refresh);
                    *lease = self.inner.lease(&[*key], &refresh).await.remove(0);
                    if let Ok(Lease::Granted { seen, .. }) = lease {
                        *seen = seen.take().and_then(Self::open);
                    }
                }
                _ => {}
            }
        }
        leases
    }

    async fn fill(&self, fills: Vec<Fill>, options: &WriteOptions) -> Vec<Result<Filled>> {
        let seal = |Fill { token, entry }| Ok(Fill { token, entry: self.seal(entry)? });
        let sealed: Vec<_> = fills.into_iter().map(seal).collect();
        with_answers(sealed.into_iter(), |sealed| self.inner.fill(sealed, options)).await
    }
}
