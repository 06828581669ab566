//! A server and its life: started, paused, killed, started again, gone.

use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use super::builder::{Mode, Places};
use super::process::{self, Process};
use super::{RedisBuilder, RedisClient, Reply};
use crate::Certificates;
use crate::ports::free_port;

const PROGRAM: &str = "redis-server";
const VARIABLE: &str = "LARDER_REDIS_SERVER";

/// So often somebody else may take the port first.
const ATTEMPTS: usize = 20;

/// A Redis server of the test's own: on a free port of 127.0.0.1, empty, with nothing on disk. It is
/// stopped when this is dropped, and also if the test's process dies before.
///
/// Nothing here is asynchronous; starting takes some ten milliseconds.
///
/// ```
/// use larder_testkit::RedisServer;
///
/// let server = RedisServer::start();
/// server.command(&["SET", "airport:LHR", "Heathrow"]);
/// assert_eq!(server.command(&["GET", "airport:LHR"]).text(), "Heathrow");
/// assert!(server.url().starts_with("redis://127.0.0.1:"));
/// ```
pub struct RedisServer {
    process: Mutex<Option<Process>>,
    pub(super) builder: RedisBuilder,
    binary: PathBuf,
    port: u16,
    tls_port: u16,
    certificates: Option<Certificates>,
    socket: Option<PathBuf>,
    /// Last, so that it outlives the process.
    folder: TempDir,
}

/// Why a server isn't there.
enum Trouble {
    PortTaken,
    Other(String),
}

impl RedisServer {
    /// Starts a server without passwords, sockets or encryption.
    ///
    /// # Panics
    ///
    /// As [`RedisBuilder::start`].
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// The settings of a server.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    pub(super) fn launch(builder: RedisBuilder) -> Self {
        let binary = builder.binary.clone();
        let binary = binary.unwrap_or_else(|| process::find(PROGRAM, VARIABLE));
        let folder = tempfile::Builder::new()
            .prefix("larder-redis-")
            .tempdir()
            .expect("the folder for temporary files can be written to");
        let mut server = Self {
            process: Mutex::default(),
            binary,
            port: 0,
            tls_port: 0,
            certificates: builder.tls.map(|_| Certificates::write_to(folder.path())),
            socket: builder
                .unix_socket
                .then(|| folder.path().join("redis.sock")),
            folder,
            builder,
        };
        for _ in 0..ATTEMPTS {
            server.port = free_port();
            server.tls_port = free_port();
            match server.launch_once() {
                Ok(()) => return server,
                Err(Trouble::PortTaken) => {}
                Err(Trouble::Other(problem)) => panic!("{problem}"),
            }
        }
        panic!("each of {ATTEMPTS} ports was taken before {PROGRAM} had it");
    }

    /// Where plain connections are taken.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where encrypted connections are taken.
    ///
    /// # Panics
    ///
    /// Without [`RedisBuilder::tls`].
    pub fn tls_address(&self) -> SocketAddr {
        self.certificates();
        (Ipv4Addr::LOCALHOST, self.tls_port).into()
    }

    /// The port of [`RedisServer::address`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The socket in the file system.
    ///
    /// # Panics
    ///
    /// Without [`RedisBuilder::unix_socket`].
    pub fn socket(&self) -> &Path {
        let socket = self.socket.as_deref();
        socket.expect("the server was started without `unix_socket()`")
    }

    /// What encrypted connections need.
    ///
    /// # Panics
    ///
    /// Without [`RedisBuilder::tls`].
    pub fn certificates(&self) -> &Certificates {
        let certificates = self.certificates.as_ref();
        certificates.expect("the server was started without `tls()`")
    }

    /// The number of the server's process.
    ///
    /// # Panics
    ///
    /// If it was killed.
    pub fn pid(&self) -> u32 {
        self.running(Process::id)
    }

    /// Whether the server's process is there, be it paused.
    pub fn is_running(&self) -> bool {
        let mut process = self.process();
        process.as_mut().is_some_and(|process| !process.has_ended())
    }

    /// Stops the server in its tracks: connections stay open, new ones are taken by the system, and nobody
    /// answers. Returns when it stands.
    ///
    /// # Panics
    ///
    /// If it was killed.
    pub fn pause(&self) {
        self.running(Process::pause);
    }

    /// Lets a paused server go on where it was.
    ///
    /// # Panics
    ///
    /// If it was killed.
    pub fn resume(&self) {
        self.running(Process::resume);
    }

    /// Kills the server with all it knows (SIGKILL). Its port stays its own for a [`RedisServer::restart`].
    /// Returns when it is gone.
    pub fn kill(&self) {
        *self.process() = None;
    }

    /// Starts the server again, empty, on the same port; kills it first if it runs.
    ///
    /// # Panics
    ///
    /// If it refuses to start, or somebody else has taken its port.
    pub fn restart(&self) {
        self.kill();
        let mut last = String::new();
        let started = process::until(|| match self.launch_once() {
            Ok(()) => true,
            // By a connection of the server before it, that is still being closed.
            Err(Trouble::PortTaken) => {
                last = format!("port {} was taken", self.port);
                false
            }
            Err(Trouble::Other(problem)) => panic!("{problem}"),
        });
        assert!(started, "{PROGRAM} can't be started again: {last}");
    }

    /// Does a command on a connection of its own, as the default user: what another program would do.
    ///
    /// # Panics
    ///
    /// If the server refuses it, or doesn't answer.
    #[track_caller]
    pub fn command(&self, words: &[impl AsRef<[u8]>]) -> Reply {
        let reply = self.client().command(words);
        match reply.unwrap_or_else(|error| panic!("{}: {error}", shown(words))) {
            Reply::Error(refusal) => panic!("{}: {refusal}", shown(words)),
            reply => reply,
        }
    }

    /// A new connection as the default user.
    ///
    /// # Panics
    ///
    /// If the server doesn't take it.
    #[track_caller]
    pub fn client(&self) -> RedisClient {
        self.try_client()
            .unwrap_or_else(|error| panic!("no connection to {}: {error}", self.address()))
    }

    /// A new connection as the default user, if the server takes it.
    ///
    /// # Errors
    ///
    /// If it doesn't, or refuses the password.
    pub fn try_client(&self) -> io::Result<RedisClient> {
        let mut client = RedisClient::connect(self.address())?;
        if let Some(password) = self.builder.default_password() {
            match client.command(&["AUTH", password])? {
                Reply::Error(refusal) => return Err(io::Error::other(refusal)),
                _ => return Ok(client),
            }
        }
        Ok(client)
    }

    /// What the `redis-cli` program prints.
    ///
    /// # Panics
    ///
    /// If there is no such program, or it fails.
    #[track_caller]
    pub fn redis_cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(process::find("redis-cli", "LARDER_REDIS_CLI"));
        command.args(["-p", &self.port.to_string()]);
        if let Some(password) = self.builder.default_password() {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.args(arguments).output();
        let output = output.expect("redis-cli is a program");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "redis-cli {arguments:?}: {}\n{printed}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        printed
    }

    /// What the server has written to its log since it was started last.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn launch_once(&self) -> Result<(), Trouble> {
        let places = Places {
            folder: self.folder.path(),
            port: self.port,
            socket: self.socket.as_deref(),
            tls: self
                .certificates
                .as_ref()
                .map(|certificates| (self.tls_port, certificates)),
        };
        let configuration = self.folder.path().join("redis.conf");
        fs::write(&configuration, self.builder.configuration(&places))
            .expect("our own folder can be written to");
        let mut arguments = vec![configuration.as_path()];
        if self.builder.mode == Mode::Sentinel {
            arguments.push(Path::new("--sentinel"));
        }
        let mut process = Process::start(&self.binary, &arguments, &self.log_path())
            .map_err(|error| Trouble::Other(self.not_started(&error)))?;
        let ready = process::until(|| process.has_ended() || self.answers_as(process.id()));
        if ready && !process.has_ended() {
            *self.process() = Some(process);
            return Ok(());
        }
        let log = self.log();
        if log.contains("Address already in use") {
            return Err(Trouble::PortTaken);
        }
        let problem = format!("{} is not to be started:\n{log}", self.binary.display());
        Err(Trouble::Other(problem))
    }

    fn not_started(&self, error: &io::Error) -> String {
        let advice = process::missing(PROGRAM, VARIABLE);
        format!("`{}`: {error}. {advice}", self.binary.display())
    }

    /// Whether the server at our address answers and is this process, not another test's.
    fn answers_as(&self, id: u32) -> bool {
        let asked = self
            .try_client()
            .and_then(|mut client| client.command(&["INFO", "server"]));
        let Ok(Reply::Bulk(text)) = asked else {
            return false;
        };
        let line = format!("process_id:{id}");
        String::from_utf8_lossy(&text)
            .lines()
            .any(|found| found == line)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("redis.log")
    }

    #[track_caller]
    fn running<T>(&self, ask: impl FnOnce(&Process) -> T) -> T {
        let process = self.process();
        ask(process.as_ref().expect("the server was killed"))
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer")
            .field("address", &self.address())
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}

fn shown(words: &[impl AsRef<[u8]>]) -> String {
    let words = words
        .iter()
        .map(|word| String::from_utf8_lossy(word.as_ref()));
    words.collect::<Vec<_>>().join(" ")
}
