//! The cold start of `libellus lambda`.

use crate::Failure;
use crate::run::command;
use crate::runtime_api::{RuntimeApi, http_event};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The time from starting the process to its first answer, which must hold `part`, over a stand-in of the runtime
/// interface.
pub fn start_ms(executable: &Path, catalogue: &Path, address: &str, part: &str) -> Result<f64, Failure> {
    let failed = |error| format!("`libellus lambda` does not answer: {error}");
    let api = RuntimeApi::start().map_err(failed)?;
    let mut function = command(executable, &["lambda", "--db"]);
    api.set_environment(&mut function);
    function.arg(catalogue).stdout(Stdio::null()).stderr(Stdio::null());
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let event = http_event("GET", path, query, "$default");
    let start = Instant::now();
    let _running = Running(function.spawn().map_err(failed)?);
    let post = api.invoke(event, Duration::from_secs(900)).map_err(failed)?;
    let elapsed = start.elapsed();
    if !post.path.ends_with("/response") || !post.body.contains(part) {
        return Err(format!("`libellus lambda` answers {}: {}", post.path, post.body));
    }
    Ok(elapsed.as_secs_f64() * 1000.0)
}

/// A process that ends when this is dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}
