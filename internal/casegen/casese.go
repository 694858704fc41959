package main

import "encoding/base64"

// This file and the other casese files hold set D, ids e01 and on: captures of
// public failure reports on other products, short and with little noise. Like
// sets B and C it is kept for judging.

// setD lists the builders of set D, part by part.
var setD = [][]func() *scene{
	proofCasesE, bindingCasesE, nonceCasesE, clockCasesE, transportCasesE, bearerCasesE, grantCasesE, targetCasesE, schemeCasesE,
	healthyCasesE, openCasesE,
}

// raw adds exchanges as request and response files.
func (s *scene) raw(list ...*exchange) {
	for _, e := range list {
		s.addRaw("", e)
	}
}

func unb64(v string) []byte { return must(base64.RawURLEncoding.DecodeString(v)) }
