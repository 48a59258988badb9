package assemble

// index maps hashes to entries: open addressing, linear probing, and deletion by
// shifting back, so that no tombstones pile up. A slot holds the 32-bit hash and
// the entry's number plus one; a slot's home follows from the hash alone, so
// neither growing nor deleting touches the entries.
type index struct {
	slots  []uint64
	memory region
	mask   uint32
	count  int
}

func newIndex() index { return index{slots: make([]uint64, 1<<12), mask: 1<<12 - 1} }

func (x *index) insert(h uint32, n uint32) {
	if x.count >= len(x.slots)/8*5 {
		x.grow()
	}
	x.count++
	x.put(uint64(h)<<32 | uint64(n+1))
}

func (x *index) put(slot uint64) {
	i := uint32(slot>>32) & x.mask
	for x.slots[i] != 0 {
		i = (i + 1) & x.mask
	}
	x.slots[i] = slot
}

func (x *index) grow() {
	old, memory := x.slots, x.memory
	x.slots, x.memory = reserve[uint64](2 * len(old))
	x.mask = uint32(len(x.slots) - 1)
	for _, s := range old {
		if s != 0 {
			x.put(s)
		}
	}
	memory.release()
}

// remove deletes the slot of entry n, whose hash is h.
func (x *index) remove(h uint32, n uint32) {
	want := uint64(h)<<32 | uint64(n+1)
	i := h & x.mask
	for x.slots[i] != want {
		if x.slots[i] == 0 {
			return
		}
		i = (i + 1) & x.mask
	}
	x.count--
	for j := i; ; {
		j = (j + 1) & x.mask
		s := x.slots[j]
		if s == 0 {
			break
		}
		// s may move into the gap at i unless its home lies cyclically in (i, j].
		if home := uint32(s>>32) & x.mask; (j-home)&x.mask >= (j-i)&x.mask {
			x.slots[i] = s
			i = j
		}
	}
	x.slots[i] = 0
}
