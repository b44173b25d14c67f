export default { files: ["test/.sample-9J9RFz/sample.mjs"], workerThreads: false };
