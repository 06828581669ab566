//! What a stack can do.

/// What a stack can do, told before it is asked to. A backend lists its abilities; a layer can only
/// narrow them ([`Store::layer`](crate::Store::layer) checks it).
///
/// Reading, writing and deleting single entries is not listed: every backend does.
///
/// ```
/// use larder_core::Capability;
///
/// let mine = Capability::default().with_scan().with_counters();
/// assert!(mine.scan && !mine.lease);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent abilities, as in a feature list"
)]
pub struct Capability {
    /// `peek`, `put_now`, `forget_now` and `forget_all_now` work: entries are at hand without waiting.
    pub immediate: bool,
    /// `scan`: entries can be listed by pattern.
    pub scan: bool,
    /// `expire`: an entry's times can be changed in place.
    pub expire: bool,
    /// `update` does [`Update::Increment`](crate::Update::Increment), atomically.
    pub counters: bool,
    /// `update` does the conditional writes, atomically.
    pub conditional: bool,
    /// `batch` costs less than its operations one by one.
    pub batch: bool,
    /// `lease`, `fill` and `release`: a load that began before an invalidation can't store after it.
    pub lease: bool,
    /// `markers` and `bump`: the namespace can be cleared in one step.
    pub markers: bool,
    /// `watch` tells of every change.
    pub watch: bool,
    /// `reserve`: keys under a prefix can be given limits of their own.
    pub regions: bool,
    /// Entries with tags are checked against their tags' versions. Only a tag layer adds this.
    pub tags: bool,
    /// Values stay decoded: a byte layer above would do its work for nothing.
    pub keeps_decoded: bool,
    /// Values must become bytes: a space of a type without serde is refused.
    pub needs_bytes: bool,
    /// Several stores behave as one.
    pub tiered: bool,
    /// Writes reach a system of record. Only a write-behind layer adds this.
    pub sink: bool,
}

macro_rules! with {
    ($($(#[$doc:meta])* $with:ident: $field:ident),* $(,)?) => {
        impl Capability {
            $($(#[$doc])*
            pub const fn $with(self) -> Self {
                Self { $field: true, ..self }
            })*
        }
    };
}

with! {
    /// Adds [`Capability::immediate`].
    with_immediate: immediate,
    /// Adds [`Capability::scan`].
    with_scan: scan,
    /// Adds [`Capability::expire`].
    with_expire: expire,
    /// Adds [`Capability::counters`].
    with_counters: counters,
    /// Adds [`Capability::conditional`].
    with_conditional: conditional,
    /// Adds [`Capability::batch`].
    with_batch: batch,
    /// Adds [`Capability::lease`].
    with_lease: lease,
    /// Adds [`Capability::markers`].
    with_markers: markers,
    /// Adds [`Capability::watch`].
    with_watch: watch,
    /// Adds [`Capability::regions`].
    with_regions: regions,
    /// Adds [`Capability::tags`].
    with_tags: tags,
    /// Adds [`Capability::keeps_decoded`].
    with_keeps_decoded: keeps_decoded,
    /// Adds [`Capability::needs_bytes`].
    with_needs_bytes: needs_bytes,
    /// Adds [`Capability::tiered`].
    with_tiered: tiered,
    /// Adds [`Capability::sink`].
    with_sink: sink,
}

impl Capability {
    /// The abilities of both; what the stack is made of (tags, form of the values, tiers) is kept as it
    /// is here. How a layer that can't pass on everything states what is left.
    pub const fn narrowed_by(self, other: Self) -> Self {
        Self {
            immediate: self.immediate && other.immediate,
            scan: self.scan && other.scan,
            expire: self.expire && other.expire,
            counters: self.counters && other.counters,
            conditional: self.conditional && other.conditional,
            batch: self.batch && other.batch,
            lease: self.lease && other.lease,
            markers: self.markers && other.markers,
            watch: self.watch && other.watch,
            regions: self.regions && other.regions,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowing_takes_abilities_and_leaves_facts() {
        let inner = Capability::default()
            .with_scan()
            .with_lease()
            .with_keeps_decoded();
        let left = inner.narrowed_by(Capability::default().with_scan().with_counters());
        assert_eq!(left, Capability::default().with_scan().with_keeps_decoded());
    }
}
