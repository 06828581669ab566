//! Leases that are held and renewed, and holders that die: P6 of `docs/decisions/0013-leases.md`.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use larder_core::{
    Backend, Filled, Lease, LeaseMode, LeaseOptions, Namespace, Timestamp, WriteOptions,
};
use larder_redis::Redis;
use larder_testkit::{Direction, FaultProxy, RedisServer, Subject};

use crate::harness::{Heard, Opened, SLACK, eventually, shared_server};

/// How long the server keeps a lease of which it hears nothing.
const ALIVE: Duration = Duration::from_millis(1_500);
/// After so long a dead holder is in nobody's way.
const NOTICED: Duration = Duration::from_secs(2);
/// How long a holder may be dead while its lease is still there, at least.
const NOT_YET: Duration = Duration::from_millis(400);
/// Longer than any test.
const LONG: Duration = Duration::from_secs(60);

/// What tells a process what to do as a holder.
const HOLDER: &str = "LARDER_TEST_HOLDER";

impl Opened {
    async fn lease_by(&self, key: &str, mode: LeaseMode, lasts: Duration) -> Lease {
        let options = LeaseOptions::until(self.within_time(lasts)).with_mode(mode);
        let mut leases = self.redis.lease(&[self.key(key)], &options).await;
        let lease = leases.pop().expect("an answer for each key");
        lease.expect("the server is well")
    }

    /// The lease of a key that another has got; until when it has.
    async fn held(&self, key: &str, mode: LeaseMode) -> Timestamp {
        match self.lease_by(key, mode, LONG).await {
            Lease::Held { until } => until,
            other => panic!("expected that another holds {key}, not {other:?}"),
        }
    }

    /// Asks until the lease is there; how long that took since then, and the lease.
    async fn had_after(&self, since: Instant, key: &str, mode: LeaseMode) -> (Duration, Lease) {
        let mut had = None;
        eventually("the lease can be had", async || {
            let lease = self.lease_by(key, mode, LONG).await;
            had = matches!(lease, Lease::Granted { .. }).then_some(lease);
            had.is_some()
        })
        .await;
        (since.elapsed(), had.expect("it was waited for"))
    }

    /// Where the lease of a key stands.
    fn stands(&self, key: &str, mode: LeaseMode) -> String {
        match mode {
            LeaseMode::Refresh => format!("{}:~l:{{{}}}", self.namespace, self.stored(key)),
            LeaseMode::Load => self.stored(key),
        }
    }
}

fn millis_left(server: &RedisServer, name: &str) -> i64 {
    server.command(&["PTTL", name]).integer()
}

/// Waits until the time that something has left has become longer, so many times.
async fn renewed(server: &RedisServer, name: &str, times: usize) {
    for _ in 0..times {
        let mut last = i64::MAX;
        eventually("it is renewed", async || {
            let left = millis_left(server, name);
            assert!(left > 0, "{name} is to be kept, but has {left} left");
            left > std::mem::replace(&mut last, left)
        })
        .await;
    }
}

/// How often the server has run scripts, and how often they have made something last longer.
fn scripts_and_renewals(server: &RedisServer) -> [u64; 2] {
    let info = server.command(&["INFO", "commandstats"]).text();
    ["evalsha", "pexpire"].map(|name| {
        let begins = format!("cmdstat_{name}:calls=");
        let line = info.lines().find_map(|line| line.strip_prefix(&begins));
        let calls = line.and_then(|line| line.split(',').next()?.parse().ok());
        calls.unwrap_or(0)
    })
}

const MODES: [LeaseMode; 2] = [LeaseMode::Load, LeaseMode::Refresh];

/// Two stores, and an entry where there is something to be refreshed.
async fn two(server: &RedisServer, mode: LeaseMode) -> [Opened; 2] {
    let namespace = Subject::new_namespace();
    let one = Opened::within(Redis::builder(server.url()), &namespace).await;
    let other = Opened::within(Redis::builder(server.url()), &namespace).await;
    if mode == LeaseMode::Refresh {
        one.set("a", "old").await.expect("the server is well");
    }
    [one, other]
}

#[tokio::test]
async fn p6_a_lease_is_kept_while_its_store_lives() {
    let server = shared_server();
    for mode in MODES {
        let [holder, other] = two(&server, mode).await;
        let Lease::Granted { token, .. } = holder.lease_by("a", mode, LONG).await else {
            panic!("nobody else is there")
        };
        let until = holder.within_time(LONG);
        let granted = Instant::now();
        let name = holder.stands("a", mode);
        let left = millis_left(&server, &name);
        assert!(left <= 1_500, "{left} ms, should the holder die");
        while granted.elapsed() < 2 * ALIVE {
            let told = other.held("a", mode).await;
            let apart = told.saturating_since(until) + until.saturating_since(told);
            assert!(apart < SLACK, "others learn when the lease itself ends");
            renewed(&server, &name, 1).await;
        }
        let filled = holder.fill(token, holder.entry("new")).await.unwrap();
        assert_eq!(filled, Filled::Stored, "{mode:?}");
        let left = millis_left(&server, &holder.stored("a"));
        assert!(left > 3_000_000, "the entry has its own time, not {left}");
    }
}

#[tokio::test]
async fn a_lease_ends_at_its_time_though_its_store_lives() {
    let server = shared_server();
    let lasts = ALIVE + Duration::from_millis(700);
    for mode in MODES {
        let [holder, other] = two(&server, mode).await;
        let asked = Instant::now();
        let lease = holder.lease_by("a", mode, lasts).await;
        assert!(matches!(lease, Lease::Granted { .. }));
        let (took, _) = other.had_after(asked, "a", mode).await;
        assert!(
            took + Duration::from_millis(50) > lasts && took < lasts + SLACK,
            "{mode:?}: after {took:?}"
        );
        drop(lease);
    }
}

/// It hears of what others do to the key all the same.
#[tokio::test]
async fn p6_a_renewal_is_no_news_to_its_own_node() {
    let server = shared_server();
    let [holder, other] = two(&server, LeaseMode::Load).await;
    let token = holder.granted("a", LONG).await;
    let name = holder.stored("a");
    renewed(&server, &name, 3).await;
    holder.hears_of_a_foreign_write(&server).await;
    assert_eq!(holder.ear.of("a"), [Heard::leased("a")]);
    other.ear.expect_told(&Heard::key("a")).await;
    other.held("a", LeaseMode::Load).await;
    let entry = holder.entry("new");
    let id = entry.id();
    assert_eq!(holder.fill(token, entry).await.unwrap(), Filled::Stored);
    holder.hears_of_a_foreign_write(&server).await;
    let told = [Heard::leased("a"), Heard::own("a", id)];
    assert_eq!(holder.ear.of("a"), told);

    let _token = holder.granted("b", LONG).await;
    renewed(&server, &holder.stored("b"), 1).await;
    server.command(&["DEL", &holder.stored("b")]);
    holder.ear.expect_told(&Heard::key("b")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_the_lease_of_a_store_that_is_cut_off_ends_within_two_seconds() {
    let server = shared_server();
    for mode in MODES {
        let [_, other] = two(&server, mode).await;
        let proxy = FaultProxy::start(server.address());
        let builder = Redis::builder(server.url_at(proxy.address()));
        let holder = Opened::within(builder, &other.namespace).await;
        if mode == LeaseMode::Refresh {
            holder.set("a", "old").await.unwrap();
        }
        let Lease::Granted { token, .. } = holder.lease_by("a", mode, LONG).await else {
            panic!("nobody else is there")
        };
        renewed(&server, &holder.stands("a", mode), 1).await;
        proxy.black_hole();
        let cut = Instant::now();
        other.held("a", mode).await;
        let (took, lease) = other.had_after(cut, "a", mode).await;
        assert!(took > NOT_YET && took < NOTICED + SLACK, "after {took:?}");
        let Lease::Granted { token: its, .. } = lease else {
            unreachable!("it was waited for")
        };
        // Back again, it does no harm.
        proxy.heal();
        holder.ear.expect_a_new_link().await;
        renewed(&server, &other.stands("a", mode), 2).await;
        let filled = holder.fill(token, holder.entry("late")).await.unwrap();
        assert_eq!(filled, Filled::Refused, "the lease is another's");
        let filled = other.fill(its, other.entry("new")).await.unwrap();
        assert_eq!(filled, Filled::Stored);
    }
}

/// Not a test by itself: what a process of [`Holder`] does.
#[tokio::test]
async fn a_process_that_holds_a_lease() {
    let Ok(told) = std::env::var(HOLDER) else {
        return;
    };
    let [url, namespace, mode] = told.split(' ').collect::<Vec<_>>()[..] else {
        panic!("it should be told what to hold, not {told}")
    };
    let namespace = Namespace::new(namespace).unwrap();
    let opened = Opened::within(Redis::builder(url), &namespace).await;
    let mode = if mode == "refresh" {
        LeaseMode::Refresh
    } else {
        LeaseMode::Load
    };
    let lease = opened.lease_by("a", mode, LONG).await;
    assert!(matches!(lease, Lease::Granted { .. }));
    // Killed long before.
    tokio::time::sleep(LONG).await;
}

/// A process that holds the lease of `a`.
struct Holder(Child);

impl Holder {
    fn start(server: &RedisServer, namespace: &Namespace, mode: LeaseMode) -> Self {
        let mode = match mode {
            LeaseMode::Refresh => "refresh",
            LeaseMode::Load => "load",
        };
        let told = format!("{} {} {mode}", server.url(), namespace.as_str());
        let program = std::env::current_exe().expect("this program is somewhere");
        let child = Command::new(program)
            .args(["--exact", "held::a_process_that_holds_a_lease"])
            .env(HOLDER, told)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("this program can be started once more"))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a3_the_lease_of_a_process_that_was_killed_ends_within_two_seconds() {
    let server = shared_server();
    for mode in MODES {
        let [_, other] = two(&server, mode).await;
        let holder = Holder::start(&server, &other.namespace, mode);
        let name = other.stands("a", mode);
        eventually("the other process has its lease", async || {
            millis_left(&server, &name) > 0
        })
        .await;
        renewed(&server, &name, 3).await;
        other.held("a", mode).await;
        drop(holder);
        let killed = Instant::now();
        other.held("a", mode).await;
        let (took, _) = other.had_after(killed, "a", mode).await;
        assert!(
            took > NOT_YET && took < NOTICED + SLACK,
            "{mode:?}: after {took:?}"
        );
    }
}

/// A load that was stopped somehow, without giving its lease back.
#[tokio::test]
async fn a3_a_lease_whose_token_is_gone_ends_within_two_seconds() {
    let server = shared_server();
    for mode in MODES {
        let [holder, other] = two(&server, mode).await;
        let lease = holder.lease_by("a", mode, LONG).await;
        assert!(matches!(lease, Lease::Granted { .. }));
        renewed(&server, &holder.stands("a", mode), 1).await;
        drop(lease);
        let (took, _) = other.had_after(Instant::now(), "a", mode).await;
        assert!(took < NOTICED + SLACK, "{mode:?}: after {took:?}");
    }
}

/// H12, H13: what stands where the lease was keeps its own time.
#[tokio::test]
async fn p6_a_lease_that_was_ended_is_not_renewed() {
    let server = shared_server();
    let holder = Opened::by(Redis::builder(server.url())).await;
    let mut tokens = Vec::new();
    for key in ["set", "raw", "deleted", "other", "clock"] {
        tokens.push(holder.granted(key, LONG).await);
    }
    holder.set("refreshed", "old").await.unwrap();
    let refresh = holder.lease_by("refreshed", LeaseMode::Refresh, LONG).await;
    assert!(matches!(refresh, Lease::Granted { .. }));

    let other = Opened::within(Redis::builder(server.url()), &holder.namespace).await;
    other.set("set", "x").await.unwrap();
    let raw = ["SET", &holder.stored("raw"), "x", "PX", "3600000"];
    server.command(&raw);
    server.command(&["DEL", &holder.stored("deleted")]);
    // A lease of somebody else's.
    server.command(&["DEL", &holder.stored("other")]);
    let _its = other.granted("other", ALIVE / 2).await;
    let beside = holder.stands("refreshed", LeaseMode::Refresh);
    server.command(&["SET", &beside, "another's lease", "PX", "3600000"]);

    // All that are held are renewed together.
    renewed(&server, &holder.stored("clock"), 3).await;
    for name in [holder.stored("set"), holder.stored("raw"), beside] {
        let left = millis_left(&server, &name);
        assert!(left > 3_000_000, "{name} has {left} ms left");
    }
    for key in ["deleted", "other"] {
        let there = server.command(&["GET", &holder.stored(key)]);
        assert!(there.is_nil(), "{key}: {there:?}");
    }
}

#[tokio::test]
async fn p6_a_lease_that_was_filled_or_given_back_is_not_renewed() {
    let server = RedisServer::start();
    let [holder, _] = two(&server, LeaseMode::Refresh).await;
    let _clock = holder.granted("clock", LONG).await;
    let options = WriteOptions::default();
    for mode in MODES {
        for fills in [true, false] {
            let key = format!("{mode:?}-{fills}");
            if mode == LeaseMode::Refresh {
                holder.set(&key, "old").await.unwrap();
            }
            let Lease::Granted { token, .. } = holder.lease_by(&key, mode, LONG).await else {
                panic!("nobody else is there")
            };
            renewed(&server, &holder.stands(&key, mode), 1).await;
            if fills {
                let filled = holder.fill(token, holder.entry("new")).await.unwrap();
                assert_eq!(filled, Filled::Stored);
            } else {
                holder.redis.release(vec![token], &options).await.unwrap();
            }
        }
    }
    server.command(&["CONFIG", "RESETSTAT"]);
    renewed(&server, &holder.stored("clock"), 3).await;
    let [scripts, renewals] = scripts_and_renewals(&server);
    assert!(renewals >= 3, "{renewals}");
    assert_eq!(scripts, renewals, "nothing but that one lease is renewed");
}

/// At once, because the regular renewals may be too late by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_lease_is_renewed_as_soon_as_a_lost_link_is_back() {
    let server = shared_server();
    let proxy = FaultProxy::start(server.address());
    let holder = Opened::by(Redis::builder(server.url_at(proxy.address()))).await;
    let token = holder.granted("a", LONG).await;
    let name = holder.stored("a");
    let (failed, next) = (Duration::from_millis(530), Duration::from_millis(950));
    let mut soonest = Duration::MAX;
    // A machine that stands still for a moment can hide it, and can't bring it about.
    for _ in 0..5 {
        renewed(&server, &name, 1).await;
        let last = Instant::now();
        holder.ear.forget();
        let hold = proxy.hold(Direction::ToServer);
        proxy.reset_all();
        holder.ear.expect_told(&Heard::LinkDown).await;
        eventually("a renewal has failed", async || last.elapsed() > failed).await;
        hold.release();
        renewed(&server, &name, 1).await;
        soonest = soonest.min(last.elapsed());
        if soonest < next {
            break;
        }
    }
    assert!(soonest < next, "renewed after {soonest:?}");
    renewed(&server, &name, 3).await;
    let filled = holder.fill(token, holder.entry("new")).await.unwrap();
    assert_eq!(filled, Filled::Stored);
}

/// P7 waits for those that have died alone.
#[tokio::test]
async fn p7_a_lease_made_persistent_has_an_end_again_while_its_store_lives() {
    let server = shared_server();
    for mode in MODES {
        let [holder, _] = two(&server, mode).await;
        let lease = holder.lease_by("a", mode, LONG).await;
        let name = holder.stands("a", mode);
        assert_eq!(server.command(&["PERSIST", &name]).integer(), 1);
        eventually("it has an end again", async || {
            millis_left(&server, &name) > 0
        })
        .await;
        drop(lease);
    }
}

/// What others do to the key next is told without a look at it.
#[tokio::test]
async fn p6_of_a_renewal_that_was_refused_no_echo_is_expected() {
    let server = RedisServer::start();
    let [holder, _] = two(&server, LeaseMode::Load).await;
    // The self-test of a start runs scripts too.
    server.command(&["CONFIG", "RESETSTAT"]);
    let _token = holder.granted("a", LONG).await;
    server.command(&["DEL", &holder.stored("a")]);
    eventually("a renewal was refused", async || {
        scripts_and_renewals(&server) == [1, 0]
    })
    .await;
    // Answered after it, over the same connection.
    holder.set("b", "x").await.unwrap();
    holder.ear.forget();
    server.command(&["CONFIG", "RESETSTAT"]);
    server.command(&["SET", &holder.stored("a"), "x"]);
    holder.ear.expect_told(&Heard::key("a")).await;
    let info = server.command(&["INFO", "commandstats"]).text();
    assert!(!info.contains("cmdstat_getrange"), "{info}");
}

/// A server that has forgotten its scripts is sent them.
#[tokio::test]
async fn p6_a_lease_is_renewed_though_the_server_has_forgotten_how() {
    let server = RedisServer::start();
    let [holder, other] = two(&server, LeaseMode::Load).await;
    let _token = holder.granted("a", LONG).await;
    let granted = Instant::now();
    while granted.elapsed() < ALIVE + SLACK {
        server.command(&["SCRIPT", "FLUSH"]);
        renewed(&server, &holder.stored("a"), 1).await;
    }
    other.held("a", LeaseMode::Load).await;
}
