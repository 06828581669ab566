//! Loaders that try again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Tries a loader again when it fails, with pauses that double, within a budget that all loaders share which go by
/// the same `Retry`: where most calls fail, trying again only adds to the trouble. The
/// [timeout](crate::LoadPolicy::timeout) of the load counts for all tries together. Cheap to clone; clones share the
/// budget.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use larder::{Cache, Retry};
///
/// let cache = Cache::builder("shop").build().await?;
/// let names = cache.space::<String>("name");
/// let retry = Retry::new(3);
///
/// static CALLS: AtomicU32 = AtomicU32::new(0);
/// let load = || async {
///     match CALLS.fetch_add(1, Ordering::Relaxed) {
///         0 => Err(std::io::Error::other("no route to the database")),
///         _ => Ok("Heathrow".to_owned()),
///     }
/// };
/// let name = names.get_or_load("LHR", retry.around(load)).await?;
/// assert_eq!(name.as_str(), "Heathrow");
/// # Ok::<_, larder::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Retry {
    tries: u32,
    pause: (Duration, Duration),
    budget: Arc<Tokens>,
}

/// What may still be tried again: each call adds a part of a token, each further try takes a whole one.
#[derive(Debug)]
struct Tokens {
    part: f64,
    left: Mutex<f64>,
}

/// The most that is saved up.
const MOST: f64 = 10.0;

impl Retry {
    /// At most this many tries, the first included. Pauses: 50 ms, doubled up to 1 second, each shortened at random by
    /// up to a half. Budget: a tenth of the calls may be tried again, and ten beyond that.
    pub fn new(tries: u32) -> Self {
        Self {
            tries: tries.max(1),
            pause: (Duration::from_millis(50), Duration::from_secs(1)),
            budget: Arc::new(Tokens::new(0.1)),
        }
    }

    /// The first pause, and the longest.
    pub fn pause(self, first: Duration, longest: Duration) -> Self {
        Self {
            pause: (first, longest.max(first)),
            ..self
        }
    }

    /// How many of the calls may be tried again, as a fraction: 1 is as many as there are calls.
    pub fn budget(self, fraction: f64) -> Self {
        Self {
            budget: Arc::new(Tokens::new(fraction.max(0.0))),
            ..self
        }
    }

    /// A loader that calls this one again when it fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped, no further try is made.
    pub fn around<F, Fut, V, E>(
        &self,
        mut loader: F,
    ) -> impl FnOnce() -> std::pin::Pin<Box<dyn Future<Output = Result<V, E>> + Send>> + Send + 'static
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
        V: Send + 'static,
        E: Send + 'static,
    {
        let retry = self.clone();
        move || {
            Box::pin(async move {
                retry.budget.earn();
                let (mut pause, mut left) = (retry.pause.0, retry.tries - 1);
                loop {
                    let tried = loader().await;
                    if tried.is_ok() || left == 0 || !retry.budget.spend() {
                        return tried;
                    }
                    left -= 1;
                    drop(tried);
                    tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                    pause = (pause * 2).min(retry.pause.1);
                }
            })
        }
    }
}

impl Tokens {
    fn new(part: f64) -> Self {
        Self {
            part,
            left: Mutex::new(MOST),
        }
    }

    fn earn(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = (*left + self.part).min(MOST);
    }

    fn spend(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let has = *left >= 1.0;
        if has {
            *left -= 1.0;
        }
        has
    }
}
