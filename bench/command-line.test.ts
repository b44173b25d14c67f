import test from 'ava';
import { type Names, parseOptions, usage } from './command-line.ts';

const names: Names = { cases: ['up-1', 'up-16', 'idle'], paths: ['none', 'ours', 'rust'], usualPaths: ['none', 'ours', 'rust'], quickPaths: ['ours', 'rust'] };

test('a run without options measures all of it and writes the results where the machine was quiet', (t) => {
  t.deepEqual(parseOptions([], names), {
    ok: true,
    value: { kind: 'run', cases: names.cases, paths: names.paths, topologies: ['loopback', 'veth'], seconds: 1, rounds: 5, tries: 3, pinning: 'proxies', json: undefined, writes: 'if-quiet' },
  });
});

test('a quick run has less of everything and writes nothing, unless it is told to', (t) => {
  const quick = parseOptions(['--quick', '--json', 'out.json'], names);
  t.deepEqual(quick, { ok: true, value: { kind: 'run', cases: names.cases, paths: ['ours', 'rust'], topologies: ['veth'], seconds: 0.5, rounds: 3, tries: 1, pinning: 'proxies', json: 'out.json', writes: 'never' } });
  const told = parseOptions(['--quick', '--write'], names);
  t.is(told.ok && told.value.writes, 'always');
});

test('what is chosen comes in the order of the tables, and is not written', (t) => {
  const chosen = parseOptions(['--only', 'idle,up-1', '--paths', 'rust, none', '--rounds', '2', '--seconds', '0.2', '--pin', 'none'], names);
  t.true(chosen.ok);
  if (!chosen.ok) return;
  t.deepEqual([chosen.value.cases, chosen.value.paths, chosen.value.rounds, chosen.value.seconds, chosen.value.pinning, chosen.value.writes], [['up-1', 'idle'], ['none', 'rust'], 2, 0.2, 'none', 'never']);
});

for (const argv of [['--only', 'up-2'], ['--paths', ''], ['--topologies', 'ring'], ['--seconds', '0'], ['--seconds', 'x'], ['--rounds', '1.5'], ['--tries', '0'], ['--pin', 'some'], ['--unknown'], ['word']]) {
  test(`${argv.join(' ')} is refused with a sentence`, (t) => {
    const parsed = parseOptions(argv, names);
    t.false(parsed.ok);
    t.regex(parsed.ok ? '' : parsed.error, /\w+ \w+/);
  });
}

test('the usage names all cases and paths, and the variable of the one that is not built here', (t) => {
  for (const name of [...names.cases, ...names.paths, 'ZTUNNEL']) t.true(usage(names).includes(name));
});
