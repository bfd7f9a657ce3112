//! The async runtime and Ctrl-C: the first one stops cleanly, the second one at once.

use std::future::Future;

use tokio::sync::watch;

use super::output::Output;
use crate::core::domain::Failure;

/// Runs `work` with a flag that becomes true on Ctrl-C (or SIGTERM).
///
/// # Errors
/// Fails if the runtime cannot start, or if `work` fails.
pub(super) fn run_until_interrupted<T, F>(
    output: Output,
    work: impl FnOnce(watch::Receiver<bool>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other("the async runtime cannot start").caused_by(error))?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            interrupted().await;
            output.say("stopping; press Ctrl-C again to stop at once");
            // If nobody receives this, the work is already done.
            let _ = stop.send(true);
            interrupted().await;
            std::process::exit(130);
        });
        work(stopped).await
    })
}

#[cfg(unix)]
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn interrupted() {
    drop(tokio::signal::ctrl_c().await);
}
