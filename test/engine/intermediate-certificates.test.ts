/** Certificates that do not come from a root itself: what is between goes along, and is verified, on both sides of a tunnel. */
import { generateKeyPairSync } from 'node:crypto';
import test from 'ava';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { Authority } from '@landbridge/federation/ca/authority.ts';
import { type PluggedCertificate, pluggedAuthority, pluggedChain } from '@landbridge/federation/ca/example-plugged.ts';
import { readIssuer } from '@landbridge/federation/ca/issuer-material.ts';
import { makeRequest } from '@landbridge/federation/ca/x509.ts';
import { ask, echo } from './applications.ts';
import { candidate, HERE, TestEngine, type TestIdentity } from './engine.ts';
import { echoTunnel, isAllowed, NodeServer } from './node-peers.ts';

const engine = new TestEngine();
test.serial.afterEach.always(() => engine.reset());
test.after.always(async () => await engine[Symbol.asyncDispose]());

const TRUST_DOMAIN = 'west.landbridge';

/** A certificate as the federation service issues it, by a chain of authorities of which the first signs. */
async function certify(name: string, [issuing, ...others]: readonly PluggedCertificate[], root: PluggedCertificate): Promise<TestIdentity> {
  const nowMs = Date.now() + 60_000;
  const issuer = readIssuer({ certificate: issuing?.pem ?? '', key: issuing?.keyPem ?? '', chain: others.map(({ pem }) => pem).join(''), roots: root.pem }, { trustDomain: TRUST_DOMAIN, dnsNames: [], nowMs });
  if (!issuer.ok) throw new Error(issuer.error);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const identity = `spiffe://${TRUST_DOMAIN}/ns/test/sa/${name}` as SpiffeId;
  const chain = await new Authority(issuer.value, TRUST_DOMAIN).issue(identity, { publicKey, requestPem: makeRequest(privateKey, []) }, 3600, nowMs, AbortSignal.timeout(60_000));
  return { identity, keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), chainPem: chain.join('') };
}

for (const key of ['P-256', 'P-384', 'rsa:2048']) {
  test.serial(`three intermediates with keys of ${key} are verified by the engine, and the engine’s own by OpenSSL of others`, async (t) => {
    const { root, chain } = pluggedChain(key, 3);
    const [server, client] = [await certify('server', chain, root), await certify('client', chain, root)];
    engine.trust({ trustDomain: TRUST_DOMAIN, rootPem: root.pem });
    await using application = await echo();
    const pod = engine.server(server);
    t.true(await isAllowed(pod.port, client, root.pem, `${HERE}:${application.port}`, { rejectUnauthorized: true }));
    await using peer = await NodeServer.start(server, root.pem, echoTunnel);
    t.is((await ask(engine.client(client, [candidate(peer.port, server.identity)]).port, 'one')).toString(), 'one');
    // Engine to engine.
    t.is((await ask(engine.client(client, [candidate(pod.port, server.identity, { authority: `${HERE}:${application.port}` })]).port, 'two')).toString(), 'two');
    t.deepEqual(await engine.failures(), {});
  });
}

test.serial('a chain with a gap, and one by somebody who was no authority, open no tunnel', async (t) => {
  const { root, chain } = pluggedChain('P-256', 2);
  const client = await certify('client', chain, root);
  const blocks = client.chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
  engine.trust({ trustDomain: TRUST_DOMAIN, rootPem: root.pem });
  await using application = await echo();
  const pod = engine.server(await certify('server', chain, root));
  const authority = `${HERE}:${application.port}`;
  t.true(await isAllowed(pod.port, client, root.pem, authority));
  t.false(await isAllowed(pod.port, { ...client, chainPem: [blocks[0], blocks[2]].join('') }, root.pem, authority));
  const sub = pluggedAuthority('client', chain[0], { extensions: { basicConstraints: 'critical,CA:FALSE', subjectAltName: 'URI:spiffe://west.landbridge/ns/test/sa/client' } });
  const forged = pluggedAuthority('x', sub, { extensions: { basicConstraints: 'critical,CA:FALSE', keyUsage: 'critical,digitalSignature', subjectAltName: 'URI:spiffe://west.landbridge/ns/test/sa/server' } });
  t.false(await isAllowed(pod.port, { keyPem: forged.keyPem, chainPem: [forged.pem, sub.pem, ...blocks.slice(1)].join('') }, root.pem, authority));
  t.is(application.sockets.length <= 1, true);
});

test.serial('an authority of the same name that leads nowhere does not stand in the way', async (t) => {
  const { root, chain: [issuing = root] } = pluggedChain('P-256');
  const stranger = pluggedAuthority('root', undefined);
  const other = pluggedAuthority('intermediate 0', stranger);
  const client = await certify('client', [issuing], root);
  engine.trust({ trustDomain: TRUST_DOMAIN, rootPem: root.pem });
  await using application = await echo();
  const pod = engine.server(await certify('server', [issuing], root));
  const [leaf = ''] = client.chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
  for (const between of [[other, issuing], [issuing, other]]) t.true(await isAllowed(pod.port, { ...client, chainPem: [leaf, ...between.map(({ pem }) => pem)].join('') }, root.pem, `${HERE}:${application.port}`));
});
