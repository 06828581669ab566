//! What the reference backend keeps, and what each operation does to it. No waiting, no locks: whoever
//! holds the contents is alone with it, so every function here is one step to the outside.

use std::collections::HashMap;

use larder_core::{
    Bump, Entry, EntryId, Error, ErrorKind, Expiry, Fill, FillToken, Filled, Head, Key, KeyBuf,
    KeyHashBuilder, Lease, LeaseMode, LeaseOptions, Lifetime, Marker, MarkerRead, Namespace,
    Operation, RegionLimits, Result, Timestamp, Update, Updated, Version, View,
};

#[derive(Debug, Default)]
pub(super) struct Contents {
    slots: HashMap<KeyBuf, Slot, KeyHashBuilder>,
    markers: HashMap<Marker, Version>,
    regions: Vec<RegionLimits>,
    pub(super) evicted: u64,
}

/// A lease stands beside the entry, not in its place, so no read can mistake one for the other.
#[derive(Debug, Default)]
struct Slot {
    entry: Option<Entry>,
    lease: Option<Standing>,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    token: EntryId,
    until: Timestamp,
    /// The generation it was asked for under.
    generation: Option<Version>,
}

impl Contents {
    /// The entry, unless it has expired.
    pub(super) fn get(&self, key: &Key<'_>, now: Timestamp) -> Option<&Entry> {
        let entry = self.slots.get(&key.to_buf())?.entry.as_ref()?;
        (!entry.head().lifetime().is_expired(now)).then_some(entry)
    }

    /// The entry, if a view counts it as present.
    fn present(&self, key: &Key<'_>, view: View, now: Timestamp) -> Option<&Entry> {
        self.get(key, now)
            .filter(|entry| entry.head().is_visible(view, now))
    }

    /// Every entry that hasn't expired.
    pub(super) fn entries(&self, now: Timestamp) -> impl Iterator<Item = (&KeyBuf, &Entry)> {
        self.slots
            .keys()
            .filter_map(move |key| Some((key, self.get(&key.as_key(), now)?)))
    }

    /// The keys that are being loaded.
    pub(super) fn placeholders(&self, now: Timestamp) -> Vec<(KeyBuf, Head)> {
        let leased = self.slots.iter().filter_map(|(key, slot)| {
            let lease = slot.lease.filter(|lease| now < lease.until)?;
            let lifetime = Lifetime {
                created: now,
                fresh_until: lease.until,
                expires_at: lease.until,
            };
            let placeholder = Entry::placeholder(lease.token, lifetime);
            Some((key.clone(), placeholder.head().clone()))
        });
        leased.collect()
    }

    /// Every write ends here: it replaces the slot, so a lease ends with what stood beside it.
    pub(super) fn set(&mut self, key: &Key<'_>, entry: Entry) {
        let slot = Slot {
            entry: Some(entry),
            lease: None,
        };
        self.slots.insert(key.to_buf(), slot);
        self.keep_limits(key);
    }

    /// Answers whether an entry was there. Ends a lease either way.
    pub(super) fn remove(&mut self, key: &Key<'_>, now: Timestamp) -> bool {
        let existed = self.get(key, now).is_some();
        self.slots.remove(&key.to_buf());
        existed
    }

    pub(super) fn expire(
        &mut self,
        key: &Key<'_>,
        expiry: Expiry,
        view: View,
        now: Timestamp,
    ) -> bool {
        let Some(entry) = self.present(key, view, now).cloned() else {
            return false;
        };
        let lifetime = expiry.apply(entry.head().lifetime());
        self.set(key, entry.with_lifetime(lifetime));
        true
    }

    pub(super) fn update(
        &mut self,
        key: &Key<'_>,
        update: Update,
        view: View,
        now: Timestamp,
    ) -> Result<Updated> {
        let present = self.present(key, view, now).cloned();
        match (update, present) {
            (Update::Increment { by, template }, None) => {
                self.set(key, template.with_counter(by));
                Ok(Updated::Counter(by))
            }
            (Update::Increment { by, template }, Some(counter)) => {
                let old = counter.value().as_counter().ok_or_else(|| {
                    refusal(ErrorKind::NotACounter, "the key holds another value", key)
                })?;
                let new = old.checked_add(by).ok_or_else(|| {
                    refusal(ErrorKind::CounterOverflow, "the sum leaves 64 bits", key)
                })?;
                self.set(key, counter.with_counter(new).with_id(template.id()));
                Ok(Updated::Counter(new))
            }
            (Update::SetIfAbsent(entry), None) => {
                self.set(key, entry);
                Ok(Updated::Stored)
            }
            (Update::ReplaceIf { id, entry }, Some(present)) if present.id() == id => {
                self.set(key, entry);
                Ok(Updated::Stored)
            }
            (Update::SetIfAbsent(_) | Update::ReplaceIf { .. }, _) => Ok(Updated::Refused),
            (Update::Take, taken) => {
                if taken.is_some() {
                    self.remove(key, now);
                }
                Ok(Updated::Taken(taken))
            }
            _ => Err(Error::unsupported(Operation::Update)),
        }
    }

    pub(super) fn lease(&mut self, key: &Key<'_>, options: &LeaseOptions, now: Timestamp) -> Lease {
        let seen = self.get(key, now).cloned();
        if options.mode == LeaseMode::Load
            && let Some(entry) = &seen
            && entry.head().is_current(options.view, now)
        {
            return Lease::Present(entry.clone());
        }
        let slot = self.slots.entry(key.to_buf()).or_default();
        let generation = options.view.generation;
        if let Some(held) = slot
            .lease
            .filter(|lease| now < lease.until && lease.generation == generation)
        {
            return Lease::Held { until: held.until };
        }
        let token = EntryId::random();
        slot.lease = Some(Standing {
            token,
            until: options.until,
            generation,
        });
        Lease::Granted {
            token: FillToken::granted(key, token),
            seen,
        }
    }

    /// Whether the lease that gave this token still stands.
    fn stands(&self, token: &FillToken, now: Timestamp) -> bool {
        self.slots
            .get(&token.key().to_buf())
            .and_then(|slot| slot.lease)
            .is_some_and(|lease| lease.token == token.seen() && now < lease.until)
    }

    pub(super) fn fill(&mut self, fill: Fill, now: Timestamp) -> Filled {
        let Fill { token, entry } = fill;
        if !self.stands(&token, now) {
            return Filled::Refused;
        }
        let newer = self.get(&token.key(), now).is_some_and(|there| {
            let (there, filled) = (there.head(), entry.head());
            there.generation() == filled.generation() && there.schema() > filled.schema()
        });
        if newer {
            self.release(&token, now);
            return Filled::Refused;
        }
        self.set(&token.key(), entry);
        Filled::Stored
    }

    /// Ends a lease that stands; answers whether it did.
    pub(super) fn release(&mut self, token: &FillToken, now: Timestamp) -> bool {
        if !self.stands(token, now) {
            return false;
        }
        let slot = self.slots.get_mut(&token.key().to_buf());
        slot.is_some_and(|slot| slot.lease.take().is_some())
    }

    pub(super) fn marker(&mut self, marker: &Marker, read: MarkerRead) -> Option<Version> {
        match read {
            MarkerRead::Existing => self.markers.get(marker).copied(),
            MarkerRead::OrCreate => {
                let version = self.markers.entry(marker.clone());
                Some(*version.or_insert_with(Version::random))
            }
        }
    }

    /// Forgets the entries of a namespace, and its leases with them.
    pub(super) fn forget(&mut self, namespace: &Namespace) {
        self.slots.retain(|key, _| key.namespace() != namespace);
    }

    pub(super) fn bump(&mut self, marker: &Marker, bump: Bump) -> Version {
        let there = self.markers.get(marker).filter(|_| bump == Bump::Expire);
        let version = there.map_or_else(Version::random, |there| there.expired());
        self.markers.insert(marker.clone(), version);
        version
    }

    /// A second reservation of a prefix replaces the first.
    pub(super) fn reserve(&mut self, limits: &RegionLimits) {
        self.regions.retain(|region| {
            region.prefix != limits.prefix || region.namespace != limits.namespace
        });
        self.regions.push(limits.clone());
    }

    /// Drops what was made first until every region that the key lies in is within its limits.
    fn keep_limits(&mut self, key: &Key<'_>) {
        let regions = self.regions.iter().filter(|region| region.covers(key));
        for region in regions.cloned().collect::<Vec<_>>() {
            let mut inside: Vec<_> = self
                .slots
                .iter()
                .filter(|(key, _)| region.covers(&key.as_key()))
                .filter_map(|(key, slot)| Some((key.clone(), slot.entry.clone()?)))
                .collect();
            inside.sort_by_key(|(_, entry)| entry.head().lifetime().created);
            let mut bytes: u64 = inside.iter().map(|(_, entry)| entry.value().weight()).sum();
            let mut count = inside.len() as u64;
            for (key, entry) in inside {
                if region.max_bytes.is_none_or(|limit| bytes <= limit)
                    && region.max_entries.is_none_or(|limit| count <= limit)
                {
                    break;
                }
                self.slots.remove(&key);
                self.evicted += 1;
                bytes -= entry.value().weight();
                count -= 1;
            }
        }
    }
}

fn refusal(kind: ErrorKind, why: &'static str, key: &Key<'_>) -> Error {
    Error::new(kind, why)
        .with_operation(Operation::Update)
        .with_key(&key.text())
}
