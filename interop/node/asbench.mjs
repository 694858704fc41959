// Runs npm's oidc-provider for the benchmark: in memory, on loopback, until
// stdin ends, with what is compared and nothing more: client_credentials, DPoP
// with nonces required, JWT access tokens signed with ES256.
//
// The environment variable HOLDFAST_INTEROP is a JSON object {resource, scope,
// secret, signerKeys}. The first line of stdout is a JSON object {issuer, token}.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const { resource, scope, secret, signerKeys } = JSON.parse(process.env.HOLDFAST_INTEROP);
const machine = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] };
const { privateKey } = await generateKeyPair('ES256', { extractable: true });

// The port has to be known before the issuer can be named.
const server = createServer({ keepAliveTimeout: 60_000 });
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
const issuer = `http://127.0.0.1:${server.address().port}`;

console.info = console.error; // notices go to stdout by default; the first line there is ours
const provider = new Provider(issuer, {
  clients: [
    { client_id: 'service', client_secret: secret, token_endpoint_auth_method: 'client_secret_basic', ...machine },
    {
      client_id: 'signer',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: signerKeys,
      ...machine,
    },
  ],
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig' }] },
  scopes: [scope],
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  ttl: { ClientCredentials: 600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: () => ({
        audience: resource, scope, accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
provider.on('server_error', (_ctx, err) => console.error(err));
server.on('request', provider.callback());
process.stdin.on('end', () => process.exit(0)).resume();
process.stdout.write(`${JSON.stringify({ issuer, token: `${issuer}/token` })}\n`);
