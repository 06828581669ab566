//! `wrapper!` writes the methods that a layer passes on unchanged, so that what follows each use of it is
//! what the layer is about. Clippy's `missing_trait_methods` sees the whole `impl`.

macro_rules! wrapper {
    ($type:ty, forwards: $($name:ident)*; $($own:tt)*) => {
        wrapper!(@ $type [$($own)*] $($name)*);
    };
    (@ $type:ty [$($body:tt)*]) => {
        #[deny(clippy::missing_trait_methods)]
        #[larder_core::async_trait]
        impl Backend for $type { $($body)* }
    };
    (@ $type:ty [$($body:tt)*] capability $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* fn capability(&self) -> Capability { self.inner.capability() }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] peek $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
            self.inner.peek(key, now)
        }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] head $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* async fn head(&self, key: &Key<'_>, options: &ReadOptions) -> Result<Option<Head>> {
            self.inner.head(key, options).await
        }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] scan $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* async fn scan(
            &self, request: &ScanRequest, cursor: Option<Cursor>, options: &ReadOptions,
        ) -> Result<ScanPage> {
            self.inner.scan(request, cursor, options).await
        }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] delete $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* async fn delete(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
            self.inner.delete(key, options).await
        }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] invalidate $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* async fn invalidate(&self, key: &Key<'_>, options: &WriteOptions) -> Result<Deletion> {
            self.inner.invalidate(key, options).await
        }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] expire $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* async fn expire(
            &self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions,
        ) -> Result<bool> {
            self.inner.expire(key, expiry, options).await
        }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] release $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* async fn release(&self, tokens: Vec<FillToken>, options: &WriteOptions) -> Result<()> {
            self.inner.release(tokens, options).await
        }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] markers $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* async fn markers(
            &self, markers: &[Marker], read: MarkerRead, options: &ReadOptions,
        ) -> Result<Vec<Option<Version>>> {
            self.inner.markers(markers, read, options).await
        }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] bump $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* async fn bump(&self, markers: &[Marker], options: &WriteOptions) -> Result<Vec<Version>> {
            self.inner.bump(markers, options).await
        }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] watch $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* fn watch(&self) -> Option<&Changes> { self.inner.watch() }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] reserve $($rest:ident)*) => {
        wrapper!(@ $type [$($body)* fn reserve(&self, limits: &RegionLimits) -> Result<()> {
            self.inner.reserve(limits)
        }] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] now $($rest:ident)*) => {
        wrapper!(@ $type [$($body)*
            fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> { self.inner.put_now(key, entry) }
            fn forget_now(&self, key: &Key<'_>) -> Result<()> { self.inner.forget_now(key) }
            fn forget_all_now(&self, namespace: &larder_core::Namespace) -> Result<()> {
                self.inner.forget_all_now(namespace)
            }
        ] $($rest)*);
    };
    // For what can't be put into or taken from the inner store behind the layer's back.
    (@ $type:ty [$($body:tt)*] never_now $($rest:ident)*) => {
        wrapper!(@ $type [$($body)*
            fn put_now(&self, _: &Key<'_>, _: Entry) -> Result<()> { Err(Error::unsupported(Operation::Set)) }
            fn forget_now(&self, _: &Key<'_>) -> Result<()> { Err(Error::unsupported(Operation::Invalidate)) }
            fn forget_all_now(&self, _: &larder_core::Namespace) -> Result<()> {
                Err(Error::unsupported(Operation::Invalidate))
            }
        ] $($rest)*);
    };
    (@ $type:ty [$($body:tt)*] life $($rest:ident)*) => {
        wrapper!(@ $type [$($body)*
            fn stats(&self) -> Vec<TierStats> { self.inner.stats() }
            async fn check(&self, options: &ReadOptions) -> Vec<TierCheck> { self.inner.check(options).await }
            async fn close(&self, deadline: Timestamp) -> Result<CloseReport> { self.inner.close(deadline).await }
        ] $($rest)*);
    };
}

pub(crate) use wrapper;
