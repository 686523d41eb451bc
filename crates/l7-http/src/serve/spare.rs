//! Memory for answers that nobody writes at the moment.
//!
//! Job: let the connections of one thread write their heads and small bodies into the same few buffers, one after the
//! other, so that a thousand that wait keep none. Owns: those. Does not know: connections. What was given last is taken
//! first: it is still in the cache.

use core::cell::Cell;

use outcrop_base::ChunkQueue;

/// Buffers kept: as many connections may be in the middle of an answer at once without asking for memory. Each is
/// 1 KiB, or 16 after a long head.
const KEPT: usize = 32;

thread_local! {
    static FREE: Cell<Vec<ChunkQueue>> = const { Cell::new(Vec::new()) };
}

/// An empty queue, with memory if there is some.
pub(super) fn take() -> ChunkQueue {
    // Of a thread that ends there is none left.
    let taken = FREE.try_with(|free| {
        let mut queues = free.take();
        let taken = queues.pop();
        free.set(queues);
        taken
    });
    taken.ok().flatten().unwrap_or_default()
}

/// Takes an empty queue back.
pub(super) fn give(queue: ChunkQueue) {
    let _kept = FREE.try_with(|free| {
        let mut queues = free.take();
        if queues.len() < KEPT {
            queues.push(queue);
        }
        free.set(queues);
    });
}
