//! The stored format: bytes of every released version are read, and damaged ones do no harm.

#![expect(
    clippy::unwrap_used,
    reason = "a test that fails may as well do it here"
)]

mod damage;
mod fixtures;
mod limits;
mod round_trip;
mod specification;

use bytes::Bytes;
use larder_core::wire::{self, ClockShift, Limits, Unreadable};
use larder_core::{Entry, Key, Namespace};

fn namespace() -> Namespace {
    Namespace::new("app").unwrap()
}

fn encode(key: &Key<'_>, entry: &Entry) -> Bytes {
    wire::encode(key, entry, ClockShift::NONE).unwrap()
}

fn decode(key: &Key<'_>, bytes: impl Into<Bytes>) -> Result<Entry, Unreadable> {
    wire::decode(key, &bytes.into(), ClockShift::NONE, Limits::default())
}

/// Heads, codecs, frames and bytes; decoded forms are another matter.
fn assert_same(read: &Entry, expected: &Entry) {
    assert_eq!(read.head(), expected.head());
    assert_eq!(read.value().codec(), expected.value().codec());
    assert_eq!(read.value().frames(), expected.value().frames());
    assert_eq!(
        read.value().encoded().unwrap(),
        expected.value().encoded().unwrap()
    );
}
