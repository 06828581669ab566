//! A client with nothing of larder in it: what tests look and meddle from outside with.

use std::fmt::Debug;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::Reply;

/// After so long without an answer a server is taken for dead.
const PATIENCE: Duration = Duration::from_secs(10);

/// One blocking connection that speaks RESP2.
///
/// It stands for another program that uses the same server: what it sees and does passes through none
/// of the code under test. Each wait ends after ten seconds, with an error.
#[derive(Debug)]
pub struct RedisClient {
    input: BufReader<Box<dyn Connection>>,
    output: Box<dyn Connection>,
}

trait Connection: Read + Write + Send + Debug {}

impl<T: Read + Write + Send + Debug> Connection for T {}

impl RedisClient {
    /// Connects over TCP.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::on(stream.try_clone()?, stream))
    }

    /// Connects through a socket in the file system.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub fn connect_unix(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::on(stream.try_clone()?, stream))
    }

    fn on(input: impl Connection + 'static, output: impl Connection + 'static) -> Self {
        Self {
            input: BufReader::new(Box::new(input)),
            output: Box::new(output),
        }
    }

    /// Sends a command and waits for its reply, which may be a [`Reply::Error`].
    ///
    /// # Errors
    ///
    /// If the connection is lost, or ten seconds pass.
    pub fn command(&mut self, words: &[impl AsRef<[u8]>]) -> io::Result<Reply> {
        self.send(words)?;
        self.receive()
    }

    /// Sends several commands at once; their replies, in order.
    ///
    /// # Errors
    ///
    /// If the connection is lost, or ten seconds pass.
    pub fn pipeline(&mut self, commands: &[Vec<Vec<u8>>]) -> io::Result<Vec<Reply>> {
        let bytes: Vec<u8> = commands.iter().flat_map(|words| encoded(words)).collect();
        self.output.write_all(&bytes)?;
        commands.iter().map(|_| self.receive()).collect()
    }

    /// Sends a command without waiting for its reply.
    ///
    /// # Errors
    ///
    /// If the connection is lost.
    pub fn send(&mut self, words: &[impl AsRef<[u8]>]) -> io::Result<()> {
        self.output.write_all(&encoded(words))
    }

    /// The next reply, or the next message of a subscription.
    ///
    /// # Errors
    ///
    /// If the connection is lost, ten seconds pass, or what comes isn't RESP2.
    pub fn receive(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| unknown(&line))?;
        let number = || rest.parse::<i64>().ok().ok_or_else(|| unknown(&line));
        Ok(match kind {
            "+" => Reply::Simple(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(number()?),
            // A negative length is how RESP2 says nil.
            "$" => match usize::try_from(number()?) {
                Ok(length) => Reply::Bulk(self.bulk(length)?),
                Err(_) => Reply::Nil,
            },
            "*" => match usize::try_from(number()?) {
                Ok(length) => Reply::Array(
                    (0..length)
                        .map(|_| self.receive())
                        .collect::<io::Result<_>>()?,
                ),
                Err(_) => Reply::Nil,
            },
            _ => return Err(unknown(&line)),
        })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.input.read_until(b'\n', &mut line)?;
        let Some(text) = line.strip_suffix(b"\r\n") else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn bulk(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length + 2];
        self.input.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn encoded(words: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn unknown(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not RESP2: {line:?}"))
}
