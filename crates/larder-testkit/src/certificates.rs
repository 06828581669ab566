//! Certificates for one test, signed by an authority that nobody else knows.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// An authority with a certificate for a server on this machine and one for its clients, as PEM files.
///
/// The server's certificate is for `localhost` and `127.0.0.1`. All are new each time, so whoever trusts
/// one authority distrusts the servers of another.
///
/// ```
/// use larder_testkit::Certificates;
///
/// let folder = tempfile::tempdir()?;
/// let certificates = Certificates::write_to(folder.path());
/// assert!(certificates.authority().starts_with("-----BEGIN CERTIFICATE-----"));
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Certificates {
    folder: PathBuf,
    authority: String,
    client_certificate: String,
    client_key: String,
}

impl Certificates {
    /// Makes them and writes them to a folder that exists.
    ///
    /// # Panics
    ///
    /// If the folder can't be written to.
    pub fn write_to(folder: &Path) -> Self {
        let authority = authority();
        let (server_certificate, server_key) =
            signed(&authority, "server", ExtendedKeyUsagePurpose::ServerAuth);
        let (client_certificate, client_key) =
            signed(&authority, "client", ExtendedKeyUsagePurpose::ClientAuth);
        let certificates = Self {
            folder: folder.to_owned(),
            authority: authority.pem(),
            client_certificate,
            client_key,
        };
        for (path, text) in [
            (certificates.authority_path(), &certificates.authority),
            (certificates.server_certificate_path(), &server_certificate),
            (certificates.server_key_path(), &server_key),
            (
                certificates.client_certificate_path(),
                &certificates.client_certificate,
            ),
            (certificates.client_key_path(), &certificates.client_key),
        ] {
            fs::write(&path, text)
                .unwrap_or_else(|error| panic!("can't write {}: {error}", path.display()));
        }
        certificates
    }

    /// The authority's certificate, which a client has to trust; PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The client's certificate, PEM.
    pub fn client_certificate(&self) -> &str {
        &self.client_certificate
    }

    /// The client's private key, PEM (PKCS #8).
    pub fn client_key(&self) -> &str {
        &self.client_key
    }

    /// The file of [`Certificates::authority`].
    pub fn authority_path(&self) -> PathBuf {
        self.folder.join("authority.crt")
    }

    /// The file with the server's certificate.
    pub fn server_certificate_path(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    /// The file with the server's private key.
    pub fn server_key_path(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// The file of [`Certificates::client_certificate`].
    pub fn client_certificate_path(&self) -> PathBuf {
        self.folder.join("client.crt")
    }

    /// The file of [`Certificates::client_key`].
    pub fn client_key_path(&self) -> PathBuf {
        self.folder.join("client.key")
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    name(&mut parameters, "authority");
    CertifiedIssuer::self_signed(parameters, key()).expect("the parameters are complete")
}

/// A certificate and its key, both PEM.
fn signed(
    authority: &CertifiedIssuer<'_, KeyPair>,
    whose: &str,
    purpose: ExtendedKeyUsagePurpose,
) -> (String, String) {
    let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut parameters = CertificateParams::new(hosts).expect("these are host names");
    parameters.use_authority_key_identifier_extension = true;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![purpose];
    name(&mut parameters, whose);
    let key = key();
    let certificate = parameters
        .signed_by(&key, authority)
        .expect("the authority may sign");
    (certificate.pem(), key.serialize_pem())
}

fn name(parameters: &mut CertificateParams, whose: &str) {
    let name = format!("larder test {whose}");
    parameters.distinguished_name.push(DnType::CommonName, name);
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the system has random numbers")
}
