import test from 'ava';
import { isAtLeast, parseKernelRelease } from './machine.ts';

test('a kernel release is read up to its minor number', (t) => {
  t.deepEqual(parseKernelRelease('6.18.44-fc-v669'), { major: 6, minor: 18 });
  t.deepEqual(parseKernelRelease('6.1.0-13-amd64'), { major: 6, minor: 1 });
  t.is(parseKernelRelease('linux'), undefined);
});

test('versions are compared as numbers', (t) => {
  t.true(isAtLeast({ major: 6, minor: 18 }, { major: 6, minor: 1 }));
  t.true(isAtLeast({ major: 7, minor: 0 }, { major: 6, minor: 1 }));
  t.false(isAtLeast({ major: 6, minor: 0 }, { major: 6, minor: 1 }));
  t.false(isAtLeast({ major: 5, minor: 19 }, { major: 6, minor: 1 }));
});
