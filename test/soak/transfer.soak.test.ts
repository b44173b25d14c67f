import test from 'ava';
import { runTransfers } from './transfer-run.ts';

const MIB = 2 ** 20;

test.serial('bytes arrive as they were sent, through half-closes and resets', async (t) => {
  const result = await runTransfers({ bytes: 1500 * MIB, connections: 16, largest: 32 * MIB, leaveOutOf: undefined });
  t.deepEqual(result.faults, []);
  t.true(result.bytes >= 1400 * MIB, `${result.bytes} bytes`);
  t.true(result.complete > 20 && result.reset > 0, `${result.complete} complete, ${result.reset} reset`);
  t.deepEqual(result.failures, {});
});

test.serial('a byte that is left out is noticed', async (t) => {
  const { faults } = await runTransfers({ bytes: 1000 * MIB, connections: 4, largest: MIB, leaveOutOf: 3 });
  t.regex(faults[0] ?? '', /^server: a wrong byte at 3456\d\d: .*"id":3/);
});
