//! Tags and generations: whatever is invalidated by a version.

use crate::situation::Fault::{BeatA, GenerationEvicted, LeaseExpires, TagEvicted};
use crate::situation::First::{Fresh, Stale};
use crate::situation::Made::{AtBegin, WithStamps};
use crate::situation::{
    A, Action, B, Situation, clear, foreign, get, invalidate_tag, join, load, set,
};

pub(super) fn situations() -> Vec<Situation> {
    [tags(), generations()].concat()
}

fn tags() -> Vec<Situation> {
    let situation = Situation::new;
    vec![
        situation(
            "tag/load-inv",
            &[load(A), invalidate_tag(B), get(A), get(B)],
        )
        .tagged(),
        situation(
            "tag/own-inv",
            &[
                load(A),
                invalidate_tag(A),
                get(A).after(1),
                join(A).after(1),
            ],
        )
        .tagged(),
        situation(
            "tag/two-invs",
            &[load(B), invalidate_tag(A), invalidate_tag(A), get(A)],
        )
        .tagged(),
        situation(
            "tag/cold-caches",
            &[get(A), invalidate_tag(B), get(A), load(A)],
        )
        .first(Fresh, &[])
        .tagged()
        .cold(),
        situation("tag/first-use", &[load(A), load(B), invalidate_tag(B)])
            .fault(TagEvicted, 1)
            .tagged()
            .cold()
            .without_marker(),
        situation(
            "tag/set-race",
            &[set(A), invalidate_tag(B).same(), get(A), get(B)],
        )
        .tagged(),
        situation(
            "tag/set-stamped",
            &[set(A).made(WithStamps), invalidate_tag(B), get(B)],
        )
        .tagged(),
        situation(
            "tag/set-late",
            &[set(A).made(AtBegin), invalidate_tag(B), get(B)],
        )
        .tagged(),
        situation(
            "tag/set-late-cold",
            &[set(A).made(AtBegin), invalidate_tag(B), get(B)],
        )
        .tagged()
        .cold(),
        situation(
            "tag/set-after-inv",
            &[invalidate_tag(B).same(), set(A).after(0)],
        )
        .tagged()
        .set_expected(),
        situation(
            "tag/valid-set-and-load",
            &[invalidate_tag(B).same(), set(B).after(0).same(), load(A)],
        )
        .tagged()
        .set_expected()
        .at_rest(),
        situation(
            "tag/valid-set-and-get",
            &[invalidate_tag(B).same(), set(B).after(0).same(), get(A)],
        )
        .first(Fresh, &[A, B])
        .tagged()
        .set_expected()
        .at_rest(),
        situation("tag/evict", &[load(A), invalidate_tag(B), get(B)])
            .first(Fresh, &[A, B])
            .fault(TagEvicted, 2)
            .tagged(),
    ]
}

fn generations() -> Vec<Situation> {
    let situation = Situation::new;
    let flush = foreign(Action::Flush);
    vec![
        situation("clear/load", &[load(A), clear(B), get(A), get(B)]).generations(),
        situation("clear/beat", &[get(A), clear(B), get(A)])
            .first(Fresh, &[B])
            .fault(BeatA, 1)
            .generations(),
        situation("clear/set-race", &[clear(B).same(), set(A).same(), get(B)]).generations(),
        situation("clear/evict", &[load(A), clear(B), load(B)])
            .first(Fresh, &[A, B])
            .fault(GenerationEvicted, 1)
            .generations(),
        situation("clear/set-after", &[clear(B).same(), set(A).after(0)])
            .generations()
            .set_expected(),
        situation("both/load", &[load(A), invalidate_tag(B), clear(A)])
            .first(Stale, &[A, B])
            .fault(TagEvicted, 1)
            .tagged()
            .generations(),
        situation("flushall/load", &[load(A), flush, get(A)])
            .first(Stale, &[A, B])
            .generations(),
        situation("flushall/two-nodes", &[load(A), flush, load(B).after(1)])
            .first(Fresh, &[A, B])
            .fault(LeaseExpires, 1)
            .generations(),
        situation("flushall/promote", &[get(A), flush, get(A), clear(B)])
            .first(Fresh, &[B])
            .generations(),
        situation("flushall/tags", &[load(A), flush, invalidate_tag(B)])
            .first(Fresh, &[A, B])
            .tagged()
            .generations(),
    ]
}
