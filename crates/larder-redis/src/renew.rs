//! Renewal (P6): the server is told again and again which leases this process still holds.

use std::sync::Arc;
use std::time::Duration;

use larder_core::{EntryId, Error};
use tokio::time::MissedTickBehavior;

use crate::driver::{Reply, number};
use crate::held::Held;
use crate::lease::{beside, word};
use crate::script::{Call, Script};
use crate::shared::{Primary, Shared};

/// How often. Several times in the time for which the server keeps a lease, so that one that fails does no harm.
const EVERY: Duration = Duration::from_millis(500);

/// So many are renewed in one round trip; what others have to send goes in between.
const AT_ONCE: usize = 1_000;

/// Keeps what is held, for as long as it is polled.
pub(crate) async fn keep_held(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shared.held.link() => {}
        }
        shared.renew_held().await;
    }
}

impl Shared {
    /// Renews what is due. What fails is due the next time.
    async fn renew_held(&self) {
        let due = self.held.due(self.clock.now());
        for some in due.chunks(AT_ONCE) {
            // Not those that were filled while others had their turn.
            let some = self.held.still(some);
            let Ok(primary) = self.primary() else { return };
            self.renew(&primary, some).await;
        }
    }

    async fn renew(&self, primary: &Primary, mut due: Vec<(EntryId, Held)>) {
        let now = self.clock.now();
        let mut calls: Vec<Call> = Vec::with_capacity(due.len());
        for (token, held) in &mut due {
            held.term = held.term.again(now);
            let mut call = beside(Script::Renew, &held.key);
            call.arguments = vec![word(token.as_u64()), number(held.term.millis())];
            calls.push(call);
            // A placeholder is the same afterwards, so the echo of its renewal is no news.
            if let Some(placeholder) = &held.placeholder {
                let stored = held.key.as_key().stored_name();
                self.echoes.expect(&stored, placeholder);
            }
        }
        let Ok(replies) = self.run_all(primary, &calls).await else {
            // The connection is at its end, and the next expects no echoes.
            return;
        };
        for ((token, held), reply) in due.into_iter().zip(replies) {
            if reply == Ok(Reply::Integer(1)) {
                self.held.renewed(token, held.term);
                continue;
            }
            if let Some(placeholder) = &held.placeholder {
                let stored = held.key.as_key().stored_name();
                self.echoes.give_up(&stored, placeholder);
            }
            match reply {
                Ok(_) => self.held.ended(token),
                Err(fault) => {
                    let error = Error::from(fault);
                    tracing::debug!(cache = self.namespace.as_str(), %error, "redis: a lease isn't renewed");
                }
            }
        }
    }
}
