//! Bugs for the checker of histories to find: each is a change of a few lines, made in a copy of the sources.

/// A change.
#[derive(Debug)]
pub(crate) struct Planted {
    /// What one types to plant it alone.
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    /// What stands there; exactly once, or the table is out of date.
    pub(crate) old: &'static str,
    pub(crate) new: &'static str,
}

/// All of them. Versions of tags that are read after the loader will be one, when histories have tags.
pub(crate) const PLANTED: &[Planted] = &[
    // Whatever else has happened meanwhile, what was written enters memory.
    Planted {
        name: "no-write-fence",
        file: "crates/larder-tiered/src/near.rs",
        old: "        let stood = stripe.stood_since(self.sample);",
        new: "        let stood = true;",
    },
    // Whatever was invalidated meanwhile, what was read enters memory.
    Planted {
        name: "no-read-fence",
        file: "crates/larder-tiered/src/near.rs",
        old: "        if !stripe.stood_since(sample) {\n            return entry;\n        }",
        new: "        let _ = sample;",
    },
    // Whatever stands under the key, what was loaded is stored.
    Planted {
        name: "fill-without-token",
        file: "crates/larder-redis/src/scripts/fill.lua",
        old: "local stands = type(there) == 'string' and there == ARGV[1]",
        new: "local stands = true",
    },
    // What comes from Redis begins its life anew in memory.
    Planted {
        name: "full-ttl",
        file: "crates/larder-tiered/src/near.rs",
        old: "        let cut = cut(lifetime, now, self.max_ttl);",
        new: "        let whole = lifetime.expires_at.saturating_since(lifetime.created);\n        \
              let end = now.saturating_add(whole);\n        \
              let cut = Lifetime { created: now, fresh_until: end, expires_at: end };",
    },
    // A change that the server tells of is not heeded.
    Planted {
        name: "deaf",
        file: "crates/larder-redis/src/link.rs",
        old: "                    _ => shared.tell(&key, None),",
        new: "                    _ => {}",
    },
    // A server that is silent is waited for.
    Planted {
        name: "no-heartbeat",
        file: "crates/larder-redis/src/link.rs",
        old: "                    Ok(Err(Fault::Timeout)) => return Fault::Lost(\"no answer to a heartbeat\".into()),",
        new: "                    Ok(Err(Fault::Timeout)) => {}",
    },
    // What was in memory before the link was lost is served when it is back.
    Planted {
        name: "old-memory",
        file: "crates/larder-tiered/src/near.rs",
        old: "            Change::LinkUp => self.empty(|_| true),",
        new: "            Change::LinkUp => self.trusted.store(true, Ordering::Release),",
    },
    // Who comes after an invalidation joins the load from before it.
    Planted {
        name: "flights-stay",
        file: "crates/larder/src/load/flights.rs",
        old: "        if let Some(flying) = shard.get_mut(&key.hash64()) {\n            flying.retain(|progress| \
              !progress.key.is(key) || progress.invalidated(id));",
        new: "        if let Some(flying) = shard.get_mut(&key.hash64()) {\n            let _ = id;",
    },
];
