/** The timeout is for the time without any test that ends: some look at a peer for as long as it may be silent. */
export default {
  files: ['**/*.soak.test.ts', '!**/*.waits.soak.test.ts'],
  extensions: ['ts'],
  require: ['./test/ends-by-itself.js', './test/tells-seeds.js'],
  timeout: '180s',
  workerThreads: false,
};
