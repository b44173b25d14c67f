import { generateKeyPairSync } from 'node:crypto';
import test from 'ava';
import { TestAuthority } from '../identity/test-identities.ts';
import { hasSecret } from './secrets.ts';

test('private keys of all kinds are recognised, bare and in base64', (t) => {
  const pems = [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }),
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' }),
  ].map(String);
  for (const pem of pems) {
    t.true(hasSecret(JSON.stringify({ a: pem })));
    t.true(hasSecret(JSON.stringify({ a: Buffer.from(pem).toString('base64') })));
  }
});

test('tokens are recognised', (t) => {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  t.true(hasSecret(`"${part({ alg: 'RS256', kid: 'x' })}.${part({ sub: 'system:serviceaccount:a:b' })}.${'s'.repeat(64)}"`));
  t.true(hasSecret(`lb1.${part({ hubs: ['tls://hub:4222'] })}.0123abcd`));
});

test('certificates and what operators read are no secrets', (t) => {
  using authority = new TestAuthority('east.landbridge');
  t.false(hasSecret(JSON.stringify({ pem: authority.rootPem, base64: Buffer.from(authority.rootPem).toString('base64') })));
  t.false(hasSecret('{"TOKEN_FILE":"/var/run/secrets/tokens/istio-token","hostname":"lb1.demo.svc.cluster.local"}'));
});
