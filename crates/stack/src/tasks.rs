//! A local executor that wakes the driver.
//!
//! Job: run applications on the driver's own thread, between receiving and flushing.
//! Owns: the tasks (async-executor's `LocalExecutor`). Does not know: what they do.
//! One thread and one queue: with virtual time a run is a function of its inputs.

use core::fmt;
use core::future::{Future, pending};
use core::pin::Pin;
use core::task::{Context, Waker};
use std::rc::Rc;
use std::sync::Arc;

use async_executor::LocalExecutor;
pub use async_executor::Task;

use crate::Shard;
use crate::alarm::{Alarm, Ask, Bell};

/// Bytes of a task from which on it is moved once, into a place of its own.
const LARGE: usize = 256;

/// Where tasks are started. Clones start them in the same place.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    executor: Rc<LocalExecutor<'static>>,
}

impl Tasks {
    /// Starts a task. Dropping what is returned cancels it; `detach` lets it run.
    pub fn spawn<T: 'static, F: Future<Output = T> + 'static>(&self, future: F) -> Task<T> {
        if size_of::<F>() < LARGE {
            self.executor.spawn(future)
        } else {
            // Handed on by value it would be copied five times until it is where it stays.
            self.executor.spawn(Box::pin(future))
        }
    }
}

/// Runs [`Tasks`] a little at a time.
pub struct Runner {
    tasks: Tasks,
    running: Pin<Box<dyn Future<Output = ()>>>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

impl Runner {
    /// An executor without tasks. Tasks woken from other threads wake `shard`'s driver.
    #[must_use]
    pub fn new(shard: &Shard) -> Self {
        let tasks = Tasks::default();
        let executor = Rc::clone(&tasks.executor);
        let alarm = Arc::clone(shard.alarm());
        alarm.ring(Ask::Tasks);
        let bell = Bell {
            alarm: Arc::clone(&alarm),
            ask: Ask::Tasks,
        };
        Self {
            tasks,
            running: Box::pin(async move { executor.run(pending::<()>()).await }),
            alarm,
            waker: Arc::new(bell).into(),
        }
    }

    /// Where to start tasks.
    #[must_use]
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// Runs tasks that can go on, at most some hundreds of steps; returns whether any may be left.
    pub fn run_some(&mut self) -> bool {
        if self.alarm.take(Ask::Tasks) {
            let poll = self
                .running
                .as_mut()
                .poll(&mut Context::from_waker(&self.waker));
            debug_assert!(poll.is_pending(), "an executor never ends by itself");
        }
        self.alarm.has(Ask::Tasks)
    }

    /// Runs tasks until none can go on. With virtual time nothing can wake one in the meantime.
    pub fn run_until_stalled(&mut self) {
        while self.run_some() {}
    }
}
