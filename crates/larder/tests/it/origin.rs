//! An origin that tests hold, break and count, and calls that load from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use larder::{Backend, LoadPolicy, Outcome, Pattern, Space};
use larder_core::{EntryKind, ReadOptions, ScanRequest};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::stacks::{Stack, secs};

pub(crate) type Load = JoinHandle<larder::Result<Outcome<u32>>>;

/// A loader that counts its runs, answers their number, and ends when it is let. Clones are the same origin.
#[derive(Clone)]
pub(crate) struct Origin {
    calls: Arc<AtomicU32>,
    dropped: Arc<AtomicU32>,
    down: Arc<AtomicBool>,
    gate: Arc<Semaphore>,
    /// The tag that calls give to what they load.
    tag: Option<&'static str>,
}

/// Tells that a loader was dropped before its end.
struct DropGuard(Option<Arc<AtomicU32>>);

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(dropped) = self.0.take() {
            dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Origin {
    /// An origin whose loaders wait to be let go.
    pub(crate) fn held() -> Self {
        Self {
            calls: Arc::default(),
            dropped: Arc::default(),
            down: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
            tag: None,
        }
    }

    /// An origin that answers at once.
    pub(crate) fn open() -> Self {
        let origin = Self::held();
        origin.let_all_go();
        origin
    }

    /// An origin that fails at once.
    pub(crate) fn down() -> Self {
        let origin = Self::open();
        origin.set_down(true);
        origin
    }

    /// As if it had been called so often already.
    pub(crate) fn after(self, calls: u32) -> Self {
        self.calls.store(calls, Ordering::SeqCst);
        self
    }

    /// Calls give what they load this tag.
    pub(crate) fn tagging(self, tag: &'static str) -> Self {
        Self {
            tag: Some(tag),
            ..self
        }
    }

    pub(crate) fn tags(&self) -> Option<&'static str> {
        self.tag
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn let_all_go(&self) {
        self.gate.add_permits(1_000_000);
    }

    pub(crate) fn let_one_go(&self) {
        self.gate.add_permits(1);
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Loaders that were dropped before they had ended.
    pub(crate) fn dropped(&self) -> u32 {
        self.dropped.load(Ordering::SeqCst)
    }

    pub(crate) fn loader(
        &self,
    ) -> impl Future<Output = Result<u32, std::io::Error>> + Send + use<> {
        let origin = self.clone();
        async move {
            let call = origin.calls.fetch_add(1, Ordering::SeqCst) + 1;
            let mut guard = DropGuard(Some(Arc::clone(&origin.dropped)));
            origin.gate.acquire().await.unwrap().forget();
            guard.0 = None;
            if origin.down.load(Ordering::SeqCst) {
                return Err(std::io::Error::other("the origin is down"));
            }
            Ok(call)
        }
    }

    /// A call for a key in a task of its own.
    pub(crate) fn start(&self, space: &Space<u32>, key: &str, policy: LoadPolicy) -> Load {
        let (space, key, origin) = (space.clone(), key.to_owned(), self.clone());
        tokio::spawn(async move { origin.load(&space, &key, policy).await })
    }

    /// A call for a key.
    pub(crate) async fn load(
        &self,
        space: &Space<u32>,
        key: &str,
        policy: LoadPolicy,
    ) -> larder::Result<Outcome<u32>> {
        let origin = self.clone();
        let call = space.get_or_load(key, move || origin.loader());
        call.tags(self.tag).policy(policy).detailed().await
    }
}

/// The value of an outcome.
pub(crate) fn value(outcome: larder::Result<Outcome<u32>>) -> u32 {
    *outcome.unwrap().value.unwrap()
}

/// Lets other tasks run until something has come about.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    let came = tokio::time::timeout(secs(20), wait).await.is_ok();
    assert!(came, "it never came about: {what}");
}

/// An answer that must come although nobody moves the clock.
pub(crate) async fn soon<T>(what: &str, answer: impl Future<Output = T>) -> T {
    let answered = tokio::time::timeout(secs(20), answer).await;
    answered.unwrap_or_else(|_| panic!("it hangs: {what}"))
}

/// Lets other tasks run for a while, where nothing is to come about.
pub(crate) async fn a_while() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Waits until nobody loads, and no lease is left on any cold key.
pub(crate) async fn quiet(stack: &Stack) {
    until(stack.name, || stack.cache.loads_in_progress() == 0).await;
    let namespace = stack.cache.namespace().clone();
    let everything = Pattern::new("*").unwrap();
    let request = ScanRequest::new(namespace, everything).with_placeholders();
    let none_left = async {
        // A store that is broken on purpose can't tell.
        while let Ok(page) = stack
            .cache
            .store()
            .scan(&request, None, &ReadOptions::default())
            .await
            && page
                .entries
                .iter()
                .any(|(_, head)| head.kind() == EntryKind::Placeholder)
        {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(secs(20), none_left).await;
    assert!(ended.is_ok(), "{}: a lease is left", stack.name);
}
