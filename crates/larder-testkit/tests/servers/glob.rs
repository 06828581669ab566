//! [`Pattern`] means what Redis means by a pattern.

use std::collections::BTreeSet;

use larder_core::Pattern;
use larder_testkit::{RedisClient, RedisServer};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Every character that means something, some that don't, and one of two bytes.
const ALPHABET: &[char] = &['*', '?', '[', ']', '^', '-', '\\', 'a', 'b', 'c', 'é'];

/// Patterns that random ones seldom hit.
const CORNERS: &[&str] = &[
    "", "*", "**", "?", "[", "[^", "[]", "[^]", "[]a", "[^]a", "[a", "[a-", "[a-c", "[c-a]",
    "[a-]", "[-a]", "[a-c-]", "[^a-c]", "[^^]", "[\\]]", "[\\", "[a\\", "[\\a-c]", "[a-\\c]",
    "[]-a]", "[--a]", "[a-]]", "\\", "\\\\", "\\*", "a\\", "*\\", "*[", "*[^", "a*b*c", "*a*b",
    "[é]", "[^é]", "[a-é]", "é", "??", "???", "[*]", "[?]", "[[]", "*]",
];

/// Whether the answer depends on what Redis was compiled for. It compares the ends of a range as C's `char`,
/// which is signed on some processors and unsigned on others; that matters if one end is ASCII and the other
/// isn't.
fn depends_on_the_processor(pattern: &str) -> bool {
    pattern.contains("é-") || pattern.contains("-é")
}

/// A server with all keys, and what it and we say of a pattern.
struct Jury {
    keys: BTreeSet<String>,
    client: RedisClient,
    _server: RedisServer,
}

impl Jury {
    fn of(keys: BTreeSet<String>) -> Self {
        let server = RedisServer::start();
        let mut client = server.client();
        let set = |key: &String| vec![b"SET".to_vec(), key.clone().into_bytes(), vec![]];
        let commands: Vec<_> = keys.iter().map(set).collect();
        client.pipeline(&commands).expect("the server answers");
        Self {
            keys,
            client,
            _server: server,
        }
    }

    /// How many pairs of this pattern and a key there were, or a key on which we and the server differ.
    fn agree_on(&mut self, pattern: &str) -> Result<usize, String> {
        if depends_on_the_processor(pattern) {
            return Ok(0);
        }
        let reply = self.client.command(&["KEYS", pattern]);
        let theirs: BTreeSet<String> = reply
            .expect("the server answers")
            .texts()
            .into_iter()
            .collect();
        let ours = Pattern::new(pattern).expect("it is short");
        for key in &self.keys {
            let (we, they) = (ours.matches(key), theirs.contains(key));
            if we != they {
                return Err(format!(
                    "{pattern:?} on {key:?}: Redis says {they}, `Pattern` says {we}"
                ));
            }
        }
        Ok(self.keys.len())
    }
}

/// All texts of one or two characters, and some longer ones. Not the empty one: no key of larder's is empty,
/// and Redis has two answers to it (`KEYS *` finds it, `KEYS **` doesn't).
fn keys() -> BTreeSet<String> {
    let mut keys: BTreeSet<String> = BTreeSet::from([String::new()]);
    for _ in 0..2 {
        let longer = keys
            .iter()
            .flat_map(|key| ALPHABET.iter().map(move |c| format!("{key}{c}")));
        keys = keys.iter().cloned().chain(longer).collect();
    }
    let longer = [
        "abc",
        "aabbcc",
        "a*b",
        "[a-c]",
        "a\\b",
        "éa",
        "ébc",
        "abcabcabc",
        "a]b",
        "^a-",
        "-a-c",
    ];
    keys.remove("");
    keys.extend(longer.map(str::to_owned));
    keys
}

#[test]
fn a_pattern_matches_what_it_matches_in_redis() {
    let mut jury = Jury::of(keys());
    for pattern in CORNERS {
        jury.agree_on(pattern).unwrap();
    }
    let jury = std::cell::RefCell::new(jury);
    let pairs = std::cell::Cell::new(0);
    let patterns =
        prop::collection::vec(prop::sample::select(ALPHABET), 0..10).prop_map(String::from_iter);
    let mut runner = TestRunner::new(Config {
        cases: 5_000,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&patterns, |pattern| {
        let agreed = jury.borrow_mut().agree_on(&pattern);
        pairs.set(pairs.get() + agreed.map_err(TestCaseError::fail)?);
        Ok(())
    });
    if let Err(difference) = outcome {
        panic!("{difference}");
    }
    assert!(pairs.get() > 100_000, "only {} pairs", pairs.get());
}

#[test]
fn keys_that_fit_a_pattern_are_found_by_both() {
    // Random patterns seldom fit random keys: here each key is made from its pattern.
    let mut random = fastrand::Rng::with_seed(7);
    let pairs: Vec<(String, String)> = (0..1_500).map(|_| pattern_and_key(&mut random)).collect();
    let keys = pairs.iter().map(|(_, key)| key.clone());
    let mut jury = Jury::of(keys.filter(|key| !key.is_empty()).collect());
    for (pattern, _) in &pairs {
        jury.agree_on(pattern).unwrap();
    }
}

fn pattern_and_key(random: &mut fastrand::Rng) -> (String, String) {
    let (mut pattern, mut key) = (String::new(), String::new());
    for _ in 0..random.usize(1..6) {
        let c = ALPHABET[random.usize(..ALPHABET.len())];
        let other = ALPHABET[random.usize(..ALPHABET.len())];
        match random.u8(..6) {
            0 => {
                pattern.push('*');
                key.extend([c, other].iter().take(random.usize(..3)));
            }
            1 => {
                // One for each byte.
                pattern.extend(std::iter::repeat_n('?', c.len_utf8()));
                key.push(c);
            }
            2 => {
                pattern.extend(['\\', c]);
                key.push(c);
            }
            3 => {
                pattern.extend(['[', c, other, ']']);
                key.push(c);
            }
            4 => {
                pattern.extend(['[', c, '-', other, ']']);
                key.push(if random.bool() { c } else { other });
            }
            _ => {
                pattern.extend(['[', '^', other, ']']);
                key.push(c);
            }
        }
    }
    (pattern, key)
}
