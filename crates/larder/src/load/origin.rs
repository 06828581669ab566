//! A loader as the engine runs it: for one key or for many.

use std::any::TypeId;
use std::sync::{Arc, Mutex, PoisonError};

use larder_core::{Error, ErrorKind, Result};
use smallvec::smallvec;

use crate::load::{List, LoadContext, Loaded};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One of the keys that are to be loaded: its place in the call, and what the cache still has of it.
pub(crate) struct Wanted<T> {
    pub(crate) place: usize,
    pub(crate) context: LoadContext<T>,
}

/// Loaded values with the places of their keys in the call.
pub(crate) type Places<T> = List<(usize, Loaded<T>)>;

/// What loads keys by their places in the call.
pub(crate) trait Origin<T>: Send + Sync + 'static {
    /// Whether it may name tags.
    fn names_tags(&self) -> bool;

    /// Loads; answers what it found by places. An error is all keys'.
    fn load(
        &self,
        wanted: List<Wanted<T>>,
    ) -> impl Future<Output = Result<Places<T>>> + Send + use<T, Self>;
}

/// A loader of one value; see [`GetOrLoad`](crate::GetOrLoad).
pub trait LoadOne<T>: Send + 'static {
    /// Whether it may name tags.
    fn names_tags(&self) -> bool;

    /// Calls the loader.
    fn load_one(self, context: LoadContext<T>) -> impl Future<Output = Result<Loaded<T>>> + Send;
}

/// A loader that wants to know nothing.
#[derive(Debug)]
pub struct Simple<F>(pub(crate) F);

impl<T, F, Fut, V, E> LoadOne<T> for Simple<F>
where
    T: Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = std::result::Result<V, E>> + Send + 'static,
    V: Into<Loaded<T>> + 'static,
    E: Into<BoxError> + 'static,
{
    fn names_tags(&self) -> bool {
        names_tags::<T, V>()
    }

    async fn load_one(self, _: LoadContext<T>) -> Result<Loaded<T>> {
        (self.0)().await.map(Into::into).map_err(failed)
    }
}

/// A loader that wants to know what the cache still has.
#[derive(Debug)]
pub struct WithContext<F>(pub(crate) F);

impl<T, F, Fut, V, E> LoadOne<T> for WithContext<F>
where
    T: Send + Sync + 'static,
    F: FnOnce(LoadContext<T>) -> Fut + Send + 'static,
    Fut: Future<Output = std::result::Result<V, E>> + Send + 'static,
    V: Into<Loaded<T>> + 'static,
    E: Into<BoxError> + 'static,
{
    fn names_tags(&self) -> bool {
        names_tags::<T, V>()
    }

    async fn load_one(self, context: LoadContext<T>) -> Result<Loaded<T>> {
        (self.0)(context).await.map(Into::into).map_err(failed)
    }
}

/// Whether what a loader returns can say anything beside its value.
fn names_tags<T: 'static, V: 'static>() -> bool {
    TypeId::of::<V>() == TypeId::of::<Loaded<T>>()
}

/// The origin of one key.
pub(crate) struct One<L>(Mutex<Option<L>>);

impl<L> One<L> {
    pub(crate) fn new(loader: L) -> Self {
        Self(Mutex::new(Some(loader)))
    }

    /// The loader, if it has not been called.
    pub(crate) fn take(&self) -> Option<L> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T: Send + Sync + 'static, L: LoadOne<T>> Origin<T> for One<L> {
    fn names_tags(&self) -> bool {
        let loader = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loader.as_ref().is_some_and(L::names_tags)
    }

    fn load(
        &self,
        mut wanted: List<Wanted<T>>,
    ) -> impl Future<Output = Result<Places<T>>> + Send + use<T, L> {
        let (loader, wanted) = (self.take(), wanted.pop());
        async move {
            let (Some(loader), Some(Wanted { place, context })) = (loader, wanted) else {
                return Err(Error::new(
                    ErrorKind::Unexpected,
                    "a loader was called twice",
                ));
            };
            Ok(smallvec![(place, loader.load_one(context).await?)])
        }
    }
}

/// The origin of many keys: a loader of ids, each with its place.
pub(crate) struct Many<K, F> {
    pub(crate) ids: Arc<Vec<K>>,
    pub(crate) loader: Arc<F>,
}

impl<T, K, F, Fut, I, V, E> Origin<T> for Many<K, F>
where
    T: Send + Sync + 'static,
    K: Clone + Eq + std::hash::Hash + Send + Sync + 'static,
    F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = std::result::Result<I, E>> + Send + 'static,
    I: IntoIterator<Item = (K, V)> + 'static,
    V: Into<Loaded<T>> + 'static,
    E: Into<BoxError> + 'static,
{
    fn names_tags(&self) -> bool {
        names_tags::<T, V>()
    }

    fn load(
        &self,
        wanted: List<Wanted<T>>,
    ) -> impl Future<Output = Result<Places<T>>> + Send + use<T, K, F, Fut, I, V, E> {
        let ids: Vec<K> = wanted
            .iter()
            .map(|wanted| self.ids[wanted.place].clone())
            .collect();
        let places: std::collections::HashMap<K, usize> = ids
            .iter()
            .cloned()
            .zip(wanted.iter().map(|wanted| wanted.place))
            .collect();
        let loader = Arc::clone(&self.loader);
        async move {
            // Called in here, so that a panic of its first part is caught as well.
            let loading = (*loader)(ids);
            drop(loader);
            let found = loading.await.map_err(failed)?;
            let found = found.into_iter();
            // What nobody asked for has a place that nobody has.
            Ok(found
                .map(|(id, value)| (places.get(&id).copied().unwrap_or(usize::MAX), value.into()))
                .collect())
        }
    }
}

pub(crate) fn failed(error: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Load, "the loader failed").with_source(error)
}
