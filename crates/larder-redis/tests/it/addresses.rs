//! The ways to a server: passwords, users, sockets in the file system, databases.

use std::time::Duration;

use larder_core::{Backend, ErrorKind, Result};
use larder_redis::{Redis, RedisBuilder};
use larder_testkit::{RedisServer, Subject};

use crate::harness::Opened;
use crate::operations::{Operation, Worker};

async fn works(builder: RedisBuilder) -> Opened {
    let opened = Opened::by(builder).await;
    let mut worker = Worker::ready(&opened, "a").await;
    for operation in Operation::ALL {
        let done = worker.perform(operation, None).await;
        done.unwrap_or_else(|error| panic!("{operation}: {error}"));
    }
    opened
}

async fn refused(builder: RedisBuilder) -> larder_core::Error {
    let refused: Result<Opened> = Opened::attempt(builder, &Subject::new_namespace()).await;
    refused.expect_err("the server refuses that")
}

#[tokio::test]
async fn a_password_is_given_by_url_or_by_setting() {
    let server = RedisServer::builder().password("p@ss:w/rd").start();
    works(Redis::builder(server.url())).await;
    let address = server.address().to_string();
    works(Redis::at(&address).password("p@ss:w/rd")).await;
}

#[tokio::test]
async fn f13_credentials_of_any_characters_are_one_word() {
    for password in [
        "with space",
        "\"quotes' \\x41",
        "line\r\nCONFIG SET maxmemory 1\r\n",
        "žluťoučký",
    ] {
        let server = RedisServer::builder()
            .password(password)
            .user("shop", password, "~* &* +@all")
            .start();
        let address = server.address().to_string();
        works(Redis::at(&address).password(password)).await;
        works(Redis::at(&address).username("shop").password(password)).await;
        let limit = server.command(&["CONFIG", "GET", "maxmemory"]);
        assert_eq!(
            limit.value_of("maxmemory").as_deref(),
            Some("0"),
            "it is no command"
        );
    }
}

#[tokio::test]
async fn wrong_credentials_are_a_permanent_error_that_shows_no_password() {
    let server = RedisServer::builder()
        .password("the right one")
        .user("shop", "shops", "~* &* +@all")
        .start();
    let address = server.address().to_string();
    let at = || Redis::at(&address);
    for (what, builder) in [
        ("a wrong password", at().password("hunter2")),
        ("a wrong user", at().username("nobody").password("hunter2")),
        (
            "a wrong password of a user",
            at().username("shop").password("hunter2"),
        ),
        ("no password", at()),
    ] {
        let error = refused(builder).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}: {error}");
        assert!(!error.is_temporary(), "{what}: {error}");
        let said = format!("{error} {error:?}");
        assert!(!said.contains("hunter2"), "{what}: {said}");
        assert!(said.contains(&address), "{what}: {said}");
    }
    works(at().username("shop").password("shops")).await;
    works(Redis::builder(server.url_as("shop"))).await;
}

#[tokio::test]
async fn a_socket_in_the_file_system_does_everything() {
    let server = RedisServer::builder().unix_socket().start();
    let opened = works(Redis::builder(server.unix_url())).await;
    opened.hears_of_a_foreign_write(&server).await;
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    opened.ear.expect_a_new_link().await;
    opened.works().await;
}

#[tokio::test]
async fn a_database_has_entries_of_its_own() {
    let server = RedisServer::start();
    let namespace = Subject::new_namespace();
    let url = |db| format!("{}/{db}", server.url());
    let third = Opened::within(Redis::builder(url(3)), &namespace).await;
    let fourth = Opened::within(Redis::builder(server.url()).db(4), &namespace).await;
    third.set("a", "x").await.unwrap();
    assert_eq!(fourth.get("a").await.unwrap(), None);
    assert_eq!(third.get("a").await.unwrap().as_deref(), Some("x"));
    let mut client = server.client();
    client.command(&["SELECT", "3"]).unwrap();
    let there = client.command(&["EXISTS", &third.stored("a")]).unwrap();
    assert_eq!(there.integer(), 1);
    let check = third
        .redis
        .check(&larder_core::ReadOptions::default())
        .await;
    let said = format!("{check:?}");
    assert!(said.contains("database 3"), "{said}");
    fourth.set("a", "y").await.unwrap();
    // Redis tells of names, whatever the database.
    third
        .ear
        .expect_told(&crate::harness::Heard::key("a"))
        .await;
}

#[tokio::test]
async fn a_database_that_the_server_has_not_is_a_permanent_error() {
    let server = RedisServer::start();
    let error = refused(Redis::builder(server.url()).db(200)).await;
    assert!(!error.is_temporary(), "{error}");
    assert!(error.message().contains("DB index"), "{error}");
}

#[tokio::test]
async fn a_replica_is_refused_by_name() {
    let primary = RedisServer::start();
    let of = format!("127.0.0.1 {}", primary.port());
    let replica = RedisServer::builder().argument("replicaof", &of).start();
    let error = refused(Redis::builder(replica.url())).await;
    assert!(error.message().contains("replica"), "{error}");
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_refused_before_anything_is_dialled() {
    for (what, builder) in [
        ("no scheme", Redis::builder("localhost:6379")),
        ("a user alone", Redis::at("localhost").username("shop")),
        (
            "no time",
            Redis::at("localhost").read_timeout(Duration::ZERO),
        ),
        ("no connections", Redis::at("localhost").pool_size(0)),
        ("no room", Redis::at("localhost").max_in_flight(0)),
        (
            "sentinels at a socket",
            Redis::builder("redis+unix:///run/redis.sock").sentinel("main", ["a:1"]),
        ),
    ] {
        let error = refused(builder).await;
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{what}: {error}");
    }
}
