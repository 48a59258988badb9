package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// overlap writes a capture of two networks that use the same addresses, told
// apart by their VLANs: overlap FILE. In VLAN 100 10.0.0.9 uses tcp/443 of
// 10.0.0.5, in VLAN 200 tcp/5432.
func overlap(ts *testscript.TestScript, _ bool, args []string) {
	var b bytes.Buffer
	header := []uint32{0xa1b2c3d4, 2 | 4<<16, 0, 0, 65535, 1} // pcap, microseconds, Ethernet
	ts.Check(binary.Write(&b, binary.LittleEndian, header))
	client, server := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.5")
	second := uint32(1_793_000_000)
	for conversation := range uint16(20) {
		for vlan, port := range map[uint16]uint16{100: 443, 200: 5432} {
			second += 60
			for step, flags := range []byte{0x02, 0x12, 0x10, 0x11, 0x11} { // SYN, SYN-ACK, ACK, FIN, FIN
				from, to, sport, dport := client, server, 40000+conversation, port
				if step == 1 || step == 4 {
					from, to, sport, dport = to, from, dport, sport
				}
				frame := tcpFrame(vlan, from, to, sport, dport, flags)
				ts.Check(binary.Write(&b, binary.LittleEndian, []uint32{second, uint32(step), uint32(len(frame)), uint32(len(frame))}))
				b.Write(frame)
			}
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// tcpFrame is Ethernet, 802.1Q, IPv4 and TCP without data or checksums.
func tcpFrame(vlan uint16, from, to netip.Addr, sport, dport uint16, flags byte) []byte {
	f := append(make([]byte, 12), 0x81, 0)
	f = binary.BigEndian.AppendUint16(f, vlan)
	f = append(f, 0x08, 0)
	f = append(f, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0)
	f = append(append(f, from.AsSlice()...), to.AsSlice()...)
	f = binary.BigEndian.AppendUint16(f, sport)
	f = binary.BigEndian.AppendUint16(f, dport)
	return append(f, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 1, 0, 0, 0, 0, 0)
}
