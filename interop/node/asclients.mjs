// Runs every flow of our authorization server with one of npm's client
// libraries, openid-client or oauth4webapi, as their documentation says.
//
// The environment variable HOLDFAST_INTEROP is a JSON object {library, issuer,
// api, browser, secrets, signerKey, registrationToken}. browser is an address
// that takes the URL to open as a body and answers with the URL that the browser
// came back to, if it did. stdout is a JSON object: for each flow {type, bound, status}, the
// token_type, whether the token names the key of the proofs, and the status of a
// call with it; or what else the flow is about.
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, importJWK } from 'jose';
import * as openid from 'openid-client';
import * as oauth from 'oauth4webapi';

const { library, issuer, api, browser, secrets, signerKey, registrationToken } = JSON.parse(process.env.HOLDFAST_INTEROP);
const server = new URL(issuer);
const ask = { resource: api, scope: 'read' };
const redirect = 'http://127.0.0.1/callback';
const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessType = 'urn:ietf:params:oauth:token-type:access_token';

const signer = { key: await importJWK(signerKey, 'ES256'), kid: signerKey.kid };
const browse = async (url) => {
  const answer = await fetch(browser, { method: 'POST', body: String(url) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the browser: ${text}`);
  return text;
};

// Each library as the same few functions. auth is none, basic or signed.
const libraries = {
  'openid-client': async (keyPair) => {
    const options = { execute: [openid.allowInsecureRequests], algorithm: 'oauth2' }; // loopback
    const methods = {
      none: () => openid.None(),
      basic: (id) => openid.ClientSecretBasic(secrets[id]),
      signed: () => openid.PrivateKeyJwt(signer),
    };
    const configs = {};
    const config = async (id, auth) => {
      configs[id] ??= await openid.discovery(server, id, undefined, methods[auth](id), options);
      return configs[id];
    };
    const handles = new Map();
    const DPoP = (c) => {
      if (!handles.has(c)) handles.set(c, openid.getDPoPHandle(c, keyPair));
      return { DPoP: handles.get(c) };
    };
    return {
      async code(id, auth) {
        const c = await config(id, auth);
        const [verifier, state] = [openid.randomPKCECodeVerifier(), openid.randomState()];
        const url = await openid.buildAuthorizationUrlWithPAR(c, {
          ...ask, redirect_uri: redirect, state, code_challenge_method: 'S256',
          code_challenge: await openid.calculatePKCECodeChallenge(verifier),
        }, DPoP(c));
        const back = await browse(url);
        return openid.authorizationCodeGrant(c, new URL(back), { pkceCodeVerifier: verifier, expectedState: state }, { resource: api }, DPoP(c));
      },
      refresh: async (id, auth, token) => { const c = await config(id, auth); return openid.refreshTokenGrant(c, token, {}, DPoP(c)); },
      credentials: async (id, auth) => { const c = await config(id, auth); return openid.clientCredentialsGrant(c, ask, DPoP(c)); },
      async device(id, auth) {
        const c = await config(id, auth);
        const d = await openid.initiateDeviceAuthorization(c, ask);
        await browse(d.verification_uri_complete);
        return openid.pollDeviceAuthorizationGrant(c, d, { resource: api }, DPoP(c));
      },
      async exchange(id, auth, token) {
        const c = await config(id, auth);
        return openid.genericGrantRequest(c, exchangeType, { ...ask, subject_token: token, subject_token_type: accessType }, DPoP(c));
      },
      introspect: async (id, auth, token) => openid.tokenIntrospection(await config(id, auth), token),
      revoke: async (id, auth, token) => openid.tokenRevocation(await config(id, auth), token),
      async register(metadata) {
        const c = await openid.dynamicClientRegistration(server, metadata, methods.signed(), { ...options, initialAccessToken: registrationToken });
        const m = c.clientMetadata();
        configs[m.client_id] = c;
        return m;
      },
      async call(id, auth, token) {
        const c = await config(id, auth);
        return (await openid.fetchProtectedResource(c, token, new URL(api), 'GET', undefined, undefined, DPoP(c))).status;
      },
    };
  },

  oauth4webapi: async (keyPair) => {
    const insecure = { [oauth.allowInsecureRequests]: true }; // loopback
    const as = await oauth.processDiscoveryResponse(server, await oauth.discoveryRequest(server, { algorithm: 'oauth2', ...insecure }));
    const DPoP = oauth.DPoP({}, keyPair);
    const options = { DPoP, ...insecure };
    const methods = {
      none: () => oauth.None(),
      basic: (id) => oauth.ClientSecretBasic(secrets[id]),
      signed: () => oauth.PrivateKeyJwt(signer),
    };
    // The library leaves it to its user to repeat a request that lacked a nonce.
    const withNonce = async (send, process) => {
      try {
        return await process(await send());
      } catch (err) {
        if (!oauth.isDPoPNonceError(err)) throw err;
        return process(await send());
      }
    };
    const token = (id, auth, type, parameters) => withNonce(
      () => oauth.genericTokenEndpointRequest(as, { client_id: id }, methods[auth](id), type, parameters, options),
      (r) => oauth.processGenericTokenEndpointResponse(as, { client_id: id }, r));
    return {
      async code(id, auth) {
        const c = { client_id: id };
        const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()];
        const parameters = {
          ...ask, response_type: 'code', redirect_uri: redirect, state, code_challenge_method: 'S256',
          code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        };
        const pushed = await withNonce(
          () => oauth.pushedAuthorizationRequest(as, c, methods[auth](id), parameters, options),
          (r) => oauth.processPushedAuthorizationResponse(as, c, r));
        const url = new URL(as.authorization_endpoint);
        url.search = new URLSearchParams({ client_id: id, request_uri: pushed.request_uri });
        const answer = oauth.validateAuthResponse(as, c, new URL(await browse(url)), state);
        return withNonce(
          () => oauth.authorizationCodeGrantRequest(as, c, methods[auth](id), answer, redirect, verifier, options),
          (r) => oauth.processAuthorizationCodeResponse(as, c, r));
      },
      refresh: (id, auth, refresh_token) => withNonce(
        () => oauth.refreshTokenGrantRequest(as, { client_id: id }, methods[auth](id), refresh_token, options),
        (r) => oauth.processRefreshTokenResponse(as, { client_id: id }, r)),
      credentials: (id, auth) => withNonce(
        () => oauth.clientCredentialsGrantRequest(as, { client_id: id }, methods[auth](id), ask, options),
        (r) => oauth.processClientCredentialsResponse(as, { client_id: id }, r)),
      async device(id, auth) {
        const c = { client_id: id };
        const d = await oauth.processDeviceAuthorizationResponse(as, c,
          await oauth.deviceAuthorizationRequest(as, c, methods[auth](id), ask, insecure));
        await browse(d.verification_uri_complete);
        return withNonce(
          () => oauth.deviceCodeGrantRequest(as, c, methods[auth](id), d.device_code, options),
          (r) => oauth.processDeviceCodeResponse(as, c, r));
      },
      exchange: (id, auth, subject) => token(id, auth, exchangeType, { ...ask, subject_token: subject, subject_token_type: accessType }),
      introspect: async (id, auth, t) => oauth.processIntrospectionResponse(as, { client_id: id },
        await oauth.introspectionRequest(as, { client_id: id }, methods[auth](id), t, insecure)),
      revoke: async (id, auth, t) => oauth.processRevocationResponse(
        await oauth.revocationRequest(as, { client_id: id }, methods[auth](id), t, insecure)),
      register: async (metadata) => oauth.processDynamicClientRegistrationResponse(
        await oauth.dynamicClientRegistrationRequest(as, metadata, { initialAccessToken: registrationToken, ...insecure })),
      async call(_id, _auth, t) {
        const send = () => oauth.protectedResourceRequest(t, 'GET', new URL(api), undefined, null, options);
        return withNonce(send, (r) => r.status);
      },
    };
  },
};

const keyPair = await generateKeyPair('ES256');
const jkt = await calculateJwkThumbprint(await exportJWK(keyPair.publicKey));
const lib = await libraries[library](keyPair);
const seen = async (id, auth, t) => ({
  type: t.token_type.toLowerCase(), // as the libraries give it
  bound: decodeJwt(t.access_token).cnf?.jkt === jkt,
  status: await lib.call(id, auth, t.access_token),
});
const refused = async (f) => {
  try {
    await f();
  } catch (err) {
    return err.error ?? err.cause?.error ?? String(err);
  }
  return 'nothing';
};

const out = {};
const login = await lib.code('native', 'none');
out.code = await seen('native', 'none', login);
const next = await lib.refresh('native', 'none', login.refresh_token);
out.refresh = await seen('native', 'none', next);
out['code of a confidential client'] = await seen('web', 'basic', await lib.code('web', 'basic'));
out.client_secret_basic = await seen('web', 'basic', await lib.credentials('web', 'basic'));
out.private_key_jwt = await seen('signer', 'signed', await lib.credentials('signer', 'signed'));
out.device = await seen('native', 'none', await lib.device('native', 'none'));
out.exchange = await seen('backend', 'basic', await lib.exchange('backend', 'basic', next.access_token));

const facts = await lib.introspect('backend', 'basic', next.access_token);
out.introspection = { type: facts.token_type?.toLowerCase(), bound: facts.cnf?.jkt === jkt, active: facts.active };
await lib.revoke('native', 'none', next.refresh_token);
out.revocation = {
  active: (await lib.introspect('backend', 'basic', next.access_token)).active,
  refresh: await refused(() => lib.refresh('native', 'none', next.refresh_token)),
};

const { d: _, ...publicKey } = signerKey;
const registered = await lib.register({
  client_name: 'registered', token_endpoint_auth_method: 'private_key_jwt', grant_types: ['client_credentials'],
  response_types: [], jwks: { keys: [publicKey] }, dpop_bound_access_tokens: true,
});
out.registration = await seen(registered.client_id, 'signed', await lib.credentials(registered.client_id, 'signed'));
process.stdout.write(JSON.stringify(out));
