//! The proxy's state between its thread and the test's.

use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::state::{Ending, Listener, State};

/// After so long what is waited for isn't going to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// The state with who waits for it to change: tasks of the proxy, tasks and threads of the test.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<()>,
    changed: Condvar,
    /// The proxy's own, for deadlines.
    runtime: Handle,
}

impl Shared {
    pub(super) fn new(target: SocketAddr, runtime: Handle) -> Self {
        Self {
            state: Mutex::new(State::new(target)),
            changes: watch::Sender::new(()),
            changed: Condvar::new(),
            runtime,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells everybody.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changes.send_replace(());
        self.changed.notify_all();
        result
    }

    /// Who has this is told of every change.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Waits until `ask` has an answer. Cancelling it has no effect.
    pub(super) async fn until<T>(&self, mut ask: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        loop {
            if let Some(answer) = ask(&mut self.lock()) {
                return answer;
            }
            // The sender is at hand, so the channel can't close.
            let _ = changes.changed().await;
        }
    }

    /// As `until`, for a test: panics when patience runs out.
    pub(super) async fn wait<T>(&self, what: &str, ask: impl FnMut(&mut State) -> Option<T>) -> T {
        // The timer is made in the task: the waiting test's runtime may have none, or one that is stopped.
        let patience = async { tokio::time::sleep(PATIENCE).await };
        let patience = self.runtime.spawn(patience);
        let _stop = AbortOnDrop(patience.abort_handle());
        tokio::select! {
            answer = self.until(ask) => answer,
            _ = patience => panic!("waited {PATIENCE:?} for {what}; {:?}", self.lock()),
        }
    }

    /// Ends the connections that are open now, and blocks until they are.
    pub(super) fn end_all(&self, ending: Ending) {
        let ended = self.change(|state| {
            for connection in state.connections.values_mut() {
                connection.ending = Some(ending);
            }
            state.accepted
        });
        self.block(|state| state.connections.keys().all(|index| *index >= ended));
    }

    /// Closes the listener, and blocks until it is closed.
    pub(super) fn refuse(&self) {
        self.change(|state| {
            if state.listener != Listener::Closed {
                state.listener = Listener::ToClose;
            }
        });
        self.block(|state| state.listener == Listener::Closed);
    }

    /// Opens the listener, and blocks until it is open.
    pub(super) fn accept(&self) {
        self.change(|state| {
            if state.listener != Listener::Open {
                state.listener = Listener::ToOpen;
            }
        });
        self.block(|state| state.listener == Listener::Open);
    }

    fn block(&self, is_so: impl Fn(&State) -> bool) {
        let state = self.lock();
        let waited = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !state.is_over && !is_so(state));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!state.is_over, "the proxy's thread has ended");
        assert!(
            !timeout.timed_out(),
            "the proxy doesn't do as it is told; {state:?}"
        );
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
