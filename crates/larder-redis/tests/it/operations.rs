//! Everything that a backend does, one call each, for tests that are about all of it.

use std::fmt;
use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, Error, ErrorKind, Expiry, Fill, FillToken, LeaseMode, LeaseOptions,
    Lifetime, Marker, MarkerRead, Pattern, ReadOptions, Result, ScanRequest, Severity, TagName,
    Timestamp, Update, WriteOptions,
};

use crate::harness::Opened;

/// One operation of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Head,
    Scan,
    Markers,
    GetMany,
    Check,
    CreateMarkers,
    Set,
    Delete,
    Invalidate,
    Expire,
    Increment,
    SetIfAbsent,
    ReplaceIf,
    Take,
    Batch,
    Lease,
    Refresh,
    Fill,
    Release,
    Bump,
}

impl Operation {
    pub(crate) const ALL: [Self; 21] = [
        Self::Get,
        Self::Head,
        Self::Scan,
        Self::Markers,
        Self::GetMany,
        Self::Check,
        Self::CreateMarkers,
        Self::Set,
        Self::Delete,
        Self::Invalidate,
        Self::Expire,
        Self::Increment,
        Self::SetIfAbsent,
        Self::ReplaceIf,
        Self::Take,
        Self::Batch,
        Self::Lease,
        Self::Refresh,
        Self::Fill,
        Self::Release,
        Self::Bump,
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What operations are performed on: a key that names the caller, and tokens from better times.
#[derive(Debug)]
pub(crate) struct Worker {
    opened: Opened,
    name: String,
    fill: Vec<FillToken>,
    release: Vec<FillToken>,
}

impl Worker {
    pub(crate) fn new(opened: &Opened, name: &str) -> Self {
        Self {
            opened: opened.clone(),
            name: name.to_owned(),
            fill: Vec::new(),
            release: Vec::new(),
        }
    }

    /// As [`Worker::new`], with an entry under its key and leases to be filled and given back.
    pub(crate) async fn ready(opened: &Opened, name: &str) -> Self {
        let mut worker = Self::new(opened, name);
        worker.provide().await.expect("the server is well");
        worker
    }

    /// Gets what `Fill` and `Release` need.
    async fn provide(&mut self) -> Result<()> {
        let lasts = Duration::from_secs(60);
        self.opened.set(&self.name, "something").await?;
        for (what, tokens) in [("fill", &mut self.fill), ("release", &mut self.release)] {
            let key = format!("{}-{what}", self.name);
            let options = WriteOptions::default();
            self.opened
                .redis
                .delete(&self.opened.key(&key), &options)
                .await?;
            if let larder_core::Lease::Granted { token, .. } =
                self.opened.lease(&key, lasts).await?
            {
                tokens.push(token);
            }
        }
        Ok(())
    }

    /// Performs one operation, given so much time.
    pub(crate) async fn perform(
        &mut self,
        operation: Operation,
        within: Option<Duration>,
    ) -> Result<()> {
        let opened = self.opened.clone();
        let deadline = |opened: &Opened| within.map(|within| opened.within_time(within));
        if matches!(operation, Operation::Fill | Operation::Release)
            && (self.fill.is_empty() || self.release.is_empty())
        {
            self.provide().await?;
        }
        match operation {
            Operation::Get
            | Operation::Head
            | Operation::Scan
            | Operation::Markers
            | Operation::GetMany
            | Operation::Check
            | Operation::CreateMarkers => self.read(operation, deadline(&opened)).await,
            Operation::Lease | Operation::Refresh | Operation::Fill | Operation::Release => {
                self.load(operation, deadline(&opened)).await
            }
            _ => self.write(operation, deadline(&opened)).await,
        }
    }

    async fn read(&self, operation: Operation, deadline: Option<Timestamp>) -> Result<()> {
        let (opened, redis) = (&self.opened, &self.opened.redis);
        let key = opened.key(&self.name);
        let mut options = ReadOptions::default();
        options.deadline = deadline;
        match operation {
            Operation::Get => redis.get(&key, &options).await.map(drop),
            Operation::Head => redis.head(&key, &options).await.map(drop),
            Operation::Scan => {
                let request = ScanRequest::new(opened.namespace.clone(), Pattern::new("*")?);
                redis.scan(&request, None, &options).await.map(drop)
            }
            Operation::Markers => {
                let markers = [Marker::generation(&opened.namespace)];
                let read = MarkerRead::Existing;
                redis.markers(&markers, read, &options).await.map(drop)
            }
            Operation::CreateMarkers => {
                let tag = TagName::new(&format!("{}-{}", self.name, opened.now().as_nanos()))?;
                let markers = [Marker::tag(&opened.namespace, tag)];
                let read = MarkerRead::OrCreate;
                redis.markers(&markers, read, &options).await.map(drop)
            }
            Operation::GetMany => {
                let mut write = WriteOptions::default();
                write.deadline = deadline;
                let gets = vec![BatchOperation::Get(key), BatchOperation::Get(key)];
                all(redis.batch(gets, &write).await)
            }
            Operation::Check => {
                let checks = redis.check(&options).await;
                let errors = checks.iter().flat_map(|check| &check.findings);
                let mut errors = errors.filter(|finding| finding.severity == Severity::Error);
                match errors.next() {
                    Some(finding) => Err(Error::new(
                        ErrorKind::Unavailable,
                        finding.message.to_string(),
                    )),
                    None => Ok(()),
                }
            }
            _ => unreachable!("{operation} is no read"),
        }
    }

    async fn write(&self, operation: Operation, deadline: Option<Timestamp>) -> Result<()> {
        let (opened, redis) = (&self.opened, &self.opened.redis);
        let key = opened.key(&self.name);
        let entry = opened.entry("something");
        let expiry = Expiry::new(Lifetime::forever(opened.now()));
        let mut options = WriteOptions::default();
        options.deadline = deadline;
        let update = match operation {
            Operation::Set => return redis.set(&key, entry, &options).await,
            Operation::Delete => return redis.delete(&key, &options).await.map(drop),
            Operation::Invalidate => return redis.invalidate(&key, &options).await.map(drop),
            Operation::Expire => return redis.expire(&key, expiry, &options).await.map(drop),
            Operation::Bump => {
                let markers = [Marker::generation(&opened.namespace)];
                return redis.bump(&markers, &options).await.map(drop);
            }
            Operation::Batch => {
                let operations = vec![
                    BatchOperation::Get(key),
                    BatchOperation::Head(key),
                    BatchOperation::Set(key, entry.clone()),
                    BatchOperation::Expire(key, expiry),
                    BatchOperation::Update(key, Update::Take),
                    BatchOperation::Update(key, Update::SetIfAbsent(entry)),
                    BatchOperation::Delete(key),
                ];
                return all(redis.batch(operations, &options).await);
            }
            Operation::Increment => Update::Increment {
                by: 1,
                template: entry,
            },
            Operation::SetIfAbsent => Update::SetIfAbsent(entry),
            Operation::ReplaceIf => Update::ReplaceIf {
                id: entry.id(),
                entry,
            },
            Operation::Take => Update::Take,
            _ => unreachable!("{operation} is no write"),
        };
        let counter = format!("{}-counter", self.name);
        let key = match operation {
            Operation::Increment => opened.key(&counter),
            _ => key,
        };
        redis.update(&key, update, &options).await.map(drop)
    }

    async fn load(&mut self, operation: Operation, deadline: Option<Timestamp>) -> Result<()> {
        let opened = self.opened.clone();
        let mut write = WriteOptions::default();
        write.deadline = deadline;
        if operation == Operation::Fill {
            let token = self.fill.pop().expect("there was one");
            let entry = opened.entry("loaded");
            let fills = vec![Fill { token, entry }];
            return all(opened.redis.fill(fills, &write).await);
        }
        if operation == Operation::Release {
            let token = self.release.pop().expect("there was one");
            return opened.redis.release(vec![token], &write).await;
        }
        let refresh = operation == Operation::Refresh;
        let suffix = if refresh { "" } else { "-lease" };
        let name = format!("{}{suffix}", self.name);
        let until = opened.within_time(Duration::from_secs(5));
        let mut options = LeaseOptions::until(until);
        options.deadline = deadline;
        if refresh {
            options = options.with_mode(LeaseMode::Refresh);
        }
        all(opened.redis.lease(&[opened.key(&name)], &options).await)
    }
}

fn all<T>(answers: Vec<Result<T>>) -> Result<()> {
    answers.into_iter().try_for_each(|answer| answer.map(drop))
}
