//! How many searches run at once, and how many may wait.
//!
//! A search keeps a core busy. Letting all of them start would make every one slow; letting all of them
//! wait would answer readers who have left. So a few run, some wait a little, and the rest hear at once
//! that they should come back.

use crate::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The gate before the search; cheap to clone.
#[derive(Clone)]
pub(crate) struct Admission {
    /// A permit for each search that is inside, waiting or running.
    places: Arc<Semaphore>,
    /// A permit for each search that runs.
    running: Arc<Semaphore>,
    queue_wait: Duration,
    concurrent: usize,
    /// All who may be inside.
    capacity: usize,
}

impl Admission {
    /// A gate for `concurrent` searches (at least one) at once and `queued` more that wait up to `queue_wait`.
    pub(crate) fn new(concurrent: usize, queued: usize, queue_wait: Duration) -> Self {
        let concurrent = concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let capacity = concurrent.saturating_add(queued).min(Semaphore::MAX_PERMITS);
        let [places, running] = [capacity, concurrent].map(|permits| Arc::new(Semaphore::new(permits)));
        Self { places, running, queue_wait, concurrent, capacity }
    }

    /// How many may be inside, waiting or running.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many are inside, and how many of them run.
    pub(crate) fn inside(&self) -> (usize, usize) {
        let inside = self.capacity.saturating_sub(self.places.available_permits());
        (inside, self.concurrent.saturating_sub(self.running.available_permits()))
    }

    /// Runs `work` on a thread of its own when its turn comes.
    ///
    /// [`Error::Busy`] when there is no place left, or the turn does not come in time.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        self.enter()?.run(work).await
    }

    /// A place inside, for work that is done in parts; [`Error::Busy`] when there is none left.
    pub(crate) fn enter(&self) -> Result<Place, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::Busy)?;
        let running = Arc::clone(&self.running);
        Ok(Place { place: Arc::new(place), running, patience: Some(self.queue_wait) })
    }
}

/// A place inside, kept from the first part of some work to the last.
pub(crate) struct Place {
    place: Arc<OwnedSemaphorePermit>,
    running: Arc<Semaphore>,
    /// How long the first turn is waited for. What has begun is not thrown away.
    patience: Option<Duration>,
}

impl Place {
    /// Runs the next part when its turn comes, after others who waited before. [`Error::Busy`] if it does not come in
    /// time.
    ///
    /// The permits go along with the work: a reader who leaves does not make room for more than the cores can do.
    pub(crate) async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = Arc::clone(&self.running).acquire_owned();
        let turn = match self.patience.take() {
            Some(patience) => tokio::time::timeout(patience, turn).await.map_err(|_| Error::Busy)?,
            None => turn.await,
        };
        let held_until_done = (Arc::clone(&self.place), turn.map_err(Error::internal)?);
        let result = tokio::task::spawn_blocking(move || {
            let _held_until_done = held_until_done;
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
    async fn between_the_parts_of_work_others_have_their_turn() {
        let gate = Admission::new(1, 2, Duration::from_millis(10));
        let mut place = gate.enter().expect("there is room");
        assert_eq!((place.run(|| 1).await.expect("its turn"), gate.inside()), (1, (1, 0)));
        let other = occupy(&gate).await;
        assert_eq!(gate.inside(), (2, 1));
        // Longer than the first turn would be waited for.
        let next = tokio::spawn(async move { place.run(|| 2).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(other);
        assert_eq!(next.await.expect("no panic").expect("what has begun is not refused"), 2);
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_and_frees_the_place() {
        let gate = Admission::new(1, 0, Duration::from_secs(60));
        let result = gate.run(|| panic!("a bug, made on purpose")).await;
        assert!(matches!(result, Err(Error::Internal(_))));
        assert_eq!(gate.run(|| 2).await.expect("the place is free"), 2);
    }
}
