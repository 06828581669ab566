//! What the tests have in common: stores with an ear for their changes, and waiting that ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use larder_core::{
    Backend, Change, Clock, Entry, EntryId, Fill, FillToken, Filled, Key, Lease, LeaseOptions,
    Lifetime, Namespace, Observer, ReadOptions, Result, SystemClock, TierContext, Timestamp, Ttl,
    Value, WriteOptions,
};
use larder_redis::{Redis, RedisBuilder};
use larder_testkit::{RedisServer, Subject};

/// After so long what is waited for isn't going to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// What a busy machine adds to a time that is promised.
pub(crate) const SLACK: Duration = Duration::from_secs(1);

/// Polls until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(
            started.elapsed() < PATIENCE,
            "waited {PATIENCE:?} in vain: {what}"
        );
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// One server for the tests that do it no harm; it stops with the last of them.
pub(crate) fn shared_server() -> Arc<RedisServer> {
    static SERVER: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(RedisServer::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

/// A context in which the clock is the system's.
pub(crate) fn context_of(namespace: &Namespace) -> TierContext {
    let clock = SystemClock::shared(|duration| Box::pin(tokio::time::sleep(duration)));
    TierContext::new(namespace.clone(), clock)
}

/// A setting that notices trouble fast.
pub(crate) fn hasty(url: impl Into<String>) -> RedisBuilder {
    Redis::builder(url)
        .dial_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_millis(300))
        .write_timeout(Duration::from_millis(300))
        .heartbeat(Duration::from_millis(300))
}

/// As [`hasty`], but its heart doesn't beat while the test runs.
pub(crate) fn without_heartbeat(url: impl Into<String>) -> RedisBuilder {
    hasty(url).heartbeat(Duration::from_secs(3_600))
}

/// A store with what it takes to use it briefly.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) redis: Arc<Redis>,
    pub(crate) namespace: Namespace,
    pub(crate) ear: Arc<Ear>,
    clock: Arc<dyn Clock>,
}

impl Opened {
    pub(crate) async fn by(builder: RedisBuilder) -> Self {
        Self::within(builder, &Subject::new_namespace()).await
    }

    pub(crate) async fn within(builder: RedisBuilder, namespace: &Namespace) -> Self {
        Self::attempt(builder, namespace)
            .await
            .expect("a server that will do")
    }

    pub(crate) async fn attempt(builder: RedisBuilder, namespace: &Namespace) -> Result<Self> {
        let context = context_of(namespace);
        let redis = Arc::new(builder.connect(&context).await?);
        Ok(Self {
            ear: Ear::at(&redis),
            redis,
            namespace: namespace.clone(),
            clock: context.clock,
        })
    }

    pub(crate) fn key<'a>(&'a self, text: &'a str) -> Key<'a> {
        Key::new(&self.namespace, "", text).expect("a key that keeps the rules")
    }

    /// The name of a key in the server.
    pub(crate) fn stored(&self, text: &str) -> String {
        self.key(text).stored_name()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn within_time(&self, time: Duration) -> Timestamp {
        self.now().saturating_add(time)
    }

    /// An entry that stays for an hour.
    pub(crate) fn entry(&self, text: &str) -> Entry {
        self.entry_for(text, Duration::from_secs(3_600))
    }

    pub(crate) fn entry_for(&self, text: &str, ttl: Duration) -> Entry {
        let ttl = Ttl::after(ttl).expect("a time to live that keeps the rules");
        let life = Lifetime::new(self.now(), ttl, Duration::ZERO);
        Entry::new(Value::raw(text.to_owned().into()), life)
    }

    pub(crate) async fn set(&self, key: &str, text: &str) -> Result<EntryId> {
        let entry = self.entry(text);
        let id = entry.id();
        let options = WriteOptions::default();
        self.redis.set(&self.key(key), entry, &options).await?;
        Ok(id)
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<String>> {
        let options = ReadOptions::default();
        let entry = self.redis.get(&self.key(key), &options).await?;
        Ok(entry.map(|entry| text_of(&entry)))
    }

    pub(crate) async fn lease(&self, key: &str, lasts: Duration) -> Result<Lease> {
        let options = LeaseOptions::until(self.within_time(lasts));
        let mut leases = self.redis.lease(&[self.key(key)], &options).await;
        leases.pop().expect("an answer for each key")
    }

    /// The token of a lease that is there to be had.
    pub(crate) async fn granted(&self, key: &str, lasts: Duration) -> FillToken {
        match self.lease(key, lasts).await {
            Ok(Lease::Granted { token, .. }) => token,
            other => panic!("expected a lease on {key}, not {other:?}"),
        }
    }

    pub(crate) async fn fill(&self, token: FillToken, entry: Entry) -> Result<Filled> {
        let fills = vec![Fill { token, entry }];
        let mut filled = self.redis.fill(fills, &WriteOptions::default()).await;
        filled.pop().expect("an answer for each fill")
    }

    /// What somebody else writes is heard of, so everything before it has been.
    pub(crate) async fn hears_of_a_foreign_write(&self, server: &RedisServer) {
        self.hears_of_a_foreign_write_in(server, 0).await;
    }

    /// As [`Opened::hears_of_a_foreign_write`], in another database.
    pub(crate) async fn hears_of_a_foreign_write_in(&self, server: &RedisServer, db: u8) {
        let key = format!("barrier-{:016x}", EntryId::random().as_u64());
        let mut client = server.client();
        for words in [
            ["SELECT", &db.to_string()].as_slice(),
            &["SET", &self.stored(&key), "x"],
        ] {
            client.command(words).expect("the server is well");
        }
        let heard = Heard::key(&key);
        self.ear.expect_told(&heard).await;
    }

    /// It reads and writes (again).
    pub(crate) async fn works(&self) {
        eventually("the store works", async || {
            let id = self.set("works", "yes").await;
            id.is_ok()
                && self
                    .get("works")
                    .await
                    .is_ok_and(|text| text.as_deref() == Some("yes"))
        })
        .await;
    }
}

pub(crate) fn text_of(entry: &Entry) -> String {
    let bytes = entry.value().encoded().expect("it came from a store");
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a store tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Key(String, Option<EntryId>),
    Leased(String),
    Marker(String),
    Everything,
    LinkUp,
    LinkDown,
}

impl Heard {
    /// A change of a key by nobody knows whom.
    pub(crate) fn key(key: &str) -> Self {
        Self::Key(key.to_owned(), None)
    }

    /// An own write.
    pub(crate) fn own(key: &str, id: EntryId) -> Self {
        Self::Key(key.to_owned(), Some(id))
    }

    pub(crate) fn leased(key: &str) -> Self {
        Self::Leased(key.to_owned())
    }
}

/// Remembers everything that a store tells of.
#[derive(Debug, Default)]
pub(crate) struct Ear(Mutex<Vec<Heard>>);

impl Observer for Ear {
    fn changed(&self, change: &Change<'_>) {
        let heard = match change {
            Change::Key(key, id) => Heard::Key(key.text(), *id),
            Change::Leased(key) => Heard::Leased(key.text()),
            Change::Marker(marker) => Heard::Marker(marker.stored_name()),
            Change::Everything => Heard::Everything,
            Change::LinkUp => Heard::LinkUp,
            Change::LinkDown => Heard::LinkDown,
            _ => return,
        };
        self.lock().push(heard);
    }
}

impl Ear {
    pub(crate) fn at(redis: &Redis) -> Arc<Self> {
        let ear = Arc::new(Self::default());
        let changes = redis.watch().expect("redis tells of changes");
        changes.subscribe(Arc::downgrade(&ear) as Weak<dyn Observer>);
        ear
    }

    pub(crate) fn all(&self) -> Vec<Heard> {
        self.lock().clone()
    }

    /// What was told of one key.
    pub(crate) fn of(&self, key: &str) -> Vec<Heard> {
        let mut heard = self.all();
        heard.retain(|heard| match heard {
            Heard::Key(text, _) | Heard::Leased(text) => text == key,
            _ => false,
        });
        heard
    }

    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    /// Waits until what was heard is as expected.
    pub(crate) async fn expect(&self, what: &str, mut is_so: impl FnMut(&[Heard]) -> bool) {
        let started = Instant::now();
        while !is_so(&self.lock()) {
            assert!(
                started.elapsed() < PATIENCE,
                "{what} wasn't told of; told was {:?}",
                self.lock()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until this was heard.
    pub(crate) async fn expect_told(&self, told: &Heard) {
        let what = format!("{told:?}");
        self.expect(&what, |heard| heard.contains(told)).await;
    }

    /// Waits until the link has gone and come back.
    pub(crate) async fn expect_a_new_link(&self) {
        self.expect("a link lost, then made anew", |heard| {
            let down = heard.iter().position(|heard| *heard == Heard::LinkDown);
            down.is_some_and(|down| heard[down..].contains(&Heard::LinkUp))
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
