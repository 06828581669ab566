//! What a server is started with, and its configuration file.

use std::path::{Path, PathBuf};

use super::RedisServer;

/// Settings of a [`RedisServer`].
#[derive(Clone, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct RedisBuilder {
    pub(super) binary: Option<PathBuf>,
    pub(super) password: Option<String>,
    pub(super) users: Vec<User>,
    pub(super) unix_socket: bool,
    pub(super) tls: Option<Tls>,
    pub(super) mode: Mode,
    arguments: Vec<(String, String)>,
}

#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
    rules: String,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    Optional,
    Required,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Server,
    Sentinel,
}

/// Where a server keeps what it was given.
pub(super) struct Places<'a> {
    pub(super) folder: &'a Path,
    pub(super) port: u16,
    pub(super) socket: Option<&'a Path>,
    pub(super) tls: Option<(u16, &'a crate::Certificates)>,
}

impl RedisBuilder {
    /// The program to start. Default: `LARDER_REDIS_SERVER` from the environment, else `redis-server` on
    /// the path.
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// The password of the default user. Default: none.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Adds a user with what the server lets them do, such as `~shop:* +@read`. Default: none but the
    /// default user, who may do everything.
    pub fn user(mut self, name: &str, password: &str, rules: &str) -> Self {
        self.users.push(User {
            name: name.to_owned(),
            password: password.to_owned(),
            rules: rules.to_owned(),
        });
        self
    }

    /// Listens on a socket in the file system too. Default: on TCP alone.
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Listens for encrypted connections too, on a port of their own, with [`Certificates`] made for this
    /// server. Clients may show a certificate. Default: no encryption.
    ///
    /// [`Certificates`]: crate::Certificates
    pub fn tls(mut self) -> Self {
        self.tls = self.tls.or(Some(Tls::Optional));
        self
    }

    /// As [`RedisBuilder::tls`], and clients on that port must show a certificate of the same authority.
    pub fn client_certificates(mut self) -> Self {
        self.tls = Some(Tls::Required);
        self
    }

    /// A line of the configuration file, such as `("maxmemory", "10mb")`; the value as one would write it
    /// there, with quotes where it needs them. Comes after the other lines and overrules them.
    pub fn argument(mut self, name: &str, value: &str) -> Self {
        self.arguments.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server; returns when it answers.
    ///
    /// # Panics
    ///
    /// If there is no such program, or it refuses to start: with what to install, or with its log.
    pub fn start(self) -> RedisServer {
        RedisServer::launch(self)
    }

    pub(super) fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The password that the default user really has.
    pub(super) fn default_password(&self) -> Option<&str> {
        let default = self.users.iter().rfind(|user| user.name == "default");
        default
            .map(|user| user.password.as_str())
            .or(self.password.as_deref())
    }

    /// The text of the configuration file.
    pub(super) fn configuration(&self, places: &Places<'_>) -> String {
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            format!("port {}", places.port),
            format!("dir {}", quoted_path(places.folder)),
            "daemonize no".to_owned(),
        ];
        if self.mode == Mode::Server {
            lines.push("save \"\"".to_owned());
            lines.push("appendonly no".to_owned());
        }
        if let Some(password) = &self.password {
            lines.push(format!("requirepass {}", quoted(password)));
        }
        for user in &self.users {
            let password = quoted(&format!(">{}", user.password));
            lines.push(format!("user {} on {password} {}", user.name, user.rules));
        }
        if let Some(socket) = places.socket {
            lines.push(format!("unixsocket {}", quoted_path(socket)));
        }
        if let Some((port, certificates)) = places.tls {
            let clients = match self.tls {
                Some(Tls::Required) => "yes",
                _ => "optional",
            };
            let authority = quoted_path(&certificates.authority_path());
            let certificate = quoted_path(&certificates.server_certificate_path());
            lines.push(format!("tls-port {port}"));
            lines.push(format!("tls-ca-cert-file {authority}"));
            lines.push(format!("tls-cert-file {certificate}"));
            lines.push(format!(
                "tls-key-file {}",
                quoted_path(&certificates.server_key_path())
            ));
            lines.push(format!("tls-auth-clients {clients}"));
        }
        for (name, value) in &self.arguments {
            lines.push(format!("{name} {value}"));
        }
        lines.join("\n") + "\n"
    }
}

impl std::fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments may hold secrets too (`masterauth`).
        let names: Vec<&str> = self.arguments.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("RedisBuilder")
            .field("binary", &self.binary)
            .field("password", &self.password.is_some())
            .field("users", &self.users.len())
            .field("unix_socket", &self.unix_socket)
            .field("tls", &self.tls.is_some())
            .field("arguments", &names)
            .finish_non_exhaustive()
    }
}

/// A word of a configuration file, whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    use std::fmt::Write;

    let mut word = String::from('"');
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            word.push(byte.into());
        } else {
            write!(word, "\\x{byte:02x}").expect("a String takes everything");
        }
    }
    word.push('"');
    word
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_of_any_characters_stays_one_word() {
        assert_eq!(quoted("a \"#é"), "\"a\\x20\\x22\\x23\\xc3\\xa9\"");
    }

    #[test]
    fn no_secret_is_shown() {
        let builder = RedisBuilder::default()
            .password("secret")
            .user("shop", "secret", "~* +@all")
            .argument("masterauth", "secret");
        let shown = format!("{builder:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
