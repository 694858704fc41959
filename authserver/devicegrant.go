package authserver

import (
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// What a device authorization has come to.
const (
	decisionApproved = "approved"
	decisionDenied   = "denied"
	decisionSpent    = "spent"
)

// Steps of the time between two polls (RFC 8628 section 3.5).
const (
	slowDownBy      = 5  // seconds that are added each time
	maxPollInterval = 60 // seconds
)

// poll is the device code grant (RFC 8628 section 3.4).
func (s *Server) poll(c *call) (any, error) {
	e, err := s.readDevice(c)
	if err != nil {
		return nil, err
	}
	r := &e.Value
	scope, resources := r.granted()
	to, scope, err := s.target(c, resources, scope)
	if err != nil {
		return nil, err
	}
	var need holdfast.ProofNeed
	if !r.JKT.IsZero() {
		need.Code = &r.JKT
	}
	holder, err := s.bind(c, need, to)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Decision == "":
		return nil, s.wait(c, e)
	case r.Decision == decisionDenied:
		return nil, refuse(errAccessDenied, "the person did not allow it")
	case r.Approval == nil:
		return nil, refuse(errInvalidGrant, "the parameter device_code was used before")
	}
	if err := s.stillApproved(c, r.Approval, holder); err != nil {
		return nil, err
	}
	g, err := spendOn(s, c, e, *r.Approval, holder, "device_code")
	if err != nil {
		return nil, err
	}
	return s.issue(c, g.access(to, scope), to, holder, g.refreshToken())
}

// readDevice returns the record of the device code in a request that may poll.
func (s *Server) readDevice(c *call) (*entry[deviceRecord], error) {
	code := c.form.Get("device_code")
	if code == "" {
		return nil, refuse(errInvalidRequest, "the parameter device_code is missing")
	}
	unknown := refuse(errInvalidGrant, "the parameter device_code is unknown or of another client")
	if !isHandle(code) {
		return nil, unknown
	}
	e, err := load[deviceRecord](c.Context(), s.store, kindDevice, keyOf(code))
	switch {
	case missing(err):
		return nil, unknown
	case err != nil:
		return nil, unavailable(err)
	case e.Value.Client != c.client.ClientID:
		return nil, unknown
	case e.Value.Decision != decisionSpent && !s.now().Before(e.Value.Until):
		return nil, refuse(errExpired, "the parameter device_code has expired")
	}
	return e, nil
}

// wait notes a poll of a device code that nobody has decided about, and answers
// whether it came too early.
func (s *Server) wait(c *call, e *entry[deviceRecord]) error {
	r, now := &e.Value, s.now()
	answer := refuse(errPending, "nobody has entered the code yet, or not decided")
	if !r.Polled.IsZero() && now.Sub(r.Polled) < time.Duration(r.Interval)*time.Second {
		r.Interval = min(r.Interval+slowDownBy, max(r.Interval, maxPollInterval))
		answer = refuse(errSlowDown, "the polls come too often: wait 5 seconds longer between them")
	}
	r.Polled = now
	switch err := e.swap(c.Context(), s.store); {
	case conflicting(err): // the decision, or another poll at the same time
		return refuse(errPending, "nobody has entered the code yet, or not decided")
	case err != nil:
		return unavailable(err)
	}
	return answer
}

// granted is what was asked for, or what was allowed of it.
func (r *deviceRecord) granted() (scope, resources []string) {
	if r.Approval != nil {
		return r.Approval.Scope, r.Approval.Resources
	}
	return r.Scope, r.Resources
}

func (r *deviceRecord) spend(grant [32]byte) { r.Decision, r.Grant = decisionSpent, grant }

func (r *deviceRecord) spentOn() (grant [32]byte, spent bool) {
	return r.Grant, r.Decision == decisionSpent
}
