//! One request over a connection of its own: straight or through a proxy, with TLS or without.
//!
//! A model is a handful of files, so no connection is kept for another request.

use crate::Error;
use crate::error::Cause;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service as _;

/// How long it may take until the other side is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes connections.
pub(crate) struct Connections {
    proxies: Matcher,
    tls: Option<TlsConnector>,
}

/// Either kind of stream; one instance of the client for both.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Connections {
    /// With the proxies of the environment and the certificates of this system.
    pub fn new() -> Self {
        Self { proxies: Matcher::from_env(), tls: tls_with_system_certificates() }
    }

    /// Sends a request without a body; answers with what comes back, whatever it is.
    pub async fn send(&self, uri: &Uri, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, Error> {
        let host = uri.host().unwrap_or_default();
        let proxy = self.proxies.intercept(uri);
        let unreachable = |source: Cause| Error::Unreachable {
            host: host.to_owned(),
            proxy: proxy.as_ref().map(|proxy| shown(proxy.uri())),
            source,
        };
        let encrypted = uri.scheme_str() == Some("https");
        let stream = connect(uri, proxy.as_ref(), encrypted).await.map_err(|failure| match failure {
            ConnectFailure::Proxy(proxy) => Error::Proxy { proxy },
            ConnectFailure::Connection(source) => unreachable(source),
        })?;
        let stream: Box<dyn Stream> = if encrypted {
            let tls = self.tls.as_ref().ok_or_else(|| Error::NoCertificates { host: host.to_owned() })?;
            let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
            let name = name.map_err(|error| unreachable(error.into()))?;
            Box::new(tls.connect(name, stream).await.map_err(|error| unreachable(error.into()))?)
        } else {
            Box::new(stream)
        };
        let request = addressed(request, uri, proxy.as_ref().filter(|_| !encrypted));
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(error.into()))?;
        // It ends with the answer's body; what goes wrong with it is told there.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|error| {
            if error.is_parse() {
                return Error::NotAHub { host: host.to_owned(), found: format!("no answer in HTTP ({error})") };
            }
            unreachable(error.into())
        })
    }
}

enum ConnectFailure {
    Proxy(String),
    Connection(Cause),
}

/// A stream to the other side; for an unencrypted request through a proxy, to the proxy.
async fn connect(uri: &Uri, proxy: Option<&Intercept>, encrypted: bool) -> Result<TcpStream, ConnectFailure> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    if let Some(proxy) = proxy.filter(|proxy| proxy.uri().scheme_str() != Some("http")) {
        return Err(ConnectFailure::Proxy(shown(proxy.uri())));
    }
    let stream = match proxy {
        Some(proxy) if encrypted => {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
            if let Some(auth) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(auth.clone());
            }
            tunnel.call(uri.clone()).await.map_err(|error| ConnectFailure::Connection(why_no_tunnel(error.into())))?
        }
        Some(proxy) => {
            connector.call(proxy.uri().clone()).await.map_err(|error| ConnectFailure::Connection(error.into()))?
        }
        None => connector.call(uri.clone()).await.map_err(|error| ConnectFailure::Connection(error.into()))?,
    };
    Ok(stream.into_inner())
}

/// What keeps a proxy from lending a connection, without the name of the part that found out.
fn why_no_tunnel(error: Cause) -> Cause {
    match error.source() {
        Some(source) => source.to_string().into(),
        None => error.to_string().trim_start_matches("tunnel error: ").into(),
    }
}

/// The request with its target: a proxy that passes it on needs the whole address, a server the path.
fn addressed(mut request: Request<Empty<Bytes>>, uri: &Uri, proxy: Option<&Intercept>) -> Request<Empty<Bytes>> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if let Ok(host) = HeaderValue::from_str(authority.rsplit('@').next().unwrap_or_default()) {
        request.headers_mut().insert(HOST, host);
    }
    match proxy {
        Some(proxy) => {
            *request.uri_mut() = uri.clone();
            if let Some(auth) = proxy.basic_auth() {
                request.headers_mut().insert(PROXY_AUTHORIZATION, auth.clone());
            }
        }
        None => {
            let path = uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| Uri::from(path.clone()));
            *request.uri_mut() = path;
        }
    }
    request
}

/// An address without what may be secret in it.
fn shown(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{}", uri.scheme_str().unwrap_or("http"), authority.rsplit('@').next().unwrap_or_default())
}

/// `None` if this system has no certificates.
fn tls_with_system_certificates() -> Option<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let (used, _unreadable) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if used == 0 {
        return None;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}
