package explain

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// writeHAR writes a HAR of about size bytes in which proofs requests carry a
// proof of their own; every tenth of them is refused as too old.
func writeHAR(tb testing.TB, path string, size, proofs int) {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	defer w.Flush()
	key, err := holdfast.GenerateKey()
	if err != nil {
		tb.Fatal(err)
	}
	token := holdfast.NewSecret("opaque-" + fmt.Sprintf("%064d", 7))
	start := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	filler := bytes.Repeat([]byte("lorem ipsum \\\"dolor\\\" sit amet "), max(1, (size/proofs-1600)/32))
	fmt.Fprint(w, `{"log":{"version":"1.2","creator":{"name":"bench","version":"1"},"entries":[`)
	for i := range proofs {
		at := start.Add(time.Duration(i) * time.Second)
		target := fmt.Sprintf("https://api.example/items/%d", i)
		u, _ := url.Parse(target)
		made, status, answer := at, 200, ""
		if i%10 == 9 {
			made, status = at.Add(-5*time.Minute), 401
			answer = `,{"name":"WWW-Authenticate","value":"DPoP error=\"invalid_dpop_proof\", error_description=\"proof is too old\""}`
		}
		proof, err := key.Prove(holdfast.ProofClaims{Method: "GET", URL: u, Token: token, Time: made})
		if err != nil {
			tb.Fatal(err)
		}
		if i > 0 {
			fmt.Fprint(w, ",")
		}
		fmt.Fprintf(w, `{"startedDateTime":%q,"time":12,"request":{"method":"GET","url":%q,"headers":[{"name":"Authorization","value":"DPoP %s"},{"name":"DPoP","value":%q}]},`,
			at.Format(time.RFC3339), target, token.Reveal(), proof)
		fmt.Fprintf(w, `"response":{"status":%d,"headers":[{"name":"Date","value":%q}%s],"content":{"mimeType":"text/plain","text":"%s"}}}`,
			status, at.Format("Mon, 02 Jan 2006 15:04:05 GMT"), answer, filler)
	}
	fmt.Fprint(w, `]}}`)
}

// BenchmarkExplain runs the built program on a HAR of 1 MB and of 100 MB with
// 5 000 proofs and prints the time and the peak memory of the process, the
// latter also as a ratio to the size of the file.
func BenchmarkExplain(b *testing.B) {
	program := filepath.Join(b.TempDir(), "holdfast")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/holdfast").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	baseline := bareVerify(b)
	for _, c := range []struct {
		name         string
		size, proofs int
	}{{"1MB", 1 << 20, 50}, {"100MB", 100 << 20, 5000}} {
		path := filepath.Join(b.TempDir(), "big.har")
		writeHAR(b, path, c.size, c.proofs)
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			var peak int64
			for range b.N {
				cmd := exec.Command(program, "explain", "--format", "json", path)
				var out bytes.Buffer
				cmd.Stdout = &out
				_ = cmd.Run() // status 1: a failure was found
				var d Diagnosis
				if err := json.Unmarshal(out.Bytes(), &d); err != nil || d.Verdict != Failure {
					b.Fatalf("verdict %q, error %v", d.Verdict, err)
				}
				if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
					peak = max(peak, u.Maxrss<<10)
				}
			}
			perRun := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.ReportMetric(perRun/1e9, "s/run")
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
			b.ReportMetric(float64(peak)/float64(info.Size()), "x-size")
			b.ReportMetric(perRun/float64(c.proofs)/float64(baseline.Nanoseconds()), "x-verify/proof")
		})
	}
}

// bareVerify is the time of one ecdsa.VerifyASN1, the baseline of every ratio.
func bareVerify(b *testing.B) time.Duration {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte("holdfast"))
	sig, err := ecdsa.SignASN1(rand.Reader, k, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	const n = 500
	start := time.Now()
	for range n {
		if !ecdsa.VerifyASN1(&k.PublicKey, sum[:], sig) {
			b.Fatal("a signature does not verify")
		}
	}
	return time.Since(start) / n
}
