//! Ctrl-C and SIGTERM: the first asks for a stop after the batch at hand, the second stops at once.
//!
//! The handler only sets a flag; long work looks at it between batches, so that nothing is lost
//! half-way through a transaction or a line of output.

use crate::error::Error;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of work that was stopped: 128 and the number of SIGINT, as shells have it.
pub const EXIT_CODE: u8 = 130;

/// Whether a stop was asked for.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts listening for both signals.
    pub fn listen() -> Result<Self, Error> {
        let requested = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the exit looks at the flag before this signal sets it.
            flag::register_conditional_shutdown(signal, i32::from(EXIT_CODE), Arc::clone(&requested))
                .and_then(|_| flag::register(signal, Arc::clone(&requested)))
                .map_err(|source| Error::Signals { source })?;
        }
        Ok(Self(requested))
    }

    /// Whether a stop was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The same as an answer to "shall I go on?".
    pub fn check(&self) -> ControlFlow<()> {
        if self.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
