//! Redis: seeing that it is there for the tests, and a server to play with.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::process;

const SERVER: &str = "redis-server";
/// Where else the tests look for the server; as in `larder-testkit`.
const VARIABLE: &str = "LARDER_REDIS_SERVER";
const CLIENT: &str = "redis-cli";

/// Sentinels are `redis-server --sentinel`: the package `redis-sentinel` would only start a service.
const PACKAGES: &[&str] = &["redis-server", "redis-tools"];

/// What one types where we can't install it.
const ADVICE: &str = "\
the tests start Redis servers of their own, and need `redis-server` and `redis-cli` on the path (or the server's
path in LARDER_REDIS_SERVER):
  Debian, Ubuntu   sudo apt-get install redis-server redis-tools
  Fedora           sudo dnf install redis
  macOS            brew install redis";

/// Longer than a slow mirror takes.
const INSTALLATION: Duration = Duration::from_secs(300);
/// Much longer than a server takes to start or to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sees to it that the programs are there; installs them where that needs nobody's permission.
pub(crate) fn ensure() -> Result<(), String> {
    if missing().is_empty() {
        return Ok(());
    }
    println!("not here: {}", missing().join(", "));
    if on_path("apt-get").is_none() || !is_root() {
        return Err(ADVICE.to_owned());
    }
    install().map_err(|problem| format!("{problem}\n{ADVICE}"))?;
    match missing().as_slice() {
        [] => Ok(()),
        missing => Err(format!("still not here: {}\n{ADVICE}", missing.join(", "))),
    }
}

/// The programs that the tests need and that aren't there.
fn missing() -> Vec<&'static str> {
    let server = server().is_none().then_some(SERVER);
    let client = on_path(CLIENT).is_none().then_some(CLIENT);
    server.into_iter().chain(client).collect()
}

fn server() -> Option<PathBuf> {
    match env::var_os(VARIABLE) {
        Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
        None => on_path(SERVER),
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn is_root() -> bool {
    process::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn install() -> Result<(), String> {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(arguments);
        process::run_within(INSTALLATION, &mut command)
    };
    let install = [&["install", "--yes", "--no-install-recommends"], PACKAGES].concat();
    // A fresh container has no lists, or old ones.
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
}

/// A server that was started to play with. Kept in a file between `up` and `down`.
#[derive(Debug, PartialEq, Eq)]
struct Playing {
    port: u16,
    process: u32,
    /// Made by the server when it started: nobody else has it.
    run: String,
}

/// Starts a server in the background, unless ours runs already; the line for one's shell.
pub(crate) fn up(target: &Path, port: Option<u16>) -> Result<String, String> {
    if let Some(playing) = Playing::read(target)?
        && playing.connect().is_some()
    {
        return match port {
            Some(port) if port != playing.port => Err(format!(
                "one runs on port {} already; `cargo xtask redis down` stops it",
                playing.port
            )),
            _ => Ok(playing.export()),
        };
    }
    let server = server().ok_or(ADVICE)?;
    let folder = folder(target);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let port = port.map_or_else(free_port, Ok)?;
    let playing = start(&server, &folder, port)?;
    playing.write(target)?;
    Ok(playing.export())
}

/// Stops the server that `up` has started, and no other.
pub(crate) fn down(target: &Path) -> Result<String, String> {
    let playing = Playing::read(target)?.ok_or("none was started: `cargo xtask redis up` does")?;
    let answer = match playing.connect() {
        // It is asked on the connection on which it has told who it is.
        Some(mut connection) => {
            let failed = |error| format!("the server on port {}: {error}", playing.port);
            connection
                .write_all(b"SHUTDOWN NOSAVE\r\n")
                .map_err(failed)?;
            // It answers by closing.
            let mut refusal = String::new();
            connection.read_to_string(&mut refusal).map_err(failed)?;
            if !refusal.is_empty() {
                return Err(format!("the server on port {}: {refusal}", playing.port));
            }
            format!(
                "stopped process {} on port {}",
                playing.process, playing.port
            )
        }
        None => format!("the one on port {} was gone already", playing.port),
    };
    let file = Playing::file(target);
    fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(answer)
}

fn folder(target: &Path) -> PathBuf {
    target.join("redis")
}

fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port: {error}"))
}

fn start(server: &Path, folder: &Path, port: u16) -> Result<Playing, String> {
    let log = folder.join("redis.log");
    // What an earlier one wrote explains nothing.
    let _ = fs::remove_file(&log);
    let mut command = Command::new(server);
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder)
        .arg("--logfile")
        .arg(&log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // So that Ctrl-C in this terminal isn't for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let failed = |error: std::io::Error| format!("{}: {error}", server.display());
    let mut child = command.spawn().map_err(failed)?;
    let started = Instant::now();
    loop {
        if let Some((process, run, _)) = identify(port)
            && process == child.id()
        {
            return Ok(Playing { port, process, run });
        }
        let ended = child.try_wait().map_err(failed)?.is_some();
        if ended || started.elapsed() > PATIENCE {
            // Fails only if it has ended.
            let _ = child.kill();
            let log = fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("no server on port {port}:\n{log}"));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The number and the run of the server at a port, and the connection on which it said so.
fn identify(port: u16) -> Option<(u32, String, TcpStream)> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).ok()?;
    connection.write_all(b"INFO server\r\n").ok()?;
    let mut reader = BufReader::new(&mut connection);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let length: usize = line.trim().strip_prefix('$')?.parse().ok()?;
    let mut text = vec![0; length + 2];
    reader.read_exact(&mut text).ok()?;
    let text = String::from_utf8(text).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let process = field("process_id:")?.parse().ok()?;
    let run = field("run_id:")?.to_owned();
    Some((process, run, connection))
}

impl Playing {
    fn file(target: &Path) -> PathBuf {
        folder(target).join("playing")
    }

    fn read(target: &Path) -> Result<Option<Self>, String> {
        let file = Self::file(target);
        let Ok(text) = fs::read_to_string(&file) else {
            return Ok(None);
        };
        let playing = Self::parse(&text);
        let unreadable = || format!("{} can't be read: {text:?}", file.display());
        playing.map(Some).ok_or_else(unreadable)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        Some(Self {
            port: words.next()?.parse().ok()?,
            process: words.next()?.parse().ok()?,
            run: words.next()?.to_owned(),
        })
    }

    fn write(&self, target: &Path) -> Result<(), String> {
        let file = Self::file(target);
        fs::write(&file, self.line()).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn line(&self) -> String {
        format!("{} {} {}\n", self.port, self.process, self.run)
    }

    /// A connection, if it still runs and is the one we started.
    fn connect(&self) -> Option<TcpStream> {
        let (process, run, connection) = identify(self.port)?;
        (process == self.process && run == self.run).then_some(connection)
    }

    fn export(&self) -> String {
        format!("export REDIS_URL=redis://127.0.0.1:{}", self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_read_again() {
        let playing = Playing {
            port: 7_000,
            process: 42,
            run: "abc".to_owned(),
        };
        assert_eq!(Playing::parse(&playing.line()), Some(playing));
        assert_eq!(Playing::parse("7000 what abc"), None);
        assert_eq!(Playing::parse("7000 42"), None);
    }

    #[test]
    fn a_port_where_nobody_is_identifies_nobody() {
        let port = free_port().unwrap();
        assert!(identify(port).is_none());
    }

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        assert!(on_path("no-such-program").is_none());
    }
}
