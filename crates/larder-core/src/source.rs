//! Where invalidations come from that no cache call made: a database's notifications, a stream, a queue.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Pattern, Result, TagName};

/// What a source says has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceEvent {
    /// The truth behind one key, by its text.
    Key(Box<str>),
    /// The truth behind a tag.
    Tag(TagName),
    /// The truth behind every key that matches.
    Matching(Pattern),
    /// Events were missed: everything may have changed.
    Gap,
    /// Something the application has its own rule for.
    Message(Bytes),
}

/// A stream of [`SourceEvent`]s.
#[async_trait]
pub trait Source: Send + fmt::Debug {
    /// The next event; `None` when the source has ended for good.
    ///
    /// A source that loses its connection reconnects by itself and answers [`SourceEvent::Gap`] if it
    /// can't replay what it missed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, no event is lost.
    async fn next(&mut self) -> Option<Result<SourceEvent>>;

    /// Says that every event answered so far has been acted on, so that a replaying source needn't
    /// repeat them.
    ///
    /// # Errors
    ///
    /// Where the place can't be kept; events may then be repeated, which does no harm.
    async fn acknowledge(&mut self) -> Result<()>;
}
