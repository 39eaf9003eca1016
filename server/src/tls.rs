//! TLS by rustls, from PEM files.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// Reads the certificate chain and its key; from TLS 1.2 on, HTTP/1.1.
///
/// # Errors
/// A file cannot be read or holds none, or key and certificate do not belong together.
pub fn acceptor(files: &TlsFiles) -> anyhow::Result<TlsAcceptor> {
    let name = |path: &Path| path.display().to_string();
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .with_context(|| format!("cannot read the certificate {}", name(&files.cert)))?;
    anyhow::ensure!(
        !chain.is_empty(),
        "{} holds no certificate in PEM",
        name(&files.cert)
    );
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("cannot read the private key {}", name(&files.key)))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("rustls lacks its protocol versions")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| {
            format!(
                "{} and {} do not belong together",
                name(&files.cert),
                name(&files.key)
            )
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
