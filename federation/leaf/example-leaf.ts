/** The leaf node of a cluster as its chart runs it, for tests: from the Secret that the federation service has written. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TestNatsServer } from '../bus/test-nats-server.ts';
import type { SecretStore } from '../kubernetes/secret-store.ts';
import { LEAF_DIRECTORY, LEAF_PORT, LEAF_STORE } from './leaf-config.ts';
import { LEAF_SECRET } from './leaf-secret.ts';

/** @param port of the URL that the federation service was told */
export async function startExampleLeaf(secrets: SecretStore, port: number): Promise<TestNatsServer> {
  const found = await secrets.read(LEAF_SECRET);
  if (found === undefined) throw new Error(`there is no Secret ${LEAF_SECRET}`);
  return await TestNatsServer.start(async (store) => {
    const folder = join(dirname(store), 'leaf');
    await mkdir(folder);
    const here = (text: string): string => text.replaceAll(LEAF_DIRECTORY, folder).replaceAll(LEAF_STORE, store).replace(`0.0.0.0:${LEAF_PORT}`, `127.0.0.1:${port}`);
    for (const [name, value] of Object.entries(found.values)) await writeFile(join(folder, name), name === 'nats.conf' ? here(value) : value);
    return join(folder, 'nats.conf');
  }, port);
}
