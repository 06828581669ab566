//! Encrypted connections, as the `redis-cli` program sees them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use larder_testkit::{Certificates, FaultProxy, RedisServer};

#[test]
fn who_trusts_the_authority_gets_in() {
    let server = RedisServer::builder().tls().password("root").start();
    let trust = server.certificates().authority_path();
    let printed = ping(server.tls_address(), &trust, None).unwrap();
    assert!(printed.contains("PONG"), "{printed}");
    let url = format!("rediss://:root@{}", server.tls_address());
    assert_eq!(server.tls_url(), url);
}

#[test]
fn who_trusts_another_authority_stays_out() {
    let server = RedisServer::builder().tls().password("root").start();
    let folder = tempfile::tempdir().unwrap();
    let others = Certificates::write_to(folder.path());
    let problem = ping(server.tls_address(), &others.authority_path(), None).unwrap_err();
    assert!(problem.contains("certificate verify failed"), "{problem}");
}

#[test]
fn a_certificate_is_asked_of_clients_where_that_is_wanted() {
    let server = RedisServer::builder()
        .client_certificates()
        .password("root")
        .start();
    let trust = server.certificates().authority_path();
    ping(server.tls_address(), &trust, None).unwrap_err();
    let printed = ping(server.tls_address(), &trust, Some(server.certificates())).unwrap();
    assert!(printed.contains("PONG"), "{printed}");

    let folder = tempfile::tempdir().unwrap();
    let others = Certificates::write_to(folder.path());
    ping(server.tls_address(), &trust, Some(&others)).unwrap_err();
}

#[test]
fn the_certificate_holds_behind_a_proxy() {
    let server = RedisServer::builder().tls().password("root").start();
    let proxy = FaultProxy::start(server.tls_address());
    let trust = server.certificates().authority_path();
    let printed = ping(proxy.address(), &trust, None).unwrap();
    assert!(printed.contains("PONG"), "{printed}");
}

#[test]
fn the_plain_port_stays_open_for_other_programs() {
    let server = RedisServer::builder().tls().start();
    assert_eq!(server.command(&["PING"]).text(), "PONG");
}

/// What `redis-cli` prints, or what it complains of.
fn ping(address: SocketAddr, trust: &Path, show: Option<&Certificates>) -> Result<String, String> {
    let mut command = Command::new("redis-cli");
    command
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &address.port().to_string(),
            "--tls",
        ])
        .arg("--cacert")
        .arg(trust)
        .env("REDISCLI_AUTH", "root");
    if let Some(certificates) = show {
        command
            .arg("--cert")
            .arg(certificates.client_certificate_path())
            .arg("--key")
            .arg(certificates.client_key_path());
    }
    let output = command
        .arg("PING")
        .output()
        .expect("redis-cli is installed");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() && printed.contains("PONG") {
        Ok(printed)
    } else {
        Err(printed + &complaint)
    }
}
