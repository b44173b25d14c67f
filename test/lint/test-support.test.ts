import test from 'ava';
import { testSupportFiles } from './test-support.ts';

test('a file that only tests import, also by way of another, is support; one that the product imports too is not', (t) => {
  const files = new Map([
    ['cli/main.ts', `import { a } from './shared.ts';`],
    ['cli/main.test.ts', `import { a } from './shared.ts';\nimport { b } from './server.ts';`],
    ['cli/server.ts', `import { c } from '@landbridge/core/fixture.ts';`],
    ['cli/shared.ts', ''],
    ['core/fixture.ts', ''],
  ]);
  t.deepEqual([...testSupportFiles(files)].sort(), ['cli/main.test.ts', 'cli/server.ts', 'core/fixture.ts']);
});
