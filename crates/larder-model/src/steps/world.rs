//! What happens by itself: rounds end, things expire or are evicted, a replica catches up or takes over.

use crate::entry::{Life, Which};
use crate::model::{Model, Steps};
use crate::situation::Fault;
use crate::state::{Link, News, Queue, Queued, State, Writer};

impl Model<'_> {
    pub(crate) fn world(&self, s: &State, steps: &mut Steps) {
        if s.round.iter().any(Option::is_some) {
            let mut t = *s;
            for news in News::ALL {
                if let Some(writer) = t.round[news.index()].take() {
                    self.dispatch(&mut t, news, writer);
                }
            }
            steps.add(t, || {
                "the server: the round ends, its pushes leave".to_owned()
            });
        }
        self.expire_lease(s, steps);
        self.expire_entry(s, steps);
        for which in Which::BOTH {
            let fault = match which {
                Which::Tag => Fault::TagEvicted,
                Which::Generation => Fault::GenerationEvicted,
            };
            if s.server.markers[which.index()].is_some() && s.may(fault) {
                let mut t = *s;
                t.spend(fault);
                t.server.markers[which.index()] = None;
                self.tell(&mut t, News::Marker(which), Writer::Other);
                steps.add(t, || {
                    format!("the server: evicts the {} marker", which.name())
                });
            }
        }
        if self.situation.replicated {
            Self::replicate(s, steps);
        }
    }

    fn expire_lease(&self, s: &State, steps: &mut Steps) {
        let Some(holder) = s.server.lease else {
            return;
        };
        let dead = s.ops[usize::from(holder)].at == crate::state::At::Done;
        if !dead && !s.may(Fault::LeaseExpires) {
            return;
        }
        let mut t = *s;
        if !dead {
            t.spend(Fault::LeaseExpires);
        }
        self.end_lease(&mut t, Writer::Other);
        steps.add(t, || "the server: the refresh lease expires".to_owned());
    }

    fn expire_entry(&self, s: &State, steps: &mut Steps) {
        let Some(entry) = s.server.entry else {
            return;
        };
        let mortal = entry.is_placeholder() && entry.life != Life::Never;
        let dead = mortal && self.is_dead(s, entry.id);
        let fault = if mortal && s.may(Fault::LeaseExpires) {
            Fault::LeaseExpires
        } else {
            Fault::EntryExpires
        };
        if !dead && !s.may(fault) {
            return;
        }
        let mut t = *s;
        if !dead {
            t.spend(fault);
        }
        self.replace(&mut t, None, Writer::Other);
        steps.add(t, || {
            let what = if entry.is_placeholder() {
                "placeholder expires"
            } else {
                "entry expires or is evicted"
            };
            format!("the server: the {what}")
        });
    }

    fn replicate(s: &State, steps: &mut Steps) {
        if s.replica != Some(s.server) {
            let mut t = *s;
            t.replica = Some(s.server);
            for node in &mut t.nodes {
                node.recent = 0; // Nothing that would have to be repeated.
            }
            steps.add(t, || "the server: its replica catches up".to_owned());
        }
        if let Some(replica) = s.replica
            && s.may(Fault::Failover)
        {
            let mut t = *s;
            t.spend(Fault::Failover);
            t.server = replica;
            t.round = [None; 4];
            for node in &mut t.nodes {
                node.link = Link::Lost;
                node.pushes = Queue::default();
                if node.recent > 0 {
                    node.queued = Some(Queued {
                        value: node.recent,
                        key: true,
                        as_set: false,
                        markers: [false; 2],
                    });
                    node.recent = 0;
                }
            }
            steps.add(t, || {
                "the server: its replica becomes the primary".to_owned()
            });
        }
    }
}
