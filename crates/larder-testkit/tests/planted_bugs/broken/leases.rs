//! What its bugs do to leases and fills.

use super::{Broken, Bug, a_while};
use larder_core::{
    Backend, Clock, EntryId, EntryKind, Error, ErrorKind, Fill, FillToken, Filled, Key, Lease,
    LeaseMode, LeaseOptions, Lifetime, ReadOptions, Result, Timestamp, View, WriteOptions,
};

impl Broken {
    pub(super) fn forever(&self) -> Lifetime {
        Lifetime::forever(self.clock.now())
    }

    pub(super) fn is_leased(&self, key: &Key<'_>) -> bool {
        self.leased
            .lock()
            .unwrap()
            .iter()
            .any(|leased| leased.is(key))
    }

    /// A write ends the lease, or with this bug it doesn't.
    pub(super) fn end_lease(&self, key: &Key<'_>, kept_with: Bug) {
        if self.has(kept_with) && self.is_leased(key) {
            self.outlived.lock().unwrap().push(key.to_buf());
        } else {
            self.forget_lease(key);
        }
    }

    pub(super) fn forget_lease(&self, key: &Key<'_>) {
        self.leased.lock().unwrap().retain(|leased| !leased.is(key));
        self.outlived
            .lock()
            .unwrap()
            .retain(|outlived| !outlived.is(key));
    }

    pub(super) async fn grant(
        &self,
        keys: &[Key<'_>],
        options: &LeaseOptions,
    ) -> Vec<Result<Lease>> {
        let mut options = options.clone();
        match self.bug {
            Some(Bug::LeaseIgnoresTheView) => options.view = View::default(),
            Some(Bug::LeaseIgnoresGenerations) => options.view.generation = None,
            Some(Bug::LeaseNeverEndsByItself) => options.until = Timestamp::FOREVER,
            Some(Bug::LeasesWhatIsFresh) => options.mode = LeaseMode::Refresh,
            Some(Bug::LeaseNeverRefreshes) => options.mode = LeaseMode::Load,
            Some(Bug::GrantsInTwoSteps) => {
                let free: Vec<_> = keys.iter().map(|key| !self.is_leased(key)).collect();
                a_while().await;
                for (key, free) in keys.iter().zip(free) {
                    if free && self.is_leased(key) {
                        return vec![Ok(granted(key))];
                    }
                }
            }
            _ => {}
        }
        let mut answers = self.inner.lease(keys, &options).await;
        for (at, (key, answer)) in keys.iter().zip(&mut answers).enumerate() {
            match answer {
                Ok(Lease::Present(entry))
                    if self.has(Bug::LoadsAbsencesAgain)
                        && entry.head().kind() == EntryKind::Absent =>
                {
                    options.mode = LeaseMode::Refresh;
                    *answer = one(self.inner.lease(&[*key], &options).await);
                }
                Ok(Lease::Held { .. }) => {
                    let again = keys[..at].contains(key);
                    if self.has(Bug::GrantsToEverybody)
                        || (self.has(Bug::GrantsAKeyTwiceInOneQuestion) && again)
                    {
                        *answer = Ok(granted(key));
                    }
                }
                Ok(Lease::Granted { seen, .. }) => {
                    if self.has(Bug::LeaseOutlivesTheNext) && self.is_leased(key) {
                        self.outlived.lock().unwrap().push(key.to_buf());
                    }
                    self.leased.lock().unwrap().push(key.to_buf());
                    if self.has(Bug::LeaseForgetsWhatItSaw) {
                        *seen = None;
                    }
                }
                _ => {}
            }
        }
        if self.has(Bug::LeasesAreAnsweredBackwards) {
            answers.reverse();
        }
        answers
    }

    pub(super) async fn store(
        &self,
        fills: Vec<Fill>,
        options: &WriteOptions,
    ) -> Vec<Result<Filled>> {
        let mut answers = Vec::new();
        let mut refused = false;
        for fill in fills {
            let (token, entry) = (fill.token, fill.entry);
            let key = token.key().to_buf();
            let key = key.as_key();
            let there = self.inner.get(&key, &ReadOptions::default()).await;
            let newer = there
                .ok()
                .flatten()
                .is_some_and(|there| there.head().schema() > entry.head().schema());
            let answer = match self.bug {
                Some(Bug::FillStopsAtARefusal) if refused => Err(Error::new(
                    ErrorKind::Unexpected,
                    "another fill was refused",
                )),
                Some(Bug::FillIgnoresTheLease) => self
                    .inner
                    .set(&key, entry, options)
                    .await
                    .map(|()| Filled::Stored),
                Some(Bug::FillHeedsEveryGeneration) if newer => Ok(Filled::Refused),
                Some(Bug::FillReplacesNewerSchemas) if newer => self
                    .inner
                    .set(&key, entry, options)
                    .await
                    .map(|()| Filled::Stored),
                _ if self
                    .outlived
                    .lock()
                    .unwrap()
                    .iter()
                    .any(|outlived| outlived.is(&key)) =>
                {
                    self.inner
                        .set(&key, entry, options)
                        .await
                        .map(|()| Filled::Stored)
                }
                Some(Bug::FillRefusesAll) => Ok(Filled::Refused),
                _ => one(self.inner.fill(vec![Fill { token, entry }], options).await),
            };
            self.forget_lease(&key);
            refused |= matches!(answer, Ok(Filled::Refused));
            answers.push(answer);
        }
        answers
    }

    pub(super) async fn give_back(
        &self,
        tokens: Vec<FillToken>,
        options: &WriteOptions,
    ) -> Result<()> {
        match self.bug {
            Some(Bug::ReleaseDoesNothing) => Ok(()),
            Some(Bug::ReleaseDeletes) => {
                for token in &tokens {
                    self.inner.delete(&token.key(), options).await?;
                }
                Ok(())
            }
            _ => {
                for token in &tokens {
                    self.forget_lease(&token.key());
                }
                self.inner.release(tokens, options).await
            }
        }
    }
}

fn granted(key: &Key<'_>) -> Lease {
    Lease::Granted {
        token: FillToken::granted(key, EntryId::random()),
        seen: None,
    }
}

fn one<T>(mut answers: Vec<Result<T>>) -> Result<T> {
    answers.pop().expect("one was asked for")
}
