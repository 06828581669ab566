//! What its bugs do to counters and conditional writes.

use larder_core::{
    Backend, Clock, Entry, ErrorKind, Key, Lifetime, ReadOptions, Result, Update, Updated, Value,
    WriteOptions,
};

use super::{Broken, Bug, a_while};

impl Broken {
    pub(super) async fn decide(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let kept = self.kept_as(key);
        let key = &kept.as_key();
        let everything = WriteOptions::default();
        let options = if self.has(Bug::UpdateIgnoresTheView) {
            &everything
        } else {
            options
        };
        let there = self.inner.get(key, &ReadOptions::default()).await?;
        let now = self.clock.now();
        let present = there.filter(|entry| entry.head().is_visible(options.view, now));
        if self.has(Bug::LeaseBlocksUpdates) && present.is_none() && self.is_leased(key) {
            return Ok(Updated::Refused);
        }
        match update {
            Update::Increment { by, template } => {
                self.increment(key, by, template, present, options).await
            }
            update => self.write_if(key, update, present, options).await,
        }
    }

    async fn increment(
        &self,
        key: &Key<'_>,
        by: i64,
        template: Entry,
        present: Option<Entry>,
        options: &WriteOptions,
    ) -> Result<Updated> {
        let old = present
            .as_ref()
            .and_then(|entry| entry.value().as_counter());
        let sum = old.and_then(|old| old.checked_add(by));
        let head = template.head().clone();
        let counter = |value, lifetime| {
            Entry::new(Value::counter(value), lifetime)
                .with_id(head.id())
                .with_generation(head.generation())
                .with_schema(head.schema())
        };
        let (new, counter) = match (self.bug, sum) {
            (Some(Bug::RenewsCounters), Some(sum)) => (sum, counter(sum, head.lifetime())),
            (Some(Bug::CountsForEver), None) if present.is_none() => {
                (by, counter(by, Lifetime::forever(self.clock.now())))
            }
            (Some(Bug::CountsInTwoSteps), _) if present.is_none() || sum.is_some() => {
                a_while().await;
                let sum = sum.unwrap_or(by);
                (sum, counter(sum, head.lifetime()))
            }
            _ => {
                let increment = Update::Increment {
                    by,
                    template: template.clone(),
                };
                match self.inner.update(key, increment, options).await {
                    Err(error)
                        if error.kind() == ErrorKind::CounterOverflow
                            && self.has(Bug::WrapsAround) =>
                    {
                        let wrapped = old.unwrap_or(0).wrapping_add(by);
                        (wrapped, counter(wrapped, head.lifetime()))
                    }
                    Err(error)
                        if error.kind() == ErrorKind::NotACounter
                            && self.has(Bug::CountsPlainValues) =>
                    {
                        (by, counter(by, head.lifetime()))
                    }
                    other => return other,
                }
            }
        };
        self.inner.set(key, counter, options).await?;
        Ok(Updated::Counter(new))
    }

    async fn write_if(
        &self,
        key: &Key<'_>,
        update: Update,
        present: Option<Entry>,
        options: &WriteOptions,
    ) -> Result<Updated> {
        if self.has(Bug::DecidesInTwoSteps) {
            a_while().await;
        }
        match (self.bug, update, present) {
            (Some(Bug::DecidesInTwoSteps), Update::SetIfAbsent(entry), None)
            | (Some(Bug::ReplacesWhateverIsThere), Update::ReplaceIf { entry, .. }, Some(_))
            | (Some(Bug::SetIfAbsentReplaces), Update::SetIfAbsent(entry), _) => {
                self.inner.set(key, entry, options).await?;
                Ok(Updated::Stored)
            }
            (Some(Bug::DecidesInTwoSteps), Update::ReplaceIf { id, entry }, Some(present))
                if present.id() == id =>
            {
                self.inner.set(key, entry, options).await?;
                Ok(Updated::Stored)
            }
            (Some(Bug::DecidesInTwoSteps), Update::Take, Some(present)) => {
                self.inner.delete(key, options).await?;
                Ok(Updated::Taken(Some(present)))
            }
            (Some(Bug::TakeLeavesTheEntry), Update::Take, present) => Ok(Updated::Taken(present)),
            (_, update, _) => self.inner.update(key, update, options).await,
        }
    }
}
