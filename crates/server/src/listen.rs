//! Taking the port, apart from serving on it, so that a port in use is an error before anything starts.

use crate::ServerConfig;
use std::io::{self, ErrorKind};
use tokio::net::TcpListener;

/// Ports below this one belong to the administrator on most systems.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another program has the port.
    #[error(
        "port {port} of {host} is already in use; stop the program that has it, or choose another port with `--port` or `PORT`"
    )]
    PortInUse {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
    },
    /// The port is reserved for the administrator.
    #[error(
        "no permission to listen on port {port} of {host}; choose a port from 1024 up with `--port` or `PORT`, or allow this one to the program (CAP_NET_BIND_SERVICE)"
    )]
    PrivilegedPort {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
    },
    /// The address is not one of this machine's.
    #[error(
        "{host} is not an address of this machine; choose `127.0.0.1` (this machine only) or `0.0.0.0` (every network) with `--host`"
    )]
    AddressNotAvailable {
        /// The host asked for.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The name leads to no address.
    #[error("`{host}` is not an address, nor a name that leads to one; choose another with `--host`")]
    UnknownHost {
        /// The host asked for.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot listen on port {port} of {host}")]
    Other {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
}

/// Takes the host and port of `config`. The system queues connections from now on; [`serve`](crate::serve())
/// answers them.
pub async fn bind(config: &ServerConfig) -> Result<TcpListener, BindError> {
    let (host, port) = (config.host.clone(), config.port);
    let found = tokio::net::lookup_host((config.host.as_str(), port)).await;
    let addresses: Vec<_> = match found {
        Ok(addresses) => addresses.collect(),
        Err(source) => return Err(BindError::UnknownHost { host, source }),
    };
    TcpListener::bind(addresses.as_slice()).await.map_err(|source| explain(host, port, source))
}

fn explain(host: String, port: u16, source: io::Error) -> BindError {
    match source.kind() {
        ErrorKind::AddrInUse => BindError::PortInUse { host, port },
        ErrorKind::PermissionDenied if port < FIRST_UNPRIVILEGED_PORT => BindError::PrivilegedPort { host, port },
        ErrorKind::AddrNotAvailable => BindError::AddressNotAvailable { host, source },
        _ => BindError::Other { host, port, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(host: &str, port: u16) -> ServerConfig {
        ServerConfig { host: host.to_owned(), port, ..ServerConfig::default() }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_the_way_out() {
        let first = bind(&config("127.0.0.1", 0)).await.expect("a free port");
        let port = first.local_addr().expect("bound").port();
        let message = bind(&config("127.0.0.1", port)).await.expect_err("the port is taken").to_string();
        for part in [&port.to_string(), "127.0.0.1", "already in use", "`--port`", "`PORT`"] {
            assert!(message.contains(part), "`{part}` is missing from: {message}");
        }
    }

    #[tokio::test]
    async fn addresses_that_cannot_be_had_are_named() {
        let cases = [
            ("192.0.2.1", "192.0.2.1 is not an address of this machine"), // TEST-NET-1, nobody's
            ("no such host", "`no such host` is not an address"),
            ("", "`` is not an address"),
        ];
        for (host, expected) in cases {
            let error = bind(&config(host, 0)).await.expect_err(host);
            assert!(error.to_string().starts_with(expected), "{host}: {error}");
        }
    }

    #[test]
    fn a_denied_port_is_explained_by_its_number() {
        let denied = || io::Error::from(ErrorKind::PermissionDenied);
        assert!(matches!(explain("::".to_owned(), 80, denied()), BindError::PrivilegedPort { port: 80, .. }));
        assert!(matches!(explain("::".to_owned(), 5001, denied()), BindError::Other { port: 5001, .. }));
    }
}
