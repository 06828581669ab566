//! What a user of the server must be allowed to: the rules in the README, no fewer and no more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_core::{
    Backend, ErrorKind, Expiry, Filled, Lease, Lifetime, Namespace, Pattern, ReadOptions, Result,
    ScanRequest, Ttl, Update, WriteOptions,
};
use larder_redis::Redis;
use larder_testkit::RedisServer;
use tokio::task::JoinSet;

use crate::harness::{Heard, Opened};
use crate::operations::{Operation, Worker};

/// The commands that the README names.
pub(crate) const COMMANDS: [&str; 21] = [
    "bitfield",
    "client|id",
    "client|kill",
    "client|tracking",
    "eval",
    "evalsha",
    "get",
    "getrange",
    "info",
    "mget",
    "persist",
    "pexpire",
    "ping",
    "scan",
    "script|load",
    "select",
    "set",
    "setrange",
    "strlen",
    "time",
    "unlink",
];

/// Makes a user of this name who may do only that.
pub(crate) fn allow(server: &RedisServer, user: &str, commands: &[&str]) {
    let rules: Vec<String> = commands.iter().map(|name| format!("+{name}")).collect();
    let mut words = vec![
        "ACL",
        "SETUSER",
        user,
        "on",
        ">password",
        "resetkeys",
        "~shop:*",
        "resetchannels",
        "-@all",
    ];
    words.extend(rules.iter().map(String::as_str));
    server.command(&words);
}

/// Does everything that a store ever does, as this user; the first error.
async fn everything(server: &RedisServer, user: &str) -> Result<()> {
    let url = format!("redis://{user}:password@{}/1", server.address());
    let builder = Redis::builder(url).heartbeat(Duration::from_millis(300));
    let namespace = Namespace::new("shop")?;
    let opened = Opened::attempt(builder, &namespace).await?;
    let options = WriteOptions::default();
    server.command(&["SCRIPT", "FLUSH"]);
    let mut worker = Worker::new(&opened, user);
    for operation in Operation::ALL {
        worker.perform(operation, None).await?;
    }
    // The others use the same server at the same time.
    let name = format!("{user}-a");
    let key = opened.key(&name);
    opened.set(&name, "x").await?;
    let hour = Ttl::after(Duration::from_secs(3_600))?;
    for life in [
        Lifetime::new(opened.now(), hour, Duration::ZERO),
        Lifetime::forever(opened.now()),
    ] {
        opened
            .redis
            .expire(&key, Expiry::new(life), &options)
            .await?;
    }
    opened.redis.delete(&key, &options).await?;
    for _ in 0..2 {
        let update = Update::Increment {
            by: 1,
            template: opened.entry("counter"),
        };
        opened.redis.update(&key, update, &options).await?;
    }
    is_renewed(&opened, user).await?;
    // The connection that carries the writes, made anew.
    opened.ear.forget();
    server.command(&["CLIENT", "KILL", "USER", user]);
    opened.ear.expect_told(&Heard::LinkDown).await;
    let mut last = Ok(());
    for _ in 0..1_000 {
        last = opened.set(&name, "y").await.map(drop);
        match &last {
            Err(error) if error.is_temporary() => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            _ => break,
        }
    }
    last?;
    opened.hears_of_a_foreign_write_in(server, 1).await;
    Ok(())
}

/// A lease that is held for longer than the server keeps it unasked.
async fn is_renewed(opened: &Opened, user: &str) -> Result<()> {
    let name = format!("{user}-held");
    let token = opened.granted(&name, Duration::from_secs(60)).await;
    let granted = Instant::now();
    while granted.elapsed() < Duration::from_secs(2) {
        let lease = opened.lease(&name, Duration::from_secs(60)).await?;
        assert!(matches!(lease, Lease::Held { .. }), "{lease:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let filled = opened.fill(token, opened.entry("loaded")).await?;
    assert_eq!(filled, Filled::Stored);
    Ok(())
}

#[test]
fn the_rules_in_the_readme_are_these() {
    let readme = include_str!("../../README.md");
    let (_, rules) = readme.split_once("ACL SETUSER shop").unwrap();
    let (rules, _) = rules.split_once("```").unwrap();
    let mut words = rules.split_whitespace();
    let named: Vec<&str> = words
        .by_ref()
        .filter_map(|word| word.strip_prefix('+'))
        .collect();
    assert_eq!(named, COMMANDS);
    for rule in ["resetchannels", "~shop:*", "-@all"] {
        assert!(rules.contains(rule), "{rule}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rules_suffice() {
    let server = RedisServer::start();
    allow(&server, "shop", &COMMANDS);
    let done = everything(&server, "shop").await;
    done.unwrap_or_else(|error| panic!("{error}: {:?}", server.command(&["ACL", "LOG"])));
    let log = server.command(&["ACL", "LOG"]).array();
    assert!(log.is_empty(), "nothing was forbidden: {log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_one_of_the_documented_commands_something_is_forbidden() {
    let server = Arc::new(RedisServer::start());
    let mut trials = JoinSet::new();
    for missing in COMMANDS {
        let server = Arc::clone(&server);
        trials.spawn(async move {
            let user = format!("without-{}", missing.replace('|', "-"));
            let mut commands = COMMANDS.to_vec();
            commands.retain(|command| *command != missing);
            allow(&server, &user, &commands);
            let error = match everything(&server, &user).await {
                Ok(()) => panic!("{missing} isn't needed after all"),
                Err(error) => error,
            };
            // A finding of `check` is no error of its own.
            assert!(
                !error.is_temporary() || missing == "ping",
                "{missing}: {error}"
            );
            let name = missing.split('|').next().unwrap();
            let said = error.message().to_lowercase();
            let within_a_script = "the user executing the script can't run";
            assert!(
                said.contains(name) || said.contains(within_a_script),
                "{missing}: {error}"
            );
        });
    }
    trials.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_other_keys_is_told_so() {
    let server = RedisServer::start();
    allow(&server, "shop", &COMMANDS);
    let url = format!("redis://shop:password@{}", server.address());
    let namespace = Namespace::new("other").unwrap();
    // The heartbeat reads the namespace's generation.
    let error = Opened::attempt(Redis::builder(url), &namespace).await;
    let error = error.expect_err("its keys are forbidden");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!error.is_temporary(), "{error}");
    assert!(error.message().contains("NOPERM"), "{error}");
}

#[tokio::test]
async fn a_listing_of_keys_that_may_not_be_read_is_an_error_and_not_shorter() {
    let server = RedisServer::start();
    allow(&server, "shop", &COMMANDS);
    let namespace = Namespace::new("shop").unwrap();
    let all = Opened::within(Redis::builder(server.url()), &namespace).await;
    all.set("a", "x").await.unwrap();
    all.set("secret", "x").await.unwrap();
    let rules = ["resetkeys", "~shop:a*", "~shop:~*"];
    server.command(&[["ACL", "SETUSER", "shop"].as_slice(), &rules].concat());
    let url = format!("redis://shop:password@{}", server.address());
    let opened = Opened::within(Redis::builder(url), &namespace).await;
    assert_eq!(opened.get("a").await.unwrap().as_deref(), Some("x"));
    let pattern = Pattern::new("*").unwrap();
    let request = ScanRequest::new(namespace, pattern);
    let options = ReadOptions::default();
    let page = opened.redis.scan(&request, None, &options);
    let error = page.await.expect_err("one of the keys is forbidden");
    assert!(error.message().contains("NOPERM"), "{error}");
    assert!(!error.is_temporary(), "{error}");
}
