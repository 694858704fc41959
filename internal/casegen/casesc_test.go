package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// factsC is facts for set C.
var factsC = map[string][]string{
	"c01": {"2 jti reused"},
	"c03": {"2 proof reused"},
	"c04": {"2 iat"},
	"c05": {"2 iat"},
	"c06": {"1 iat", "2 iat", "3 iat"},
	"c07": {"1 exp"},
	"c18": {"1 cnf"},
	"c20": {"2 cnf"},
	"c22": {"2 cnf"},
	"c23": {"1 proof missing"},
	"c25": {"2 bound as bearer"},
	"c26": {"2 unbound"},
	"c32": {"1 ath"},
	"c34": {"2 unbound"},
	"c36": {"1 signature", "1 cnf"},
	"c37": {"1 signature"},
	"c38": {"2 signature"},
	"c39": {"1 alg"},
	"c41": {"1 htu"},
	"c42": {"2 htu"},
	"c43": {"1 htu"},
	"c44": {"1 htu"},
	"c46": {"1 htu"},
	"c47": {"1 htu"},
	"c48": {"1 htu"},
	"c49": {"1 htu"},
	"c50": {"1 htu", "2 htu", "3 htu", "4 htu", "5 htu"},
	"c51": {"1 exp"},
}

// TestSetC counts the cases and checks that the codes next to a verdict are
// given: a counterpart without its look-alikes would prove nothing.
func TestSetC(t *testing.T) {
	verdicts, bundles, codes := map[string]int{}, 0, map[string]bool{}
	for _, s := range built() {
		if !strings.HasPrefix(s.id, "c") {
			continue
		}
		verdicts[s.want.verdict]++
		codes[s.want.primary] = true
		if len(s.files) == 1 && s.files[0].kind == "evidence-bundle" {
			bundles++
		}
		if len(s.want.wrong) < 3 {
			t.Errorf("%s: %d look-alikes", s.id, len(s.want.wrong))
		}
		if n := len(s.want.mention) + len(s.want.missing); n < 2 || n > 4 {
			t.Errorf("%s: %d things to mention", s.id, n)
		}
	}
	if verdicts["failure"] != 49 || verdicts["no-failure"] != 6 || verdicts["undetermined"] != 5 || bundles < 8 || len(codes) < 38 {
		t.Errorf("verdicts %v, %d bundles, %d causes", verdicts, bundles, len(codes))
	}
}

// TestAlgorithms checks that every proof of sets C and D uses an algorithm of the
// server metadata in its case, and that ES256 and its kin go with their curve.
func TestAlgorithms(t *testing.T) {
	list := regexp.MustCompile(`"dpop_signing_alg_values_supported": ?\[([^\]]*)\]`)
	for _, s := range built() {
		for _, f := range s.files {
			m := list.FindStringSubmatch(strings.ReplaceAll(string(f.data), "\\", ""))
			if m == nil || !strings.ContainsAny(s.id[:1], "ce") || s.id == "e04" {
				continue
			}
			for _, e := range s.exchanges {
				if p, ok := parseJWS(lookup(e.headers, "DPoP")); ok && !strings.Contains(m[1], `"`+p.header["alg"].(string)+`"`) {
					t.Errorf("%s: %v is not in the metadata", s.id, p.header["alg"])
				}
			}
		}
	}
}

// TestNonceHistory checks that outside of the nonce cases a nonce in a proof
// of set C or D is the newest one of its origin.
func TestNonceHistory(t *testing.T) {
	except := []string{"c08", "c09", "c50", "e15", "e50"}
	for _, s := range built() {
		if !strings.ContainsAny(s.id[:1], "ce") || slices.Contains(except, s.id) {
			continue
		}
		newest := map[string]string{}
		for i, e := range s.exchanges {
			p, ok := parseJWS(lookup(e.headers, "DPoP"))
			nonce, _ := p.claims["nonce"].(string)
			if have := newest[e.parsed().Host]; ok && have != "" && nonce != have {
				t.Errorf("%s: exchange %d has nonce %q, newest is %q", s.id, i+1, nonce, have)
			}
			if n := lookup(e.answers, "DPoP-Nonce"); n != "" {
				newest[e.parsed().Host] = n
			}
		}
	}
}
