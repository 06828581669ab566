//! Conditional writes.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use larder_core::{Backend, EntryId, Error, ErrorKind, Operation, Result, Update, Updated, Value};

use crate::operations::{Boxed, entry_options};
use crate::scope::{EntryOptions, Scope};

/// Performs an update on a key, with the flights detached before and after.
pub(crate) async fn update(scope: Scope<'_>, name: &str, update: Update) -> Result<Updated> {
    let (shared, key) = (scope.shared, scope.key(name)?);
    let writing = scope.writing().await?;
    shared.detach(&key);
    let updated = shared.store.update(&key, update, &writing).await;
    shared.detach(&key);
    shared.counters.updates.increment();
    updated
}

pub(crate) fn into_stored(updated: Updated) -> Result<bool> {
    match updated {
        Updated::Stored => Ok(true),
        Updated::Refused => Ok(false),
        other => Err(Error::new(
            ErrorKind::Unexpected,
            format!("a conditional write answered {other:?}"),
        )),
    }
}

macro_rules! conditional {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } => |$self:ident, $entry:ident| $update:expr) => {
        $(#[$doc])*
        #[must_use = "futures do nothing unless awaited"]
        pub struct $name<'a> {
            scope: Scope<'a>,
            name: &'a str,
            value: Value,
            options: EntryOptions,
            $($field: $type,)*
        }

        impl<'a> $name<'a> {
            pub(crate) fn new<T: Send + Sync + 'static>(
                scope: Scope<'a>,
                name: &'a str,
                value: Arc<T>,
                $($field: $type,)*
            ) -> Self {
                Self { scope, name, value: scope.value(value), options: EntryOptions::default(), $($field,)* }
            }

            entry_options!();
        }

        impl<'a> IntoFuture for $name<'a> {
            type Output = Result<bool>;
            type IntoFuture = Boxed<'a, Result<bool>>;

            fn into_future($self) -> Self::IntoFuture {
                Box::pin(async move {
                    let (scope, name) = ($self.scope, $self.name);
                    let stored = async {
                        let view = scope.view().await?;
                        let $entry = scope.entry($self.value, &$self.options, view)?;
                        into_stored(update(scope, name, $update).await?)
                    };
                    Scope::explain(stored.await, Operation::Update, name)
                })
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("name", &self.name).finish_non_exhaustive()
            }
        }
    };
}

conditional! {
    /// A write on condition that the key is absent; see [`Space::set_if_absent`](crate::Space::set_if_absent).
    SetIfAbsent {} => |self, entry| Update::SetIfAbsent(entry)
}

conditional! {
    /// A write on condition that the entry is a known one; see [`Space::replace_if`](crate::Space::replace_if).
    ReplaceIf { id: EntryId } => |self, entry| Update::ReplaceIf { id: self.id, entry }
}

/// Removes and answers the value; exactly one of several callers gets it.
pub(crate) async fn take<T: Send + Sync + 'static>(
    scope: Scope<'_>,
    name: &str,
) -> Result<Option<Arc<T>>> {
    let taken = async {
        let view = scope.view().await?;
        match update(scope, name, Update::Take).await? {
            Updated::Taken(entry) => Ok(scope.judge_found(entry.as_ref(), view).value()),
            other => Err(Error::new(
                ErrorKind::Unexpected,
                format!("a take answered {other:?}"),
            )),
        }
    };
    Scope::explain(taken.await, Operation::Update, name)
}
