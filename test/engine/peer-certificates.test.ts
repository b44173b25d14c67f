/** Of all certificates that a peer may show, exactly one opens a tunnel; each other is refused for its own reason. */
import test from 'ava';
import type { FailureReason } from '@landbridge/agent/hbone/failure.ts';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { ask, echo } from './applications.ts';
import { candidate, HERE, TestEngine } from './engine.ts';
import { echoTunnel, isAllowed, NodeServer, type PeerCertificate } from './node-peers.ts';
import { rawUri, StrangeAuthority } from './strange-certificates.ts';

const authority = new StrangeAuthority('east.example');
/** Trusted for its own domain. */
const neighbour = new StrangeAuthority('west.example');
const stranger = new StrangeAuthority('east.example');
const own = new TestAuthority('own.example');
const [server, client] = [own.certificate('server'), own.certificate('client')];
const engine = new TestEngine();
engine.trust(authority, neighbour, own);
test.serial.afterEach.always(() => engine.reset());
test.after.always(async () => {
  await engine[Symbol.asyncDispose]();
  for (const each of [authority, neighbour, stranger, own]) each[Symbol.dispose]();
});

const ID = 'spiffe://east.example/ns/test/sa/peer';
const URI = `URI:${ID}`;

interface Shown {
  readonly what: string;
  readonly certificate: PeerCertificate | undefined;
  /** Undefined: it is the one that is allowed. */
  readonly asClient: FailureReason | undefined;
  readonly asServer?: FailureReason | undefined;
}

const same = (what: string, certificate: PeerCertificate, reason: FailureReason): Shown => ({ what, certificate, asClient: reason, asServer: reason });

const SHOWN: readonly Shown[] = [
  { what: 'the right certificate', certificate: authority.certify({ names: URI }), asClient: undefined, asServer: undefined },
  { what: 'no certificate', certificate: undefined, asClient: 'tls-no-certificate' },
  same('one of an authority that nobody trusts', stranger.certify({ names: URI }), 'tls-unknown-authority'),
  same('an expired one', authority.certify({ names: URI, from: -2, to: -1 }), 'tls-certificate-expired'),
  same('one that is not yet valid', authority.certify({ names: URI, from: 1, to: 2 }), 'tls-certificate-not-yet-valid'),
  same('one of a trust domain that is not known', authority.certify({ names: 'URI:spiffe://north.example/ns/test/sa/peer' }), 'trust-domain'),
  same('one of our domain by the authority of another', neighbour.certify({ names: URI }), 'trust-domain'),
  same('one with two URIs', authority.certify({ names: `${URI},URI:spiffe://east.example/ns/test/sa/other` }), 'identity'),
  same('one without URI', authority.certify({ names: 'DNS:peer.east.example' }), 'identity'),
  same('one with a NUL in its URI', authority.certify({ names: rawUri(`${ID}\0.evil`) }), 'identity'),
  same('one with a second name inside its URI', authority.certify({ names: rawUri(`spiffe://east.example/ns/test/sa/x, URI:${ID}`) }), 'identity'),
  same('one with its name in the subject alone', authority.certify({ names: undefined, commonName: 'peer' }), 'identity'),
  same('one whose URI is no SPIFFE ID of a workload', authority.certify({ names: 'URI:spiffe://east.example/peer' }), 'identity'),
  same('one with another form of the same URI', authority.certify({ names: 'URI:spiffe://EAST.example/ns/test/sa/peer' }), 'identity'),
  same('one that nobody else signed', authority.selfSigned(URI), 'tls-unknown-authority'),
  same('one of an authority as its own', authority.certify({ names: URI, isAuthority: true }), 'identity'),
  { what: 'one for servers only', certificate: authority.certify({ names: URI, usage: 'serverAuth' }), asClient: 'tls-certificate-purpose' },
  { what: 'one for clients only', certificate: authority.certify({ names: URI, usage: 'clientAuth' }), asClient: undefined, asServer: 'tls-certificate-purpose' },
  same('one for neither', authority.certify({ names: URI, usage: 'codeSigning' }), 'tls-certificate-purpose'),
];

for (const { what, certificate, asClient } of SHOWN.filter(({ what: name }) => name !== 'one for clients only')) {
  test.serial(`as a client, ${what} is ${asClient === undefined ? 'allowed' : `refused: ${asClient}`}`, async (t) => {
    await using application = await echo();
    const pod = engine.server(server);
    t.is(await isAllowed(pod.port, certificate, own.rootPem, `${HERE}:${application.port}`), asClient === undefined);
    if (asClient === undefined) return t.deepEqual(await engine.failures(), {});
    await engine.until((_, failures) => Object.keys(failures).length > 0);
    t.deepEqual(await engine.failures(), { [`inbound ${asClient}`]: 1 });
    t.is(application.sockets.length, 0);
  });
}

for (const { what, certificate, asServer } of SHOWN.filter((shown) => 'asServer' in shown)) {
  test.serial(`as a server, ${what} is ${asServer === undefined ? 'allowed' : `refused: ${asServer}`}`, async (t) => {
    let requests = 0;
    await using peer = await NodeServer.start(certificate as PeerCertificate, own.rootPem, (request) => {
      requests++;
      echoTunnel(request);
    });
    const pod = engine.client(client, [candidate(peer.port, ID as typeof client.identity)]);
    const answer = await ask(pod.port, 'secret');
    t.is(answer instanceof Error ? 'refused' : answer.toString(), asServer === undefined ? 'secret' : 'refused');
    t.deepEqual(await engine.failures(), asServer === undefined ? {} : { [`outbound ${asServer}`]: 1 });
    t.is(requests, asServer === undefined ? 1 : 0);
  });
}

test.serial('roots that are taken back are not believed any more', async (t) => {
  await using application = await echo();
  const pod = engine.server(server);
  const shown = neighbour.certify({ names: 'URI:spiffe://west.example/ns/test/sa/peer' });
  t.true(await isAllowed(pod.port, shown, own.rootPem, `${HERE}:${application.port}`), 'of another domain that is trusted for itself');
  engine.trust(authority, own);
  await engine.report();
  t.false(await isAllowed(pod.port, shown, own.rootPem, `${HERE}:${application.port}`));
  await engine.until((_, failures) => failures['inbound tls-unknown-authority'] === 1);
  engine.trust(authority, neighbour, own);
  // All that was told before is in force once the threads have reported.
  await engine.report();
  t.true(await isAllowed(pod.port, shown, own.rootPem, `${HERE}:${application.port}`));
});
