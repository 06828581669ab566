//! Batches: stamped and judged as a whole.

use larder_core::{
    Backend, BatchOperation, BatchReply, Head, Key, Result, Tag, Tiers, Update, WriteOptions,
};

use crate::backend::Tagged;
use crate::judge::{Standing, stale, stale_head};
use crate::update::reading;

impl Tagged {
    pub(crate) async fn batch_judged(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        let count = operations.len();
        let prepared = async {
            self.make_way(&operations, options).await?;
            self.stamp_batch(operations, options).await
        };
        let operations = match prepared.await {
            Ok(operations) => operations,
            Err(error) => return vec![Err(error); count],
        };
        let keys: Vec<Key<'_>> = operations.iter().map(|one| *one.key()).collect();
        let mut replies = self.inner.batch(operations, options).await;
        if let Err(error) = self.judge_replies(&keys, &mut replies, options).await {
            for reply in &mut replies {
                if shown(reply).is_some() {
                    *reply = Err(error.clone());
                }
            }
        }
        replies
    }

    /// Removes what has fallen from under the keys whose operations depend on what is there.
    async fn make_way(
        &self,
        operations: &[BatchOperation<'_>],
        options: &WriteOptions,
    ) -> Result<()> {
        let depends = |one: &&BatchOperation<'_>| {
            matches!(one, BatchOperation::Update(..) | BatchOperation::Expire(..))
        };
        let keys: Vec<Key<'_>> = operations
            .iter()
            .filter(depends)
            .map(|one| *one.key())
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let looks = keys.iter().map(|key| BatchOperation::Head(*key)).collect();
        let asking = options.clone().with_tiers(Tiers::Authoritative);
        let mut found = Vec::new();
        for (key, reply) in keys.iter().zip(self.inner.batch(looks, &asking).await) {
            let head = reply.and_then(BatchReply::into_head)?;
            found.extend(
                head.filter(|head| !head.tags().is_empty())
                    .map(|head| (*key, head)),
            );
        }
        let heads: Vec<(Key<'_>, &Head)> = found.iter().map(|(key, head)| (*key, head)).collect();
        let standings = self.judge(&heads, &reading(options)).await?;
        let fallen: Vec<_> = heads
            .iter()
            .zip(standings)
            .filter(|(_, standing)| *standing != Standing::Valid)
            .map(|((key, head), _)| (*key, head.id()))
            .collect();
        self.remove_fallen(&fallen, options.deadline).await;
        Ok(())
    }

    /// Stamps every entry of a batch, with one question for all their tags.
    async fn stamp_batch<'a>(
        &self,
        mut operations: Vec<BatchOperation<'a>>,
        options: &WriteOptions,
    ) -> Result<Vec<BatchOperation<'a>>> {
        let mut tags: Vec<Tag> = Vec::new();
        for one in &operations {
            let unstamped = entry_of(one).map_or(&[][..], |entry| entry.head().tags());
            for tag in unstamped.iter().filter(|tag| tag.version.is_none()) {
                if !tags.contains(tag) {
                    tags.push(tag.clone());
                }
            }
        }
        let Some(first) = operations.first().filter(|_| !tags.is_empty()) else {
            return Ok(operations);
        };
        let namespace = first.key().namespace();
        let stamps = self.stamps(namespace, &tags, options.deadline).await?;
        for one in &mut operations {
            // Of another namespace: by itself.
            let is_alike = one.key().namespace() == namespace;
            let key = *one.key();
            let Some(entry) = entry_mut(one).filter(|entry| !entry.head().tags().is_empty()) else {
                continue;
            };
            *entry = if is_alike {
                let stamp = |tag: &Tag| Tag {
                    name: tag.name.clone(),
                    version: tag.version.or_else(|| {
                        let stamp = stamps.iter().find(|stamp| stamp.name == tag.name);
                        stamp.and_then(|stamp| stamp.version)
                    }),
                };
                let stamped = entry.head().tags().iter().map(stamp).collect();
                entry.clone().with_tags(stamped)?
            } else {
                self.stamped(key.namespace(), entry.clone(), options.deadline)
                    .await?
            };
        }
        Ok(operations)
    }

    /// Judges what a batch has found, with one question for all its tags.
    async fn judge_replies(
        &self,
        keys: &[Key<'_>],
        replies: &mut [Result<BatchReply>],
        options: &WriteOptions,
    ) -> Result<()> {
        let mut places = Vec::new();
        let mut heads = Vec::new();
        for (place, (key, reply)) in keys.iter().zip(replies.iter()).enumerate() {
            if let Some(head) = shown(reply) {
                places.push(place);
                heads.push((*key, head));
            }
        }
        let standings = self.judge(&heads, &reading(options)).await?;
        let fallen: Vec<_> = heads
            .iter()
            .zip(&standings)
            .filter(|(_, standing)| **standing == Standing::Fallen)
            .map(|((key, head), _)| (*key, head.id()))
            .collect();
        for (place, standing) in places.into_iter().zip(standings) {
            match (&mut replies[place], standing) {
                (Ok(BatchReply::Entry(entry)), Standing::Expired) => {
                    *entry = entry.take().map(stale);
                }
                (Ok(BatchReply::Head(head)), Standing::Expired) => {
                    *head = head.take().map(stale_head);
                }
                (Ok(BatchReply::Entry(entry)), Standing::Fallen) => *entry = None,
                (Ok(BatchReply::Head(head)), Standing::Fallen) => *head = None,
                _ => {}
            }
        }
        self.remove_fallen(&fallen, options.deadline).await;
        Ok(())
    }
}

/// The head of a tagged entry that a reply shows.
fn shown(reply: &Result<BatchReply>) -> Option<&Head> {
    let head = match reply {
        Ok(BatchReply::Entry(Some(entry))) => entry.head(),
        Ok(BatchReply::Head(Some(head))) => head,
        _ => return None,
    };
    (!head.tags().is_empty()).then_some(head)
}

fn entry_of<'a>(operation: &'a BatchOperation<'_>) -> Option<&'a larder_core::Entry> {
    match operation {
        BatchOperation::Set(_, entry)
        | BatchOperation::Update(
            _,
            Update::SetIfAbsent(entry)
            | Update::ReplaceIf { entry, .. }
            | Update::Increment {
                template: entry, ..
            },
        ) => Some(entry),
        _ => None,
    }
}

fn entry_mut<'a>(operation: &'a mut BatchOperation<'_>) -> Option<&'a mut larder_core::Entry> {
    match operation {
        BatchOperation::Set(_, entry)
        | BatchOperation::Update(
            _,
            Update::SetIfAbsent(entry)
            | Update::ReplaceIf { entry, .. }
            | Update::Increment {
                template: entry, ..
            },
        ) => Some(entry),
        _ => None,
    }
}
