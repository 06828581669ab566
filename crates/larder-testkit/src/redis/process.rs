//! Starting a program, and stopping exactly what was started.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

/// After so long a program is not going to do what is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(2);

/// A running program that ends with this value, or with the process of the test if that dies first.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Kills the child when its standard input ends, which the system sees to however this process dies.
    guard: Child,
}

impl Process {
    /// Starts a program that writes what it has to say to `log`.
    pub(super) fn start(binary: &Path, arguments: &[&Path], log: &Path) -> io::Result<Self> {
        let log = File::create(log)?;
        let mut child = Command::new(binary)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let guard = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$1\"", "sh"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { child, guard }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the program has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        // An error would mean that somebody else has waited for our child.
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops the program in its tracks; returns when it stands.
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
        // Without taking the news away, so that it can be asked for twice.
        let news = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let stands = || {
            let id = WaitId::Pid(Pid::from_child(&self.child));
            matches!(rustix::process::waitid(id, news), Ok(Some(_)))
        };
        assert!(until(stands), "the server can't be paused: has it ended?");
    }

    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal)
            .expect("it is our child, and not waited for");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard first: after the child is gone, its number may become another's.
        end(&mut self.guard);
        end(&mut self.child);
    }
}

/// Fails only where the child has ended already.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Polls until it is so. False if it isn't within thirty seconds.
pub(super) fn until(is_so: impl FnMut() -> bool) -> bool {
    within(PATIENCE, is_so)
}

/// Polls until it is so. False if it isn't within `patience`.
pub(super) fn within(patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !is_so() {
        if started.elapsed() > patience {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

/// The program of this name: where the variable says, or on the path.
///
/// # Panics
///
/// If it isn't there, with what to install.
pub(super) fn find(program: &str, variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{}", missing(program, variable)))
}

/// What to do about a program that isn't there.
pub(super) fn missing(program: &str, variable: &str) -> String {
    format!(
        "`{program}` is needed and not on the path. Install it (Debian, Ubuntu: `apt-get install redis-server \
         redis-tools`; Fedora: `dnf install redis`; macOS: `brew install redis`), or say where it is \
         in {variable}."
    )
}
