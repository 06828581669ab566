//! Credentials that change while the program runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder_core::{Error, ErrorKind, Result, async_trait};
use larder_redis::{CredentialProvider, Credentials, Redis};
use larder_testkit::{RedisServer, Subject};

use crate::harness::{Opened, eventually, hasty};

/// A vault whose password somebody else changes.
#[derive(Clone, Debug, Default)]
struct Vault(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    password: Mutex<Option<String>>,
    asked: AtomicUsize,
    refresh: Option<Duration>,
}

impl Vault {
    fn with(password: &str, refresh: Option<Duration>) -> Self {
        Self(Arc::new(Inside {
            password: Mutex::new(Some(password.to_owned())),
            asked: AtomicUsize::new(0),
            refresh,
        }))
    }

    fn change(&self, password: Option<&str>) {
        let mut inside = self
            .0
            .password
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *inside = password.map(str::to_owned);
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl CredentialProvider for Vault {
    async fn fetch(&self) -> Result<Credentials> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let password = self
            .0
            .password
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*password {
            Some(password) => Ok(Credentials::password(password.as_str())),
            None => Err(Error::new(ErrorKind::Unavailable, "the vault is sealed")),
        }
    }

    fn refresh_every(&self) -> Option<Duration> {
        self.0.refresh
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_connection_asks_for_credentials_and_uses_the_latest() {
    let server = RedisServer::builder().password("one").start();
    let mut foreign = server.client();
    let vault = Vault::with("one", None);
    let address = server.address().to_string();
    let builder = hasty(format!("redis://{address}")).credentials(vault.clone());
    let opened = Opened::by(builder).await;
    opened.works().await;
    let before = vault.asked();
    assert!(before >= 1, "asked before the first connection");

    foreign
        .command(&["CONFIG", "SET", "requirepass", "two"])
        .unwrap();
    vault.change(Some("two"));
    foreign
        .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
        .unwrap();
    opened.ear.expect_a_new_link().await;
    opened.works().await;
    assert!(vault.asked() > before, "asked again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_is_sealed_for_a_while_is_asked_again() {
    let server = RedisServer::builder().password("one").start();
    let vault = Vault::with("one", None);
    let builder = hasty(format!("redis://{}", server.address())).credentials(vault.clone());
    let opened = Opened::by(builder).await;
    vault.change(None);
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    eventually("its error is what callers get", async || {
        let error = opened.set("a", "x").await;
        error.is_err_and(|error| error.message().contains("the vault is sealed"))
    })
    .await;
    vault.change(Some("one"));
    opened.ear.expect_a_new_link().await;
    opened.works().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standing_connections_authenticate_again_as_often_as_is_asked_for() {
    let server = RedisServer::builder().password("one").start();
    let vault = Vault::with("one", Some(Duration::from_millis(20)));
    let builder = Redis::at(server.address().to_string()).credentials(vault.clone());
    let opened = Opened::by(builder).await;
    let mut client = server.client();
    let mut authenticated = || {
        let info = client.command(&["INFO", "commandstats"]).unwrap().text();
        let line = info.lines().find(|line| line.starts_with("cmdstat_auth:"));
        let calls =
            line.and_then(|line| line.split("calls=").nth(1)?.split(',').next()?.parse().ok());
        calls.unwrap_or(0_usize)
    };
    let before = authenticated();
    eventually(
        "both connections authenticate again and again",
        async || authenticated() >= before + 6,
    )
    .await;
    opened.works().await;
    let heard = opened.ear.all();
    assert!(
        !heard.contains(&crate::harness::Heard::LinkDown),
        "they stand"
    );
}

#[tokio::test]
async fn a_fixed_password_beside_a_provider_is_refused() {
    let builder = Redis::at("localhost")
        .password("fixed")
        .credentials(Vault::with("one", None));
    let error = Opened::attempt(builder, &Subject::new_namespace())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
}

/// A vault that answers the first time, and never again while it is stuck.
#[derive(Clone, Debug, Default)]
struct Stuck(Arc<AtomicUsize>);

#[async_trait]
impl CredentialProvider for Stuck {
    async fn fetch(&self) -> Result<Credentials> {
        if self.0.fetch_add(1, Ordering::Relaxed) >= 2 {
            std::future::pending::<()>().await;
        }
        Ok(Credentials::password("one"))
    }

    fn refresh_every(&self) -> Option<Duration> {
        Some(Duration::from_millis(20))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_without_an_answer_is_asked_again_and_holds_up_nothing() {
    let server = RedisServer::builder().password("one").start();
    let stuck = Stuck::default();
    let builder = hasty(format!("redis://{}", server.address()))
        .credentials(stuck.clone())
        .dial_timeout(Duration::from_millis(200));
    let opened = Opened::by(builder).await;
    let asked = || stuck.0.load(Ordering::Relaxed);
    eventually(
        "asked once more after the answer was given up",
        async || {
            opened.works().await;
            asked() >= 4
        },
    )
    .await;
    // Nor does one that is asked for a connection.
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    eventually("its silence is what callers hear of", async || {
        let error = opened.set("a", "x").await;
        error.is_err_and(|error| error.message().contains("no credentials in time"))
    })
    .await;
}
