package mapper

import "slices"

// kinship is what host names say of which roles belong together: "payments-db"
// and "payments-api" share a word that is not what the machine does. Names alone
// never join two roles; they strengthen or weaken the dependencies there are.
type kinship struct {
	words   [][]string     // per role, the words most members' names carry before the last
	bearers map[string]int // roles per word
}

// Factors by which names change the weight of a dependency between two roles.
const (
	kin     = 3.0 // share a word
	strange = 1 / kin
)

func (w *work) newKinship() *kinship {
	k := &kinship{words: make([][]string, w.roles), bearers: map[string]int{}}
	count := make([]map[string]int, w.roles)
	size := w.roleSizes()
	for i, r := range w.role {
		if r < 0 {
			continue
		}
		t := w.names[i].tokens
		for _, word := range t[:max(len(t)-1, 0)] {
			if count[r] == nil {
				count[r] = map[string]int{}
			}
			count[r][word]++
		}
	}
	for r, words := range count {
		for word, n := range words {
			if 2*n > size[r] {
				k.words[r] = append(k.words[r], word)
				k.bearers[word]++
			}
		}
		slices.Sort(k.words[r])
	}
	return k
}

// factor is kin for roles that share a word, strange for roles that both carry a
// word others bear too and share none, 1 where names do not say.
func (k *kinship) factor(a, b int32) float64 {
	borne := func(word string) bool { return k.bearers[word] > 1 }
	for _, word := range k.words[a] {
		if slices.Contains(k.words[b], word) {
			return kin
		}
	}
	if slices.ContainsFunc(k.words[a], borne) && slices.ContainsFunc(k.words[b], borne) {
		return strange
	}
	return 1
}
