//! A layer that makes trouble on request.

mod backend;
mod gate;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use larder_core::{Backend, Clock, ErrorKind, Layer, Operation, Store, SystemClock};

use self::backend::ChaosBackend;
use self::gate::Barrier;
pub use self::gate::Gate;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails and is not done.
    Fail(ErrorKind),
    /// It is done, but its reply is lost: the caller is told of this failure.
    Lose(ErrorKind),
    /// It is done after so long.
    Delay(Duration),
}

/// A call, as a rule of a [`ChaosLayer`] sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The operation; that of a batch is [`Operation::Batch`].
    pub operation: Operation,
    /// The texts of its keys, the names of its markers, or the pattern of its scan.
    pub keys: &'a [String],
}

type Rule = dyn Fn(&Call<'_>) -> Option<Fault> + Send + Sync;

/// Fails, delays or holds operations of the store below it, as the test that keeps a clone of it says.
/// Does nothing by itself.
///
/// `put_now`, `forget_now` and `reserve` are [`Operation::Set`], [`Operation::Invalidate`] and
/// [`Operation::Reserve`]; they can fail but can't be delayed or held, because nothing can wait in them.
/// `peek` has no way to fail: build the layer [without](ChaosLayer::without_peek) it where a hit in
/// memory would go around the trouble.
///
/// ```
/// use larder_core::{Backend, ErrorKind, Key, Namespace, Operation, Store};
/// use larder_testkit::{ChaosLayer, ManualClock, ReferenceBackend};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let chaos = ChaosLayer::new();
/// let store = Store::new(ReferenceBackend::new(ManualClock::new().shared())).layer(&chaos)?;
/// let namespace = Namespace::new("shop")?;
/// let key = Key::new(&namespace, "airport", "LHR")?;
///
/// chaos.fail_next(Operation::Get, ErrorKind::Timeout);
/// let error = store.get(&key, &Default::default()).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Timeout);
/// assert!(store.get(&key, &Default::default()).await?.is_none());
/// # Ok::<_, larder_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ChaosLayer {
    chaos: Arc<Chaos>,
    hides_peek: bool,
}

struct Chaos {
    clock: Arc<dyn Clock>,
    script: Mutex<Script>,
}

#[derive(Default)]
struct Script {
    next: Vec<(Operation, Fault)>,
    rule: Option<Arc<Rule>>,
    gates: Vec<(Operation, Moment, Arc<Barrier>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

/// What was decided about a call when it came in.
#[derive(Default)]
struct Plan {
    before: Option<Arc<Barrier>>,
    fault: Option<Fault>,
    after: Option<Arc<Barrier>>,
}

impl ChaosLayer {
    /// A layer that makes no trouble yet; its delays are in real time.
    pub fn new() -> Self {
        Self::on(SystemClock::shared(|duration| {
            Box::pin(tokio::time::sleep(duration))
        }))
    }

    /// A layer that makes no trouble yet; its delays are on this clock.
    pub fn on(clock: Arc<dyn Clock>) -> Self {
        let chaos = Chaos {
            clock,
            script: Mutex::default(),
        };
        Self {
            chaos: Arc::new(chaos),
            hides_peek: false,
        }
    }

    /// Answers every `peek` with [`Peek::Pending`](larder_core::Peek::Pending), so that each read comes
    /// by `get`, where faults strike. The store then isn't [`immediate`](larder_core::Capability::immediate).
    pub fn without_peek(self) -> Self {
        Self {
            hides_peek: true,
            ..self
        }
    }

    /// The next call of this operation fails and is not done. Asked again, the one after it does too.
    pub fn fail_next(&self, operation: Operation, kind: ErrorKind) {
        self.next(operation, Fault::Fail(kind));
    }

    /// This happens to the next call of this operation that nothing was said of yet.
    pub fn next(&self, operation: Operation, fault: Fault) {
        self.script().next.push((operation, fault));
    }

    /// From now on this happens to every call for which `rule` says so and for which nothing else was
    /// said. Replaces the rule before it.
    pub fn rule(&self, rule: impl Fn(&Call<'_>) -> Option<Fault> + Send + Sync + 'static) {
        self.script().rule = Some(Arc::new(rule));
    }

    /// From now on every call of every operation fails so, as if the store below had gone.
    pub fn break_down(&self, kind: ErrorKind) {
        self.rule(move |_| Some(Fault::Fail(kind)));
    }

    /// No more trouble: forgets the rule and what was said of the next calls. Gates stay.
    pub fn heal(&self) {
        let mut script = self.script();
        script.rule = None;
        script.next.clear();
    }

    /// Holds the next call of this operation before it is forwarded.
    ///
    /// ```
    /// # use larder_core::{Backend, Key, Namespace, Operation, Store};
    /// # use larder_testkit::{ChaosLayer, ManualClock, ReferenceBackend};
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let chaos = ChaosLayer::new();
    /// # let store = Store::new(ReferenceBackend::new(ManualClock::new().shared())).layer(&chaos)?;
    /// # let namespace = Namespace::new("shop")?;
    /// let gate = chaos.block_before(Operation::Delete);
    /// let deleting = tokio::spawn({
    ///     let (store, key) = (store.clone(), Key::new(&namespace, "airport", "LHR")?.to_buf());
    ///     async move { store.delete(&key.as_key(), &Default::default()).await }
    /// });
    /// gate.reached().await;
    /// // The delete was asked for and is not done: whatever races with it can happen here.
    /// gate.open();
    /// deleting.await.unwrap()?;
    /// # Ok::<_, larder_core::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn block_before(&self, operation: Operation) -> Gate {
        self.block(operation, Moment::Before)
    }

    /// Holds the next call of this operation after it is done and before its reply returns.
    pub fn block_after(&self, operation: Operation) -> Gate {
        self.block(operation, Moment::After)
    }

    fn block(&self, operation: Operation, moment: Moment) -> Gate {
        let gate = Gate::closed();
        self.script()
            .gates
            .push((operation, moment, Arc::clone(&gate.0)));
        gate
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.chaos.script()
    }
}

impl Chaos {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, call: &Call<'_>) -> Plan {
        let mut script = self.script();
        let fault = script.take_next(call.operation);
        let before = script.take_gate(call.operation, Moment::Before);
        let after = script.take_gate(call.operation, Moment::After);
        let rule = script.rule.clone();
        // Not under the lock: a rule may say something about the next call.
        drop(script);
        let fault = fault.or_else(|| rule.and_then(|rule| rule(call)));
        Plan {
            before,
            fault,
            after,
        }
    }

    /// What a call that can't wait is told.
    fn fault_now(&self, call: &Call<'_>) -> Option<Fault> {
        let next = self.script().take_next(call.operation);
        let rule = self.script().rule.clone();
        next.or_else(|| rule.and_then(|rule| rule(call)))
    }
}

impl Script {
    fn take_next(&mut self, operation: Operation) -> Option<Fault> {
        let at = self.next.iter().position(|(next, _)| *next == operation)?;
        Some(self.next.remove(at).1)
    }

    fn take_gate(&mut self, operation: Operation, moment: Moment) -> Option<Arc<Barrier>> {
        self.gates.retain(|(_, _, gate)| !gate.is_open());
        let at = self
            .gates
            .iter()
            .position(|(at, when, _)| (*at, *when) == (operation, moment))?;
        Some(self.gates.remove(at).2)
    }
}

impl Default for ChaosLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for ChaosLayer {
    fn apply(&self, inner: Store) -> Arc<dyn Backend> {
        Arc::new(ChaosBackend::new(
            inner,
            Arc::clone(&self.chaos),
            self.hides_peek,
        ))
    }
}

impl fmt::Debug for ChaosLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chaos.fmt(f)
    }
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = self.script();
        f.debug_struct("ChaosLayer")
            .field("next", &script.next)
            .field("rule", &script.rule.is_some())
            .field("gates", &script.gates.len())
            .finish_non_exhaustive()
    }
}
