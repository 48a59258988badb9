package bundle

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"testing"
	"time"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func key(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func sample() Bundle {
	return Bundle{Host: "web1", Serial: 7, Issued: noon, Expires: noon.Add(24 * time.Hour), Hash: "abc", Policy: "# none\n"}
}

func trust() Trust {
	return Trust{Host: "web1", Serial: 6, Keys: []ed25519.PublicKey{key(1).Public().(ed25519.PublicKey)}}
}

func TestVerify(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Bundle, *Trust)
		signer byte
		after  time.Duration
		want   error
	}{
		"accepted":                     {signer: 1},
		"unknown key":                  {signer: 2, want: ErrKey},
		"second key while keys change": {signer: 2, change: func(_ *Bundle, t *Trust) { t.Keys = append(t.Keys, key(2).Public().(ed25519.PublicKey)) }},
		"another host":                 {signer: 1, change: func(b *Bundle, _ *Trust) { b.Host = "web2" }, want: ErrHost},
		"same serial again":            {signer: 1, change: func(_ *Bundle, t *Trust) { t.Serial = 7 }, want: ErrOld},
		"older":                        {signer: 1, change: func(_ *Bundle, t *Trust) { t.Serial = 70 }, want: ErrOld},
		"expired":                      {signer: 1, after: 24 * time.Hour, want: ErrExpired},
		"just before it expires":       {signer: 1, after: 24*time.Hour - 1},
		"clock a little behind":        {signer: 1, after: -time.Minute},
		"clock an hour behind":         {signer: 1, after: -time.Hour, want: ErrFuture},
	} {
		t.Run(name, func(t *testing.T) {
			b, tr := sample(), trust()
			if tc.change != nil {
				tc.change(&b, &tr)
			}
			data, err := Sign(b, key(tc.signer))
			if err != nil {
				t.Fatal(err)
			}
			got, err := tr.Verify(data, noon.Add(tc.after))
			if !errors.Is(err, tc.want) || (err == nil) != (got != nil) {
				t.Fatalf("Verify = %v, %v; want error %v", got, err, tc.want)
			}
			if got != nil && got.Policy != b.Policy {
				t.Errorf("policy %q", got.Policy)
			}
		})
	}
}

// TestEveryBitCounts flips each bit of a signed bundle: none of the results may be
// accepted as something else than what was signed.
func TestEveryBitCounts(t *testing.T) {
	good, err := Sign(sample(), key(1))
	if err != nil {
		t.Fatal(err)
	}
	want, err := trust().Verify(good, noon)
	if err != nil {
		t.Fatal(err)
	}
	wantText, _ := json.Marshal(want)
	accepted := 0
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			got, err := trust().Verify(bad, noon)
			if err != nil {
				continue
			}
			accepted++ // letter case of an envelope's field name
			if text, _ := json.Marshal(got); !bytes.Equal(text, wantText) {
				t.Fatalf("byte %d bit %d: accepted %s", i, bit, text)
			}
		}
	}
	if accepted > len(`"format""bundle""key""signature"`) {
		t.Errorf("%d altered envelopes accepted", accepted)
	}
}

func FuzzVerify(f *testing.F) {
	good, _ := Sign(sample(), key(1))
	other, _ := Sign(sample(), key(2))
	f.Add(good)
	f.Add(other)
	f.Add([]byte(`{"bundle":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := trust().Verify(data, noon)
		if (err == nil) != (b != nil) {
			t.Errorf("bundle %v with error %v", b, err)
		}
	})
}
