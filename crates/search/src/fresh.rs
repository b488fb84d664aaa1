//! A value derived from the catalogue, made again when the catalogue has changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

/// A value and the revision that it was made from.
///
/// One thread at a time makes it again. The others go on with the value before, if there is one: an answer from a
/// moment ago is better than a queue.
pub(crate) struct Fresh<T> {
    current: RwLock<Option<Dated<T>>>,
    rebuilding: Mutex<()>,
    times_made: AtomicU64,
}

struct Dated<T> {
    revision: i64,
    value: Arc<T>,
}

impl<T> Fresh<T> {
    /// No value yet.
    pub fn new() -> Self {
        Self { current: RwLock::new(None), rebuilding: Mutex::new(()), times_made: AtomicU64::new(0) }
    }

    /// The value for `revision`, made by `build` if the one at hand is older.
    ///
    /// `revision` must have been read before: what `build` sees may then be newer, and is made again next time, but
    /// it is never older than it says.
    pub fn get<E>(&self, revision: i64, build: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(value) = self.since(revision) {
            return Ok(value);
        }
        let _rebuilding = match (self.rebuilding.try_lock(), self.at_hand()) {
            (Ok(guard), _) => guard,
            (Err(TryLockError::WouldBlock), Some(stale)) => return Ok(stale),
            (Err(TryLockError::WouldBlock), None) => self.rebuilding.lock().unwrap_or_else(PoisonError::into_inner),
            // A builder panicked, but left nothing half-made: a value is set whole.
            (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
        };
        if let Some(made_meanwhile) = self.since(revision) {
            return Ok(made_meanwhile);
        }
        Ok(self.replace(revision, build()?))
    }

    /// Puts a value that was made from `revision` in place of the one at hand, which may be newer.
    pub fn replace(&self, revision: i64, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let dated = Dated { revision, value: Arc::clone(&value) };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(dated);
        self.times_made.fetch_add(1, Ordering::Release);
        value
    }

    /// How often a value was made.
    pub fn times_made(&self) -> u64 {
        self.times_made.load(Ordering::Acquire)
    }

    /// The value at hand, however old.
    pub fn at_hand(&self) -> Option<Arc<T>> {
        self.since(i64::MIN)
    }

    /// The value at hand, if it was made from `revision` or a later one.
    fn since(&self, revision: i64) -> Option<Arc<T>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|dated| dated.revision >= revision).map(|dated| Arc::clone(&dated.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::Barrier;

    fn get(fresh: &Fresh<i64>, revision: i64, value: i64) -> i64 {
        let Ok(value) = fresh.get(revision, || Ok::<_, Infallible>(value));
        *value
    }

    #[test]
    fn a_value_is_made_once_for_a_revision() {
        let fresh = Fresh::new();
        assert_eq!(get(&fresh, 1, 10), 10);
        assert_eq!(get(&fresh, 1, 11), 10, "the same revision");
        assert_eq!(get(&fresh, 2, 12), 12, "a later revision");
        assert_eq!(get(&fresh, 1, 13), 12, "asked with a revision read earlier");
    }

    #[test]
    fn a_failure_keeps_the_value_before() {
        let fresh = Fresh::new();
        assert_eq!(fresh.get(1, || Err("no")).expect_err("nothing to fall back on"), "no");
        assert_eq!(get(&fresh, 1, 10), 10);
        assert_eq!(fresh.get(2, || Err("no")).expect_err("the caller is told"), "no");
        assert_eq!(get(&fresh, 1, 11), 10);
    }

    #[test]
    fn readers_do_not_wait_for_a_rebuild() {
        let fresh = Fresh::new();
        assert_eq!(get(&fresh, 1, 10), 10);
        let (building, answered) = (Barrier::new(2), Barrier::new(2));
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| {
                let Ok(value) = fresh.get(2, || {
                    building.wait();
                    answered.wait();
                    Ok::<_, Infallible>(20)
                });
                *value
            });
            building.wait();
            assert_eq!(get(&fresh, 2, 99), 10, "the value before, while another thread builds");
            answered.wait();
            assert_eq!(slow.join().expect("no panic"), 20);
        });
        assert_eq!(get(&fresh, 2, 99), 20);
    }

    #[test]
    fn a_panic_while_building_is_survived() {
        let fresh = Fresh::new();
        std::thread::scope(|scope| {
            let builder = scope.spawn(|| fresh.get(1, || -> Result<i64, Infallible> { panic!("on purpose") }));
            assert!(builder.join().is_err());
        });
        assert_eq!(get(&fresh, 1, 10), 10);
    }
}
