//! A node's link: lost, noticed, connected again, trusted; and what is replayed in between.

use crate::entry::{Entry, Kind, Mark, Which, small};
use crate::model::{Model, Steps, node_name};
use crate::situation::{A, Fault, Policy};
use crate::state::{Link, Look, News, Queue, State, Writer};
use crate::variant::{BlindLife, Replay, ReplayedSet, ServedFrom, Trusts};

impl Model<'_> {
    pub(crate) fn link(&self, s: &State, n: usize, steps: &mut Steps) {
        let node = &s.nodes[n];
        let mut t = *s;
        match node.link {
            Link::Up => {
                let fault = if n == A { Fault::LinkA } else { Fault::LinkB };
                if s.may(fault) {
                    t.spend(fault);
                    t.nodes[n].link = Link::Lost;
                    t.nodes[n].pushes = Queue::default();
                    steps.add(t, || {
                        format!(
                            "{}: its link breaks, pushes are lost, nobody knows",
                            node_name(n)
                        )
                    });
                }
            }
            Link::Lost => {
                self.distrust(&mut t, n);
                steps.add(t, || {
                    format!("{}: notices the lost link, distrusts memory", node_name(n))
                });
            }
            Link::Down => {
                let early = self.variant.trusts == Trusts::BeforeTracking;
                t.nodes[n].link = if early {
                    Link::Untracked
                } else {
                    Link::Tracking
                };
                if early {
                    self.trust(&mut t, n);
                }
                steps.add(t, || {
                    let what = if early {
                        "trusts memory"
                    } else {
                        "tracking is on"
                    };
                    format!("{}: is connected again, {what}", node_name(n))
                });
            }
            Link::Untracked => {
                t.nodes[n].link = Link::Up;
                steps.add(t, || format!("{}: tracking is on", node_name(n)));
            }
            Link::Tracking => {
                if node.queued.is_none() || self.variant.replay != Replay::BeforeTrust {
                    t.nodes[n].link = Link::Up;
                    self.trust(&mut t, n);
                    steps.add(t, || format!("{}: trusts memory again", node_name(n)));
                }
                if s.may(Fault::NewLinkBreaks) {
                    self.break_again(s, n, steps);
                }
            }
        }
        self.replay(s, n, steps);
        if !node.is_trusted() {
            self.pass_time(s, n, steps);
        }
    }

    /// The new connection breaks before it is trusted.
    fn break_again(&self, s: &State, n: usize, steps: &mut Steps) {
        let mut t = *s;
        t.spend(Fault::NewLinkBreaks);
        let node = &mut t.nodes[n];
        node.link = Link::Down;
        node.pushes = Queue::default();
        node.look = Look::Idle;
        if self.variant.served_from == ServedFrom::LatestBreak {
            node.window = self.situation.policy == Policy::ServeFor;
        }
        steps.add(t, || format!("{}: its new link breaks too", node_name(n)));
    }

    fn replay(&self, s: &State, n: usize, steps: &mut Steps) {
        let when = match self.variant.replay {
            Replay::BeforeTrust => Link::Tracking,
            Replay::AfterTrust | Replay::Never => Link::Up,
        };
        let Some(queued) = s.nodes[n].queued.filter(|_| s.nodes[n].link == when) else {
            return;
        };
        let (mut t, writer) = (*s, Writer::Node(small(n)));
        for which in Which::BOTH {
            if queued.markers[which.index()] {
                // Nobody else makes this one.
                t.server.markers[which.index()] = Some(which.made_by(10 + n));
                self.tell(&mut t, News::Marker(which), writer);
                t.nodes[n].known[which.index()] = None;
            }
        }
        if queued.key {
            if queued.as_set && self.variant.replayed_set == ReplayedSet::AsSet {
                let entry = Entry::new(50 + small(n), queued.value, [0; 2], Kind::Fresh);
                self.replace(&mut t, Some(entry), writer);
            } else if t.server.entry.is_some() {
                self.replace(&mut t, None, writer);
            }
        }
        self.move_fences(&mut t, n, crate::state::ALL);
        let node = &mut t.nodes[n];
        node.memory = None;
        node.queued = None;
        node.floor = node.floor.max(queued.value);
        t.completed = t.completed.max(queued.value);
        steps.add(t, || {
            format!(
                "{}: replays what was queued, as an invalidation",
                node_name(n)
            )
        });
    }

    /// What time may end while memory is distrusted.
    fn pass_time(&self, s: &State, n: usize, steps: &mut Steps) {
        if s.may(Fault::BlindOver) && s.nodes[n].memory.is_some() {
            let mut t = *s;
            t.spend(Fault::BlindOver);
            let node = &mut t.nodes[n];
            let bounded = self.variant.blind_life == BlindLife::Bounded;
            node.memory = node
                .memory
                .filter(|held| !(bounded && held.mark == Mark::Blind));
            if let Some(held) = &mut node.memory {
                held.aged = true;
            }
            steps.add(t, || format!("{}: blind_ttl passes", node_name(n)));
        }
        if s.may(Fault::ServedOver) && s.nodes[n].window {
            let mut t = *s;
            t.spend(Fault::ServedOver);
            t.nodes[n].overdue = true;
            if self.variant.served_from != ServedFrom::Reconnect {
                t.nodes[n].window = false;
            }
            steps.add(t, || {
                format!(
                    "{}: the time of serve_for has passed since the loss was noticed",
                    node_name(n)
                )
            });
        }
    }
}
