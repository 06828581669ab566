//! Many keys in one round trip.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use larder_core::{Backend, BatchOperation, BatchReply, Operation, Result, Value};
use tokio::task::coop::consume_budget;

use crate::operations::remove::detach_all;
use crate::operations::{Boxed, entry_options};
use crate::scope::{AtHand, EntryOptions, Scope};

/// Values in the order of their names; what memory doesn't know is asked for in one batch.
pub(crate) async fn get_many<T: Send + Sync + 'static>(
    scope: Scope<'_>,
    names: &[&str],
) -> Result<Vec<Option<Arc<T>>>> {
    let shared = scope.shared;
    consume_budget().await;
    shared.limits.check_batch(names.len())?;
    let mut values = Vec::with_capacity(names.len());
    let mut unknown = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match scope.peek(name) {
            AtHand::Hit(value) => values.push(Some(value)),
            AtHand::Absent | AtHand::Miss(_) => values.push(None),
            AtHand::Unknown => {
                unknown.push((
                    index,
                    Scope::explain(scope.key(name), Operation::Get, name)?,
                ));
                values.push(None);
            }
        }
    }
    if unknown.is_empty() {
        return Ok(values);
    }
    if shared.is_bypassed() {
        shared.counters.bypassed.add(unknown.len() as u64);
        return Ok(values);
    }
    let writing = scope.writing().await?;
    let operations = unknown
        .iter()
        .map(|(_, key)| BatchOperation::Get(*key))
        .collect();
    let replies = shared.store.batch(operations, &writing).await;
    for ((index, key), reply) in unknown.into_iter().zip(replies) {
        let found = Scope::explain(
            reply.and_then(BatchReply::into_entry),
            Operation::Get,
            &key.text(),
        )?;
        values[index] = scope
            .judge_looked_up(&key, found.as_ref(), writing.view)
            .value();
    }
    Ok(values)
}

/// A write of many values; see [`Space::set_many`](crate::Space::set_many). Nothing happens until it is
/// awaited.
#[must_use = "futures do nothing unless awaited"]
pub struct SetMany<'a> {
    scope: Scope<'a>,
    values: Vec<(String, Value)>,
    options: EntryOptions,
}

impl<'a> SetMany<'a> {
    pub(crate) fn new<T, K, V>(scope: Scope<'a>, values: impl IntoIterator<Item = (K, V)>) -> Self
    where
        T: Send + Sync + 'static,
        K: Into<String>,
        V: Into<Arc<T>>,
    {
        let values = values
            .into_iter()
            .map(|(name, value)| (name.into(), scope.value(value.into())))
            .collect();
        Self {
            scope,
            values,
            options: EntryOptions::default(),
        }
    }

    entry_options!();
}

impl<'a> IntoFuture for SetMany<'a> {
    type Output = Result<()>;
    type IntoFuture = Boxed<'a, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (scope, shared) = (self.scope, self.scope.shared);
            shared.limits.check_batch(self.values.len())?;
            let writing = scope.writing().await?;
            let mut operations = Vec::with_capacity(self.values.len());
            for (name, value) in &self.values {
                let operation = || {
                    let key = scope.key(name)?;
                    let entry = scope.entry(value.clone(), &self.options, writing.view)?;
                    Ok(if shared.is_bypassed() {
                        BatchOperation::Invalidate(key)
                    } else {
                        BatchOperation::Set(key, entry)
                    })
                };
                operations.push(Scope::explain(operation(), Operation::Set, name)?);
            }
            let keys: Vec<_> = operations
                .iter()
                .map(|operation| *operation.key())
                .collect();
            detach_all(shared, &keys);
            let replies = shared.store.batch(operations, &writing).await;
            detach_all(shared, &keys);
            shared.counters.sets.add(keys.len() as u64);
            let failed = replies
                .into_iter()
                .zip(&keys)
                .find_map(|(reply, key)| Scope::explain(reply, Operation::Set, &key.text()).err());
            failed.map_or(Ok(()), Err)
        })
    }
}

impl fmt::Debug for SetMany<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetMany")
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}
