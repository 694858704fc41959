package cli

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
)

// proofFlags are the flags of holdfast proof.
type proofFlags struct {
	accountFlags
	method, target, key, tokenFile, nonce string
	ath                                   bool
}

func (a *app) proofCommand() *cobra.Command {
	var f proofFlags
	c := &cobra.Command{
		Use:   "proof [flags] --url URL",
		Short: "Make one DPoP proof for another tool",
		Long: `Proof prints a DPoP proof for one request that another tool will send: its
method, its URL and, with --ath or --token-file, the access token that goes with
it. A proof serves for one request, within a minute or so.

With --ath the token is that of the login, and the key is the one that it is
bound to. A server that answers use_dpop_nonce wants the value of its DPoP-Nonce
field: --nonce. Exit status: 0 fine, 1 the server refused to renew the token, 2
wrong usage, 3 it could not be made.`,
		Example: `  holdfast proof --method GET --url https://api.example.com/orders --ath
  holdfast proof --method POST --url https://as.example.com/token \
    --nonce 4f8a...`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.proof(c, &f) },
	}
	fl := c.Flags()
	f.add(fl)
	fl.StringVar(&f.method, "method", "GET", "method of the request, as it will be sent")
	fl.StringVar(&f.target, "url", "", "URL of the request; query and fragment do not matter")
	fl.StringVar(&f.key, "key", "", "name of the key (default: that of the profile)")
	fl.BoolVar(&f.ath, "ath", false, "for a request with the access token of the login")
	fl.StringVar(&f.tokenFile, "token-file", "", `for a request with the access token in this file, "-" is stdin`)
	fl.StringVar(&f.nonce, "nonce", "", "latest DPoP-Nonce of that server")
	c.MarkFlagsMutuallyExclusive("ath", "token-file")
	c.MarkFlagsMutuallyExclusive("ath", "key")
	return c
}

func (a *app) proof(c *cobra.Command, f *proofFlags) error {
	if f.target == "" {
		return advise(errors.New("the proof needs the URL of the request"), "--url https://api.example.com/orders")
	}
	target, err := url.Parse(f.target)
	if err != nil || target.Host == "" || target.Scheme != "https" && target.Scheme != "http" {
		return errors.New("--url is not an https or http URL") // which is not repeated: its query may be a secret
	}
	k, token, err := a.proofKey(c, f)
	if err != nil {
		return err
	}
	proof, err := k.Prove(holdfast.ProofClaims{Method: f.method, URL: target, Token: token, Nonce: f.nonce, Time: a.Now()})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Stdout, proof)
	return err
}

// proofKey is the key to prove with, and the token of the request if any.
func (a *app) proofKey(c *cobra.Command, f *proofFlags) (*holdfast.Key, holdfast.Secret, error) {
	ctx := c.Context()
	if f.ath {
		x, g, err := a.loggedIn(ctx, &f.accountFlags)
		if err != nil {
			return nil, holdfast.Secret{}, err
		}
		defer x.finish()
		t, err := x.source(g).Token(ctx)
		if err != nil {
			return nil, holdfast.Secret{}, serverProblem(err)
		}
		if t.Key == nil {
			return nil, holdfast.Secret{}, errors.New("the token of the login is bound to no key: it goes without a proof")
		}
		return t.Key, t.Value, nil
	}
	var token holdfast.Secret
	if f.tokenFile != "" {
		b, err := a.secretOf("token-file", f.tokenFile, holdfast.MaxTokenBytes)
		if err != nil {
			return nil, token, err
		}
		token = b
	}
	x, err := a.account(&f.accountFlags)
	if err != nil {
		return nil, token, err
	}
	if f.key != "" {
		x.Key = f.key
	}
	k, err := x.store.Current(ctx, x.Key)
	return k, token, keystoreProblem(err)
}
