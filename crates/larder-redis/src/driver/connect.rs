//! Opening a connection: fred's settings, in one place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::RespVersion;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, Server, ServerConfig, TcpConfig,
    UnresponsiveConfig,
};
use socket2::TcpKeepalive;
use tokio::sync::Semaphore;

use super::{Command, Connection, Fault, fault};
use crate::address::{Address, Host};
use crate::config::Settings;
use crate::credentials::Credentials;

/// How many pushes may wait to be handled before some are missed.
const PUSHES: usize = 16_384;

/// Opens a connection, authenticates, and selects the database, all within the dial timeout.
///
/// Cancel safe: a connection that is half open is closed.
pub(crate) async fn open(
    settings: &Settings,
    credentials: &Credentials,
) -> Result<Arc<Connection>, Fault> {
    let opening = async {
        let client = Client::new(
            config(settings, credentials),
            Some(performance(settings)),
            Some(connection(settings)),
            // F5, F6, F11: fred never reconnects, so it never replays. Who wants a connection opens one.
            None,
        );
        let handle = client.connect();
        let ended = Arc::new(Semaphore::new(0));
        let connection = Arc::new(Connection {
            client,
            task: handle.abort_handle(),
            alive: AtomicBool::new(true),
            ended,
            silent: AtomicU32::new(0),
            doubtful: AtomicBool::new(false),
            patience: settings.read_timeout.min(settings.write_timeout),
            id: AtomicI64::new(0),
        });
        // fred's own ways to wait for a connection miss it if it comes too soon, or leak it if nobody waits any
        // more; its task ends if there is none to be had.
        while !connection.client.is_connected() {
            if handle.is_finished() {
                return Err(match handle.await {
                    Ok(Err(error)) => fault(&error),
                    _ => Fault::Lost("the connection ended".into()),
                });
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Holds no more than a weak reference, so that dropping the connection ends both tasks.
        let watched = Arc::downgrade(&connection);
        tokio::spawn(async move {
            let _ = handle.await;
            if let Some(connection) = watched.upgrade() {
                connection.close();
            }
        });
        Ok(connection)
    };
    let connection = within(settings.dial_timeout, opening).await?;
    let id = connection
        .call(Command::fixed("CLIENT", &["ID"]), settings.dial_timeout)
        .await?
        .into_integer()?;
    connection.id.store(id, Ordering::Relaxed);
    Ok(connection)
}

async fn within<T>(
    limit: Duration,
    future: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout(limit, future)
        .await
        .unwrap_or(Err(Fault::Lost("no connection in time".into())))
}

fn config(settings: &Settings, credentials: &Credentials) -> Config {
    let (username, password) = credentials.exposed();
    Config {
        // F13.
        username: username.map(inline_word),
        password: password.map(inline_word),
        server: server(settings),
        version: RespVersion::RESP3,
        database: Some(settings.db),
        fail_fast: true,
        // F12: the configuration is ours, with its provider named.
        #[cfg(feature = "tls")]
        tls: settings.tls.as_ref().map(|connector| {
            fred::types::config::TlsConnector::from(rustls::ClientConfig::clone(connector)).into()
        }),
        ..Config::default()
    }
}

/// A word as the server reads it in a line of text: the driver authenticates in one, and puts the credentials into
/// it as they are, so that a space would end them and a line's end would begin another command.
fn inline_word(word: String) -> String {
    use std::fmt::Write;

    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word;
    }
    let mut quoted = String::from('"');
    for byte in word.bytes() {
        // A String takes everything.
        let _ = write!(quoted, "\\x{byte:02x}");
    }
    quoted.push('"');
    quoted
}

fn server(settings: &Settings) -> ServerConfig {
    let named = |host: &Host| Server::new(host.name.as_str(), host.port);
    match &settings.address {
        Address::Tcp(host) => ServerConfig::Centralized {
            server: named(host),
        },
        Address::Unix(path) => ServerConfig::Unix { path: path.clone() },
        Address::Sentinel { master, nodes } => {
            let (username, password) = settings.sentinel_credentials.exposed();
            ServerConfig::Sentinel {
                hosts: nodes.iter().map(named).collect(),
                service_name: master.clone(),
                username,
                password,
            }
        }
    }
}

fn performance(settings: &Settings) -> PerformanceConfig {
    PerformanceConfig {
        // F1: for commands that fred sends by itself; ours name their own.
        default_command_timeout: settings.read_timeout.max(settings.write_timeout),
        // F8: the default holds 32.
        broadcast_channel_capacity: PUSHES,
        ..PerformanceConfig::default()
    }
}

fn connection(settings: &Settings) -> ConnectionConfig {
    let silence = settings.heartbeat.max(Duration::from_secs(1)) * 2;
    ConnectionConfig {
        connection_timeout: settings.dial_timeout,
        internal_command_timeout: settings.dial_timeout,
        // F6: nothing is sent twice.
        max_command_attempts: 1,
        max_redirections: 0,
        // F4: any limit here leaks; ours is a semaphore.
        max_command_buffer_len: 0,
        reconnect_on_auth_error: false,
        auto_client_setname: false,
        // F2: says nothing under steady traffic; the heartbeat and the count of silent reads do.
        unresponsive: UnresponsiveConfig::default(),
        tcp: TcpConfig {
            // F11.
            nodelay: Some(true),
            keepalive: Some(
                TcpKeepalive::new()
                    .with_time(Duration::from_secs(10))
                    .with_interval(Duration::from_secs(5)),
            ),
            // F3: a full socket that nobody reads is given up.
            user_timeout: Some(silence),
            ..TcpConfig::default()
        },
        ..ConnectionConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RedisBuilder;

    #[test]
    fn f11_no_default_of_the_drivers_is_left_that_would_hurt() {
        let builder = RedisBuilder::from_address("localhost:6379");
        let settings = builder.settings().expect("sound settings");
        let connection = connection(&settings);
        assert_eq!(connection.tcp.nodelay, Some(true));
        assert!(connection.tcp.keepalive.is_some());
        assert!(
            connection
                .tcp
                .user_timeout
                .is_some_and(|limit| !limit.is_zero()),
            "F3"
        );
        assert_eq!(connection.max_command_attempts, 1, "F6");
        assert_eq!(connection.max_command_buffer_len, 0, "F4");
        assert!(!connection.connection_timeout.is_zero());
        let performance = performance(&settings);
        assert!(!performance.default_command_timeout.is_zero(), "F1");
        assert!(performance.broadcast_channel_capacity >= 1_024, "F8");
    }
}
