package names

// tlv takes one element of BER off r (X.690 §8.1): its identifier octet and its
// contents. Lengths may be longer than they need be, as Active Directory's are;
// indefinite ones and identifiers of several octets, which the protocols read here
// do not have, fail.
func (r *reader) tlv() (tag byte, contents []byte) {
	tag = r.u8()
	size := int(r.u8())
	if size >= 0x80 {
		n := size & 0x7f
		if size = 0; n == 0 || n > 4 {
			r.failed = true
		}
		for _, b := range r.take(n) {
			size = size<<8 | int(b)
		}
	}
	if tag&0x1f == 0x1f || size < 0 {
		r.failed = true
	}
	return tag, r.take(size)
}

// element takes one that must have this tag.
func (r *reader) element(tag byte) []byte {
	got, v := r.tlv()
	if got != tag {
		r.failed = true
		return nil
	}
	return v
}

// field finds the element of a tag in a sequence whose members are tagged in order.
func field(sequence []byte, tag byte) []byte {
	for r := (reader{b: sequence}); len(r.b) > 0 && !r.failed; {
		if got, v := r.tlv(); got == tag && !r.failed {
			return v
		}
	}
	return nil
}
