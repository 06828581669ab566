//! Mixed operations in one batch, with typed replies.

mod replies;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, BatchReply, Deletion, Expiry, Key, Lifetime, Operation, Result, Ttl,
    Update, Value, ValueType, Version, View, WriteOptions,
};

pub use self::replies::{Replies, Reply};
use crate::codec::CacheValue;
use crate::operations::remove::detach_all;
use crate::scope::{EntryOptions, Scope};
use crate::shared::Shared;
use crate::space::Space;
use crate::spec::Spec;

/// Operations that go to the store together; see [`Cache::pipeline`](crate::Cache::pipeline).
///
/// They are performed in their order, in as few round trips as the store can; each has its own reply
/// and its own error, and one's error doesn't stop the others. Not a transaction: others may come in
/// between. Names are whole keys; [`Pipeline::within`] adds operations of a space.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let cache = larder::Cache::builder("shop").build().await?;
/// let names = cache.space::<String>("name");
///
/// let mut pipeline = cache.pipeline();
/// pipeline.within(&names).set("LHR", "Heathrow".to_owned());
/// let name = pipeline.within(&names).get("LHR");
/// let views = pipeline.increment("views", 3);
///
/// let mut replies = pipeline.execute().await?;
/// assert_eq!(replies.take(name)?.unwrap().as_str(), "Heathrow");
/// assert_eq!(replies.take(views)?, 3);
/// # Ok::<_, larder::Error>(()) }).unwrap();
/// ```
#[must_use = "a pipeline does nothing until it is executed"]
pub struct Pipeline {
    shared: Arc<Shared>,
    steps: Vec<Step>,
}

/// Reads one reply out of [`Replies`]; made by a pipeline's operation.
pub struct Handle<R> {
    index: usize,
    reply: PhantomData<fn() -> R>,
}

struct Step {
    spec: Arc<Spec>,
    value_type: &'static ValueType,
    name: String,
    action: Action,
}

enum Action {
    Get,
    Exists,
    Set(Value, EntryOptions),
    Delete,
    Invalidate,
    Expire(Result<Ttl>),
    Increment(i64, EntryOptions),
    SetIfAbsent(Value),
    Take,
}

/// Adds operations on a space's values to a [`Pipeline`]; made by [`Pipeline::within`].
pub struct Within<'p, T> {
    pipeline: &'p mut Pipeline,
    spec: Arc<Spec>,
    value_type: &'static ValueType,
    of: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> Within<'_, T> {
    fn add<R>(self, name: &str, action: Action) -> Handle<R> {
        let Self {
            pipeline,
            spec,
            value_type,
            ..
        } = self;
        pipeline.steps.push(Step {
            spec,
            value_type,
            name: name.to_owned(),
            action,
        });
        Handle {
            index: pipeline.steps.len() - 1,
            reply: PhantomData,
        }
    }

    fn value(&self, value: impl Into<Arc<T>>) -> Value {
        let scope = Scope {
            shared: &self.pipeline.shared,
            spec: &self.spec,
            value_type: self.value_type,
        };
        scope.value(value.into())
    }

    /// Looks up a value.
    pub fn get(self, name: &str) -> Handle<Option<Arc<T>>> {
        self.add(name, Action::Get)
    }

    /// Whether there is a value.
    pub fn exists(self, name: &str) -> Handle<bool> {
        self.add(name, Action::Exists)
    }

    /// Stores a value for the default time.
    pub fn set(self, name: &str, value: impl Into<Arc<T>>) -> Handle<()> {
        let value = self.value(value);
        self.add(name, Action::Set(value, EntryOptions::default()))
    }

    /// Stores a value for a time. Zero, or more than can be stored, is the operation's own error.
    pub fn set_for(self, name: &str, value: impl Into<Arc<T>>, ttl: Duration) -> Handle<()> {
        let value = self.value(value);
        let mut options = EntryOptions::default();
        options.set_ttl(Ttl::after(ttl));
        self.add(name, Action::Set(value, options))
    }

    /// Stores a value if the key is absent; the reply tells whether it was.
    pub fn set_if_absent(self, name: &str, value: impl Into<Arc<T>>) -> Handle<bool> {
        let value = self.value(value);
        self.add(name, Action::SetIfAbsent(value))
    }

    /// Removes and answers a value.
    pub fn take(self, name: &str) -> Handle<Option<Arc<T>>> {
        self.add(name, Action::Take)
    }

    /// Deletes a value.
    pub fn delete(self, name: &str) -> Handle<Deletion> {
        self.add(name, Action::Delete)
    }

    /// Forgets the cached copy.
    pub fn invalidate(self, name: &str) -> Handle<Deletion> {
        self.add(name, Action::Invalidate)
    }

    /// Gives a value a new time to live; the reply tells whether there was one.
    pub fn expire(self, name: &str, ttl: Duration) -> Handle<bool> {
        self.add(name, Action::Expire(Ttl::after(ttl)))
    }

    /// Keeps a value until it is deleted or evicted; the reply tells whether there was one.
    pub fn persist(self, name: &str) -> Handle<bool> {
        self.add(name, Action::Expire(Ok(Ttl::Forever)))
    }

    /// Adds to a counter; the reply is its new value.
    pub fn increment(self, name: &str, by: i64) -> Handle<i64> {
        self.add(name, Action::Increment(by, EntryOptions::default()))
    }
}

impl Pipeline {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            steps: Vec::new(),
        }
    }

    /// Adds an operation on a value of a space.
    pub fn within<T: Send + Sync + 'static>(&mut self, space: &Space<T>) -> Within<'_, T> {
        Within {
            spec: space.spec(),
            value_type: space.value_type(),
            pipeline: self,
            of: PhantomData,
        }
    }

    fn root<T: CacheValue>(&mut self) -> Within<'_, T> {
        let value_type = self.shared.defaults.codec.value_type::<T>();
        Within {
            spec: Arc::clone(&self.shared.root),
            value_type,
            pipeline: self,
            of: PhantomData,
        }
    }

    /// How many operations it holds.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Looks up a value.
    pub fn get<T: CacheValue>(&mut self, name: &str) -> Handle<Option<Arc<T>>> {
        self.root().get(name)
    }

    /// Stores a value for the default time.
    pub fn set<T: CacheValue>(&mut self, name: &str, value: T) -> Handle<()> {
        self.root().set(name, value)
    }

    /// Whether there is a value.
    pub fn exists(&mut self, name: &str) -> Handle<bool> {
        self.root::<i64>().exists(name)
    }

    /// Deletes a value.
    pub fn delete(&mut self, name: &str) -> Handle<Deletion> {
        self.root::<i64>().delete(name)
    }

    /// Forgets the cached copy.
    pub fn invalidate(&mut self, name: &str) -> Handle<Deletion> {
        self.root::<i64>().invalidate(name)
    }

    /// Gives a value a new time to live; the reply tells whether there was one.
    pub fn expire(&mut self, name: &str, ttl: Duration) -> Handle<bool> {
        self.root::<i64>().expire(name, ttl)
    }

    /// Adds to a counter; the reply is its new value.
    pub fn increment(&mut self, name: &str, by: i64) -> Handle<i64> {
        self.root::<i64>().increment(name, by)
    }

    /// Performs the operations.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BatchTooLarge`](crate::ErrorKind::BatchTooLarge), or why nothing at all could be done. Each operation's own error,
    /// a bad key's among them, is in its reply.
    ///
    /// # Cancel safety
    ///
    /// Dropped, any number of the operations may have been performed.
    pub async fn execute(self) -> Result<Replies> {
        let Self { shared, steps } = self;
        shared.limits.check_batch(steps.len())?;
        let generation = shared.generation().await?;
        let mut replies: Vec<Option<Result<BatchReply>>> = Vec::with_capacity(steps.len());
        let (mut operations, mut places, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        for (index, step) in steps.iter().enumerate() {
            match Scope::explain(
                step.operation(&shared, generation),
                Operation::Batch,
                &step.name,
            ) {
                Ok(operation) => {
                    if !matches!(operation, BatchOperation::Get(_) | BatchOperation::Head(_)) {
                        writes.push(*operation.key());
                    }
                    operations.push(operation);
                    places.push(index);
                    replies.push(None);
                }
                Err(error) => replies.push(Some(Err(error))),
            }
        }
        // The view's schema is that of each step; what an update counts as present is decided by it, so
        // steps of spaces with different versions go in a batch each.
        detach_all(&shared, &writes);
        let performed = perform(&shared, &steps, generation, operations, &places).await;
        detach_all(&shared, &writes);
        for (index, reply) in performed {
            steps[index].count(&shared);
            replies[index] = Some(Scope::explain(reply, Operation::Batch, &steps[index].name));
        }
        drop(writes);
        Ok(Replies {
            shared,
            generation,
            steps,
            unread: replies,
        })
    }
}

/// Runs of steps with the same view, one batch each: in the usual case that is one.
async fn perform(
    shared: &Shared,
    steps: &[Step],
    generation: Option<Version>,
    operations: Vec<BatchOperation<'_>>,
    places: &[usize],
) -> Vec<(usize, Result<BatchReply>)> {
    let mut performed = Vec::with_capacity(operations.len());
    let mut rest = operations.into_iter().zip(places).peekable();
    while let Some((operation, place)) = rest.next() {
        let view = steps[*place].view(generation);
        let (mut run, mut run_places) = (vec![operation], vec![*place]);
        while let Some((operation, place)) =
            rest.next_if(|(_, place)| steps[**place].view(generation) == view)
        {
            run.push(operation);
            run_places.push(*place);
        }
        let replies = shared
            .store
            .batch(run, &WriteOptions::default().with_view(view))
            .await;
        performed.extend(run_places.into_iter().zip(replies));
    }
    performed
}

impl Step {
    fn scope<'a>(&'a self, shared: &'a Arc<Shared>) -> Scope<'a> {
        Scope {
            shared,
            spec: &self.spec,
            value_type: self.value_type,
        }
    }

    fn view(&self, generation: Option<Version>) -> View {
        View::default()
            .with_generation(generation)
            .with_schema(self.spec.schema)
    }

    fn operation<'k>(
        &'k self,
        shared: &'k Arc<Shared>,
        generation: Option<Version>,
    ) -> Result<BatchOperation<'k>> {
        let (scope, view) = (self.scope(shared), self.view(generation));
        shared.open()?;
        scope.ready()?;
        let key = Key::new(&shared.namespace, &self.spec.prefix, &self.name)?;
        Ok(match &self.action {
            Action::Get => BatchOperation::Get(key),
            Action::Exists => BatchOperation::Head(key),
            Action::Set(value, options) => {
                let entry = scope.entry(value.clone(), options, view)?;
                if shared.is_bypassed() {
                    BatchOperation::Invalidate(key)
                } else {
                    BatchOperation::Set(key, entry)
                }
            }
            Action::Delete => BatchOperation::Delete(key),
            Action::Invalidate => BatchOperation::Invalidate(key),
            Action::Expire(ttl) => {
                let stale_for = self.spec.stale_for.unwrap_or(shared.defaults.stale_for);
                let lifetime = Lifetime::new(scope.shared.clock.now(), ttl.clone()?, stale_for);
                BatchOperation::Expire(key, Expiry::new(lifetime))
            }
            Action::Increment(by, options) => {
                let template = scope.entry(Value::counter(0), options, view)?;
                BatchOperation::Update(key, Update::Increment { by: *by, template })
            }
            Action::SetIfAbsent(value) => {
                let entry = scope.entry(value.clone(), &EntryOptions::default(), view)?;
                BatchOperation::Update(key, Update::SetIfAbsent(entry))
            }
            Action::Take => BatchOperation::Update(key, Update::Take),
        })
    }

    fn count(&self, shared: &Shared) {
        let counters = &shared.counters;
        match self.action {
            // Look-ups are counted by their outcome, when their reply is read.
            Action::Get | Action::Exists => {}
            Action::Set(..) => counters.sets.increment(),
            Action::Delete => counters.deletes.increment(),
            Action::Invalidate => counters.invalidations.increment(),
            Action::Expire(_) => counters.expires.increment(),
            Action::Increment(..) | Action::SetIfAbsent(..) | Action::Take => {
                counters.updates.increment();
            }
        }
    }
}

impl<T> fmt::Debug for Within<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Within")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("operations", &self.steps.len())
            .finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.index).finish()
    }
}
