//! U20 to U36, as far as they apply to a lease that is a placeholder: loads, fills, flights, waiting.

use super::{Mistake, mistake};
use crate::checks::Promise::{NoLateFill, OwnReads, Progress, Told};
use crate::variant::{
    DeleteEnds, Detaches, FillAccepts, FillFence, ForeignId, Joined, NewsDetaches, OwnWriteWakes,
    RefusedFill, Registers, Renewal, TrustWakes, Wakes,
};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake(
        "R6",
        "news detaches no flight, and who comes after it joins",
        |v| v.news_detaches = NewsDetaches::No,
        "load/del-elsewhere",
        OwnReads,
    ),
    mistake(
        "U21",
        "one id for all foreign strings",
        |v| v.foreign_id = ForeignId::OneForAll,
        "load/raw",
        NoLateFill,
    ),
    mistake(
        "U23",
        "a refresh's fill goes by its lease alone",
        |v| v.fill_accepts = FillAccepts::LeaseAlone,
        "refresh/foreign-del",
        NoLateFill,
    ),
    mistake(
        "U27",
        "a delete takes a placeholder for absent and leaves it",
        |v| v.delete_ends = DeleteEnds::EntriesAlone,
        "load/del-elsewhere",
        NoLateFill,
    ),
    mistake(
        "U28",
        "memory keeps what the server has refused",
        |v| v.refused_fill = RefusedFill::Keeps,
        "load/del-elsewhere",
        Told,
    ),
    mistake(
        "U29",
        "what was filled enters memory without a fence",
        |v| v.fill_fence = FillFence::Ignored,
        "load/own-del",
        OwnReads,
    ),
    mistake(
        "U30",
        "a lease is renewed by a SET",
        |v| v.renewal = Renewal::Recreates,
        "load/del-elsewhere",
        NoLateFill,
    ),
    mistake(
        "U32",
        "a flight is joined that an invalidation has overtaken",
        |v| v.joined = Joined::Any,
        "load/own-del",
        OwnReads,
    ),
    mistake(
        "U33",
        "own writes detach no flight",
        |v| v.detaches = Detaches::Never,
        "load/own-del",
        OwnReads,
    ),
    mistake(
        "U34",
        "waiters are woken by pushes alone, and register after the reply",
        |v| {
            v.wakes = Wakes::Pushes;
            v.registers = Registers::AfterReply;
        },
        "load/two-nodes",
        Progress,
    ),
    mistake(
        "U35",
        "waiters are woken by pushes alone, and own writes wake nobody",
        |v| {
            v.wakes = Wakes::Pushes;
            v.own_write_wakes = OwnWriteWakes::No;
        },
        "wait/own-del",
        Progress,
    ),
    mistake(
        "U36",
        "waiters are woken by pushes alone, and regained trust wakes nobody",
        |v| {
            v.wakes = Wakes::Pushes;
            v.trust_wakes = TrustWakes::No;
        },
        "wait/link",
        Progress,
    ),
];
