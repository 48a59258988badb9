package filter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/bulkhead/bulkhead/flow"
)

// maxInstructions is the kernel's bound (linux/bpf_common.h, BPF_MAXINSNS).
const maxInstructions = 4096

// whole is how much of a packet a match keeps: all of it.
const whole = 0x40000

// Compile compiles an expression for Ethernet frames. An empty one gives nil, which
// takes everything.
func Compile(text string) ([]bpf.RawInstruction, error) {
	p := parser{words: split(text)}
	if len(p.words) == 0 {
		return nil, nil
	}
	e, err := p.expression(0)
	if err == nil && p.at < len(p.words) {
		err = fmt.Errorf("%q is left over", p.peek())
	}
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", text, err)
	}
	var c compiler
	yes, no := c.label(), c.label()
	e.compile(&c, yes, no)
	c.place(yes)
	c.emit(bpf.RetConstant{Val: whole})
	c.place(no)
	c.emit(bpf.RetConstant{Val: 0})
	raw, err := bpf.Assemble(c.resolve())
	if err == nil && len(raw) > maxInstructions {
		err = fmt.Errorf("%d instructions, the kernel takes %d", len(raw), maxInstructions)
	}
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", text, err)
	}
	return raw, nil
}

// Load reads a program as "tcpdump -ddd" prints it: a count, then a line of four
// numbers for each instruction.
func Load(text string) ([]bpf.RawInstruction, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	n, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || n != len(lines)-1 || n < 1 || n > maxInstructions {
		return nil, fmt.Errorf("filter: want the output of tcpdump -ddd, a count and as many lines")
	}
	program := make([]bpf.RawInstruction, n)
	for i, line := range lines[1:] {
		r := &program[i]
		if _, err := fmt.Sscanf(line, "%d %d %d %d", &r.Op, &r.Jt, &r.Jf, &r.K); err != nil {
			return nil, fmt.Errorf("filter: line %d %q: %w", i+2, line, err)
		}
	}
	return program, nil
}

type label int

// compiler gathers instructions whose jumps name labels.
type compiler struct {
	code   []bpf.Instruction
	jumps  map[int]label // where an unconditional jump stands, and where it goes
	places []int         // of labels
}

func (c *compiler) label() label { c.places = append(c.places, -1); return label(len(c.places) - 1) }

func (c *compiler) place(l label) { c.places[l] = len(c.code) }

func (c *compiler) emit(i bpf.Instruction) { c.code = append(c.code, i) }

func (c *compiler) jump(to label) {
	if c.jumps == nil {
		c.jumps = map[int]label{}
	}
	c.jumps[len(c.code)] = to
	c.emit(bpf.Jump{})
}

// test goes to yes or no by comparing what was loaded. A conditional jump reaches
// 255 instructions only, so it skips over unconditional ones, which reach any.
func (c *compiler) test(cond bpf.JumpTest, v uint32, yes, no label) {
	c.emit(bpf.JumpIf{Cond: cond, Val: v, SkipFalse: 1})
	c.jump(yes)
	c.jump(no)
}

func (c *compiler) resolve() []bpf.Instruction {
	for at, to := range c.jumps {
		c.code[at] = bpf.Jump{Skip: uint32(c.places[to] - at - 1)}
	}
	return c.code
}

func (e and) compile(c *compiler, yes, no label) {
	second := c.label()
	e.a.compile(c, second, no)
	c.place(second)
	e.b.compile(c, yes, no)
}

func (e or) compile(c *compiler, yes, no label) {
	second := c.label()
	e.a.compile(c, yes, second)
	c.place(second)
	e.b.compile(c, yes, no)
}

func (e not) compile(c *compiler, yes, no label) { e.e.compile(c, no, yes) }

// Offsets in an Ethernet frame without tags.
const (
	offType  = 12
	offIP    = 14
	offProto = offIP + 9
	offNext  = offIP + 6
)

func (e etype) compile(c *compiler, yes, no label) {
	c.emit(bpf.LoadAbsolute{Off: offType, Size: 2})
	c.test(bpf.JumpEqual, e.kind, yes, no)
}

func (e proto) compile(c *compiler, yes, no label) {
	six, other := c.label(), c.label()
	four := c.label()
	etype{0x0800}.compile(c, four, other)
	c.place(four)
	c.emit(bpf.LoadAbsolute{Off: offProto, Size: 1})
	c.test(bpf.JumpEqual, uint32(e.number), yes, no)
	c.place(other)
	etype{0x86dd}.compile(c, six, no)
	c.place(six)
	c.emit(bpf.LoadAbsolute{Off: offNext, Size: 1})
	c.test(bpf.JumpEqual, uint32(e.number), yes, no)
}

func (e vlan) compile(c *compiler, yes, no label) {
	if e.id < 0 {
		c.emit(bpf.LoadExtension{Num: bpf.ExtVLANTagPresent})
		c.test(bpf.JumpEqual, 0, no, yes)
		return
	}
	tagged := c.label()
	vlan{-1}.compile(c, tagged, no)
	c.place(tagged)
	c.emit(bpf.LoadExtension{Num: bpf.ExtVLANTag})
	c.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xfff})
	c.test(bpf.JumpEqual, uint32(e.id), yes, no)
}

func (e prefix) compile(c *compiler, yes, no label) {
	kind, src, dst := uint32(0x0800), uint32(offIP+12), uint32(offIP+16)
	if e.net.Addr().Is6() {
		kind, src, dst = 0x86dd, offIP+8, offIP+24
	}
	ours := c.label()
	etype{kind}.compile(c, ours, no)
	c.place(ours)
	other := c.label()
	switch {
	case e.src && e.dst:
		within(c, src, e.net, yes, other)
		c.place(other)
		within(c, dst, e.net, yes, no)
	case e.src:
		within(c, src, e.net, yes, no)
	default:
		within(c, dst, e.net, yes, no)
	}
}

// within compares the address at off with a prefix, a word at a time.
func within(c *compiler, off uint32, net netip.Prefix, yes, no label) {
	b := net.Addr().AsSlice()
	for left := net.Bits(); left > 0; left -= 32 {
		mask := ^uint32(0)
		if left < 32 {
			mask <<= 32 - left
		}
		c.emit(bpf.LoadAbsolute{Off: off, Size: 4})
		c.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask})
		next := c.label()
		c.test(bpf.JumpEqual, binary.BigEndian.Uint32(b)&mask, next, no)
		c.place(next)
		b, off = b[4:], off+4
	}
	c.jump(yes)
}

// compile tests ports: of IPv4 behind the header's length and in first fragments
// only, of IPv6 at their fixed place.
func (e ports) compile(c *compiler, yes, no label) {
	allowed := []uint8{e.proto}
	if e.proto == 0 {
		allowed = []uint8{flow.TCP, flow.UDP, flow.SCTP}
	}
	four, other, six := c.label(), c.label(), c.label()
	etype{0x0800}.compile(c, four, other)
	c.place(four)
	oneOf(c, offProto, allowed, no)
	c.emit(bpf.LoadAbsolute{Off: offIP + 6, Size: 2})
	first := c.label()
	c.test(bpf.JumpBitsSet, 0x1fff, no, first)
	c.place(first)
	c.emit(bpf.LoadMemShift{Off: offIP}) // X = 4 × header length
	e.between(c, func(off uint32) bpf.Instruction { return bpf.LoadIndirect{Off: offIP + off, Size: 2} }, yes, no)
	c.place(other)
	etype{0x86dd}.compile(c, six, no)
	c.place(six)
	oneOf(c, offNext, allowed, no)
	e.between(c, func(off uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offIP + 40 + off, Size: 2} }, yes, no)
}

// oneOf goes on when the octet at off is one of values, and to no otherwise.
func oneOf(c *compiler, off uint32, values []uint8, no label) {
	on := c.label()
	c.emit(bpf.LoadAbsolute{Off: off, Size: 1})
	for _, v := range values {
		next := c.label()
		c.test(bpf.JumpEqual, uint32(v), on, next)
		c.place(next)
	}
	c.jump(no)
	c.place(on)
}

func (e ports) between(c *compiler, load func(uint32) bpf.Instruction, yes, no label) {
	at := func(off uint32, no label) {
		enough := c.label()
		c.emit(load(off))
		c.test(bpf.JumpGreaterOrEqual, uint32(e.from), enough, no)
		c.place(enough)
		c.test(bpf.JumpLessOrEqual, uint32(e.to), yes, no)
	}
	switch {
	case e.src && e.dst:
		other := c.label()
		at(0, other)
		c.place(other)
		at(2, no)
	case e.src:
		at(0, no)
	default:
		at(2, no)
	}
}
