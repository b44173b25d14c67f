import test from 'ava';
import { metrics } from '../metrics.ts';
import { type ReviewedToken, TokenReviews } from './token-reviews.ts';

const good: ReviewedToken = { username: 'u', node: 'n', pod: 'p' };

interface Example {
  readonly reviews: TokenReviews;
  /** How often the API server was asked. */
  asked: number;
  now: number;
  /** What it does with a question. */
  answer: (token: string) => Promise<ReviewedToken | undefined>;
}

function example(): Example {
  const made: Example = {
    asked: 0,
    now: 0,
    answer: async (token) => (token.startsWith('good') ? good : undefined),
    reviews: new TokenReviews(async (token) => {
      made.asked += 1;
      return await made.answer(token);
    }, 'audience', () => made.now),
  };
  return made;
}

/** What became of a token: its verdict, or the code of the error. */
const of = async ({ reviews }: Example, token: string, source = '10.0.0.1'): Promise<string> => await reviews.verdict(token, `hash of ${token}`, source).then((reviewed) => (reviewed === undefined ? 'refused' : 'accepted'), (thrown: { code?: string; name?: string }) => thrown.code ?? String(thrown.name));

test('a flood of made-up tokens of one source is asked about a few times, then ten times a minute; others are heard', async (t) => {
  const made = example();
  const seen = new Map<string, number>();
  for (let i = 0; i < 10_000; i++) {
    const became = await of(made, `bad-${i}`);
    seen.set(became, (seen.get(became) ?? 0) + 1);
  }
  t.deepEqual([...seen], [['refused', 20], ['token-reviews-busy', 9980]]);
  t.is(await of(made, 'good', '10.0.0.2'), 'accepted');
  made.now += 60_000;
  made.asked = 0;
  for (let i = 0; i < 1000; i++) await of(made, `more-${i}`);
  t.is(made.asked, 10);
});

test('a flood from many sources is bounded in all, and leaves room for those of whom nothing was refused', async (t) => {
  const made = example();
  const flood = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await of(made, `bad-${made.now}-${i}`, `10.1.0.${i % 200}`);
  };
  await flood(20_000);
  t.is(made.asked, 200 + 100, 'each source once before it was known for it, and then all by one bound');
  made.asked = 0;
  // All that one second gives those sources is used up before any agent comes.
  for (let second = 0; second < 5; second++) {
    made.now += 1000;
    await flood(2000);
    t.is(await of(made, `good-${second}`, '10.2.0.1'), 'accepted');
  }
  t.is(made.asked, 5 * 10 + 5);
});

test('good tokens cost nothing, however many there are', async (t) => {
  const made = example();
  for (let i = 0; i < 3000; i++) t.is(await of(made, `good-${i}`), 'accepted');
  t.is(await of(made, 'good-0'), 'accepted');
  t.is(made.asked, 3001, 'the first was forgotten meanwhile');
});

test('made-up tokens push no good one out', async (t) => {
  const made = example();
  await of(made, 'good');
  for (let i = 0; i < 5000; i++) await of(made, `bad-${i}`, `10.${i >> 8}.${i & 255}.1`);
  made.asked = 0;
  t.is(await of(made, 'good'), 'accepted');
  t.is(made.asked, 0);
});

test('an agent whose token was good is heard though bad ones come from its address', async (t) => {
  const made = example();
  await of(made, 'good');
  for (let minute = 0; minute < 5; minute++) {
    made.now += 60_000;
    for (let i = 0; i < 100; i++) await of(made, `bad-${minute}-${i}`);
    t.is(await of(made, 'good'), 'accepted');
  }
});

test('who comes with one token at the same time waits for one answer', async (t) => {
  const made = example();
  const answers = Promise.withResolvers<ReviewedToken | undefined>();
  made.answer = async () => await answers.promise;
  const all = Array.from({ length: 100 }, async () => await of(made, 'good'));
  answers.resolve(good);
  t.deepEqual(new Set(await Promise.all(all)), new Set(['accepted']));
  t.is(made.asked, 1);
});

test('questions to an API server that is slow are bounded; tokens that were good before have places of their own', async (t) => {
  const made = example();
  t.is(await of(made, 'good'), 'accepted');
  made.now += 30_000;
  const answers = Promise.withResolvers<void>();
  made.asked = 0;
  made.answer = async (token) => {
    await answers.promise;
    return token === 'good' ? good : undefined;
  };
  const flood = Array.from({ length: 200 }, async (_, i) => await of(made, `bad-${i}`, `10.0.1.${i}`));
  const known = of(made, 'good');
  t.is(made.asked, 33);
  answers.resolve();
  t.is(await known, 'accepted');
  const became = await Promise.all(flood);
  t.deepEqual([became.filter((each) => each === 'refused').length, became.filter((each) => each === 'token-reviews-busy').length], [32, 168]);
  t.is(await of(made, 'bad-again', '10.0.2.1'), 'refused', 'the places are free again');
});

test('an API server that fails leaves no verdict behind, and is not taken for one that refuses', async (t) => {
  const made = example();
  made.answer = async () => {
    throw new TypeError('fetch failed');
  };
  const before = (await metrics.tokenReviews.get()).values.find(({ labels }) => labels.result === 'failed')?.value ?? 0;
  t.is(await of(made, 'good'), 'TypeError');
  t.is((await metrics.tokenReviews.get()).values.find(({ labels }) => labels.result === 'failed')?.value, before + 1);
  made.answer = async () => good;
  t.is(await of(made, 'good'), 'accepted');
});
