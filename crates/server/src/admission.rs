//! How many searches run at once, and how many may wait.
//!
//! A search keeps a core busy. Letting all of them start would make every one slow; letting all of them
//! wait would answer readers who have left. So a few run, some wait a little, and the rest hear at once
//! that they should come back.

use crate::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The gate before the search; cheap to clone.
#[derive(Clone)]
pub(crate) struct Admission {
    /// A permit for each search that is inside, waiting or running.
    places: Arc<Semaphore>,
    /// A permit for each search that runs.
    running: Arc<Semaphore>,
    queue_wait: Duration,
}

impl Admission {
    /// A gate for `concurrent` searches (at least one) at once and `queued` more that wait up to `queue_wait`.
    pub(crate) fn new(concurrent: usize, queued: usize, queue_wait: Duration) -> Self {
        let concurrent = concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let places = concurrent.saturating_add(queued).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places)), running: Arc::new(Semaphore::new(concurrent)), queue_wait }
    }

    /// Runs `work` on a thread of its own when its turn comes.
    ///
    /// [`Error::Busy`] when there is no place left, or the turn does not come in time. The permits go
    /// along with the work: a reader who leaves does not make room for more than the cores can do.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::Busy)?;
        let turn = tokio::time::timeout(self.queue_wait, Arc::clone(&self.running).acquire_owned());
        let turn = turn.await.map_err(|_| Error::Busy)?.map_err(Error::internal)?;
        let result = tokio::task::spawn_blocking(move || {
            let _held_until_done = (place, turn);
            work()
        });
        result.await.map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Starts work that runs until the returned sender is dropped, and waits until it runs.
    async fn occupy(gate: &Admission) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let (started, is_running) = tokio::sync::oneshot::channel();
        let gate = gate.clone();
        tokio::spawn(async move {
            gate.run(move || {
                started.send(()).expect("the test waits");
                released.recv().ok()
            })
            .await
        });
        is_running.await.expect("the work starts");
        release
    }

    #[tokio::test]
    async fn beyond_the_queue_work_is_refused_at_once() {
        let gate = Admission::new(1, 0, Duration::from_secs(60));
        let occupied = occupy(&gate).await;
        assert!(matches!(gate.run(|| 1).await, Err(Error::Busy)));
        drop(occupied);
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_in_time_is_refused() {
        let gate = Admission::new(1, 1, Duration::from_millis(10));
        let occupied = occupy(&gate).await;
        assert!(matches!(gate.run(|| 1).await, Err(Error::Busy)));
        drop(occupied);
    }

    #[tokio::test]
    async fn a_place_becomes_free_when_work_is_done() {
        let gate = Admission::new(1, 1, Duration::from_secs(60));
        drop(occupy(&gate).await);
        for expected in 0..3 {
            assert_eq!(gate.run(move || expected).await.expect("its turn comes"), expected);
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_and_frees_the_place() {
        let gate = Admission::new(1, 0, Duration::from_secs(60));
        let result = gate.run(|| panic!("a bug, made on purpose")).await;
        assert!(matches!(result, Err(Error::Internal(_))));
        assert_eq!(gate.run(|| 2).await.expect("the place is free"), 2);
    }
}
