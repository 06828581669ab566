//! What the conformance suite is run on.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use larder_core::{
    Backend, Capability, Clock, Entry, Key, Lifetime, Namespace, Store, SystemClock, Timestamp,
    Ttl, Value,
};

use crate::{ManualClock, PassThrough};

/// Whose time a backend under test lives in.
#[derive(Clone, Debug)]
pub enum Time {
    /// The test moves the clock that the backend was given. Nothing sleeps.
    Manual(ManualClock),
    /// The backend lives in real time, as one with a server does. The suite then really sleeps, 60 ms
    /// where it lets a time pass, and gives a change 10 s to be heard of.
    Real,
}

/// How the suite reaches the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As it is.
    Bare,
    /// Behind a [`Store`].
    BehindStore,
    /// Behind a layer that forwards everything, [`PassThrough`].
    BehindLayer,
}

/// A backend under test with the time it lives in and a namespace of its own. One is made for each test.
///
/// The backend must have room for what the suite stores at a time: 1,000 entries and 2 MiB.
/// An eviction would be taken for a loss.
///
/// ```
/// use larder_testkit::{ManualClock, ReferenceBackend, Subject, Time};
///
/// async fn subject() -> Subject {
///     let clock = ManualClock::new();
///     Subject::new(ReferenceBackend::new(clock.shared()), Time::Manual(clock))
/// }
/// # let _ = subject;
/// ```
pub struct Subject {
    backend: Arc<dyn Backend>,
    time: Time,
    clock: Arc<dyn Clock>,
    namespace: Namespace,
    kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl Subject {
    /// A backend, or a [`Store`] of one with layers, and the time it lives in.
    pub fn new(backend: impl Backend, time: Time) -> Self {
        let clock = match &time {
            Time::Manual(clock) => clock.shared(),
            Time::Real => SystemClock::shared(|duration| Box::pin(tokio::time::sleep(duration))),
        };
        Self {
            backend: Arc::new(backend),
            time,
            clock,
            namespace: random_namespace(),
            kept: Vec::new(),
        }
    }

    /// The namespace of the test, for a backend that was opened for one. Default: a random one.
    pub fn within(self, namespace: Namespace) -> Self {
        Self { namespace, ..self }
    }

    /// Keeps something alive for as long as the test runs: a directory, a server.
    pub fn keeping(mut self, thing: impl Any + Send + Sync) -> Self {
        self.kept.push(Box::new(thing));
        self
    }

    /// The same subject, reached another way.
    ///
    /// # Panics
    ///
    /// If the store refuses a layer that forwards everything.
    pub fn reached(self, way: Way) -> Self {
        let backend: Arc<dyn Backend> = match way {
            Way::Bare => self.backend,
            Way::BehindStore => Arc::new(Store::from(self.backend)),
            Way::BehindLayer => Arc::new(
                Store::from(self.backend)
                    .layer(&PassThrough)
                    .expect("a layer that forwards everything may stand anywhere"),
            ),
        };
        Self { backend, ..self }
    }

    /// The backend under test.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// The backend under test, for another task.
    pub fn share(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    /// What the backend claims.
    pub fn capability(&self) -> Capability {
        self.backend.capability()
    }

    /// The namespace of this test; no other has it.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A namespace that nobody has used yet.
    pub fn unused_namespace(&self) -> Namespace {
        random_namespace()
    }

    /// A namespace that nobody has used yet, before there is a subject.
    pub fn new_namespace() -> Namespace {
        random_namespace()
    }

    /// A key of this test's namespace.
    ///
    /// # Panics
    ///
    /// If it breaks the rules for keys.
    pub fn key<'a>(&'a self, text: &'a str) -> Key<'a> {
        Key::new(&self.namespace, "", text).expect("a key of the suite keeps the rules")
    }

    /// The clock that the backend goes by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Now, on the backend's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the backend lives in real time.
    pub fn is_real_time(&self) -> bool {
        matches!(self.time, Time::Real)
    }

    /// Lets time pass: what was due in `duration` is due afterwards.
    pub async fn pass(&self, duration: Duration) {
        match &self.time {
            Time::Manual(clock) => clock.advance(duration),
            Time::Real => {
                let due = self.now().saturating_add(duration);
                tokio::time::sleep(duration + Self::LAG).await;
                // On a machine that has stalled the coarse clock is further behind.
                while self.clock.recent() < due {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }

    /// The least time that the suite lets pass, and the shortest life of an entry in it.
    pub const MOMENT: Duration = Duration::from_millis(60);

    /// What the suite takes for a time that is not near.
    pub const LONG: Duration = Duration::from_secs(3_600);

    /// How exactly a backend must keep an entry's times.
    pub const PRECISION: Duration = Duration::from_millis(1);

    /// How far a look-up's clock may be behind in real time ([`Clock::recent`]), and a little more.
    pub const LAG: Duration = Duration::from_millis(13);

    /// Times that begin now.
    ///
    /// # Panics
    ///
    /// If `fresh` is no time to live.
    pub fn lifetime(&self, fresh: Duration, stale: Duration) -> Lifetime {
        let ttl = Ttl::after(fresh).expect("a time to live of the suite keeps the rules");
        Lifetime::new(self.now(), ttl, stale)
    }

    /// An entry that stays fresh for long, with this text for a value.
    pub fn entry(&self, text: &str) -> Entry {
        self.entry_for(text, Self::LONG, Duration::ZERO)
    }

    /// An entry with this text for a value, fresh and then stale for so long.
    pub fn entry_for(&self, text: &str, fresh: Duration, stale: Duration) -> Entry {
        let value = Value::raw(text.to_owned().into());
        Entry::new(value, self.lifetime(fresh, stale))
    }
}

/// So that tests may share one server.
fn random_namespace() -> Namespace {
    let name = format!("conformance-{:016x}", fastrand::u64(..));
    Namespace::new(&name).expect("letters, digits and a dash")
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("backend", &self.backend)
            .field("time", &self.time)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
