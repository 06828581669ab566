//! D1 to D11: what is served, and kept, between the notice of a lost link and regained trust.

use super::{Mistake, mistake};
use crate::checks::Promise::{Distrust, OwnReads, Told};
use crate::variant::{
    BeforeAtTrust, BlindAtTrust, BlindFences, BlindLife, DistrustedHits, DistrustedMarker,
    DistrustedWrite, Emptied, FrozenVersions, QueuedLoad, ServedFrom, TrustDetaches, TrustMoves,
    Unleased,
};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake(
        "D1",
        "what was loaded without a lease enters memory that is trusted",
        |v| v.unleased = Unleased::Always,
        "bypass/no-lease",
        Told,
    ),
    mistake(
        "D2",
        "a blind insert compares no fence: an own delete overtakes the load",
        |v| v.blind_fences = BlindFences::Ignored,
        "bypass/own-del",
        OwnReads,
    ),
    mistake(
        "D2",
        "a blind insert compares no fence: the load began before the loss",
        |v| v.blind_fences = BlindFences::Ignored,
        "bypass/load",
        Distrust,
    ),
    mistake(
        "D2",
        "a blind insert compares the key's fence and no tag's",
        |v| v.blind_fences = BlindFences::KeyAlone,
        "bypass/own-tag",
        OwnReads,
    ),
    mistake(
        "D2",
        "a blind insert compares the key's fence and not the generation's",
        |v| v.blind_fences = BlindFences::KeyAlone,
        "bypass/own-clear",
        OwnReads,
    ),
    mistake(
        "D2",
        "a blind insert compares its fences first, and inserts in a second step",
        |v| v.blind_fences = BlindFences::ComparedBefore,
        "bypass/own-del",
        OwnReads,
    ),
    mistake(
        "D2",
        "the loss moves no fence: a load from before it is kept blindly",
        |v| v.emptied = Emptied::AtTrust,
        "bypass/load",
        Distrust,
    ),
    mistake(
        "D3",
        "what was loaded blindly lives as long as ever",
        |v| v.blind_life = BlindLife::Own,
        "bypass/time",
        Distrust,
    ),
    mistake(
        "D4",
        "everything in memory is served while it is distrusted",
        |v| v.distrusted_hits = DistrustedHits::Everything,
        "bypass/before",
        Distrust,
    ),
    mistake(
        "D5",
        "blind entries are trusted with the rest",
        |v| v.blind_at_trust = BlindAtTrust::Kept,
        "bypass/load",
        OwnReads,
    ),
    mistake(
        "D6",
        "an own write that is queued leaves memory as it is",
        |v| v.distrusted_write = DistrustedWrite::LeavesWhenQueued,
        "bypass/own-del",
        OwnReads,
    ),
    mistake(
        "D6",
        "an own set that is done, but can't be kept, leaves memory as it is",
        |v| v.distrusted_write = DistrustedWrite::LeavesWhenDone,
        "bypass/own-set",
        OwnReads,
    ),
    mistake(
        "D6",
        "what is from before the loss is served though an own delete of it is queued",
        |v| v.distrusted_write = DistrustedWrite::LeavesWhenQueued,
        "serve/own-del",
        OwnReads,
    ),
    mistake(
        "D6",
        "what is from before the loss is served though an own set has replaced it",
        |v| v.distrusted_write = DistrustedWrite::LeavesWhenDone,
        "serve/own-set",
        OwnReads,
    ),
    mistake(
        "D7",
        "an own invalidation of a tag leaves blind entries",
        |v| v.distrusted_marker = DistrustedMarker::Leaves,
        "bypass/own-tag",
        OwnReads,
    ),
    mistake(
        "D7",
        "an own clear leaves blind entries",
        |v| v.distrusted_marker = DistrustedMarker::Leaves,
        "bypass/own-clear",
        OwnReads,
    ),
    mistake(
        "D8",
        "a key with a queued invalidation is claimed, and its old entry adopted",
        |v| v.queued_load = QueuedLoad::Claims,
        "link/own-del-queued",
        OwnReads,
    ),
    mistake(
        "D9",
        "what is from before the loss is trusted with the rest",
        |v| v.before_at_trust = BeforeAtTrust::Kept,
        "serve/foreign-del",
        OwnReads,
    ),
    mistake(
        "D10",
        "the time of serve_for is counted from the new connection",
        |v| v.served_from = ServedFrom::Reconnect,
        "serve/time",
        Distrust,
    ),
    mistake(
        "D10",
        "the time of serve_for begins anew when the new connection breaks",
        |v| v.served_from = ServedFrom::LatestBreak,
        "serve/time",
        Distrust,
    ),
    mistake(
        "D11",
        "versions read while memory is distrusted judge what is from before the loss",
        |v| {
            v.frozen_versions = FrozenVersions::Refreshed;
            v.distrusted_marker = DistrustedMarker::ForgetsBlindAlone;
        },
        "serve/own-tag-load",
        OwnReads,
    ),
    mistake(
        "D12",
        "trust moves no fence, and a load without a lease that ends after it is kept",
        |v| {
            v.trust_moves = TrustMoves::Nothing;
            v.unleased = Unleased::Always;
        },
        "bypass/load",
        OwnReads,
    ),
    mistake(
        "D12",
        "trust moves no fence: what was asked for before it is promoted after it",
        |v| v.trust_moves = TrustMoves::Nothing,
        "link/promotions",
        OwnReads,
    ),
    mistake(
        "D12",
        "trust detaches no flight: who comes after it joins one from before",
        |v| v.trust_detaches = TrustDetaches::No,
        "bypass/join",
        OwnReads,
    ),
];
