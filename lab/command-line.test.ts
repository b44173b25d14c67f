import test from 'ava';
import { parseCommand } from './command-line.ts';

test('without a word, or with options only, the lab is brought up', (t) => {
  t.deepEqual(parseCommand([]), { ok: true, value: { kind: 'up', shape: { clusters: 2, workers: 1, networks: 1, bare: false, joined: 2 } } });
  t.deepEqual(parseCommand(['--clusters', '3', '--joined', '2', '--networks', '2']), { ok: true, value: { kind: 'up', shape: { clusters: 3, workers: 1, networks: 2, bare: false, joined: 2 } } });
});

test('leaf nodes are there where they are asked for', (t) => {
  t.deepEqual(parseCommand(['up', '--leaf']), { ok: true, value: { kind: 'up', shape: { clusters: 2, workers: 1, networks: 1, bare: false, joined: 2, leaf: true } } });
});

test('bare clusters are not joined', (t) => {
  t.deepEqual(parseCommand(['up', '--bare']), { ok: true, value: { kind: 'up', shape: { clusters: 2, workers: 1, networks: 1, bare: true, joined: 1 } } });
});

test('arguments of other programs are passed on as they are', (t) => {
  t.deepEqual(parseCommand(['kubectl', 'west', 'get', 'pods', '-A', '--help']), { ok: true, value: { kind: 'kubectl', cluster: 'west', args: ['get', 'pods', '-A', '--help'] } });
  t.deepEqual(parseCommand(['node', 'west', 'worker', 'ip', 'addr']), { ok: true, value: { kind: 'node', cluster: 'west', node: 'worker', argv: ['ip', 'addr'] } });
});

for (const argv of [['start'], ['up', '--clusters', '0'], ['up', '--clusters', 'two'], ['up', '--joined', '3'], ['up', '--bare', '--joined', '2'], ['up', '--bare', '--leaf'], ['up', '--unknown'], ['kubectl'], ['logs', 'west'], ['node', 'west', 'worker'], ['down', 'now']]) {
  test(`${argv.join(' ')} is refused with a sentence`, (t) => {
    const parsed = parseCommand(argv);
    t.false(parsed.ok);
    t.regex(parsed.ok ? '' : parsed.error, /\w+ \w+/);
  });
}
