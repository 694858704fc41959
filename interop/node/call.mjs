// Calls a protected resource with npm's openid-client: discovery, client
// credentials with DPoP, then the same handle for the resource.
//
// The environment variable HOLDFAST_INTEROP is a JSON object {issuer, clientID,
// clientSecret, resource, calls}. stdout is a JSON array with one
// {status, code, type} for each call that was asked for: "good", "bearer" (the
// bound token as Bearer), "fresh key" (a handle that the token is not bound to).
import * as client from 'openid-client';

const { issuer, clientID, clientSecret, resource, calls } = JSON.parse(process.env.HOLDFAST_INTEROP);
const config = await client.discovery(new URL(issuer), clientID, clientSecret, client.ClientSecretBasic(clientSecret), {
  execute: [client.allowInsecureRequests], // loopback
  algorithm: 'oauth2',
});
const newHandle = async () => client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
const DPoP = await newHandle();
// Nonce challenges are met inside the library.
const tokens = await client.clientCredentialsGrant(config, { resource, scope: 'read' }, { DPoP });

const answers = [];
for (const call of calls) {
  const handle = call === 'bearer' ? undefined : call === 'fresh key' ? await newHandle() : DPoP;
  let response;
  try {
    response = await client.fetchProtectedResource(
      config, tokens.access_token, new URL(resource), 'GET', undefined, undefined, { DPoP: handle });
  } catch (err) {
    if (!(err instanceof client.WWWAuthenticateChallengeError)) throw err;
    response = err.response;
  }
  const problem = response.ok ? {} : await response.json();
  answers.push({ status: response.status, code: problem.code ?? '', type: tokens.token_type });
}
process.stdout.write(JSON.stringify(answers));
