//! Mixed operations in one round trip.

use crate::{
    Backend, Deletion, Entry, Error, ErrorKind, Expiry, Head, Key, ReadOptions, Result, Update,
    Updated, WriteOptions,
};

/// One operation of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the method of the same name")]
pub enum BatchOperation<'a> {
    Get(Key<'a>),
    Head(Key<'a>),
    Set(Key<'a>, Entry),
    Delete(Key<'a>),
    Invalidate(Key<'a>),
    Expire(Key<'a>, Expiry),
    Update(Key<'a>, Update),
}

impl<'a> BatchOperation<'a> {
    /// The key it is about.
    pub fn key(&self) -> &Key<'a> {
        match self {
            Self::Get(key)
            | Self::Head(key)
            | Self::Set(key, _)
            | Self::Delete(key)
            | Self::Invalidate(key)
            | Self::Expire(key, _)
            | Self::Update(key, _) => key,
        }
    }
}

impl BatchOperation<'_> {
    /// Performs the operation by the method of its name: what the default of [`Backend::batch`] does
    /// for each, for wrappers that must write the method and want the same.
    ///
    /// # Errors
    ///
    /// The operation's own.
    pub async fn perform_on<B: Backend + ?Sized>(
        self,
        backend: &B,
        options: &WriteOptions,
    ) -> Result<BatchReply> {
        let reading = ReadOptions {
            deadline: options.deadline,
            tiers: options.tiers,
            view: options.view,
        };
        Ok(match self {
            Self::Get(key) => BatchReply::Entry(backend.get(&key, &reading).await?),
            Self::Head(key) => BatchReply::Head(backend.head(&key, &reading).await?),
            Self::Set(key, entry) => {
                backend.set(&key, entry, options).await?;
                BatchReply::Stored
            }
            Self::Delete(key) => BatchReply::Deleted(backend.delete(&key, options).await?),
            Self::Invalidate(key) => BatchReply::Deleted(backend.invalidate(&key, options).await?),
            Self::Expire(key, expiry) => {
                BatchReply::Expired(backend.expire(&key, expiry, options).await?)
            }
            Self::Update(key, update) => {
                BatchReply::Updated(backend.update(&key, update, options).await?)
            }
        })
    }
}

/// What one operation of a batch answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BatchReply {
    /// To `Get`.
    Entry(Option<Entry>),
    /// To `Head`.
    Head(Option<Head>),
    /// To `Set`.
    Stored,
    /// To `Delete` and `Invalidate`.
    Deleted(Deletion),
    /// To `Expire`: whether there was an entry to change.
    Expired(bool),
    /// To `Update`.
    Updated(Updated),
}

macro_rules! into {
    ($($(#[$doc:meta])* $method:ident: $variant:ident($type:ty)),* $(,)?) => {
        impl BatchReply {
            $($(#[$doc])*
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Unexpected`] if the backend answered something else.
            pub fn $method(self) -> Result<$type> {
                match self {
                    Self::$variant(reply) => Ok(reply),
                    other => Err(other.out_of_place()),
                }
            })*
        }
    };
}

into! {
    /// The entry.
    into_entry: Entry(Option<Entry>),
    /// The metadata.
    into_head: Head(Option<Head>),
    /// How far the deletion got.
    into_deletion: Deleted(Deletion),
    /// Whether there was an entry to change.
    into_expired: Expired(bool),
    /// What the update did.
    into_updated: Updated(Updated),
}

impl BatchReply {
    fn out_of_place(&self) -> Error {
        Error::new(
            ErrorKind::Unexpected,
            format!("a batch answered {self:?} to another operation"),
        )
    }
}
