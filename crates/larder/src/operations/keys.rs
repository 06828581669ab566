//! Listing keys.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use larder_core::{Backend, Cursor, Operation, Pattern, Result, ScanPage, ScanRequest};

use crate::operations::Boxed;
use crate::scope::Scope;
use crate::shared::Shared;
use crate::spec::Spec;

/// The names of visible entries that match a pattern, page by page; see
/// [`Space::keys`](crate::Space::keys). A [`Stream`], with [`next`](Self::next) and
/// [`collect`](Self::collect) of its own so that no other crate is needed.
#[must_use = "streams do nothing unless polled"]
pub struct Keys {
    lister: Arc<Lister>,
    names: VecDeque<String>,
    state: State,
}

struct Lister {
    shared: Arc<Shared>,
    spec: Arc<Spec>,
    pattern: Result<Pattern>,
}

enum State {
    Listing(Boxed<'static, Result<(Vec<String>, Option<Cursor>)>>),
    Between(Option<Cursor>),
    Ended,
}

impl Keys {
    pub(crate) fn new(scope: Scope<'_>, pattern: &str) -> Self {
        let pattern = scope
            .ready()
            .and_then(|()| Pattern::within(&scope.spec.prefix, pattern));
        let lister = Arc::new(Lister {
            shared: Arc::clone(scope.shared),
            spec: Arc::clone(scope.spec),
            pattern,
        });
        let first = Arc::clone(&lister).page(None);
        Self {
            lister,
            names: VecDeque::new(),
            state: State::Listing(Box::pin(first)),
        }
    }

    /// The next name.
    ///
    /// # Errors
    ///
    /// Those of the store; the listing ends with the first.
    ///
    /// # Cancel safety
    ///
    /// No name is lost.
    pub async fn next(&mut self) -> Option<Result<String>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// All names, in no order.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn collect(mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        while let Some(name) = self.next().await {
            names.push(name?);
        }
        Ok(names)
    }
}

impl Stream for Keys {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(name) = self.names.pop_front() {
                return Poll::Ready(Some(Ok(name)));
            }
            match &mut self.state {
                State::Listing(page) => match ready!(page.as_mut().poll(context)) {
                    Ok((names, next)) => {
                        self.names.extend(names);
                        self.state = if next.is_some() {
                            State::Between(next)
                        } else {
                            State::Ended
                        };
                    }
                    Err(error) => {
                        self.state = State::Ended;
                        return Poll::Ready(Some(Err(error.with_operation(Operation::Scan))));
                    }
                },
                State::Between(next) => {
                    let next = next.take();
                    self.state = State::Listing(Box::pin(Arc::clone(&self.lister).page(next)));
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl Lister {
    async fn page(
        self: Arc<Self>,
        cursor: Option<Cursor>,
    ) -> Result<(Vec<String>, Option<Cursor>)> {
        let scope = Scope {
            shared: &self.shared,
            spec: &self.spec,
            value_type: larder_core::ValueType::none(),
        };
        let options = scope.reading().await?;
        let request = ScanRequest::new(self.shared.namespace.clone(), self.pattern.clone()?);
        let page = scan(scope, &request, cursor).await?;
        if self.shared.is_bypassed() {
            return Ok((Vec::new(), page.next));
        }
        let now = scope.now();
        let visible = page
            .entries
            .iter()
            .filter(|(_, head)| head.is_visible(options.view, now));
        let names = visible
            .filter_map(|(key, _)| self.spec.strip(key.text()).map(str::to_owned))
            .filter(|name| !name.is_empty())
            .collect();
        Ok((names, page.next))
    }
}

/// One page of a listing, visible or not.
pub(crate) async fn scan(
    scope: Scope<'_>,
    request: &ScanRequest,
    cursor: Option<Cursor>,
) -> Result<ScanPage> {
    scope.shared.open()?;
    let options = scope.reading().await?;
    scope.shared.store.scan(request, cursor, &options).await
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("pattern", &self.lister.pattern)
            .finish_non_exhaustive()
    }
}
