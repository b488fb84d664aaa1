//! A small file at an address, for a service that was told to read one.

use crate::Error;
use crate::connection::Connections;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use std::time::Duration;

/// Fetches at most `limit` bytes from `address`, through the proxies of the environment, within `patience`. Redirects are not
/// followed.
///
/// # Errors
/// Whatever keeps it from coming, and any answer but 200.
pub fn fetch(address: &str, limit: usize, patience: Duration) -> Result<Vec<u8>, Error> {
    let unreachable = |host: &str, source| Error::Unreachable { host: host.to_owned(), proxy: None, source };
    let uri: Uri = address.parse().map_err(|error: hyper::http::uri::InvalidUri| unreachable(address, error.into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::Runtime { source })?;
    let host = uri.host().unwrap_or_default();
    let received = runtime.block_on(async { tokio::time::timeout(patience, receive(&uri, limit)).await });
    match received {
        Ok(Err(Error::NotAHub { found, .. })) => Err(unreachable(host, found.into())),
        Ok(received) => received,
        Err(_) => Err(unreachable(host, format!("nothing came within {} s", patience.as_secs()).into())),
    }
}

async fn receive(uri: &Uri, limit: usize) -> Result<Vec<u8>, Error> {
    let mut request = Request::new(Empty::new());
    let agent = HeaderValue::from_static(concat!("libellus/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, agent);
    let response = Connections::new().send(uri, request).await?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(Error::Status { url: uri.to_string(), status });
    }
    match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Error::TooLong { file: uri.to_string(), limit: limit as u64 })
        }
        Err(source) => Err(Error::Unreachable { host: uri.host().unwrap_or_default().to_owned(), proxy: None, source }),
    }
}
