// A panel that brings its checkpoints into a bucket.
package main

import (
	"log"
	"time"

	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/s3"
)

func main() {
	bucket, err := s3.New(s3.Config{Endpoint: "s3.eu-central-1.amazonaws.com", Bucket: "panel-checkpoints", Retention: 365 * 24 * time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	exp, err := exporter.New(exporter.WithSpoolDir("spool"), exporter.WithProof(exporter.Proof{Anchors: []proof.Anchor{bucket}}))
	if err != nil {
		log.Fatal(err)
	}
	log.Print(exp.Stats().BacklogEvents)
}
