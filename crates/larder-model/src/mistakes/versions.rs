//! U22, U31 and U37 to U55: tags, generations, and what sets are stamped with.

use super::{Mistake, mistake};
use crate::checks::Promise::{Kept, NoLateFill, OwnReads, Stamped, Told};
use crate::variant::{
    CreatedMarker, DistrustedVersions, Emptied, Heartbeat, LostMarker, MarkerFence, MissingMarker,
    OwnVersion, Reclaim, Rejection, SetStamps, TagsRead,
};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake(
        "U22",
        "a reader removes what it found invalid without comparing ids",
        |v| v.reclaim = Reclaim::Blindly,
        "tag/valid-set-and-get",
        Kept,
    ),
    mistake(
        "U31",
        "a marker's answer is cached without a fence",
        |v| v.marker_fence = MarkerFence::Ignored,
        "tag/cold-caches",
        Told,
    ),
    mistake(
        "U37",
        "the tags' versions are read after the loader",
        |v| v.tags_read = TagsRead::AfterLoader,
        "tag/cold-caches",
        NoLateFill,
    ),
    mistake(
        "U37",
        "the same, a load against an invalidation",
        |v| v.tags_read = TagsRead::AfterLoader,
        "tag/load-inv",
        NoLateFill,
    ),
    mistake(
        "U38",
        "cached versions are used while memory is distrusted",
        |v| {
            v.distrusted_versions = DistrustedVersions::Used;
            v.emptied = Emptied::AtTrust;
        },
        "link/tag",
        OwnReads,
    ),
    mistake(
        "U39",
        "an own invalidation caches its version without a fence",
        |v| v.own_version = OwnVersion::Unfenced,
        "tag/two-invs",
        OwnReads,
    ),
    mistake(
        "U40",
        "a marker that isn't there means version zero",
        |v| v.missing_marker = MissingMarker::Zero,
        "tag/first-use",
        NoLateFill,
    ),
    mistake(
        "U41",
        "a lost marker is restored from memory: the generation",
        |v| v.lost_marker = LostMarker::Restored,
        "clear/evict",
        NoLateFill,
    ),
    mistake(
        "U41",
        "a lost marker is restored from memory: a tag",
        |v| v.lost_marker = LostMarker::Restored,
        "tag/evict",
        NoLateFill,
    ),
    mistake(
        "U42",
        "a set is stamped when the server executes it",
        |v| v.set_stamps = SetStamps::AtExecution,
        "tag/set-late",
        NoLateFill,
    ),
    mistake(
        "U43",
        "a set is verified behind the write, and repeated for tags",
        |v| v.set_stamps = SetStamps::VerifiedForTags,
        "tag/set-late",
        NoLateFill,
    ),
    mistake(
        "U45",
        "the heartbeat puts the generation that it read into the cache",
        |v| v.heartbeat = Heartbeat::Adopts,
        "clear/beat",
        Told,
    ),
    mistake(
        "U50",
        "a cached version rejects an entry: a load",
        |v| v.rejection = Rejection::FromCache,
        "tag/valid-set-and-load",
        Kept,
    ),
    mistake(
        "U50",
        "a cached version rejects an entry: a reader removes it",
        |v| {
            v.rejection = Rejection::FromCache;
            v.reclaim = Reclaim::ById;
        },
        "tag/valid-set-and-get",
        Kept,
    ),
    mistake(
        "U54",
        "a marker that this node has created counts as one that it has read",
        |v| v.created_marker = CreatedMarker::Read,
        "clear/evict",
        Stamped,
    ),
    mistake(
        "U55",
        "a set asks for its stamps after it has begun",
        |v| v.set_stamps = SetStamps::Asked,
        "tag/set-late",
        NoLateFill,
    ),
];
