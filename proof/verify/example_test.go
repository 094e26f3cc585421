package verify_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/anchor"
	"github.com/adminsessions/adminsessions/proof/verify"
)

func ExampleRun() {
	kept, err := anchor.Open("/srv/panel.checkpoints")
	if err != nil {
		log.Fatal(err)
	}
	report, err := verify.Run(context.Background(), verify.Config{
		Loki:    adminsessions.Loki{URL: "https://loki.example"},
		Keys:    []string{"panel+1f0cde34+AZ3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeO"},
		Anchors: []proof.Archive{kept},
		From:    time.Now().Add(-30 * 24 * time.Hour),
	})
	if err != nil {
		log.Fatal(err) // the trail could not be read
	}
	if report.Complete != verify.Yes || report.Unaltered != verify.Yes {
		fmt.Print(report.Text())
	}
}

func ExampleVerifier() {
	verifier, err := verify.New(verify.Schedule{
		Config:    verify.Config{Keys: []string{"panel+1f0cde34+AZ3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeO"}},
		Retention: 365 * 24 * time.Hour,
		StateFile: "/var/lib/panel/verified.json",
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		if err := verifier.Run(ctx); ctx.Err() == nil {
			log.Print(err)
		}
	}()
	fmt.Println(verifier.Status().UpTo)
}
