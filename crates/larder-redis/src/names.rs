//! Names of things in Redis.

use bytes::Bytes;
use larder_core::{EntryId, Key, KeyBuf, Marker, Namespace};

/// What a name that changed stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Entry(KeyBuf),
    Marker(Marker),
    /// Internal, and nobody's business but its maker's.
    Other,
}

/// What a stored name stands for in a namespace.
pub(crate) fn named(namespace: &Namespace, stored: &str) -> Named {
    if let Some(marker) = Marker::from_stored_name(namespace, stored) {
        return Named::Marker(marker);
    }
    match KeyBuf::from_stored_name(namespace, stored) {
        Some(key) => Named::Entry(key),
        None => Named::Other,
    }
}

/// Where the lease of a refresh is kept: in the slot of its entry, on a cluster too.
pub(crate) fn lease(key: &Key<'_>, stored: &str) -> Bytes {
    let namespace = key.namespace();
    // A name with a hash tag of its own takes it along; any other becomes the tag.
    if stored.contains('{') {
        format!("{namespace}:~l:{stored}").into()
    } else {
        format!("{namespace}:~l:{{{stored}}}").into()
    }
}

/// A name for the self-test to write to, of its own each time: a node must not take another's test for its own.
pub(crate) fn probe(namespace: &Namespace, id: EntryId) -> Bytes {
    format!("{namespace}:~p:{:016x}", id.as_u64()).into()
}

/// What every name of a namespace begins with.
pub(crate) fn prefix(namespace: &Namespace) -> Bytes {
    format!("{namespace}:").into()
}

#[cfg(test)]
mod tests {
    use larder_core::TagName;

    use super::*;

    #[test]
    fn s4_a_lease_or_a_probe_is_neither_an_entry_nor_a_marker() {
        let ns = Namespace::new("app").unwrap();
        for text in ["a", "{a}b", "~l:x", "a}b"] {
            let key = Key::new(&ns, "", text).unwrap();
            let stored = key.stored_name();
            let lease = lease(&key, &stored);
            let lease = std::str::from_utf8(&lease).unwrap();
            assert_eq!(named(&ns, lease), Named::Other, "{lease}");
            assert_eq!(named(&ns, &stored), Named::Entry(key.to_buf()));
        }
        let probe = probe(&ns, EntryId::random());
        let probe = std::str::from_utf8(&probe).unwrap();
        assert_eq!(named(&ns, probe), Named::Other, "{probe}");
        let tag = Marker::tag(&ns, TagName::new("a").unwrap());
        assert_eq!(named(&ns, &tag.stored_name()), Named::Marker(tag));
    }
}
