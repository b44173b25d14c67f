export default { files: ["test/.sample-laTCOD/sample.mjs"], workerThreads: false };
