//! Lost links with nothing served meanwhile, failover, and writers that overlap.

use crate::situation::Fault::{Failover, LinkA, LinkB};
use crate::situation::First::{Fresh, Stale};
use crate::situation::{
    A, Action, B, Situation, clear, del, delete, foreign, get, invalidate_tag, load, set,
};

pub(super) fn situations() -> Vec<Situation> {
    let situation = Situation::new;
    let flush = foreign(Action::Flush);
    let lost = |name, ops: &[_]| {
        Situation::new(name, ops)
            .first(Fresh, &[A, B])
            .fault(LinkA, 1)
    };
    vec![
        lost("link/del-elsewhere", &[get(A), delete(B), get(A)]),
        lost("link/promotions", &[get(A), get(A), set(B), del().same()]).first(Fresh, &[A]),
        lost("link/tag", &[get(A), invalidate_tag(B), get(A)]).tagged(),
        lost(
            "link/own-del",
            &[delete(A), get(A).after(0), get(B), get(A)],
        ),
        lost(
            "link/own-del-queued",
            &[delete(A), get(A).after(0), get(B), load(A).after(0)],
        )
        .queued(),
        lost(
            "link/own-tag",
            &[invalidate_tag(A), get(A).after(0), get(B)],
        )
        .tagged(),
        lost(
            "link/own-clear-queued",
            &[clear(A), get(A).after(0), get(A)],
        )
        .generations()
        .queued(),
        lost("link/own-set", &[set(A), delete(B).after(0), get(B)]).at_rest(),
        lost(
            "link/del-then-set",
            &[delete(A).same(), set(A).after(0).same(), get(B)],
        )
        .at_rest(),
        lost(
            "link/queued-del-then-set",
            &[delete(A).same(), set(A).after(0).same()],
        )
        .queued()
        .set_expected()
        .at_rest(),
        lost("link/flush", &[get(A), flush, get(A)])
            .first(Fresh, &[A])
            .generations(),
        situation("link/load", &[load(A), delete(B), get(A)]).fault(LinkA, 1),
        situation("link/load-queued", &[load(A), delete(A), load(A).after(1)])
            .fault(LinkA, 1)
            .queued(),
        lost("link/refresh", &[load(A), del(), get(A)]).first(Stale, &[A]),
        lost("link/both", &[delete(A), get(B), get(A)]).fault(LinkB, 1),
        situation("failover/del", &[delete(A), get(B), get(A)])
            .first(Fresh, &[A, B])
            .fault(Failover, 1)
            .replicated()
            .at_rest(),
        situation("failover/load", &[delete(A), load(B), get(A)])
            .fault(Failover, 1)
            .replicated()
            .at_rest(),
        situation("failover/load-small", &[delete(A), load(B)])
            .fault(Failover, 1)
            .replicated()
            .at_rest(),
        situation("failover/refresh", &[delete(A), load(B), get(A)])
            .first(Stale, &[A, B])
            .fault(Failover, 1)
            .replicated()
            .at_rest(),
        situation("failover/refresh-small", &[delete(A), load(B)])
            .first(Stale, &[B])
            .fault(Failover, 1)
            .replicated()
            .at_rest(),
        situation("writers/old-set-after-new-delete", &[set(A), delete(B)]).at_rest(),
    ]
}
