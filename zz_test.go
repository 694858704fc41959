package holdfast
import ("testing";"crypto/ecdsa";"crypto/elliptic";"crypto/rand";"crypto/sha256")
func BenchmarkZZ(b *testing.B){
 k,_:=ecdsa.GenerateKey(elliptic.P256(),rand.Reader); h:=sha256.Sum256([]byte("x")); sig,_:=ecdsa.SignASN1(rand.Reader,k,h[:]); pt,_:=k.PublicKey.Bytes()
 b.Run("freshkey",func(b *testing.B){ against(b,1,func(){ p,_:=ecdsa.ParseUncompressedPublicKey(elliptic.P256(),pt); if !ecdsa.VerifyASN1(p,h[:],sig){b.Fatal()}})})
 b.Run("parseonly",func(b *testing.B){ against(b,1,func(){ ecdsa.ParseUncompressedPublicKey(elliptic.P256(),pt)})})
 b.Run("same",func(b *testing.B){ against(b,1,func(){ if !ecdsa.VerifyASN1(&k.PublicKey,h[:],sig){b.Fatal()}})})
}
