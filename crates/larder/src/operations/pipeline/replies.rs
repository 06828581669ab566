//! The replies of a pipeline.

use std::fmt;
use std::sync::Arc;

use larder_core::{BatchReply, Deletion, Error, ErrorKind, Result, Updated, Version, View};

use super::{Action, Handle, Step};
use crate::operations::counter::into_counter;
use crate::operations::update::into_stored;
use crate::scope::Scope;
use crate::shared::Shared;

/// The replies of a [`Pipeline`](crate::Pipeline), each read once through its [`Handle`].
pub struct Replies {
    pub(super) shared: Arc<Shared>,
    pub(super) generation: Option<Version>,
    pub(super) steps: Vec<Step>,
    pub(super) unread: Vec<Option<Result<BatchReply>>>,
}

impl Replies {
    /// The reply of one operation.
    ///
    /// # Errors
    ///
    /// The operation's own error; [`ErrorKind::Unexpected`] if the handle is of another pipeline.
    #[expect(clippy::needless_pass_by_value, reason = "a reply is read once")]
    pub fn take<R: Reply>(&mut self, handle: Handle<R>) -> Result<R> {
        let foreign = || Error::new(ErrorKind::Unexpected, "a handle of another pipeline");
        let reply = self
            .unread
            .get_mut(handle.index)
            .and_then(Option::take)
            .ok_or_else(foreign)??;
        let step = &self.steps[handle.index];
        let judge = Judge {
            scope: step.scope(&self.shared),
            view: step.view(self.generation),
            hidden: self.shared.is_bypassed()
                && matches!(step.action, Action::Get | Action::Exists),
        };
        R::read(reply, &judge)
    }
}

/// What it takes to tell whether an entry is visible, and to read it.
pub(crate) struct Judge<'a> {
    scope: Scope<'a>,
    view: View,
    /// Whether nothing is to be seen because the cache is bypassed.
    hidden: bool,
}

/// What a reply can be read as; implemented for the types that a pipeline's operations name.
#[expect(private_interfaces, reason = "sealed: nobody else can name the judge")]
pub trait Reply: Sized {
    #[doc(hidden)]
    fn read(reply: BatchReply, judge: &Judge<'_>) -> Result<Self>;
}

#[expect(private_interfaces, reason = "sealed: nobody else can name the judge")]
impl<T: Send + Sync + 'static> Reply for Option<Arc<T>> {
    fn read(reply: BatchReply, judge: &Judge<'_>) -> Result<Self> {
        let entry = match reply {
            BatchReply::Updated(Updated::Taken(entry)) => entry,
            other => other.into_entry()?,
        };
        if judge.hidden {
            judge.scope.shared.counters.bypassed.increment();
            return Ok(None);
        }
        Ok(judge.scope.judge_found(entry.as_ref(), judge.view).value())
    }
}

#[expect(private_interfaces, reason = "sealed: nobody else can name the judge")]
impl Reply for bool {
    fn read(reply: BatchReply, judge: &Judge<'_>) -> Result<Self> {
        match reply {
            BatchReply::Head(head) => Ok(!judge.hidden
                && head.is_some_and(|head| head.is_visible(judge.view, judge.scope.now()))),
            BatchReply::Expired(changed) => Ok(changed),
            other => into_stored(other.into_updated()?),
        }
    }
}

#[expect(private_interfaces, reason = "sealed: nobody else can name the judge")]
impl Reply for () {
    fn read(_: BatchReply, _: &Judge<'_>) -> Result<Self> {
        Ok(())
    }
}

#[expect(private_interfaces, reason = "sealed: nobody else can name the judge")]
impl Reply for Deletion {
    fn read(reply: BatchReply, _: &Judge<'_>) -> Result<Self> {
        reply.into_deletion()
    }
}

#[expect(private_interfaces, reason = "sealed: nobody else can name the judge")]
impl Reply for i64 {
    fn read(reply: BatchReply, _: &Judge<'_>) -> Result<Self> {
        into_counter(reply.into_updated()?)
    }
}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies")
            .field("replies", &self.unread.len())
            .finish_non_exhaustive()
    }
}
