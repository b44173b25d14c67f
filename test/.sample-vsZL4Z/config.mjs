export default { files: ["test/.sample-vsZL4Z/sample.mjs"], workerThreads: false };
