package verify

import (
	"testing"

	"github.com/adminsessions/adminsessions/internal/prooftest"
)

// What judging costs once the entries are read.
func BenchmarkJudge(b *testing.B) {
	l := prooftest.New(b, "a", began)
	l.Every = 10_000
	l.Write(100_000)
	keys, err := (&Config{Keys: []string{l.Public}}).keys()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		j, err := newJudge("a", keys, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		for i := range l.Entries {
			j.read(&l.Entries[i])
		}
		if r := j.finish(); r.Unaltered != Yes {
			b.Fatal(r)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*10, "s/1M-events")
}
