import type { SpiffeId } from '@landbridge/core/identity.ts';
import test from 'ava';
import { LookedUpIdentities } from './node-identities.ts';

const id = (account: string, namespace = 'shop'): SpiffeId => `spiffe://west.landbridge/ns/${namespace}/sa/${account}` as SpiffeId;
const soon = (): AbortSignal => AbortSignal.timeout(60_000);

class ApiServer {
  readonly asked: string[] = [];
  answer: () => Promise<ReadonlySet<SpiffeId>> = async () => new Set();
  known = new Set<SpiffeId>();
  nowMs = 0;
  readonly identities = new LookedUpIdentities({
    known: () => this.known,
    ask: async (node, namespace) => {
      this.asked.push(`${node} ${namespace}`);
      return await this.answer();
    },
  }, () => this.nowMs);
}

test('what is known is not asked for', async (t) => {
  const api = new ApiServer();
  api.known.add(id('cart'));
  t.true(await api.identities.runsOn('n', id('cart'), soon()));
  t.deepEqual(api.asked, []);
});

test('a pod that was just scheduled is found by one question, however many ask at once', async (t) => {
  const api = new ApiServer();
  const answer = Promise.withResolvers<ReadonlySet<SpiffeId>>();
  api.answer = async () => await answer.promise;
  const all = [id('cart'), id('cart'), id('pay')].map(async (identity) => await api.identities.runsOn('n', identity, soon()));
  answer.resolve(new Set([id('cart')]));
  t.deepEqual(await Promise.all(all), [true, true, false]);
  t.deepEqual(api.asked, ['n shop']);
});

test('a pod that is gone is refused, and asking again at once asks nobody', async (t) => {
  const api = new ApiServer();
  t.false(await api.identities.runsOn('n', id('gone'), soon()));
  t.false(await api.identities.runsOn('n', id('gone'), soon()));
  t.is(api.asked.length, 1);
  api.nowMs += 2001;
  api.answer = async () => new Set([id('gone')]);
  t.true(await api.identities.runsOn('n', id('gone'), soon()));
});

test('an API server that does not answer is not asked without end: who comes beyond has to come again', async (t) => {
  const api = new ApiServer();
  const answer = Promise.withResolvers<ReadonlySet<SpiffeId>>();
  api.answer = async () => await answer.promise;
  const waiting = Array.from({ length: 16 }, async (_, i) => await api.identities.runsOn('n', id('a', `ns${i}`), soon()));
  await t.throwsAsync(api.identities.runsOn('n', id('a', 'one-more'), soon()), { code: 'busy' });
  answer.reject(new Error('away'));
  t.deepEqual((await Promise.allSettled(waiting)).map(({ status }) => status), waiting.map(() => 'rejected'));
  api.answer = async () => new Set([id('a', 'one-more')]);
  t.true(await api.identities.runsOn('n', id('a', 'one-more'), soon()), 'a failure is no answer of no');
});
