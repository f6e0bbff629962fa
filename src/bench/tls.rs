//! TLS to the server, by rustls.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::error::BenchError;

/// Whom to trust and who to be.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Speak TLS. The server's certificate is checked against the system's authorities if no other are given.
    #[arg(long)]
    pub tls: bool,
    /// Authorities to trust, PEM.
    #[arg(long, requires = "tls", value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// The client's certificate, PEM, if the server asks for one.
    #[arg(long, requires_all = ["tls", "key"], value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, requires_all = ["tls", "cert"], value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The name that the server's certificate must carry; the host's if not given.
    #[arg(long, requires = "tls", value_name = "NAME")]
    pub sni: Option<String>,
    /// Take any certificate.
    #[arg(long, requires = "tls", conflicts_with = "cacert")]
    pub insecure: bool,
}

/// Settings of TLS, read and checked.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where distributions keep the authorities that they trust.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl TlsArgs {
    /// Reads the files; none without `--tls`.
    pub fn read(&self) -> Result<Option<Tls>, BenchError> {
        if !self.tls {
            return Ok(None);
        }
        let bad = |what: String| move |e: &dyn fmt::Display| BenchError::workload(format!("{what}: {e}"));
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| bad("TLS".into())(&e))?;
        let builder = if self.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAnything(provider)))
        } else {
            builder.with_root_certificates(self.authorities()?)
        };
        let config = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let chain = certificates(cert)?;
                let key_der = PrivateKeyDer::from_pem_file(key)
                    .map_err(|e| bad(format!("cannot read the key {}", key.display()))(&e))?;
                builder
                    .with_client_auth_cert(chain, key_der)
                    .map_err(|e| bad(format!("the certificate {}", cert.display()))(&e))?
            }
            _ => builder.with_no_client_auth(),
        };
        let name = self.sni.clone().map(ServerName::try_from).transpose().map_err(|e| bad("--sni".into())(&e))?;
        Ok(Some(Tls { config: Arc::new(config), name }))
    }

    fn authorities(&self) -> Result<RootCertStore, BenchError> {
        let mut store = RootCertStore::empty();
        let path = match &self.cacert {
            Some(path) => path.clone(),
            None => SYSTEM_AUTHORITIES.iter().map(PathBuf::from).find(|path| path.exists()).ok_or_else(|| {
                BenchError::workload("no authorities of the system found: give --cacert FILE, or --insecure")
            })?,
        };
        let (taken, _) = store.add_parsable_certificates(certificates(&path)?);
        match taken {
            0 => Err(BenchError::workload(format!("{} holds no certificate", path.display()))),
            _ => Ok(store),
        }
    }
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, BenchError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e| BenchError::workload(format!("cannot read certificates from {}: {e}", path.display())))
}

/// For servers with certificates that nobody signed. The signature is checked all the same: it costs what it costs users.
#[derive(Debug)]
struct TrustAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The TLS side of one connection: knows no socket, turns plain bytes into records and back.
#[derive(Debug)]
pub struct Session {
    inner: ClientConnection,
    /// Records to send, and how many bytes of them the kernel has.
    out: Vec<u8>,
    written: usize,
    plain: Vec<u8>,
}

impl Session {
    /// A session with the server called `host`, not shaken hands yet.
    pub fn new(tls: &Tls, host: &str) -> io::Result<Self> {
        let invalid = |e: &dyn fmt::Display| io::Error::new(io::ErrorKind::InvalidInput, format!("TLS: {e}"));
        let name = match &tls.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_string()).map_err(|e| invalid(&e))?,
        };
        let mut inner = ClientConnection::new(tls.config.clone(), name).map_err(|e| invalid(&e))?;
        // What waits for a server that does not read is bounded by the connection's backlog.
        inner.set_buffer_limit(None);
        Ok(Session { inner, out: Vec::new(), written: 0, plain: Vec::new() })
    }

    /// Shakes hands over a blocking socket.
    pub fn shake_hands(&mut self, socket: &mut (impl Read + Write)) -> io::Result<()> {
        while self.inner.is_handshaking() {
            self.inner.complete_io(socket)?;
        }
        self.inner.complete_io(socket).map(|_| ())
    }

    /// Takes plain bytes to send.
    pub fn encrypt(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.writer().write_all(bytes)?;
        self.collect()
    }

    fn collect(&mut self) -> io::Result<()> {
        while self.inner.wants_write() {
            self.inner.write_tls(&mut self.out)?;
        }
        Ok(())
    }

    /// Records that wait to be sent.
    pub fn records(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// The kernel took `bytes` of [`Session::records`].
    pub fn sent(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
    }

    /// Takes received records; gives the plain bytes that they hold.
    pub fn decrypt(&mut self, mut records: &[u8]) -> io::Result<&[u8]> {
        self.plain.clear();
        while !records.is_empty() {
            self.inner.read_tls(&mut records)?;
            let state = self.inner.process_new_packets().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            let (start, len) = (self.plain.len(), state.plaintext_bytes_to_read());
            self.plain.resize(start + len, 0);
            self.inner.reader().read_exact(&mut self.plain[start..])?;
            if state.peer_has_closed() {
                break;
            }
        }
        self.collect()?;
        Ok(&self.plain)
    }
}
