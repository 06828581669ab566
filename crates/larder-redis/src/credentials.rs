//! Who we are to the server: fixed, or asked for anew at each connection.

use std::fmt;
use std::time::Duration;

use larder_core::{Result, async_trait};
use secrecy::{ExposeSecret, SecretString};

use crate::config::Settings;
use crate::driver::Fault;

/// A user's name and password. Neither `Debug` nor any error shows the password.
#[derive(Clone, Default)]
pub struct Credentials {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
}

impl Credentials {
    /// A user with a password.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: Some(username.into()),
            password: Some(password.into().into()),
        }
    }

    /// The default user's password.
    pub fn password(password: impl Into<String>) -> Self {
        Self {
            username: None,
            password: Some(password.into().into()),
        }
    }

    /// What the driver sends.
    pub(crate) fn exposed(&self) -> (Option<String>, Option<String>) {
        let password = self.password.as_ref();
        (
            self.username.clone(),
            password.map(|password| password.expose_secret().to_owned()),
        )
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .finish()
    }
}

/// Where credentials come from that change while the program runs: short-lived tokens, rotated
/// passwords. Asked before each connection, and every [`CredentialProvider::refresh_every`] for the
/// connections that stand.
#[async_trait]
pub trait CredentialProvider: Send + Sync + fmt::Debug + 'static {
    /// The credentials to use now. It has as long as a connection may take to be made.
    async fn fetch(&self) -> Result<Credentials>;

    /// How often standing connections authenticate again. Default: never; a server asks for credentials
    /// only when a connection is made, unless it says otherwise.
    fn refresh_every(&self) -> Option<Duration> {
        None
    }
}

impl Settings {
    /// The credentials to use now, asked for within the time that a connection may take.
    pub(crate) async fn fetch_credentials(&self) -> Result<Credentials> {
        let fetching = tokio::time::timeout(self.dial_timeout, self.credentials.fetch());
        let late = |_elapsed| Err(Fault::Lost("no credentials in time".into()).into());
        fetching.await.unwrap_or_else(late)
    }
}

/// Fixed credentials.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) Credentials);

#[async_trait]
impl CredentialProvider for Fixed {
    async fn fetch(&self) -> Result<Credentials> {
        Ok(self.0.clone())
    }
}
