// Command holdfast explains failed calls with sender-constrained tokens
// (OAuth DPoP, RFC 9449). Run "holdfast help".
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/holdfast-oauth/holdfast/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	status := cli.Main(ctx, os.Args[1:], cli.System())
	stop()
	os.Exit(status)
}
