package strictjson_test

import (
	"fmt"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

func ExampleParse() {
	claims, err := strictjson.Parse(`{"jti":"e1j3V","iat":1562262618.5}`, 4096)
	if err != nil {
		fmt.Println(err)
		return
	}
	iat, _ := claims.Get("iat")
	if seconds, ok := iat.Seconds(); ok {
		fmt.Println("issued at", seconds)
	}
	// An absent member and one of the wrong type are both "not ok"; Kind tells them apart.
	ath, _ := claims.Get("ath")
	_, ok := ath.Text()
	fmt.Println(ok, ath.Kind())

	_, err = strictjson.Parse(`{"jwk":{"kty":"EC","kty":"oct"}}`, 4096)
	fmt.Println(err)
	// Output:
	// issued at 1562262618
	// false missing
	// duplicate member at offset 19 (jwk.kty)
}
