//! A few threads that split one small product between them, without a system call.
//!
//! A query of ten tokens is a fifth of a millisecond of work in thirty steps. Waking a thread for each would cost
//! more than it saves, so the helpers of a [`Team`] spin for a moment when a step is over, and sleep only when none
//! follows. The parts of a step are handed out one by one: a helper that is late, or has lost its core to someone
//! else, finds that the work is done, and nobody waits for it.

use std::hint::spin_loop;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a helper looks out for the next step before it goes to sleep.
const SPIN: Duration = Duration::from_micros(200);
/// The same when the pass is over: enough for the next text of many, little of what others could use the core for.
const LINGER: Duration = Duration::from_micros(50);
/// Looks between two readings of the clock.
const LOOKS: u32 = 256;

/// Threads that split steps between them.
pub struct Team {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
    /// Held by the caller whose steps the helpers work on.
    captain: Mutex<()>,
}

/// The right to hand out steps: with helpers, or alone.
///
/// There is one for each forward pass. Whoever comes while the helpers are busy works alone.
pub struct Crew<'a> {
    team: Option<(&'a Team, MutexGuard<'a, ()>)>,
}

/// What captain and helpers both see.
struct Shared {
    /// The step at hand; null between two steps.
    step: AtomicPtr<Step<'static>>,
    /// Steps so far: two of them may lie at the same address.
    steps: AtomicUsize,
    /// Helpers that may be looking at the step.
    inside: AtomicUsize,
    asleep: AtomicUsize,
    /// Whether a crew is at work, so that another step is likely.
    at_work: AtomicBool,
    stop: AtomicBool,
}

/// Parts `0 .. count` of one step.
struct Step<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    next: AtomicUsize,
    count: usize,
    panicked: AtomicBool,
}

impl Step<'_> {
    /// Takes parts until there are none.
    fn take_part(&self) {
        loop {
            let part = self.next.fetch_add(1, SeqCst);
            if part >= self.count {
                return;
            }
            (self.work)(part);
        }
    }
}

impl Team {
    /// A team of `threads` threads, the caller's own among them. A thread that the system refuses is done without.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            step: AtomicPtr::default(),
            steps: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            at_work: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let help = |_| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("libellus-team".to_owned()).spawn(move || shared.help()).ok()
        };
        let helpers = (1..threads).map_while(help).collect();
        Self { shared, helpers, captain: Mutex::new(()) }
    }

    /// Threads, the caller's own among them.
    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// The helpers, if nobody else has them at the moment.
    pub fn crew(&self) -> Crew<'_> {
        if self.helpers.is_empty() {
            return Crew::ALONE;
        }
        let guard = match self.captain.try_lock() {
            Ok(guard) => guard,
            // A step that panicked has ended like any other.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Crew::ALONE,
        };
        self.shared.at_work.store(true, SeqCst);
        Crew { team: Some((self, guard)) }
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        if let Some((team, _)) = &self.team {
            team.shared.at_work.store(false, SeqCst);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        for helper in self.helpers.drain(..) {
            helper.thread().unpark();
            // A helper's panic was the captain's already.
            let _ = helper.join();
        }
    }
}

impl Crew<'_> {
    /// No helpers.
    pub const ALONE: Crew<'static> = Crew { team: None };

    /// Whether there are helpers.
    pub fn is_alone(&self) -> bool {
        self.team.is_none()
    }

    /// Calls `work` for each of `0 .. count`, in any order, some of them on other threads; returns when all are done.
    /// `work` must not call this again: a helper would wait for itself for ever.
    ///
    /// # Panics
    /// If `work` does.
    pub fn run(&self, count: usize, work: impl Fn(usize) + Sync) {
        let Some((team, _guard)) = &self.team else {
            (0..count).for_each(work);
            return;
        };
        let step = Step { work: &work, next: AtomicUsize::new(0), count, panicked: AtomicBool::new(false) };
        {
            let _published = Published::new(&team.shared, &step);
            if team.shared.asleep.load(SeqCst) > 0 {
                team.helpers.iter().for_each(|helper| helper.thread().unpark());
            }
            step.take_part();
        }
        assert!(!step.panicked.load(SeqCst), "a helper panicked; its message is above");
    }
}

/// A step that helpers can see. Dropping it waits until none does any more, also when the captain panics.
struct Published<'a> {
    shared: &'a Shared,
    step: PhantomData<&'a Step<'a>>,
}

impl<'a> Published<'a> {
    fn new(shared: &'a Shared, step: &'a Step<'a>) -> Self {
        let step: *const Step<'a> = step;
        // The lifetime is forgotten here, and kept by `drop`.
        shared.step.store(step.cast_mut().cast(), SeqCst);
        shared.steps.fetch_add(1, SeqCst);
        Self { shared, step: PhantomData }
    }
}

impl Drop for Published<'_> {
    fn drop(&mut self) {
        self.shared.step.store(std::ptr::null_mut(), SeqCst);
        while self.shared.inside.load(SeqCst) > 0 {
            spin_loop();
        }
    }
}

impl Shared {
    /// A helper's life.
    fn help(&self) {
        // Not how many there are now: the first may be there before the thread is.
        let mut seen = 0;
        let mut idle_since = Instant::now();
        while !self.stop.load(SeqCst) {
            for _ in 0..LOOKS {
                let steps = self.steps.load(SeqCst);
                if steps != seen {
                    seen = steps;
                    self.join();
                    idle_since = Instant::now();
                }
                spin_loop();
            }
            if idle_since.elapsed() > if self.at_work.load(SeqCst) { SPIN } else { LINGER } {
                self.asleep.fetch_add(1, SeqCst);
                // Whoever publishes a step looks for sleepers afterwards, so either is seen: the step here, or the
                // sleeper there.
                if self.steps.load(SeqCst) == seen {
                    thread::park();
                }
                self.asleep.fetch_sub(1, SeqCst);
                idle_since = Instant::now();
            }
        }
    }

    /// Works on the step at hand, if there still is one.
    fn join(&self) {
        self.inside.fetch_add(1, SeqCst);
        let step = self.step.load(SeqCst);
        // SAFETY: the step was published when this helper had counted itself in already. All these operations are
        // sequentially consistent, so `Published::drop`, which unpublishes first and looks at the count then, sees
        // it and waits: the step lives until the count is taken back below.
        if let Some(step) = unsafe { step.as_ref() } {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| step.take_part()));
            if outcome.is_err() {
                step.panicked.store(true, SeqCst);
            }
        }
        self.inside.fetch_sub(1, SeqCst);
    }
}

/// A matrix that parts of a step write to, each its own places.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a, T> {
    start: *mut T,
    len: usize,
    matrix: PhantomData<&'a mut [T]>,
}

// SAFETY: a shared reference gives access only through `slice_mut`, whose callers promise not to overlap.
unsafe impl<T: Send> Sync for Places<'_, T> {}

impl<'a, T> Places<'a, T> {
    pub(crate) fn new(matrix: &'a mut [T]) -> Self {
        Self { start: matrix.as_mut_ptr(), len: matrix.len(), matrix: PhantomData }
    }

    /// The places `from .. from + len`.
    ///
    /// # Safety
    /// No other slice with one of these places may be alive.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "that is what the promise is for")]
    pub(crate) unsafe fn slice_mut(&self, from: usize, len: usize) -> &mut [T] {
        assert!(from <= self.len && len <= self.len - from, "Places: outside the matrix");
        // SAFETY: it lies inside the matrix, which is borrowed for `'a`, and the caller has the places to itself.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_done_once() {
        for threads in [1, 2, 4] {
            let team = Team::new(threads);
            assert_eq!(team.threads(), threads);
            let crew = team.crew();
            for count in (0..40).chain([1000]) {
                let done: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                crew.run(count, |part| {
                    done[part].fetch_add(1, SeqCst);
                });
                assert!(done.iter().all(|done| done.load(SeqCst) == 1), "{threads} threads, {count} parts");
            }
        }
    }

    #[test]
    fn helpers_that_sleep_are_woken_for_the_next_pass() {
        let team = Team::new(2);
        for _ in 0..3 {
            while team.shared.asleep.load(SeqCst) == 0 {
                thread::yield_now();
            }
            let (crew, mine) = (team.crew(), thread::current().id());
            let helped = AtomicBool::new(false);
            let begun = Instant::now();
            while !helped.load(SeqCst) {
                assert!(begun.elapsed() < Duration::from_secs(60), "the helper never came");
                crew.run(8, |_| {
                    thread::sleep(Duration::from_millis(1));
                    if thread::current().id() != mine {
                        helped.store(true, SeqCst);
                    }
                });
            }
        }
    }

    #[test]
    fn a_helper_that_starts_late_still_joins_the_first_step() {
        for _ in 0..20 {
            let team = Team::new(2);
            let (begun, arrived) = (Instant::now(), AtomicUsize::new(0));
            // Either part is over only when the other has begun, on another thread.
            team.crew().run(2, |_| {
                arrived.fetch_add(1, SeqCst);
                while arrived.load(SeqCst) < 2 {
                    assert!(begun.elapsed() < Duration::from_secs(60), "the helper never came");
                    thread::yield_now();
                }
            });
        }
    }

    #[test]
    fn whoever_comes_second_works_alone() {
        let team = Team::new(2);
        let first = team.crew();
        assert!(!first.is_alone() && team.crew().is_alone());
        drop(first);
        assert!(!team.crew().is_alone());
    }

    #[test]
    fn a_panic_comes_through_and_the_team_goes_on() {
        let team = Team::new(2);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            team.crew().run(64, |part| assert_ne!(part, 13, "unlucky"));
        }));
        assert!(outcome.is_err());
        let sum = AtomicUsize::new(0);
        team.crew().run(10, |part| {
            sum.fetch_add(part, SeqCst);
        });
        assert_eq!(sum.load(SeqCst), 45);
    }
}
