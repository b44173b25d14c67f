/** As lab/wait.ts has it. */
const patience = Number(process.env.LANDBRIDGE_PATIENCE || 1);

export default {
  files: ['**/*.kernel.test.ts'],
  extensions: ['ts'],
  require: ['./test/ends-by-itself.js', './test/tells-seeds.js'],
  timeout: `${120 * patience}s`,
  workerThreads: false,
};
