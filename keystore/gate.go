package keystore

import (
	"context"
	"sync"
)

// gates are locks within this process, by name. They are waited for with a
// context, and so that one goroutine of a process contends with the other
// processes. The zero value is ready to use.
type gates struct {
	mu     sync.Mutex
	byName map[string]*gate
}

type gate struct {
	users int           // inside and waiting
	busy  chan struct{} // holds one element while somebody is inside
}

// enter waits until nobody else is inside. The returned function leaves.
func (g *gates) enter(ctx context.Context, name string) (leave func(), err error) {
	g.mu.Lock()
	if g.byName == nil {
		g.byName = make(map[string]*gate)
	}
	one := g.byName[name]
	if one == nil {
		one = &gate{busy: make(chan struct{}, 1)}
		g.byName[name] = one
	}
	one.users++
	g.mu.Unlock()

	if err := ctx.Err(); err != nil { // not by chance of the select
		g.gone(name, one)
		return nil, err
	}
	select {
	case one.busy <- struct{}{}:
		return func() { <-one.busy; g.gone(name, one) }, nil
	case <-ctx.Done():
		g.gone(name, one)
		return nil, ctx.Err()
	}
}

// gone counts a user out; the last one takes the gate along, so that names do
// not pile up.
func (g *gates) gone(name string, one *gate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(g.byName, name)
	}
}
