// gVisor's netstack as a server on a TUN: Debian's package, its Go face, a goroutine a connection.
//
// Job: answer as `src/peer` of the bench says: by port, without HTTP beyond the end of a head. The TUN is standard
// input, opened with the virtio header: super-segments both ways, checksums left to the kernel, which is its best.
// Owns: that link. Does not know: how the TUN was made.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/bufferv2"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	closes   = 81
	large    = 82
	send     = 8080
	discard  = 9
	nic      = 1
	mtu      = 1500
	virtio   = 10
	most     = 65535
	buffered = 4 << 20
)

// A TUN with the virtio header.
type link struct {
	tun        *os.File
	raw        syscall.RawConn
	dispatcher stack.NetworkDispatcher
}

func (*link) MTU() uint32                             { return mtu }
func (*link) MaxHeaderLength() uint16                 { return 0 }
func (*link) LinkAddress() tcpip.LinkAddress          { return "" }
func (*link) Wait()                                   {}
func (*link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }
func (*link) AddHeader(stack.PacketBufferPtr)         {}
func (*link) GSOMaxSize() uint32                      { return most - 100 }
func (*link) SupportedGSO() stack.SupportedGSO        { return stack.HostGSOSupported }
func (l *link) IsAttached() bool                      { return l.dispatcher != nil }
func (*link) Capabilities() stack.LinkEndpointCapabilities {
	// What is sent with GSO options leaves its checksum to the kernel; the rest, such as a SYN, is summed here.
	return stack.CapabilityRXChecksumOffload
}

func (l *link) Attach(dispatcher stack.NetworkDispatcher) {
	l.dispatcher = dispatcher
	if dispatcher != nil {
		go l.read()
	}
}

func (l *link) read() {
	buffer := make([]byte, virtio+most)
	for {
		length, err := l.tun.Read(buffer)
		if err != nil {
			fmt.Fprintln(os.Stderr, "gvisor: the TUN:", err)
			os.Exit(1)
		}
		if length <= virtio {
			continue
		}
		packet := stack.NewPacketBuffer(stack.PacketBufferOptions{
			Payload: bufferv2.MakeWithData(buffer[virtio:length]),
		})
		l.dispatcher.DeliverNetworkPacket(header.IPv4ProtocolNumber, packet)
		packet.DecRef()
	}
}

func (l *link) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	count := 0
	for _, packet := range packets.AsSlice() {
		l.write(packet)
		count++
	}
	return count, nil
}

// One packet, header and pieces gathered. What cannot be written is lost, as on a wire.
func (l *link) write(packet stack.PacketBufferPtr) {
	var head [virtio]byte
	gso := packet.GSOOptions
	if gso.Type != stack.GSONone && gso.NeedsCsum {
		head[0] = 1
		binary.LittleEndian.PutUint16(head[6:], gso.L3HdrLen)
		binary.LittleEndian.PutUint16(head[8:], gso.CsumOffset)
	}
	if gso.Type != stack.GSONone && packet.Data().Size() > int(gso.MSS) {
		head[1] = 1
		binary.LittleEndian.PutUint16(head[2:], uint16(packet.HeaderSize()))
		binary.LittleEndian.PutUint16(head[4:], gso.MSS)
	}
	pieces := append([][]byte{head[:]}, packet.AsSlices()...)
	_ = l.raw.Write(func(fd uintptr) bool {
		_, err := unix.Writev(int(fd), pieces)
		return err != syscall.EAGAIN
	})
}

func answer(port int) []byte {
	if port == send {
		return bytes.Repeat([]byte("x"), 256<<10)
	}
	body, connection := 100, ""
	if port == large {
		body = 1 << 20
	}
	if port == closes {
		connection = "Connection: close\r\n"
	}
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: peer\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n"+
		"Content-Type: text/plain\r\nETag: \"0123456789abcdef-64\"\r\n"+
		"Last-Modified: Sat, 21 Nov 2026 11:00:00 GMT\r\nAccept-Ranges: bytes\r\n"+
		"Content-Length: %d\r\n%s\r\n", body, connection)
	return append([]byte(head), bytes.Repeat([]byte("x"), body)...)
}

// Until the client has enough: how a measurement ends is no failure.
func serve(conn *gonet.TCPConn, port int, text []byte) {
	defer conn.Close()
	heard := make([]byte, 256<<10)
	for {
		length, err := conn.Read(heard)
		if err != nil {
			return
		}
		if port == discard {
			continue
		}
		asked := bytes.Count(heard[:length], []byte("\r\n\r\n"))
		answers := text
		if asked != 1 {
			answers = bytes.Repeat(text, asked)
		}
		for {
			if _, err := conn.Write(answers); err != nil {
				return
			}
			if port != send || asked == 0 {
				break
			}
		}
		if port == closes {
			return
		}
	}
}

func run(port int) error {
	// A second file of the same descriptor would not be watched by the runtime.
	tun := os.Stdin
	raw, err := tun.SyscallConn()
	if err != nil {
		return err
	}
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	sack := tcpip.TCPSACKEnabled(true)
	incoming := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: buffered, Max: 2 * buffered}
	outgoing := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: buffered, Max: 2 * buffered}
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &incoming, &outgoing} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return fmt.Errorf("%T: %v", option, err)
		}
	}
	if err := s.CreateNIC(nic, &link{tun: tun, raw: raw}); err != nil {
		return fmt.Errorf("nic: %v", err)
	}
	address := tcpip.Address([]byte{10, 79, 0, 2})
	at := tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: address, PrefixLen: 24},
	}
	if err := s.AddProtocolAddress(nic, at, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("address: %v", err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	listener, err := gonet.ListenTCP(s, tcpip.FullAddress{NIC: nic, Addr: address, Port: uint16(port)}, ipv4.ProtocolNumber)
	if err != nil {
		return err
	}
	text := answer(port)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go serve(conn.(*gonet.TCPConn), port, text)
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gvisor PORT <TUN")
		os.Exit(2)
	}
	port, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = run(port)
	}
	fmt.Fprintln(os.Stderr, "gvisor:", err)
	os.Exit(1)
}
