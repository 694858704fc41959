//go:build !race

package holdfast

const raceEnabled = false
