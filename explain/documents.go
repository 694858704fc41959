package explain

import (
	"bytes"
	"encoding/json"
	"time"
)

// documentKinds are the kinds that a manifest or a bundle may name for a
// document; the value says whether the body is JSON.
var documentKinds = map[string]bool{
	KindMetadata: true, KindJWKS: true, KindIntrospection: true, KindTokenResponse: true, KindClient: true,
	KindTokenRequestProof: false, KindCertificate: false, KindTopology: false, KindDownstreamKey: false,
	KindServerLog: false, KindServerConfig: false, KindConsole: false, KindNote: false,
}

// readDocument keeps a file that holds no exchange.
func (in *intake) readDocument(kind string, data []byte, origin string, at time.Time) {
	if len(bytes.TrimSpace(data)) == 0 {
		in.remark("", "file is empty")
		return
	}
	if documentKinds[kind] {
		if !documentIsJSON(data) {
			in.lost("", "%s needs JSON, and this is broken or something else", kind)
		} else if origin == "" {
			origin = documentOrigin(kind, data)
		}
	}
	in.document(Document{Kind: kind, Name: in.name, Origin: origin, Time: at, Body: data})
}

func documentIsJSON(data []byte) bool {
	return jsonNesting(data) <= MaxJSONDepth && json.Valid(data)
}

// jsonNesting measures how deep a JSON text goes.
func jsonNesting(data []byte) int {
	g := &jsonGauge{}
	if !g.measure(data) {
		return MaxJSONDepth + 1
	}
	return 0
}

// documentOrigin finds the server that metadata speaks about.
func documentOrigin(kind string, data []byte) string {
	var m struct {
		Issuer   string `json:"issuer"`
		Resource string `json:"resource"`
	}
	if kind != KindMetadata || jsonTolerant(json.Unmarshal(data, &m)) != nil {
		return ""
	}
	if m.Issuer != "" {
		return m.Issuer
	}
	return m.Resource
}
