//! TLS: reads the certificate chain and its key, and checks that they match.

use std::path::{Path, PathBuf};

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::base::text::Text;

/// Why a certificate and its key cannot be used.
#[derive(Debug)]
pub struct TlsFault {
    /// Whether the key file is at fault, rather than the certificate file.
    pub(crate) is_of_key: bool,
    /// The path of the file.
    pub(crate) path: PathBuf,
    pub(crate) why: Text,
}

impl std::fmt::Display for TlsFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.path.display(), self.why.en)
    }
}

/// Reads a certificate chain and its key.
pub(crate) fn server_config(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsFault> {
    let of_certificate = |why| TlsFault { is_of_key: false, path: certificate.to_owned(), why };
    let of_key = |why| TlsFault { is_of_key: true, path: key.to_owned(), why };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| of_certificate(pem_text(&error)))?;
    if chain.is_empty() {
        return Err(of_certificate(Text::new("PEM形式の証明書がありません", "there is no certificate in it, as PEM")));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        of_key(match error {
            pem::Error::NoItemsFound => {
                Text::new("PEM形式の秘密鍵がありません", "there is no private key in it, as PEM")
            }
            error => pem_text(&error),
        })
    })?;
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // The key is checked first. A later fault is one of the certificate, or they do not match.
    if let Err(error) = provider.key_provider.load_private_key(private.clone_key()) {
        return Err(of_key(Text::new(
            format!("秘密鍵として使えません（{error}）"),
            format!("no private key that can be used ({error})"),
        )));
    }
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                let certificate = certificate.display();
                of_key(Text::new(
                    format!("{certificate} の証明書の秘密鍵ではありません"),
                    format!("not the private key of the certificate in {certificate}"),
                ))
            }
            error => of_certificate(Text::new(
                format!("証明書として使えません（{error}）"),
                format!("no certificate that can be used ({error})"),
            )),
        })
}

fn pem_text(error: &pem::Error) -> Text {
    match error {
        pem::Error::Io(error) => Text::new(format!("読めません: {error}"), format!("it cannot be read: {error}")),
        error => Text::new(format!("PEMとして読めません: {error}"), format!("it cannot be read as PEM: {error}")),
    }
}
