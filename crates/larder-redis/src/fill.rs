//! Fills and releases: how a lease ends that was asked for (P4, P6).

use std::sync::Arc;

use bytes::Bytes;
use larder_core::{Entry, Error, Fill, FillToken, Filled, Result, WriteOptions};

use crate::driver::{Fault, Reply};
use crate::finish::{Forget, finish};
use crate::lease::{Remembered, Seen, beside, word};
use crate::names;
use crate::orphans::Held;
use crate::script::{Call, Script};
use crate::shared::{Primary, Shared};

impl Shared {
    /// Stores what was loaded (P4).
    pub(crate) async fn fill(
        self: &Arc<Self>,
        fills: Vec<Fill>,
        options: &WriteOptions,
    ) -> Vec<Result<Filled>> {
        let count = fills.len();
        let within = self.within(options.deadline);
        let shared = Arc::clone(self);
        let filling = async move { shared.fill_all(fills).await };
        match finish(filling, within, Forget).await {
            Ok(filled) => filled,
            Err(error) => vec![Err(error); count],
        }
    }

    async fn fill_all(&self, fills: Vec<Fill>) -> Result<Vec<Result<Filled>>> {
        let _permit = self.permit(self.settings.write_timeout).await?;
        let primary = self.primary()?;
        let mut filled: Vec<Result<Filled>> = Vec::with_capacity(fills.len());
        let mut sent = Vec::new();
        let mut calls = Vec::new();
        for (at, Fill { token, entry }) in fills.into_iter().enumerate() {
            match self.fill_call(&token, &entry) {
                Ok(Some((call, bytes))) => {
                    let key = token.key().to_buf();
                    let stored = key.as_key().stored_name();
                    let seen = token.seen();
                    // Renewed no more, so that no renewal's echo is expected in place of this one.
                    drop(token);
                    self.echoes.expect(&stored, &bytes);
                    sent.push((at, key, stored, bytes, entry.id(), seen));
                    calls.push(call);
                    // Until the reply says otherwise.
                    filled.push(Ok(Filled::Refused));
                }
                Ok(None) => {
                    filled.push(Ok(Filled::Refused));
                    let _ = self.release_with(&primary, &[held(&token)]).await;
                }
                Err(error) => {
                    filled.push(Err(error));
                    let _ = self.release_with(&primary, &[held(&token)]).await;
                }
            }
        }
        let replies = match self.run_all(&primary, &calls).await {
            Ok(replies) => replies,
            Err(fault) => {
                for (_, key, _, _, _, token) in sent {
                    self.tell(&key, None);
                    // Unless it was filled: then the token is no longer there.
                    self.orphans.add([(key, token)]);
                }
                return Err(fault.into());
            }
        };
        for ((at, key, stored, bytes, id, _), reply) in sent.into_iter().zip(replies) {
            filled[at] = match reply {
                Ok(Reply::Integer(1)) => {
                    self.tell(&key, Some(id));
                    Ok(Filled::Stored)
                }
                Ok(_) => {
                    self.echoes.give_up(&stored, &bytes);
                    Ok(Filled::Refused)
                }
                Err(fault) => {
                    self.echoes.give_up(&stored, &bytes);
                    self.tell(&key, None);
                    Err(fault.into())
                }
            };
        }
        Ok(filled)
    }

    /// The script of a fill with the entry's bytes; `None` if it must not be tried.
    fn fill_call(&self, token: &FillToken, entry: &Entry) -> Result<Option<(Call, Bytes)>> {
        let key = token.key();
        let Some(seen) = token
            .extension()
            .and_then(|it| it.downcast_ref::<Remembered>())
        else {
            return Ok(None);
        };
        let newer = seen.entry.as_ref().is_some_and(|(generation, schema)| {
            *generation == entry.head().generation() && *schema > entry.head().schema()
        });
        let (identity, lease) = match &seen.seen {
            Seen::Foreign => return Ok(None),
            _ if newer => return Ok(None),
            Seen::Placeholder(identity) => (identity, None),
            Seen::Entry(identity) => (identity, Some(names::lease(&key, &key.stored_name()))),
        };
        let bytes = self.encode(&key, entry)?;
        let keep = self.keep(entry.head().lifetime());
        let call = Call {
            script: Script::Fill,
            keys: std::iter::once(Bytes::from(key.stored_name()))
                .chain(lease)
                .collect(),
            arguments: vec![
                identity.clone(),
                bytes.clone(),
                keep.argument(),
                word(token.seen().as_u64()),
            ],
        };
        Ok(Some((call, bytes)))
    }

    /// Gives leases back (P6).
    pub(crate) async fn release(&self, tokens: &[FillToken]) -> Result<()> {
        self.release_all(tokens.iter().map(held).collect()).await
    }

    /// Gives leases back; those for which that can't be done now, once the server can be reached again.
    pub(crate) async fn release_all(&self, leases: Vec<Held>) -> Result<()> {
        let released = async {
            let _permit = self.permit(self.settings.write_timeout).await?;
            let primary = self.primary()?;
            self.release_with(&primary, &leases).await
        };
        let released = released.await;
        if released.as_ref().is_err_and(Error::is_temporary) && !self.is_closed() {
            self.orphans.add(leases);
        }
        released
    }

    async fn release_with(&self, primary: &Primary, leases: &[Held]) -> Result<()> {
        let calls: Vec<Call> = leases
            .iter()
            .map(|(key, token)| {
                let mut call = beside(Script::Release, key);
                call.arguments = vec![word(token.as_u64())];
                call
            })
            .collect();
        let replies: std::result::Result<Vec<_>, Fault> =
            self.run_all(primary, &calls).await?.into_iter().collect();
        replies.map(drop).map_err(Error::from)
    }
}

fn held(token: &FillToken) -> Held {
    (token.key().to_buf(), token.seen())
}
