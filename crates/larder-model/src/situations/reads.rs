//! Promotions and writes that race each other, echoes, lifetimes.

use crate::situation::Fault::{EntryExpires, LeaseExpires};
use crate::situation::First::Fresh;
use crate::situation::invalidate_tag;
use crate::situation::{
    A, Action, B, Situation, del, delete, expire, foreign, get, load, set, touch, touch_tag,
};

pub(super) fn situations() -> Vec<Situation> {
    let situation = Situation::new;
    vec![
        situation("promote/foreign-del", &[get(A), get(A), del(), get(B)]).first(Fresh, &[]),
        situation(
            "promote/own-del",
            &[get(A), get(A), delete(A), get(A).after(2)],
        )
        .first(Fresh, &[]),
        situation(
            "promote/del-elsewhere",
            &[get(A), get(A), delete(B), get(B)],
        )
        .first(Fresh, &[B]),
        situation(
            "promote/set-elsewhere",
            &[get(A), set(B), get(B), del().same()],
        )
        .first(Fresh, &[B]),
        situation(
            "promote/own-set",
            &[get(A), set(A), get(A).after(1), get(B)],
        )
        .first(Fresh, &[]),
        situation("promote/replica", &[get(A), get(A), delete(B)])
            .first(Fresh, &[])
            .replicated(),
        situation("grain/promote", &[get(A), del(), get(A)]).first(Fresh, &[]),
        situation("grain/promote-own", &[get(A), delete(A), del().same()]).first(Fresh, &[]),
        situation(
            "sets/same-node",
            &[set(A).same(), set(A).same(), get(A), set(B).same()],
        )
        .first(Fresh, &[A, B]),
        situation("sets/with-load", &[set(A), load(A), get(A)])
            .fault(LeaseExpires, 1)
            .fault(EntryExpires, 1),
        situation("echo/foreign-del", &[load(A), del(), get(A)]),
        situation("echo/set-elsewhere", &[load(A), set(B), get(A)]),
        situation(
            "echo/two-foreign",
            &[
                load(A),
                foreign(Action::ForeignSet).after(0),
                del().after(0),
            ],
        ),
        situation("echo/set-own", &[set(A), set(B).after(0), get(A), get(A)]),
        situation(
            "life/expire-elsewhere",
            &[load(A), expire(B), get(B), get(A)],
        ),
        situation(
            "life/foreign-expire",
            &[load(A), foreign(Action::ForeignExpire), get(A), get(B)],
        ),
        situation("life/expire-set", &[set(A).same(), expire(B), get(B)]).first(Fresh, &[A, B]),
        situation("life/touch", &[touch(A), set(B), get(A)]).first(Fresh, &[A, B]),
        situation("life/touch-tag", &[touch_tag(A), invalidate_tag(B), get(A)])
            .first(Fresh, &[A, B])
            .tagged(),
    ]
}
