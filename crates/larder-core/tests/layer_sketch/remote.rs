//! A stand-in for Redis: one server that keeps encoded bytes, and connections to it that are backends.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use larder_core::wire::{self, ClockShift, Limits, layout, times_block};
use larder_core::{
    Backend, Capability, Change, Changes, Clock, Cursor, Deletion, Entry, EntryId, EntryKind,
    Error, ErrorKind, Expiry, Fill, FillToken, Filled, Head, Key, KeyBuf, Lease, LeaseMode,
    LeaseOptions, Lifetime, Marker, MarkerRead, ReadOptions, Result, ScanPage, ScanRequest, Update,
    Updated, Value, Version, WriteOptions, async_trait,
};

use crate::support::{TestClock, lock};

const SHIFT: ClockShift = ClockShift::NONE;

#[derive(Debug, Default)]
pub(crate) struct Server {
    strings: Mutex<BTreeMap<String, Bytes>>,
    markers: Mutex<HashMap<String, Version>>,
    connections: Mutex<Vec<Weak<Changes>>>,
}

/// What is wrong with a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Fault {
    #[default]
    None,
    Refuses,
    Silent,
    /// Commands arrive late and are executed; their answers are lost.
    Deaf,
}

/// Whether a connection is told of its own writes. Redis' `NOLOOP` withholds them; a store within the
/// process tells every observer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Echo {
    Told,
    Withheld,
}

pub(crate) struct Remote {
    server: Arc<Server>,
    clock: TestClock,
    changes: Arc<Changes>,
    echo: Echo,
    pub(crate) commands: AtomicUsize,
    pub(crate) fault: Mutex<Fault>,
    /// Runs once, between the server's answer to a `get` or `set` and its arrival here.
    pub(crate) before_reply: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

type Strings = BTreeMap<String, Bytes>;

impl Server {
    pub(crate) fn stored(&self, key: &Key<'_>) -> Option<Bytes> {
        lock(&self.strings).get(&key.stored_name()).cloned()
    }

    /// What another client's `SET` does.
    pub(crate) fn put(&self, key: &Key<'_>, bytes: Bytes) {
        lock(&self.strings).insert(key.stored_name(), bytes);
        self.tell(&Change::Key(*key, None), None);
    }

    /// What another client's `DEL` does.
    pub(crate) fn del(&self, key: &Key<'_>) {
        lock(&self.strings).remove(&key.stored_name());
        self.tell(&Change::Key(*key, None), None);
    }

    fn tell(&self, change: &Change<'_>, except: Option<&Arc<Changes>>) {
        let connections = lock(&self.connections).clone();
        let others = connections
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|changes| except.is_none_or(|except| !Arc::ptr_eq(except, changes)));
        for changes in others {
            changes.publish(change);
        }
    }
}

impl Remote {
    pub(crate) fn connect(server: &Arc<Server>, clock: &TestClock, echo: Echo) -> Arc<Self> {
        let changes = Arc::new(Changes::new());
        lock(&server.connections).push(Arc::downgrade(&changes));
        Arc::new(Self {
            server: Arc::clone(server),
            clock: clock.clone(),
            changes,
            echo,
            commands: AtomicUsize::default(),
            fault: Mutex::default(),
            before_reply: Mutex::default(),
        })
    }

    async fn command(&self) -> Result<Fault> {
        self.commands.fetch_add(1, Ordering::SeqCst);
        let fault = *lock(&self.fault);
        match fault {
            Fault::None => {}
            Fault::Refuses => {
                return Err(Error::new(ErrorKind::Unavailable, "connection refused"));
            }
            Fault::Silent => std::future::pending().await,
            Fault::Deaf => tokio::task::yield_now().await,
        }
        Ok(fault)
    }

    async fn answer(&self, fault: Fault) {
        let hook = lock(&self.before_reply).take();
        if let Some(hook) = hook {
            hook();
        }
        if fault == Fault::Deaf {
            std::future::pending::<()>().await;
        }
    }

    fn myself(&self) -> Option<&Arc<Changes>> {
        (self.echo == Echo::Withheld).then_some(&self.changes)
    }

    /// What is there, leases included.
    fn find(&self, strings: &Strings, key: &Key<'_>) -> Option<Entry> {
        let bytes = strings.get(&key.stored_name())?;
        wire::decode(key, bytes, SHIFT, Limits::default())
            .ok()
            .filter(|entry| !entry.head().lifetime().is_expired(self.clock.now()))
    }

    fn entry(&self, strings: &Strings, key: &Key<'_>) -> Option<Entry> {
        self.find(strings, key)
            .filter(|entry| entry.head().kind() != EntryKind::Placeholder)
    }

    /// One step on the server; tells of the key if something was written.
    fn write<T>(
        &self,
        key: &Key<'_>,
        write: impl FnOnce(&mut Strings) -> Result<(T, bool)>,
    ) -> Result<T> {
        let (answer, written) = write(&mut lock(&self.server.strings))?;
        if written {
            self.server.tell(&Change::Key(*key, None), self.myself());
        }
        Ok(answer)
    }

    fn remove(&self, key: &Key<'_>) -> Result<Deletion> {
        self.write(key, |strings| {
            let existed = self.entry(strings, key).is_some();
            let removed = strings.remove(&key.stored_name()).is_some();
            Ok((Deletion::Delivered { existed }, removed))
        })
    }

    fn grant(&self, key: &Key<'_>, options: &LeaseOptions) -> Result<Lease> {
        let now = self.clock.now();
        let strings = &mut lock(&self.server.strings);
        let Some(found) = self.find(strings, key) else {
            let token = EntryId::random();
            let until = Lifetime {
                created: now,
                fresh_until: options.until,
                expires_at: options.until,
            };
            let placeholder = wire::encode(key, &Entry::placeholder(token, until), SHIFT)?;
            strings.insert(key.stored_name(), placeholder);
            return Ok(Lease::Granted {
                token: FillToken::granted(key, token),
                seen: None,
            });
        };
        let head = found.head();
        Ok(if head.kind() == EntryKind::Placeholder {
            Lease::Held {
                until: head.lifetime().expires_at,
            }
        } else if options.mode == LeaseMode::Load && head.is_visible(options.view, now) {
            Lease::Present(found)
        } else {
            Lease::Granted {
                token: FillToken::granted(key, found.id()),
                seen: Some(found),
            }
        })
    }

    fn store_loaded(&self, Fill { token, entry }: Fill) -> Result<Filled> {
        let key = token.key();
        let bytes = wire::encode(&key, &entry, SHIFT)?;
        self.write(&key, |strings| {
            let found = self.find(strings, &key);
            let stands = found.is_some_and(|found| {
                found.id() == token.seen() && found.head().schema() <= entry.head().schema()
            });
            if stands {
                strings.insert(key.stored_name(), bytes);
            }
            Ok((
                if stands {
                    Filled::Stored
                } else {
                    Filled::Refused
                },
                stands,
            ))
        })
    }
}

#[async_trait]
impl Backend for Remote {
    fn capability(&self) -> Capability {
        Capability::default()
            .with_scan()
            .with_expire()
            .with_counters()
            .with_conditional()
            .with_lease()
            .with_markers()
            .with_watch()
            .with_needs_bytes()
    }

    async fn get(&self, key: &Key<'_>, _: &ReadOptions) -> Result<Option<Entry>> {
        let fault = self.command().await?;
        let entry = self.entry(&lock(&self.server.strings), key);
        self.answer(fault).await;
        Ok(entry)
    }

    async fn head(&self, key: &Key<'_>, _: &ReadOptions) -> Result<Option<Head>> {
        self.command().await?;
        let entry = self.entry(&lock(&self.server.strings), key);
        Ok(entry.map(|entry| entry.head().clone()))
    }

    async fn scan(
        &self,
        request: &ScanRequest,
        cursor: Option<Cursor>,
        _: &ReadOptions,
    ) -> Result<ScanPage> {
        self.command().await?;
        let after = cursor
            .and_then(Cursor::downcast::<String>)
            .map_or(Bound::Unbounded, Bound::Excluded);
        let strings = lock(&self.server.strings);
        let mut page = ScanPage::default();
        for name in strings
            .range((after, Bound::Unbounded))
            .map(|(name, _)| name)
        {
            if page.entries.len() == request.page_size {
                let (last, _) = page.entries.last().expect("a page holds something");
                page.next = Some(Cursor::new(last.as_key().stored_name()));
                break;
            }
            let Some(key) = KeyBuf::from_stored_name(&request.namespace, name) else {
                continue;
            };
            if let Some(entry) = self.entry(&strings, &key.as_key())
                && request.pattern.matches(key.text())
            {
                page.entries.push((key, entry.head().clone()));
            }
        }
        Ok(page)
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, _: &WriteOptions) -> Result<()> {
        let bytes = wire::encode(key, &entry, SHIFT)?;
        let fault = self.command().await?;
        self.write(key, |strings| {
            strings.insert(key.stored_name(), bytes);
            Ok(((), true))
        })?;
        self.answer(fault).await;
        Ok(())
    }

    async fn delete(&self, key: &Key<'_>, _: &WriteOptions) -> Result<Deletion> {
        self.command().await?;
        self.remove(key)
    }

    async fn expire(&self, key: &Key<'_>, expiry: Expiry, options: &WriteOptions) -> Result<bool> {
        self.command().await?;
        self.write(key, |strings| {
            let visible = self
                .entry(strings, key)
                .filter(|entry| entry.head().is_visible(options.view, self.clock.now()));
            let Some(entry) = visible else {
                return Ok((false, false));
            };
            let name = key.stored_name();
            let mut bytes = strings[&name].to_vec();
            let times = times_block(expiry.apply(entry.head().lifetime()), SHIFT);
            bytes[layout::TIMES].copy_from_slice(&times);
            strings.insert(name, bytes.into());
            Ok((true, true))
        })
    }

    async fn update(
        &self,
        key: &Key<'_>,
        update: Update,
        options: &WriteOptions,
    ) -> Result<Updated> {
        self.command().await?;
        self.write(key, |strings| {
            let visible = self
                .entry(strings, key)
                .filter(|entry| entry.head().is_visible(options.view, self.clock.now()));
            let (entry, updated) = match (update, visible) {
                (Update::Increment { by, template }, visible) => {
                    let (from, life) = match &visible {
                        None => (0, template.head().lifetime()),
                        Some(entry) => {
                            let count = entry.value().as_counter();
                            let count = count.ok_or_else(|| {
                                Error::new(ErrorKind::NotACounter, "not a counter")
                            })?;
                            (count, entry.head().lifetime())
                        }
                    };
                    let count = from.checked_add(by).ok_or_else(|| {
                        Error::new(ErrorKind::CounterOverflow, "the counter is at its end")
                    })?;
                    let entry = template
                        .with_value(Value::counter(count))
                        .with_lifetime(life);
                    (entry, Updated::Counter(count))
                }
                (Update::SetIfAbsent(entry), None) => (entry, Updated::Stored),
                (Update::ReplaceIf { id, entry }, Some(present)) if present.id() == id => {
                    (entry, Updated::Stored)
                }
                (Update::Take, visible) => {
                    let taken = visible.is_some();
                    if taken {
                        strings.remove(&key.stored_name());
                    }
                    return Ok((Updated::Taken(visible), taken));
                }
                _ => return Ok((Updated::Refused, false)),
            };
            strings.insert(key.stored_name(), wire::encode(key, &entry, SHIFT)?);
            Ok((updated, true))
        })
    }

    async fn lease(&self, keys: &[Key<'_>], options: &LeaseOptions) -> Vec<Result<Lease>> {
        match self.command().await {
            Ok(_) => keys.iter().map(|key| self.grant(key, options)).collect(),
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn fill(&self, fills: Vec<Fill>, _: &WriteOptions) -> Vec<Result<Filled>> {
        match self.command().await {
            Ok(_) => fills
                .into_iter()
                .map(|fill| self.store_loaded(fill))
                .collect(),
            Err(error) => fills.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn release(&self, tokens: Vec<FillToken>, _: &WriteOptions) -> Result<()> {
        self.command().await?;
        for token in tokens {
            self.write(&token.key(), |strings| {
                let found = self.find(strings, &token.key());
                let ours = found.is_some_and(|found| {
                    found.id() == token.seen() && found.head().kind() == EntryKind::Placeholder
                });
                if ours {
                    strings.remove(&token.key().stored_name());
                }
                Ok(((), ours))
            })?;
        }
        Ok(())
    }

    async fn markers(
        &self,
        markers: &[Marker],
        read: MarkerRead,
        _: &ReadOptions,
    ) -> Result<Vec<Option<Version>>> {
        self.command().await?;
        let versions = &mut lock(&self.server.markers);
        let version = |marker: &Marker| {
            let name = marker.stored_name();
            match read {
                MarkerRead::Existing => versions.get(&name).copied(),
                MarkerRead::OrCreate => Some(*versions.entry(name).or_insert_with(Version::random)),
            }
        };
        Ok(markers.iter().map(version).collect())
    }

    async fn bump(&self, markers: &[Marker], _: &WriteOptions) -> Result<Vec<Version>> {
        self.command().await?;
        let versions: Vec<_> = markers.iter().map(|_| Version::random()).collect();
        for (marker, version) in markers.iter().zip(&versions) {
            lock(&self.server.markers).insert(marker.stored_name(), *version);
            self.server.tell(&Change::Marker(marker), self.myself());
        }
        Ok(versions)
    }

    fn watch(&self) -> Option<&Changes> {
        Some(&self.changes)
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remote")
    }
}
