//! Invalidation by events: what an application's own events make of the cache.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use futures_core::Stream;
use larder_core::{Error, ErrorKind, Result, Source, SourceEvent};
use tokio::sync::mpsc;

use crate::cache::Cache;

/// How long an invalidation that failed is waited with, first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What is to be invalidated.
///
/// ```
/// use larder::Invalidation;
///
/// let what = Invalidation::new().key("user:7").tags(["users", "team:3"]);
/// assert!(!what.is_empty());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Invalidation {
    keys: Vec<String>,
    tags: Vec<String>,
    expired_tags: Vec<String>,
    patterns: Vec<String>,
    everything: bool,
}

impl Invalidation {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything in the cache's namespace.
    pub fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    /// A key, whole: `user:7` is what `cache.space("user")` calls `7`.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Several keys.
    pub fn keys<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.keys.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Every entry that has a tag.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Every entry that has one of these tags.
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Makes every entry stale that has a tag; see [`Cache::expire_tag`].
    pub fn expire_tag(mut self, tag: impl Into<String>) -> Self {
        self.expired_tags.push(tag.into());
        self
    }

    /// Every key that matches a pattern; see [`Space::invalidate_matching`](crate::Space::invalidate_matching). It lists the whole
    /// store: a tag is cheaper.
    pub fn matching(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// Whether nothing is to be invalidated.
    pub fn is_empty(&self) -> bool {
        !self.everything
            && [&self.keys, &self.tags, &self.expired_tags, &self.patterns]
                .into_iter()
                .all(Vec::is_empty)
    }

    /// Does it. All of it is tried; the first error is answered.
    async fn perform(&self, cache: &Cache) -> Result<()> {
        if self.everything {
            return cache.clear().await;
        }
        let mut done = Ok(());
        let most = cache.limits().max_batch;
        for chunk in self.keys.chunks(most) {
            let keys: Vec<&str> = chunk.iter().map(String::as_str).collect();
            done = done.and(cache.invalidate_many(&keys).await.map(drop));
        }
        for chunk in self.tags.chunks(most) {
            done = done.and(cache.invalidate_tags(chunk).await);
        }
        for chunk in self.expired_tags.chunks(most) {
            done = done.and(cache.expire_tags(chunk).await);
        }
        for pattern in &self.patterns {
            done = done.and(cache.invalidate_matching(pattern).await.map(drop));
        }
        done
    }
}

type Rule = Box<dyn Fn(&dyn Any) -> Invalidation + Send + Sync>;
type MessageRule = Box<dyn Fn(&[u8]) -> Invalidation + Send + Sync>;

/// Maps an application's events to what they make invalid, so that whoever changes something needn't know who has cached it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use larder::{Cache, Invalidation, Invalidator};
///
/// struct UserUpdated { id: u64 }
///
/// let cache = Cache::builder("app").build().await?;
/// let invalidator = Invalidator::new(&cache)
///     .on::<UserUpdated>(|event| Invalidation::new().key(format!("user:{}", event.id)).tag("users"));
///
/// cache.set("user:7", "Ada".to_owned()).await?;
/// invalidator.publish(&UserUpdated { id: 7 }).await?;
/// assert_eq!(cache.get::<String>("user:7").await?, None);
/// # Ok::<_, larder::Error>(()) }).unwrap();
/// ```
///
/// Events come one by one ([`publish`](Self::publish)), from a channel ([`receive`](Self::receive)), from a stream
/// ([`follow`](Self::follow)), or from outside ([`listen`](Self::listen)). Invalidations may be repeated and come in any order: neither does harm.
#[must_use]
pub struct Invalidator {
    cache: Cache,
    rules: HashMap<TypeId, Vec<Rule>>,
    messages: Option<MessageRule>,
}

impl Invalidator {
    /// Without rules.
    pub fn new(cache: &Cache) -> Self {
        Self {
            cache: cache.clone(),
            rules: HashMap::new(),
            messages: None,
        }
    }

    /// What an event of this type makes invalid. A type may have several rules; all of them count.
    pub fn on<E: 'static>(
        mut self,
        rule: impl Fn(&E) -> Invalidation + Send + Sync + 'static,
    ) -> Self {
        let rule: Rule = Box::new(move |event| {
            let event = event.downcast_ref::<E>();
            event.map_or_else(Invalidation::new, &rule)
        });
        self.rules.entry(TypeId::of::<E>()).or_default().push(rule);
        self
    }

    /// What a message of a [`Source`] makes invalid. Default: everything, because nobody knows.
    pub fn on_message(self, rule: impl Fn(&[u8]) -> Invalidation + Send + Sync + 'static) -> Self {
        Self {
            messages: Some(Box::new(rule)),
            ..self
        }
    }

    /// Invalidates what an event makes invalid. When it returns, nothing older is found.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] if the event's type has no rule, and the cache's own trouble: not everything may then have been
    /// invalidated, so call it again.
    ///
    /// # Cancel safety
    ///
    /// Dropped, some of it may have been invalidated.
    pub async fn publish<E: 'static>(&self, event: &E) -> Result<()> {
        let invalidations = self.invalidations(event)?;
        let mut done = Ok(());
        for invalidation in invalidations {
            done = done.and(invalidation.perform(&self.cache).await);
        }
        done
    }

    /// Publishes what a channel brings, until its senders have gone. What can't be invalidated yet is tried again until it can; a
    /// bounded channel holds its senders back meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Invalidator::publish`], where trying again doesn't help.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the event that was being handled is lost.
    pub async fn receive<E: Sync + 'static>(&self, mut events: mpsc::Receiver<E>) -> Result<()> {
        while let Some(event) = events.recv().await {
            self.insist(&self.invalidations(&event)?).await?;
        }
        Ok(())
    }

    /// As [`Invalidator::receive`], from a stream.
    ///
    /// # Errors
    ///
    /// As [`Invalidator::receive`].
    pub async fn follow<E: Sync + 'static>(&self, events: impl Stream<Item = E>) -> Result<()> {
        let mut events = pin!(events);
        while let Some(event) = poll_fn(|context| events.as_mut().poll_next(context)).await {
            self.insist(&self.invalidations(&event)?).await?;
        }
        Ok(())
    }

    /// Invalidates what a source says, until it ends, and acknowledges what was done. A gap in the source's events clears the
    /// cache. What can't be invalidated yet is tried again until it can.
    ///
    /// # Errors
    ///
    /// The source's own, and the cache's where trying again doesn't help: it was closed, or a key breaks the rules.
    ///
    /// # Cancel safety
    ///
    /// Dropped, a source that replays repeats what was not acknowledged.
    pub async fn listen(&self, source: &mut dyn Source) -> Result<()> {
        while let Some(event) = source.next().await {
            let invalidation = match event? {
                SourceEvent::Key(key) => Invalidation::new().key(key),
                SourceEvent::Tag(tag) => Invalidation::new().tag(tag.as_str()),
                SourceEvent::Matching(pattern) => Invalidation::new().matching(pattern.as_str()),
                SourceEvent::Message(bytes) => match &self.messages {
                    Some(rule) => rule(&bytes),
                    None => Invalidation::everything(),
                },
                // A gap, or what this version doesn't know.
                _ => Invalidation::everything(),
            };
            self.insist(&[invalidation]).await?;
            source.acknowledge().await?;
        }
        Ok(())
    }

    fn invalidations<E: 'static>(&self, event: &E) -> Result<Vec<Invalidation>> {
        let Some(rules) = self.rules.get(&TypeId::of::<E>()) else {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                format!("no rule says what {} makes invalid", type_name::<E>()),
            ));
        };
        Ok(rules.iter().map(|rule| rule(event)).collect())
    }

    /// Invalidates, however long it takes.
    async fn insist(&self, invalidations: &[Invalidation]) -> Result<()> {
        for invalidation in invalidations {
            let mut pause = PAUSE.0;
            while let Err(error) = invalidation.perform(&self.cache).await {
                if !error.is_temporary() {
                    return Err(error);
                }
                tracing::warn!(
                    cache = self.cache.namespace().as_str(),
                    %error,
                    "an event's invalidation failed and is tried again"
                );
                self.cache
                    .pause(pause.mul_f64(0.5 + fastrand::f64() / 2.0))
                    .await;
                pause = (pause * 2).min(PAUSE.1);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Invalidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidator")
            .field("cache", self.cache.namespace())
            .field("types", &self.rules.len())
            .finish_non_exhaustive()
    }
}
