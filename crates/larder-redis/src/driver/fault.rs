//! What goes wrong between us and the server, and what it is called outside.

use std::borrow::Cow;

use larder_core::{Error, ErrorKind, ErrorStatus};

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No answer in time. Whether it was executed is unknown.
    Timeout,
    /// There is no connection, or it broke. Whether it was executed is unknown.
    Lost(Cow<'static, str>),
    /// The server said no. It was not executed.
    Refused(String),
}

impl Fault {
    /// The server's code, such as `NOSCRIPT`.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(message) => message.split(' ').next(),
            _ => None,
        }
    }

    /// Whether the server said that.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code() == Some(code)
    }

    /// The key holds something that is no string.
    pub(crate) fn is_wrong_type(&self) -> bool {
        // Within a script the code stands at the beginning too, by the versions that we know.
        matches!(self, Self::Refused(message) if message.contains("WRONGTYPE"))
    }

    /// Whether the command may have been executed all the same.
    pub(crate) fn is_uncertain(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// Codes of a server that may well say yes later.
const TEMPORARY: &[&str] = &[
    "LOADING",
    "BUSY",
    "READONLY",
    "MASTERDOWN",
    "NOREPLICAS",
    "OOM",
    "MISCONF",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "NOGOODSLAVE",
];

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match &fault {
            Fault::Timeout => Self::new(ErrorKind::Timeout, "no answer from redis in time"),
            Fault::Lost(why) => Self::new(
                ErrorKind::Unavailable,
                format!("redis can't be reached: {why}"),
            ),
            Fault::Refused(message) => match fault.code().unwrap_or_default() {
                code if TEMPORARY.contains(&code) || message.contains("max number of clients") => {
                    Self::new(
                        ErrorKind::Unavailable,
                        format!("redis can't do it now: {message}"),
                    )
                }
                "NOAUTH" | "WRONGPASS" => {
                    permanent(format!("redis refuses the credentials: {message}"))
                }
                "NOPERM" => permanent(format!(
                    "redis forbids it: {message}; {} (all that larder needs stands in the documentation of \
                     larder-redis)",
                    remedy(message)
                )),
                "NOPROTO" => no_resp3(message),
                _ if message.contains("unknown command 'HELLO'") => no_resp3(message),
                "WRONGTYPE" => Self::new(
                    ErrorKind::Unexpected,
                    "the key holds something that is no string, so nothing of ours",
                ),
                _ => Self::new(ErrorKind::Unexpected, format!("redis refused: {message}")),
            },
        }
    }
}

/// What gives a user the right that is missing, by the words of the server.
fn remedy(message: &str) -> String {
    let command = message
        .split_once("run the '")
        .and_then(|(_, rest)| rest.split_once('\''));
    match command {
        Some((command, _)) => format!("allow it by ACL SETUSER <user> +{command}"),
        None if message.contains("key") => {
            "allow its keys, for reading and writing, by ACL SETUSER <user> ~<namespace>:*"
                .to_owned()
        }
        None => "see ACL LOG".to_owned(),
    }
}

fn no_resp3(message: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "the server speaks no RESP3 (HELLO 3), by which changes are told: larder needs Redis 7.0 or later \
             without a proxy that doesn't know it ({message})"
        ),
    )
}

fn permanent(message: String) -> Error {
    Error::new(ErrorKind::Unavailable, message).with_status(ErrorStatus::Permanent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forbidden_is_said_with_the_rule_that_allows_it() {
        for (said, rule) in [
            (
                "NOPERM this user has no permissions to run the 'client|tracking' command",
                "+client|tracking (",
            ),
            (
                "NOPERM User shop has no permissions to run the 'evalsha' command",
                "+evalsha (",
            ),
            (
                "NOPERM this user has no permissions to access one of the keys used as arguments",
                "~<namespace>:* (",
            ),
        ] {
            let error = Error::from(Fault::Refused(said.to_owned()));
            assert!(error.message().contains(rule), "{error}");
            assert!(error.message().contains(said), "{error}");
            assert!(!error.is_temporary());
        }
    }

    #[test]
    fn a_fault_says_whether_the_same_call_may_succeed_later() {
        for (fault, temporary) in [
            (Fault::Timeout, true),
            (Fault::Lost("reset".into()), true),
            (Fault::Refused("LOADING dataset".to_owned()), true),
            (Fault::Refused("WRONGPASS no".to_owned()), false),
            (Fault::Refused("NOPERM no".to_owned()), false),
            (Fault::Refused("ERR syntax error".to_owned()), false),
        ] {
            assert_eq!(
                Error::from(fault.clone()).is_temporary(),
                temporary,
                "{fault:?}"
            );
        }
    }
}
