//! Encrypted connections: what to trust, and what to show.

use std::fmt;

use larder_core::{Error, ErrorKind, Result};
#[cfg(feature = "tls")]
use secrecy::ExposeSecret;
use secrecy::SecretString;

/// What the driver makes encrypted connections with.
#[cfg(feature = "tls")]
pub(crate) type Connector = std::sync::Arc<rustls::ClientConfig>;

/// Nothing, in a build that can't encrypt.
#[cfg(not(feature = "tls"))]
#[derive(Clone, Debug)]
pub(crate) enum Connector {}

/// How an encrypted connection is made. The default trusts what the system trusts.
#[derive(Clone, Default)]
#[must_use]
pub struct Tls {
    roots: Option<String>,
    identity: Option<(String, SecretString)>,
}

impl Tls {
    /// Trusts the certificates in this PEM text, and no others. Default: the system's.
    pub fn root_certificates(self, pem: impl Into<String>) -> Self {
        Self {
            roots: Some(pem.into()),
            ..self
        }
    }

    /// Shows this certificate chain to the server, with its private key; both PEM. Default: none.
    pub fn client_certificate(
        self,
        chain_pem: impl Into<String>,
        key_pem: impl Into<String>,
    ) -> Self {
        Self {
            identity: Some((chain_pem.into(), key_pem.into().into())),
            ..self
        }
    }

    /// Why there is none: this build can't encrypt.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn connector(&self) -> Result<Connector> {
        let Self { .. } = self;
        Err(invalid(
            "an encrypted connection needs the feature `tls` of larder-redis (`redis-tls` of larder)",
        ))
    }

    /// The driver's own form of the settings. The provider of the cryptography is named, because a program
    /// that has two of them would otherwise panic at the first connection.
    #[cfg(feature = "tls")]
    pub(crate) fn connector(&self) -> Result<Connector> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};

        let certificates = |what: &str, pem: &str| -> Result<Vec<CertificateDer<'static>>> {
            let read: std::result::Result<Vec<_>, _> =
                CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
            match read {
                Ok(certificates) if !certificates.is_empty() => Ok(certificates),
                Ok(_) => Err(invalid(format!("{what}: there is no certificate in it"))),
                Err(_) => Err(invalid(format!("{what}: this is no PEM text"))),
            }
        };
        let mut roots = rustls::RootCertStore::empty();
        match &self.roots {
            Some(pem) => {
                for certificate in certificates("root_certificates", pem)? {
                    roots.add(certificate).map_err(|error| {
                        invalid(format!("root_certificates: no certificate: {error}"))
                    })?;
                }
            }
            // One certificate that can't be read is no reason to trust none.
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid(error.to_string()))?
            .with_root_certificates(roots);
        let Some((chain, key)) = &self.identity else {
            return Ok(builder.with_no_client_auth().into());
        };
        let chain = certificates("client_certificate", chain)?;
        let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()).map_err(
            |_unreadable| invalid("client_certificate: there is no private key in it".to_owned()),
        )?;
        builder
            .with_client_auth_cert(chain, key)
            .map(Connector::from)
            .map_err(|error| invalid(format!("client_certificate: {error}")))
    }
}

fn invalid(message: impl fmt::Display) -> Error {
    Error::new(ErrorKind::ConfigInvalid, format!("redis: tls: {message}"))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("own_roots", &self.roots.is_some())
            .field("client_certificate", &self.identity.is_some())
            .finish()
    }
}
