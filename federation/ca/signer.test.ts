import { createPrivateKey, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import test from 'ava';
import { Authority, type Issuer } from './authority.ts';
import { exampleIssuer } from './example-authority.ts';
import { pluggedChain } from './example-plugged.ts';
import { readIssuer } from './issuer-material.ts';
import { makeRoot } from './own-root.ts';
import { exampleSigning, signerContract, soon } from './signer.contract.ts';
import type { Signer, SigningRequest } from './signer.ts';
import { parseRequest } from './x509.ts';

/** Asks a service elsewhere, as somebody's own signer would. */
class HttpSigner implements Signer {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async sign({ names, requestPem, notBefore, notAfter }: SigningRequest, signal: AbortSignal): Promise<readonly string[]> {
    try {
      const answer = await fetch(this.#url, { method: 'POST', body: JSON.stringify({ names, requestPem, notBefore, notAfter }), signal });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      return (await answer.json()) as string[];
    } catch (thrown) {
      throw new LandbridgeError('ca-failed', `the signer does not answer: ${String(thrown)}`, { retryable: true, cause: thrown });
    }
  }
}

const { root, chain: [issuing = root, ...others] } = pluggedChain('P-256', 2);
const plugged = readIssuer({ certificate: issuing.pem, key: issuing.keyPem, chain: others.map(({ pem }) => pem).join(''), roots: root.pem }, { trustDomain: 'west.landbridge', dnsNames: [], nowMs: Date.now() + 60_000 });
if (!plugged.ok) throw new Error(plugged.error);
const issuer: Issuer = plugged.value;

const ends: (() => void)[] = [];
test.after.always(() => {
  for (const end of ends) end();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** A service that signs what it is asked to, with its key in another place. */
const signing: RequestListener = (request, response) => {
  void (async () => {
    const { names, requestPem, notBefore, notAfter } = (await json(request)) as SigningRequest & { readonly notBefore: string; readonly notAfter: string };
    const key = parseRequest(requestPem);
    if (!key.ok) return response.writeHead(400).end();
    response.end(JSON.stringify(await issuer.signer.sign({ names, publicKey: key.value, requestPem, notBefore: new Date(notBefore), notAfter: new Date(notAfter) }, soon())));
  })();
};

const own = makeRoot('west.landbridge', Date.now());
signerContract(test, 'a root of our own', async () => ({ signer: exampleIssuer('west.landbridge', own).signer, rootPem: own.certificatePem }));
signerContract(test, 'a key that is plugged in', async () => ({ signer: issuer.signer, rootPem: root.pem }));
const elsewhere = serve(signing);
signerContract(test, 'a service elsewhere', async () => ({ signer: new HttpSigner(await elsewhere), rootPem: root.pem }));

const identity = 'spiffe://west.landbridge/ns/shop/sa/cart' as SpiffeId;
const authorityOf = (url: string): Authority => new Authority({ ...issuer, signer: new HttpSigner(url) }, 'west.landbridge');

test('an authority issues by a service elsewhere as by its own key', async (t) => {
  const { publicKey, requestPem } = exampleSigning([{ kind: 'uri', value: identity }]);
  const chain = await authorityOf(await elsewhere).issue(identity, { publicKey, requestPem }, 3600, Date.now(), soon());
  t.is(chain.length, 3);
  const server = await authorityOf(await elsewhere).issueServer(['landbridge-federation'], Date.now(), soon());
  t.true(createPublicKey(createPrivateKey(server.keyPem)).asymmetricKeyType === 'ec');
});

test('a service that is away, slow, broken or somebody else’s gives no certificate, and may be asked again', async (t) => {
  const { publicKey, requestPem } = exampleSigning([{ kind: 'uri', value: identity }]);
  const issue = async (url: string, signal = soon()): Promise<unknown> => await authorityOf(url).issue(identity, { publicKey, requestPem }, 3600, Date.now(), signal);
  const foreign = exampleIssuer('west.landbridge');
  const cases: readonly RequestListener[] = [
    (_, response) => void response.writeHead(503).end(),
    (_, response) => void response.end('no JSON'),
    (_, response) => void response.end('[]'),
    (_, response) => void response.end('["x"]'),
    (_, response) => void foreign.signer.sign(exampleSigning([{ kind: 'uri', value: identity }], { publicKey }), soon()).then((given) => response.end(JSON.stringify(given))),
  ];
  for (const listener of cases) t.like(await t.throwsAsync(issue(await serve(listener))), { code: 'ca-failed', retryable: true });
  t.like(await t.throwsAsync(issue('http://127.0.0.1:1/')), { code: 'ca-failed', retryable: true });
  t.like(await t.throwsAsync(issue(await serve(() => {}), AbortSignal.timeout(100))), { code: 'ca-failed' });
});
