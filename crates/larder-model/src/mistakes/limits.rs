//! What no choice keeps, and what of the old lists this model can't say.

use super::{Mistake, mistake};
use crate::checks::Promise::{Kept, NoLateFill, Told};

/// Situations that the protocol as it is built does not stand: accepted, and found here so that nobody is
/// surprised.
pub fn limits() -> Vec<Mistake> {
    vec![
        mistake(
            "U44",
            "a set with cached versions, one push behind an invalidation of its tag: dead on arrival",
            |_| {},
            "tag/set-after-inv",
            Kept,
        ),
        mistake(
            "U44",
            "the same after a clear",
            |_| {},
            "clear/set-after",
            Kept,
        ),
        mistake(
            "U55",
            "a set that knows no version asks, and survives an invalidation that slips in before",
            |_| {},
            "tag/set-late-cold",
            NoLateFill,
        ),
        mistake(
            "L2",
            "a set of an older value arrives after a delete for a newer one",
            |_| {},
            "writers/old-set-after-new-delete",
            Told,
        ),
    ]
}

/// A mistake of the old lists that can't be planted here.
#[derive(Clone, Copy, Debug)]
pub struct Unexpressed {
    /// As documents and comments call it.
    pub code: &'static str,
    /// Why not.
    pub why: &'static str,
}

/// Those that belong to a lease beside the key, which isn't built.
pub fn unexpressed() -> Vec<Unexpressed> {
    let row = |code, why| Unexpressed { code, why };
    vec![
        row(
            "U20",
            "the grant of a placeholder is the re-read; of a refresh it is H17",
        ),
        row(
            "U24",
            "going by the id alone is the protocol with a placeholder; what is left of it is H10",
        ),
        row(
            "U25",
            "the lease and the id are one thing under the key: H6",
        ),
        row(
            "U26",
            "a set overwrites the placeholder; a fill that takes nothing for its lease is H7",
        ),
    ]
}
