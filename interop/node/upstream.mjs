// Runs npm's oidc-provider as the identity provider that people log in at before
// they come to our server: in memory, on loopback, until stdin ends.
//
// Its login page has one field, the name, and takes everybody at their word:
// "admin" is in the group "admins", all others are in "staff", and an empty name
// means that the person wants to go back.
//
// The environment variable HOLDFAST_INTEROP is a JSON object {redirectURIs,
// name}: where the client "holdfast" may be sent back to, and what the field has
// in it at first. The client "app" is a program on the person's machine, whose
// tokens may be for any resource. The first line of stdout is a JSON object
// {issuer, secret}, the latter of the client "holdfast".
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import { errors, Provider } from 'oidc-provider';

const { redirectURIs, name } = JSON.parse(process.env.HOLDFAST_INTEROP);
const random = () => randomBytes(32).toString('base64url');
const secret = random();
const loopback = ['http://127.0.0.1/callback'];
// A native client may have any port on loopback, but no https there.
const web = redirectURIs.some((uri) => uri.startsWith('https:'));

const configuration = (jwks) => ({
  clients: [
    { client_id: 'holdfast', client_secret: secret, application_type: web ? 'web' : 'native', redirect_uris: [...redirectURIs, ...loopback], require_auth_time: true },
    { client_id: 'app', token_endpoint_auth_method: 'none', application_type: 'native', redirect_uris: loopback },
  ],
  clientDefaults: { grant_types: ['authorization_code'], response_types: ['code'], id_token_signed_response_alg: 'RS256' },
  jwks,
  scopes: ['openid', 'profile', 'groups', 'read'],
  claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
  conformIdTokenClaims: false, // claims are in the ID token, as with most providers
  cookies: { keys: [random()] },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} at work`, groups: [id === 'admin' ? 'admins' : 'staff'] }),
  }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: { Grant: 600, Session: 600, Interaction: 600, AccessToken: 300, IdToken: 300 },
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, resource) => ({
        audience: resource, scope: 'read', accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
      }),
      useGrantedResource: () => true,
    },
  },
});

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

// The field has the id "name", the button "go".
const page = () => `<!DOCTYPE html><html lang="en"><title>Work account</title><h1>Work account</h1><form method="post">
<label for="name">Name</label> <input id="name" name="name" value="${escaped(name)}">
<button id="go" type="submit">Log in</button></form></html>`;

async function typed(request) {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > 4096) throw new errors.InvalidRequest('too long');
  }
  return new URLSearchParams(body).get('name');
}

async function interact(provider, ctx, next) {
  if (!ctx.path.startsWith('/interaction/')) return next();
  if (ctx.method === 'GET') {
    ctx.type = 'html';
    ctx.body = page();
    return undefined;
  }
  const accountId = await typed(ctx.req);
  const { params, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
  if (!accountId) {
    return ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, { error: 'access_denied' }));
  }
  const grant = (grantId && (await provider.Grant.find(grantId)))
    || new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, params.scope);
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  return ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
}

process.stdin.on('end', () => process.exit(0)).resume();
// Notices go to stdout by default; the first line there is ours.
console.info = console.error;

const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const jwks = { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' }] };
// The port has to be known before the issuer can be named.
const server = createServer();
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, configuration(jwks));
provider.use((ctx, next) => interact(provider, ctx, next));
provider.on('server_error', (_ctx, err) => console.error(err));
server.on('request', provider.callback());
process.stdout.write(`${JSON.stringify({ issuer, secret })}\n`);
