//! A local executor that wakes the driver.
//!
//! Job: run applications on the driver's own thread, between receiving and flushing.
//! Owns: which tasks can go on, in the order in which they were woken, and those that live. Does not know: what they do;
//! what a task and its wakers are is async-task's.
//! One thread and one queue: with virtual time a run is a function of its inputs. async-executor, which was here before,
//! asks for memory every thirty-one wake-ups, and looks for work of other threads, of which there are none.

use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::mem;
use core::task::Waker;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_task::Runnable;
pub use async_task::Task;
use slab::Slab;

use crate::Shard;
use crate::alarm::{Alarm, Ask};

/// Bytes of a task from which on it is moved once, into a place of its own.
const LARGE: usize = 256;
/// Steps of tasks in one go: then the driver looks after packets again.
const STEPS: usize = 256;

/// Where tasks are started. Clones start them in the same place.
#[derive(Clone, Debug)]
pub struct Tasks {
    inside: Rc<Inside>,
}

/// The tasks of one thread. They end with who runs them; those started after that, with the last who could start more.
#[derive(Debug)]
struct Inside {
    ready: Arc<Ready>,
    living: Living,
}

/// A waker of every task that has not ended: what it takes to find them all.
type Living = Rc<RefCell<Slab<Waker>>>;

/// Tasks that can go on. They may have been woken from any thread.
struct Ready {
    queue: Mutex<VecDeque<Runnable>>,
    alarm: Arc<Alarm>,
}

/// The place of a task among the living.
struct Place {
    living: Living,
    index: usize,
}

impl Ready {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Runnable>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, task: Runnable) {
        let mut queue = self.queue();
        let first = queue.is_empty();
        queue.push_back(task);
        drop(queue);
        // Whoever came before has rung, and the queue is emptied after the bell is heard.
        if first {
            self.alarm.ring(Ask::Tasks);
        }
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("tasks", &self.queue().len())
            .finish_non_exhaustive()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _known = self.living.borrow_mut().try_remove(self.index);
    }
}

impl Tasks {
    /// Starts a task. Dropping what is returned cancels it; `detach` lets it run.
    pub fn spawn<T: 'static, F: Future<Output = T> + 'static>(&self, future: F) -> Task<T> {
        if size_of::<F>() < LARGE {
            self.start(future)
        } else {
            // Handed on by value it would be copied five times until it is where it stays.
            self.start(Box::pin(future))
        }
    }

    fn start<T: 'static, F: Future<Output = T> + 'static>(&self, future: F) -> Task<T> {
        let Inside { ready, living } = &*self.inside;
        let place = Place {
            living: Rc::clone(living),
            index: living.borrow_mut().insert(Waker::noop().clone()),
        };
        let index = place.index;
        let ready = Arc::clone(ready);
        let (first, task) = async_task::spawn_local(
            async move {
                let _place = place;
                future.await
            },
            move |runnable| ready.push(runnable),
        );
        if let Some(waker) = living.borrow_mut().get_mut(index) {
            *waker = first.waker();
        }
        first.schedule();
        task
    }
}

impl Inside {
    /// Drops every task, and what it holds.
    fn end(&self) {
        // All are woken: then all are in the queue, and one that is taken out of it to be dropped is dropped.
        let living: Vec<_> = self
            .living
            .borrow()
            .iter()
            .map(|(_, task)| task.clone())
            .collect();
        living.into_iter().for_each(Waker::wake);
        loop {
            let next = self.ready.queue().pop_front();
            let Some(task) = next else { break };
            drop(task);
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs [`Tasks`] a little at a time.
#[derive(Debug)]
pub struct Runner {
    tasks: Tasks,
    /// Taken out of the queue, to be run next.
    next: VecDeque<Runnable>,
}

impl Runner {
    /// An executor without tasks. Tasks woken from other threads wake `shard`'s driver.
    #[must_use]
    pub fn new(shard: &Shard) -> Self {
        let ready = Ready {
            queue: Mutex::default(),
            alarm: Arc::clone(shard.alarm()),
        };
        let inside = Inside {
            ready: Arc::new(ready),
            living: Living::default(),
        };
        Self {
            tasks: Tasks {
                inside: Rc::new(inside),
            },
            next: VecDeque::new(),
        }
    }

    /// Where to start tasks.
    #[must_use]
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// Runs tasks that can go on, at most some hundreds of steps; returns whether any may be left.
    pub fn run_some(&mut self) -> bool {
        let ready = Arc::clone(&self.tasks.inside.ready);
        if ready.alarm.take(Ask::Tasks) {
            for _ in 0..STEPS {
                if self.next.is_empty() {
                    mem::swap(&mut self.next, &mut *ready.queue());
                }
                let Some(task) = self.next.pop_front() else {
                    return ready.alarm.has(Ask::Tasks);
                };
                task.run();
            }
            ready.alarm.ring(Ask::Tasks);
        }
        ready.alarm.has(Ask::Tasks)
    }

    /// Runs tasks until none can go on. With virtual time nothing can wake one in the meantime.
    pub fn run_until_stalled(&mut self) {
        while self.run_some() {}
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Nobody runs them any more. One that can start others holds on to all of them, so it is not left to the last.
        self.tasks.inside.ready.queue().append(&mut self.next);
        self.tasks.inside.end();
    }
}
