package scenario

// rng is the splitmix64 generator (Steele, Lea, Flood 2014, "Fast Splittable
// Pseudorandom Number Generators", doi:10.1145/2660193.2660195): eight bytes of
// state, so that every flow can have a generator of its own, and an output that
// cannot change with the Go release.
type rng uint64

const golden = 0x9e3779b97f4a7c15

func (r *rng) next() uint64 {
	*r += golden
	return mix(uint64(*r))
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n); n must be positive.
func (r *rng) below(n int) int { return int(r.next() % uint64(n)) }

// float returns a number in [0, 1).
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// derive gives the generator that belongs to the values, in their order.
func derive(seed uint64, values ...uint64) rng {
	z := mix(seed + golden)
	for _, v := range values {
		z = mix(z ^ mix(v+golden))
	}
	return rng(z)
}
