//! The runtime of a test, and the watchdog beside it.

use std::{future::Future, process, sync::mpsc, thread, time::Duration};

use tokio::runtime;

/// Longer than any test takes on a machine that is busy with others.
const WATCHDOG: Duration = Duration::from_mins(5);

/// Runs a test on a runtime of its own with two workers; names it and ends the process when it
/// hangs, locks included.
pub fn watched(test: impl Future<Output = ()>) {
    let (done, is_done) = mpsc::channel::<()>();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        if is_done.recv_timeout(WATCHDOG) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            process::abort();
        }
    });
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system has threads");
    runtime.block_on(test);
    drop(runtime);
    drop(done);
}
