//! Keys of TCP's signatures.
//!
//! Job: hand a program's keys to the TCP engine. Owns: nothing. Does not know: what they are for.
//! Sources: RFC 2385, RFC 5925; the names are those of Linux's socket options.

use outcrop_tcp::auth::{AoInfo, AoSelect, KeyError, Keyring, MasterKey, Prefix, Secret};

use super::{Core, ListenerId, StreamId};

/// Whose keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// A listener's: for the connections it will take.
    Listener(ListenerId),
    /// A connection's.
    Stream(StreamId),
}

impl From<ListenerId> for KeyOwner {
    fn from(id: ListenerId) -> Self {
        Self::Listener(id)
    }
}

impl From<StreamId> for KeyOwner {
    fn from(id: StreamId) -> Self {
        Self::Stream(id)
    }
}

impl From<KeyOwner> for outcrop_tcp::KeyOwner {
    fn from(owner: KeyOwner) -> Self {
        match owner {
            KeyOwner::Listener(id) => Self::Listener(id.0),
            KeyOwner::Stream(id) => Self::Connection(id.0),
        }
    }
}

/// TCP's signatures.
impl Core {
    /// Puts a listener, or a connection in the same call that opened it, under these keys.
    ///
    /// # Errors
    /// A stale handle; a connection whose SYN has left.
    pub fn tcp_set_keys(
        &mut self,
        owner: impl Into<KeyOwner>,
        keys: Keyring,
    ) -> Result<(), KeyError> {
        self.tcp.set_keys(owner.into(), keys)
    }

    /// Sets the MD5 key for some peers, or takes it away.
    ///
    /// # Errors
    /// As `outcrop_tcp::Endpoint::set_md5sig`.
    pub fn tcp_set_md5sig(
        &mut self,
        owner: impl Into<KeyOwner>,
        peer: Prefix,
        secret: Option<Secret>,
    ) -> Result<(), KeyError> {
        self.tcp.set_md5sig(owner.into(), peer, secret)
    }

    /// Adds a master key tuple.
    ///
    /// # Errors
    /// As `outcrop_tcp::Endpoint::add_ao_key`.
    pub fn tcp_add_ao_key(
        &mut self,
        owner: impl Into<KeyOwner>,
        key: MasterKey,
    ) -> Result<(), KeyError> {
        self.tcp.add_ao_key(owner.into(), key)
    }

    /// Takes a master key tuple from a connection.
    ///
    /// # Errors
    /// A stale handle, no such key, or one in use.
    pub fn tcp_remove_ao_key(
        &mut self,
        id: StreamId,
        send_id: u8,
        recv_id: u8,
    ) -> Result<(), KeyError> {
        self.tcp.remove_ao_key(id.0, send_id, recv_id)
    }

    /// Changes the keys a connection sends under and asks for.
    ///
    /// # Errors
    /// A stale handle, no such key.
    pub fn tcp_select_ao_keys(&mut self, id: StreamId, select: AoSelect) -> Result<(), KeyError> {
        self.tcp.select_ao_keys(id.0, select)
    }

    /// Which keys a connection uses; `None` unless it is under TCP-AO.
    #[must_use]
    pub fn tcp_ao_info(&self, id: StreamId) -> Option<AoInfo> {
        self.tcp.ao_info(id.0)
    }
}
