//! The truth: a version for each key, counted by the parent process, asked over a socket.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};

use crate::history::{Event, Recorder};
use crate::keys::{KEYS, KeyIndex};
use crate::moment::now;

/// The versions, and the file in which each change is noted at the moment in which it happens.
#[derive(Debug)]
pub(crate) struct Origin {
    versions: Mutex<[u64; KEYS.len()]>,
    recorder: Arc<Recorder>,
}

impl Origin {
    pub(crate) fn new(recorder: Arc<Recorder>) -> Self {
        Self {
            versions: Mutex::default(),
            recorder,
        }
    }

    /// Changes a key; its new version.
    pub(crate) fn write(&self, key: KeyIndex) -> u64 {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let version = &mut versions[usize::from(key)];
        *version += 1;
        // Under the lock, and after the change: nobody has read it before this moment.
        self.recorder.record(&Event::Origin {
            at: now(),
            key,
            version: *version,
        });
        *version
    }

    fn read(&self, key: KeyIndex) -> u64 {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions[usize::from(key)]
    }

    /// Answers on a free port for as long as the process lives.
    pub(crate) fn serve(self: &Arc<Self>) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let origin = Arc::clone(self);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let origin = Arc::clone(&origin);
                // It ends with its client.
                thread::spawn(move || origin.answer(&stream));
            }
        });
        Ok(address)
    }

    fn answer(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut output = stream.try_clone()?;
        for line in BufReader::new(stream).lines() {
            let line = line?;
            let (word, key) = line.split_once(' ').ok_or(io::ErrorKind::InvalidData)?;
            let key = key.parse().map_err(io::Error::other)?;
            let version = match word {
                "write" => self.write(key),
                _ => self.read(key),
            };
            output.write_all(format!("{version}\n").as_bytes())?;
        }
        Ok(())
    }
}

/// A node's way to the origin: a few connections, each used by one at a time.
#[derive(Debug)]
pub(crate) struct OriginClient {
    address: SocketAddr,
    idle: Mutex<Vec<BufStream<tokio::net::TcpStream>>>,
}

impl OriginClient {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            idle: Mutex::default(),
        }
    }

    /// Changes a key; its new version.
    pub(crate) async fn write(&self, key: KeyIndex) -> io::Result<u64> {
        self.ask("write", key).await
    }

    /// A key's version.
    pub(crate) async fn read(&self, key: KeyIndex) -> io::Result<u64> {
        self.ask("read", key).await
    }

    async fn ask(&self, word: &str, key: KeyIndex) -> io::Result<u64> {
        let idle = self.pool().pop();
        let mut stream = if let Some(stream) = idle {
            stream
        } else {
            let stream = tokio::net::TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            BufStream::new(stream)
        };
        stream
            .write_all(format!("{word} {key}\n").as_bytes())
            .await?;
        stream.flush().await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let version = line.trim_end().parse().map_err(io::Error::other)?;
        // Not after an error, and not if the caller has gone meanwhile: its answer would be another's.
        self.pool().push(stream);
        Ok(version)
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Vec<BufStream<tokio::net::TcpStream>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
