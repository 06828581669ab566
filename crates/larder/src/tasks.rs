//! The tasks that a cache has started. They end with it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use larder_core::{Clock, Error, ErrorKind, Result, Timestamp};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, yield_now};

use crate::race::race;

/// Owns the running loads; dropped, it stops them.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<Running>);

#[derive(Default)]
struct Running {
    tasks: JoinSet<()>,
    /// How many are on their first steps in their callers' tasks.
    starting: u64,
    /// Who waits for all of them to end.
    drainer: Option<Waker>,
    closed: bool,
}

impl Running {
    /// Starts a task, and lets go of those that have ended: a set keeps them until it is asked.
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static, on: &Handle) {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn_on(task, on);
    }
}

/// A task on its first steps.
struct Starting<'a>(&'a Tasks);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        let mut running = self.0.lock();
        running.starting -= 1;
        if let Some(drainer) = running.drainer.take() {
            drainer.wake();
        }
    }
}

/// How long tasks that are stopped have to end: in real time, because it is the runtime that is waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl Tasks {
    /// Begins a task: at once, in the caller's, if that is asked for, and only what has not ended then becomes a task of
    /// its own. What waits for nothing is not worth one.
    pub(crate) fn begin(
        &self,
        mut task: Pin<Box<dyn Future<Output = ()> + Send>>,
        at_once: bool,
    ) -> Result<()> {
        let handle = current()?;
        let starting = if at_once { self.starting() } else { None };
        let Some(starting) = starting else {
            return self.spawn(task);
        };
        // The task's own waker replaces this one as soon as it is polled again.
        let mut context = Context::from_waker(Waker::noop());
        if task.as_mut().poll(&mut context).is_pending() {
            // It began before a closing that may have come meanwhile, which waits for it.
            self.lock().spawn(task, &handle);
        }
        drop(starting);
        Ok(())
    }

    fn starting(&self) -> Option<Starting<'_>> {
        let mut running = self.lock();
        if running.closed {
            return None;
        }
        running.starting += 1;
        Some(Starting(self))
    }

    /// Starts a task on the caller's runtime.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let handle = current()?;
        let mut running = self.lock();
        if running.closed {
            return Err(Error::new(ErrorKind::Closed, "the cache was closed"));
        }
        running.spawn(task, &handle);
        Ok(())
    }

    /// Starts no more tasks, waits for the running ones up to `deadline`, then stops the rest; answers
    /// how many. Cancelled, it can be called again.
    pub(crate) async fn drain(&self, deadline: Timestamp, clock: &dyn Clock) -> u64 {
        self.lock().closed = true;
        let ended = poll_fn(|context| {
            let mut running = self.lock();
            loop {
                match running.tasks.poll_join_next(context) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) if running.starting == 0 => return Poll::Ready(()),
                    Poll::Ready(None) => {
                        running.drainer = Some(context.waker().clone());
                        return Poll::Pending;
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        if race(ended, || clock.sleep_until(deadline)).await.is_some() {
            return 0;
        }
        let left = {
            let mut running = self.lock();
            running.tasks.abort_all();
            running.tasks.len() as u64 + running.starting
        };
        // A task that is stopped gives its lease back as it goes, which the store must still be there for. Not
        // awaited: a task on a runtime that nobody drives would never end.
        let stopped = Instant::now();
        while stopped.elapsed() < LAST_WORDS {
            yield_now().await;
            let mut running = self.lock();
            while running.tasks.try_join_next().is_some() {}
            if running.tasks.is_empty() {
                break;
            }
        }
        self.lock().tasks.detach_all();
        left
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn current() -> Result<Handle> {
    Handle::try_current().map_err(|error| {
        Error::new(
            ErrorKind::RuntimeGone,
            "a load needs a running tokio runtime",
        )
        .with_source(error)
    })
}
