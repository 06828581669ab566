//! A batch over two tiers: one call of the far tier, or none.

use larder_core::{
    Backend, BatchOperation, BatchReply, Entry, Error, ErrorKind, Key, Operation, ReadOptions,
    Result, Tiers, WriteOptions,
};

use crate::Tiered;
use crate::fence::Sample;
use crate::near::Writing;

/// What is done in the nearest tier when an operation's reply has come.
enum After<'a> {
    Promote(Key<'a>, Sample),
    Keep(Writing<'a>, Entry),
    /// The guard does it when it is dropped.
    Forget(#[expect(dead_code, reason = "held for its drop")] Writing<'a>),
    Nothing,
}

impl Tiered {
    pub(crate) async fn perform_batch(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        match options.tiers {
            Tiers::Nearest => {
                let mut replies = Vec::with_capacity(operations.len());
                for operation in operations {
                    replies.push(operation.perform_on(self, options).await);
                }
                replies
            }
            // A read must see the writes before it, and those are the far tier's.
            Tiers::All if operations.iter().all(reads) => self.read(operations, options).await,
            _ => self.send(operations, options).await,
        }
    }

    /// Answers what is at hand, and asks the far tier for the rest in one call.
    async fn read(
        &self,
        operations: Vec<BatchOperation<'_>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        let mut replies = Vec::with_capacity(operations.len());
        let mut rest = Vec::new();
        for operation in operations {
            let at_hand = self.at_hand(&operation, options).await;
            if at_hand.is_none() {
                rest.push(operation);
            }
            replies.push(at_hand.map(Ok));
        }
        if rest.is_empty() {
            return completed(replies, Vec::new());
        }
        completed(replies, self.send(rest, options).await)
    }

    /// What the nearest tier knows (1.1.1).
    async fn at_hand(
        &self,
        operation: &BatchOperation<'_>,
        options: &WriteOptions,
    ) -> Option<BatchReply> {
        match operation {
            BatchOperation::Get(key) => {
                let entry = self.near.fresh(key, self.near.now())?;
                let usable = options.view.admits(entry.head()); // R4
                usable.then_some(BatchReply::Entry(Some(entry)))
            }
            BatchOperation::Head(key) => {
                let head = self.head_at_hand(key, &reading(options)).await?;
                Some(BatchReply::Head(Some(head)))
            }
            _ => None,
        }
    }

    /// Sends everything to the far tier in one call, each operation under its own fence.
    async fn send<'a>(
        &'a self,
        operations: Vec<BatchOperation<'a>>,
        options: &WriteOptions,
    ) -> Vec<Result<BatchReply>> {
        let all = options.tiers != Tiers::Authoritative;
        let begin = |operation| self.begin(operation, all);
        let after: Vec<_> = operations.iter().map(begin).collect();
        let replies = self.far.batch(operations, options).await;
        let settle = |(after, reply)| self.settle(after, reply);
        after.into_iter().zip(replies).map(settle).collect()
    }

    fn begin<'a>(&'a self, operation: &BatchOperation<'a>, all: bool) -> After<'a> {
        let near = &*self.near;
        match operation {
            BatchOperation::Get(key) if all => {
                near.misses.add(1);
                After::Promote(*key, near.sample(key)) // 1.1.2
            }
            BatchOperation::Get(_) | BatchOperation::Head(_) => After::Nothing,
            BatchOperation::Set(key, entry) if all => {
                After::Keep(near.begin(key, Some(entry.id())), entry.clone()) // 1.3.1
            }
            other => After::Forget(near.begin(other.key(), None)), // 1.4.1
        }
    }

    fn settle(&self, after: After<'_>, reply: Result<BatchReply>) -> Result<BatchReply> {
        match (after, reply) {
            (After::Promote(key, sample), Ok(BatchReply::Entry(Some(entry)))) => {
                let kept = self.near.promote(&key, sample, entry); // 1.1.5
                Ok(BatchReply::Entry(Some(kept)))
            }
            (After::Keep(writing, entry), Ok(BatchReply::Stored)) => {
                let _ = writing.settle(Some(&entry)); // 1.3.4
                Ok(BatchReply::Stored)
            }
            // 1.4.3, and R5 for a write that failed.
            (After::Forget(_) | After::Keep(..) | After::Promote(..) | After::Nothing, reply) => {
                reply
            }
        }
    }
}

pub(crate) fn reads(operation: &BatchOperation<'_>) -> bool {
    matches!(operation, BatchOperation::Get(_) | BatchOperation::Head(_))
}

/// The replies that were at hand, and in the gaps between them those of the tier that was asked for the rest.
pub(crate) fn completed(
    at_hand: Vec<Option<Result<BatchReply>>>,
    asked_for: Vec<Result<BatchReply>>,
) -> Vec<Result<BatchReply>> {
    let mut asked_for = asked_for.into_iter();
    let mut next = || asked_for.next().unwrap_or_else(unanswered);
    at_hand
        .into_iter()
        .map(|reply| reply.unwrap_or_else(&mut next))
        .collect()
}

pub(crate) fn unanswered() -> Result<BatchReply> {
    let error = Error::new(
        ErrorKind::Unexpected,
        "a tier answered fewer operations than it was asked",
    );
    Err(error.with_operation(Operation::Batch))
}

/// The options of a batch for one of its reads.
pub(crate) fn reading(options: &WriteOptions) -> ReadOptions {
    let mut reading = ReadOptions::default()
        .with_tiers(options.tiers)
        .with_view(options.view);
    reading.deadline = options.deadline;
    reading
}

/// The options of a read for a batch.
pub(crate) fn batching(options: &ReadOptions) -> WriteOptions {
    let mut batching = WriteOptions::default()
        .with_tiers(options.tiers)
        .with_view(options.view);
    batching.deadline = options.deadline;
    batching
}
