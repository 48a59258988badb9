package assemble

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a huge page on amd64 and arm64 with 4 KiB pages.
const hugePage = 2 << 20

// region is memory outside the Go heap, in huge pages where the kernel has them
// (madvise(2), MADV_HUGEPAGE): a table that is read at random costs a miss in the
// TLB for each packet otherwise, which is dearer than the miss in the cache. It is
// reserved whole and touched as far as it is used. It must hold no pointers. What
// is small stays in the heap.
type region struct {
	base unsafe.Pointer
	size uintptr
}

// reserve returns n zeroed items, aligned to a huge page, and their region.
func reserve[T any](n int) ([]T, region) {
	var item T
	if uintptr(n)*unsafe.Sizeof(item) < 2*hugePage {
		return make([]T, n), region{}
	}
	bytes := (uintptr(n)*unsafe.Sizeof(item) + hugePage - 1) &^ (hugePage - 1)
	size := bytes + hugePage
	base, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return make([]T, n), region{} // the heap does as well, only slower
	}
	start := unsafe.Add(base, (hugePage-uintptr(base)%hugePage)%hugePage)
	// An error means that there are no huge pages; the memory is good nevertheless.
	_ = unix.Madvise(unsafe.Slice((*byte)(start), bytes), unix.MADV_HUGEPAGE)
	return unsafe.Slice((*T)(start), n), region{base, size}
}

// release gives the memory back. Nothing may use it afterwards.
func (r region) release() {
	if r.base != nil {
		_ = unix.MunmapPtr(r.base, r.size) // fails for an address that is not ours only
	}
}
