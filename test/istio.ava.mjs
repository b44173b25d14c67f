/** As lab/wait.ts has it. */
const patience = Number(process.env.LANDBRIDGE_PATIENCE || 1);

/** The timeout is for the time without any test that ends: the first one brings the cluster up, one waits for pings. */
export default {
  files: ['test/istio/*.istio.test.ts'],
  extensions: ['ts'],
  require: ['./test/ends-by-itself.js', './test/tells-seeds.js'],
  timeout: `${120 * patience}s`,
  workerThreads: false,
};
