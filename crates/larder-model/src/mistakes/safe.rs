//! Choices that are simpler, cheaper or dearer, and as safe.

use crate::variant::{
    BlindPromotion, Connection, Detaches, DistrustedMarker, Echo, Emptied, ExpireId,
    FrozenVersions, Grant, Handler, Heartbeat, LossDetaches, LostMarker, MovedFill, Moves,
    OwnVersion, Reclaim, RefreshLease, RefreshSees, Release, Renewal, Replay, Rounds, SetKeeps,
    SetStamps, TagsRead, Touch, TrackingLoad, Variant, Wakes,
};

/// A choice that is as safe, and the situations in which that is looked at.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// In words.
    pub what: &'static str,
    /// The situations.
    pub situations: &'static [&'static str],
    choose: fn(&mut Variant),
}

impl Alternative {
    /// The protocol with this choice.
    pub fn variant(&self) -> Variant {
        let mut variant = Variant::default();
        (self.choose)(&mut variant);
        variant
    }
}

const fn row(
    what: &'static str,
    choose: fn(&mut Variant),
    situations: &'static [&'static str],
) -> Alternative {
    Alternative {
        what,
        situations,
        choose,
    }
}

/// All of them.
pub fn alternatives() -> Vec<Alternative> {
    ALTERNATIVES.to_vec()
}

const ALTERNATIVES: &[Alternative] = &[
    row(
        "every change is told by itself",
        |v| v.rounds = Rounds::Separate,
        &["echo/set-elsewhere", "sets/same-node"],
    ),
    row(
        "writes go over connections that track for nobody, so all are echoed",
        |v| {
            v.connection = Connection::Untracked;
            v.grant = Grant::Read;
        },
        &[
            "promote/own-set",
            "sets/same-node",
            "load/own-del",
            "tag/own-inv",
            "life/touch",
            "placeholder/grant-hides",
            "placeholder/grant-hides-promotion",
            "load/once",
            "sets/with-load",
        ],
    ),
    row(
        "own writes move the fence after the reply alone",
        |v| v.moves = Moves::After,
        &[
            "promote/own-del",
            "promote/own-set",
            "sets/same-node",
            "tag/two-invs",
            "load/own-del",
            "placeholder/own-set-evicted",
            "bypass/own-del",
            "bypass/own-tag",
            "serve/own-del",
        ],
    ),
    row(
        "the push handler moves the fence, and then forgets",
        |v| v.handler = Handler::MovesThenForgets,
        &["grain/promote", "grain/promote-own"],
    ),
    row(
        "a set never enters memory",
        |v| v.set_keeps = SetKeeps::Nothing,
        &["sets/same-node"],
    ),
    row(
        "a set enters memory before it is sent, and leaves it if the fence moves",
        |v| v.set_keeps = SetKeeps::BeforeServer,
        &["sets/same-node", "promote/own-set"],
    ),
    row(
        "every echo makes memory forget",
        |v| v.echo = Echo::Forgets,
        &["echo/foreign-del", "echo/set-elsewhere"],
    ),
    row(
        "a fill whose fence has moved keeps nothing",
        |v| v.moved_fill = MovedFill::Drops,
        &[
            "load/own-del",
            "load/del-elsewhere",
            "echo/foreign-del",
            "echo/set-elsewhere",
            "placeholder/del-second",
            "load/once",
        ],
    ),
    row(
        "a placeholder is granted by a script, which is echoed",
        |v| v.grant = Grant::Script,
        &[
            "placeholder/grant-hides",
            "placeholder/grant-hides-promotion",
            "placeholder/grant-hides-expiry",
            "load/own-del",
            "load/once",
            "placeholder/once-three",
        ],
    ),
    row(
        "a refresh takes no lease: only work is lost",
        |v| v.refresh_lease = RefreshLease::Untaken,
        &[
            "refresh/foreign-del",
            "refresh/del-elsewhere",
            "refresh/eager",
            "placeholder/refresh-del-load",
            "placeholder/refresh-foreign-del-load",
        ],
    ),
    row(
        "a refresh goes by the claim's answer: only work is lost",
        |v| v.refresh_sees = RefreshSees::ClaimsAnswer,
        &[
            "refresh/foreign-del",
            "refresh/del-elsewhere",
            "refresh/eager",
            "placeholder/refresh-del-load",
            "placeholder/refresh-set-del-load",
            "load/raw",
        ],
    ),
    row(
        "a failed load removes any placeholder: only work is lost",
        |v| v.release = Release::AnyPlaceholder,
        &["placeholder/load-fails-set", "placeholder/load-fails-del"],
    ),
    row(
        "a renewal compares the token",
        |v| v.renewal = Renewal::Compares,
        &["load/del-elsewhere", "load/set-elsewhere"],
    ),
    row(
        "waiters are woken by pushes alone",
        |v| v.wakes = Wakes::Pushes,
        &[
            "wait/own-del",
            "wait/link",
            "load/once",
            "load/two-nodes",
            "placeholder/hidden-wake",
            "placeholder/load-fails-wait",
            "placeholder/load-fails-refresh",
        ],
    ),
    row(
        "flights are detached before the write alone",
        |v| v.detaches = Detaches::Before,
        &["load/own-del"],
    ),
    row(
        "flights are detached after the write alone",
        |v| v.detaches = Detaches::After,
        &["load/own-del"],
    ),
    row(
        "the loader names its tags, and they count if their versions were held since before",
        |v| v.tags_read = TagsRead::HeldSinceBefore,
        &[
            "tag/load-inv",
            "tag/own-inv",
            "tag/cold-caches",
            "placeholder/tag-cold",
        ],
    ),
    row(
        "a reader removes what is invalid by its id, after asking",
        |v| v.reclaim = Reclaim::ById,
        &["tag/valid-set-and-get", "tag/evict"],
    ),
    row(
        "a lost marker is read, and then set",
        |v| v.lost_marker = LostMarker::NewAfterRead,
        &["tag/first-use"],
    ),
    row(
        "a set asks for its versions first",
        |v| v.set_stamps = SetStamps::Asked,
        &[
            "tag/set-stamped",
            "tag/set-after-inv",
            "clear/set-after",
            "load/set-elsewhere",
            "placeholder/set-evicted-load",
        ],
    ),
    row(
        "a set looks behind the write, and repeats it for the generation",
        |v| v.set_stamps = SetStamps::Verified,
        &[
            "tag/set-race",
            "tag/set-late",
            "clear/set-after",
            "clear/set-race",
        ],
    ),
    row(
        "an own invalidation forgets the version",
        |v| v.own_version = OwnVersion::Forgotten,
        &["tag/two-invs", "tag/own-inv"],
    ),
    row(
        "an expire keeps the id, and the header's life is compared",
        |v| v.expire_id = ExpireId::Kept,
        &["life/expire-elsewhere", "life/expire-set"],
    ),
    row(
        "a time to live is lengthened by a plain command, and memory forgets",
        |v| v.touch = Touch::PlainThenForgets,
        &["life/touch", "life/touch-tag"],
    ),
    row(
        "the heartbeat looks whether the marker is there at all",
        |v| v.heartbeat = Heartbeat::LooksForPresence,
        &["flushall/load", "flushall/two-nodes", "flushall/tags"],
    ),
    row(
        "memory is emptied at trust alone, where nothing is kept meanwhile",
        |v| v.emptied = Emptied::AtTrust,
        &["link/promotions", "link/tag", "link/del-elsewhere"],
    ),
    row(
        "what is from before a loss is looked up before it is served again",
        |v| v.emptied = Emptied::KeptAsSuspects,
        &[
            "link/promotions",
            "link/tag",
            "link/del-elsewhere",
            "link/refresh",
            "link/load",
            "bypass/load",
            "bypass/own-del",
            "serve/foreign-del",
            "serve/own-del",
        ],
    ),
    row(
        "what is from before a loss falls with the version that an own invalidation forgets",
        |v| v.distrusted_marker = DistrustedMarker::ForgetsBlindAlone,
        &[
            "serve/own-tag",
            "serve/own-tag-load",
            "serve/own-clear",
            "bypass/own-tag",
        ],
    ),
    row(
        "versions read while memory is distrusted enter the cache, where an own invalidation forgets entries",
        |v| v.frozen_versions = FrozenVersions::Refreshed,
        &["serve/own-tag", "serve/own-tag-load", "serve/own-clear"],
    ),
    row(
        "what is queued is replayed after trust, and its keys are kept from the server until then",
        |v| v.replay = Replay::AfterTrust,
        &[
            "link/own-del",
            "link/own-del-queued",
            "link/own-clear-queued",
            "link/queued-del-then-set",
        ],
    ),
    row(
        "loads take no lease until memory is trusted again",
        |v| v.tracking_load = TrackingLoad::WithoutLease,
        &[
            "bypass/load",
            "bypass/own-del-join",
            "bypass/own-tag",
            "bypass/own-set",
            "serve/load",
            "link/load",
        ],
    ),
    row(
        "a noticed loss detaches no flight",
        |v| v.loss_detaches = LossDetaches::No,
        &[
            "bypass/join",
            "bypass/own-del-join",
            "link/load",
            "serve/load",
        ],
    ),
    row(
        "what the server answers while memory is distrusted is kept as blind",
        |v| v.blind_promotion = BlindPromotion::Fenced,
        &[
            "bypass/promotion",
            "bypass/promotion-tag",
            "bypass/before",
            "bypass/own-del",
            "bypass/own-set",
            "bypass/set-elsewhere",
            "bypass/tag-elsewhere",
            "serve/load",
        ],
    ),
];
