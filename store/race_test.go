//go:build race

package store

// raceEnabled makes the longest loops shorter: the detector slows them tenfold.
const raceEnabled = true
