//! Where invocations come from, found in the environment before anything is opened, so that whatever goes wrong
//! afterwards can be told there.
//!
//! The runtime interface: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use axum::http::Uri;
use serde::Serialize;
use std::env;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// `host:port` of the runtime interface.
const ADDRESS: &str = "AWS_LAMBDA_RUNTIME_API";
/// Set by Lambda, and required by `lambda_runtime`.
const REQUIRED: [&str; 2] = ["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"];
/// Also required, as a number of megabytes.
const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// How long the runtime interface may take to note a failed start.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the service cannot run as a function.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LambdaError {
    /// Started by hand.
    #[error("{name} is not set; AWS Lambda sets it when it starts libellus as a function")]
    NotInLambda {
        /// The variable.
        name: &'static str,
    },
    /// A variable of the runtime interface that cannot be understood.
    #[error("{name} is `{value}`, which is not {expected}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What it is set to.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The runtime interface does not answer as it should.
    #[error("the runtime interface of AWS Lambda at {address} failed")]
    Runtime {
        /// Its address.
        address: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The runtime interface of the Lambda environment that this process runs in.
#[derive(Clone, Debug)]
pub struct RuntimeInterface {
    address: String,
}

/// A failed start, as the runtime interface takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitError<'a> {
    error_type: &'a str,
    error_message: &'a str,
    stack_trace: [&'a str; 0],
}

impl RuntimeInterface {
    /// Finds the runtime interface in the environment.
    ///
    /// # Errors
    /// [`LambdaError::NotInLambda`] if this is no Lambda environment, [`LambdaError::Variable`] if it is an odd one.
    pub fn from_environment() -> Result<Self, LambdaError> {
        Self::from_variables(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, LambdaError> {
        let required = |name| variable(name).ok_or(LambdaError::NotInLambda { name });
        let address = required(ADDRESS)?;
        // `lambda_runtime` would panic over each of these.
        if address.parse::<Uri>().ok().is_none_or(|uri| uri.port_u16().is_none() || !uri.path().is_empty()) {
            return Err(LambdaError::Variable { name: ADDRESS, value: address, expected: "a host and a port" });
        }
        for name in REQUIRED {
            required(name)?;
        }
        let memory = required(MEMORY_SIZE)?;
        match memory.parse::<i32>() {
            Ok(_) => Ok(Self { address }),
            Err(_) => {
                Err(LambdaError::Variable { name: MEMORY_SIZE, value: memory, expected: "a number of megabytes" })
            }
        }
    }

    /// `host:port`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Tells Lambda that the function cannot start, and why.
    ///
    /// # Errors
    /// [`LambdaError::Runtime`] if the runtime interface does not take it.
    pub fn report_failed_start(&self, message: &str) -> Result<(), LambdaError> {
        self.post_init_error(message)
            .map_err(|source| LambdaError::Runtime { address: self.address.clone(), source: source.into() })
    }

    /// By hand: one request over one connection, before there is anything asynchronous.
    fn post_init_error(&self, message: &str) -> io::Result<()> {
        let error_type = "Runtime.InitError";
        let body = serde_json::to_string(&InitError { error_type, error_message: message, stack_trace: [] })?;
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(REPORT_TIMEOUT))?;
        stream.set_write_timeout(Some(REPORT_TIMEOUT))?;
        let address = &self.address;
        let length = body.len();
        write!(
            stream,
            "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\
             Lambda-Runtime-Function-Error-Type: {error_type}\r\n\r\n{body}"
        )?;
        let mut status_line = [0; "HTTP/1.1 202".len()];
        stream.read_exact(&mut status_line)?;
        if status_line.starts_with(b"HTTP/1.1 2") {
            return Ok(());
        }
        Err(io::Error::other(format!("it answered `{}`", String::from_utf8_lossy(&status_line))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_of_a_function_is_recognised() {
        let good =
            [(ADDRESS, "127.0.0.1:9001"), (REQUIRED[0], "libellus"), (REQUIRED[1], "$LATEST"), (MEMORY_SIZE, "512")];
        let with = |changed: &'static str, value: Option<&'static str>| {
            RuntimeInterface::from_variables(|name| {
                let set = good.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
                if name == changed { value.map(str::to_owned) } else { set }
            })
        };
        assert_eq!(with("", None).expect("all is there").address(), "127.0.0.1:9001");
        for (name, value, expected) in [
            (ADDRESS, None, "AWS_LAMBDA_RUNTIME_API is not set; AWS Lambda sets it"),
            (REQUIRED[0], None, "AWS_LAMBDA_FUNCTION_NAME is not set"),
            (REQUIRED[1], None, "AWS_LAMBDA_FUNCTION_VERSION is not set"),
            (MEMORY_SIZE, None, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE is not set"),
            (MEMORY_SIZE, Some("much"), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE is `much`, which is not a number"),
            (ADDRESS, Some("/no address"), "AWS_LAMBDA_RUNTIME_API is `/no address`, which is not a host and a port"),
            (ADDRESS, Some("host"), "AWS_LAMBDA_RUNTIME_API is `host`, which is not a host and a port"),
        ] {
            let message = with(name, value).expect_err(expected).to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn an_interface_that_is_away_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        drop(listener);
        let error =
            RuntimeInterface { address: address.clone() }.report_failed_start("no catalogue").expect_err("away");
        assert!(error.to_string().contains(&address), "{error}");
    }
}
