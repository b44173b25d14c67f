/** Short forms of F4, F5 and F6: the same programs as the long ones (run.ts), each in a network namespace of its own, all at once. */
import path from 'node:path';
import { outcomeOf } from '@landbridge/lab/run.ts';
import test from 'ava';

const FORMS = { partitions: '0.9', flapping: '0.5', slow: '0.5' } as const;

test('partitions, also of one direction, ways that flap and ways that lose packets: nothing vanishes, and all agree soon after', async (t) => {
  t.timeout(300_000);
  await Promise.all(Object.entries(FORMS).map(async ([form, minutes]) => {
    const { status, stdout, stderr } = await outcomeOf([process.execPath, path.join(import.meta.dirname, 'run.ts'), form, '--minutes', minutes], { signal: AbortSignal.timeout(280_000) });
    t.log(stdout.trim());
    t.is(status, 0, `${form}: ${stdout}${stderr}`);
    t.regex(stdout, /all agree|seen by all/);
  }));
});
