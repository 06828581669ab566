//! Counters and conditional writes: to them an entry whose tags have fallen isn't there.

use larder_core::{
    Backend, BatchOperation, BatchReply, Entry, EntryId, Error, ErrorKind, Expiry, Key, Lifetime,
    Operation, ReadOptions, Result, Tiers, Timestamp, Update, Updated, Value, WriteOptions,
};

use crate::backend::Tagged;
use crate::judge::Standing;

/// How often an update begins anew because what is there keeps falling.
const ATTEMPTS: usize = 8;

impl Tagged {
    /// Removes entries, if they are still those: by what is over as soon as it is there. That it fails hurts nobody.
    pub(crate) async fn remove_fallen(
        &self,
        fallen: &[(Key<'_>, EntryId)],
        deadline: Option<Timestamp>,
    ) {
        let mut options = WriteOptions::default();
        options.deadline = deadline;
        let over = Lifetime {
            created: Timestamp::EPOCH,
            fresh_until: Timestamp::EPOCH,
            expires_at: Timestamp::EPOCH,
        };
        let removal = |id: &EntryId| Update::ReplaceIf {
            id: *id,
            entry: Entry::new(Value::empty(), over),
        };
        match fallen {
            [] => {}
            [(key, id)] => {
                let _ = self.inner.update(key, removal(id), &options).await;
            }
            several => {
                let removals = several.iter();
                let removals = removals.map(|(key, id)| BatchOperation::Update(*key, removal(id)));
                let _ = self.inner.batch(removals.collect(), &options).await;
            }
        }
    }

    /// Performs an update of an entry that may carry tags.
    pub(crate) async fn update_judged(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        match update {
            Update::Take => {
                let updated = self.inner.update(key, update, options).await?;
                let Updated::Taken(Some(entry)) = &updated else {
                    return Ok(updated);
                };
                // What has fallen is gone now, and was nobody's.
                let standing = self.stands(key, entry.head(), &reading(options)).await?;
                Ok(match standing {
                    Standing::Valid => updated,
                    Standing::Expired | Standing::Fallen => Updated::Taken(None),
                })
            }
            Update::ReplaceIf { .. } => self.replace_judged(key, update, options).await,
            Update::Increment { .. } | Update::SetIfAbsent(_) => {
                self.update_and_look(key, update, options).await
            }
            other => self.inner.update(key, other, options).await,
        }
    }

    /// Replaces what stands: looked at first, because a replacement can't be told from what it replaced.
    async fn replace_judged(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let authoritative = reading(options).with_tiers(Tiers::Authoritative);
        if let Some(head) = self.inner.head(key, &authoritative).await?
            && self.stands(key, &head, &reading(options)).await? != Standing::Valid
        {
            return Ok(Updated::Refused);
        }
        let update = self
            .stamped_update(key.namespace(), update, options.deadline)
            .await?;
        // Whatever is there by now was there a moment ago, or has another id.
        self.inner.update(key, update, options).await
    }

    /// Updates, and looks what is there then, in one round trip: where that has fallen, what was done was done to an entry
    /// that nobody sees, and is done again without it.
    async fn update_and_look(
        &self,
        key: &Key<'_>,
        asked: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        for attempt in 0..ATTEMPTS {
            // Each time anew: the stamps may have been out of date, and an id is given once (H11).
            let update = self
                .stamped_update(key.namespace(), asked.clone(), options.deadline)
                .await?;
            let update = if attempt == 0 {
                update
            } else {
                with_new_id(update)
            };
            let both = vec![
                BatchOperation::Update(*key, update.clone()),
                BatchOperation::Head(*key),
            ];
            let mut replies = self.inner.batch(both, options).await.into_iter();
            let (Some(updated), Some(head)) = (replies.next(), replies.next()) else {
                return Err(unanswered());
            };
            let updated = updated.and_then(BatchReply::into_updated);
            let there = head.and_then(BatchReply::into_head).ok().flatten();
            let Some(head) = there.filter(|head| !head.tags().is_empty()) else {
                return updated;
            };
            let was_refused = matches!(&updated, Ok(Updated::Refused) | Err(_));
            if !was_refused && update_id(&update) != Some(head.id()) {
                // Somebody else has written since.
                return updated;
            }
            match self.stands(key, &head, &reading(options)).await? {
                Standing::Valid => return updated,
                Standing::Expired | Standing::Fallen => {}
            }
            self.remove_fallen(&[(*key, head.id())], options.deadline)
                .await;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "the key's tags are invalidated faster than it can be written",
        )
        .with_operation(Operation::Update))
    }

    /// Gives an entry that stands other times.
    pub(crate) async fn expire_judged(
        &self,
        key: &Key<'_>,
        expiry: Expiry,
        options: &WriteOptions,
    ) -> Result<bool> {
        let both = vec![
            BatchOperation::Expire(*key, expiry),
            BatchOperation::Head(*key),
        ];
        let mut replies = self.inner.batch(both, options).await.into_iter();
        let (Some(expired), Some(head)) = (replies.next(), replies.next()) else {
            return Err(unanswered());
        };
        let (head, expired) = (head?.into_head()?, expired?.into_expired()?);
        match head.filter(|head| expired && !head.tags().is_empty()) {
            Some(head) => {
                let standing = self.stands(key, &head, &reading(options)).await?;
                Ok(standing == Standing::Valid)
            }
            None => Ok(expired),
        }
    }
}

fn with_new_id(update: Update) -> Update {
    match update {
        Update::Increment { by, template } => Update::Increment {
            by,
            template: template.with_id(EntryId::random()),
        },
        Update::SetIfAbsent(entry) => Update::SetIfAbsent(entry.with_id(EntryId::random())),
        other => other,
    }
}

/// The id that an update's entry has once it is there.
fn update_id(update: &Update) -> Option<EntryId> {
    match update {
        Update::Increment { template, .. } => Some(template.id()),
        Update::SetIfAbsent(entry) | Update::ReplaceIf { entry, .. } => Some(entry.id()),
        _ => None,
    }
}

fn unanswered() -> Error {
    let message = "a batch answered fewer operations than it was asked";
    Error::new(ErrorKind::Unexpected, message).with_operation(Operation::Batch)
}

/// The options of a write for a read that belongs to it.
pub(crate) fn reading(options: &WriteOptions) -> ReadOptions {
    let mut reading = ReadOptions::default()
        .with_tiers(options.tiers)
        .with_view(options.view);
    reading.deadline = options.deadline;
    reading
}
