import { Metadata } from '@grpc/grpc-js';
import test from 'ava';
import { tokenReviewer } from '../kubernetes/token-review.ts';
import { Authenticator } from './authenticator.ts';
import type { ReviewedToken } from './token-reviews.ts';

const PEER = '10.0.0.1:40000';

const good: ReviewedToken = { username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: 'node-1', pod: 'agent-1' };

function bearer(...tokens: readonly string[]): Metadata {
  const metadata = new Metadata();
  for (const token of tokens) metadata.add('authorization', token);
  return metadata;
}

interface Example {
  readonly authenticator: Authenticator;
  readonly asked: string[];
  now: number;
}

/** An authenticator whose API server says what `answers` has of a token; `asked` is what it was asked. */
function example(answers: Readonly<Record<string, ReviewedToken | undefined>>): Example {
  const asked: string[] = [];
  const made: Example = {
    now: 1000,
    asked,
    authenticator: new Authenticator(async (token, audience) => {
      asked.push(`${token} for ${audience}`);
      return answers[token];
    }, 'landbridge-system', () => made.now),
  };
  return made;
}

test('an agent is known by its token, which is reviewed for the audience of agents', async (t) => {
  const { authenticator, asked } = example({ a: good });
  t.deepEqual(await authenticator.agent(bearer('Bearer a'), PEER), { role: 'node', node: 'node-1', pod: 'agent-1', namespace: 'landbridge-system', serviceAccount: 'landbridge-agent' });
  t.deepEqual(asked, ['a for istio-ca']);
});

test('a gateway is known as one, and other service accounts are nobody', async (t) => {
  const of = (serviceAccount: string): ReviewedToken => ({ ...good, username: `system:serviceaccount:landbridge-system:${serviceAccount}` });
  const { authenticator } = example({ g: of('landbridge-gateway'), x: of('landbridge-gatewayx'), y: { ...good, username: 'system:serviceaccount:other:landbridge-gateway' } });
  t.is((await authenticator.agent(bearer('Bearer g'), PEER)).role, 'gateway');
  for (const token of ['x', 'y']) await t.throwsAsync(authenticator.agent(bearer(`Bearer ${token}`), PEER), { code: 'unauthenticated' }, token);
});

test('a good token is reviewed once in half a minute, each token by itself', async (t) => {
  const made = example({ a: good, b: { ...good, node: 'node-2' } });
  await made.authenticator.agent(bearer('Bearer a'), PEER);
  made.now += 29_000;
  t.is((await made.authenticator.agent(bearer('Bearer a'), PEER)).node, 'node-1');
  t.is((await made.authenticator.agent(bearer('Bearer b'), PEER)).node, 'node-2');
  t.is(made.asked.length, 2);
  made.now += 1000;
  await made.authenticator.agent(bearer('Bearer a'), PEER);
  t.is(made.asked.length, 3);
});

test('a token that was taken away is refused once its time is over', async (t) => {
  const answers: Record<string, ReviewedToken | undefined> = { a: good };
  const made = example(answers);
  await made.authenticator.agent(bearer('Bearer a'), PEER);
  delete answers['a'];
  made.now += 30_000;
  t.like(await t.throwsAsync(made.authenticator.agent(bearer('Bearer a'), PEER)), { code: 'unauthenticated' });
});

test('a refusal is remembered for seconds: a token may become good', async (t) => {
  const answers: Record<string, ReviewedToken | undefined> = {};
  const made = example(answers);
  await t.throwsAsync(made.authenticator.agent(bearer('Bearer a'), PEER));
  answers['a'] = good;
  await t.throwsAsync(made.authenticator.agent(bearer('Bearer a'), PEER));
  t.is(made.asked.length, 1);
  made.now += 5000;
  t.is((await made.authenticator.agent(bearer('Bearer a'), PEER)).node, 'node-1');
});

test('only the agents’ service account in the own namespace counts, and only bound to pod and node', async (t) => {
  const others: readonly ReviewedToken[] = [
    { ...good, username: 'system:serviceaccount:shop:landbridge-agent' },
    { ...good, username: 'system:serviceaccount:landbridge-system:default' },
    { ...good, username: 'system:serviceaccount:landbridge-system:landbridge-agent:x' },
    { ...good, node: undefined },
    { ...good, pod: undefined },
  ];
  for (const other of others) t.like(await t.throwsAsync(example({ a: other }).authenticator.agent(bearer('Bearer a'), PEER)), { code: 'unauthenticated' }, JSON.stringify(other));
});

test('what is no token is not even reviewed', async (t) => {
  const { authenticator, asked } = example({ a: good });
  for (const header of [[], [''], ['Bearer '], ['Basic a'], ['bearer a'], [`Bearer ${'x'.repeat(20_000)}`]]) t.like(await t.throwsAsync(authenticator.agent(bearer(...header), PEER)), { code: 'unauthenticated' });
  t.deepEqual(asked, []);
});

test('an error says nothing of the token', async (t) => {
  const error = await t.throwsAsync(example({}).authenticator.agent(bearer('Bearer topsecret'), PEER));
  t.notRegex(`${error?.message}${error?.stack}`, /topsecret/);
});

test('many tokens do not fill the memory, and none is mistaken for another', async (t) => {
  const asked: string[] = [];
  const authenticator = new Authenticator(async (token) => {
    asked.push(token);
    return { ...good, node: token };
  }, 'landbridge-system', () => 0);
  for (let index = 0; index < 2500; index++) t.is((await authenticator.agent(bearer(`Bearer n${index}`), PEER)).node, `n${index}`);
  t.is((await authenticator.agent(bearer('Bearer n0'), PEER)).node, 'n0');
  t.is(asked.length, 2501, 'the first was forgotten meanwhile');
});

test('of what the API server reviews only what is valid for the audience counts', async (t) => {
  let answer: object = {};
  const bodies: unknown[] = [];
  const create = async (path: string, body: object): Promise<unknown> => {
    t.is(path, '/apis/authentication.k8s.io/v1/tokenreviews');
    bodies.push(body);
    return { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', status: answer };
  };
  const review = tokenReviewer({ create });
  const user = { username: 'u', extra: { 'authentication.kubernetes.io/node-name': ['node-1'], 'authentication.kubernetes.io/pod-name': ['p'] } };
  answer = { authenticated: true, audiences: ['istio-ca'], user };
  t.deepEqual(await review('tok', 'istio-ca'), { username: 'u', node: 'node-1', pod: 'p' });
  t.like(bodies[0], { spec: { token: 'tok', audiences: ['istio-ca'] } });
  for (const bad of [{ authenticated: true, audiences: ['https://kubernetes.default.svc'], user }, { authenticated: true, user }, { authenticated: false, audiences: ['istio-ca'], user }, { audiences: ['istio-ca'], user }, { authenticated: true, audiences: ['istio-ca'] }]) {
    answer = bad;
    t.is(await review('tok', 'istio-ca'), undefined, JSON.stringify(bad));
  }
  answer = { authenticated: true, audiences: ['istio-ca'], user: { username: 'u' } };
  t.deepEqual(await review('tok', 'istio-ca'), { username: 'u', node: undefined, pod: undefined });
});
