//! Every decision of the protocol, each with the choice that is safe and those that were thought of besides.

/// Makes an enum for each decision, whose first choice is the safe one, and [`Variant`], which has them all.
macro_rules! decisions {
    ($($(#[doc = $doc:literal])+ $field:ident: $name:ident { $safe:ident $(, $other:ident)* })+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub(crate) enum $name { #[default] $safe $(, $other)* }
        )+

        /// The protocol with its decisions taken; the default is the one that is built.
        #[derive(Clone, Debug, Default)]
        pub struct Variant { $(pub(crate) $field: $name,)+ }
    };
}

decisions! {
    // The server.
    /// Whether the changes of one round are told as one, with the last writer alone.
    rounds: Rounds { Merged, Separate }
    /// Over which connection a memory tier writes: the one that tracks for it, one that another tier tracks
    /// by as well, or one that tracks for nobody.
    connection: Connection { Own, Shared, Untracked }

    // Reads.
    /// When a reader samples the key's fence (1.1.2).
    sampled: Sampled { BeforeAsking, AfterReply }
    /// How what was read enters memory (1.1.5, R2).
    promotion: Promotion { OneStep, Unfenced, TwoSteps, ThenLook }
    /// Whose answers are promoted (R5).
    read_from: ReadFrom { Primary, Replica }
    /// Where a promoted entry takes its remaining life from.
    promoted_life: PromotedLife { Server, Header }
    /// Whether a marker's answer enters the version cache under that marker's fence (1.1.4).
    marker_fence: MarkerFence { Compared, Ignored }
    /// What a cached version may do to an entry that differs from it (R4).
    rejection: Rejection { AsksFirst, FromCache }
    /// Whether a reader removes what it has found invalid.
    reclaim: Reclaim { Never, ById, Blindly }

    // News.
    /// The two halves of the push handler: move the fence, forget the key (R2).
    handler: Handler { OneStep, MovesThenForgets, ForgetsThenMoves }
    /// What is done about news of an entry that this node has written itself (1.6).
    echo: Echo { Looks, Forgets, Ignores }
    /// What such news does while the header is being read already (1.6).
    look_again: LookAgain { Always, NotWhileLooking }
    /// What the header must have in common with what memory holds (1.6).
    look_compares: LookCompares { IdAndLife, IdAlone }

    // Loads.
    /// When the versions of the tags are read (1.2.4, 1.2.6).
    tags_read: TagsRead { BeforeLoader, AfterLoader, HeldSinceBefore }
    /// Whether a claim is one command (P1).
    claim: Claim { OneCommand, ReadsThenSets }
    /// What a granted placeholder counts as (P2).
    grant: Grant { OwnWrite, Read, Script }
    /// When memory forgets the key because of a grant that nobody waited for (P2).
    unheard_grant: UnheardGrant { AtItsReply, WhenGivenUp, Never }
    /// What a fill goes by (P4).
    fill_accepts: FillAccepts { WhatWasSeen, AnyPlaceholder, Absent, LeaseAlone }
    /// What a placeholder's token names (P5).
    token: Token { Claim, Node }
    /// Whether each write makes an id of its own (P5).
    ids: Ids { New, Reused }
    /// What is done about a placeholder that should have ended long ago (P7).
    overdue: Overdue { Removed, Respected }
    /// Where a refresh takes the id from that it will compare (P3).
    refresh_sees: RefreshSees { WhatIsReread, ClaimsAnswer }
    /// Whether a refresh takes a lease of its own, which saves work alone (P3).
    refresh_lease: RefreshLease { Taken, Untaken }
    /// What a refresh does when the entry is gone (P3).
    gone: Gone { ClaimsAgain, GoesOn }
    /// Whether what was filled enters memory under the fence (1.2.8).
    fill_fence: FillFence { Compared, Ignored }
    /// What is done about a fill whose fence has moved, often by its own echo (1.2.8).
    moved_fill: MovedFill { Looks, Drops }
    /// What memory does with a value that the server has refused (R5).
    refused_fill: RefusedFill { Forgets, Keeps }
    /// How a lease is renewed (P6).
    renewal: Renewal { Untried, Compares, Recreates }
    /// What a failed load removes (P6).
    release: Release { OwnToken, AnyPlaceholder, Anything }
    /// Which flights may be joined (R6).
    joined: Joined { Attached, Any }
    /// When an own write detaches the key's flight (R6).
    detaches: Detaches { Twice, Before, After, Never }
    /// Whether news detaches the flights that it concerns (R6).
    news_detaches: NewsDetaches { Yes, No }
    /// What wakes those who wait for somebody else's load.
    wakes: Wakes { Poll, Pushes }
    /// When a waiter registers.
    registers: Registers { BeforeAsking, AfterReply }
    /// Whether own writes wake the waiters of their node.
    own_write_wakes: OwnWriteWakes { Yes, No }
    /// Whether regained trust wakes them.
    trust_wakes: TrustWakes { Yes, No }
    /// What stands for the id of a foreign string.
    foreign_id: ForeignId { Digest, OneForAll }

    // Writes.
    /// When an own write moves the fence (1.3, 1.4).
    moves: Moves { Twice, Before, After, Never }
    /// What a set leaves in memory (1.3.4).
    set_keeps: SetKeeps { FencedOrForgets, FencedOrLeaves, Unfenced, Nothing, BeforeServer }
    /// Where a set takes its versions from (1.3.2).
    set_stamps: SetStamps { Cached, Asked, AtExecution, Verified, VerifiedForTags }
    /// Whether a delete ends a placeholder too.
    delete_ends: DeleteEnds { Placeholders, EntriesAlone }
    /// Whether an `expire` gives the entry a new id.
    expire_id: ExpireId { New, Kept }
    /// What an own `expire` does to memory (R1).
    expire_memory: ExpireMemory { Forgets, Adjusts }
    /// How a time to live is lengthened (R1).
    touch: Touch { Script, PlainThenForgets, Plain }
    /// What an own invalidation does to the cached version (1.5.3).
    own_version: OwnVersion { Fenced, Unfenced, Forgotten }
    /// What a marker that isn't there says.
    missing_marker: MissingMarker { Invalid, Zero }
    /// How a lost marker comes back (R3).
    lost_marker: LostMarker { NewIfAbsent, NewAfterRead, Restored }
    /// What a marker that this node has created counts as (R1).
    created_marker: CreatedMarker { OwnWrite, Read }

    // The link.
    /// What the heartbeat does with the generation's marker (1.7.1).
    heartbeat: Heartbeat { Compares, Adopts, LooksForPresence }
    /// When trust is regained (1.7.3).
    trusts: Trusts { AfterTracking, BeforeTracking }
    /// When memory and the version caches are emptied, and all fences moved (1.7.2, 1.7.3).
    emptied: Emptied { AtLossAndTrust, AtLoss, AtTrust, Never, KeptAsSuspects }
    /// Whether cached versions judge what is read while memory is distrusted (R4).
    distrusted_versions: DistrustedVersions { Unused, Used }
    /// When undelivered invalidations are replayed (1.7.3).
    replay: Replay { BeforeTrust, AfterTrust, Never }
    /// As what an undelivered set is replayed (1.7.4).
    replayed_set: ReplayedSet { AsDelete, AsSet }
    /// What reads of a key with a queued invalidation find (1.7.4).
    queued_reads: QueuedReads { Miss, Server }
    /// What later own writes of such a key do (1.7.4).
    queued_writes: QueuedWrites { Wait, Overtake }
    /// What a node does about its former connection (1.7.3).
    old_connection: OldConnection { Killed, Left }
    /// When an invalidation enters the ring of those that a failover repeats (1.7.5).
    ring: Ring { WhenSent, WhenAnswered, Never }

    // Distrust.
    /// Which loads without a lease enter memory (D1).
    unleased: Unleased { WhileDistrusted, Always }
    /// Which fences a blind insert compares, all sampled before the loader began (D2).
    blind_fences: BlindFences { All, KeyAlone, ComparedBefore, Ignored }
    /// For how long what was loaded blindly stays (D3).
    blind_life: BlindLife { Bounded, Own }
    /// What of memory is served as fresh while it is distrusted (D4).
    distrusted_hits: DistrustedHits { BlindAlone, Everything }
    /// What becomes of blind entries when trust returns (D5).
    blind_at_trust: BlindAtTrust { Dropped, Kept }
    /// What an own write of the key, done, failed or queued, does to memory while it is distrusted (D6).
    distrusted_write: DistrustedWrite { Forgets, LeavesWhenDone, LeavesWhenQueued }
    /// What an own invalidation of a tag, or a clear, does to what is blind or from before the loss (D7).
    distrusted_marker: DistrustedMarker { Forgets, ForgetsBlindAlone, Leaves }
    /// How a key with a queued invalidation is loaded (D8).
    queued_load: QueuedLoad { WithoutLease, Claims }
    /// What loads do while the link is back and memory is not trusted yet.
    tracking_load: TrackingLoad { Claims, WithoutLease }
    /// Whether reads that reach the server meanwhile fill memory.
    blind_promotion: BlindPromotion { Never, Fenced }
    /// What becomes of entries from before the loss when trust returns, where they were served (D9).
    before_at_trust: BeforeAtTrust { Dropped, Kept }
    /// From when on the time is counted for which they are served (D10).
    served_from: ServedFrom { Notice, Reconnect, LatestBreak }
    /// Whether regained trust moves the fences, beside emptying memory (1.7.3, D12).
    trust_moves: TrustMoves { Fences, Nothing }
    /// Whether a noticed loss detaches flights.
    loss_detaches: LossDetaches { Yes, No }
    /// Whether regained trust does (R6, D12).
    trust_detaches: TrustDetaches { Yes, No }
    /// Whether versions read while memory is distrusted judge entries from before the loss (D11).
    frozen_versions: FrozenVersions { Frozen, Refreshed }
}
