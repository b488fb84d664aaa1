//! Encryption to the server, with libpq's meanings of `sslmode`.
//!
//! `require` encrypts without asking who the server is, as platforms with certificates that nobody signed need it;
//! only the `verify-` modes look at the certificate. A certificate that is itself among the trusted ones is trusted,
//! although it may be marked as an authority: that is what `openssl req -x509` makes, and libpq takes it.

use super::address::{PostgresAddress, Roots, TlsMode};
use crate::Error;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A way to connect.
#[derive(Clone)]
pub(super) struct Way {
    pub mode: SslMode,
    pub tls: MakeRustlsConnect,
}

/// The ways to connect that an address allows: the first, and another where that one is refused.
pub(super) fn ways(address: &PostgresAddress) -> Result<(Way, Option<Way>), Error> {
    // As in libpq: nobody listens between a process and a socket of its own machine.
    let local = address.config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)));
    let mode = if local { TlsMode::Disable } else { address.tls };
    let trust = match mode {
        TlsMode::VerifyCa | TlsMode::VerifyFull => Trust::authorities(address, mode == TlsMode::VerifyFull)?,
        _ => Trust::Anyone,
    };
    let tls = MakeRustlsConnect::new(client_config(trust)?);
    let way = |mode| Way { mode, tls: tls.clone() };
    Ok(match mode {
        TlsMode::Disable => (way(SslMode::Disable), None),
        TlsMode::Allow => (way(SslMode::Disable), Some(way(SslMode::Require))),
        TlsMode::Prefer => (way(SslMode::Prefer), Some(way(SslMode::Disable))),
        TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => (way(SslMode::Require), None),
    })
}

fn client_config(trust: Trust) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier { provider: Arc::clone(&provider), trust };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Certificates { place: "this program".to_owned(), detail: error.to_string() })?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

/// Whom to believe.
#[derive(Debug)]
enum Trust {
    /// Whoever answers.
    Anyone,
    /// Those whose certificate one of these signed, or is; with `names`, for the host that was asked.
    Authorities { roots: RootCertStore, certificates: Vec<CertificateDer<'static>>, names: bool },
}

impl Trust {
    fn authorities(address: &PostgresAddress, names: bool) -> Result<Self, Error> {
        let (place, certificates) = match &address.roots {
            Some(Roots::File(path)) => (format!("`{}`", path.display()), certificates_in(path)?),
            Some(Roots::System) | None => {
                let found = rustls_native_certs::load_native_certs();
                let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
                if found.certs.is_empty() && !errors.is_empty() {
                    return Err(no_certificates("this system", &errors.join("; ")));
                }
                ("this system".to_owned(), found.certs)
            }
        };
        let mut roots = RootCertStore::empty();
        // Systems carry certificates of another age, which nobody needs; a file should hold at least one that works.
        let (used, _unreadable) = roots.add_parsable_certificates(certificates.iter().cloned());
        if used == 0 {
            return Err(no_certificates(&place, "there are none"));
        }
        Ok(Trust::Authorities { roots, certificates, names })
    }
}

fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    read().map_err(|error| no_certificates(&format!("`{}`", path.display()), &error.to_string()))
}

fn no_certificates(place: &str, detail: &str) -> Error {
    Error::Certificates { place: place.to_owned(), detail: detail.to_owned() }
}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Trust,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Trust::Authorities { roots, certificates, names } = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms) {
            Err(error) if !(is_about_being_an_authority(&error) && certificates.contains(end_entity)) => {
                return Err(error);
            }
            _ => {}
        }
        if *names {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether a certificate was refused only because it may sign others; its dates were found good before that.
fn is_about_being_an_authority(error: &rustls::Error) -> bool {
    // The error inside is of a crate that rustls keeps to itself; a test holds its name.
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other))
        if format!("{other:?}").contains("CaUsedAsEndEntity"))
}
