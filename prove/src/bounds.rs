//! The bounds that histories are held to, and what they are made of.

use crate::moment::{Moment, millis};

/// How often a node tries its link, and how long it waits for the answer.
pub(crate) const HEARTBEAT: Moment = millis(250);

/// After so long a stretch without anything in the way a node has heard of what was done before it. The server
/// tells of a change before it answers whoever made it; the rest is the time of a few tasks on a busy machine.
pub(crate) const DELAY: Moment = millis(250);

/// After so much time in which it ran a node has noticed that its link is dead, and serves nothing from before:
/// two heartbeats, and what a busy machine takes to act on it.
pub(crate) const BLIND: Moment = 2 * HEARTBEAT + DELAY;

/// How far the times of an entry may be off: by the offset of the server's clock, as it is measured by a heartbeat
/// whose way there took longer than its way back, and by a slow task.
pub(crate) const CLOCK: Moment = millis(250);

/// How often a process looks whether it runs, and how late that may be before it counts as a stall.
pub(crate) const TICK: Moment = millis(10);
pub(crate) const STALL: Moment = millis(60);
