export default {
  files: ['**/*.kernel.test.ts'],
  extensions: ['ts'],
  timeout: '120s',
  workerThreads: false,
};
