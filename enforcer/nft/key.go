package nft

import "encoding/binary"

// appendKey writes an element's key as it stands in the kernel's registers: each
// field padded to 4 bytes.
func appendKey(to []byte, t SetType, e Elem) []byte {
	switch t {
	case Addr4, Addr4Service:
		to = binary.BigEndian.AppendUint32(to, uint32(e.Lo))
	case Addr6, Addr6Service:
		to = binary.BigEndian.AppendUint64(to, e.Hi)
		to = binary.BigEndian.AppendUint64(to, e.Lo)
	case Ident:
		to = binary.NativeEndian.AppendUint32(to, uint32(e.Lo))
	case GroupPeer, GroupPeerService:
		to = binary.NativeEndian.AppendUint32(to, uint32(e.Hi))
		to = binary.NativeEndian.AppendUint32(to, uint32(e.Lo))
	case NFProto:
		return append(to, byte(e.Lo))
	}
	if t == Addr4Service || t == Addr6Service || t == Services || t == GroupPeerService {
		to = append(to, byte(e.Service>>16), 0, 0, 0, byte(e.Service>>8), byte(e.Service), 0, 0)
	}
	return to
}
