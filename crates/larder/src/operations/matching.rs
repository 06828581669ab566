//! Invalidating by pattern.

use std::fmt;
use std::future::IntoFuture;

use larder_core::{KeyBuf, Operation, Pattern, Result, ScanRequest};

use crate::operations::Boxed;
use crate::operations::keys::scan;
use crate::operations::remove::{Removal, remove_keys};
use crate::scope::Scope;

/// An invalidation by pattern; see [`Space::invalidate_matching`](crate::Space::invalidate_matching).
/// Nothing happens until it is awaited.
#[must_use = "futures do nothing unless awaited"]
pub struct InvalidateMatching<'a> {
    scope: Scope<'a>,
    pattern: &'a str,
    only_without_ttl: bool,
}

impl<'a> InvalidateMatching<'a> {
    pub(crate) fn new(scope: Scope<'a>, pattern: &'a str) -> Self {
        Self {
            scope,
            pattern,
            only_without_ttl: false,
        }
    }

    /// Only entries that would stay for ever. Default: all that match.
    pub fn without_ttl(self) -> Self {
        Self {
            only_without_ttl: true,
            ..self
        }
    }
}

impl<'a> IntoFuture for InvalidateMatching<'a> {
    type Output = Result<u64>;
    type IntoFuture = Boxed<'a, Result<u64>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let scope = self.scope;
            let invalidated = async {
                scope.ready()?;
                let pattern = Pattern::within(&scope.spec.prefix, self.pattern)?;
                // Loads of this cache are ended by its own table, those of others by the listing, which
                // has the keys that are leased as well.
                let loading = scope.shared.flights().detach_matching(&pattern);
                let loading: Vec<_> = loading.iter().map(KeyBuf::as_key).collect();
                let mut invalidated = if self.only_without_ttl {
                    0
                } else {
                    remove_keys(scope, &loading, Removal::Invalidate).await?
                };
                let namespace = scope.shared.namespace.clone();
                let request = ScanRequest::new(namespace, pattern).with_placeholders();
                let mut cursor = None;
                loop {
                    let page = scan(scope, &request, cursor).await?;
                    // Entries of every schema version and stale ones too: an invalidation reaches all.
                    let forever =
                        |head: &larder_core::Head| head.lifetime().expires_at.is_forever();
                    let chosen = page
                        .entries
                        .iter()
                        .filter(|(_, head)| !self.only_without_ttl || forever(head));
                    let keys: Vec<_> = chosen.map(|(key, _)| key.as_key()).collect();
                    invalidated += remove_keys(scope, &keys, Removal::Invalidate).await?;
                    cursor = page.next;
                    if cursor.is_none() {
                        return Ok(invalidated);
                    }
                }
            };
            Scope::explain(invalidated.await, Operation::Invalidate, self.pattern)
        })
    }
}

impl fmt::Debug for InvalidateMatching<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidateMatching")
            .field("pattern", &self.pattern)
            .field("only_without_ttl", &self.only_without_ttl)
            .finish_non_exhaustive()
    }
}
