//! Distrust: what memory serves, and takes in, between the notice of a lost link and regained trust.

use crate::situation::Fault::{BlindOver, LinkA, LoadFails, NewLinkBreaks, NoLease, ServedOver};
use crate::situation::First::{Fresh, Stale};
use crate::situation::Policy::{Bypass, ServeFor};
use crate::situation::{
    A, B, Operation, Situation, clear, del, delete, expire, get, invalidate_tag, join, load, set,
};

fn bypass(name: &'static str, ops: &[Operation]) -> Situation {
    Situation::new(name, ops)
        .fault(LinkA, 1)
        .policy(Bypass)
        .queued()
}

fn serve(name: &'static str, ops: &[Operation]) -> Situation {
    Situation::new(name, ops)
        .first(Fresh, &[A, B])
        .fault(LinkA, 1)
        .policy(ServeFor)
        .queued()
}

pub(super) fn situations() -> Vec<Situation> {
    vec![
        bypass("bypass/load", &[load(A), del(), get(A)]),
        bypass("bypass/refresh", &[load(A), delete(B), get(A)]).first(Stale, &[A, B]),
        bypass("bypass/before", &[load(A), del(), get(A)])
            .first(Fresh, &[A])
            .fault(BlindOver, 1),
        bypass("bypass/time", &[load(A), get(A)]).fault(BlindOver, 1),
        bypass(
            "bypass/own-del",
            &[load(A), delete(A), load(A).after(1), get(A).after(1)],
        ),
        bypass(
            "bypass/own-del-join",
            &[load(A), delete(A), join(A).after(1), get(A).after(1)],
        ),
        bypass("bypass/own-set", &[load(A), set(A), get(A).after(1)]),
        bypass("bypass/own-set-load", &[load(A), set(A), load(A), get(A)]),
        bypass("bypass/own-expire", &[load(A), expire(A), get(A)]),
        bypass(
            "bypass/own-tag",
            &[load(A), invalidate_tag(A), get(A).after(1)],
        )
        .tagged(),
        bypass("bypass/own-clear", &[load(A), clear(A), get(A).after(1)]).generations(),
        bypass(
            "bypass/tag-elsewhere",
            &[load(A), invalidate_tag(B), get(A)],
        )
        .tagged(),
        bypass("bypass/set-elsewhere", &[load(A), set(B), get(A), get(B)]),
        bypass("bypass/two-losses", &[load(A), del(), load(A)]).fault(LinkA, 2),
        bypass(
            "bypass/two-losses-own",
            &[load(A), delete(A), get(A).after(1)],
        )
        .fault(LinkA, 2),
        bypass(
            "bypass/new-link-breaks",
            &[load(A), delete(A), get(A).after(1)],
        )
        .fault(NewLinkBreaks, 1),
        bypass("bypass/two-loads", &[load(A), load(B), del()]).waiters(),
        bypass("bypass/load-fails", &[load(A), load(B)])
            .fault(LoadFails, 1)
            .waiters(),
        bypass("bypass/no-lease", &[load(A), del(), get(A)])
            .fault(LinkA, 0)
            .fault(NoLease, 1),
        bypass("bypass/join", &[load(A), del(), join(A), join(A).after(1)]),
        bypass("bypass/promotion", &[get(A), del(), get(A), delete(A)]).first(Fresh, &[A]),
        bypass("bypass/promotion-tag", &[get(A), invalidate_tag(A), get(A)])
            .first(Fresh, &[A])
            .tagged(),
        serve("serve/foreign-del", &[get(A), del(), get(A)]),
        serve("serve/time", &[get(A), del()])
            .fault(ServedOver, 1)
            .fault(NewLinkBreaks, 1),
        serve("serve/own-del", &[delete(A), get(A).after(0), get(A)]),
        serve("serve/own-set", &[set(A), get(A).after(0), get(A)]),
        serve(
            "serve/own-tag",
            &[invalidate_tag(A), get(A).after(0), get(A)],
        )
        .tagged(),
        serve(
            "serve/own-tag-load",
            &[load(A), invalidate_tag(A), get(A).after(1)],
        )
        .tagged(),
        serve("serve/own-clear", &[clear(A), get(A).after(0), get(A)]).generations(),
        serve("serve/load", &[load(A), del(), get(A)])
            .first(Stale, &[A, B])
            .fault(BlindOver, 1)
            .fault(ServedOver, 1),
        serve("serve/load-own-del", &[load(A), delete(A), get(A).after(1)]).first(Stale, &[A]),
        serve(
            "serve/new-link-breaks",
            &[delete(A), get(A).after(0), get(A)],
        )
        .fault(NewLinkBreaks, 1)
        .fault(ServedOver, 1),
    ]
}
