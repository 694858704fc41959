package main

import (
	"strings"
	"testing"
)

// factsB is facts for set B.
var factsB = map[string][]string{
	"b01":  {"2 proof missing"},
	"b03":  {"1 proof duplicated"},
	"b04":  {"2 proof malformed"},
	"b05":  {"1 typ"},
	"b07":  {"2 signature"},
	"b08":  {"2 signature"},
	"b09":  {"1 signature"},
	"b10":  {"1 signature", "1 cnf"},
	"b12":  {"1 htu"},
	"b13":  {"2 htm"},
	"b14":  {"1 ath missing"},
	"b15":  {"3 ath"},
	"b16":  {"2 ath"},
	"b17":  {"2 ath"},
	"b18":  {"5 cnf"},
	"b21":  {"1 cnf"},
	"b23":  {"1 cnf"},
	"b35":  {"2 proof reused", "2 iat"},
	"b36":  {"2 jti reused", "3 jti reused"},
	"b38":  {"1 iat", "2 iat"},
	"b39":  {"1 iat"},
	"b40":  {"2 iat"},
	"b41":  {"2 iat", "4 iat"},
	"b42":  {"1 iat", "3 iat", "5 iat"},
	"b43":  {"2 proof reused", "2 htu"},
	"b47":  {"1 htu"},
	"b48":  {"1 htu"},
	"b49":  {"2 htu"},
	"b50":  {"2 htu"},
	"b51":  {"2 proof reused", "2 htu"},
	"b52":  {"3 bound as bearer"},
	"b53":  {"2 bound as bearer"},
	"b55":  {"2 unbound"},
	"b65":  {"2 exp"},
	"b66":  {"1 nbf", "1 token iat"},
	"b79":  {"1 exp"},
	"b89":  {"1 typ", "1 ath missing"},
	"b90":  {"1 exp", "1 cnf"},
	"b91":  {"2 htm", "2 iat", "3 htm", "3 iat"},
	"b92":  {"2 iat"},
	"b94":  {"2 proof reused", "2 iat"},
	"b96":  {"2 exp"},
	"b98":  {"2 iat", "3 iat", "4 iat"},
	"b99":  {"36 htu"},
	"b101": {"31 proof reused"},
}

// TestSetB counts: a case for every cause, six verdicts of each kind that is
// none, and a case that is not written like the one of set A.
func TestSetB(t *testing.T) {
	count, stacks := map[string]int{}, map[string]string{}
	for _, s := range built() {
		if have := stacks[s.stack]; have != "" {
			t.Errorf("%s and %s have one stack", have, s.id)
		}
		stacks[s.stack] = s.id
		if strings.HasPrefix(s.id, "b") {
			count[s.want.primary]++
		}
	}
	for code := range causes {
		if count[code] == 0 {
			t.Errorf("no case for %s", code)
		}
	}
	for _, code := range []string{"no-failure", "undetermined"} {
		if count[code] < 6 {
			t.Errorf("%d cases of %s", count[code], code)
		}
	}
}
