//! The operations, each in a file of its own, on a [`Scope`](crate::scope::Scope).

mod answer;
pub(crate) mod counter;
pub(crate) mod expiry;
pub(crate) mod get;
mod keys;
mod load;
mod load_many;
mod load_slowly;
pub(crate) mod many;
mod matching;
mod pipeline;
pub(crate) mod raw;
pub(crate) mod remove;
mod set;
mod sweep;
pub(crate) mod tags;
pub(crate) mod update;
mod warm;

pub use self::answer::{Answer, Detailed, Optional, Plain};
pub use self::counter::Increment;
pub use self::get::Get;
pub use self::keys::Keys;
pub use self::load::{GetOrLoad, Loading};
pub use self::load_many::{Each, GetManyOrLoad, Id};
pub use self::many::SetMany;
pub use self::matching::InvalidateMatching;
pub use self::pipeline::{Handle, Pipeline, Replies, Reply, Within};
pub use self::set::Set;
pub use self::sweep::{Sweep, Swept};
pub use self::update::{ReplaceIf, SetIfAbsent};
pub use self::warm::{Warm, WarmReport};

/// What the builder-like calls await: boxed, because only paths that write or wait come here.
pub(crate) type Boxed<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The options that every call which stores an entry has.
macro_rules! entry_options {
    () => {
        /// How long look-ups return the entry. Default: the space's, else the cache's.
        ///
        /// A duration of zero, or one that can't be stored, makes the call fail with
        /// [`ErrorKind::TtlInvalid`](crate::ErrorKind::TtlInvalid).
        pub fn ttl(mut self, ttl: std::time::Duration) -> Self {
            self.options.set_ttl(larder_core::Ttl::after(ttl));
            self
        }

        /// Keeps the entry until it is deleted or evicted.
        pub fn forever(mut self) -> Self {
            self.options.set_ttl(Ok(larder_core::Ttl::Forever));
            self
        }

        /// How long after its time to live the entry may stand in for a failing origin. Default: the
        /// space's, else the cache's.
        pub fn stale_for(mut self, stale_for: std::time::Duration) -> Self {
            self.options.stale_for = Some(stale_for);
            self
        }

        /// Tags the entry, so that an invalidation of the tag reaches it. Needs a tag layer;
        /// without one the call fails with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
        pub fn tags<S: AsRef<str>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
            self.options.set_tags(tags);
            self
        }
    };
}
pub(crate) use entry_options;
