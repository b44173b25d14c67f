export default { files: ["test/.sample-DWRBez/sample.mjs"], workerThreads: false };
