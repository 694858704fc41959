//go:build race

package holdfast

// raceEnabled makes the longest loops shorter: the detector slows them tenfold.
const raceEnabled = true
