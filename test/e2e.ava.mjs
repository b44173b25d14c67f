/** The timeout is for the time without any test that ends: the first one brings the clusters up. */
export default {
  files: ['test/e2e/*.test.ts'],
  extensions: ['ts'],
  require: ['./test/ends-by-itself.js', './test/tells-seeds.js'],
  // Each file builds on the lab as the one before left it.
  sortTestFiles: (a, b) => a.localeCompare(b),
  timeout: '20m',
  workerThreads: false,
};
