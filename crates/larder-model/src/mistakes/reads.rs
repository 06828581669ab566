//! U1 to U19: promotions, own writes, echoes, lifetimes.

use super::{Mistake, mistake};
use crate::checks::Promise::{Lifetime, OwnReads, Told};
use crate::variant::{
    Connection, Echo, ExpireId, ExpireMemory, Handler, LookAgain, LookCompares, Moves,
    PromotedLife, Promotion, ReadFrom, Sampled, SetKeeps, Touch,
};

pub(super) const MISTAKES: &[Mistake] = &[
    mistake(
        "U1",
        "the fence is sampled after the reply",
        |v| v.sampled = Sampled::AfterReply,
        "promote/foreign-del",
        Told,
    ),
    mistake(
        "U2",
        "promotion without a fence",
        |v| v.promotion = Promotion::Unfenced,
        "promote/foreign-del",
        Told,
    ),
    mistake(
        "U3",
        "the fence is compared, and the insert is a second step",
        |v| v.promotion = Promotion::TwoSteps,
        "grain/promote",
        Told,
    ),
    mistake(
        "U4",
        "insert, look at the fence again, remove",
        |v| v.promotion = Promotion::ThenLook,
        "promote/own-del",
        OwnReads,
    ),
    mistake(
        "U5",
        "the push handler forgets, and then moves the fence",
        |v| v.handler = Handler::ForgetsThenMoves,
        "grain/promote",
        Told,
    ),
    mistake(
        "U6",
        "a replica's answer is promoted",
        |v| v.read_from = ReadFrom::Replica,
        "promote/replica",
        Told,
    ),
    mistake(
        "U7",
        "own writes move the fence before they are sent, and no more",
        |v| v.moves = Moves::Before,
        "promote/own-del",
        OwnReads,
    ),
    mistake(
        "U7",
        "the same for a set",
        |v| v.moves = Moves::Before,
        "promote/own-set",
        OwnReads,
    ),
    mistake(
        "U8",
        "own writes never move the fence",
        |v| v.moves = Moves::Never,
        "promote/own-del",
        OwnReads,
    ),
    mistake(
        "U9",
        "a set enters memory whatever its fence says",
        |v| v.set_keeps = SetKeeps::Unfenced,
        "sets/same-node",
        Told,
    ),
    mistake(
        "U10",
        "a set whose fence has moved leaves memory as it is",
        |v| v.set_keeps = SetKeeps::FencedOrLeaves,
        "sets/same-node",
        Told,
    ),
    mistake(
        "U11",
        "an echo is ignored where memory holds an entry of ours",
        |v| v.echo = Echo::Ignores,
        "echo/foreign-del",
        Told,
    ),
    mistake(
        "U12",
        "the same for own sets",
        |v| v.echo = Echo::Ignores,
        "echo/set-own",
        Told,
    ),
    mistake(
        "U13",
        "news that comes while the header is being read causes no other read",
        |v| v.look_again = LookAgain::NotWhileLooking,
        "echo/two-foreign",
        Told,
    ),
    mistake(
        "U14",
        "the header's id alone is compared, and an expire keeps it",
        |v| {
            v.look_compares = LookCompares::IdAlone;
            v.expire_id = ExpireId::Kept;
        },
        "life/expire-elsewhere",
        Lifetime,
    ),
    mistake(
        "U15",
        "the header's id alone is compared, and somebody shortens the life",
        |v| v.look_compares = LookCompares::IdAlone,
        "life/foreign-expire",
        Lifetime,
    ),
    mistake(
        "U15",
        "a promotion believes the life that the header tells",
        |v| v.promoted_life = PromotedLife::Header,
        "life/foreign-expire",
        Lifetime,
    ),
    mistake(
        "U16",
        "an own expire, a plain command, adjusts the entry in memory",
        |v| {
            v.expire_memory = ExpireMemory::Adjusts;
            v.expire_id = ExpireId::Kept;
        },
        "life/expire-set",
        Told,
    ),
    mistake(
        "U17",
        "a time to live is lengthened by a plain command",
        |v| v.touch = Touch::Plain,
        "life/touch",
        Told,
    ),
    mistake(
        "U18",
        "a tag's marker is kept hot by a plain command",
        |v| v.touch = Touch::Plain,
        "life/touch-tag",
        Told,
    ),
    mistake(
        "U19",
        "two memory tiers of a namespace share a connection",
        |v| v.connection = Connection::Shared,
        "promote/del-elsewhere",
        Told,
    ),
];
