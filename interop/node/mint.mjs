// Mints access tokens and proofs with npm's jose: the requests of honest and of
// broken clients, written by hand as a developer would.
//
// The environment variable HOLDFAST_INTEROP is a JSON object {url, issuer,
// nonce}: the resource that is called, who issues its tokens, and a nonce of
// another server. stdout is a JSON object {jwks, requests}: the keys of the
// issuer, and for each name the header fields to send, in order, as
// [name, value].
import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';

const { url, issuer, nonce } = JSON.parse(process.env.HOLDFAST_INTEROP);
const now = Math.floor(Date.now() / 1000);
const keyPair = async (alg) => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return { alg, privateKey, jwk, jkt: await calculateJwkThumbprint(jwk) };
};

const issuerKey = await keyPair('ES256');
const otherKey = await keyPair('ES256');

async function token(jkt, { claims = {}, header = {}, key = issuerKey } = {}) {
  const all = {
    iss: issuer, sub: 'person', aud: url, client_id: 'app', scope: 'read', jti: randomUUID(), iat: now, exp: now + 300,
    ...(jkt && { cnf: { jkt } }),
    ...claims,
  };
  return new SignJWT(all).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'issuer', ...header }).sign(key.privateKey);
}

async function proof(key, accessToken, { claims = {}, header = {} } = {}) {
  const all = {
    jti: randomUUID(), htm: 'GET', htu: url, iat: now,
    ath: createHash('sha256').update(accessToken).digest('base64url'),
    ...claims,
  };
  // A claim set to undefined is left out.
  return new SignJWT(JSON.parse(JSON.stringify(all)))
    .setProtectedHeader({ alg: key.alg, typ: 'dpop+jwt', jwk: key.jwk, ...header })
    .sign(key.privateKey);
}

const fields = (accessToken, ...proofs) => [['Authorization', `DPoP ${accessToken}`], ...proofs.map((p) => ['DPoP', p])];
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const requests = {};

for (const alg of ['ES256', 'ES384', 'PS256', 'EdDSA', 'Ed25519', 'RS256']) {
  const key = await keyPair(alg);
  const bound = await token(key.jkt);
  requests[`proof with ${alg}`] = fields(bound, await proof(key, bound));
}

const key = await keyPair('ES256');
const bound = await token(key.jkt);
const unbound = await token();
const parts = (await proof(key, bound)).split('.');

const brokenProofs = {
  'htu with a query': { claims: { htu: `${url}?page=2` } },
  'htu of another path': { claims: { htu: `${url}/other` } },
  'htm of another method': { claims: { htm: 'POST' } },
  'iat two minutes ago': { claims: { iat: now - 120 } },
  'iat in two minutes': { claims: { iat: now + 120 } },
  'no jti': { claims: { jti: undefined } },
  'iat as text': { claims: { iat: String(now) } },
  'no ath': { claims: { ath: undefined } },
  'ath of another token': { claims: { ath: createHash('sha256').update(unbound).digest('base64url') } },
  'nonce of another server': { claims: { nonce } },
  'typ JWT': { header: { typ: 'JWT' } },
  'no key in the header': { header: { jwk: undefined } },
  'private key in the header': { header: { jwk: await exportJWK(key.privateKey) } },
  'key of somebody else in the header': { header: { jwk: otherKey.jwk } },
};
for (const [name, fault] of Object.entries(brokenProofs)) {
  requests[name] = fields(bound, await proof(key, bound, fault));
}

requests['proof of another key'] = fields(bound, await proof(otherKey, bound));
requests['alg none'] = fields(bound, `${encode({ alg: 'none', typ: 'dpop+jwt', jwk: key.jwk })}.${parts[1]}.`);
requests['alg HS256'] = fields(bound, await new SignJWT({ jti: randomUUID(), htm: 'GET', htu: url, iat: now })
  .setProtectedHeader({ alg: 'HS256', typ: 'dpop+jwt', jwk: key.jwk }).sign(new Uint8Array(32)));
requests['claims changed after signing'] = fields(bound, [parts[0], (await proof(key, bound)).split('.')[1], parts[2]].join('.'));
requests['two proofs'] = fields(bound, await proof(key, bound), await proof(key, bound));
requests['no proof'] = fields(bound);
requests['bound token as Bearer'] = [['Authorization', `Bearer ${bound}`]];
requests['unbound token as DPoP'] = fields(unbound, await proof(key, unbound));

const brokenTokens = {
  'expired token': { claims: { exp: now - 60 } },
  'token for another resource': { claims: { aud: 'https://other.example' } },
  'token of another issuer': { claims: { iss: 'https://other.example' } },
  'token without the scope': { claims: { scope: 'write' } },
  'token with typ JWT': { header: { typ: 'JWT' } },
  'token signed by somebody else': { key: otherKey },
};
for (const [name, fault] of Object.entries(brokenTokens)) {
  const wrong = await token(key.jkt, fault);
  requests[name] = fields(wrong, await proof(key, wrong));
}

const jwks = { keys: [{ ...issuerKey.jwk, kid: 'issuer', alg: 'ES256', use: 'sig' }] };
process.stdout.write(JSON.stringify({ jwks, requests }));
