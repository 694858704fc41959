// Runs npm's oidc-provider for the tests: in memory, on loopback, until stdin
// ends. Two servers, of which the second one takes no notice of proofs:
//
//   strict    DPoP with nonces required, PAR required, refresh tokens rotated
//   ignoring  DPoP switched off, so every token is a bearer token
//
// The environment variable HOLDFAST_INTEROP is a JSON object {signerKeys}: the
// public keys of the client "signer". The first line of stdout is a JSON object
// {strict, ignoring, secrets}: both issuers, and the secrets of the clients.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const { signerKeys } = JSON.parse(process.env.HOLDFAST_INTEROP);
const random = () => randomBytes(32).toString('base64url');
const secrets = { service: random(), resource: random() };

const native = {
  application_type: 'native',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  redirect_uris: ['http://127.0.0.1/callback', 'http://127.0.0.1/'],
  token_endpoint_auth_method: 'none',
};
const machine = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] };
const clients = [
  { client_id: 'native', ...native },
  { client_id: 'service', client_secret: secrets.service, ...machine },
  {
    client_id: 'signer',
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    jwks: signerKeys,
    ...machine,
  },
  { client_id: 'resource', client_secret: secrets.resource, ...machine, grant_types: [] },
];

// A resource below /opaque gets tokens that only introspection can read.
const resourceServer = (_ctx, resource) => {
  const opaque = new URL(resource).pathname.startsWith('/opaque');
  return {
    audience: resource,
    scope: 'read write',
    accessTokenTTL: 300,
    accessTokenFormat: opaque ? 'opaque' : 'jwt',
    ...(!opaque && { jwt: { sign: { alg: 'ES256' } } }),
  };
};

const configuration = (jwks, withProofs) => ({
  clients,
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  jwks,
  scopes: ['openid', 'offline_access', 'read', 'write'],
  cookies: { keys: [random()] },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  revokeGrantPolicy: () => true, // with one token of a grant all end
  ttl: { Grant: 600, Session: 600, Interaction: 600, RefreshToken: 600, AccessToken: 300, ClientCredentials: 300, DeviceCode: 600, IdToken: 300 },
  features: {
    devInteractions: { enabled: false },
    dPoP: withProofs ? { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true } : { enabled: false },
    pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: withProofs },
    clientCredentials: { enabled: true },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form) => page(ctx, form),
      userCodeConfirmSource: (ctx, form) => page(ctx, form),
      successSource: (ctx) => page(ctx, '<p>signed in</p>'),
    },
    introspection: { enabled: true, allowedPolicy: (_ctx, client) => client.clientId === 'resource' },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_ctx, _client, oneOf) => oneOf,
      getResourceServerInfo: resourceServer,
      useGrantedResource: () => true,
    },
  },
});

// Every form that a person is shown has one button, whose id is "go".
function page(ctx, form) {
  const button = '<button id="go" type="submit">Go on</button></form>';
  ctx.type = 'html';
  ctx.body = `<!DOCTYPE html><title>sign in</title>${form.replace('</form>', button)}`;
}

// Whoever presses the button is "person" and agrees to everything asked for.
async function interact(provider, ctx, next) {
  if (!ctx.path.startsWith('/interaction/')) return next();
  if (ctx.method === 'GET') return page(ctx, '<form method="post"></form>');
  const { params, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
  const grant = (grantId && (await provider.Grant.find(grantId)))
    || new provider.Grant({ accountId: 'person', clientId: params.client_id });
  grant.addOIDCScope(params.scope ?? 'openid');
  for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, params.scope);
  const result = { login: { accountId: 'person' }, consent: { grantId: await grant.save() } };
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
}

async function start(withProofs) {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig' }] };
  // The port has to be known before the issuer can be named.
  const server = createServer();
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration(jwks, withProofs));
  provider.use((ctx, next) => interact(provider, ctx, next));
  provider.on('server_error', (_ctx, err) => console.error(err));
  server.on('request', provider.callback());
  return issuer;
}

process.stdin.on('end', () => process.exit(0)).resume();
// Notices go to stdout by default; the first line there is ours.
console.info = console.error;
const [strict, ignoring] = [await start(true), await start(false)];
process.stdout.write(`${JSON.stringify({ strict, ignoring, secrets })}\n`);
