//! The tasks that a cache has started. They end with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use larder_core::{Clock, Error, ErrorKind, Result, Timestamp};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::race::race;

/// Owns the running loads; dropped, it stops them.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    /// Starts a task on the caller's runtime.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let handle = Handle::try_current().map_err(|error| {
            Error::new(
                ErrorKind::RuntimeGone,
                "a load needs a running tokio runtime",
            )
            .with_source(error)
        })?;
        let mut tasks = self.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, &handle);
        Ok(())
    }

    /// Waits for the running tasks up to `deadline`, then stops the rest; answers how many.
    pub(crate) async fn drain(&self, deadline: Timestamp, clock: &dyn Clock) -> u64 {
        let mut tasks = std::mem::take(&mut *self.lock());
        let ended = async { while tasks.join_next().await.is_some() {} };
        if race(ended, clock.sleep_until(deadline)).await.is_some() {
            return 0;
        }
        let left = tasks.len() as u64;
        tasks.shutdown().await;
        left
    }

    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
