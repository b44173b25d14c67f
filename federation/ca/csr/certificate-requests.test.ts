import { randomUUID } from 'node:crypto';
import { CertificatesV1Api } from '@kubernetes/client-node';
import { ApiServerClient, ApiServerError } from '@landbridge/kubernetes/api-server-client.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { until } from '@landbridge/lab/until.ts';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { kubeConfigAccess } from '../../kubernetes/kube-config-access.ts';
import { metrics } from '../../metrics.ts';
import { exampleSigning, soon } from '../signer.contract.ts';
import { CertificateRequests, type CertificateRequestsOptions, MAX_UNDER_WAY } from './certificate-requests.ts';
import { type Answer, authorityElsewhere, ExampleSigningController, SIGNER_NAME } from './example-signing-controller.ts';
import { sweepLeftOvers } from './left-overs.ts';
import { REQUESTS_PATH, requestObject } from './request-object.ts';

const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const elsewhere = authorityElsewhere();
const NAMES = [{ kind: 'uri', value: 'spiffe://west.landbridge/ns/shop/sa/cart' }] as const;

let server: TestApiServer;
let client: ApiServerClient;
let api: CertificatesV1Api;
let controller: ExampleSigningController;
let running: Promise<void>;
const stop = new AbortController();
test.before(async () => {
  server = await TestApiServer.start();
  client = new ApiServerClient(kubeConfigAccess(server.config, 'landbridge-test/1'));
  api = server.config.makeApiClient(CertificatesV1Api);
  controller = new ExampleSigningController(server.config, elsewhere.signer);
  running = controller.run(stop.signal);
});
test.after.always(async () => {
  stop.abort();
  await running;
  await server[Symbol.asyncDispose]();
});
test.afterEach(() => {
  controller.answer = () => ({ kind: 'sign' });
});

type Writes = CertificateRequestsOptions['writes'];

/** The same client with some writes that go otherwise. */
function changed(changes: Partial<Writes>): Writes {
  return { get: client.get.bind(client), create: client.create.bind(client), replace: client.replace.bind(client), remove: client.remove.bind(client), ...changes };
}

/** Requests of a pod of their own, which run until the test ends. */
async function open(t: ExecutionContext, changes: Partial<CertificateRequestsOptions> = {}): Promise<{ readonly requests: CertificateRequests; readonly sign: (signal?: AbortSignal) => Promise<string>; readonly end: () => Promise<void> }> {
  const requests = new CertificateRequests({ watches: client, writes: client, signerName: SIGNER_NAME, approves: true, me: { pod: `pod-${randomUUID()}`, run: 'r1' }, clock: Date.now, log, ...changes });
  const stopped = new AbortController();
  const run = requests.run(stopped.signal);
  const end = async (): Promise<void> => {
    stopped.abort();
    await run;
  };
  t.teardown(end);
  return { requests, end, sign: async (signal = soon()) => await requests.sign(exampleSigning(NAMES).requestPem, 3600, signal) };
}

const isEmpty = async (): Promise<boolean> => await until('the requests to be deleted', async () => (await server.count(REQUESTS_PATH)) === 0);

async function counted(outcome: string): Promise<number> {
  return (await metrics.signingRequests.get()).values.find(({ labels }) => labels['outcome'] === outcome)?.value ?? 0;
}

test.serial('what somebody else approves is signed too; what is denied is not, and counts as such', async (t) => {
  const { sign } = await open(t, { approves: false });
  controller.answer = (): Answer => ({ kind: 'nothing' });
  const next = controller.next();
  const asked = sign();
  const seen = await next;
  controller.answer = () => ({ kind: 'sign' });
  await api.replaceCertificateSigningRequestApproval({ name: seen.metadata?.name ?? '', body: { ...seen, status: { conditions: [{ type: 'Approved', status: 'True', reason: 'Policy' }] } } as never });
  t.regex(await asked, /BEGIN CERTIFICATE/);
  const before = await counted('denied');
  controller.answer = () => ({ kind: 'deny', message: 'not this one' });
  t.like(await t.throwsAsync(sign()), { code: 'ca-refused', retryable: false, message: `the request to signer ${SIGNER_NAME} was denied: Policy: not this one` });
  t.is(await counted('denied'), before + 1);
  t.true(await isEmpty());
});

test.serial('where nobody approves, the reason says so', async (t) => {
  const off = new AbortController();
  const create = async (...args: Parameters<Writes['create']>): Promise<unknown> => {
    const made = await client.create(...args);
    setTimeout(() => off.abort(), 100);
    return made;
  };
  const { sign } = await open(t, { approves: false, writes: changed({ create }) });
  const before = await counted('silent');
  t.like(await t.throwsAsync(sign(off.signal)), { code: 'ca-failed', retryable: true, message: `signer ${SIGNER_NAME}: nobody has approved the request in time` });
  t.is(await counted('silent'), before + 1);
  t.true(await isEmpty());
});

test.serial('an API server that has too much to do is asked again, at each step', async (t) => {
  const codes = [409, 429, 500, 503, 0];
  const left = { create: [...codes], replace: [...codes], remove: [...codes] };
  const reach = async <T>(verb: keyof typeof left, act: () => Promise<T>): Promise<T> => {
    const code = left[verb].shift();
    if (code !== undefined) throw new ApiServerError(verb, { code, message: 'as the test wants', retryAfterMs: 10 });
    return await act();
  };
  const { sign } = await open(t, {
    writes: changed({
      create: async (...args) => await reach('create', async () => await client.create(...args)),
      replace: async (...args) => await reach('replace', async () => await client.replace(...args)),
      remove: async (...args) => await reach('remove', async () => await client.remove(...args)),
    }),
  });
  t.regex(await sign(), /BEGIN CERTIFICATE/);
  t.true(await isEmpty());
  t.deepEqual(left, { create: [], replace: [], remove: [] });
});

test.serial('what the API server forbids is said at once, with what it says', async (t) => {
  for (const [verb, step] of [['create', 'made'], ['replace', 'approved']] as const) {
    const { sign } = await open(t, { writes: changed({ [verb]: async () => await Promise.reject(new ApiServerError('PUT x', { code: 403, message: 'no right', retryAfterMs: undefined })) }) });
    t.like(await t.throwsAsync(sign()), { code: 'ca-failed', retryable: true, message: `signer ${SIGNER_NAME}: a request could not be ${step}: PUT x: status 403: no right` });
  }
  t.true(await isEmpty());
});

test.serial('an object that somebody else has written to meanwhile is approved all the same', async (t) => {
  let conflicts = 0;
  const { sign } = await open(t, {
    writes: changed({
      create: async (...args) => {
        const made = await client.create(...args);
        await client.mergePatch(`${REQUESTS_PATH}/${(made as { metadata: { name: string } }).metadata.name}`, { metadata: { annotations: { a: 'b' } } }, soon());
        return made;
      },
      replace: async (...args) =>
        await client.replace(...args).catch((thrown: unknown) => {
          conflicts += thrown instanceof ApiServerError && thrown.status === 409 ? 1 : 0;
          throw thrown;
        }),
    }),
  });
  t.regex(await sign(), /BEGIN CERTIFICATE/);
  t.is(conflicts, 1);
});

test.serial('a request that somebody deletes is not waited for', async (t) => {
  controller.answer = () => ({ kind: 'nothing' });
  const { sign } = await open(t);
  const next = controller.next();
  const asked = sign();
  await api.deleteCertificateSigningRequest({ name: (await next).metadata?.name ?? '' });
  t.like(await t.throwsAsync(asked), { code: 'ca-failed', message: `signer ${SIGNER_NAME}: somebody has deleted the request` });
});

test.serial('a watch that breaks costs nobody the answer', async (t) => {
  let broken: (() => void) | undefined;
  const { sign } = await open(t, {
    watches: {
      list: client.list.bind(client),
      async *watch(path, query, begin, signal) {
        const cut = new AbortController();
        broken = () => cut.abort(new ApiServerError('cut'));
        yield* client.watch(path, query, begin, AbortSignal.any([signal, cut.signal]));
      },
    },
  });
  await sign();
  controller.answer = () => ({ kind: 'nothing' });
  const next = controller.next();
  const asked = sign();
  const name = (await next).metadata?.name ?? '';
  broken?.();
  // The approval is a write of its own, which would be taken back by this one.
  t.true(await until('the approval', async () => (await api.readCertificateSigningRequest({ name })).status?.conditions?.some(({ type }) => type === 'Approved') === true));
  await api.patchCertificateSigningRequestStatus({ name, body: [{ op: 'add', path: '/status/certificate', value: Buffer.from(elsewhere.root.pem).toString('base64') }] });
  t.regex(await asked, /BEGIN CERTIFICATE/);
});

test.serial('of more than may be under way the last has to come again, and a place is free when its request is deleted', async (t) => {
  controller.answer = () => ({ kind: 'nothing' });
  const created = Promise.withResolvers<never>();
  const { requests, sign } = await open(t, { writes: changed({ create: async () => await created.promise }) });
  const asked = Array.from({ length: MAX_UNDER_WAY }, async () => await t.throwsAsync(requests.sign('', 600, soon())));
  const before = await counted('busy');
  t.like(await t.throwsAsync(sign()), { code: 'ca-failed', retryable: true, message: `signer ${SIGNER_NAME}: ${MAX_UNDER_WAY} requests for certificates are under way already` });
  t.is(await counted('busy'), before + 1);
  created.reject(new ApiServerError('refused', { code: 403, message: '', retryAfterMs: undefined }));
  await Promise.all(asked);
  await new Promise(setImmediate);
  t.notRegex((await t.throwsAsync(sign())).message, /are under way already/);
});

/** The names of the pods whose requests there are. */
const pods = async (): Promise<unknown[]> => (await api.listCertificateSigningRequest()).items.map(({ metadata }) => metadata?.labels?.['landbridge.dev/pod']).sort();

test.serial('what a service that was killed has left is deleted when the next one in its pod starts, and nothing of others', async (t) => {
  const pem = exampleSigning(NAMES).requestPem;
  for (const [pod, run] of [['mine', 'before'], ['other', 'x'], ['mine', 'now']] as const) await client.create(REQUESTS_PATH, requestObject(pem, SIGNER_NAME, 600, { pod, run }), soon());
  await server.create(REQUESTS_PATH, { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'somebody-s', labels: { 'landbridge.dev/pod': 'mine' } }, spec: { request: Buffer.from(pem).toString('base64'), signerName: SIGNER_NAME, usages: ['client auth'] } });
  const { end } = await open(t, { me: { pod: 'mine', run: 'now' } });
  await until('what was left to be deleted', async () => (await pods()).length === 3);
  t.deepEqual(await pods(), ['mine', 'mine', 'other']);
  await end();
  // An hour later nobody waits for any of them; what has not the service's name is not its own.
  const stopped = new AbortController();
  const sweeping = sweepLeftOvers({ watches: client, writes: client, me: { pod: 'third', run: 'x' }, clock: () => Date.now() + 3_700_000, log }, stopped.signal);
  await until('what nobody waits for to be deleted', async () => (await pods()).length === 1);
  stopped.abort();
  await sweeping;
  await api.deleteCertificateSigningRequest({ name: 'somebody-s' });
});

test.serial('a service that ends gives up what it has under way, and ends when that is deleted', async (t) => {
  controller.answer = () => ({ kind: 'nothing' });
  const letGo = Promise.withResolvers<void>();
  const { sign, end } = await open(t, {
    writes: changed({
      remove: async (...args) => {
        await letGo.promise;
        await client.remove(...args);
      },
    }),
  });
  const next = controller.next();
  const asked = t.throwsAsync(sign());
  await next;
  let hasEnded = false;
  const ending = end().then(() => (hasEnded = true));
  t.like(await asked, { code: 'ca-failed', retryable: true });
  t.is(await server.count(REQUESTS_PATH), 1);
  t.false(hasEnded);
  letGo.resolve();
  await ending;
  t.is(await server.count(REQUESTS_PATH), 0);
});
