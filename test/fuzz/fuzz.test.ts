import { readdirSync } from 'node:fs';
import test from 'ava';
import { CERTIFICATE_TARGETS } from './certificate-targets.ts';
import { CONTROL_TARGETS } from './control-targets.ts';
import { ENGINE_TARGETS } from './engine-targets.ts';
import { fuzz, MACHINE_CLOCK } from './fuzzer.ts';
import { readKeptInputs, SEEDS_FOLDER } from './kept-inputs.ts';
import { NAME_TARGETS } from './name-targets.ts';
import { NODE_TARGETS } from './node-targets.ts';
import { KUBERNETES_TARGETS } from './kubernetes-targets.ts';
import { OBJECT_TARGETS } from './object-targets.ts';
import { WIRE_TARGETS } from './wire-targets.ts';

const TARGETS = [...WIRE_TARGETS, ...CERTIFICATE_TARGETS, ...CONTROL_TARGETS, ...ENGINE_TARGETS, ...KUBERNETES_TARGETS, ...NAME_TARGETS, ...NODE_TARGETS, ...OBJECT_TARGETS];
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
