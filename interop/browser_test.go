package interop

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

// newBrowser starts a headless Chromium with a profile of its own, which ends
// with the test. The context is that of its first tab.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		unavailable(t, "chromium is not there")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true),
	)
	ctx, cancel := context.WithTimeout(context.Background(), programTimeout)
	ctx, _ = chromedp.NewExecAllocator(ctx, options...)
	ctx, _ = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		cancel()
		chromedp.FromContext(ctx).Allocator.Wait() // until the process and its profile are gone
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// signIn opens an address, presses the button of the sign-in page and waits for
// the page at the end of the redirects, which is that of the program.
func signIn(tab context.Context, address string) error {
	if err := chromedp.Do(tab, chromedp.Navigate(address)); err != nil {
		return err
	}
	page, err := chromedp.RunResponse(tab, chromedp.Click("#go"))
	if err != nil {
		return err
	}
	if page.Status != http.StatusOK {
		return fmt.Errorf("the last page has status %d", page.Status)
	}
	return nil
}
