//! The placeholder: what may happen to it, to its holder, and to what it hides.

use crate::situation::Fault::{
    Crash, EntryExpires, GrantLate, GrantLost, LeaseExpires, LinkA, LoadFails,
};
use crate::situation::First::{Fresh, Stale};
use crate::situation::{
    A, Action, B, Operation, Situation, clear, del, delete, expire, foreign, get, invalidate_tag,
    load, set,
};

pub(super) fn situations() -> Vec<Situation> {
    [ends(), holders(), refreshes()].concat()
}

fn cold(name: &'static str, ops: &[Operation]) -> Situation {
    Situation::new(name, ops)
}

fn stale(name: &'static str, ops: &[Operation]) -> Situation {
    Situation::new(name, ops).first(Stale, &[A, B])
}

/// A cold key's placeholder, and what ends it.
fn ends() -> Vec<Situation> {
    vec![
        cold("placeholder/foreign-del", &[load(A), del(), get(B)]),
        cold(
            "placeholder/foreign-del-two-loads",
            &[load(A), del(), load(B)],
        )
        .waiters(),
        cold("placeholder/foreign-del-in-time", &[del(), load(A), get(A)]).first(Fresh, &[A, B]),
        cold("placeholder/set-evicted", &[load(A), set(B), get(B)]).fault(EntryExpires, 1),
        cold(
            "placeholder/set-evicted-load",
            &[load(A), set(B), load(B).after(1)],
        )
        .fault(EntryExpires, 2),
        cold("placeholder/own-set-evicted", &[load(A), set(A), get(B)])
            .fault(EntryExpires, 1)
            .fault(LeaseExpires, 1),
        cold("placeholder/expires-two-loads", &[load(A), load(B)])
            .fault(LeaseExpires, 2)
            .waiters(),
        cold(
            "placeholder/expires-two-loads-del",
            &[load(A), load(B), del()],
        )
        .fault(LeaseExpires, 1),
        cold(
            "placeholder/expires-two-loads-set",
            &[load(A), load(B), set(B)],
        )
        .fault(LeaseExpires, 1),
        cold(
            "placeholder/del-second",
            &[load(A), delete(B), load(B).after(1)],
        ),
        cold(
            "placeholder/foreign-del-second",
            &[load(A), del(), load(B).after(1)],
        ),
        cold(
            "placeholder/del-second-del",
            &[load(A), delete(B), load(B).after(1), delete(A).after(1)],
        ),
        cold(
            "placeholder/grant-hides-promotion",
            &[get(A), load(A), delete(B)],
        )
        .first(Fresh, &[B]),
        cold("placeholder/grant-late", &[load(A), delete(B), get(A)])
            .first(Fresh, &[B])
            .fault(GrantLate, 1),
    ]
}

/// Holders that fail or die, and who waits for them.
fn holders() -> Vec<Situation> {
    let persist = foreign(Action::ForeignPersist);
    vec![
        cold("placeholder/load-fails-set", &[load(A), set(B), get(A)])
            .fault(LoadFails, 1)
            .set_expected(),
        cold(
            "placeholder/load-fails-del",
            &[load(A), delete(B), load(B).after(1)],
        )
        .fault(LoadFails, 1)
        .waiters(),
        cold("placeholder/load-fails-wait", &[load(A), load(B)])
            .fault(LoadFails, 1)
            .fault(LeaseExpires, 1)
            .waiters(),
        cold("placeholder/once-three", &[load(A), load(B), load(B)])
            .waiters()
            .one_load(),
        cold("placeholder/set-first", &[set(A), load(A), load(B)])
            .fault(EntryExpires, 1)
            .waiters(),
        cold(
            "placeholder/foreign-del-same-node",
            &[load(A), del(), load(A).after(1)],
        )
        .waiters(),
        cold(
            "placeholder/hidden-wake",
            &[load(B), load(A), del(), load(A).after(2)],
        )
        .waiters(),
        cold(
            "placeholder/tag-cold",
            &[load(A), invalidate_tag(B), load(B).after(1)],
        )
        .tagged()
        .waiters(),
        cold(
            "placeholder/clear-refresh",
            &[clear(B), load(A), load(B).after(0)],
        )
        .first(Fresh, &[A, B])
        .generations()
        .waiters(),
        cold(
            "placeholder/set-cached-versions",
            &[clear(B).same(), set(A), load(B).after(0)],
        )
        .generations(),
        cold("placeholder/expire", &[load(A), expire(B), get(A)]).fault(LeaseExpires, 1),
        cold("placeholder/foreign-persist", &[load(A), persist, load(B)])
            .fault(Crash, 1)
            .waiters(),
        cold("placeholder/link-cold", &[load(A), delete(A), load(B)])
            .fault(LinkA, 1)
            .waiters(),
    ]
}

/// An entry is there, and old.
fn refreshes() -> Vec<Situation> {
    let foreign_set = foreign(Action::ForeignSet);
    vec![
        stale(
            "placeholder/refresh-del-load",
            &[load(A), delete(B), load(B).after(1)],
        )
        .fault(LeaseExpires, 1),
        stale(
            "placeholder/refresh-foreign-del-load",
            &[load(A), del(), load(B).after(1)],
        ),
        stale(
            "placeholder/refresh-own-del-load",
            &[load(A), delete(A), load(B).after(1)],
        ),
        stale(
            "placeholder/refresh-set-del-load",
            &[load(A), set(B), del().after(1), load(B).after(2)],
        ),
        stale("placeholder/grant-hides", &[load(A), delete(B), get(A)]),
        stale(
            "placeholder/grant-hides-expiry",
            &[load(A), get(A), foreign_set],
        )
        .fault(EntryExpires, 1),
        stale("placeholder/grant-lost", &[load(A), delete(B), get(A)]).fault(GrantLost, 1),
        stale("placeholder/load-fails-refresh", &[load(A), load(B)])
            .fault(LoadFails, 1)
            .fault(LeaseExpires, 1)
            .waiters(),
        stale("placeholder/refresh-once", &[load(A), load(B)])
            .waiters()
            .one_load(),
        stale("placeholder/evict-refresh", &[load(A), load(B), del()]).fault(EntryExpires, 1),
    ]
}
