//! Another program that uses the same server and knows nothing of caches, and one that only looks.

use std::sync::atomic::{AtomicU64, Ordering};

use larder_testkit::{RedisClient, Reply};

use crate::history::{Event, Outcome, What};
use crate::keys::{KEYS, KeyIndex, indexes, spec};
use crate::moment::{millis, now, pause};
use crate::stage::Stage;
use crate::stamp::Stamp;

/// Numbers the parent's operations.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// Does something to all keys, and notes it. `done` answers whether it is.
pub(crate) fn noted(stage: &Stage, what: What, done: impl FnOnce() -> bool) {
    noted_on(stage, what, indexes().collect(), done);
}

/// Deletes a key that has changed, and notes it.
pub(crate) fn delete(stage: &Stage, key: KeyIndex) {
    stage.origin.write(key);
    noted_on(stage, What::ForeignDelete, vec![key], || {
        let name = spec(key).stored_name();
        let client = stage.server.try_client();
        client.is_ok_and(|mut client| client.command(&["DEL", &name]).is_ok())
    });
}

fn noted_on(stage: &Stage, what: What, keys: Vec<KeyIndex>, done: impl FnOnce() -> bool) {
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    stage.recorder.record(&Event::Invoked {
        at: now(),
        number,
        worker: 0,
        what,
        keys,
        stamp: None,
        ttl: None,
    });
    let outcome = if done() {
        Outcome::Done
    } else {
        Outcome::Failed("no answer".to_owned())
    };
    stage.recorder.record(&Event::Completed {
        at: now(),
        number,
        outcome,
        seen: Vec::new(),
    });
}

/// One connection, made anew when it is lost.
struct Client<'a> {
    stage: &'a Stage,
    client: Option<RedisClient>,
}

impl Client<'_> {
    fn pipeline(&mut self, commands: &[Vec<Vec<u8>>]) -> Option<Vec<Reply>> {
        if self.client.is_none() {
            self.client = self.stage.server.try_client().ok();
        }
        let replies = self.client.as_mut()?.pipeline(commands).ok();
        if replies.is_none() {
            self.client = None;
        }
        replies
    }

    fn done(&mut self, words: &[&str]) -> bool {
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let replies = self.pipeline(&[words]);
        replies.is_some_and(|replies| !matches!(replies[..], [Reply::Error(_)]))
    }
}

/// Meddles in the storms.
pub(crate) fn meddle(stage: &Stage) {
    let mut random = fastrand::Rng::with_seed(stage.rhythm.seed ^ 0xf0e);
    let mut client = Client {
        stage,
        client: None,
    };
    let mut garbage: Option<KeyIndex> = None;
    while !stage.is_over.load(Ordering::Relaxed) {
        pause(millis(random.u64(3..50)));
        let name = |key: KeyIndex| spec(key).stored_name();
        if let Some(key) = garbage.take() {
            // What isn't ours is left alone by the caches, so that nothing would be stored there any more.
            let done = || client.done(&["DEL", &name(key)]);
            noted_on(stage, What::ForeignDelete, vec![key], done);
        }
        if !stage.rhythm.is_storm(now()) {
            // The server doesn't end it any more, and tells everybody of that: who reads it again, late in its
            // life, must still know when it ends.
            let short = indexes().filter(|key| spec(*key).space == "short");
            let key = random.choice(short.collect::<Vec<_>>());
            if let Some(key) = key.filter(|_| random.u8(..4) == 0) {
                noted_on(stage, What::ForeignExpire, vec![key], || {
                    client.done(&["PERSIST", &name(key)])
                });
            }
            continue;
        }
        let key = stage.rhythm.key(now(), &mut random);
        if random.bool() {
            stage.origin.write(key);
        }
        match random.u8(..20) {
            0..12 => noted_on(stage, What::ForeignDelete, vec![key], || {
                client.done(&["DEL", &name(key)])
            }),
            12..14 => {
                noted_on(stage, What::ForeignSet, vec![key], || {
                    client.done(&["SET", &name(key), "garbage"])
                });
                garbage = Some(key);
            }
            _ => {
                let left = random.u64(1..300).to_string();
                noted_on(stage, What::ForeignExpire, vec![key], || {
                    client.done(&["PEXPIRE", &name(key), &left])
                });
            }
        }
    }
}

/// Looks again and again at what the server has, through none of the code under test.
pub(crate) fn look(stage: &Stage, is_over: impl Fn() -> bool) {
    let mut client = Client {
        stage,
        client: None,
    };
    let commands: Vec<Vec<Vec<u8>>> = KEYS
        .iter()
        .map(|key| vec![b"GET".to_vec(), key.stored_name().into_bytes()])
        .collect();
    while !is_over() {
        pause(millis(15));
        let from = now();
        let Some(replies) = client.pipeline(&commands) else {
            continue;
        };
        let there = replies.into_iter().map(|reply| match reply {
            Reply::Bulk(bytes) => Stamp::find(&bytes),
            _ => None,
        });
        stage.recorder.record(&Event::Looked {
            from,
            to: now(),
            there: there.collect(),
        });
    }
}
