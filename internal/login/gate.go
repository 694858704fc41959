package login

import (
	"context"
	"time"

	"github.com/holdfast-oauth/holdfast/authserver"
)

// How many hashes are computed at once, each with its own memory, and how many
// attempts wait for that. Browsers that are known have places of their own, so
// that strangers cannot take them all.
const (
	MaxHashes      = 6
	MaxKnownHashes = 2
	MaxWaiting     = 64 // for each of the two
)

// busyPause is when to come again if even the places to wait are taken.
const busyPause = time.Second

// gate lets some in and some wait.
type gate struct {
	running chan struct{}
	waiting chan struct{}
}

func newGate(running, waiting int) gate {
	return gate{make(chan struct{}, running), make(chan struct{}, waiting)}
}

// enter waits for a place. The error is a *[authserver.TooManyAttempts] if too
// many wait already, or that of ctx.
func (g gate) enter(ctx context.Context) error {
	select {
	case g.running <- struct{}{}:
		return nil
	default:
	}
	select {
	case g.waiting <- struct{}{}:
		defer func() { <-g.waiting }()
	default:
		return &authserver.TooManyAttempts{RetryAfter: busyPause}
	}
	select {
	case g.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g gate) leave() { <-g.running }
