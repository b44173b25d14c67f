import path from 'node:path';

/** How container runtimes know the plugin: the `type` of its entry, and the name of its file. */
export const CNI_TYPE = 'landbridge-cni';

/** The program that `node agent/cni/build.ts` makes; found from the agent's bundle as well, which is one folder below the root too. */
export const CNI_EXECUTABLE = path.join(import.meta.dirname, '../dist', CNI_TYPE);
