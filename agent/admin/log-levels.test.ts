import test from 'ava';
import { pino } from 'pino';
import { LogLevels, parseLogLevel } from './log-levels.ts';

function create(first: 'info' | 'off' = 'info') {
  const lines: string[] = [];
  const levels = new LogLevels(first);
  const root = pino({ base: null, timestamp: false, onChild: levels.add }, { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) });
  levels.add(root);
  return { levels, root, lines };
}

test('a change reaches children that exist, and children of children', (t) => {
  const { levels, root, lines } = create();
  const child = root.child({ scope: 'a' });
  const grandchild = child.child({ scope: 'b' });
  for (const [name, logger] of Object.entries({ root, child, grandchild })) logger.debug(`before ${name}`);
  levels.set('debug');
  for (const [name, logger] of Object.entries({ root, child, grandchild, later: child.child({}) })) logger.debug(`after ${name}`);
  t.deepEqual(lines, ['after root', 'after child', 'after grandchild', 'after later']);
  levels.set('off');
  for (const logger of [root, child, grandchild]) logger.fatal('silent');
  t.is(lines.length, 4);
  levels.reset();
  child.info('again');
  child.debug('not');
  t.deepEqual(lines.slice(4), ['again']);
  t.is(levels.level, 'info');
});

test('a level that a child is made with does not stay', (t) => {
  const { root, levels, lines } = create();
  levels.set('error');
  root.child({}, { level: 'debug' }).info('no');
  t.deepEqual(lines, []);
});

test('levels are a closed set', (t) => {
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'off']) t.is(parseLogLevel(level), level as 'info');
  for (const text of ['', 'INFO', 'fatal', 'silent', 'constructor', 'a=debug']) t.is(parseLogLevel(text), undefined);
});

test('many short-lived children cost nothing that lasts', (t) => {
  const { root, levels, lines } = create();
  for (let n = 0; n < 1000; n++) root.child({ n });
  levels.set('debug');
  root.child({}).debug('x');
  t.deepEqual(lines, ['x']);
});
