//! What an agent remembers from one answer to the next: cookies, answers, and how it proved who it is.
//!
//! Job: all behind one lock; an answer collected while it is read. Owns: jar, cache and logins. Does not know: connections.

use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Uri};

use super::cache::Cache;
use super::digest::Logins;
use super::jar::Jar;

#[derive(Debug)]
pub(super) struct Memory {
    pub(super) jar: Option<Jar>,
    pub(super) cache: Option<Cache>,
    pub(super) logins: Logins,
}

#[derive(Clone, Debug)]
pub(super) struct Keep(Arc<Mutex<Memory>>);

impl Keep {
    pub(super) fn new(memory: Memory) -> Self {
        Self(Arc::new(Mutex::new(memory)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer on its way into the cache.
pub(super) struct Keeper {
    pub(super) keep: Keep,
    pub(super) uri: Uri,
    /// The fields it was asked for with.
    pub(super) asked_with: HeaderMap,
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    /// When it was asked for, and when its head came.
    pub(super) times: (Duration, Duration),
    pub(super) body: BytesMut,
    pub(super) most: usize,
}

impl Keeper {
    /// More of the body; gone if that is too much.
    pub(super) fn push(mut self, piece: &Bytes) -> Option<Self> {
        self.body.extend_from_slice(piece);
        (self.body.len() <= self.most).then_some(self)
    }

    /// It is complete.
    pub(super) fn keep(self) {
        let answer = (self.status, &self.fields, self.body.freeze());
        if let Some(cache) = &mut self.keep.lock().cache {
            cache.keep(&self.uri, &self.asked_with, answer, self.times);
        }
    }
}
