import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { certify, makeCertificates } from './certificates.ts';

function folder(t: ExecutionContext): { readonly directory: string; readonly serverName: string; readonly read: (name: string) => string } {
  const directory = mkdtempSync(path.join(tmpdir(), 'bench-certificates-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return { ...makeCertificates(directory), read: (name) => readFileSync(path.join(directory, name), 'utf8') };
}

test('both ends have certificates of one authority, with the names by which proxies know them', (t) => {
  const { serverName, read } = folder(t);
  const root = new X509Certificate(read('ca.crt'));
  for (const end of ['client', 'server']) {
    const leaf = new X509Certificate(read(`${end}.crt`));
    t.true(leaf.verify(root.publicKey) && leaf.checkIssued(root), end);
    t.is(leaf.subjectAltName, `URI:spiffe://bench.example/ns/bench/sa/${end}, DNS:${end}.bench.example`);
    t.is(read(`${end}.pem`), `${read(`${end}.crt`)}${read(`${end}.key`)}`);
  }
  t.is(new X509Certificate(read('server.crt')).checkHost(serverName), serverName);
});

test('nobody else may read any of it', (t) => {
  const { directory } = folder(t);
  for (const name of readdirSync(directory)) t.is(statSync(path.join(directory, name)).mode & 0o077, 0, name);
});

test('an end may have a certificate for a key that it brings', (t) => {
  const { directory, read } = folder(t);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const leaf = new X509Certificate(certify(directory, 'client', createPublicKey(privateKey)));
  t.true(leaf.checkPrivateKey(privateKey) && leaf.verify(new X509Certificate(read('ca.crt')).publicKey));
  t.is(leaf.subjectAltName, new X509Certificate(read('client.crt')).subjectAltName);
});
