//! A backend that keeps the contract but for one bug, chosen when it is made.

mod backend;
mod bug;
mod leases;
mod reading;
mod retelling;
mod updates;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) use self::bug::Bug;
use self::retelling::Retelling;
use larder_core::{Changes, Key, KeyBuf, Namespace};
use larder_testkit::{ManualClock, ReferenceBackend, Subject, Time};

#[derive(Debug)]
pub(crate) struct Broken {
    bug: Option<Bug>,
    inner: Arc<ReferenceBackend>,
    clock: ManualClock,
    /// Observers that are told nothing, or too late.
    unheard: Arc<Changes>,
    /// Tells observers of what has happened, with other ids.
    retelling: Arc<Retelling>,
    /// Keys that somebody has leased.
    leased: Mutex<Vec<KeyBuf>>,
    /// Keys whose lease should have ended.
    outlived: Mutex<Vec<KeyBuf>>,
    calls: AtomicU64,
}

impl Broken {
    pub(crate) fn subject(bug: Option<Bug>) -> Subject {
        let clock = ManualClock::new();
        let inner = match bug {
            Some(Bug::AnswersExpired) => ManualClock::new(),
            _ => clock.clone(),
        };
        let inner = Arc::new(ReferenceBackend::new(inner.shared()));
        let broken = Self {
            bug,
            retelling: Retelling::of(&inner, bug),
            inner,
            clock: clock.clone(),
            unheard: Arc::new(Changes::new()),
            leased: Mutex::default(),
            outlived: Mutex::default(),
            calls: AtomicU64::new(0),
        };
        Subject::new(broken, Time::Manual(clock))
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Every other time another one: a look-up that doesn't compare what it should.
    fn luck(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) % 2
    }

    /// The key under which it really keeps what belongs under this one.
    fn kept_as(&self, key: &Key<'_>) -> KeyBuf {
        let text = key.text();
        let everybody = Namespace::new("everybody").unwrap();
        let (namespace, text) = match self.bug {
            Some(Bug::IgnoresNamespaces) => (&everybody, text),
            Some(Bug::JoinsNamespaceAndKey) => (&everybody, format!("{}{text}", key.namespace())),
            Some(Bug::FoldsCase) => (key.namespace(), text.to_lowercase()),
            Some(Bug::CutsLongKeys) => (key.namespace(), text.chars().take(255).collect()),
            Some(Bug::FindsKeysByLuck) => (key.namespace(), format!("{text}{}", self.luck())),
            _ => return key.to_buf(),
        };
        Key::for_lookup(namespace, "", &text).to_buf()
    }
}

/// Long enough for others to get in between two steps that should be one.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}
