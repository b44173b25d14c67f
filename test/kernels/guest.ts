/** Runs in the guest: the kernel tests, of which it tells as `npm test` does. */
import { release } from 'node:os';
import { runKernelTests } from '../stages.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

print(`== Linux ${release()}`);
const count = await runKernelTests({ signal: new AbortController().signal, print }, { only: process.argv.slice(2), atOnce: 1 });
print(`== Linux ${release()}: ${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0;
