package explain

import (
	"bytes"
	"encoding/json"
	"io"
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
	return jsonShallow(data) && json.Valid(data)
}

// jsonShallow reports whether a JSON text keeps to the limit of nesting.
func jsonShallow(data []byte) bool {
	_, err := io.Copy(io.Discard, newGauge(bytes.NewReader(data)))
	return err == nil
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
