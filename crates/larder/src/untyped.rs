//! The operations that need no value type: the same on a cache and on its spaces.

/// Defines them where `self.scope()` is a [`Scope`](crate::scope::Scope). On a cache names are whole
/// keys, on a space they go without its prefix.
macro_rules! untyped_operations {
    () => {
        /// Whether a look-up would find a value.
        ///
        /// # Errors
        ///
        /// A bad name, a closed cache, or the store's trouble.
        pub async fn exists(&self, name: &str) -> larder_core::Result<bool> {
            Ok(crate::operations::get::head(self.scope(), name)
                .await?
                .is_some())
        }

        /// The metadata of a value: its id, times, schema version, tags.
        ///
        /// # Errors
        ///
        /// A bad name, a closed cache, or the store's trouble.
        pub async fn head(&self, name: &str) -> larder_core::Result<Option<larder_core::Head>> {
            crate::operations::get::head(self.scope(), name).await
        }

        /// How long look-ups will go on finding a value.
        ///
        /// # Errors
        ///
        /// A bad name, a closed cache, or the store's trouble.
        pub async fn ttl(&self, name: &str) -> larder_core::Result<crate::Remaining> {
            crate::operations::expiry::ttl(self.scope(), name).await
        }

        /// Gives a value a new time to live, from now, without jitter; answers whether there was one.
        ///
        /// # Errors
        ///
        /// A bad name, [`ErrorKind::TtlInvalid`](crate::ErrorKind::TtlInvalid),
        /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), a closed cache, or the store's
        /// trouble.
        pub async fn expire(
            &self,
            name: &str,
            ttl: std::time::Duration,
        ) -> larder_core::Result<bool> {
            crate::operations::expiry::expire(self.scope(), name, larder_core::Ttl::after(ttl))
                .await
        }

        /// Keeps a value until it is deleted or evicted; answers whether there was one.
        ///
        /// # Errors
        ///
        /// As `expire`.
        pub async fn persist(&self, name: &str) -> larder_core::Result<bool> {
            crate::operations::expiry::expire(self.scope(), name, Ok(larder_core::Ttl::Forever))
                .await
        }

        /// Removes a value, from the system of record too if the cache has one.
        ///
        /// # Errors
        ///
        /// A bad name, a closed cache, or the store's trouble.
        ///
        /// # Cancel safety
        ///
        /// Dropped, the value is gone or not.
        pub async fn delete(&self, name: &str) -> larder_core::Result<larder_core::Deletion> {
            use crate::operations::remove::{Removal, remove};
            remove(self.scope(), name, Removal::Delete).await
        }

        /// Removes values in one round trip; answers how many are known to have been there.
        ///
        /// # Errors
        ///
        /// As `delete`, and [`ErrorKind::BatchTooLarge`](crate::ErrorKind::BatchTooLarge). All are
        /// tried; the first error is answered.
        pub async fn delete_many(&self, names: &[&str]) -> larder_core::Result<u64> {
            use crate::operations::remove::{Removal, remove_many};
            remove_many(self.scope(), names, Removal::Delete).await
        }

        /// Forgets the cached copy of a value; the truth is untouched.
        ///
        /// # Errors
        ///
        /// As `delete`.
        pub async fn invalidate(&self, name: &str) -> larder_core::Result<larder_core::Deletion> {
            use crate::operations::remove::{Removal, remove};
            remove(self.scope(), name, Removal::Invalidate).await
        }

        /// Forgets cached copies in one round trip; answers how many are known to have been there.
        ///
        /// # Errors
        ///
        /// As `delete_many`.
        pub async fn invalidate_many(&self, names: &[&str]) -> larder_core::Result<u64> {
            use crate::operations::remove::{Removal, remove_many};
            remove_many(self.scope(), names, Removal::Invalidate).await
        }

        /// Forgets what matches a pattern (Redis' syntax), in every schema version; answers how many
        /// are known to have been there. Costs a listing of all keys; a tag costs one write.
        ///
        /// # Errors
        ///
        /// A pattern that is too long, [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), a
        /// closed cache, or the store's trouble.
        pub fn invalidate_matching<'a>(
            &'a self,
            pattern: &'a str,
        ) -> crate::InvalidateMatching<'a> {
            crate::InvalidateMatching::new(self.scope(), pattern)
        }

        /// Lists the names of values that match a pattern (Redis' syntax: `*`, `?`, `[a-z]`, `\x`).
        ///
        /// A value that is there from the first page to the last is listed once; one written or removed
        /// meanwhile may or may not be.
        pub fn keys(&self, pattern: &str) -> crate::Keys {
            crate::Keys::new(self.scope(), pattern)
        }

        /// Adds to a counter, in one step on the authoritative tier; answers its new value. An absent
        /// counter begins at zero and gets its time to live then.
        ///
        /// # Errors
        ///
        /// [`ErrorKind::CounterOverflow`](crate::ErrorKind::CounterOverflow) (the counter keeps its
        /// value), [`ErrorKind::NotACounter`](crate::ErrorKind::NotACounter),
        /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), a bad name, a closed cache, or
        /// the store's trouble.
        ///
        /// # Cancel safety
        ///
        /// Dropped, it was counted or not.
        pub fn increment<'a>(&'a self, name: &'a str, by: i64) -> crate::Increment<'a> {
            crate::Increment::new(self.scope(), name, by)
        }

        /// Subtracts from a counter; as `increment`.
        ///
        /// # Errors
        ///
        /// As `increment`; `i64::MIN` can't be subtracted.
        pub async fn decrement(&self, name: &str, by: i64) -> larder_core::Result<i64> {
            let by = crate::operations::counter::negate(by)?;
            crate::Increment::new(self.scope(), name, by).await
        }

        /// The bytes of a value: as `set_raw` got them, or as its codec writes it.
        ///
        /// # Errors
        ///
        /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) for a value that can't become bytes; a bad
        /// name, a closed cache, or the store's trouble.
        pub async fn get_raw(&self, name: &str) -> larder_core::Result<Option<bytes::Bytes>> {
            crate::operations::raw::get_raw(self.scope(), name).await
        }

        /// Stores bytes as they are. Typed look-ups don't read them.
        ///
        /// # Errors
        ///
        /// As `set`.
        pub fn set_raw<'a>(
            &'a self,
            name: &'a str,
            bytes: impl Into<bytes::Bytes>,
        ) -> crate::Set<'a> {
            crate::Set::of(self.scope(), name, larder_core::Value::raw(bytes.into()))
        }
    };
}
pub(crate) use untyped_operations;
