package main

import (
	"strings"
	"testing"
)

// factsE is facts for set D.
var factsE = map[string][]string{
	"e01": {"1 proof duplicated"},
	"e02": {"1 proof malformed"},
	"e03": {"1 typ"},
	"e05": {"1 signature"},
	"e06": {"1 signature"},
	"e07": {"2 ath missing"},
	"e08": {"2 ath"},
	"e10": {"2 cnf"},
	"e11": {"1 cnf"},
	"e13": {"1 unbound"},
	"e18": {"2 jti reused"},
	"e20": {"2 iat"},
	"e21": {"2 token iat", "2 iat"},
	"e22": {"1 iat", "3 iat"},
	"e24": {"1 htu"},
	"e27": {"2 proof missing"},
	"e32": {"1 token iat"},
	"e42": {"2 htu"},
	"e46": {"2 proof reused", "2 iat"},
	"e47": {"2 proof reused", "2 htu"},
	"e48": {"2 bound as bearer"},
	"e49": {"2 cnf"},
}

// TestSetD counts the cases and the kinds of evidence.
func TestSetD(t *testing.T) {
	verdicts, kinds, codes := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, s := range built() {
		if !strings.HasPrefix(s.id, "e") {
			continue
		}
		verdicts[s.want.verdict]++
		codes[s.want.primary] = true
		kinds[s.files[0].kind]++
		if n := len(s.exchanges); n > 5 {
			t.Errorf("%s: %d exchanges", s.id, n)
		}
		if n := len(s.want.wrong); n < 2 || n > 5 {
			t.Errorf("%s: %d look-alikes", s.id, n)
		}
		if n := len(s.want.mention) + len(s.want.missing); n < 2 || n > 4 {
			t.Errorf("%s: %d things to mention", s.id, n)
		}
	}
	if verdicts["failure"] != 52 || verdicts["no-failure"] != 4 || verdicts["undetermined"] != 4 || len(codes) != 54 || len(kinds) != 5 {
		t.Errorf("verdicts %v, kinds %v, %d codes", verdicts, kinds, len(codes))
	}
}
