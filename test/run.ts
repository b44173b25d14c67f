import { parseArgs } from 'node:util';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { prepare } from './prepare.ts';
import { add, type Count, failure, isStageName, NOTHING, STAGES, type Stage } from './stages.ts';

const USAGE = `usage: npm test -- [--only STAGE]...
stages: ${STAGES.map(({ name, what }) => `\n  ${name.padEnd(8)}${what}`).join('')}
`;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function chosenStages(): readonly Stage[] | undefined {
  try {
    const { values } = parseArgs({ options: { only: { type: 'string', multiple: true }, help: { type: 'boolean', short: 'h' } } });
    const names = (values.only ?? []).flatMap((value) => value.split(','));
    if (values.help !== true && names.every(isStageName)) return names.length === 0 ? STAGES : STAGES.filter(({ name }) => names.includes(name));
  } catch {
    // An unknown option gets the same answer as an unknown stage.
  }
  return undefined;
}

async function runStages(stages: readonly Stage[], signal: AbortSignal): Promise<Count> {
  let total = NOTHING;
  let isPrepared = false;
  for (const stage of stages) {
    if (stage.needsRoot && process.getuid?.() !== 0) {
      print(`== ${stage.name}: not run, because it needs root: run the tests as root, for example with sudo -E npm test`);
      total = add(total, failure(`${stage.name}: needs root`));
      continue;
    }
    if (stage.needsTools && !isPrepared) {
      print('== preparing: Debian packages, the pinned servers, BPF programs');
      await prepare(signal);
      isPrepared = true;
    }
    print(`== ${stage.name}: ${stage.what}`);
    const startedAtMs = performance.now();
    const count = await stage.run({ signal, print });
    print(`== ${stage.name}: ${count.passed} passed, ${count.failed} failed in ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
    total = add(total, { ...count, failures: count.failures.map((line) => `${stage.name}: ${line}`) });
  }
  return total;
}

const stages = chosenStages();
if (stages === undefined) {
  process.stderr.write(USAGE);
  process.exit(64);
}
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(new LandbridgeError('interrupted', `interrupted by ${signal}`)));

let total: Count;
try {
  total = await runStages(stages, interrupted.signal);
} catch (thrown) {
  const error = LandbridgeError.from(interrupted.signal.aborted ? interrupted.signal.reason : thrown);
  print(`the tests could not go on: ${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
  if (error.code === 'internal' && error.cause instanceof Error) print(error.cause.stack ?? '');
  total = failure('the tests could not go on');
}
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
if (total.failures.length > 0) print(`== what failed\n${total.failures.join('\n')}`);
print(`${total.passed} passed, ${total.failed} failed`);
