export default { files: ["test/.sample-RyU0I9/sample.mjs"], workerThreads: false };
