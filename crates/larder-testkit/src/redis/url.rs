//! Where a server is, as a client is told.

use std::net::SocketAddr;

use super::RedisServer;

impl RedisServer {
    /// `redis://` with the default user's password, if there is one.
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// `redis://` with the credentials of a user from [`user`](crate::RedisBuilder::user).
    ///
    /// # Panics
    ///
    /// If there is no such user.
    pub fn url_as(&self, name: &str) -> String {
        let user = self.builder.users.iter().rfind(|user| user.name == name);
        let user = user.unwrap_or_else(|| panic!("the server was started without a user {name:?}"));
        let user = user_info(&user.name, &user.password);
        format!("redis://{user}{}", self.address())
    }

    /// As [`RedisServer::url`] with another address, such as that of a [`FaultProxy`] that leads here.
    ///
    /// [`FaultProxy`]: crate::FaultProxy
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("redis://{}{address}", self.default_user())
    }

    /// `rediss://` with the default user's password, if there is one.
    ///
    /// # Panics
    ///
    /// Without [`tls`](crate::RedisBuilder::tls).
    pub fn tls_url(&self) -> String {
        format!("rediss://{}{}", self.default_user(), self.tls_address())
    }

    /// `redis+unix://` with the default user's password, if there is one.
    ///
    /// # Panics
    ///
    /// Without [`unix_socket`](crate::RedisBuilder::unix_socket).
    pub fn unix_url(&self) -> String {
        let user = self.default_user();
        // An address needs some host between the password and the path.
        let host = if user.is_empty() { "" } else { "localhost" };
        format!("redis+unix://{user}{host}{}", self.socket().display())
    }

    fn default_user(&self) -> String {
        let password = self.builder.default_password();
        password.map_or_else(String::new, |password| user_info("", password))
    }
}

/// What stands before the host.
fn user_info(name: &str, password: &str) -> String {
    format!("{}:{}@", escaped(name), escaped(password))
}

/// Every character that means something in a URL as its number.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_url_is_escaped() {
        assert_eq!(user_info("", "a:b/c@d?é"), ":a%3Ab%2Fc%40d%3F%C3%A9@");
    }
}
