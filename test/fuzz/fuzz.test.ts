import { readdirSync } from 'node:fs';
import test from 'ava';
import { fuzz, MACHINE_CLOCK } from './fuzzer.ts';
import { readKeptInputs, SEEDS_FOLDER } from './kept-inputs.ts';
import { TARGETS } from './targets.ts';

/** For each parser. */
const MS = Number(process.env['FUZZ_MS'] ?? 300);

for (const target of TARGETS) {
  test(`no input shows a fault of ${target.name}`, (t) => {
    t.timeout(MS + 60_000);
    const { inputs, fault } = fuzz(target, { ms: MS, seed: Date.now() | 0, kept: readKeptInputs(target.name), clock: MACHINE_CLOCK });
    t.is(fault, undefined, fault === undefined ? '' : `seed ${fault.seed}, input ${Buffer.from(fault.input).toString('hex')}: ${fault.reason}`);
    t.true(inputs >= 100);
  });
}

test('every input of a past failure has its parser', (t) => {
  const names = new Set(TARGETS.map(({ name }) => `${name}.json`));
  t.is(names.size, TARGETS.length);
  t.deepEqual(readdirSync(SEEDS_FOLDER).filter((file) => file !== '.gitkeep' && !names.has(file)), []);
});
