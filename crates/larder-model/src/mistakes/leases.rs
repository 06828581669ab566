//! H1 to H17: the placeholder.

use super::{Mistake, mistake};
use crate::checks::Promise::{Kept, NoLateFill, OneLoad, OwnReads, Progress, Told};
use crate::variant::{
    Claim, FillAccepts, FillFence, Gone, Grant, Ids, Joined, Overdue, OwnWriteWakes, RefreshLease,
    RefreshSees, RefusedFill, Registers, Release, Renewal, Ring, Token, TrustWakes, UnheardGrant,
    Wakes,
};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake(
        "P1",
        "a claim reads, and then sets: a set in between is lost",
        |v| v.claim = Claim::ReadsThenSets,
        "placeholder/load-fails-set",
        Kept,
    ),
    mistake(
        "P1",
        "a claim reads, and then sets: two have the lease",
        |v| v.claim = Claim::ReadsThenSets,
        "load/once",
        OneLoad,
    ),
    mistake(
        "H1",
        "a grant counts as a read",
        |v| v.grant = Grant::Read,
        "placeholder/grant-hides",
        Told,
    ),
    mistake(
        "H2",
        "the same, with a promotion in flight",
        |v| v.grant = Grant::Read,
        "placeholder/grant-hides-promotion",
        Told,
    ),
    mistake(
        "H2",
        "the same, after an expiry",
        |v| v.grant = Grant::Read,
        "placeholder/grant-hides-expiry",
        Told,
    ),
    mistake(
        "H3",
        "a grant whose reply is lost leaves memory alone",
        |v| v.unheard_grant = UnheardGrant::Never,
        "placeholder/grant-lost",
        Told,
    ),
    mistake(
        "H4",
        "a load that gives up forgets then, and not at the reply",
        |v| v.unheard_grant = UnheardGrant::WhenGivenUp,
        "placeholder/grant-late",
        Told,
    ),
    mistake(
        "H5",
        "any placeholder does for a fill",
        |v| v.fill_accepts = FillAccepts::AnyPlaceholder,
        "placeholder/del-second",
        NoLateFill,
    ),
    mistake(
        "H5",
        "the same, after a foreign DEL",
        |v| v.fill_accepts = FillAccepts::AnyPlaceholder,
        "placeholder/foreign-del-second",
        NoLateFill,
    ),
    mistake(
        "H6",
        "a fill is accepted where its placeholder is gone",
        |v| v.fill_accepts = FillAccepts::Absent,
        "placeholder/foreign-del",
        NoLateFill,
    ),
    mistake(
        "H7",
        "the same, after a set that was evicted",
        |v| v.fill_accepts = FillAccepts::Absent,
        "placeholder/set-evicted",
        NoLateFill,
    ),
    mistake(
        "H8",
        "memory keeps what the server has refused",
        |v| v.refused_fill = RefusedFill::Keeps,
        "placeholder/del-second",
        Told,
    ),
    mistake(
        "H8",
        "what was filled enters memory without a fence",
        |v| v.fill_fence = FillFence::Ignored,
        "load/own-del",
        OwnReads,
    ),
    mistake(
        "H8",
        "a flight is joined that an invalidation has overtaken",
        |v| v.joined = Joined::Any,
        "load/own-del",
        OwnReads,
    ),
    mistake(
        "H9",
        "one token for each node",
        |v| v.token = Token::Node,
        "load/own-del-two-flights",
        NoLateFill,
    ),
    mistake(
        "H9",
        "the same, after a foreign DEL",
        |v| v.token = Token::Node,
        "placeholder/foreign-del-same-node",
        NoLateFill,
    ),
    mistake(
        "H10",
        "a refresh whose entry is gone goes on from nothing",
        |v| v.gone = Gone::GoesOn,
        "refresh/del-elsewhere",
        NoLateFill,
    ),
    mistake(
        "H11",
        "an id is used twice",
        |v| v.ids = Ids::Reused,
        "placeholder/refresh-del-load",
        NoLateFill,
    ),
    mistake(
        "H12",
        "a placeholder is renewed by a SET",
        |v| v.renewal = Renewal::Recreates,
        "load/del-elsewhere",
        NoLateFill,
    ),
    mistake(
        "H13",
        "a failed load removes what is there without comparing",
        |v| v.release = Release::Anything,
        "placeholder/load-fails-set",
        Kept,
    ),
    mistake(
        "H14",
        "waiters respect a placeholder that never ends",
        |v| v.overdue = Overdue::Respected,
        "placeholder/foreign-persist",
        Progress,
    ),
    mistake(
        "H15",
        "a failover repeats no invalidations",
        |v| v.ring = Ring::Never,
        "failover/load-small",
        Told,
    ),
    mistake(
        "H16",
        "waiters are woken by pushes alone, and register after the reply",
        |v| {
            v.wakes = Wakes::Pushes;
            v.registers = Registers::AfterReply;
        },
        "load/two-nodes",
        Progress,
    ),
    mistake(
        "H16",
        "waiters are woken by pushes alone, and own writes wake nobody",
        |v| {
            v.wakes = Wakes::Pushes;
            v.own_write_wakes = OwnWriteWakes::No;
        },
        "wait/own-del",
        Progress,
    ),
    mistake(
        "H16",
        "waiters are woken by pushes alone, and regained trust wakes nobody",
        |v| {
            v.wakes = Wakes::Pushes;
            v.trust_wakes = TrustWakes::No;
        },
        "wait/link",
        Progress,
    ),
    mistake(
        "H17",
        "a refresh goes by the claim's answer and reads nothing again",
        |v| v.refresh_sees = RefreshSees::ClaimsAnswer,
        "placeholder/refresh-once",
        OneLoad,
    ),
    mistake(
        "H17",
        "a refresh takes no lease",
        |v| v.refresh_lease = RefreshLease::Untaken,
        "placeholder/refresh-once",
        OneLoad,
    ),
];
