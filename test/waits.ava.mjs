import soak from './soak.ava.mjs';

export default {
  ...soak,
  files: ['**/*.waits.soak.test.ts'],
  // Those of abuse, which in part are at work, come last: two of them are at the same time for seconds only.
  sortTestFiles: (a, b) => b.localeCompare(a),
};
