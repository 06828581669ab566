//! When what happens. A run is a row of periods, most of them a storm of writes on a few keys and a calm in which
//! everybody reads: what a race has left behind in the storm is found in the calm.

use crate::keys::{KEYS, KeyIndex};
use crate::moment::{Moment, millis};

const PERIOD: Moment = millis(1_100);
const STORM: Moment = millis(450);
/// One period of so many is quiet: entries end by themselves, and a node that hears nothing isn't told so by
/// an answer that it waits for in vain.
const QUIET: u64 = 3;
/// How many keys a storm is about.
const HOT: usize = 2;

/// The rhythm of a run, the same in every process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    pub(crate) seed: u64,
    pub(crate) begin: Moment,
}

impl Rhythm {
    fn period(self, at: Moment) -> u64 {
        at.saturating_sub(self.begin) / PERIOD
    }

    /// Whether writers write now.
    pub(crate) fn is_storm(self, at: Moment) -> bool {
        let is_early = at.saturating_sub(self.begin) % PERIOD < STORM;
        is_early && !self.is_quiet(at)
    }

    /// Whether nothing is done now but to look up what is there.
    pub(crate) fn is_quiet(self, at: Moment) -> bool {
        self.period(at) % QUIET == QUIET - 1
    }

    /// When the next period begins.
    pub(crate) fn next_period(self, at: Moment) -> Moment {
        self.begin + (self.period(at) + 1) * PERIOD
    }

    /// A key: mostly one of those that the storm is about.
    pub(crate) fn key(self, at: Moment, random: &mut fastrand::Rng) -> KeyIndex {
        let any = |random: &mut fastrand::Rng| random.usize(..KEYS.len());
        let index = if random.u8(..10) < 8 {
            let mut period = fastrand::Rng::with_seed(self.seed ^ (self.period(at) << 32));
            let hot: [usize; HOT] = std::array::from_fn(|_| any(&mut period));
            hot[random.usize(..HOT)]
        } else {
            any(random)
        };
        KeyIndex::try_from(index).unwrap_or_default()
    }
}
