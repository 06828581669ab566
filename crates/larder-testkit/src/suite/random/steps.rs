//! The steps that random lists are made of. Few keys, few times and few schema versions, so that steps
//! meet; names as short as a shrunk list should be to read.

use std::time::Duration;

use proptest::prelude::*;

use crate::Subject;

/// What a single operation and an operation of a batch can be.
#[derive(Clone, Debug)]
pub(super) enum Single {
    Get(&'static str),
    Head(&'static str),
    Set(&'static str, Life, u32),
    SetCounter(&'static str, Life),
    SetAbsence(&'static str, Life),
    Delete(&'static str),
    Invalidate(&'static str),
    Expire(&'static str, Life),
    Increment(&'static str, i64, Life),
    SetIfAbsent(&'static str, Life, u32),
    /// Replaces the entry that is there, or one that isn't.
    ReplaceIf(&'static str, Known),
    Take(&'static str),
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    One(Single, Sees),
    Batch(Vec<Single>, Sees),
    Scan,
    Peek(&'static str),
    PutNow(&'static str, Life, u32),
    ForgetNow(&'static str),
    Lease(&'static str, Mode, Life, Sees),
    /// The token of the how-manieth lease, counted round, with a schema version.
    Fill(usize, u32),
    Release(usize),
    /// Begins another generation: what was stored and leased before is nobody's.
    Clear,
    /// Lets a moment pass.
    Pass,
}

/// How long an entry or a lease lives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Life {
    Long,
    /// Gone after a moment.
    Moment,
    /// Stale after a moment, gone after two.
    Stale,
    /// Stale after a moment, for long.
    LongStale,
}

impl Life {
    /// How long it is fresh, and how long stale after that.
    pub(super) fn fresh_and_stale(self) -> (Duration, Duration) {
        let (moment, long) = (Subject::MOMENT, Subject::LONG);
        match self {
            Self::Long => (long, Duration::ZERO),
            Self::Moment => (moment, Duration::ZERO),
            Self::Stale => (moment, moment),
            Self::LongStale => (moment, long),
        }
    }
}

/// Which schema version counts as present.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sees {
    All,
    Only(u32),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    Present,
    Unknown,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    Load,
    Refresh,
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "d"])
}

fn life() -> impl Strategy<Value = Life> {
    prop::sample::select(vec![Life::Long, Life::Moment, Life::Stale, Life::LongStale])
}

fn schema() -> impl Strategy<Value = u32> {
    1..3u32
}

fn sees() -> impl Strategy<Value = Sees> {
    prop_oneof![3 => Just(Sees::All), 1 => schema().prop_map(Sees::Only)]
}

fn single() -> impl Strategy<Value = Single> {
    let by = prop_oneof![4 => -3..4i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    let known = prop::sample::select(vec![Known::Present, Known::Unknown]);
    prop_oneof![
        6 => key().prop_map(Single::Get),
        1 => key().prop_map(Single::Head),
        5 => (key(), life(), schema()).prop_map(|(key, life, schema)| Single::Set(key, life, schema)),
        1 => (key(), life()).prop_map(|(key, life)| Single::SetCounter(key, life)),
        1 => (key(), life()).prop_map(|(key, life)| Single::SetAbsence(key, life)),
        2 => key().prop_map(Single::Delete),
        1 => key().prop_map(Single::Invalidate),
        2 => (key(), life()).prop_map(|(key, life)| Single::Expire(key, life)),
        3 => (key(), by, life()).prop_map(|(key, by, life)| Single::Increment(key, by, life)),
        2 => (key(), life(), schema()).prop_map(|(key, life, schema)| Single::SetIfAbsent(key, life, schema)),
        2 => (key(), known).prop_map(|(key, known)| Single::ReplaceIf(key, known)),
        1 => key().prop_map(Single::Take),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop::sample::select(vec![Mode::Load, Mode::Refresh]);
    prop_oneof![
        16 => (single(), sees()).prop_map(|(single, sees)| Step::One(single, sees)),
        2 => (prop::collection::vec(single(), 0..5), sees())
            .prop_map(|(singles, sees)| Step::Batch(singles, sees)),
        1 => Just(Step::Scan),
        2 => key().prop_map(Step::Peek),
        1 => (key(), life(), schema()).prop_map(|(key, life, schema)| Step::PutNow(key, life, schema)),
        1 => key().prop_map(Step::ForgetNow),
        5 => (key(), mode, life(), sees())
            .prop_map(|(key, mode, life, sees)| Step::Lease(key, mode, life, sees)),
        5 => (0..16usize, schema()).prop_map(|(token, schema)| Step::Fill(token, schema)),
        1 => (0..16usize).prop_map(Step::Release),
        1 => Just(Step::Clear),
        3 => Just(Step::Pass),
    ]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}
