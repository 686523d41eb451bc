//! The words of the layers below, for whoever drives a host or programs on one.
//!
//! Job: name them in one place each. Owns: nothing. Does not know: how they are used.

/// The device's words, for whoever drives a [`Driver`](crate::Driver) from above.
pub mod device {
    pub use outcrop_device::{
        Caps, Clock, Device, Doorbell, Medium, Offload, PairEnd, Received, RxOffload, WakeSource,
        pair,
    };
}
/// The link's words, where it has neighbours.
pub mod ethernet {
    pub use outcrop_ethernet::{
        Config, Defence, Filter, Limits, MacAddr, Neighbor, Port, State, Switch, SwitchConfig,
    };
}
/// IP's words.
pub mod ip {
    pub use outcrop_ip::{
        Address, AddressNews, AddressState, Advertising, AutoConfig, Cidr, CidrError, Config,
        ConfigError, EchoReply, Filter, GroupError, InterfaceConfig, Lease, Listening, MAX_MERGED,
        MAX_SOURCES, Origin, Passing, PingError, Quote, Quoted, RawPacket, Refusal, Route, Ruling,
        SourceFilter, Target, Unresolved,
    };
}
/// TCP's words.
pub mod tcp {
    pub use outcrop_tcp::{
        Algorithm, CloseReason, Config, ConnectError, Counters, Doubt, EcnPolicy, Explanation,
        Held, Info, KeepAlive, Listen, ListenError, PathProbing, Rate, ReadError, Settings, Shares,
        StaleId, State, SynCookies, Totals, WriteError, auth, params,
    };
}
/// UDP's words.
pub mod udp {
    pub use outcrop_udp::{
        BindError, Config, ConnectError, Datagram, PathError, SendError, SendOptions, UnknownSocket,
    };
}
