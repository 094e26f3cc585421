package memo

import (
	"strconv"
	"sync"
	"testing"
)

func TestMap(t *testing.T) {
	var m Map[string, int]
	if _, ok := m.Load("1"); ok {
		t.Error("an empty map remembers something")
	}
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() { m.Store(strconv.Itoa(i), i, 10) })
	}
	all.Wait()
	n := 0
	for i := range 100 {
		if v, ok := m.Load(strconv.Itoa(i)); ok {
			n++
			if v != i {
				t.Errorf("%d is remembered as %d", i, v)
			}
		}
	}
	if n != 10 {
		t.Errorf("%d are remembered, want 10", n)
	}
}

func TestLoadAllocatesNothing(t *testing.T) {
	var m Map[[2]string, int]
	m.Store([2]string{"GET", "/"}, 1, 10)
	if n := testing.AllocsPerRun(100, func() { _, _ = m.Load([2]string{"GET", "/"}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
