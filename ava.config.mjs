/** Tests beside the code, and those of the unit stage in test/. */
export default {
  files: ['**/*.test.ts', '!**/*.kernel.test.ts', '!**/*.soak.test.ts', '!**/*.istio.test.ts', '!test/e2e/**', '!lab/tools/**'],
  extensions: ['ts'],
  require: ['./test/ends-by-itself.js', './test/tells-seeds.js'],
  // Files of test/ wait for processes and for times: where they came last, little else was left to do meanwhile.
  sortTestFiles: (a, b) => b.localeCompare(a),
  concurrency: 4,
  timeout: '180s',
  workerThreads: false,
};
