//! What a driver writes down.
//!
//! Job: count every packet, and give the recorder packets and facts in the order in which one caused the
//! other. Owns: the recorder and the counters. Does not know: devices.
//! The order: a received packet after its verdict, then the facts it caused, then what answers it.

use std::io::IoSlice;

use outcrop_base::{
    Cause, Direction, Fact, FactKind, Instant, InterfaceId, Level, PacketRecord, Recorder,
};
use outcrop_device::{Device, Offload, Received};

use super::cut::cut;
use crate::{Core, Counters, PacketIn, PacketOut, Stray};

#[derive(Debug)]
pub(super) struct Log<R> {
    pub(super) recorder: R,
    pub(super) counters: Counters,
    facts: Vec<Fact>,
}

impl<R: Recorder> Log<R> {
    pub(super) fn new(recorder: R) -> Self {
        Self {
            recorder,
            counters: Counters::default(),
            facts: Vec::new(),
        }
    }

    fn full(&self) -> bool {
        self.recorder.level() == Level::Full
    }

    /// Hands a packet to the core and writes down what became of it.
    pub(super) fn feed(&mut self, core: &mut Core, iface: InterfaceId, received: Received) {
        let Received { at, bytes, offload } = received;
        let (id, len) = (core.next_packet_id(), bytes.len());
        // Only a recorder needs the packet once it is taken: otherwise its buffer goes back at once.
        let kept = self.full().then(|| bytes.clone());
        let verdict = core.handle_packet(PacketIn {
            at,
            id,
            iface,
            bytes,
            offload,
        });
        self.counters.received(len, &verdict);
        if let Some(whole) = kept {
            self.recorder.packet(&PacketRecord {
                at,
                id,
                iface,
                direction: Direction::In,
                bytes: &[IoSlice::new(&whole)],
                partial_checksum: offload.partial.map(|c| (c.start, c.offset)),
                gso_size: offload.gso_size,
                note: None,
                verdict: Some(verdict),
                state: core.met(),
            });
        }
        self.facts(core, at);
    }

    /// Hands a packet from another shard to the core, and writes it down like one that came in here.
    pub(super) fn adopt(&mut self, core: &mut Core, at: Instant, stray: Stray) {
        let kept = self.full().then(|| stray.packet());
        let verdict = core.handle_stray(at, stray);
        self.counters.taken_over(&verdict);
        if let Some(([header, payload], iface)) = kept {
            self.recorder.packet(&PacketRecord {
                at,
                id: core.last_packet_id(),
                iface,
                direction: Direction::In,
                bytes: &[IoSlice::new(&header), IoSlice::new(&payload)],
                partial_checksum: None,
                gso_size: None,
                note: None,
                verdict: Some(verdict),
                state: core.met(),
            });
        }
        self.facts(core, at);
    }

    /// Writes a packet down and gives it to the device: in pieces, if it is for a device to cut and this one does not.
    pub(super) fn send(
        &mut self,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        packet: &PacketOut<'_>,
    ) {
        match packet.offload.gso {
            Some(gso) if device.caps().gso_max == 0 => cut(packet.bytes, gso, &mut |bytes| {
                let offload = Offload::default();
                let piece = PacketOut {
                    bytes,
                    offload,
                    ..*packet
                };
                self.send_one(device, now, &piece);
            }),
            Some(_) | None => self.send_one(device, now, packet),
        }
    }

    fn send_one(
        &mut self,
        device: &mut (impl Device + ?Sized),
        now: Instant,
        packet: &PacketOut<'_>,
    ) {
        if self.full() {
            self.recorder.packet(&PacketRecord {
                at: now,
                id: packet.id,
                iface: packet.iface,
                direction: Direction::Out,
                bytes: packet.bytes,
                partial_checksum: packet.offload.checksum.map(|c| (c.start, c.offset)),
                gso_size: packet.offload.gso.map(|gso| gso.size),
                note: Some(packet.note),
                verdict: None,
                state: packet.state,
            });
        }
        let len = packet.bytes.iter().map(|piece| piece.len()).sum();
        let taken = device.transmit(packet.bytes, packet.offload).is_ok();
        self.counters.sent(len, taken);
        if !taken {
            let lost = FactKind::Remark("the device refused a packet: it is lost");
            self.facts.push(Fact::new(None, lost, Cause::None));
        }
    }

    /// Writes down what happened without a packet.
    pub(super) fn facts(&mut self, core: &mut Core, at: Instant) {
        let told = self.recorder.level() != Level::Off;
        if !told && core.level() == Level::Off && self.facts.is_empty() {
            return;
        }
        core.drain_facts(&mut self.facts);
        for fact in self.facts.drain(..).filter(|_| told) {
            self.recorder.fact(at, &fact);
        }
    }
}
