package holdfastgrpc

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/resource"
)

// Names of metadata: lower case, as HTTP/2 has them.
const (
	keyAuthorization = "authorization"
	keyProof         = "dpop"
	keyChallenge     = "www-authenticate"
	keyNonce         = "dpop-nonce"
	keyRetryAfter    = "retry-after"
)

// Config configures [New]. Guard, PublicURL and Need are required.
type Config struct {
	Guard     *resource.Guard
	PublicURL string // as in the resource.Config of Guard

	// Need says what each method needs, by its full name: "/orders.v1.Orders/List".
	Need map[string]holdfast.Requirement

	// Open lists methods that anybody may call, such as the health service.
	// Their credentials, if any, are not judged, and they find no Access.
	Open []string
}

// Interceptor judges the calls of a gRPC server. It is immutable and safe for
// concurrent use; there is no usable zero value.
type Interceptor struct {
	guard *resource.Guard
	base  string
	need  map[string]holdfast.Requirement
	open  map[string]bool
}

// New checks the whole configuration and reports every mistake at once.
func New(c Config) (*Interceptor, error) {
	i := &Interceptor{guard: c.Guard, base: strings.TrimSuffix(c.PublicURL, "/"), need: maps.Clone(c.Need), open: map[string]bool{}}
	var errs []error
	problem := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("grpc interceptor: "+format, args...))
	}
	if c.Guard == nil {
		problem("Guard is required")
	}
	if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		problem("PublicURL has to be an absolute URL without query and fragment, the one of the Guard")
	}
	if len(c.Need) == 0 {
		problem("Need is required: what each method needs")
	}
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, need := range c.Need {
		if !fullMethod(name) {
			problem("Need names %q, want /package.Service/Method", name)
		}
		if c.Guard == nil {
			continue
		}
		if _, err := c.Guard.Protect(need, nothing); err != nil { // knows what can be met and what fits into a challenge
			problem("%s: %w", name, err)
		}
	}
	for _, name := range c.Open {
		if _, both := c.Need[name]; both || !fullMethod(name) {
			problem("Open names %q, want /package.Service/Method, and none that is in Need", name)
		}
		i.open[name] = true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return i, nil
}

// fullMethod reports whether s has the form in which gRPC names a method.
func fullMethod(s string) bool {
	rest, ok := strings.CutPrefix(s, "/")
	service, method, ok2 := strings.Cut(rest, "/")
	return ok && ok2 && service != "" && method != "" && !strings.ContainsAny(method, "/?#%")
}

// Unary returns the interceptor for calls with one message each way.
func (i *Interceptor) Unary() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, trailer, err := i.judge(ctx, info.FullMethod)
		if len(trailer) > 0 {
			// Fails only if the answer has been sent already, which it has not.
			_ = grpc.SetTrailer(ctx, trailer)
		}
		if err != nil {
			return nil, err
		}
		return handler(ctx, request)
	}
}

// Stream returns the interceptor for streams. The call is judged when it is
// opened, before a message is read.
func (i *Interceptor) Stream() grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		ctx, trailer, err := i.judge(stream.Context(), info.FullMethod)
		if len(trailer) > 0 {
			stream.SetTrailer(trailer)
		}
		if err != nil {
			return err
		}
		return handler(server, &judgedStream{stream, ctx})
	}
}

// judgedStream is a stream whose context knows who is calling.
type judgedStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context with the Access.
func (s *judgedStream) Context() context.Context { return s.ctx }

type accessKey struct{}

// AccessFrom returns what the call may be believed about, and whether ctx
// belongs to one that was judged.
func AccessFrom(ctx context.Context) (*holdfast.Access, bool) {
	a, ok := ctx.Value(accessKey{}).(*holdfast.Access)
	return a, ok
}

// judge returns the context for the handler, what goes into the trailers, and
// the status of a refusal.
func (i *Interceptor) judge(ctx context.Context, method string) (context.Context, metadata.MD, error) {
	if i.open[method] {
		return ctx, nil, nil
	}
	need, ok := i.need[method]
	if !ok {
		return ctx, nil, status.Error(codes.PermissionDenied, "the method is not open to anybody")
	}
	in, _ := metadata.FromIncomingContext(ctx)
	p := &holdfast.Presentation{
		Method: http.MethodPost, URL: i.base + method, PeerCert: certificate(ctx),
		Authorization: secrets(in.Get(keyAuthorization)), Proofs: secrets(in.Get(keyProof)),
	}
	access, err := i.guard.Check(ctx, p, need)
	if err != nil {
		var r *resource.Refusal
		if !errors.As(err, &r) {
			return ctx, nil, status.Error(codes.Unavailable, holdfast.CodeServerEvidence.Public())
		}
		trailer := metadata.MD{}
		for _, name := range []string{keyChallenge, keyNonce, keyRetryAfter} {
			if v := r.Header.Get(name); v != "" {
				trailer.Set(name, v)
			}
		}
		return ctx, trailer, status.Error(statusOf(r.Status), r.Code.Public())
	}
	trailer := metadata.MD{}
	if nonce := i.guard.NextNonce(ctx, access); nonce != "" {
		trailer.Set(keyNonce, nonce)
	}
	in = in.Copy() // what a handler does not have it cannot log or forward
	in.Delete(keyAuthorization)
	in.Delete(keyProof)
	return context.WithValue(metadata.NewIncomingContext(ctx, in), accessKey{}, access), trailer, nil
}

// statusOf translates the statuses that a Guard answers with.
func statusOf(answer int) codes.Code {
	switch answer {
	case 400:
		return codes.InvalidArgument
	case 401:
		return codes.Unauthenticated
	case 403:
		return codes.PermissionDenied
	default:
		return codes.Unavailable
	}
}

func secrets(values []string) []holdfast.Secret {
	out := make([]holdfast.Secret, len(values))
	for i, v := range values {
		out[i] = holdfast.NewSecret(v)
	}
	return out
}

// certificate returns the client's certificate of the connection, if any.
func certificate(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return nil
	}
	return info.State.PeerCertificates[0]
}
