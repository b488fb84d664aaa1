//! `cargo xtask peers`: libellus and the runtimes that people use today, measured side by side.
//!
//! The comparison itself is in `bench/peers`, in Python, as most of the peers are; here is what it needs from us.

use crate::run::{cargo, command, run as run_command};
use crate::{Failure, model, root, target, tools};
use std::env;
use std::path::PathBuf;

/// Fetches the original model, builds the runner, and hands over to `bench/peers/run.py`.
pub fn run(arguments: &[&str]) -> Result<(), Failure> {
    tools::require_pip()?;
    tools::require_venv()?;
    let model = model::fetch()?;
    run_command(&mut cargo(&["build", "--release", "--package", "libellus-bench"]))?;
    let mut comparison = command("python3", &["bench/peers/run.py"]);
    comparison.arg("--work").arg(work()).arg("--model").arg(model);
    comparison.arg("--libellus").arg(target().join("release/libellus-bench"));
    run_command(comparison.args(arguments))
}

/// The tests of the comparison's own scripts. They install nothing.
pub fn check() -> Result<(), Failure> {
    tools::require(&tools::PYTHON)?;
    run_command(&mut command("python3", &["-B", "-m", "unittest", "discover", "--start-directory", "bench/peers"]))
}

/// Where the peers are installed: some gigabytes, outside of git.
fn work() -> PathBuf {
    env::var_os("LIBELLUS_BENCH_DIR").map_or_else(|| target().join("peers"), |directory| root().join(directory))
}
