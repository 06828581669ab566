//! The self-test: what everything else relies on is tried before a connection is trusted
//! (`docs/decisions/0015-self-test.md`).
//!
//! Whether a server *answers* `OK` to `CLIENT TRACKING` says nothing about whether its pushes arrive. So somebody
//! else writes, over a second connection, and the link must be told.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use larder_core::{EntryId, Error, ErrorKind, Result};

use crate::driver::{Command, Connection, Fault, Push, Pushes, fixed, number};
use crate::facts::{Facts, Policy};
use crate::names;
use crate::script::{Call, Script};
use crate::shared::{Primary, Shared};

/// How long the server keeps the key that is written for the test, if it can't be removed at once.
const KEPT: Duration = Duration::from_secs(5);

/// Codes of a server that takes no writes just now: nobody's changes can be tried then.
const TAKES_NO_WRITES: [&str; 3] = ["OOM", "MISCONF", "NOREPLICAS"];

/// Which run of which server has passed the test last. Another is tested anew: it may lie behind something else.
#[derive(Debug, Default)]
pub(crate) struct Passed(Mutex<Option<String>>);

impl Passed {
    /// Whether it was this one.
    pub(crate) fn is(&self, run: &str) -> bool {
        self.with(|passed| passed.as_deref() == Some(run))
    }

    fn any(&self) -> bool {
        self.with(|passed| passed.is_some())
    }

    fn by(&self, run: &str) {
        self.with(|passed| *passed = Some(run.to_owned()));
    }

    fn with<T>(&self, look: impl FnOnce(&mut Option<String>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What came of the test where nothing is wrong.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Everything works.
    Sound,
    /// The server takes no writes now, so that nobody can tell.
    Untried(Fault),
}

/// Judges how the server makes room: refuses what can't be lived with before any server was accepted. Later there is
/// a service that runs, which a warning serves better than an error to every operation.
pub(crate) fn judge_policy(shared: &Shared, facts: &Facts) -> Result<()> {
    let policy = facts.policy();
    let Some(objection) = policy.objection() else {
        return Ok(());
    };
    if policy == Policy::Random && !shared.passed.any() {
        return Err(Error::new(ErrorKind::ConfigInvalid, objection));
    }
    tracing::warn!(
        cache = shared.namespace.as_str(),
        address = %shared.settings.address,
        "redis: {objection}"
    );
    Ok(())
}

/// Tests a link that is about to be used, and remembers that it passed.
pub(crate) async fn pass(shared: &Shared, primary: &Primary, other: &Connection) -> Result<()> {
    match examine(shared, primary, other, shared.settings.dial_timeout).await? {
        Verdict::Sound => shared.passed.by(&primary.run),
        Verdict::Untried(why) => tracing::warn!(
            cache = shared.namespace.as_str(),
            address = %shared.settings.address,
            why = %Error::from(why).message(),
            "redis: whether changes are told can't be tried; the next connection tries again"
        ),
    }
    Ok(())
}

/// Tries scripts and the stream of changes, each within this time. Costs two commands on each of both connections.
pub(crate) async fn examine(
    shared: &Shared,
    primary: &Primary,
    other: &Connection,
    within: Duration,
) -> Result<Verdict> {
    let probe = names::probe(&shared.namespace, EntryId::random());
    // A release of what nobody holds, by name and by text: both ways are needed.
    let call = Call {
        script: Script::Release,
        keys: vec![probe.clone(), probe.clone()],
        arguments: vec![fixed("no token")],
    };
    let calls = [false, true].map(|by_text| primary.scripts.call(&call, by_text));
    for reply in primary.connection.pipeline(calls.into(), within).await? {
        match reply {
            // Somebody emptied the server's cache of scripts meanwhile, which every call can live with.
            Err(fault) if fault.is("NOSCRIPT") => {}
            reply => drop(reply?),
        }
    }
    listen(&primary.connection, other, probe, within).await
}

/// Writes over the one connection and waits until the other is told.
async fn listen(
    link: &Connection,
    other: &Connection,
    probe: Bytes,
    within: Duration,
) -> Result<Verdict> {
    let mut pushes = link.pushes();
    let kept = number(KEPT.as_millis());
    let write = vec![
        Command::new("SET", [probe.clone(), fixed(""), fixed("PX"), kept]),
        Command::new("UNLINK", [probe.clone()]),
    ];
    for reply in other.pipeline(write, within).await? {
        match reply {
            Err(fault) if TAKES_NO_WRITES.iter().any(|code| fault.is(code)) => {
                return Ok(Verdict::Untried(fault));
            }
            reply => drop(reply?),
        }
    }
    match tokio::time::timeout(within, told(&mut pushes, &probe)).await {
        Ok(true) => Ok(Verdict::Sound),
        Ok(false) => Err(Fault::Lost("the connection ended".into()).into()),
        Err(_) => {
            // A link that answers nothing at all has another trouble, which may pass.
            link.call(Command::fixed("PING", &[]), within).await?;
            // The server tells before it answers that, so what was merely slow has come by now.
            if let Ok(true) = tokio::time::timeout(Duration::ZERO, told(&mut pushes, &probe)).await
            {
                return Ok(Verdict::Sound);
            }
            Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "what another connection wrote was not told within {within:?} (CLIENT TRACKING), so memory \
                     would serve old values: connect to the server itself, without a proxy that shares \
                     connections or keeps back pushes"
                ),
            ))
        }
    }
}

/// Whether the link was told before it ended.
async fn told(pushes: &mut Pushes, probe: &[u8]) -> bool {
    loop {
        match pushes.next().await {
            Push::Names(names) if names.iter().all(|name| name.as_bytes() != probe) => {}
            // So many that some were shed: they do arrive.
            Push::Names(_) | Push::Missed => return true,
            Push::Ended => return false,
        }
    }
}
