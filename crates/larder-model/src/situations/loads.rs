//! Loads: against writes, against each other, refreshes, and waiting for another process.

use crate::situation::Fault::{Crash, EntryExpires, LeaseExpires, LinkA};
use crate::situation::First::{Foreign, Fresh, Stale};
use crate::situation::{A, Action, B, Situation, del, delete, foreign, get, join, load, set};

pub(super) fn situations() -> Vec<Situation> {
    let situation = Situation::new;
    vec![
        situation("load/del-elsewhere", &[load(A), delete(B), join(A), get(B)])
            .fault(LeaseExpires, 1),
        situation(
            "load/own-del",
            &[
                load(A),
                delete(A),
                join(A),
                join(A).after(1),
                get(A).after(1),
            ],
        )
        .fault(LeaseExpires, 1),
        situation(
            "load/own-del-two-flights",
            &[load(A), delete(A), load(A).after(1), join(A).after(1)],
        )
        .fault(LeaseExpires, 1)
        .waiters(),
        situation("load/two-nodes", &[load(A), load(B), delete(A)])
            .fault(LeaseExpires, 1)
            .waiters(),
        situation("load/two-nodes-crash", &[load(A), load(B), del()])
            .fault(Crash, 1)
            .waiters(),
        situation("load/once", &[load(A), load(B), get(A)])
            .waiters()
            .one_load(),
        situation("load/raw", &[load(A), foreign(Action::ForeignSet), get(A)]).first(Foreign, &[]),
        situation("load/set-elsewhere", &[load(A), set(B), get(A)])
            .fault(LeaseExpires, 1)
            .fault(EntryExpires, 1),
        situation(
            "load/set-then-foreign-del",
            &[load(A), set(B), del().same().after(1), get(A)],
        ),
        situation(
            "load/foreign-set",
            &[load(A), foreign(Action::ForeignSet), get(A)],
        )
        .fault(LeaseExpires, 1),
        situation("load/two-dels", &[load(A), load(B), delete(B), del()]).fault(LeaseExpires, 1),
        situation("load/foreign-del-absent", &[load(A), del()]),
        situation(
            "load/own-del-warm",
            &[load(A), delete(A), join(A).after(1), get(A)],
        )
        .first(Fresh, &[]),
        situation("refresh/foreign-del", &[load(A), del(), get(B)])
            .first(Stale, &[A, B])
            .fault(LeaseExpires, 1),
        situation("refresh/del-elsewhere", &[load(A), delete(B), get(A)])
            .first(Stale, &[A, B])
            .fault(LeaseExpires, 1)
            .fault(EntryExpires, 1),
        situation(
            "refresh/two-and-foreign",
            &[load(A), load(B), del(), get(A)],
        )
        .first(Stale, &[A])
        .fault(LeaseExpires, 1)
        .waiters(),
        situation("refresh/eager", &[load(A), set(B), join(A)])
            .first(Stale, &[A, B])
            .fault(LeaseExpires, 1)
            .fault(EntryExpires, 1),
        situation("wait/own-del", &[load(B), load(A), delete(A)])
            .fault(Crash, 1)
            .waiters(),
        situation("wait/link", &[load(B), load(A)])
            .fault(LinkA, 1)
            .waiters(),
    ]
}
