//! The self-test at the start, each time on a server or a network that has the defect.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use larder_core::{Backend, ErrorKind, Namespace, ReadOptions, Severity, TierCheck};
use larder_redis::{Redis, RedisBuilder, Start};
use larder_testkit::{Connections, Direction, FaultProxy, RedisServer, Subject};

use crate::acl::{COMMANDS, allow};
use crate::harness::{Heard, Opened, SLACK, eventually};

/// How long the trials take that fail by waiting.
const DIAL: Duration = Duration::from_secs(1);

/// The commands of a start: five for each of both connections (`HELLO`, `SELECT`, `INFO`, twice `CLIENT ID`), another
/// `INFO` each, `CLIENT TRACKING`, nine times `SCRIPT LOAD`, and the first heartbeat of three.
const START: u64 = 2 * 5 + 2 + 1 + 9 + 3;

/// What the self-test adds: two calls of a script on the one connection, two writes on the other.
const TEST: u64 = 4;

/// A setting whose connections end by the hand of the test alone, on a busy machine too.
fn calm(url: impl Into<String>) -> RedisBuilder {
    Redis::builder(url)
        .dial_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(5))
        .write_timeout(Duration::from_secs(5))
        .heartbeat(Duration::from_secs(3_600))
}

/// What becomes of what a server tells unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pushes {
    Pass,
    /// They are kept back.
    Dropped,
    /// From the first on its connection is silent.
    Choke,
    /// The first is late, and what comes behind it on its connection.
    Late(Duration),
}

/// Leads to a server, and does that to its pushes.
#[derive(Debug)]
struct Deafener {
    address: SocketAddr,
    pushes: Arc<Mutex<Pushes>>,
}

impl Deafener {
    fn start(target: SocketAddr, pushes: Pushes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let pushes = Arc::new(Mutex::new(pushes));
        let settings = Arc::clone(&pushes);
        // Both threads of a connection end with its sockets, this one with the process.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(target) else {
                    continue;
                };
                let (from, to) = (client.try_clone(), server.try_clone());
                let (Ok(from), Ok(to)) = (from, to) else {
                    continue;
                };
                std::thread::spawn(move || pass_on(from, to, |_| {}));
                let settings = Arc::clone(&settings);
                let (mut is_silent, mut was_late) = (false, false);
                std::thread::spawn(move || {
                    pass_on(server, client, move |bytes| {
                        let pushes = *settings.lock().unwrap_or_else(PoisonError::into_inner);
                        is_silent |= pushes == Pushes::Choke && find(bytes, PUSH).is_some();
                        if let (Pushes::Late(late), Some(_), false) =
                            (pushes, find(bytes, PUSH), was_late)
                        {
                            was_late = true;
                            std::thread::sleep(late);
                        }
                        if is_silent {
                            bytes.clear();
                        } else if pushes == Pushes::Dropped {
                            drop_pushes(bytes);
                        }
                    });
                });
            }
        });
        Self { address, pushes }
    }

    fn now(&self, pushes: Pushes) {
        *self.pushes.lock().unwrap_or_else(PoisonError::into_inner) = pushes;
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, mut change: impl FnMut(&mut Vec<u8>)) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut bytes = buffer[..length].to_vec();
        change(&mut bytes);
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// How a push of one name begins.
const PUSH: &[u8] = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$";

/// Removes pushes of one name each that are here as a whole, which on one machine they are.
fn drop_pushes(bytes: &mut Vec<u8>) {
    while let Some(at) = find(bytes, PUSH) {
        let length = at + PUSH.len();
        let name = length + line_end(&bytes[length..]);
        let end = name + line_end(&bytes[name..]);
        bytes.drain(at..end);
    }
}

/// Where the next line begins.
fn line_end(bytes: &[u8]) -> usize {
    find(bytes, b"\r\n").expect("the push is here as a whole") + 2
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// Collects what is logged as a warning on this thread.
#[derive(Clone, Debug, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn of(&self, words: &str) -> usize {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|said| said.contains(words)).count()
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut said = String::new();
        event.record(
            &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                // A String takes everything.
                let _ = write!(said, "{field}={value:?} ");
            },
        );
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(said);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

async fn check(opened: &Opened) -> TierCheck {
    let mut checks = opened.redis.check(&ReadOptions::default()).await;
    checks.pop().expect("one tier")
}

fn finds(check: &TierCheck, severity: Severity, word: &str) -> bool {
    let mut findings = check.findings.iter();
    findings.any(|finding| finding.severity == severity && finding.message.contains(word))
}

/// How often the server has executed this, or anything.
fn executed(server: &RedisServer, command: &str) -> u64 {
    let info = server.command(&["INFO", "commandstats"]).text();
    let counts = info.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let count: u64 = rest.split_once(',')?.0.parse().ok()?;
        // What the tests themselves send.
        let own = name.starts_with("config|") || name == "keys";
        // And what scripts do.
        let own = own || name == "getrange";
        (!own && (command.is_empty() || command == name)).then_some(count)
    });
    counts.sum()
}

#[tokio::test]
async fn a_healthy_start_costs_what_is_promised_and_leaves_nothing_behind() {
    let server = RedisServer::start();
    for pool_size in [1, 2] {
        server.command(&["CONFIG", "RESETSTAT"]);
        let builder = calm(server.url()).pool_size(pool_size);
        let opened = Opened::by(builder).await;
        let count = executed(&server, "");
        assert!(count <= START + TEST, "{count} commands with {pool_size}");
        assert!(executed(&server, "set") == 1, "the probe was written");
        let keys = server.command(&["KEYS", "*"]).array();
        assert!(keys.is_empty(), "{keys:?}");
        opened.hears_of_a_foreign_write(&server).await;
        let told = opened.ear.all();
        let told_of_it = told
            .iter()
            .any(|heard| matches!(heard, Heard::Key(key, _) if key.contains("~p")));
        assert!(!told_of_it, "{told:?}");
        server.command(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn the_same_run_of_the_server_is_not_tested_again() {
    let server = RedisServer::start();
    let opened = Opened::by(calm(server.url())).await;
    assert_eq!(executed(&server, "set"), 1);
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    opened.ear.expect_a_new_link().await;
    opened.hears_of_a_foreign_write(&server).await;
    // The barrier of the line before is one.
    assert_eq!(executed(&server, "set"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_user_may_not_do_is_an_error_with_the_rule_that_allows_it() {
    let server = RedisServer::start();
    let namespace = Namespace::new("shop").unwrap();
    for missing in [
        "client|tracking",
        "info",
        "script|load",
        "evalsha",
        "eval",
        "set",
        "unlink",
    ] {
        let mut commands = COMMANDS.to_vec();
        commands.retain(|command| *command != missing);
        let user = format!("without-{}", missing.replace('|', "-"));
        allow(&server, &user, &commands);
        let url = format!("redis://{user}:password@{}", server.address());
        for start in [Start::Connected, Start::Degraded] {
            let builder = Redis::builder(&url).start(start);
            let error = Opened::attempt(builder, &namespace).await;
            let error = error.expect_err(missing);
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{missing}: {error}");
            assert!(!error.is_temporary(), "{missing}: {error}");
            let rule = format!("ACL SETUSER <user> +{missing} ");
            assert!(error.message().contains(&rule), "{missing}: {error}");
        }
    }
    // The whole namespace may be read, and not written.
    allow(&server, "reader", &COMMANDS);
    server.command(&["ACL", "SETUSER", "reader", "resetkeys", "%R~shop:*"]);
    let url = format!("redis://reader:password@{}", server.address());
    let error = Opened::attempt(Redis::builder(url), &namespace).await;
    let error = error.expect_err("nothing may be written");
    assert!(!error.is_temporary(), "{error}");
    assert!(error.message().contains("~<namespace>:*"), "{error}");
}

#[tokio::test]
async fn rights_that_were_taken_away_are_found_by_check() {
    let server = RedisServer::start();
    allow(&server, "shop", &COMMANDS);
    let url = format!("redis://shop:password@{}", server.address());
    let namespace = Namespace::new("shop").unwrap();
    let opened = Opened::within(Redis::builder(url), &namespace).await;
    assert!(check(&opened).await.is_healthy());
    for missing in ["evalsha", "set"] {
        server.command(&["ACL", "SETUSER", "shop", &format!("-{missing}")]);
        let check = check(&opened).await;
        assert!(
            finds(&check, Severity::Error, &format!("+{missing}")),
            "{check:?}"
        );
        server.command(&["ACL", "SETUSER", "shop", &format!("+{missing}")]);
    }
}

#[tokio::test]
async fn a_random_eviction_policy_is_refused_with_those_to_use() {
    let server = RedisServer::builder()
        .argument("maxmemory-policy", "allkeys-random")
        .start();
    for start in [Start::Connected, Start::Degraded] {
        let builder = Redis::builder(server.url()).start(start);
        let error = Opened::attempt(builder, &Subject::new_namespace()).await;
        let error = error.expect_err("markers would be lost");
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(!error.is_temporary());
        for word in [
            "allkeys-random",
            "volatile-lfu",
            "volatile-lru",
            &server.address().to_string(),
        ] {
            assert!(error.message().contains(word), "{word}: {error}");
        }
    }
}

#[tokio::test]
async fn other_policies_that_drop_any_key_are_warned_of() {
    let warnings = Warnings::default();
    let _here = tracing::subscriber::set_default(warnings.clone());
    for (policy, count) in [("volatile-lfu", 0), ("allkeys-lru", 1), ("allkeys-lfu", 1)] {
        let server = RedisServer::builder()
            .argument("maxmemory-policy", policy)
            .start();
        let opened = Opened::by(Redis::builder(server.url())).await;
        assert_eq!(warnings.of(&format!("maxmemory-policy {policy}")), count);
        let check = check(&opened).await;
        assert_eq!(
            finds(&check, Severity::Info, policy),
            count == 1,
            "{check:?}"
        );
    }
}

#[tokio::test]
async fn a_random_policy_met_after_a_failover_is_warned_of_and_no_end() {
    let warnings = Warnings::default();
    let _here = tracing::subscriber::set_default(warnings.clone());
    let server = RedisServer::start();
    let other = RedisServer::builder()
        .argument("maxmemory-policy", "allkeys-random")
        .start();
    let proxy = FaultProxy::start(server.address());
    let opened = Opened::by(calm(server.url_at(proxy.address()))).await;
    proxy.set_target(other.address());
    proxy.reset_all();
    opened.ear.expect_a_new_link().await;
    opened.works().await;
    assert_eq!(warnings.of("maxmemory-policy allkeys-random"), 1);
    let check = check(&opened).await;
    assert!(
        finds(&check, Severity::Error, "allkeys-random"),
        "{check:?}"
    );
}

#[tokio::test]
async fn a_server_without_resp3_is_refused() {
    let server = RedisServer::builder()
        .argument("rename-command", "HELLO \"\"")
        .start();
    for start in [Start::Connected, Start::Degraded] {
        let builder = Redis::builder(server.url()).start(start);
        let error = Opened::attempt(builder, &Subject::new_namespace()).await;
        let error = error.expect_err("nothing can be told");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.message().contains("RESP3"), "{error}");
        assert!(error.message().contains("7.0"), "{error}");
    }
}

#[tokio::test]
async fn pushes_that_never_arrive_are_an_error_within_the_deadline() {
    let server = RedisServer::start();
    let deafener = Deafener::start(server.address(), Pushes::Dropped);
    for (pool_size, start) in [(1, Start::Connected), (2, Start::Degraded)] {
        let builder = Redis::builder(server.url_at(deafener.address))
            .dial_timeout(DIAL)
            .pool_size(pool_size)
            .start(start);
        let started = Instant::now();
        let error = Opened::attempt(builder, &Subject::new_namespace()).await;
        let error = error.expect_err("memory would go stale");
        assert!(started.elapsed() < DIAL + SLACK, "{:?}", started.elapsed());
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(!error.is_temporary(), "{error}");
        assert!(error.message().contains("not told within"), "{error}");
        let keys = server.command(&["KEYS", "*"]).array();
        assert!(keys.is_empty(), "{keys:?}");
    }
}

#[tokio::test]
async fn pushes_that_arrive_no_more_are_found_by_check_and_by_the_next_run_of_the_server() {
    let server = RedisServer::start();
    let deafener = Deafener::start(server.address(), Pushes::Pass);
    let warnings = Warnings::default();
    let _here = tracing::subscriber::set_default(warnings.clone());
    let builder = calm(server.url_at(deafener.address)).dial_timeout(DIAL);
    let opened = Opened::by(builder).await;
    assert!(check(&opened).await.is_healthy());
    deafener.now(Pushes::Dropped);
    let found = check(&opened).await;
    assert!(
        finds(&found, Severity::Error, "not told within"),
        "{found:?}"
    );
    server.kill();
    opened.ear.expect_told(&Heard::LinkDown).await;
    opened.ear.forget();
    server.restart();
    eventually("it says what is wrong", async || {
        let error = opened.get("a").await.expect_err("nothing is trusted");
        error.kind() == ErrorKind::Unsupported && error.message().contains("not told within")
    })
    .await;
    assert!(!opened.redis.watch().unwrap().is_linked());
    let found = check(&opened).await;
    assert!(
        finds(&found, Severity::Error, "not told within"),
        "{found:?}"
    );
    assert_eq!(warnings.of("not told within"), 1, "once");
    deafener.now(Pushes::Pass);
    opened.ear.expect_told(&Heard::LinkUp).await;
    opened.works().await;
}

#[tokio::test]
async fn a_link_that_falls_silent_in_the_test_is_an_error_that_may_pass() {
    let server = RedisServer::start();
    let deafener = Deafener::start(server.address(), Pushes::Choke);
    let builder = Redis::builder(server.url_at(deafener.address)).dial_timeout(DIAL);
    let started = Instant::now();
    let error = Opened::attempt(builder, &Subject::new_namespace()).await;
    let error = error.expect_err("it isn't told in time");
    assert!(
        started.elapsed() < DIAL * 2 + SLACK,
        "{:?}",
        started.elapsed()
    );
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.is_temporary(), "{error}");
}

#[tokio::test]
async fn a_push_that_is_late_is_not_taken_for_one_that_is_missing() {
    let server = RedisServer::start();
    let late = Pushes::Late(DIAL * 3 / 2);
    let deafener = Deafener::start(server.address(), late);
    let builder = calm(server.url_at(deafener.address)).dial_timeout(DIAL);
    let started = Instant::now();
    let opened = Opened::by(builder).await;
    assert!(started.elapsed() > DIAL, "it was late");
    opened.works().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_lead_to_different_servers_are_an_error() {
    let (server, another) = (RedisServer::start(), RedisServer::start());
    let proxy = FaultProxy::start(server.address());
    let hold = proxy.hold_on(Connections::Only(0), Direction::ToServer);
    let builder = Redis::builder(server.url_at(proxy.address()));
    let namespace = Subject::new_namespace();
    let opening = tokio::spawn(async move { Opened::attempt(builder, &namespace).await });
    hold.reached().await;
    proxy.set_target(another.address());
    hold.release();
    let error = opening.await.unwrap().expect_err("nobody can tell");
    assert!(error.is_temporary(), "{error}");
    assert!(error.message().contains("different servers"), "{error}");
}

#[tokio::test]
async fn a_defect_of_a_server_that_was_away_at_the_start_is_said_by_every_operation_until_it_is_put_right()
 {
    let warnings = Warnings::default();
    let _here = tracing::subscriber::set_default(warnings.clone());
    let server = RedisServer::builder()
        .argument("maxmemory-policy", "allkeys-random")
        .start();
    server.kill();
    let opened = Opened::by(calm(server.url()).start(Start::Degraded)).await;
    server.restart();
    eventually("it says what is wrong", async || {
        let error = opened.set("a", "x").await.expect_err("it isn't accepted");
        error.kind() == ErrorKind::ConfigInvalid && error.message().contains("volatile-lfu")
    })
    .await;
    let found = check(&opened).await;
    assert!(
        finds(&found, Severity::Error, "allkeys-random"),
        "{found:?}"
    );
    let tries = executed(&server, "hello");
    eventually("it was tried several times", async || {
        executed(&server, "hello") >= tries + 3
    })
    .await;
    assert_eq!(warnings.of("allkeys-random"), 1, "once");
    server.command(&["CONFIG", "SET", "maxmemory-policy", "volatile-lfu"]);
    opened.ear.expect_told(&Heard::LinkUp).await;
    opened.works().await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_now_is_used_untried_with_a_warning() {
    let warnings = Warnings::default();
    let _here = tracing::subscriber::set_default(warnings.clone());
    let server = RedisServer::builder().argument("maxmemory", "1").start();
    let opened = Opened::by(calm(server.url())).await;
    assert_eq!(warnings.of("can't be tried"), 1);
    let found = check(&opened).await;
    assert!(
        finds(&found, Severity::Warning, "can't be tried: redis can't"),
        "{found:?}"
    );
    // The next connection tries again.
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    let before = executed(&server, "set");
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    opened.ear.expect_a_new_link().await;
    assert_eq!(executed(&server, "set"), before + 1);
    assert!(check(&opened).await.is_healthy());
}
