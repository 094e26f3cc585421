package doctor

import (
	"testing"
	"time"
)

func TestPlan(t *testing.T) {
	const day = 24 * time.Hour
	p := MakePlan(1_440_000, day, year)
	if p.Backlog != 1_440_000 || p.SpoolBytes != 1_440_000*spooledBytes || p.Limit != 2*p.SpoolBytes || p.Drain != 72*time.Second ||
		p.Disk != 365*1_440_000*storedBytes || p.DefaultLasts != 25*time.Hour {
		t.Errorf("%+v", p)
	}
	// A small trail has the smallest spool that there is; none needs nothing.
	if small := MakePlan(10, day, year); small.Limit != minLimit || small.Drain != 0 || small.DefaultLasts != 100*year {
		t.Errorf("%+v", small)
	}
	if none := MakePlan(0, day, year); none.Backlog != 0 || none.Disk != 0 || none.DefaultLasts != 0 {
		t.Errorf("%+v", none)
	}
}
