import test from 'ava';
import pino from 'pino';
import { ok, err } from '@landbridge/core/result.ts';
import { ApiServerError, type WatchBegin } from './api-server-client.ts';
import { type ListAndWatch, Reflector } from './reflector.ts';
import type { ApiStatus, ListPage, WatchEvent } from './watch-event.ts';

interface Thing {
  readonly name: string;
  readonly size: number;
}

const thing = (name: string, size = 1): unknown => ({ name, size });
const parse = (value: unknown): ReturnType<typeof ok<Thing>> | ReturnType<typeof err<string>> => {
  const { name, size } = value as Partial<Thing>;
  return typeof name === 'string' ? ok({ name, size: size ?? 0 }) : err('no name');
};
const set = (version: string, object: unknown): WatchEvent => ({ kind: 'set', version, object });
const page = (version: string, items: readonly unknown[], next = ''): ListPage => ({ version, next, items });
const status = (code: number, retryAfterMs?: number): ApiStatus => ({ code, message: '', retryAfterMs });

type Step = WatchEvent | Error | 'end' | 'rest' | 'stay';

/** Longer than a watch that has failed. */
const REST_MS = 1100;

/** Answers from lists: pages or refusals for lists; for each watch its events, and how it ends. */
class Script implements ListAndWatch {
  readonly asked: string[] = [];
  /** When lists were asked for. */
  readonly listedMs: number[] = [];
  readonly #lists: (ListPage | Error)[];
  readonly #watches: (readonly Step[])[];

  constructor(lists: readonly (ListPage | Error)[], watches: readonly (readonly Step[])[]) {
    this.#lists = [...lists];
    this.#watches = [...watches];
  }

  async list(path: string, _query: unknown, next: string): Promise<ListPage> {
    this.listedMs.push(performance.now());
    this.asked.push(`list ${path}${next === '' ? '' : ` ${next}`}`);
    const answer = this.#lists.shift();
    if (answer === undefined) throw new Error('the script has no further list');
    if (answer instanceof Error) throw answer;
    return answer;
  }

  async *watch(_path: string, _query: unknown, begin: WatchBegin, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    this.asked.push(`watch ${begin.kind === 'version' ? begin.version : 'all'}`);
    for (const step of this.#watches.shift() ?? ['stay']) {
      if (step instanceof Error) throw step;
      if (step === 'end') return;
      if (step === 'rest') await new Promise((resolve) => setTimeout(resolve, REST_MS));
      else if (step !== 'stay') yield step;
      else if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    }
  }
}

/** Runs a reflector on a script until so much was asked. Returns what it holds after each change. */
async function follow(script: Script, questions: number, listSpacingMs = 0, initialEvents = false): Promise<{ readonly states: readonly string[]; readonly told: readonly string[]; readonly waits: readonly number[]; readonly reflector: Reflector<Thing> }> {
  const states: string[] = [];
  const told: string[] = [];
  const waits: number[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void waits.push((JSON.parse(line) as { retry_ms?: number }).retry_ms ?? -1) });
  const reflector = new Reflector<Thing>(script, { path: '/things', query: {}, parse, keyOf: ({ name }) => name }, log, { listSpacingMs, initialEvents });
  const stop = new AbortController();
  const running = reflector.run((keys) => {
    states.push([...reflector.objects.values()].map(({ name, size }) => `${name}${size}`).sort().join(' '));
    told.push([...keys].sort().join(' '));
  }, stop.signal);
  while (script.asked.length < questions) await new Promise((resolve) => setTimeout(resolve, 1));
  // What the last answer says is taken in.
  await new Promise(setImmediate);
  stop.abort();
  await running;
  return { states, told, waits, reflector };
}

test('a list of several pages, then what changes from there', async (t) => {
  const script = new Script([page('5', [thing('a')], 'more'), page('5', [thing('b')])], [[set('6', thing('c')), set('7', thing('a', 2)), { kind: 'deleted', version: '8', object: thing('b') }, 'stay']]);
  const { states, waits } = await follow(script, 3);
  t.deepEqual(script.asked, ['list /things', 'list /things more', 'watch 5']);
  t.deepEqual(states, ['a1 b1', 'a1 b1 c1', 'a2 b1 c1', 'a2 c1']);
  t.deepEqual(waits, []);
});

test('an empty list counts as one, and what changes nothing is not told', async (t) => {
  const script = new Script([page('5', [])], [[set('6', thing('a')), set('7', thing('a')), { kind: 'deleted', version: '8', object: thing('z') }, { kind: 'bookmark', version: '9', hasAll: false }, 'stay']]);
  const { states, reflector } = await follow(script, 2);
  t.deepEqual(states, ['', 'a1']);
  t.true(reflector.isSynced);
});

test('after an interruption the watch goes on from the last version it was told, without a list', async (t) => {
  const cut = new ApiServerError('cut');
  const script = new Script([page('5', [thing('a')])], [[set('6', thing('b')), cut], [{ kind: 'bookmark', version: '20', hasAll: false }, cut], [cut], ['stay']]);
  const { states, waits } = await follow(script, 5);
  t.deepEqual(script.asked, ['list /things', 'watch 5', 'watch 6', 'watch 20', 'watch 20']);
  t.deepEqual(states, ['a1', 'a1 b1']);
  t.is(waits.length, 3);
});

for (const [what, refusal] of [
  ['at once', new ApiServerError('gone', status(410))],
  ['within', { kind: 'failed', status: status(410) } satisfies WatchEvent],
] as const) {
  test(`a version that is too old, told ${what}: a list that replaces everything`, async (t) => {
    const script = new Script([page('5', [thing('a'), thing('b')]), page('90', [thing('b'), thing('c')])], [[refusal], ['stay']]);
    const { states, waits } = await follow(script, 4);
    t.deepEqual(script.asked, ['list /things', 'watch 5', 'list /things', 'watch 90']);
    t.deepEqual(states, ['a1 b1', 'b1 c1']);
    t.is(waits.length, 1);
  });
}

test('a list that finds all as it was is not told', async (t) => {
  const script = new Script([page('5', [thing('a')]), page('9', [thing('a')])], [[new ApiServerError('gone', status(410))], ['stay']]);
  t.deepEqual((await follow(script, 4)).states, ['a1']);
});

test('an answer that can not be read is not asked for again: there is a list', async (t) => {
  const script = new Script([page('5', []), page('9', [])], [[new Error('not JSON')], ['stay']]);
  await follow(script, 4);
  t.deepEqual(script.asked, ['list /things', 'watch 5', 'list /things', 'watch 9']);
});

test('lists keep their distance', async (t) => {
  const script = new Script([page('5', []), page('9', [])], [[new ApiServerError('gone', status(410))], ['stay']]);
  await follow(script, 4, 700);
  const [first = 0, second = 0] = script.listedMs;
  // Timers count whole milliseconds.
  t.true(second - first >= 699, `${script.listedMs}`);
});

test('a server that has too much to do is not asked before the time that it says, nor listed', async (t) => {
  const script = new Script([page('5', [])], [[new ApiServerError('busy', status(429, 300))], ['stay']]);
  const { waits } = await follow(script, 3);
  t.deepEqual(script.asked, ['list /things', 'watch 5', 'watch 5']);
  t.true((waits[0] ?? 0) >= 300 && (waits[0] ?? 0) <= 1300, `${waits}`);
});

test('a watch that ends at once, again and again, is a failure, also where it brings something', async (t) => {
  const script = new Script([page('5', [])], Array.from({ length: 5 }, (_, i) => [set(String(6 + i), thing(`n${i}`)), 'end'] as const));
  const { waits, states } = await follow(script, 7);
  t.is(waits.length, 5);
  t.is(states.at(-1), 'n01 n11 n21 n31 n41');
});

test('while a server is away waits are spread, and grow up to a bound', async (t) => {
  const original = Math.random;
  t.teardown(() => {
    Math.random = original;
  });
  // The longest waits that jitter can give would take a while: a hundredth of each tells as much.
  Math.random = () => 0.01;
  const script = new Script([...Array.from({ length: 9 }, () => new ApiServerError('away')), page('5', [])], []);
  const { waits } = await follow(script, 11);
  t.deepEqual(waits, [1, 2, 4, 8, 16, 32, 50, 50, 50]);
});

test('a watch that breaks off after a while is no failure, one that does so at once is', async (t) => {
  const broken = new ApiServerError('no byte came for too long');
  t.deepEqual((await follow(new Script([page('5', [])], [['rest', broken], ['stay']]), 3)).waits, []);
  t.is((await follow(new Script([page('5', [])], [[broken], ['stay']]), 3)).waits.length, 1);
});

test('what is known stays while the server is away', async (t) => {
  const script = new Script([page('5', [thing('a')]), new ApiServerError('away'), page('9', [thing('a'), thing('b')])], [[new ApiServerError('gone', status(410))], ['stay']]);
  const { states } = await follow(script, 5);
  t.deepEqual(states, ['a1', 'a1 b1']);
});

test('an object that can not be used does not stop the others', async (t) => {
  const script = new Script([page('5', [{}, thing('a')])], [[set('6', { size: 3 }), set('7', thing('b')), 'stay']]);
  const { states, waits } = await follow(script, 2);
  t.deepEqual(states, ['a1', 'a1 b1']);
  t.is(waits.length, 2, 'each is logged');
});

test('more objects than there may be are refused as a whole', async (t) => {
  const many = Array.from({ length: 50_001 }, (_, i) => thing(`n${i}`));
  const script = new Script([page('5', many), page('6', [thing('a')])], []);
  const { states } = await follow(script, 3);
  t.deepEqual(states, ['a1']);
});

test('told are the keys of what differs, also after a list', async (t) => {
  const script = new Script([page('5', [thing('a'), thing('b'), thing('c')]), page('90', [thing('b'), thing('c', 2), thing('d')])], [[set('6', thing('b')), set('7', thing('a', 2)), new ApiServerError('gone', status(410))], ['stay']]);
  t.deepEqual((await follow(script, 4)).told, ['a b c', 'a', 'a c d']);
});

const all = (version: string): WatchEvent => ({ kind: 'bookmark', version, hasAll: true });

test('objects told by a watch count once all were told, and the watch goes on', async (t) => {
  const script = new Script([], [[set('1', thing('a')), set('2', thing('b')), all('5'), set('6', thing('c')), new ApiServerError('cut')], ['stay']]);
  const { states, told, reflector } = await follow(script, 2, 0, true);
  t.deepEqual(script.asked, ['watch all', 'watch 6']);
  t.deepEqual(states, ['a1 b1', 'a1 b1 c1']);
  t.deepEqual(told, ['a b', 'c']);
  t.true(reflector.isSynced);
});

test('a server that does not tell objects by a watch is asked for a list at once, and not again', async (t) => {
  const script = new Script([page('5', [thing('a')]), page('9', [thing('b')])], [[new ApiServerError('forbidden', status(422))], [new ApiServerError('gone', status(410))], ['stay']]);
  const { states, waits } = await follow(script, 5, 0, true);
  t.deepEqual(script.asked, ['watch all', 'list /things', 'watch 5', 'list /things', 'watch 9']);
  t.deepEqual(states, ['a1', 'b1']);
  t.is(waits.length, 1);
});

test('a watch that breaks off before it has told all changes nothing; a list is tried next', async (t) => {
  const script = new Script([page('5', [thing('a')]), page('9', [thing('b')])], [[set('1', thing('z')), 'end'], [new ApiServerError('gone', status(410))], [set('20', thing('b')), all('21'), 'stay']]);
  const { states } = await follow(script, 4, 0, true);
  t.deepEqual(script.asked, ['watch all', 'list /things', 'watch 5', 'watch all']);
  t.deepEqual(states, ['a1', 'b1']);
});

test('a list whose pages are gone in the middle begins anew, after a pause', async (t) => {
  const script = new Script([page('5', [thing('a')], 'more'), new ApiServerError('gone', status(410)), page('8', [thing('b')])], []);
  const { states } = await follow(script, 4, 500);
  t.deepEqual(script.asked, ['list /things', 'list /things more', 'list /things', 'watch 8']);
  t.deepEqual(states, ['b1']);
  t.true((script.listedMs[2] ?? 0) - (script.listedMs[0] ?? 0) >= 499);
});
