//! Leases: a placeholder under the entry's own key where there is none, a key beside it where there is one.
//! The rules P1–P8 are those of `docs/decisions/0013-leases.md`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder_core::wire::Unreadable;
use larder_core::{
    Change, Entry, EntryId, EntryKind, Error, ErrorKind, FillToken, Key, KeyBuf, Lease, LeaseMode,
    LeaseOptions, Lifetime, Result, Timestamp, Version,
};

use crate::driver::{Fault, Reply, number};
use crate::echoes::IDENTITY;
use crate::finish::{AsyncOrphan, finish};
use crate::held::{Held, Holding, Term};
use crate::keep::Keep;
use crate::limit::Claimed;
use crate::names;
use crate::script::{Call, Script};
use crate::shared::{Primary, Shared};

/// How often a claim is repeated because somebody else was faster in between.
const ROUNDS: usize = 16;

/// A lease that should have ended this long ago never will by itself: somebody has made it persistent (P7).
const OVERDUE: Duration = Duration::from_secs(5);

/// What a token remembers: what was under the key when its lease was granted.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Our placeholder.
    Placeholder(Bytes),
    /// An entry, or bytes that nobody can read; the lease is kept beside it.
    Entry(Bytes),
    /// Not ours: it is not to be replaced.
    Foreign,
}

/// What one question for a lease came to.
enum Asked {
    Answer(Lease),
    /// There is something to be replaced.
    Refresh {
        seen: Bytes,
        entry: Option<Entry>,
        foreign: bool,
    },
    /// A placeholder that stands in nobody's way.
    Takeover(Bytes),
}

/// Gives back leases that were granted to a caller who has gone.
struct GiveBack(Arc<Shared>);

impl AsyncOrphan<Vec<Result<Lease>>> for GiveBack {
    async fn take(self, leases: Vec<Result<Lease>>) {
        let tokens = leases.into_iter().filter_map(|lease| match lease {
            Ok(Lease::Granted { token, .. }) => Some(token),
            _ => None,
        });
        let tokens: Vec<_> = tokens.collect();
        if !tokens.is_empty() {
            // A lease that can't be given back ends by its time.
            let _ = self.0.release(&tokens).await;
        }
    }
}

impl Shared {
    /// Asks for leases.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        keys: &[Key<'_>],
        options: &LeaseOptions,
    ) -> Vec<Result<Lease>> {
        let count = keys.len();
        let keys: Vec<KeyBuf> = keys.iter().map(Key::to_buf).collect();
        let within = self.within(options.deadline);
        let (shared, options) = (Arc::clone(self), options.clone());
        let asking = async move { Ok(shared.ask_leases(&keys, &options).await) };
        match finish(asking, within, GiveBack(Arc::clone(self))).await {
            Ok(leases) => leases,
            Err(error) => all(count, &error),
        }
    }

    async fn ask_leases(&self, keys: &[KeyBuf], options: &LeaseOptions) -> Vec<Result<Lease>> {
        let claims = async {
            let permit = self.permit(self.settings.write_timeout).await?;
            let primary = self.primary()?;
            let mut asked = self.claim(&primary, keys, options).await?;
            for (key, asked) in keys.iter().zip(&mut asked) {
                self.settle(&primary, key, asked, options).await;
            }
            drop(permit);
            Ok::<_, Error>(asked)
        };
        match claims.await {
            Ok(asked) => asked
                .into_iter()
                .zip(keys)
                .map(|(asked, key)| match asked {
                    Ok(Asked::Answer(lease)) => Ok(lease),
                    // Never stored and never there: somebody's empty string.
                    Ok(Asked::Takeover(seen)) if seen.is_empty() => {
                        Ok(granted(key, EntryId::random(), Seen::Foreign, None, None))
                    }
                    Ok(_) => Err(Error::new(
                        ErrorKind::Unavailable,
                        "redis: no lease, because the key changes all the time",
                    )),
                    Err(error) => Err(error),
                })
                .collect(),
            Err(error) => all(keys.len(), &error),
        }
    }

    /// P1: one command each, which grants the lease of a cold key or tells what is there.
    async fn claim(
        &self,
        primary: &Primary,
        keys: &[KeyBuf],
        options: &LeaseOptions,
    ) -> Result<Vec<Result<Asked>>> {
        let mut placeholders = Vec::with_capacity(keys.len());
        for key in keys {
            placeholders.push(self.placeholder(key, options)?);
        }
        let term = Term::new(self.clock.now(), options.until);
        let keep = Keep::Millis(term.millis());
        let claims = keys.iter().zip(&placeholders).map(|(key, (_, bytes))| {
            let name = Bytes::from(key.as_key().stored_name());
            (name, bytes.clone(), keep)
        });
        let claimed = match self.claim_all(primary, claims).await {
            Ok(claimed) => claimed,
            Err(fault) => {
                // H3: granted, perhaps; what memory holds may be old, and nobody knows of the lease.
                for (key, (token, _)) in keys.iter().zip(placeholders) {
                    self.leased(key);
                    self.orphans.add([(key.clone(), token)]);
                }
                return Err(fault.into());
            }
        };
        let asked = keys.iter().zip(placeholders).zip(claimed);
        Ok(asked
            .map(|((key, (token, placeholder)), claimed)| match claimed {
                Ok(Claimed::Stored) => {
                    // P2: a grant is a write of our own, and this is the handler of its reply.
                    self.leased(key);
                    let lease = self.granted_cold(key, token, &placeholder, term);
                    Ok(Asked::Answer(lease))
                }
                Ok(Claimed::Met(stored)) => Ok(self.met(key, stored.as_ref(), options)),
                Err(fault) if fault.is_wrong_type() => {
                    let lease = granted(key, token, Seen::Foreign, None, None);
                    Ok(Asked::Answer(lease))
                }
                Err(fault) => Err(fault.into()),
            })
            .collect())
    }

    /// Judges what a claim met under its key.
    fn met(&self, key: &KeyBuf, stored: Option<&Bytes>, options: &LeaseOptions) -> Asked {
        let Some(stored) = stored else {
            return Asked::Takeover(Bytes::new());
        };
        let now = self.clock.now();
        let entry = match self.read_entry(&key.as_key(), stored) {
            Ok(entry) => entry,
            Err(unreadable) => {
                return Asked::Refresh {
                    seen: identity(stored),
                    entry: None,
                    foreign: !Unreadable::is_replaceable(unreadable),
                };
            }
        };
        let (head, life) = (entry.head(), entry.head().lifetime());
        if head.kind() == EntryKind::Placeholder {
            // From before a clear, or never ending (P7): in nobody's way.
            let overdue = life.expires_at.saturating_add(OVERDUE) <= now;
            return if head.generation() == options.view.generation && !overdue {
                Asked::Answer(Lease::Held {
                    until: life.expires_at,
                })
            } else {
                Asked::Takeover(identity(stored))
            };
        }
        if options.mode == LeaseMode::Load && head.is_current(options.view, now) {
            return Asked::Answer(Lease::Present(entry));
        }
        Asked::Refresh {
            seen: identity(stored),
            entry: Some(entry).filter(|entry| !entry.head().lifetime().is_expired(now)),
            foreign: false,
        }
    }

    /// Goes on until there is an answer, or the key has changed too often.
    async fn settle(
        &self,
        primary: &Primary,
        key: &KeyBuf,
        asked: &mut Result<Asked>,
        options: &LeaseOptions,
    ) {
        for _ in 0..ROUNDS {
            let next = match asked {
                Ok(Asked::Answer(_)) | Err(_) => return,
                Ok(Asked::Refresh {
                    seen,
                    entry,
                    foreign,
                }) => {
                    let (seen, entry, foreign) = (seen.clone(), entry.take(), *foreign);
                    self.refresh(primary, key, seen, entry, foreign, options)
                        .await
                }
                Ok(Asked::Takeover(seen)) => {
                    self.take_over(primary, key, seen.clone(), options).await
                }
            };
            *asked = match next {
                Ok(Some(lease)) => Ok(Asked::Answer(lease)),
                // P3: never on with what is no longer there; back to the claim.
                Ok(None) => match self
                    .claim(primary, std::slice::from_ref(key), options)
                    .await
                {
                    Ok(mut asked) => asked.pop().unwrap_or(Ok(Asked::Takeover(Bytes::new()))),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
        }
    }

    /// P3: the lease beside an entry. `None` if the entry has changed meanwhile.
    async fn refresh(
        &self,
        primary: &Primary,
        key: &KeyBuf,
        seen: Bytes,
        entry: Option<Entry>,
        foreign: bool,
        options: &LeaseOptions,
    ) -> Result<Option<Lease>> {
        let token = EntryId::random();
        let now = self.clock.now();
        let term = Term::new(now, options.until);
        let until = self.offset.shift().to_store_millis(options.until);
        let mut call = beside(Script::Refresh, key);
        call.arguments = vec![
            seen.clone(),
            word(token.as_u64()),
            word(options.view.generation.map_or(0, Version::as_u64)),
            word(until),
            number(term.millis()),
        ];
        let reply = self.run(primary, &call).await;
        if reply.as_ref().is_err_and(Fault::is_uncertain) {
            self.orphans.add([(key.clone(), token)]);
        }
        match reply? {
            Reply::Integer(1) => {
                let seen = if foreign {
                    Seen::Foreign
                } else {
                    Seen::Entry(seen)
                };
                let holding = self.hold(key, token, None, term);
                Ok(Some(granted(key, token, seen, entry, Some(holding))))
            }
            Reply::Integer(_) => Ok(None),
            Reply::Bytes(held) if held.len() >= 24 => {
                let mut until = [0; 8];
                until.copy_from_slice(&held[16..24]);
                let until = local(self, u64::from_be_bytes(until));
                if until.saturating_add(OVERDUE) <= now {
                    // P7, for the lease beside an entry.
                    let mut call = beside(Script::Release, key);
                    call.arguments = vec![held.slice(..8)];
                    self.run(primary, &call).await?;
                    return Ok(None);
                }
                Ok(Some(Lease::Held { until }))
            }
            other => Err(Error::from(other.out_of_place())),
        }
    }

    /// Takes the place of a placeholder that stands in nobody's way. `None` if it has gone meanwhile.
    async fn take_over(
        &self,
        primary: &Primary,
        key: &KeyBuf,
        seen: Bytes,
        options: &LeaseOptions,
    ) -> Result<Option<Lease>> {
        if seen.is_empty() {
            return Ok(None);
        }
        let (token, placeholder) = self.placeholder(key, options)?;
        let term = Term::new(self.clock.now(), options.until);
        let millis = number(term.millis());
        let call = Call {
            script: Script::Fill,
            keys: vec![key.as_key().stored_name().into()],
            arguments: vec![seen, placeholder.clone(), millis, Bytes::new()],
        };
        let reply = self.run(primary, &call).await;
        if reply.as_ref().is_err_and(Fault::is_uncertain) {
            self.orphans.add([(key.clone(), token)]);
        }
        self.leased(key);
        Ok(
            (reply? == Reply::Integer(1))
                .then(|| self.granted_cold(key, token, &placeholder, term)),
        )
    }

    /// Keeps a lease that was granted.
    fn hold(
        &self,
        key: &KeyBuf,
        token: EntryId,
        placeholder: Option<Bytes>,
        term: Term,
    ) -> Holding {
        let held = Held {
            key: key.clone(),
            placeholder,
            term,
        };
        self.held.hold(token, held)
    }

    /// A lease whose placeholder stands under its key.
    fn granted_cold(&self, key: &KeyBuf, token: EntryId, placeholder: &Bytes, term: Term) -> Lease {
        let identity = identity(placeholder);
        let holding = self.hold(key, token, Some(identity.clone()), term);
        granted(key, token, Seen::Placeholder(identity), None, Some(holding))
    }

    /// P5: a new token for each claim.
    fn placeholder(&self, key: &KeyBuf, options: &LeaseOptions) -> Result<(EntryId, Bytes)> {
        let token = EntryId::random();
        let life = lasting(self.clock.now(), options.until);
        let placeholder = Entry::placeholder(token, life).with_generation(options.view.generation);
        Ok((token, self.encode(&key.as_key(), &placeholder)?))
    }

    /// Whoever keeps something of the key must forget it; the load goes on.
    fn leased(&self, key: &KeyBuf) {
        self.changes.publish(&Change::Leased(key.as_key()));
    }
}

/// What a token remembers of the moment when its lease was granted.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(crate) seen: Seen,
    /// Generation and schema of the entry that was there.
    pub(crate) entry: Option<(Option<Version>, u32)>,
    /// `None` if there is nothing to keep.
    #[expect(dead_code, reason = "it is dropped with the token")]
    holding: Option<Holding>,
}

fn granted(
    key: &KeyBuf,
    token: EntryId,
    seen: Seen,
    entry: Option<Entry>,
    holding: Option<Holding>,
) -> Lease {
    let remembered = Remembered {
        seen,
        entry: entry
            .as_ref()
            .map(|entry| (entry.head().generation(), entry.head().schema())),
        holding,
    };
    Lease::Granted {
        token: FillToken::granted(&key.as_key(), token).with_extension(Arc::new(remembered)),
        seen: entry,
    }
}

/// The same error for all.
fn all(count: usize, error: &Error) -> Vec<Result<Lease>> {
    std::iter::repeat_with(|| Err(error.clone()))
        .take(count)
        .collect()
}

/// A script that looks at an entry and at the lease beside it.
pub(crate) fn beside(script: Script, key: &KeyBuf) -> Call {
    let stored = key.as_key().stored_name();
    let lease = names::lease(&key.as_key(), &stored);
    Call {
        script,
        keys: vec![stored.into(), lease],
        arguments: Vec::new(),
    }
}

/// What tells a stored entry from every other: its beginning, up to and with its times.
fn identity(stored: &Bytes) -> Bytes {
    Bytes::copy_from_slice(&stored[..IDENTITY.min(stored.len())])
}

pub(crate) fn word(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

fn lasting(now: Timestamp, until: Timestamp) -> Lifetime {
    Lifetime {
        created: now,
        fresh_until: until,
        expires_at: until,
    }
}

/// Our point at a millisecond of the server's clock.
fn local(shared: &Shared, millis: u64) -> Timestamp {
    let nanos = i128::from(millis) * 1_000_000 - i128::from(shared.offset.shift().as_nanos());
    let nanos = nanos.clamp(0, i128::from(u64::MAX) - 1);
    Timestamp::from_nanos(u64::try_from(nanos).unwrap_or_default())
}
