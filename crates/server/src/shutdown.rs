//! The signals that end the service.

/// Completes when the process is asked to stop: SIGTERM from a platform, or Ctrl-C.
pub async fn shutdown_signal() {
    let interrupt = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            cannot_listen("Ctrl-C", &error).await;
        }
    };
    tokio::select! {
        () = interrupt => {}
        () = terminate() => {}
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => cannot_listen("SIGTERM", &error).await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}

/// A signal that cannot be listened for still ends the process, only without a drain; so the service runs on.
async fn cannot_listen(signal: &str, error: &std::io::Error) {
    eprintln!("warning: cannot listen for {signal}, so it will end the service at once: {error}");
    std::future::pending().await
}
