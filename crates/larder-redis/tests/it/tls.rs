//! Encrypted connections.

use larder_core::ErrorKind;
use larder_redis::{Redis, RedisBuilder, Tls};
use larder_testkit::{RedisServer, Subject};

use crate::harness::Opened;
use crate::operations::{Operation, Worker};

fn trusting(server: &RedisServer) -> Tls {
    Tls::default().root_certificates(server.certificates().authority())
}

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
    let refused = Opened::attempt(builder, &Subject::new_namespace()).await;
    refused.expect_err("no connection is to be had")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_certificate_of_a_known_authority_is_used() {
    let server = RedisServer::builder().tls().password("secret").start();
    let opened = works(Redis::builder(server.tls_url()).tls(trusting(&server))).await;
    opened.hears_of_a_foreign_write(&server).await;
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    opened.ear.expect_a_new_link().await;
    opened.works().await;
    // By name instead of by number.
    let port = server.tls_address().port();
    let by_name = Redis::at(format!("localhost:{port}")).password("secret");
    works(by_name.tls(trusting(&server))).await;
}

/// F12: with a provider of its own named, nobody's default is asked for or installed.
#[tokio::test]
async fn f12_no_default_provider_of_the_process_is_needed_or_installed() {
    let server = RedisServer::builder().tls().start();
    works(Redis::builder(server.tls_url()).tls(trusting(&server))).await;
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_the_server_wants_one() {
    let server = RedisServer::builder().client_certificates().start();
    let known = server.certificates();
    let tls = trusting(&server).client_certificate(known.client_certificate(), known.client_key());
    works(Redis::builder(server.tls_url()).tls(tls)).await;
    let error = refused(Redis::builder(server.tls_url()).tls(trusting(&server))).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn an_unknown_authority_is_named_as_the_cause() {
    let (server, other) = (
        RedisServer::builder().tls().start(),
        RedisServer::builder().tls().start(),
    );
    for tls in [trusting(&other), Tls::default()] {
        let error = refused(Redis::builder(server.tls_url()).tls(tls)).await;
        let said = error.message().to_lowercase();
        assert!(
            said.contains("certificate") || said.contains("issuer"),
            "{error}"
        );
        assert!(said.contains(&server.tls_address().to_string()), "{error}");
    }
}

#[tokio::test]
async fn plain_text_to_an_encrypted_port_and_the_reverse_fail_in_time() {
    let server = RedisServer::builder().tls().start();
    let plain = Redis::at(server.tls_address().to_string());
    let limit = std::time::Duration::from_millis(500);
    refused(plain.dial_timeout(limit)).await;
    let encrypted = Redis::at(server.address().to_string()).tls(trusting(&server));
    refused(encrypted.dial_timeout(limit)).await;
}

#[tokio::test]
async fn texts_that_are_no_certificates_are_refused_before_anything_is_dialled() {
    let server = RedisServer::builder().tls().start();
    let known = server.certificates();
    let secret = known.client_key();
    for tls in [
        Tls::default().root_certificates("no PEM"),
        Tls::default().root_certificates(secret),
        trusting(&server).client_certificate("no PEM", secret),
        trusting(&server).client_certificate(known.client_certificate(), "no PEM"),
    ] {
        let builder = Redis::at("localhost:1").tls(tls);
        let shown = format!("{builder:?}");
        let error = refused(builder).await;
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        let line = secret.lines().nth(1).unwrap();
        assert!(
            !format!("{shown} {error:?}").contains(line),
            "a key is shown"
        );
    }
}
