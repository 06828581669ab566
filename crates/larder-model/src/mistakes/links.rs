//! U46 to U56: lost links, what is replayed, failover.

use super::{Mistake, mistake};
use crate::checks::Promise::{Kept, OwnReads, Told};
use crate::variant::{
    Emptied, OldConnection, QueuedReads, QueuedWrites, Replay, ReplayedSet, Ring, Trusts,
};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake(
        "U46",
        "memory is trusted before tracking is on",
        |v| v.trusts = Trusts::BeforeTracking,
        "link/promotions",
        Told,
    ),
    mistake(
        "U47",
        "memory is emptied, and fences moved, at the loss alone",
        |v| v.emptied = Emptied::AtLoss,
        "link/promotions",
        OwnReads,
    ),
    mistake(
        "U47",
        "the same for versions",
        |v| v.emptied = Emptied::AtLoss,
        "link/tag",
        OwnReads,
    ),
    mistake(
        "U48",
        "memory isn't emptied at all",
        |v| v.emptied = Emptied::Never,
        "link/del-elsewhere",
        OwnReads,
    ),
    mistake(
        "U49",
        "an undelivered delete is queued, and reads go on to the server",
        |v| v.queued_reads = QueuedReads::Server,
        "link/own-del-queued",
        OwnReads,
    ),
    mistake(
        "U49",
        "an undelivered delete is forgotten, though its caller was told that it is queued",
        |v| v.replay = Replay::Never,
        "link/own-del-queued",
        OwnReads,
    ),
    mistake(
        "U51",
        "an undelivered set is replayed as a set",
        |v| v.replayed_set = ReplayedSet::AsSet,
        "link/own-set",
        Told,
    ),
    mistake(
        "1.7.4",
        "a later set overtakes a queued delete",
        |v| v.queued_writes = QueuedWrites::Overtake,
        "link/queued-del-then-set",
        Kept,
    ),
    mistake(
        "U52",
        "the old connection isn't killed",
        |v| v.old_connection = OldConnection::Left,
        "link/own-set",
        Told,
    ),
    mistake(
        "U53",
        "a failover repeats no invalidations",
        |v| v.ring = Ring::Never,
        "failover/del",
        Told,
    ),
    mistake(
        "U53",
        "the same, with a load",
        |v| v.ring = Ring::Never,
        "failover/load",
        Told,
    ),
    mistake(
        "U56",
        "an invalidation enters the ring of those to repeat when it is answered",
        |v| v.ring = Ring::WhenAnswered,
        "failover/del",
        Told,
    ),
];
