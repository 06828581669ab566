//! What a node does by itself while its link is up: it handles pushes and beats.

use crate::entry::{Mark, Which};
use crate::model::{Model, Steps, node_name, shown};
use crate::situation::{A, Fault};
use crate::state::{Beat, KEY, Look, News, State};
use crate::variant::{Echo, Handler, Heartbeat, LookAgain, LookCompares, NewsDetaches};

impl Model<'_> {
    /// 1.6: one handler, in the order received.
    pub(crate) fn news(&self, s: &State, n: usize, steps: &mut Steps) {
        let node = &s.nodes[n];
        if node.half_told {
            let mut t = *s;
            if self.variant.handler == Handler::MovesThenForgets {
                t.nodes[n].memory = None;
            } else {
                self.move_fences(&mut t, n, KEY);
            }
            t.nodes[n].half_told = false;
            steps.add(t, || {
                format!("{}: the push handler's second half", node_name(n))
            });
        } else if !node.pushes.is_empty() {
            let mut t = *s;
            let Some(news) = t.nodes[n].pushes.pop() else {
                return;
            };
            match news {
                News::Entry => self.told_of_entry(&mut t, n),
                News::Lease => {}
                News::Marker(which) => {
                    self.move_fences(&mut t, n, which.fence());
                    t.nodes[n].known[which.index()] = None;
                    self.detach_told(&mut t, n);
                }
            }
            self.wake(&mut t, n);
            steps.add(t, || {
                let what = match news {
                    News::Entry => "the entry",
                    News::Lease => "the lease",
                    News::Marker(which) => which.name(),
                };
                format!("{}: handles a push for {what}", node_name(n))
            });
        }
        self.look(s, n, steps);
    }

    fn detach_told(&self, t: &mut State, n: usize) {
        if self.variant.news_detaches == NewsDetaches::Yes {
            Self::detach(t, n);
        }
    }

    fn told_of_entry(&self, t: &mut State, n: usize) {
        let own = t.nodes[n].memory.is_some_and(|held| held.mark == Mark::Own);
        if self.variant.handler != Handler::ForgetsThenMoves {
            self.move_fences(t, n, KEY);
        }
        self.detach_told(t, n);
        let node = &mut t.nodes[n];
        match (self.variant.handler, self.variant.echo) {
            (Handler::ForgetsThenMoves, _) => {
                node.memory = None;
                node.half_told = true;
            }
            (Handler::MovesThenForgets, _) => node.half_told = true,
            (Handler::OneStep, Echo::Ignores) if own => {}
            (Handler::OneStep, Echo::Looks) if own => {
                node.look = match node.look {
                    Look::Idle | Look::Due => Look::Due,
                    Look::Answered { head, again } => {
                        let again = again || self.variant.look_again == LookAgain::Always;
                        Look::Answered { head, again }
                    }
                };
            }
            (Handler::OneStep, _) => node.memory = None,
        }
    }

    /// The header of an entry of ours is read, and compared.
    fn look(&self, s: &State, n: usize, steps: &mut Steps) {
        let mut t = *s;
        match s.nodes[n].look {
            Look::Idle => {}
            Look::Due => {
                let head = Self::head(s);
                t.nodes[n].look = Look::Answered { head, again: false };
                let found = s.server.entry;
                steps.add(t, || {
                    format!(
                        "{}: the server answers the header: {}",
                        node_name(n),
                        shown(found)
                    )
                });
            }
            Look::Answered { head, again } => {
                let node = &mut t.nodes[n];
                node.memory = node.memory.filter(|held| {
                    head.is_some_and(|(id, life)| {
                        let lives = self.variant.look_compares == LookCompares::IdAlone
                            || life == held.entry.header;
                        id == held.entry.id && lives
                    })
                });
                node.look = if again { Look::Due } else { Look::Idle };
                steps.add(t, || format!("{}: acts on the header", node_name(n)));
            }
        }
    }

    /// 1.7.1
    pub(crate) fn heartbeat(&self, s: &State, n: usize, steps: &mut Steps) {
        let mut t = *s;
        match s.nodes[n].beat {
            Beat::Idle => {
                if n == A && s.may(Fault::BeatA) {
                    t.spend(Fault::BeatA);
                    t.nodes[n].beat = Beat::Due;
                    steps.add(t, || format!("{}: a heartbeat is due", node_name(n)));
                }
            }
            Beat::Due => {
                let read = s.server.markers[Which::Generation.index()];
                t.nodes[n].beat = Beat::Read(read);
                steps.add(t, || {
                    format!(
                        "{}: the heartbeat reads the generation: {read:?}",
                        node_name(n)
                    )
                });
            }
            Beat::Read(read) => {
                t.nodes[n].beat = Beat::Idle;
                let known = s.nodes[n].known[Which::Generation.index()];
                let differs = known.is_some() && read != known;
                match (self.variant.heartbeat, read) {
                    (_, None) => self.empty(&mut t, n),
                    (Heartbeat::Compares, Some(_)) if differs => self.empty(&mut t, n),
                    (Heartbeat::Adopts, Some(_)) => {
                        t.nodes[n].known[Which::Generation.index()] = read;
                    }
                    _ => {}
                }
                steps.add(t, || format!("{}: acts on the heartbeat", node_name(n)));
            }
        }
    }
}
