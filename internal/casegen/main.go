// Command casegen writes the captures that the diagnosis is judged against:
// failed, healthy and undecidable calls, each with its evidence, its case.json
// and its expected.json.
//
// Every key, signature and hash in a capture is real, so that every fact can be
// recomputed; hosts are made up and keys are thrown away. The verdicts are
// written by hand from the taxonomy of causes and use no rule of the diagnosis.
// Set A (a01 and on) may be looked at while a rule is written; set B (b01 and
// on) has another capture for every cause, set C (c01 and on) a counterpart
// of an easy case that is another cause, or none. Set D (e01 and on) replays
// failure reports on other products. All three are kept for judging.
//
// Run it as
//
//	go run ./internal/casegen -out explain/testdata/captures
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
)

func main() {
	out := flag.String("out", "", "directory to write the cases to")
	flag.Parse()
	if *out == "" {
		fmt.Fprintln(os.Stderr, "casegen: error: -out is needed")
		os.Exit(2)
	}
	for _, s := range scenes() {
		if err := s.write(*out); err != nil {
			fmt.Fprintln(os.Stderr, "casegen: error:", err)
			os.Exit(1)
		}
	}
}

// scenes builds every case.
func scenes() []*scene {
	var all []*scene
	setA := [][]func() *scene{proofCases, bindingCases, nonceCases, clockCases, targetCases, transportCases, bearerCases, verdictCases}
	for _, part := range slices.Concat(setA, setB, setC, setD) {
		for _, build := range part {
			all = append(all, build())
		}
	}
	return all
}
